//! Proven ranges on their way to L1: the hash of an L1 block, the aggregation, the output.

use super::{
    super::{
        AnchorTag,
        works::{Wanted, ends, from_l1, not_now, refused, stale},
    },
    Shell,
};
use crate::{
    error::OpProposerError,
    rules::{L1Block, StepFailed},
};
use proofmill_chain::{BlockAt, OracleView, Output, ProvenOutput};
use proofmill_primitives::BlockRange;
use tokio_util::sync::CancellationToken;

/// A contract sees the hashes of so many blocks before L1's newest one.
const HASHES: u64 = 255;

/// Errors where a contract cannot keep the hash of L1's block `number` any more: L1 does not finalize, or the anchor is far back.
fn too_old(tag: AnchorTag, number: u64, newest: u64) -> Result<(), String> {
    let back = newest.saturating_sub(number);
    if back <= HASHES {
        return Ok(());
    }
    Err(format!(
        "L1's {tag} block that counts, {number}, is {back} blocks before its newest one, and a contract can keep the hash of the last \
         {HASHES} alone: wait until L1 has one that is nearer, or prove up to another (--l1-block-tag, L1_BLOCK_TAG; --l1-confirmations, \
         L1_CONFIRMATIONS)"
    ))
}

impl Shell {
    /// Has the contract keep the hash of an L1 block that is not before `not_before`.
    pub(super) async fn checkpoint(&self, not_before: u64) -> Result<L1Block, StepFailed> {
        let (oracle, anchor) = (&self.oracle, self.options.anchor);
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
            too_old(anchor.tag, number, newest).map_err(not_now)?;
            let included = oracle.keep_hash(&self.works.sender, number).await.map_err(from_l1)?;
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

    /// Joins the ranges up to the L1 block. The proof is kept. `anew`: not by the one that is kept, which was refused.
    pub(super) async fn aggregate(
        &self,
        ranges: &[BlockRange],
        l1: L1Block,
        anew: bool,
        cancel: &CancellationToken,
    ) -> Result<(), StepFailed> {
        if anew {
            self.works.refuse_kept(ranges, l1).await?;
        }
        let begins = self.oracle.view().await.map_err(from_l1)?.newest;
        let proof = self.works.aggregate(ranges, Wanted { l1, begins, there_only: false }, cancel).await?;
        let (first, last) = ends(ranges);
        self.works.proofs.keep_aggregation(first, last, l1.number, &proof).map_err(not_now)
    }

    /// Adds the output of the last range. The number of the L1 block that has it, or of a later one.
    pub(super) async fn propose(&self, ranges: &[BlockRange], l1: L1Block) -> Result<u64, StepFailed> {
        let (_, last) = ends(ranges);
        let OracleView { at, newest, .. } = self.oracle.view().await.map_err(from_l1)?;
        if newest.block >= last {
            tracing::info!(block = newest.block, "the output is on L1 already");
            return Ok(at.number);
        }
        let wanted = Wanted { l1, begins: newest, there_only: false };
        let proof = self.works.kept(ranges, wanted).await?;
        let proof = proof.ok_or_else(|| stale("the aggregation's file is not there"))?;
        self.check_config().await.map_err(|error| match error {
            OpProposerError::Chain(error) => from_l1(error),
            error => refused(error),
        })?;
        if self.oracle.kept_hash(l1.number).await.map_err(from_l1)? != Some(l1.hash) {
            return Err(stale(format!(
                "the contract does not keep the hash of L1 block {} any more",
                l1.number
            )));
        }
        let said = &proof.statement;
        let output = Output { root: said.claimRoot, block: said.claimBlockNum };
        let (prover, l1_block) = (said.proverAddress, l1.number);
        // The contract's owner may have named another since the start.
        let verifier = self.oracle.verifier().await.map_err(from_l1)?;
        let proof = self.works.for_l1(&proof, verifier).await?;
        let proven = ProvenOutput { output, l1_block, proof, prover };
        let sent = self.oracle.propose(&self.works.sender, self.config_name, &proven).await;
        let included = sent.map_err(from_l1)?;
        let Output { root, block } = output;
        let (transaction, gas, fee_wei) = (included.transaction, included.gas_used, included.fee());
        tracing::info!(event = "output_proposed", block, %root, %transaction, gas, fee_wei, "output proposed");
        Ok(included.block)
    }
}

#[cfg(test)]
mod tests {
    use super::too_old;
    use crate::AnchorTag;

    #[test]
    fn a_block_whose_hash_no_contract_sees_any_more_is_said() {
        assert_eq!(too_old(AnchorTag::Finalized, 745, 1_000), Ok(()));
        assert_eq!(too_old(AnchorTag::Latest, 7, 7), Ok(()));
        let said = too_old(AnchorTag::Finalized, 744, 1_000).err().unwrap_or_default();
        assert!(said.contains("finalized block") && said.contains("L1_CONFIRMATIONS"), "{said}");
    }
}
