//! Which blocks to take when nobody says.

use crate::{BuildError, Node};
use proofmill_primitives::BlockRange;
use std::fmt;

/// What the end of a range was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The finalized block: no reorg replaces it.
    Finalized,
    /// The latest block, because the node knows no finalized one: a reorg may replace it.
    Latest,
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finalized => "the finalized block",
            Self::Latest => "the latest block (the node names no finalized one)",
        })
    }
}

/// A range, and what its end was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnchoredRange {
    /// The blocks.
    pub range: BlockRange,
    /// What the last of them is.
    pub anchor: Anchor,
}

impl Node {
    /// The latest `count` finalized blocks, or where the node knows no finalized block, the latest ones. Fewer when the
    /// chain is shorter; at least one.
    pub async fn finalized_range(&self, count: u64) -> Result<AnchoredRange, BuildError> {
        let finalized = match self.inner.header_by_tag("finalized").await {
            Ok(header) => header.filter(|header| header.number >= 1),
            Err(error @ BuildError::Unreachable { .. }) => return Err(error),
            // Nodes without the tag answer with different errors.
            Err(_) => None,
        };
        let (mut last, mut anchor) = match finalized {
            Some(header) => (header.number, Anchor::Finalized),
            None => (self.head().await?, Anchor::Latest),
        };
        let mut first = last.saturating_sub(count.saturating_sub(1));
        // Only then does block 0 matter: nodes give it up with the other old blocks.
        if first < 2 {
            let lowest = self.lowest_block().await?;
            if last < lowest && anchor == Anchor::Finalized {
                (last, anchor) = (self.head().await?, Anchor::Latest);
            }
            if last < lowest {
                return Err(BuildError::NoBlocks { head: last });
            }
            first = last.saturating_sub(count.saturating_sub(1)).max(lowest);
        }
        Ok(AnchoredRange { range: BlockRange::new(first, last)?, anchor })
    }

    /// The first block that can be executed: 1, or 2 where block 0 is not to be had, or does not commit to its state, as
    /// anvil's.
    async fn lowest_block(&self) -> Result<u64, BuildError> {
        match self.inner.header(0).await {
            Ok(genesis) if genesis.state_root != alloy_trie::EMPTY_ROOT_HASH => Ok(1),
            Err(error @ BuildError::Unreachable { .. }) => Err(error),
            _ => Ok(2),
        }
    }
}
