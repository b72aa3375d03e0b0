//! The policy: whether something that went wrong is tried again, when, and where.

use crate::{At, Code, Fault, History};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often something is tried, and how long it waits in between. The figures are the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// So many tries that failed by the work's own fault are the last. 4.
    pub tries: u32,
    /// The pause after the first of them; each next one is four times as long. 1 s: 1, 4, 16 s.
    pub retry_pause: Duration,
    /// The pause after something else was away for the first time; doubled each time. 1 s.
    pub wait_pause: Duration,
    /// No pause is longer. 30 s.
    pub longest_pause: Duration,
    /// What a client stored may be missing or damaged for so long before that counts as lost: a share that is not mounted
    /// looks the same. 10 min.
    pub missing_for: Duration,
    /// So many workers may be lost while they have the same work before each further one counts as a try; those that were
    /// killed for memory while they did several tasks are among them. 6: spot machines are taken away by the rack.
    pub free_losses: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 4,
            retry_pause: Duration::from_secs(1),
            wait_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            missing_for: Duration::from_secs(600),
            free_losses: 6,
        }
    }
}

/// Something went wrong.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// What.
    pub fault: &'a Fault,
    /// Where it was tried, if that is known.
    pub worker: Option<&'a str>,
    /// When, in ms; of any clock, but always of the same.
    pub now_ms: u64,
    /// Whether it could be tried anywhere else.
    pub others: bool,
    /// Spreads the pause.
    pub jitter: Jitter,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is tried again.
    Again {
        /// Not before so long has passed.
        after: Duration,
        /// Rather not on the same worker.
        elsewhere: bool,
        /// Whether this was a try.
        counts: bool,
    },
    /// It is not.
    GiveUp,
}

/// A number that spreads pauses, so that not everybody comes back at once. The caller draws it; the policy has no dice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter(u16);

impl Jitter {
    /// None: each pause is as long as the rule says.
    pub const NONE: Self = Self(u16::MAX / 2);

    /// One that follows from a seed, evenly spread.
    pub const fn of(seed: u64) -> Self {
        // The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
        let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(((z ^ (z >> 31)) >> 48) as u16)
    }

    /// Three to five quarters of a pause.
    pub fn spread(self, pause: Duration) -> Duration {
        let quarters = 0.75 + 0.5 * f64::from(self.0) / f64::from(u16::MAX);
        pause.mul_f64(quarters)
    }
}

impl Patience {
    /// Only pauses, for who goes by something else than a number of tries: `first`, doubled to `longest`.
    pub const fn pauses(first: Duration, longest: Duration) -> Self {
        Self {
            tries: u32::MAX,
            retry_pause: longest,
            wait_pause: first,
            longest_pause: longest,
            missing_for: Duration::MAX,
            free_losses: u32::MAX,
        }
    }

    /// The pause before the next look at something that was away for so many times in a row.
    pub fn wait(&self, times: u32, jitter: Jitter) -> Duration {
        self.grown(self.wait_pause, 2, times, jitter)
    }

    fn grown(&self, first: Duration, factor: u32, times: u32, jitter: Jitter) -> Duration {
        let pause = first.saturating_mul(factor.saturating_pow(times.saturating_sub(1)));
        jitter.spread(pause.min(self.longest_pause))
    }

    /// What follows from a fault, which becomes part of the history.
    pub fn decide(&self, history: &mut History, event: Event<'_>) -> Decision {
        let Event { fault, now_ms, jitter, .. } = event;
        match fault.at() {
            At::Task if fault.code.is_final() => Decision::GiveUp,
            At::Task => {
                // It had all that it needed. Nothing else ends a time of waiting, such as a worker that is lost meanwhile.
                history.advanced();
                match fault.code {
                    Code::Dismissed => self.dismissed(history, event),
                    _ => self.own(history, event),
                }
            }
            At::Worker => self.of_the_worker(history, event),
            At::Store => {
                if fault.code.is_of_the_input() {
                    // A clock that went back showed a moment that was not.
                    let since = history.missing_since.map_or(now_ms, |since| since.min(now_ms));
                    history.missing_since = Some(since);
                    if Duration::from_millis(now_ms.saturating_sub(since)) > self.missing_for {
                        return Decision::GiveUp;
                    }
                }
                // It may be the worker's way to the store.
                self.pause(history, true, jitter)
            }
            At::Cluster | At::Chain => self.pause(history, false, jitter),
            At::Nobody if fault.code == Code::PutBack => {
                Decision::Again { after: Duration::ZERO, elsewhere: false, counts: false }
            }
            // Somebody hands it back for no reason that is known here. That may go on for ever, but not at once.
            At::Nobody => self.pause(history, true, jitter),
        }
    }

    /// A worker says no more than that another try cannot help: the second one that says so is believed.
    fn dismissed(&self, history: &mut History, event: Event<'_>) -> Decision {
        let Event { worker, others, .. } = event;
        history.dismissed_by.extend(worker.map(str::to_owned));
        if !others || worker.is_none() || history.dismissed_by.len() > 1 {
            history.tries += 1;
            return Decision::GiveUp;
        }
        self.own(history, event)
    }

    /// The work itself failed.
    fn own(&self, history: &mut History, event: Event<'_>) -> Decision {
        let Event { worker, others, jitter, .. } = event;
        history.tries += 1;
        history.failed_on.extend(worker.map(str::to_owned));
        // One broken worker is no reason to give up, where there is another one.
        let everywhere = !others || worker.is_none() || history.failed_on.len() > 1;
        if history.tries >= self.tries && everywhere {
            return Decision::GiveUp;
        }
        let after = self.grown(self.retry_pause, 4, history.tries, jitter);
        Decision::Again { after, elsewhere: true, counts: true }
    }

    fn of_the_worker(&self, history: &mut History, event: Event<'_>) -> Decision {
        let code = event.fault.code;
        // Being lost, or killed among others, says nothing of the two together, until it happens again and again.
        if matches!(code, Code::WorkerLost | Code::KilledAmongOthers) {
            history.losses += 1;
            if history.losses > self.free_losses {
                return self.own(history, event);
            }
        }
        match code {
            Code::KilledForMemory => self.own(history, event),
            Code::WorkerLost => Decision::Again { after: Duration::ZERO, elsewhere: false, counts: false },
            Code::Stopping => Decision::Again { after: Duration::ZERO, elsewhere: true, counts: false },
            // Somebody else may do it at once; where nobody can, nothing is gained by haste. Those that were killed together are
            // not to meet again.
            _ => self.pause(history, true, event.jitter),
        }
    }

    fn pause(&self, history: &mut History, elsewhere: bool, jitter: Jitter) -> Decision {
        history.waits = history.waits.saturating_add(1);
        Decision::Again { after: self.wait(history.waits, jitter), elsewhere, counts: false }
    }
}
