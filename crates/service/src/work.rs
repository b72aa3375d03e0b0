//! A job as the service that does it sees it.

use crate::{JobNote, Progress};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// A job as its service sees it: whether it is still wanted, and where to say how far it is.
#[derive(Clone)]
pub struct Work {
    cancel: CancellationToken,
    tell: Arc<dyn Fn(JobNote) + Send + Sync>,
    last: Arc<Mutex<Option<Progress>>>,
}

impl Work {
    /// Work that ends when `cancel` fires, and says to `tell` how it goes.
    pub fn new(cancel: CancellationToken, tell: impl Fn(JobNote) + Send + Sync + 'static) -> Self {
        Self { cancel, tell: Arc::new(tell), last: Arc::default() }
    }

    /// Fires when the work is no longer wanted.
    pub const fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// The work has come so far. Saying the same again costs nothing.
    pub fn progress(&self, progress: Progress) {
        let before = self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(progress);
        if before != Some(progress) {
            (self.tell)(JobNote::Progress(progress));
        }
    }

    /// The proof that was in the store did not hold: it is removed, and made anew.
    pub fn discarded(&self, cause: &str) {
        (self.tell)(JobNote::Discarded { cause: cause.to_owned() });
    }

    /// The work does not go on for now. Shown until it comes further.
    pub fn held_up(&self, cause: impl fmt::Display) {
        (self.tell)(JobNote::HeldUp { cause: cause.to_string() });
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}
