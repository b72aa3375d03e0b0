//! One batch, for provers of one type: whether it waits, is held, or is proven.

use super::{
    batch::{BatchId, ProverName},
    failures::Failures,
};
use proofmill_fault::{Jitter, Patience};
use proofmill_ledger::Timestamp;
use proofmill_primitives::ProverType;
use std::time::Duration;

/// For how long a batch is given to nobody whose input did not come to its prover: others pass it meanwhile.
const ASIDE: Patience = Patience::pauses(Duration::from_secs(2), Duration::from_secs(60));
/// So often a batch is given back by provers that stop before others pass it: a fleet that is ended does so once for each of its provers.
const RETURNS: u32 = 4;
/// The longest, with what spreads it.
const LONGEST: Duration = Duration::from_secs(75);

/// Who holds a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The prover.
    pub by: ProverName,
    /// Since when, by the coordinator's clock.
    pub since: Timestamp,
}

impl Held {
    /// For how long it is held yet; nothing once it is stale.
    pub(super) fn remaining(&self, now: Timestamp, timeout: Duration) -> Option<Duration> {
        timeout.checked_sub(now.since(self.since)).filter(|left| !left.is_zero())
    }
}

/// Where a slot stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody has it.
    Open,
    /// A call looks at it. The number is the call's.
    Looking(u64),
    /// A prover holds it.
    Held(Held),
    /// There is a proof.
    Proven,
}

#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) state: State,
    /// Since when the batch is waited for.
    pub(super) since: Timestamp,
    /// That it is held is durable.
    pub(super) durable: bool,
    /// A proof was verified, and is being stored.
    pub(super) storing: bool,
    pub(super) failures: Failures,
    /// How often its input did not come, or it came back too often.
    in_vain: u32,
    /// How often it was given back by a prover that says that nothing is wrong.
    returned: u32,
    /// It is given to nobody before.
    not_before: Timestamp,
}

impl Slot {
    pub(super) fn new(state: State, since: Timestamp) -> Self {
        // An earlier process has given out what is held already.
        let (durable, storing) = (matches!(state, State::Held(_)), false);
        let (failures, in_vain, returned, not_before) = (Failures::default(), 0, 0, Timestamp::default());
        Self { state, since, durable, storing, failures, in_vain, returned, not_before }
    }

    /// Its input did not come: the batches after it pass.
    pub(super) fn set_aside(&mut self, now: Timestamp) {
        self.in_vain = self.in_vain.saturating_add(1);
        let wait = ASIDE.wait(self.in_vain, Jitter::of(now.as_millis()));
        self.not_before = after(now, wait);
    }

    /// A prover that stops gave it back. One that takes batches and gives them back for hours costs no more than a few lines a minute.
    pub(super) fn hand_back(&mut self, now: Timestamp) {
        self.returned = self.returned.saturating_add(1);
        if self.returned > RETURNS {
            self.set_aside(now);
        }
    }

    pub(super) fn is_aside(&self, now: Timestamp) -> bool {
        now < self.not_before
    }

    /// The clock went back: nothing is held or set aside for longer.
    pub(super) fn clock_went_back(&mut self, now: Timestamp) {
        if let State::Held(held) = &mut self.state {
            held.since = held.since.min(now);
        }
        self.since = self.since.min(now);
        self.not_before = self.not_before.min(after(now, LONGEST));
    }
}

fn after(now: Timestamp, wait: Duration) -> Timestamp {
    let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_add(wait))
}

/// What an observer sees of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The batch.
    pub batch: BatchId,
    /// For provers of which type.
    pub prover: ProverType,
    /// Where it stands.
    pub state: SlotShown,
    /// Since when it is waited for, by the coordinator's clock.
    pub since: Timestamp,
}

/// Where a slot stands, for an observer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotShown {
    /// It waits for a prover.
    Waiting,
    /// A prover holds it.
    Held(Held),
    /// There is a proof.
    Proven,
}
