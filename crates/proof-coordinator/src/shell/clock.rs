//! This machine's time.

use proofmill_ledger::Timestamp;
use tokio::time::Instant;

/// The system's time at the start, carried on by a clock that never goes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    began: Timestamp,
    at: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { began: Timestamp::now(), at: Instant::now() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let since = u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX);
        Timestamp::from_millis(self.began.as_millis().saturating_add(since))
    }
}
