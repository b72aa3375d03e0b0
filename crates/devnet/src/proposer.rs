//! Groups L2 blocks into checkpoints, one per slot, and posts them.

use proofmill_chain::{BlockAt, ChainError, L2, Proposal, Rollup, Sender};
use proofmill_primitives::{BlockRange, Checkpoint, CheckpointNumber, Slot, SlotClock};
use std::time::Duration;
use tokio::time::{self, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How long before its slot's end a checkpoint is proposed, in seconds: it lands in one of the next L1 blocks.
const LEAD: u64 = 2;
/// How often it looks whether a slot is ending and blocks were made.
const BEAT: Duration = Duration::from_millis(500);

pub(crate) struct Proposer {
    pub(crate) rollup: Rollup,
    pub(crate) l2: L2,
    pub(crate) sender: Sender,
}

impl Proposer {
    /// Runs until told to stop. What fails is tried again.
    pub(crate) async fn run(self, stop: CancellationToken) {
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
    async fn turn(&self) -> Result<Option<BlockRange>, ChainError> {
        let l1 = self.rollup.l1().head().await?;
        let tips = self.rollup.tips().await?;
        let last = self.rollup.checkpoint(tips.pending).await?;
        if !is_due(self.rollup.clock(), l1.timestamp, last.map_or(Slot(0), |last| last.slot)) {
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
                return self.prune(tips.proven, tips.pending, l1.timestamp).await;
            }
        }
        let head = self.l2.head().await?;
        let Ok(blocks) = BlockRange::new(last_block + 1, head.number) else { return Ok(None) };
        let proposal = Proposal { blocks, parent_hash, last_hash: head.hash, state_root: head.state_root };
        self.rollup.propose(&self.sender, proposal).await?;
        Ok(Some(blocks))
    }

    /// Gives up what can no longer be proven, once its window closed.
    async fn prune(
        &self,
        proven: CheckpointNumber,
        pending: CheckpointNumber,
        now: u64,
    ) -> Result<Option<BlockRange>, ChainError> {
        if proven < pending
            && let Some(unproven) = self.rollup.checkpoint(proven.next()).await?
        {
            let clock = self.rollup.clock();
            if now >= clock.deadline(clock.epoch_of(unproven.slot)) {
                self.rollup.prune(&self.sender).await?;
            }
        }
        Ok(None)
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
fn is_due(clock: &SlotClock, now: u64, last: Slot) -> bool {
    let slot = clock.slot_at(now);
    let into = now.saturating_sub(clock.genesis) % clock.slot_seconds;
    slot > last && into + LEAD >= clock.slot_seconds.get()
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
        let due: Vec<u64> = (100..124).filter(|now| is_due(&clock, *now, Slot(0))).collect();
        assert_eq!(due, [110, 111, 116, 117, 122, 123]);
        assert!(!is_due(&clock, 110, Slot(1)));
        let short = SlotClock { slot_seconds: number(1), ..clock };
        assert!(is_due(&short, 101, Slot(0)));
    }
}
