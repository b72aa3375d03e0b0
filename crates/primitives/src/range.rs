//! Contiguous ranges of blocks.

use core::{fmt, ops::RangeInclusive};
use serde::{Deserialize, Serialize};

/// A contiguous range of L2 blocks, both ends included; never empty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockRange {
    first: u64,
    last: u64,
}

/// A range that would hold no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the range {first}-{last} is empty: its first block comes after its last")]
pub struct EmptyRange {
    first: u64,
    last: u64,
}

impl BlockRange {
    /// The blocks from `first` to `last`.
    pub const fn new(first: u64, last: u64) -> Result<Self, EmptyRange> {
        if first > last { Err(EmptyRange { first, last }) } else { Ok(Self { first, last }) }
    }

    /// The number of the first block.
    pub const fn first(self) -> u64 {
        self.first
    }

    /// The number of the last block.
    pub const fn last(self) -> u64 {
        self.last
    }

    /// How many blocks: at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub const fn len(self) -> u64 {
        self.last - self.first + 1
    }

    /// The block numbers in order.
    pub fn numbers(self) -> RangeInclusive<u64> {
        self.first..=self.last
    }
}

impl fmt::Display for BlockRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl fmt::Debug for BlockRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
