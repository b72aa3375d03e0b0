//! A range: its witness, what L1 has of it, and its proof.

use super::{super::watch::Watch, Works};
use proofmill_client::{OpRangeProof, VerifyError};
use proofmill_primitives::BlockRange;
use proofmill_program::op::range::{self, OpStatement};
use proofmill_service::JobError;
use proofmill_witness::{BuildError, L1Source};
use tokio_util::sync::CancellationToken;

impl Works {
    /// The number of the L1 block up to which the range was derived: `up_to` at the latest, or `bound` where its proof is there already. It
    /// is kept.
    pub(in crate::shell) async fn prove_range(
        &self,
        blocks: BlockRange,
        (up_to, bound): (u64, u64),
        cancel: &CancellationToken,
    ) -> Result<u64, JobError> {
        if let Some(l1_head) = self.range_that_is_there(blocks, bound).await? {
            tracing::info!(%blocks, l1_head, "the proof of a range is there already");
            return Ok(l1_head);
        }
        L1Source::check_times(&self.rollup, &self.node, blocks).await?;
        tracing::info!(%blocks, "a range is gathered from both chains");
        let witnessed = self.node.witness(blocks, &|_| {}).await?;
        let derived =
            self.source.derivation(&self.rollup, &self.node, &witnessed.input, Some(up_to), &|_| {}).await?;
        let input = range::encode_derived(&derived, &witnessed.input);
        drop((derived, witnessed.input));
        let run = tokio::task::spawn_blocking(move || (range::run(&input), input)).await;
        let (statement, input) = match run {
            Ok((Ok(OpStatement::Derived(statement)), input)) => (statement, input),
            Ok((Ok(OpStatement::Executed(_)), _)) => {
                return Err(failed("the program derived nothing; please report it"));
            }
            Ok((Err(error), _)) => return Err(failed(error)),
            Err(error) => return Err(failed(error)),
        };
        let l1_head = self.source.node.number_of(statement.l1Head).await?;
        let gas = witnessed.outcome.gas_used;
        tracing::info!(%blocks, gas, l1_head, bytes = input.len(), "a range follows from L1; it is proven");
        let mut watch = Watch::new(blocks);
        let show = |progress: &_| watch.see(progress);
        let made = self.prover.prove_op_range(&input, statement, cancel, show).await?;
        self.proofs.keep_range(blocks, &made.proof).map_err(away)?;
        tracing::info!(%blocks, l1_head, "range proven");
        Ok(l1_head)
    }

    /// The L1 block up to which a range was derived whose proof is kept already and fits. Errors where L1 or L2 do not tell, or the proof
    /// cannot be verified: it may be good, and is not made again for that.
    async fn range_that_is_there(&self, blocks: BlockRange, bound: u64) -> Result<Option<u64>, JobError> {
        let proof = match self.range_proof(blocks).await {
            Ok(Some(proof)) => proof,
            Ok(None) => return Ok(None),
            Err(Unusable::Refused(cause)) => {
                tracing::warn!(%blocks, cause, "a proof that is there is of no use");
                return Ok(None);
            }
            Err(Unusable::Unknown(cause)) => return Err(away(cause)),
        };
        match self.source.node.number_of(proof.statement.l1Head).await {
            Ok(number) => Ok((number <= bound).then_some(number)),
            Err(BuildError::UnknownHash { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The kept proof of a range, if there is one.
    pub(super) async fn range_proof(&self, blocks: BlockRange) -> Result<Option<OpRangeProof>, Unusable> {
        let refused = |cause: &str| Err(Unusable::Refused(cause.to_owned()));
        let Some(proof) = self.proofs.range(blocks).map_err(Unusable::Refused)? else { return Ok(None) };
        if proof.proof.program != self.range_program || proof.proof.prover != self.prover.prover_type() {
            return refused("it is of another program");
        }
        let said = &proof.statement;
        if said.l2BlockNumber != blocks.last() || said.rollupConfigHash != self.rollup_hash {
            return refused("it is of other blocks, or of another configuration");
        }
        // A proof says where it ends, and not where it begins.
        let ends = [(blocks.first().saturating_sub(1), said.l2PreRoot), (blocks.last(), said.l2PostRoot)];
        for (block, root) in ends {
            let there = self.l2.output(block).await.map_err(|error| Unusable::Unknown(error.to_string()))?;
            let unknown = || Unusable::Unknown(format!("L2's node does not have block {block}"));
            if there.ok_or_else(unknown)?.root != root {
                return refused("it is of other blocks than its name says, or of another branch of L2");
            }
        }
        match self.prover.verify_stated(&proof).await {
            Ok(()) => Ok(Some(proof)),
            Err(VerifyError::Refused(cause)) => Err(Unusable::Refused(cause)),
            Err(error) => Err(Unusable::Unknown(error.to_string())),
        }
    }
}

/// Why a kept proof is not taken.
#[derive(Debug)]
pub(super) enum Unusable {
    /// It is of no use.
    Refused(String),
    /// Whether it is of use is not known now.
    Unknown(String),
}

pub(in crate::shell) fn away(cause: impl ToString) -> JobError {
    JobError::Unavailable { cause: cause.to_string() }
}

fn failed(cause: impl ToString) -> JobError {
    JobError::Failed { cause: cause.to_string() }
}
