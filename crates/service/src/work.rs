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
    last: Arc<Mutex<Option<(Progress, String)>>>,
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

    /// The work has come so far, and goes on. Saying the same again costs nothing.
    pub fn progress(&self, progress: Progress) {
        self.stands(progress, "");
    }

    /// The work has come so far, and this keeps the rest of it waiting, unless it is empty: shown for as long as it is said. Saying the
    /// same again costs nothing.
    pub fn stands(&self, progress: Progress, held_up: &str) {
        let now = (progress, held_up.to_owned());
        let before = self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(now.clone());
        if before.as_ref() == Some(&now) {
            return;
        }
        // Which takes away what was shown before.
        (self.tell)(JobNote::Progress(progress));
        if !held_up.is_empty() {
            self.held_up(held_up);
        }
    }

    /// The proof that was in the store did not hold: it is removed, and made anew.
    pub fn discarded(&self, cause: &str) {
        (self.tell)(JobNote::Discarded { cause: cause.to_owned() });
    }

    /// The work does not go on for now. Shown until it is said how far it has come, where that is news.
    pub fn held_up(&self, cause: impl fmt::Display) {
        (self.tell)(JobNote::HeldUp { cause: cause.to_string() });
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of each of these stands.
    fn told(stands: &[(Progress, &str)]) -> Vec<Vec<String>> {
        let notes = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&notes);
        let take = || std::mem::take(&mut *notes.lock().unwrap_or_else(PoisonError::into_inner));
        let work = Work::new(CancellationToken::new(), move |note| {
            let text = match note {
                JobNote::Progress(progress) => progress.to_string(),
                JobNote::HeldUp { cause } | JobNote::Discarded { cause } => cause,
            };
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        });
        let tell = |(progress, held_up): &(Progress, &str)| {
            work.stands(*progress, held_up);
            take()
        };
        stands.iter().map(tell).collect()
    }

    #[test]
    fn what_keeps_work_waiting_is_shown_for_as_long_as_it_does() {
        let at = |done| Progress { done, total: 8, running: true };
        let said = told(&[(at(1), ""), (at(1), ""), (at(1), "no files"), (at(1), "no files")]);
        assert_eq!(said, [vec!["1 of 8 tasks"], vec![], vec!["1 of 8 tasks", "no files"], vec![]]);
        // The other tasks go on beside it.
        let said = told(&[(at(1), "no files"), (at(2), "no files")]);
        assert_eq!(said[1], ["2 of 8 tasks", "no files"]);
        // It is over before anything else is done.
        let said = told(&[(at(2), "no files"), (at(2), "")]);
        assert_eq!(said[1], ["2 of 8 tasks"]);
    }
}
