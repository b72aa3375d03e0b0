//! What went wrong before, as far as it decides what follows.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The faults of one piece of work so far. Its size is bounded by the workers that had it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Tries that count.
    pub(crate) tries: u32,
    /// Where it failed by its own fault.
    pub(crate) failed_on: BTreeSet<String>,
    /// Who said no more than that another try cannot help.
    #[serde(default)]
    pub(crate) dismissed_by: BTreeSet<String>,
    /// How many workers were lost while they had it.
    pub(crate) losses: u32,
    /// Faults in a row that are not its own, for which it waits.
    pub(crate) waits: u32,
    /// Since when what a client stored is missing or damaged, in ms.
    #[serde(default)]
    pub(crate) missing_since: Option<u64>,
}

impl History {
    /// The history of work that was tried so often before, of which no more is known (after a restart).
    pub fn of_tries(tries: u32) -> Self {
        Self { tries, ..Self::default() }
    }

    /// Tries that count.
    pub const fn tries(&self) -> u32 {
        self.tries
    }

    /// How many workers were lost while they had it.
    pub const fn losses(&self) -> u32 {
        self.losses
    }

    /// Faults in a row for which it waits.
    pub const fn waits(&self) -> u32 {
        self.waits
    }

    /// A worker that was taken for lost still has it.
    pub const fn found(&mut self) {
        self.losses = self.losses.saturating_sub(1);
    }

    /// It came further: what was waited for is there again. That a worker has it says nothing of the kind.
    pub fn advanced(&mut self) {
        (self.waits, self.missing_since) = (0, None);
    }

    /// What it does through others came further: the workers that were lost before say nothing of it.
    pub const fn outlived(&mut self) {
        self.losses = 0;
    }
}
