//! What went wrong before, as far as it decides what follows.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The faults of one piece of work so far. Its size is bounded by the workers that had it. It is kept where the work is: whoever
/// starts over after a restart goes on from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Tries that count.
    pub(crate) tries: u32,
    /// Where it failed by its own fault.
    pub(crate) failed_on: BTreeSet<String>,
    /// Who said no more than that another try cannot help.
    pub(crate) dismissed_by: BTreeSet<String>,
    /// How many workers were lost while they had it.
    pub(crate) losses: u32,
    /// Faults in a row that are not its own, for which it waits.
    pub(crate) waits: u32,
    /// Since when what a client stored is missing or damaged, in ms.
    pub(crate) missing_since: Option<u64>,
    /// How much others had done for it when something went wrong last.
    pub(crate) came_to: u64,
    /// Its workers went down, and it or what they did beside it may be to blame.
    pub(crate) suspected: bool,
}

impl History {
    /// The history of work that was tried so often before, of which no more is known.
    pub fn of_tries(tries: u32) -> Self {
        Self { tries, ..Self::default() }
    }

    /// Tries that count.
    pub const fn tries(&self) -> u32 {
        self.tries
    }

    /// Where it failed by its own fault.
    pub const fn failed_on(&self) -> &BTreeSet<String> {
        &self.failed_on
    }

    /// How many workers were lost while they had it.
    pub const fn losses(&self) -> u32 {
        self.losses
    }

    /// Faults in a row for which it waits.
    pub const fn waits(&self) -> u32 {
        self.waits
    }

    /// Whether it may have taken workers down, as may what they did beside it.
    pub const fn is_suspected(&self) -> bool {
        self.suspected
    }

    /// It may have taken its worker down. That is not forgotten.
    pub const fn suspect(&mut self) {
        self.suspected = true;
    }

    /// A worker that was taken for lost still has it, or it is known what the loss was and counts as that.
    pub const fn found(&mut self) {
        self.losses = self.losses.saturating_sub(1);
    }

    /// It came further: what was waited for is there again. That a worker has it says nothing of the kind.
    pub fn advanced(&mut self) {
        (self.waits, self.missing_since) = (0, None);
    }

    /// Before this moment, in ms, nobody was there who could have seen what is missing.
    pub fn watched_from(&mut self, ms: u64) {
        self.missing_since = self.missing_since.map(|since| since.max(ms));
    }

    /// Others do its work, and have done so much of it by now. Where that is more than when something went wrong last, what was waited
    /// for is there again, and the workers that were lost before say nothing of it.
    pub fn came_to(&mut self, done: u64) {
        if done > self.came_to {
            self.losses = 0;
            self.advanced();
        }
        self.came_to = done;
    }
}
