//! Proven ranges on their way to L1: the hash of an L1 block, the aggregation, the output.

use super::{Shell, watch::Watch};
use crate::{
    error::OpProposerError,
    rules::{L1Block, Problem, StepFailed},
};
use proofmill_chain::{BlockAt, ChainError, Output, ProvenOutput};
use proofmill_client::{ClientError, OpAggregationProof, OpRangeProof};
use proofmill_primitives::BlockRange;
use proofmill_program::op::{OpAggregation, OpAggregationError};
use proofmill_service::JobError;
use proofmill_witness::BuildError;
use tokio_util::sync::CancellationToken;

impl Shell {
    /// Has the contract keep the hash of an L1 block that is not before `not_before`.
    pub(super) async fn checkpoint(&self, not_before: u64) -> Result<L1Block, StepFailed> {
        let (oracle, anchor) = (&self.parts.oracle, self.options.anchor);
        let number = anchor.number(oracle.l1()).await.map_err(from_l1)?;
        // A contract sees the hashes of the blocks before the one that it runs in, and a node runs it in its newest to tell its gas.
        let newest = oracle.l1().head().await.map_err(from_l1)?.number;
        let number = number.map(|number| number.min(newest.saturating_sub(1)));
        let number = number.filter(|number| *number >= not_before).ok_or_else(|| {
            not_now(format!(
                "L1's {} block, or the one before its newest ({}), is before block {not_before}, up to which a range was derived",
                anchor.tag,
                number.map_or("there is none yet".to_owned(), |number| number.to_string())
            ))
        })?;
        if oracle.kept_hash(number).await.map_err(from_l1)?.is_none() {
            let included = oracle.keep_hash(&self.parts.sender, number).await.map_err(from_l1)?;
            let transaction = included.transaction;
            tracing::info!(l1_block = number, %transaction, gas = included.gas_used, "the contract keeps the hash of an L1 block");
        }
        let kept = oracle.kept_hash(number).await.map_err(from_l1)?;
        let there = oracle.l1().block(BlockAt::Number(number)).await.map_err(from_l1)?;
        match (kept, there) {
            (Some(hash), Some(block)) if hash == block.hash => Ok(L1Block { number, hash }),
            (Some(hash), Some(block)) => Err(not_now(format!(
                "the contract keeps {hash} of L1 block {number}, which is {} now: L1 was reorganised; the next block is taken",
                block.hash
            ))),
            _ => Err(not_now(format!("L1 does not show yet that the hash of its block {number} is kept"))),
        }
    }

    /// Joins the ranges up to the L1 block. The proof is kept.
    pub(super) async fn aggregate(
        &self,
        ranges: &[BlockRange],
        l1: L1Block,
        cancel: &CancellationToken,
    ) -> Result<(), StepFailed> {
        let parts = &self.parts;
        let (mut proofs, mut lost, mut oldest) = (Vec::new(), Vec::new(), l1.number);
        for &blocks in ranges {
            match self.proof_on_l1(blocks, l1).await? {
                Ok((proof, number)) => {
                    oldest = oldest.min(number);
                    proofs.push(proof);
                }
                Err(cause) => lost.push(Problem { blocks, cause }),
            }
        }
        if !lost.is_empty() {
            return Err(StepFailed::RangesLost(lost));
        }
        let l1_headers = parts.source.headers(oldest, l1.number).await.map_err(not_now)?;
        if l1_headers.last().map(alloy_primitives::keccak256) != Some(l1.hash) {
            return Err(stale(format!("L1 block {} is another one by now: L1 was reorganised", l1.number)));
        }
        let newest = parts.oracle.view().await.map_err(from_l1)?.newest;
        let begins = proofs.first().map(|first| first.statement.l2PreRoot).unwrap_or_default();
        if newest.root != begins {
            return Err(refused(format!(
                "the newest output on L1, of block {}, is {}, and the chain of the L2 node has {begins} there",
                newest.block, newest.root
            )));
        }
        let prover = parts.sender.account();
        let by = OpAggregation { range_key: self.range_program.0, prover, l1_head: l1.hash, l1_headers };
        let (first, last) = ends(ranges);
        let mut watch = Watch::new(format!("aggregation of {first}-{last}"));
        let show = |progress: &_| watch.see(progress);
        let made = match parts.prover.prove_op_aggregation(&by, &proofs, cancel, show).await {
            Ok(made) => made,
            Err(ClientError::OpAggregation(
                ref error @ (OpAggregationError::HeadNotFound { at, .. }
                | OpAggregationError::Broken { at, .. }
                | OpAggregationError::NotLater { at, .. }
                | OpAggregationError::OtherConfig { at, .. }),
            )) => {
                let (blocks, cause) = (ranges[at], error.to_string());
                return Err(StepFailed::RangesLost(vec![Problem { blocks, cause }]));
            }
            Err(error) => {
                return Err(match JobError::from(error) {
                    error @ (JobError::Unavailable { .. } | JobError::Cancelled) => not_now(error),
                    error => refused(error),
                });
            }
        };
        self.proofs.keep_aggregation(first, last, l1.number, &made.proof).map_err(not_now)?;
        tracing::info!(first, last, l1_block = l1.number, "ranges aggregated");
        Ok(())
    }

    /// The kept proof of a range, and the number of the L1 block up to which it was derived; or why it is to be made again.
    async fn proof_on_l1(
        &self,
        blocks: BlockRange,
        l1: L1Block,
    ) -> Result<Result<(OpRangeProof, u64), String>, StepFailed> {
        let proof = match self.range_proof(blocks).await {
            Ok(Some(proof)) => proof,
            Ok(None) => return Ok(Err("its file is not there".to_owned())),
            Err(cause) => return Ok(Err(cause)),
        };
        let head = proof.statement.l1Head;
        match self.parts.source.node.number_of(head).await {
            Ok(number) if number <= l1.number => Ok(Ok((proof, number))),
            Ok(number) => Err(stale(format!("range {blocks} was derived up to L1 block {number}, later"))),
            Err(BuildError::UnknownHash { .. }) => {
                Ok(Err(format!("it was derived up to L1 block {head}, which L1 does not have")))
            }
            Err(error) => Err(not_now(error)),
        }
    }

    /// Adds the output of the last range.
    pub(super) async fn propose(&self, ranges: &[BlockRange], l1: L1Block) -> Result<(), StepFailed> {
        let parts = &self.parts;
        let (first, last) = ends(ranges);
        let newest = parts.oracle.view().await.map_err(from_l1)?.newest;
        if newest.block >= last {
            tracing::info!(block = newest.block, "the output is on L1 already");
            return Ok(());
        }
        let proof = self.proofs.aggregation(first, last, l1.number).map_err(stale)?;
        let proof = proof.ok_or_else(|| stale("the aggregation's file is not there"))?;
        let said = &proof.statement;
        if said.l1Head != l1.hash || said.rollupConfigHash != self.rollup_hash {
            return Err(stale("the aggregation's file is of something else"));
        }
        self.check_config().await.map_err(|error| match error {
            OpProposerError::Chain(error) => from_l1(error),
            error => refused(error),
        })?;
        if parts.oracle.kept_hash(l1.number).await.map_err(from_l1)? != Some(l1.hash) {
            return Err(stale(format!(
                "the contract does not keep the hash of L1 block {} any more",
                l1.number
            )));
        }
        let output = Output { root: said.claimRoot, block: said.claimBlockNum };
        let (prover, l1_block) = (said.proverAddress, l1.number);
        let proof = self.for_l1(&proof).await?;
        let proven = ProvenOutput { output, l1_block, proof, prover };
        let sent = parts.oracle.propose(&parts.sender, self.config_name, &proven).await;
        let included = sent.map_err(from_l1)?;
        let Output { root, block } = output;
        let (transaction, gas) = (included.transaction, included.gas_used);
        tracing::info!(block, %root, %transaction, gas, "output proposed");
        Ok(())
    }

    /// The proof as the contract's verifier takes it.
    async fn for_l1(&self, proof: &OpAggregationProof) -> Result<alloy_primitives::Bytes, StepFailed> {
        match &self.quorum {
            None => Ok(proof.proof.body.clone().into()),
            Some(quorum) => quorum
                .attest(proof)
                .await
                .map_err(|error| if error.is_of_the_proof() { refused(error) } else { not_now(error) }),
        }
    }
}

/// The first block and the last.
fn ends(ranges: &[BlockRange]) -> (u64, u64) {
    (ranges.first().map_or(0, |range| range.first()), ranges.last().map_or(0, |range| range.last()))
}

fn not_now(cause: impl ToString) -> StepFailed {
    StepFailed::NotNow { cause: cause.to_string() }
}

fn refused(cause: impl ToString) -> StepFailed {
    StepFailed::Refused { cause: cause.to_string() }
}

fn stale(cause: impl ToString) -> StepFailed {
    StepFailed::Stale { cause: cause.to_string() }
}

fn from_l1(error: ChainError) -> StepFailed {
    if error.refusal().is_some() { refused(error) } else { not_now(error) }
}
