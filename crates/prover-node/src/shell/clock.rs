//! This machine's time.

use crate::rules::Time;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// The system's time at the start, carried on by a clock that never goes back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    began: Time,
    at: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self { began: Time::from_millis(millis), at: Instant::now() }
    }

    pub(super) fn now(&self) -> Time {
        self.began.after(self.at.elapsed())
    }
}
