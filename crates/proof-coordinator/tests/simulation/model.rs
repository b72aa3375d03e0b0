//! Who holds what, kept apart from the rules and in another way: a list of facts, by the coordinator's clock.

use crate::coordinator::Key;
use proofmill_primitives::ProgramVersion;
use proofmill_proof_coordinator::rules::{AssignOutcome, Found, Held, MismatchOf, ProverName, RetryReason};
use std::collections::{BTreeMap, BTreeSet};

/// After so many ms a batch is taken back.
pub(crate) const TIMEOUT: u64 = 600_000;

/// For so many ms at the most a batch is set aside whose input did not come.
const ASIDE: u64 = 75_000;

#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) by: ProverName,
    pub(crate) since: u64,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) holds: BTreeMap<Key, Fact>,
    /// What the coordinator waits for.
    pub(crate) wanted: BTreeSet<Key>,
    /// What a call looks at.
    pub(crate) looked_at: BTreeSet<Key>,
    /// Until when at the latest a batch is set aside whose input did not come.
    aside: BTreeMap<Key, u64>,
    /// Who handed in a proof of a batch that is not known any more, and is not heard for that.
    pub(crate) late: BTreeSet<ProverName>,
}

impl Model {
    fn is_held(&self, key: &Key, clock: u64) -> bool {
        self.holds.get(key).is_some_and(|fact| clock.saturating_sub(fact.since) < TIMEOUT)
    }

    pub(crate) fn set_aside(&mut self, key: Key, clock: u64) {
        self.aside.insert(key, clock + ASIDE);
    }

    /// Whether it need not be given out now.
    fn may_be_aside(&self, key: &Key, clock: u64) -> bool {
        self.aside.get(key).is_some_and(|until| clock < *until)
    }

    fn is_free(&self, key: &Key, clock: u64) -> bool {
        self.wanted.contains(key)
            && !self.looked_at.contains(key)
            && !self.is_held(key, clock)
            && !self.may_be_aside(key, clock)
    }

    /// The clock says something earlier than before: nothing was begun later than now.
    pub(crate) fn clock_went_back(&mut self, clock: u64) {
        for fact in self.holds.values_mut() {
            fact.since = fact.since.min(clock);
        }
        for until in self.aside.values_mut() {
            *until = (*until).min(clock + ASIDE);
        }
    }

    /// The coordinator's process began anew: what is durable counts, nothing is waited for yet.
    pub(crate) fn begin_anew(&mut self, rows: &BTreeMap<Key, Held>, clock: u64) {
        let fact = |held: &Held| Fact { by: held.by.clone(), since: held.since.as_millis().min(clock) };
        self.holds = rows.iter().map(|(key, held)| (*key, fact(held))).collect();
        // What is stale at that moment is over, wherever the clock goes from there.
        self.holds.retain(|_, fact| clock - fact.since < TIMEOUT);
        self.wanted.clear();
        self.looked_at.clear();
        self.aside.clear();
    }

    /// The batch is given to somebody: nobody else may hold it.
    pub(crate) fn give(&mut self, key: Key, by: &ProverName, clock: u64) {
        if let Some(held) = self.holds.get(&key)
            && held.by != *by
        {
            assert!(!self.is_held(&key, clock), "{key:?} is {held:?}'s, and given to {by}");
        }
        assert!(self.wanted.contains(&key), "{key:?} is given out and nobody waits for it");
        self.holds.insert(key, Fact { by: by.clone(), since: clock });
    }

    pub(crate) fn end(&mut self, key: &Key) {
        self.holds.remove(key);
    }

    pub(crate) fn end_of(&mut self, key: &Key, by: &ProverName) {
        if self.holds.get(key).is_some_and(|fact| fact.by == *by) {
            self.holds.remove(key);
        }
    }

    /// Nothing is free that could be given out.
    pub(crate) fn assert_no_work(&self, keys: impl Iterator<Item = Key>, clock: u64) {
        for key in keys {
            assert!(!self.is_free(&key, clock), "{key:?} is free, and not given out");
        }
    }

    /// The first that is free is the one that is looked at.
    pub(crate) fn assert_first(&self, mut before: impl Iterator<Item = Key>, clock: u64) {
        let skipped = before.find(|key| self.is_free(key, clock));
        assert_eq!(skipped, None, "it comes earlier, and is free");
    }
}

/// The specification's steps three to five, as a table.
pub(crate) fn assert_as_specified(found: &Found, has: ProgramVersion, outcome: &AssignOutcome) {
    let right_version = found.version == Some(has);
    let right_input = found.inputs.contains(&has);
    let fits = match outcome {
        AssignOutcome::ProverTypeNotNeeded(_) => false,
        AssignOutcome::Assigned { .. } => !found.proof && right_version && right_input,
        AssignOutcome::VersionMismatch(mismatch) => {
            !found.proof
                && match mismatch.of {
                    MismatchOf::Batch => !right_version && found.version == Some(mismatch.needed),
                    MismatchOf::Input => {
                        right_version && !right_input && found.inputs.contains(&mismatch.needed)
                    }
                }
        }
        AssignOutcome::RetryLater { reason, .. } => match reason {
            RetryReason::AlreadyProven => found.proof,
            RetryReason::NoWork => !found.proof && found.version.is_none(),
            RetryReason::NoInput => !found.proof && right_version && found.inputs.is_empty(),
            _ => false,
        },
    };
    assert!(fits, "{found:?} and {has} give {outcome:?}");
}
