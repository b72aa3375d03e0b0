//! What must be undone when a call ends early: a prover that goes away in the middle leaves nothing marked.

use super::{coordinator::Inner, jobs::Key};
use crate::rules::{Hold, ProverName, Submission};
use proofmill_ledger::Timestamp;
use std::{sync::Arc, time::Duration};
use tokio::sync::OwnedSemaphorePermit;

/// A batch that is marked while storage is asked.
pub(super) struct Looking {
    inner: Arc<Inner>,
    hold: Option<Hold>,
}

impl Looking {
    pub(super) const fn new(inner: Arc<Inner>, hold: Hold) -> Self {
        Self { inner, hold: Some(hold) }
    }

    /// The rules have it back.
    pub(super) fn decided(mut self) {
        self.hold = None;
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        if let Some(hold) = &self.hold {
            self.inner.lock().desk.cancel(hold);
        }
    }
}

/// A batch that a prover is given, until that is durable. Who asked may go before: then nobody proves it, as nobody was told.
pub(super) struct Giving {
    inner: Arc<Inner>,
    key: Key,
    by: ProverName,
}

impl Giving {
    pub(super) fn new(inner: &Arc<Inner>, key: Key, by: &ProverName) -> Self {
        Self { inner: Arc::clone(inner), key, by: by.clone() }
    }

    /// It is durable; whether it is still this prover's. An earlier call of the same prover may have taken it back.
    pub(super) fn kept(self) -> bool {
        let (batch, prover) = self.key;
        let mut state = self.inner.lock();
        state.desk.kept(batch, prover, &self.by);
        let is_held = state.desk.is_held_by(batch, prover, &self.by);
        // Before this is dropped, which locks it again.
        drop(state);
        is_held
    }
}

impl Drop for Giving {
    fn drop(&mut self) {
        let (batch, prover) = self.key;
        let mut state = self.inner.lock();
        // What is durable was told, be it by another call of the same prover.
        if !state.desk.is_kept(batch, prover) {
            state.desk.take_back(batch, prover, &self.by);
            drop(state.keep());
        }
    }
}

/// A prover that hands in a proof.
pub(super) struct Submitting {
    inner: Arc<Inner>,
    by: ProverName,
}

impl Submitting {
    /// Nothing where it does so already.
    pub(super) fn begin(inner: &Arc<Inner>, by: &ProverName) -> Option<Self> {
        let begins = inner.lock().submitting.insert(by.clone());
        begins.then(|| Self { inner: Arc::clone(inner), by: by.clone() })
    }
}

impl Drop for Submitting {
    fn drop(&mut self) {
        self.inner.lock().submitting.remove(&self.by);
    }
}

/// A check that takes so long is a problem for an operator to see: others wait for its place.
const SLOW: Duration = Duration::from_secs(120);

/// A proof that is being verified, whether or not somebody still waits for that.
pub(super) struct Checking {
    inner: Arc<Inner>,
    number: u64,
    _turn: OwnedSemaphorePermit,
}

impl Checking {
    pub(super) fn begin(inner: &Arc<Inner>, turn: OwnedSemaphorePermit) -> Self {
        let (mut state, now) = (inner.lock(), inner.clock.now());
        let number = state.checking.last_key_value().map_or(0, |(last, _)| last + 1);
        state.checking.insert(number, now);
        drop(state);
        Self { inner: Arc::clone(inner), number, _turn: turn }
    }
}

impl Drop for Checking {
    fn drop(&mut self) {
        self.inner.lock().checking.remove(&self.number);
    }
}

/// What an operator is told of checks that began then.
pub(super) fn slow_check<'a>(began: impl Iterator<Item = &'a Timestamp>, now: Timestamp) -> Option<String> {
    let takes = now.since(*began.min()?);
    (takes >= SLOW).then(|| {
        format!(
            "a proof is being verified for {} s, and others wait for its place: if that does not end, start this process again",
            takes.as_secs()
        )
    })
}

/// A proof that is being stored.
pub(super) struct Storing {
    inner: Arc<Inner>,
    submission: Option<Submission>,
}

impl Storing {
    pub(super) fn new(inner: &Arc<Inner>, submission: &Submission) -> Self {
        Self { inner: Arc::clone(inner), submission: Some(submission.clone()) }
    }

    pub(super) fn stored(mut self) {
        self.submission = None;
    }
}

impl Drop for Storing {
    fn drop(&mut self) {
        if let Some(submission) = &self.submission {
            self.inner.lock().desk.not_stored(submission);
        }
    }
}

/// Somebody who waits for a batch's proof.
pub(super) struct Waiting {
    pub(super) inner: Arc<Inner>,
    pub(super) key: Key,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.inner.forget(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_does_not_end_is_told() {
        let at = Timestamp::from_secs;
        let slow = |began: &[Timestamp], now| slow_check(began.iter(), now);
        assert_eq!(slow(&[], at(900)), None);
        assert_eq!(slow(&[at(800), at(781)], at(900)), None);
        let said = slow(&[at(890), at(700)], at(900));
        assert!(said.is_some_and(|said| said.contains("verified for 200 s")));
    }
}
