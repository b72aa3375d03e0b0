//! The proof service `pull`: witness here, and the proof by whoever comes for it.

use crate::{
    AggregationRequest, EpochProof, EpochSpec, JobError, NodeSide, ProofCost, ProofLevel, RangeProof,
    RangeRequest, RangeSpec, Work, blame::blamed, maker::Maker, side::Gathered,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_artifacts::ContentKey;
use proofmill_backends::{Backend, Proof};
use proofmill_client::{StatedProof, Statement as Said, VerifyError, verify_stated};
use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProverType};
use proofmill_program::aggregation;
use std::{fmt, num::NonZeroU64, sync::Arc, time::Duration};

/// A proof that somebody is to come for.
#[derive(Clone)]
pub struct Wanted {
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
    /// The program's input, in the backend's encoding.
    pub stdin: Bytes,
    /// What its public values may be.
    pub says: [Vec<u8>; 2],
    /// The most instructions that it may take.
    pub cycle_limit: Option<NonZeroU64>,
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, level, prover, stdin, .. } = self;
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

/// Gives work to provers that come for it.
pub trait Pullers: fmt::Debug + Send + Sync {
    /// Has a proof made. When this returns, it was verified and is stored. What is wanted again is found again. When the work is
    /// cancelled, or the future is dropped, nobody is given it any more; a prover that has it may hand it in nevertheless.
    ///
    /// # Errors
    /// [`JobError`], as of [`ProofService::prove_range`].
    fn prove<'a>(&'a self, wanted: Wanted, work: &'a Work) -> BoxFuture<'a, Result<Pulled, JobError>>;

    /// A proof that was handed out here is refused elsewhere: it is not handed out again.
    fn refuse<'a>(&'a self, proof: &'a Proof, cause: &'a str) -> BoxFuture<'a, ()>;
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
        let Gathered { statement, input, witness, executed } = self.side.gather(request, work).await?;
        let stdin = self.backend.encode_input(&[&input], &[]).map_err(failed)?;
        let statement_of = &request.statement;
        let RangeSpec { blocks, parent_hash, last_hash } = request.range;
        let content = ContentKey::of(&[
            b"range for provers that pull",
            statement_of.rollup.as_slice(),
            statement_of.prover.as_slice(),
            statement_of.config_hash.as_slice(),
            &blocks.first().to_le_bytes(),
            &blocks.last().to_le_bytes(),
            parent_hash.as_slice(),
            last_hash.as_slice(),
        ]);
        let wanted = Wanted {
            number: request.checkpoint.number,
            level: ProofLevel::Range,
            content: content.into(),
            prover: self.backend.prover_type(),
            program: self.side.programs.range_key,
            stdin: stdin.into(),
            says: statement.said(),
            cycle_limit: request.cycle_limit,
        };
        let Pulled { proof, took } = match self.pullers.prove(wanted, work).await {
            Ok(pulled) => pulled,
            Err(error) => return Err(blamed(error, blocks, witness).await),
        };
        let proof = StatedProof { statement, proof };
        let bytes: Bytes = proof.encode().into();
        self.side.save_range(&proof, &bytes).await;
        Ok(RangeProof { values: proof.statement, proof: bytes, executed, cost: cost(took) })
    }

    async fn epoch(&self, request: &AggregationRequest, work: &Work) -> Result<EpochProof, JobError> {
        let parts = request.parts()?;
        let statements: Vec<_> = parts.iter().map(|part| part.statement.clone()).collect();
        let proofs: Vec<_> = parts.into_iter().map(|part| part.proof).collect();
        let statement = aggregation::fold(&request.by, &statements).map_err(failed)?;
        let input = aggregation::encode_input(&request.by, &statements);
        let stdin = self.backend.encode_input(&[&input], &proofs).map_err(failed)?;
        let EpochSpec { range, from_commitment, to_commitment } = &request.span;
        let unavailable =
            |error: proofmill_chain::ChainError| JobError::Unavailable { cause: error.to_string() };
        let last = range.blocks.last();
        let number = self.side.rollup.checkpoint_of(last).await.map_err(unavailable)?;
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
        let wanted = Wanted {
            number,
            level: ProofLevel::Epoch,
            content: content.into(),
            prover: self.backend.prover_type(),
            program: self.side.programs.aggregation_key,
            stdin: stdin.into(),
            says: statement.said(),
            cycle_limit: None,
        };
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

    async fn refused(&self, proof: &Proof, cause: &str) {
        self.pullers.refuse(proof, cause).await;
    }
}

/// What a prover says of its own work is not believed: only the time is known.
const fn cost(took: Duration) -> ProofCost {
    ProofCost { instructions: None, segments: None, took }
}

fn failed(error: impl fmt::Display) -> JobError {
    JobError::Failed { cause: error.to_string() }
}
