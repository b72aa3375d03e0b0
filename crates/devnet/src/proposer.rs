//! Groups L2 blocks into checkpoints, one per slot, and posts them.

use proofmill_chain::{BlockAt, ChainError, L2, Proposal, Rollup, Sender};
use proofmill_primitives::{BlockRange, Checkpoint, CheckpointNumber, Slot, SlotClock};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{self, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How often it looks whether a slot is ending and blocks were made.
const BEAT: Duration = Duration::from_millis(500);

/// Commits on L1 to the blocks of L2, once in each slot in which there are new ones.
#[derive(Debug)]
pub struct Proposer {
    rollup: Rollup,
    l2: L2,
    sender: Sender,
    up_to: BlockAt,
    lead: Duration,
    /// Last block by first block of what was proposed. What the contract gave up is proposed anew in the same ranges, so
    /// that the range proofs made meanwhile still count.
    earlier: BTreeMap<u64, u64>,
}

impl Proposer {
    /// Proposes the newest blocks, two seconds before a slot ends. The sender's account must be the one that the rollup's
    /// contract takes checkpoints from.
    pub const fn new(rollup: Rollup, l2: L2, sender: Sender) -> Self {
        let (up_to, lead) = (BlockAt::Latest, Duration::from_secs(2));
        Self { rollup, l2, sender, up_to, lead, earlier: BTreeMap::new() }
    }

    /// Proposes blocks up to this one.
    #[must_use]
    pub const fn up_to(mut self, block: BlockAt) -> Self {
        self.up_to = block;
        self
    }

    /// How long before a slot's end its checkpoint is proposed: at least the time between two L1 blocks, so that it lands
    /// in one of the slot's own.
    #[must_use]
    pub const fn lead(mut self, lead: Duration) -> Self {
        self.lead = lead;
        self
    }

    /// Runs until told to stop. What fails is said, and tried again.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut beat = time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Said once, and again when something else is wrong.
        let mut said = String::new();
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = stop.cancelled() => return,
            }
            match self.turn().await {
                Ok(Some(blocks)) => {
                    said.clear();
                    tracing::info!(%blocks, "proposed a checkpoint");
                }
                Ok(None) => {}
                Err(error) => {
                    let text = error.to_string();
                    if text != said {
                        tracing::warn!(%error, "no checkpoint could be proposed; trying again");
                        said = text;
                    }
                }
            }
        }
    }

    /// Proposes what there is, if a new slot has begun.
    async fn turn(&mut self) -> Result<Option<BlockRange>, ChainError> {
        let l1 = self.rollup.l1().head().await?;
        let tips = self.rollup.tips().await?;
        // A proposal would have to follow on what the contract is about to give up.
        if self.window_closed(tips.proven, tips.pending, l1.timestamp).await? {
            self.rollup.prune(&self.sender).await?;
            return Ok(None);
        }
        let last = self.rollup.checkpoint(tips.pending).await?;
        let last_slot = last.map_or(Slot(0), |last| last.slot);
        if !is_due(self.rollup.clock(), self.lead.as_secs(), l1.timestamp, last_slot) {
            return Ok(None);
        }
        let (last_block, parent_hash) = self.end_of(last);
        match self.l2.block(BlockAt::Number(last_block)).await? {
            Some(block) if block.hash == parent_hash => {}
            _ => {
                tracing::debug!(
                    last_block,
                    "L2 was replaced below the last checkpoint, which is given up once its window closed"
                );
                return Ok(None);
            }
        }
        let Some(head) = self.l2.block(self.up_to).await? else { return Ok(None) };
        let Ok(mut blocks) = BlockRange::new(last_block + 1, head.number) else { return Ok(None) };
        let mut end = head;
        if let Some(earlier) = self.earlier.get(&blocks.first()).copied()
            && earlier < blocks.last()
            && let Ok(same) = BlockRange::new(blocks.first(), earlier)
            && let Some(block) = self.l2.block(BlockAt::Number(earlier)).await?
        {
            (blocks, end) = (same, block);
        }
        let proposal = Proposal { blocks, parent_hash, last_hash: end.hash, state_root: end.state_root };
        self.rollup.propose(&self.sender, proposal).await?;
        // What is proven is never given up.
        if let Some(proven) = self.rollup.checkpoint(tips.proven).await? {
            self.earlier = self.earlier.split_off(&proven.blocks.last());
        }
        self.earlier.insert(blocks.first(), blocks.last());
        Ok(Some(blocks))
    }

    /// Whether something can no longer be proven, because its window closed.
    async fn window_closed(
        &self,
        proven: CheckpointNumber,
        pending: CheckpointNumber,
        now: u64,
    ) -> Result<bool, ChainError> {
        if proven >= pending {
            return Ok(false);
        }
        let clock = self.rollup.clock();
        let unproven = self.rollup.checkpoint(proven.next()).await?;
        Ok(unproven.is_some_and(|unproven| now >= clock.deadline(clock.epoch_of(unproven.slot))))
    }

    /// The block that the next checkpoint follows on.
    fn end_of(&self, last: Option<Checkpoint>) -> (u64, alloy_primitives::B256) {
        match last {
            Some(last) => (last.blocks.last(), last.last_hash),
            None => (self.rollup.config().genesis.number, self.rollup.config().genesis.hash),
        }
    }
}

/// Whether it is time for the checkpoint of the present slot: near its end, so that it takes all blocks that were made in
/// the slot, and not if the last checkpoint landed in the same slot.
fn is_due(clock: &SlotClock, lead: u64, now: u64, last: Slot) -> bool {
    let slot = clock.slot_at(now);
    let into = now.saturating_sub(clock.genesis) % clock.slot_seconds;
    slot > last && into.saturating_add(lead) >= clock.slot_seconds.get()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_due_at_the_end_of_each_slot() {
        let number = |number: u64| number.try_into().unwrap();
        let clock = SlotClock {
            genesis: 100,
            slot_seconds: number(6),
            epoch_slots: number(4),
            window_epochs: number(1),
        };
        let due: Vec<u64> = (100..124).filter(|now| is_due(&clock, 2, *now, Slot(0))).collect();
        assert_eq!(due, [110, 111, 116, 117, 122, 123]);
        // Blocks of a slower L1, one each 3 s, and the lead for it.
        let due: Vec<u64> = (100..124).step_by(3).filter(|now| is_due(&clock, 3, *now, Slot(0))).collect();
        assert_eq!(due, [109, 115, 121]);
        assert!(!is_due(&clock, 2, 110, Slot(1)));
        let short = SlotClock { slot_seconds: number(1), ..clock };
        assert!(is_due(&short, 2, 101, Slot(0)));
    }
}
