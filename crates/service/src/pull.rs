//! The proof service `pull`: witness here, and the proof by whoever comes for it.

use crate::{
    AggregationRequest, EpochProof, EpochSpec, Executed, Flaw, JobError, NodeSide, ProofCost, ProofLevel,
    RangeProof, RangeRequest, RangeSpec, Work,
    blame::blamed,
    maker::Maker,
    side::{Gathered, flaw},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_artifacts::ContentKey;
use proofmill_backends::{Backend, Proof};
use proofmill_client::{CheckpointProof, StatedProof, Statement as Said, VerifyError, verify_stated};
use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProverType};
use proofmill_program::{AggregationPublicValues, PublicValues, RangePublicValues, aggregation};
use std::{fmt, num::NonZeroU64, sync::Arc, time::Duration};

/// Which proof: of what, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sought {
    /// The checkpoint; of an epoch proof, its last one.
    pub number: CheckpointNumber,
    /// Which program.
    pub level: ProofLevel,
    /// A hash of what is to be proven: the same when it is wanted again.
    pub content: [u8; 32],
    /// What makes it.
    pub prover: ProverType,
    /// The program's version.
    pub program: ProgramVersion,
}

/// A proof that somebody is to come for.
#[derive(Clone)]
pub struct Wanted {
    /// Which one.
    pub sought: Sought,
    /// The program's input, in the backend's encoding.
    pub stdin: Bytes,
    /// What its public values may be.
    pub says: [Vec<u8>; 2],
    /// What is kept with the proof, and [given back](Pullers::found) with it, so that it need not be made from the chain again. May be
    /// empty.
    pub note: Bytes,
    /// The most instructions that it may take.
    pub cycle_limit: Option<NonZeroU64>,
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sought: Sought { number, level, prover, .. }, stdin, .. } = self;
        let level = level.name();
        write!(f, "Wanted({level} {number} by {prover}, {} bytes of input)", stdin.len())
    }
}

/// A proof that somebody made, verified.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The proof.
    pub proof: Proof,
    /// From when it was given to its prover.
    pub took: Duration,
}

/// A proof that was made before, and what was kept with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundProof {
    /// The proof, verified when it was handed in.
    pub proof: Proof,
    /// The [note](Wanted::note).
    pub note: Bytes,
}

/// Gives work to provers that come for it.
pub trait Pullers: fmt::Debug + Send + Sync {
    /// A proof that is there already, with its note: an earlier process had it made. Nothing where there is no note.
    ///
    /// # Errors
    /// [`JobError::Unavailable`], where what keeps proofs is away.
    fn found<'a>(&'a self, sought: &'a Sought) -> BoxFuture<'a, Result<Option<FoundProof>, JobError>>;

    /// Has a proof made. When this returns, it was verified and is stored. What is wanted again is found again. When the work is
    /// cancelled, or the future is dropped, nobody is given it any more; a prover that has it may hand it in nevertheless.
    ///
    /// # Errors
    /// [`JobError`], as of [`ProofService::prove_range`].
    fn prove<'a>(&'a self, wanted: Wanted, work: &'a Work) -> BoxFuture<'a, Result<Pulled, JobError>>;

    /// A proof that was handed out here is refused elsewhere: it is not handed out again. False where what keeps it is away.
    fn refuse<'a>(&'a self, proof: &'a Proof, cause: &'a str) -> BoxFuture<'a, bool>;
}

/// Has the proofs of one prover type made by provers that pull.
pub struct PullService {
    /// Gives them work.
    pub pullers: Arc<dyn Pullers>,
    /// Encodes inputs, and checks proofs.
    pub backend: Arc<dyn Backend>,
    /// The chain, and the copies.
    pub side: NodeSide,
}

impl fmt::Debug for PullService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prover = self.backend.prover_type();
        f.debug_struct("PullService")
            .field("prover", &prover)
            .field("side", &self.side)
            .finish_non_exhaustive()
    }
}

impl Maker for PullService {
    fn side(&self) -> &NodeSide {
        &self.side
    }

    async fn range(&self, request: &RangeRequest, work: &Work) -> Result<RangeProof, JobError> {
        let sought = self.sought(request);
        // A witness takes the nodes a while: it is not built for what is there.
        if let Some((proof, executed)) = self.found(&sought, request).await? {
            return Ok(self.saved(proof, executed, Duration::ZERO).await);
        }
        let Gathered { statement, input, witness, executed } = self.side.gather(request, work).await?;
        let stdin = self.backend.encode_input(&[&input], &[]).map_err(failed)?;
        let wanted = Wanted {
            sought,
            stdin: stdin.into(),
            says: statement.said(),
            note: note(&statement, executed),
            cycle_limit: request.cycle_limit,
        };
        let Pulled { proof, took } = match self.pullers.prove(wanted, work).await {
            Ok(pulled) => pulled,
            Err(error) => return Err(blamed(error, request.range.blocks, witness).await),
        };
        Ok(self.saved(StatedProof { statement, proof }, executed, took).await)
    }

    async fn epoch(&self, request: &AggregationRequest, work: &Work) -> Result<EpochProof, JobError> {
        let parts = request.parts()?;
        let statements: Vec<_> = parts.iter().map(|part| part.statement.clone()).collect();
        let proofs: Vec<_> = parts.into_iter().map(|part| part.proof).collect();
        let statement = aggregation::fold(&request.by, &statements).map_err(failed)?;
        let input = aggregation::encode_input(&request.by, &statements);
        let stdin = self.backend.encode_input(&[&input], &proofs).map_err(failed)?;
        let EpochSpec { range, from_commitment, to_commitment } = &request.span;
        let number = self.side.last_of(&request.span).await?;
        // Into how many ranges the blocks were cut is not part of it: the proof says the same.
        let content = ContentKey::of(&[
            b"epoch for provers that pull",
            statement.rollup.as_slice(),
            statement.prover.as_slice(),
            range.parent_hash.as_slice(),
            range.last_hash.as_slice(),
            from_commitment.as_slice(),
            to_commitment.as_slice(),
        ]);
        let sought = Sought {
            number,
            level: ProofLevel::Epoch,
            content: content.into(),
            prover: self.backend.prover_type(),
            program: self.side.programs.aggregation_key,
        };
        let (says, note) = (statement.said(), Bytes::new());
        let wanted = Wanted { sought, stdin: stdin.into(), says, note, cycle_limit: None };
        let Pulled { proof, took } = self.pullers.prove(wanted, work).await?;
        let proof = StatedProof { statement, proof };
        let bytes: Bytes = proof.encode().into();
        self.side.save_epoch(&proof, &bytes).await;
        let (values, executed) = (proof.statement, request.executed());
        Ok(EpochProof { values, proof: bytes, executed, cost: cost(took) })
    }

    async fn verify<S: Said>(&self, proof: &StatedProof<S>) -> Result<(), VerifyError> {
        verify_stated(&self.backend, proof).await
    }

    async fn verify_epoch(&self, proof: &StatedProof<AggregationPublicValues>) -> Result<(), Flaw> {
        self.verify(proof).await.map_err(flaw)
    }

    async fn refused(&self, proof: &Proof, cause: &str) -> bool {
        self.pullers.refuse(proof, cause).await
    }
}

impl PullService {
    /// The range proof of a request.
    fn sought(&self, request: &RangeRequest) -> Sought {
        let statement = &request.statement;
        let RangeSpec { blocks, parent_hash, last_hash } = request.range;
        let content = ContentKey::of(&[
            b"range for provers that pull",
            statement.rollup.as_slice(),
            statement.prover.as_slice(),
            statement.config_hash.as_slice(),
            &blocks.first().to_le_bytes(),
            &blocks.last().to_le_bytes(),
            parent_hash.as_slice(),
            last_hash.as_slice(),
        ]);
        Sought {
            number: request.checkpoint.number,
            level: ProofLevel::Range,
            content: content.into(),
            prover: self.backend.prover_type(),
            program: self.side.programs.range_key,
        }
    }

    /// A proof from before a restart that says what is wanted. What does not is left to whoever knows the blocks.
    async fn found(
        &self,
        sought: &Sought,
        request: &RangeRequest,
    ) -> Result<Option<(CheckpointProof, Executed)>, JobError> {
        let Some(FoundProof { proof, note }) = self.pullers.found(sought).await? else { return Ok(None) };
        let Some((statement, executed)) = read_note(&note) else { return Ok(None) };
        if !statement.said().contains(&proof.public_values) || request.check(&statement).is_err() {
            return Ok(None);
        }
        self.side.check_rules(request).await?;
        tracing::info!(
            batch = sought.number.0, prover = %sought.prover,
            "a proof from before is found: no witness is built"
        );
        Ok(Some((StatedProof { statement, proof }, executed)))
    }

    async fn saved(&self, proof: CheckpointProof, executed: Executed, took: Duration) -> RangeProof {
        let bytes: Bytes = proof.encode().into();
        self.side.save_range(&proof, &bytes).await;
        RangeProof { values: proof.statement, proof: bytes, executed, cost: cost(took) }
    }
}

/// What a range proof says in full, which the proof itself may have as a hash alone, and what its blocks did.
fn note(statement: &RangePublicValues, executed: Executed) -> Bytes {
    let Executed { gas_used, transactions } = executed;
    let (gas_used, transactions, says) =
        (gas_used.to_le_bytes(), transactions.to_le_bytes(), statement.to_bytes());
    [gas_used.as_slice(), transactions.as_slice(), says.as_slice()].concat().into()
}

/// Nothing where another release wrote it.
fn read_note(note: &[u8]) -> Option<(RangePublicValues, Executed)> {
    let (gas_used, rest) = note.split_first_chunk()?;
    let (transactions, says) = rest.split_first_chunk()?;
    let (gas_used, transactions) = (u64::from_le_bytes(*gas_used), u64::from_le_bytes(*transactions));
    Some((RangePublicValues::from_bytes(says).ok()?, Executed { gas_used, transactions }))
}

/// What a prover says of its own work is not believed: only the time is known.
const fn cost(took: Duration) -> ProofCost {
    ProofCost { instructions: None, segments: None, took }
}

fn failed(error: impl fmt::Display) -> JobError {
    JobError::Failed { cause: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back_and_nonsense_does_not() {
        let statement = RangePublicValues { firstBlock: 3, lastBlock: 5, ..Default::default() };
        let executed = Executed { gas_used: 21_000, transactions: 1 };
        let kept = note(&statement, executed);
        assert_eq!(read_note(&kept), Some((statement, executed)));
        let longer = [&kept[..], &[0_u8][..]].concat();
        for bad in [&kept[..0], &kept[..15], &kept[..kept.len() - 1], longer.as_slice()] {
            assert_eq!(read_note(bad), None);
        }
    }
}
