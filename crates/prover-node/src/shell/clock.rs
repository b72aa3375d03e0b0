//! This machine's time.

use crate::rules::Time;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;

/// A system's time that is so far ahead was put right, or this machine slept, which the steady clock does not count.
const LEAP: Duration = Duration::from_secs(300);

/// The system's time at the start, carried on by a clock that never goes back. It leaps to the system's where that is far ahead.
#[derive(Debug)]
pub(super) struct Clock {
    /// Milliseconds since the Unix epoch.
    began: AtomicU64,
    at: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { began: AtomicU64::new(system().as_millis()), at: Instant::now() }
    }

    pub(super) fn now(&self) -> Time {
        self.beside(system())
    }

    /// By how much it is ahead of the system's: that was ahead itself, and was put right.
    pub(super) fn ahead(&self) -> Duration {
        self.ahead_of(system())
    }

    fn ahead_of(&self, system: Time) -> Duration {
        self.beside(system).since(system)
    }

    /// The time where the system says that it is so late.
    fn beside(&self, system: Time) -> Time {
        let began = Time::from_millis(self.began.load(Ordering::Relaxed));
        let now = began.after(self.at.elapsed());
        let behind = system.since(now);
        if behind <= LEAP {
            return now;
        }
        self.began.fetch_max(began.after(behind).as_millis(), Ordering::Relaxed);
        now.after(behind)
    }
}

fn system() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_catches_up_with_a_system_that_is_far_ahead_and_never_goes_back() {
        let began = Time::from_millis(1_000_000);
        let clock = Clock { began: AtomicU64::new(began.as_millis()), at: Instant::now() };
        assert_eq!(clock.beside(began.after(LEAP)), began);
        let woken = began.after(LEAP * 2);
        assert_eq!(clock.beside(woken), woken);
        assert_eq!(clock.beside(began), woken);
        assert_eq!((clock.ahead_of(began), clock.ahead_of(woken)), (LEAP * 2, Duration::ZERO));
        let second = Duration::from_secs(1);
        tokio::time::advance(second).await;
        assert_eq!(clock.beside(woken), woken.after(second));
    }
}
