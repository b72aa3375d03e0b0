//! Proven ranges on their way to L1: the hash of an L1 block, the aggregation, the output.

use super::{
    super::{
        Anchor, AnchorTag,
        works::{Wanted, ends, from_l1, not_now, refused, stale},
    },
    Shell,
};
use crate::{
    error::OpProposerError,
    rules::{L1Block, StepFailed},
};
use proofmill_chain::{BlockAt, ChainError, L1, OracleView, Output, ProvenOutput};
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

/// Errors where no contract can ever keep the hash of the block that counts, with these settings.
pub(super) async fn check_anchor(anchor: Anchor, l1: &L1) -> Result<(), OpProposerError> {
    // Where it can work, L1 is not asked: a node that was just started, or an L1 that is young, has no block of that name.
    if too_far_back(anchor, Some(u64::MAX)).is_ok() {
        return Ok(());
    }
    let behind = async {
        // The newest first: what comes after it makes the other one no older.
        let newest = l1.head().await?.number;
        let named = l1.block(anchor.tag.at()).await?;
        Ok::<_, ChainError>(named.map(|block| newest.saturating_sub(block.number)))
    };
    // What L1 does not tell now is said when a hash is to be kept.
    too_far_back(anchor, behind.await.unwrap_or_default())
}

/// `behind`: so many blocks before L1's newest one is the one that the tag names, if there is one. Where L1 is slow to finalize at the moment,
/// that passes: what it is at the least counts.
fn too_far_back(anchor: Anchor, behind: Option<u64>) -> Result<(), OpProposerError> {
    let Anchor { tag, confirmations } = anchor;
    let most = HASHES - behind.unwrap_or(0).min(tag.behind());
    if confirmations <= most {
        return Ok(());
    }
    Err(OpProposerError::TooFarBack { tag, confirmations, hashes: HASHES, most })
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
        let begins = self.followed(ranges).await?.newest;
        if anew {
            self.works.refuse_kept(ranges, l1).await?;
        }
        let proof = self.works.aggregate(ranges, Wanted { l1, begins, there_only: false }, cancel).await?;
        let (first, last) = ends(ranges);
        self.works.proofs.keep_aggregation(first, last, l1.number, &proof).map_err(not_now)
    }

    /// What L1 shows, whose newest output is the one that these ranges follow on, or one after them. Where it is another, a node of L1 is
    /// behind, or the plan is soon told: it says nothing of a proof.
    async fn followed(&self, ranges: &[BlockRange]) -> Result<OracleView, StepFailed> {
        let view = self.oracle.view().await.map_err(from_l1)?;
        let ((first, last), newest) = (ends(ranges), view.newest.block);
        if newest < last && newest.saturating_add(1) != first {
            return Err(not_now(format!(
                "L1 shows the output of block {newest} as its newest, and the ranges begin with block {first}: a node of L1 is behind, or \
                 outputs came or went"
            )));
        }
        Ok(view)
    }

    /// The contract must keep the hash of the L1 block that an aggregation, which took long to make, was made for. Where it does not show it,
    /// a reorg took the call that had it kept, or a node is behind: it is kept again, as long as the block is L1's and not too old for that.
    async fn keep_still(&self, l1: L1Block) -> Result<(), StepFailed> {
        let oracle = &self.oracle;
        let gone = || stale(format!("L1 block {} is another one by now: L1 was reorganised", l1.number));
        match oracle.kept_hash(l1.number).await.map_err(from_l1)? {
            Some(kept) if kept == l1.hash => return Ok(()),
            Some(_) => return Err(gone()),
            None => {}
        }
        let there = oracle.l1().block(BlockAt::Number(l1.number)).await.map_err(from_l1)?;
        let there = there.ok_or_else(|| not_now(format!("L1 does not show its block {}", l1.number)))?;
        if there.hash != l1.hash {
            return Err(gone());
        }
        let newest = oracle.l1().head().await.map_err(from_l1)?.number;
        if newest.saturating_sub(l1.number) > HASHES {
            // Where this is said again and again it is no node that is behind, and the aggregation is made anew.
            return Err(refused(format!(
                "the contract does not show that it keeps the hash of L1 block {}, and can keep that of the last {HASHES} blocks alone",
                l1.number
            )));
        }
        let included = oracle.keep_hash(&self.works.sender, l1.number).await.map_err(from_l1)?;
        let transaction = included.transaction;
        tracing::warn!(
            l1_block = l1.number, %transaction, gas = included.gas_used,
            "the contract did not show the hash of an L1 block that it kept: it keeps it again"
        );
        Ok(())
    }

    /// Adds the output of the last range. The number of the L1 block that has it, or of a later one.
    pub(super) async fn propose(&self, ranges: &[BlockRange], l1: L1Block) -> Result<u64, StepFailed> {
        let (_, last) = ends(ranges);
        let OracleView { at, newest, .. } = self.followed(ranges).await?;
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
        self.keep_still(l1).await?;
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
    use super::{too_far_back, too_old};
    use crate::{Anchor, AnchorTag};

    #[test]
    fn a_block_whose_hash_no_contract_sees_any_more_is_said() {
        assert_eq!(too_old(AnchorTag::Finalized, 745, 1_000), Ok(()));
        assert_eq!(too_old(AnchorTag::Latest, 7, 7), Ok(()));
        let said = too_old(AnchorTag::Finalized, 744, 1_000).err().unwrap_or_default();
        assert!(said.contains("finalized block") && said.contains("L1_CONFIRMATIONS"), "{said}");
    }

    #[test]
    fn confirmations_that_no_contract_can_look_back_are_refused_at_the_start() {
        use AnchorTag::{Finalized, Latest, Safe};
        for (tag, behind, most) in [
            // As Ethereum finalizes, and while it does not.
            (Finalized, Some(64), 191),
            (Finalized, Some(96), 191),
            (Finalized, Some(5_000), 191),
            (Safe, Some(40), 223),
            (Latest, Some(0), 255),
            // An L1 that is faster, and one that has none yet.
            (Finalized, Some(2), 253),
            (Finalized, None, 255),
        ] {
            let check = |confirmations| too_far_back(Anchor { tag, confirmations }, behind);
            assert!(check(0).is_ok() && check(most).is_ok(), "{tag} {behind:?}");
            for confirmations in [most + 1, u64::MAX] {
                let said = check(confirmations).err().map(|error| error.to_string()).unwrap_or_default();
                let remedy = format!("(L1_CONFIRMATIONS) to {most} or less");
                assert!(said.contains("checkpointBlockHash") && said.contains(&remedy), "{tag}: {said}");
            }
        }
    }
}
