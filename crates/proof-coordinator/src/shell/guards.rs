//! What must be undone when a call ends early: a prover that goes away in the middle leaves nothing marked.

use super::{coordinator::Inner, jobs::Key};
use crate::rules::{Hold, ProverName, Submission};
use std::sync::Arc;

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
