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
        let at = match self.tag {
            AnchorTag::Finalized => BlockAt::Finalized,
            AnchorTag::Safe => BlockAt::Safe,
            AnchorTag::Latest => BlockAt::Latest,
        };
        Ok(l1.block(at).await?.map(|block| block.number.saturating_sub(self.confirmations)))
    }
}
