//! Proven ranges on their way to L1.

use alloy_primitives::B256;
use proofmill_primitives::BlockRange;
use serde::{Deserialize, Serialize};

/// A block of L1 whose hash the contract keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct L1Block {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// The contract is to keep the hash of a block of L1.
    Checkpoint,
    /// The ranges are to be aggregated up to that block.
    Aggregate(L1Block),
    /// The output is to be proposed.
    Propose(L1Block),
}

impl Step {
    /// The L1 block whose hash the contract keeps, once it does.
    pub const fn l1(self) -> Option<L1Block> {
        match self {
            Self::Checkpoint => None,
            Self::Aggregate(l1) | Self::Propose(l1) => Some(l1),
        }
    }
}

/// Proven ranges that follow on each other from the newest output on, and how far they are on their way to L1.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Submission {
    /// The ranges, oldest first; there is one at least.
    pub(super) ranges: Vec<BlockRange>,
    /// The newest L1 block up to which one of them was derived.
    pub(super) derived_to: u64,
    pub(super) step: Step,
    /// The attempt that is being made.
    #[serde(skip)]
    pub(super) under_way: Option<Attempt>,
    /// Not before this time, in ms since 1970.
    #[serde(default)]
    pub(super) until: u64,
    /// What kept it.
    pub(super) cause: Option<String>,
    /// How often the step failed.
    #[serde(default)]
    pub(super) failures: u32,
    /// Whether the aggregation that is there is of no use.
    #[serde(default)]
    pub(super) anew: bool,
    /// How often L1 refused it, or it did not fit any more.
    #[serde(default)]
    pub(super) refused: u32,
}

/// One try of one step: what comes of another one is not taken for its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt(pub u64);

impl Submission {
    /// The ranges, oldest first.
    pub fn ranges(&self) -> &[BlockRange] {
        &self.ranges
    }

    /// Number of the block before the first.
    pub fn after(&self) -> u64 {
        self.ranges.first().map_or(0, |range| range.first().saturating_sub(1))
    }

    /// Number of the last block.
    pub fn last(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.last())
    }

    /// What is to be done next.
    pub const fn step(&self) -> Step {
        self.step
    }

    /// What kept it, where it waits for another try.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    pub(super) fn go_on(&mut self, step: Step) {
        (self.step, self.until, self.cause, self.failures) = (step, 0, None, 0);
        self.anew &= !matches!(step, Step::Propose(_));
    }
}
