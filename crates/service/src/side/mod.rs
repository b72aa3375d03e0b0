//! What a service has on the prover node's side, whoever makes the proofs: the chain, whose witness is built and executed here,
//! and the copies of finished proofs.

mod check;
mod copies;
#[cfg(test)]
mod tests;
mod verdict;

use crate::{AggregationRequest, Away, BlockHashes, EpochSpec, Executed, Flaw, JobError, RangeRequest, Work};
use alloy_primitives::B256;
use bytes::Bytes;
use check::{check_rules, evidence, witness};
use copies::{epoch_file, export, range_file, withdraw};
use proofmill_backends::Proof;
use proofmill_chain::{ChainError, ProofTypeConfig, Rollup};
use proofmill_client::{
    CheckpointProof, EpochProof as EpochProofFile, ProofFileError, StatedProof, Statement, VerifyError,
};
use proofmill_primitives::{CheckpointNumber, ProverType};
use proofmill_program::{AggregationPublicValues, ProvenFor, RangePublicValues, range};
use proofmill_stateless::StatelessInput;
use proofmill_witness::Node;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use verdict::not_gathered;

/// The prover node's side of a service, for one prover type.
#[derive(Debug)]
pub struct NodeSide {
    /// The rollup on L1, which may come to have other rules.
    pub rollup: Rollup,
    /// The programs that are proven.
    pub programs: ProofTypeConfig,
    /// The rollup's chain.
    pub l2: Node,
    /// The hashes of its blocks, by which L1 names them.
    pub blocks: Arc<dyn BlockHashes>,
    /// Where finished proofs are put for whoever wants to verify them.
    pub folder: PathBuf,
    /// Whether the rollup asks for proofs of other types besides: then each has a file of its own there, with its type in the name.
    pub is_one_of_several: bool,
    /// Within this time the witness of a range must be gathered.
    pub gather_within: Duration,
    /// Cancelled when this process ends, before its work is.
    pub ending: CancellationToken,
}

/// A range's blocks, executed from their witness.
pub(crate) struct Gathered {
    /// What a proof of them must say.
    pub(crate) statement: RangePublicValues,
    /// The range program's input.
    pub(crate) input: Vec<u8>,
    /// The witness in it.
    pub(crate) witness: StatelessInput,
    pub(crate) executed: Executed,
}

impl NodeSide {
    /// Whether a range is to be proven under the rules that this node has.
    ///
    /// # Errors
    /// [`JobError::Unavailable`], where it is not, or L1 does not say.
    pub(crate) async fn check_rules(&self, request: &RangeRequest) -> Result<(), JobError> {
        self.check_rules_of(request.checkpoint.number, request.statement.config_hash).await
    }

    /// The same of an epoch, whose checkpoints have the same rules. Its range proofs may be of before: where L1 gave up checkpoints, they
    /// are proposed again in the same ranges, and other rules may have come into force.
    ///
    /// # Errors
    /// As of [`check_rules`](Self::check_rules).
    pub(crate) async fn check_epoch_rules(&self, request: &AggregationRequest) -> Result<(), JobError> {
        let last = self.last_of(&request.span).await?;
        self.check_rules_of(last, request.expected.configHash).await
    }

    async fn check_rules_of(&self, number: CheckpointNumber, config_hash: B256) -> Result<(), JobError> {
        let unavailable = |error: ChainError| JobError::Unavailable { cause: error.to_string() };
        let rules = self.rollup.rules_of(number).await.map_err(unavailable)?;
        check_rules(number, &rules, config_hash, &self.programs)
    }

    /// The last checkpoint of an epoch.
    ///
    /// # Errors
    /// [`JobError::Unavailable`], where L1 does not say.
    pub(crate) async fn last_of(&self, span: &EpochSpec) -> Result<CheckpointNumber, JobError> {
        let last = self.checkpoint_of(span.range.blocks.last()).await;
        last.map_err(|Away { cause }| JobError::Unavailable { cause })
    }

    /// The checkpoint with this block.
    ///
    /// # Errors
    /// L1 does not say.
    pub(crate) async fn checkpoint_of(&self, block: u64) -> Result<CheckpointNumber, Away> {
        self.rollup.checkpoint_of(block).await.map_err(Away::because)
    }

    /// Builds the witness of a range, and executes its blocks from it. What is not true of them is found here.
    ///
    /// # Errors
    /// [`JobError`], as of [`ProofService::prove_range`](crate::ProofService::prove_range).
    pub(crate) async fn gather(&self, request: &RangeRequest, work: &Work) -> Result<Gathered, JobError> {
        self.check_rules(request).await?;
        let of = proven_for(request);
        let gathered = tokio::time::timeout(self.gather_within, witness(&self.l2, &*self.blocks, request));
        let gathered = work.cancel().run_until_cancelled(gathered).await.ok_or(JobError::Cancelled)?;
        let witnessed = gathered.map_err(|_| not_gathered(self.gather_within))??;
        Ok(Gathered {
            statement: range::public_values(of, &witnessed.outcome),
            input: range::encode_input(of, &witnessed.input),
            executed: Executed {
                gas_used: witnessed.outcome.gas_used,
                transactions: witnessed.outcome.transactions,
            },
            witness: witnessed.input,
        })
    }

    /// The range program's input for a request, for the record of a failure.
    ///
    /// # Errors
    /// Why it cannot be built.
    pub(crate) async fn input(&self, request: &RangeRequest) -> Result<Bytes, String> {
        let gathered = tokio::time::timeout(self.gather_within, evidence(&self.l2, request)).await;
        let witnessed = gathered.map_err(|_| not_gathered(self.gather_within).to_string())??;
        Ok(range::encode_input(proven_for(request), &witnessed.input).into())
    }

    /// A copy of a range proof for people: the node keeps its own.
    pub(crate) async fn save_range(&self, proof: &StatedProof<RangePublicValues>, bytes: &Bytes) {
        let of = self.named(&proof.proof);
        let name = range_file(&proof.statement.firstBlock, &proof.statement.lastBlock, of);
        self.save(&name, proof, bytes).await;
    }

    /// The same of an epoch proof.
    pub(crate) async fn save_epoch(&self, proof: &StatedProof<AggregationPublicValues>, bytes: &Bytes) {
        let of = self.named(&proof.proof);
        let name = epoch_file(&proof.statement.firstBlock, &proof.statement.lastBlock, of);
        self.save(&name, proof, bytes).await;
    }

    /// The type that stands in the name of a proof's file, if one does.
    fn named(&self, proof: &Proof) -> Option<ProverType> {
        self.is_one_of_several.then_some(proof.prover)
    }

    async fn save<S: Statement>(&self, name: &str, proof: &StatedProof<S>, bytes: &Bytes) {
        let path = self.folder.join(name);
        if let Err(error) = export(&path, proof, bytes).await {
            tracing::warn!(path = %path.display(), %error, "a finished proof could not be put there");
        }
    }

    /// Removes the copy of a bad proof; what is in it. Nothing where no service of this version can have handed it out.
    pub(crate) async fn withdraw(&self, bad: &Bytes) -> Option<Proof> {
        let (name, proof) = match (CheckpointProof::decode(bad), EpochProofFile::decode(bad)) {
            (Ok(CheckpointProof { statement, proof }), _) => {
                (range_file(&statement.firstBlock, &statement.lastBlock, self.named(&proof)), proof)
            }
            (_, Ok(EpochProofFile { statement, proof })) => {
                (epoch_file(&statement.firstBlock, &statement.lastBlock, self.named(&proof)), proof)
            }
            _ => return None,
        };
        withdraw(&self.folder.join(name), proof.prover, bad).await;
        Some(proof)
    }

    /// Runs the work until this process ends: what is cancelled then is wanted again by the next one, so whoever does it goes on
    /// with it.
    pub(crate) async fn until_ending<T>(
        &self,
        making: impl Future<Output = Result<T, JobError>>,
    ) -> Result<T, JobError> {
        tokio::select! {
            biased;
            () = self.ending.cancelled() => Err(JobError::Cancelled),
            made = making => made,
        }
    }
}

/// Reads a proof that was stored, and compares what it says; it is not verified yet.
pub(crate) fn stated<S: Statement>(bytes: &Bytes, values: &S) -> Result<StatedProof<S>, Flaw> {
    let stated = StatedProof::<S>::decode(bytes).map_err(|error| match error {
        ProofFileError::OtherStatement { .. } => Flaw::Bad { cause: error.to_string() },
        _ => Flaw::Unreadable,
    })?;
    if stated.statement != *values {
        return Err(Flaw::Bad { cause: "its file says something else".to_owned() });
    }
    Ok(stated)
}

/// What a proof that does not verify means for whoever stored it.
pub(crate) fn flaw(error: VerifyError) -> Flaw {
    match error {
        VerifyError::Refused(cause) => Flaw::Bad { cause },
        error => Flaw::Unchecked { cause: error.to_string() },
    }
}

const fn proven_for(request: &RangeRequest) -> ProvenFor {
    ProvenFor { rollup: request.statement.rollup, prover: request.statement.prover }
}
