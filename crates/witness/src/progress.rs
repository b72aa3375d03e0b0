//! How far the building of a witness is.

use std::fmt;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Fetching blocks.
    Blocks,
    /// Fetching what `debug_executionWitness` gives.
    ExecutionWitnesses,
    /// Executing blocks over RPC to learn what they touch.
    Executing,
    /// Fetching proofs of what was touched.
    Proofs,
    /// Fetching the siblings that deletions need.
    Siblings,
    /// Executing natively from the witness.
    Checking,
    /// Fetching L1's blocks, receipts and blobs.
    L1,
}

/// How far a build is. The total of a phase may grow while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// How many of its steps are done.
    pub done: u64,
    /// How many it has.
    pub total: u64,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blocks => "fetching blocks",
            Self::ExecutionWitnesses => "fetching execution witnesses",
            Self::Executing => "executing over RPC",
            Self::Proofs => "fetching proofs",
            Self::Siblings => "fetching siblings",
            Self::Checking => "checking the witness",
            Self::L1 => "fetching L1",
        })
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} of {}", self.phase, self.done, self.total)
    }
}
