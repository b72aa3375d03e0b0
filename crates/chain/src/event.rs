//! What happens to a rollup's chain, as the parts above are told of it.

use proofmill_primitives::{BlockRange, Checkpoint, CheckpointNumber, Epoch};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that happened to the chain.
///
/// An event is true of L1 and L2 as they were read, and it is told again until it is acknowledged, as long as it is
/// still true. Together the events describe a list of standing checkpoints: [`Checkpointed`](Self::Checkpointed) adds
/// at its end, [`Pruned`](Self::Pruned) cuts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChainEvent {
    /// Blocks were added to L2. A range that begins at or below the last block told before replaces those blocks: an L2
    /// reorg. Comes before the `Checkpointed` of any of its blocks. Blocks of finalized epochs are not told again.
    BlocksAdded {
        /// The new blocks.
        blocks: BlockRange,
    },
    /// A checkpoint is on L1, and the L2 node has its last block with the hash that L1 has. Comes in the order of their
    /// numbers, without gaps.
    Checkpointed(Checkpoint),
    /// Every checkpoint above `to` is void. Others may come with the same numbers.
    Pruned {
        /// The last checkpoint that still stands; 0 when none does.
        to: CheckpointNumber,
        /// Why.
        cause: PruneCause,
    },
    /// L1 accepted proofs up to this checkpoint. It may be one that was not told yet, when L2 is behind. The tip falls back
    /// when an L1 reorg took a submission, or what it proved, away: then it comes with a lower number than before, and
    /// before the `Pruned` that takes the checkpoints away.
    Proven {
        /// The proven tip; 0 when nothing is proven.
        checkpoint: CheckpointNumber,
        /// The epoch of that checkpoint.
        epoch: Epoch,
    },
    /// The L1 block that holds the proof up to this checkpoint is final: no reorg takes it back.
    Finalized {
        /// The finalized proven tip.
        checkpoint: CheckpointNumber,
    },
}

/// Why checkpoints became void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PruneCause {
    /// They were not proven within the proof submission window, or were a stranger's after a silence, and the contract gave
    /// them up.
    WindowClosed,
    /// A reorg of L1 removed or replaced them.
    L1Reorg,
    /// A reorg of L2: the L2 node has other blocks than the checkpoint commits to.
    L2Reorg,
}

impl PruneCause {
    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WindowClosed => "window closed",
            Self::L1Reorg => "L1 reorg",
            Self::L2Reorg => "L2 reorg",
        }
    }
}

impl fmt::Display for PruneCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for ChainEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlocksAdded { blocks } => write!(f, "blocks {blocks} added"),
            Self::Checkpointed(checkpoint) => {
                write!(f, "checkpoint {} with blocks {} landed", checkpoint.number, checkpoint.blocks)
            }
            Self::Pruned { to, cause } => write!(f, "checkpoints above {to} pruned ({cause})"),
            Self::Proven { checkpoint, epoch } => {
                write!(f, "proven up to checkpoint {checkpoint} (epoch {epoch})")
            }
            Self::Finalized { checkpoint } => write!(f, "proof up to checkpoint {checkpoint} final"),
        }
    }
}
