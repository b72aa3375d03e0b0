//! Up to which block of L1 things are proven.

use proofmill_chain::{BlockAt, ChainError, L1};
use std::{fmt, str::FromStr};

/// A block of L1, as it is named by who wants one that stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnchorTag {
    /// The newest that no reorg takes back.
    #[default]
    Finalized,
    /// The newest that only a fault of many validators takes back.
    Safe,
    /// The newest.
    Latest,
}

impl AnchorTag {
    const ALL: [Self; 3] = [Self::Finalized, Self::Safe, Self::Latest];

    /// The block that it names.
    pub(super) const fn at(self) -> BlockAt {
        match self {
            Self::Finalized => BlockAt::Finalized,
            Self::Safe => BlockAt::Safe,
            Self::Latest => BlockAt::Latest,
        }
    }

    /// Whether no reorg takes the block back.
    pub(super) const fn is_final(self) -> bool {
        matches!(self, Self::Finalized)
    }

    /// So many blocks before L1's newest one it is at the least, where validators decide: one epoch of theirs is safe, two are final.
    pub(super) const fn behind(self) -> u64 {
        match self {
            Self::Finalized => 64,
            Self::Safe => 32,
            Self::Latest => 0,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Finalized => "finalized",
            Self::Safe => "safe",
            Self::Latest => "latest",
        }
    }
}

impl fmt::Display for AnchorTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for AnchorTag {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|tag| tag.name() == name);
        found.ok_or_else(|| format!("`{name}` is no block of L1 to prove up to: finalized, safe or latest"))
    }
}

/// The newest block of L1 that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anchor {
    /// Which block of L1.
    pub tag: AnchorTag,
    /// So many blocks before it.
    pub confirmations: u64,
}

impl Anchor {
    /// Whether L2's own finalized block says what follows from it.
    pub(super) fn is_default(self) -> bool {
        self == Self::default()
    }

    /// Its number now; none where L1 has no such block yet.
    pub(super) async fn number(self, l1: &L1) -> Result<Option<u64>, ChainError> {
        Ok(l1.block(self.tag.at()).await?.map(|block| block.number.saturating_sub(self.confirmations)))
    }

    /// Its number now. Errors where L1 has no such block yet, or does not tell.
    pub(super) async fn there(self, l1: &L1) -> Result<u64, String> {
        let number = self.number(l1).await.map_err(|error| error.to_string())?;
        number.ok_or_else(|| {
            format!(
                "L1 has no {} block yet: wait for one, or prove up to another (--l1-block-tag, L1_BLOCK_TAG)",
                self.tag
            )
        })
    }
}
