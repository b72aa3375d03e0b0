//! Ranges of blocks, with the hashes that say which blocks.

use alloy_primitives::B256;
use proofmill_primitives::{BlockRange, Checkpoint};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A range of blocks of one branch: what a range proof or an epoch proof is about. The last block's hash says which
/// blocks they are, so that two ranges that are equal have the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RangeSpec {
    /// The blocks.
    pub blocks: BlockRange,
    /// Hash of the block before the first.
    pub parent_hash: B256,
    /// Hash of the last block.
    pub last_hash: B256,
}

impl RangeSpec {
    /// A checkpoint's blocks.
    pub const fn of(checkpoint: &Checkpoint) -> Self {
        Self {
            blocks: checkpoint.blocks,
            parent_hash: checkpoint.parent_hash,
            last_hash: checkpoint.last_hash,
        }
    }

    /// From the beginning of `first` to the end of `last`; nothing where it would end before it begins.
    pub fn spanning(first: &Self, last: &Self) -> Option<Self> {
        let blocks = BlockRange::new(first.blocks.first(), last.blocks.last()).ok()?;
        Some(Self { blocks, parent_hash: first.parent_hash, last_hash: last.last_hash })
    }

    /// Where to split: the last block of the first half. A single block cannot be split.
    pub fn middle(&self) -> Option<u64> {
        let half = self.blocks.len() / 2;
        (half > 0).then(|| self.blocks.first() + half - 1)
    }

    /// The part up to the point and the part after it; nothing where either would be empty.
    pub fn split(&self, point: SplitPoint) -> Option<(Self, Self)> {
        let SplitPoint { at, hash } = point;
        let first = BlockRange::new(self.blocks.first(), at).ok()?;
        let second = BlockRange::new(at.checked_add(1)?, self.blocks.last()).ok()?;
        Some((
            Self { blocks: first, parent_hash: self.parent_hash, last_hash: hash },
            Self { blocks: second, parent_hash: hash, last_hash: self.last_hash },
        ))
    }
}

/// What an epoch proof is about: the blocks of checkpoints that follow on each other, and where each of them ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EpochSpec {
    /// All blocks.
    pub range: RangeSpec,
    /// The rollup's commitment to the checkpoints before the first.
    pub from_commitment: B256,
    /// Its commitment to those up to the last.
    pub to_commitment: B256,
}

impl EpochSpec {
    /// From the beginning of checkpoint `first` to the end of `last`; nothing where it would end before it begins.
    pub fn spanning(first: &Checkpoint, last: &Checkpoint) -> Option<Self> {
        Some(Self {
            range: RangeSpec::spanning(&RangeSpec::of(first), &RangeSpec::of(last))?,
            from_commitment: first.parent_commitment,
            to_commitment: last.commitment,
        })
    }
}

/// Where a range is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitPoint {
    /// The last block of the first half.
    pub at: u64,
    /// Its hash.
    pub hash: B256,
}

impl fmt::Display for RangeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blocks {} up to {}", self.blocks, self.last_hash)
    }
}

impl fmt::Display for EpochSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.range.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_halves_are_the_whole(first in 0_u64..1_000, len in 1_u64..100) {
            let blocks = BlockRange::new(first, first + len - 1).unwrap();
            let (parent_hash, last_hash) = (B256::repeat_byte(1), B256::repeat_byte(2));
            let whole = RangeSpec { blocks, parent_hash, last_hash };
            let Some(at) = whole.middle() else {
                prop_assert_eq!(len, 1);
                return Ok(());
            };
            let hash = B256::repeat_byte(3);
            let (left, right) = whole.split(SplitPoint { at, hash }).unwrap();
            prop_assert_eq!(RangeSpec::spanning(&left, &right), Some(whole));
            prop_assert_eq!(left.blocks.last() + 1, right.blocks.first());
            prop_assert_eq!(left.last_hash, right.parent_hash);
            prop_assert!(left.blocks.len().abs_diff(right.blocks.len()) <= 1);
        }

        #[test]
        fn no_half_is_empty(first in 5_u64..50, len in 1_u64..20, at in 0_u64..80) {
            let blocks = BlockRange::new(first, first + len - 1).unwrap();
            let whole = RangeSpec { blocks, parent_hash: B256::ZERO, last_hash: B256::ZERO };
            let inside = (first..first + len - 1).contains(&at);
            prop_assert_eq!(whole.split(SplitPoint { at, hash: B256::ZERO }).is_some(), inside);
        }
    }
}
