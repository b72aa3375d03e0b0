//! What the handler was told, and acknowledged.

use crate::BlockHead;
use alloy_primitives::B256;
use proofmill_primitives::{Checkpoint, CheckpointNumber, SlotClock};
use serde::{Deserialize, Serialize};

/// How many blocks of L2 are remembered, to find where a reorg begins.
const L2_BLOCKS: usize = 128;

/// A block's number and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlockRef {
    pub(crate) number: u64,
    pub(crate) hash: B256,
}

impl From<&BlockHead> for BlockRef {
    fn from(head: &BlockHead) -> Self {
        Self { number: head.number, hash: head.hash }
    }
}

/// How far a stream is: what was told and acknowledged. A stream that is given this goes on from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamTips {
    /// Where the stream began, or went back to: checkpoints before this one are not told.
    pub(crate) base: CheckpointNumber,
    /// The last block before `base`, as L1 has it: blocks up to it are not told.
    pub(crate) before: BlockRef,
    /// The checkpoints that were told and stand, without gaps. Old ones that are final are dropped in front.
    pub(crate) checkpoints: Vec<Checkpoint>,
    pub(crate) proven: CheckpointNumber,
    pub(crate) finalized: CheckpointNumber,
    /// The L1 block that was read when the last thing was told that L1 took away.
    pub(crate) l1: Option<BlockRef>,
    /// Blocks of L2 that were told, oldest first: the last of each range, up to a number.
    pub(crate) l2: Vec<BlockRef>,
}

impl StreamTips {
    pub(crate) const fn starting_at(base: CheckpointNumber, before: BlockRef) -> Self {
        Self {
            base,
            before,
            checkpoints: Vec::new(),
            proven: CheckpointNumber(0),
            finalized: CheckpointNumber(0),
            l1: None,
            l2: Vec::new(),
        }
    }

    /// The last checkpoint that was told and stands, or the one before the first that is to be told.
    pub fn checkpointed(&self) -> CheckpointNumber {
        match self.checkpoints.last() {
            Some(checkpoint) => checkpoint.number,
            None => self.base.before().unwrap_or_default(),
        }
    }

    /// The proven tip that was told.
    pub const fn proven(&self) -> CheckpointNumber {
        self.proven
    }

    /// The finalized tip that was told.
    pub const fn finalized(&self) -> CheckpointNumber {
        self.finalized
    }

    /// The last L2 block that was told.
    pub fn last_block(&self) -> Option<u64> {
        self.l2.last().map(|block| block.number)
    }

    pub(crate) fn add_block(&mut self, first: u64, last: BlockRef) {
        self.l2.retain(|block| block.number < first);
        self.l2.push(last);
        if self.l2.len() > L2_BLOCKS {
            self.l2.remove(0);
        }
    }

    /// Forgets the checkpoints of epochs before that of the finalized tip. The last one is kept.
    pub(crate) fn drop_final(&mut self, clock: &SlotClock) {
        let epoch_of = |checkpoint: &Checkpoint| clock.epoch_of(checkpoint.slot);
        let Some(epoch) =
            self.checkpoints.iter().find(|checkpoint| checkpoint.number == self.finalized).map(epoch_of)
        else {
            return;
        };
        let keep_from = self.checkpoints.iter().position(|checkpoint| epoch_of(checkpoint) >= epoch);
        self.checkpoints.drain(..keep_from.unwrap_or_default());
        if let Some(first) = self.checkpoints.first() {
            self.base = first.number;
            self.before =
                BlockRef { number: first.blocks.first().saturating_sub(1), hash: first.parent_hash };
        }
    }
}
