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
        let genesis = self.inner.header_by_tag("0x0").await?;
        // anvil's genesis block does not commit to its state: nothing can be executed on it.
        let empty = genesis.is_some_and(|genesis| genesis.state_root == alloy_trie::EMPTY_ROOT_HASH);
        let lowest = if empty { 2 } else { 1 };
        let finalized = match self.inner.header_by_tag("finalized").await {
            Ok(header) => header.filter(|header| header.number >= lowest),
            Err(error @ BuildError::Unreachable { .. }) => return Err(error),
            // Nodes without the tag answer with different errors.
            Err(_) => None,
        };
        let (last, anchor) = match finalized {
            Some(header) => (header.number, Anchor::Finalized),
            None => (self.head().await?, Anchor::Latest),
        };
        if last < lowest {
            return Err(BuildError::NoBlocks { head: last });
        }
        let first = last.saturating_sub(count.saturating_sub(1)).max(lowest);
        Ok(AnchoredRange { range: BlockRange::new(first, last)?, anchor })
    }
}
