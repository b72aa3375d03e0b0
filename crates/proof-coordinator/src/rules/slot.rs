//! One batch, for provers of one type: whether it waits, is held, or is proven.

use super::{
    batch::{BatchId, ProverName},
    failures::Failures,
};
use proofmill_ledger::Timestamp;
use proofmill_primitives::ProverType;
use std::time::Duration;

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
        let held = Duration::from_millis(now.as_millis().saturating_sub(self.since.as_millis()));
        timeout.checked_sub(held).filter(|left| !left.is_zero())
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
    /// A proof was verified, and is being stored.
    pub(super) storing: bool,
    pub(super) failures: Failures,
}

impl Slot {
    pub(super) fn new(state: State) -> Self {
        Self { state, storing: false, failures: Failures::default() }
    }
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
