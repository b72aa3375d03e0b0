//! Blocks that are proposed with their proofs: whether their turn has come, and whether they are the next ones.

use super::Says;
use alloy_primitives::Address;
use eyre::{Result, bail};
use proofmill_chain::{Proposal, ProvenTip, Rollup, Rules};
use proofmill_primitives::{BlockRange, CheckpointNumber};

/// The checkpoint that is to be proposed.
#[derive(Debug)]
pub(super) struct Next {
    /// The number that it will have.
    pub(super) number: CheckpointNumber,
    pub(super) rules: Rules,
    pub(super) proposal: Proposal,
}

/// The checkpoint with the blocks that proofs are of, if an account may propose it now and it can be proven at once.
///
/// # Errors
/// It is too early, or the proofs are of other blocks than those behind the proven tip.
pub(super) async fn next(rollup: &Rollup, says: &Says, account: Address) -> Result<Next> {
    if let Some(until) = rollup.paused_until().await? {
        bail!("the rollup's contract is paused until {until} (L1's time, in Unix seconds) at the latest");
    }
    let (view, tip) = (rollup.view().await?, rollup.proven_tip().await?);
    let (time, tips) = (view.time, view.tips);
    let rules = rollup.rules_of_next(&tip, time).await?;
    let open_from = rollup.open_from().await?;
    let is_open = open_from.is_some_and(|from| from <= time);
    if account != rules.proposer && !is_open {
        bail!("{}", too_early(rules.proposer, account, open_from, time));
    }
    // Where the window is not over, only the proposer comes so far before the silence is.
    let makes_way = is_open || view.closes.is_some_and(|closes| closes <= time);
    if tips.proven < tips.pending && !makes_way {
        bail!(
            "checkpoints {} to {} are proposed already, and can still be proven: prove those first (submit without --propose)",
            tips.proven.next(),
            tips.pending
        );
    }
    let said = says.range();
    if said.configHash != rules.config_hash {
        bail!(
            "the proof is by the chain rules with hash {}, and the rollup's next checkpoint is under {}: prove with the genesis \
             file that those are of",
            said.configHash,
            rules.config_hash
        );
    }
    follows(says, &tip)?;
    if matches!(says, Says::Epoch(_)) && rollup.is_in_epoch_of(&tip, time) {
        let ends = rollup.clock().ends_at(rollup.clock().epoch_of(tip.slot));
        bail!(
            "an epoch proof begins with its epoch, and checkpoint {} is of this one: submit it {}, or bring a range proof",
            tip.number,
            from_on(ends, time)
        );
    }
    let oldest = time.saturating_sub(rollup.config().limits.max_lag);
    if said.lastTimestamp < oldest {
        bail!(
            "the last block's time is {}, and L1 takes no checkpoint now that ends before {oldest}: prove up to a newer block",
            said.lastTimestamp
        );
    }
    let proposal = Proposal {
        blocks: BlockRange::new(said.firstBlock, said.lastBlock)?,
        parent_hash: said.parentHash,
        last_hash: said.lastHash,
        state_root: said.postStateRoot,
        last_timestamp: said.lastTimestamp,
    };
    Ok(Next { number: tip.number.next(), rules, proposal })
}

/// Why an account that is not the proposer's cannot propose yet.
fn too_early(proposer: Address, account: Address, open_from: Option<u64>, time: u64) -> String {
    let whose = format!("it is {proposer} who proposes, and this is the key of {account}");
    match open_from {
        Some(from) => {
            format!("{whose}: anybody may {}, if {proposer} proposes nothing until then", from_on(from, time))
        }
        None => format!(
            "{whose}: the rollup lets nobody else, however long it is silent (contracts deploy --silence)"
        ),
    }
}

/// From when on something may be done, for people.
fn from_on(from: u64, time: u64) -> String {
    format!("from {from} on (L1's time, in Unix seconds; in {} s)", from.saturating_sub(time))
}

/// Errors unless the blocks of proofs are those behind the proven tip, as one checkpoint.
fn follows(says: &Says, tip: &ProvenTip) -> Result<()> {
    let (said, next) = (says.range(), tip.last_block.saturating_add(1));
    if said.firstBlock != next {
        bail!(
            "the proof begins with block {}, and the last proven checkpoint, {}, ends with block {}: prove from block {next} on",
            said.firstBlock,
            tip.number,
            tip.last_block
        );
    }
    if (said.parentHash, said.preStateRoot) != (tip.last_hash, tip.state_root) {
        bail!(
            "the proof follows on {} with state {}, and the last proven checkpoint ends with block {} of hash {} with state {}: \
             another branch of L2",
            said.parentHash,
            said.preStateRoot,
            tip.last_block,
            tip.last_hash,
            tip.state_root
        );
    }
    if let Says::Epoch(epoch) = says
        && (epoch.fromCommitment, epoch.toCommitment)
            != (tip.commitment, said.boundary().commit(tip.commitment))
    {
        bail!(
            "the epoch proof is not of its blocks as one checkpoint behind checkpoint {}, and one is proposed here: have it made \
             so, from the commitment {}",
            tip.number,
            tip.commitment
        );
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use proofmill_primitives::Slot;
    use proofmill_program::{AggregationPublicValues, RangePublicValues};

    fn tip() -> ProvenTip {
        ProvenTip {
            number: CheckpointNumber(3),
            slot: Slot(8),
            last_block: 19,
            last_hash: B256::repeat_byte(1),
            state_root: B256::repeat_byte(2),
            last_timestamp: 100,
            commitment: B256::repeat_byte(3),
        }
    }

    fn range() -> RangePublicValues {
        let tip = tip();
        RangePublicValues {
            firstBlock: 20,
            lastBlock: 29,
            parentHash: tip.last_hash,
            preStateRoot: tip.state_root,
            lastHash: B256::repeat_byte(4),
            postStateRoot: B256::repeat_byte(5),
            lastTimestamp: 110,
            ..Default::default()
        }
    }

    fn epoch() -> AggregationPublicValues {
        let said = range();
        AggregationPublicValues {
            firstBlock: said.firstBlock,
            lastBlock: said.lastBlock,
            parentHash: said.parentHash,
            preStateRoot: said.preStateRoot,
            lastHash: said.lastHash,
            postStateRoot: said.postStateRoot,
            lastTimestamp: said.lastTimestamp,
            fromCommitment: tip().commitment,
            toCommitment: said.boundary().commit(tip().commitment),
            ..Default::default()
        }
    }

    #[test]
    fn what_is_proposed_follows_on_what_is_proven() {
        follows(&Says::Range(range()), &tip()).unwrap();
        follows(&Says::Epoch(epoch()), &tip()).unwrap();
        let refused = |says| follows(&says, &tip()).unwrap_err().to_string();
        for first in [19, 21] {
            let said = refused(Says::Range(RangePublicValues { firstBlock: first, ..range() }));
            assert!(said.contains("checkpoint, 3, ends with block 19: prove from block 20 on"), "{said}");
        }
        for wrong in [
            RangePublicValues { parentHash: B256::ZERO, ..range() },
            RangePublicValues { preStateRoot: B256::ZERO, ..range() },
        ] {
            assert!(refused(Says::Range(wrong)).contains("another branch"));
        }
        for wrong in [
            AggregationPublicValues { fromCommitment: B256::ZERO, ..epoch() },
            AggregationPublicValues { toCommitment: B256::ZERO, ..epoch() },
        ] {
            assert!(refused(Says::Epoch(wrong)).contains("as one checkpoint behind checkpoint 3"));
        }
    }

    #[test]
    fn who_comes_too_early_is_told_when_its_turn_is() {
        let (proposer, account) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let said = too_early(proposer, account, Some(1_000), 940);
        assert!(said.contains(&proposer.to_string()) && said.contains("from 1000 on"), "{said}");
        assert!(said.contains("in 60 s"), "{said}");
        assert!(too_early(proposer, account, None, 940).contains("lets nobody else"));
    }
}
