//! What is given to a prover, and who asks for it.
//!
//! A *batch* is what a prover proves whole: the blocks of a checkpoint (or a part of them, where they were split), or the range
//! proofs of an epoch. It is known by what is to be proven and not by who wants it, so that a restart, a reorg and back, or a
//! second request find the same one.

use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProverType};
pub use proofmill_service::ProofLevel;
use std::fmt;

/// Which batch. Batches are given out in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId {
    /// The checkpoint; of an epoch proof, its last one.
    pub number: CheckpointNumber,
    /// Which program.
    pub level: ProofLevel,
    /// A hash of what is to be proven: the rollup, the blocks by their hashes, whom the proof names as its prover.
    pub content: [u8; 32],
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            ProofLevel::Range => write!(f, "{}", self.number),
            ProofLevel::Epoch => write!(f, "epoch to {}", self.number),
        }
    }
}

impl fmt::Debug for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.content;
        write!(f, "batch {self} ({a:02x}{b:02x}{c:02x}{d:02x})")
    }
}

/// The two programs that a prover proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Programs {
    /// The range program.
    pub range: ProgramVersion,
    /// The aggregation program.
    pub aggregation: ProgramVersion,
}

impl Programs {
    /// The one for batches of a level.
    pub const fn of(&self, level: ProofLevel) -> ProgramVersion {
        match level {
            ProofLevel::Range => self.range,
            ProofLevel::Epoch => self.aggregation,
        }
    }
}

/// A prover type as it is asked for: one that this release knows, or another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskedType {
    /// One that this release knows.
    Known(ProverType),
    /// One that it does not know: `risc0`, `zisk`, `tdx`, or a word.
    NotBuiltIn,
}

impl From<&str> for AskedType {
    fn from(name: &str) -> Self {
        name.parse().map_or(Self::NotBuiltIn, Self::Known)
    }
}

/// The name of a prover: one for each process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProverName(String);

/// A text that is no name of a prover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a prover's name has 1 to {} printable ASCII characters without spaces", ProverName::LONGEST)]
pub struct BadName;

impl ProverName {
    /// The most bytes of a name.
    pub const LONGEST: usize = 128;

    /// A name.
    ///
    /// # Errors
    /// [`BadName`]: names stand in logs and in the ledger.
    pub fn new(name: impl Into<String>) -> Result<Self, BadName> {
        let name = name.into();
        let printable = name.bytes().all(|byte| byte.is_ascii_graphic());
        if name.is_empty() || name.len() > Self::LONGEST || !printable {
            return Err(BadName);
        }
        Ok(Self(name))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProverName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printable() {
        let long = "x".repeat(ProverName::LONGEST);
        for good in ["host-1", long.as_str()] {
            assert!(ProverName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "two words", "line\n", "\u{e4}", &format!("{long}x")] {
            assert_eq!(ProverName::new(bad), Err(BadName), "{bad}");
        }
    }

    #[test]
    fn types_of_other_releases_are_told_apart() {
        assert_eq!(AskedType::from("exec"), AskedType::Known(ProverType::Exec));
        for name in ["risc0", "zisk", "tdx", "EXEC", ""] {
            assert_eq!(AskedType::from(name), AskedType::NotBuiltIn, "{name}");
        }
    }
}
