//! What an operator may want to know of a stream.

use crate::{BlockHead, ContractTips};
use alloy_primitives::B256;
use proofmill_primitives::CheckpointNumber;
use std::{fmt, time::SystemTime};

/// What a stream waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// For new blocks: everything is told.
    #[default]
    Nothing,
    /// L1 is behind where it was: the node lags, or a reorg is under way.
    L1Behind {
        /// Its newest block.
        head: u64,
        /// The newest block that was seen.
        seen: u64,
    },
    /// L2 does not answer. What L1 alone says is told.
    L2Away,
    /// L2 is behind where it was: the node lags, or a reorg is under way.
    L2Lags {
        /// Its newest block.
        head: u64,
        /// The newest block that was told.
        seen: u64,
    },
    /// The L2 node does not have a checkpoint's blocks yet.
    L2Behind {
        /// The checkpoint.
        checkpoint: CheckpointNumber,
        /// Its last block.
        block: u64,
        /// The L2 node's newest block.
        head: u64,
    },
    /// The L2 node has other blocks than a checkpoint that stands on L1.
    L2Differs {
        /// The checkpoint.
        checkpoint: CheckpointNumber,
        /// Its last block.
        block: u64,
        /// The hash that L1 has for that block.
        expected: B256,
        /// The hash that the L2 node has.
        got: B256,
    },
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("up to date"),
            Self::L1Behind { head, seen } => write!(
                f,
                "L1 is at block {head}, but {seen} was seen: the node lags, or a reorg is under way; waiting"
            ),
            Self::L2Lags { head, seen } => write!(
                f,
                "L2 is at block {head}, but {seen} was seen: the node lags, or a reorg is under way; waiting"
            ),
            Self::L2Away => f.write_str("L2 does not answer; waiting for it"),
            Self::L2Behind { checkpoint, block, head } => write!(
                f,
                "checkpoint {checkpoint} ends with block {block}, and the L2 node is at block {head}; waiting for it"
            ),
            Self::L2Differs { checkpoint, block, expected, got } => write!(
                f,
                "checkpoint {checkpoint} commits to block {block} with hash {expected}, but the L2 node has {got}: it is \
                 on another branch than the proposer was; waiting until they agree, or the checkpoint is pruned"
            ),
        }
    }
}

/// A chain that does not answer as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: SystemTime,
    /// The last error, with its remedy.
    pub error: String,
}

/// How a stream is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamStatus {
    /// The newest block of L1 that was read.
    pub l1: Option<BlockHead>,
    /// The newest block of L2 that was read.
    pub l2: Option<BlockHead>,
    /// How far the contract is, in that block of L1.
    pub contract: ContractTips,
    /// The last checkpoint that was told and acknowledged.
    pub checkpointed: CheckpointNumber,
    /// What it waits for.
    pub waiting: Waiting,
    /// L1 does not answer.
    pub l1_trouble: Option<Trouble>,
    /// L2 does not answer.
    pub l2_trouble: Option<Trouble>,
}

impl StreamStatus {
    /// What keeps events from coming: a node that is away, lags, or is on another branch. Nothing when all is well.
    pub fn trouble(&self) -> Option<String> {
        if let Some(trouble) = &self.l1_trouble {
            return Some(format!("L1: {}", trouble.error));
        }
        if let Some(trouble) = &self.l2_trouble {
            return Some(format!("L2: {}", trouble.error));
        }
        (self.waiting != Waiting::Nothing).then(|| self.waiting.to_string())
    }
}
