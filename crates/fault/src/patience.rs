//! The policy.

use crate::{At, Code, Fault, History};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often something is tried, and how long it waits in between.
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
    /// So many workers may be lost while they have the same work before each further one counts as a try. 6: spot machines
    /// are taken away by the rack.
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
        let Event { fault, worker, now_ms, others, jitter } = event;
        let at = fault.at();
        match at {
            At::Task | At::Nobody => history.advanced(),
            // Also a worker that is lost meanwhile does not end a time of waiting.
            At::Worker => {}
            At::Store | At::Cluster | At::Chain => {
                history.waiting_since.get_or_insert(now_ms);
            }
        }
        match at {
            At::Task if fault.code.is_final() => Decision::GiveUp,
            At::Task => self.own(history, worker, others, jitter),
            At::Worker => self.of_the_worker(history, fault.code, worker, others, jitter),
            At::Store | At::Cluster | At::Chain => {
                let elsewhere = matches!(fault.code, Code::Missing | Code::Damaged);
                let since = history.waiting_since.unwrap_or(now_ms);
                let waited = Duration::from_millis(now_ms.saturating_sub(since));
                if elsewhere && waited > self.missing_for {
                    return Decision::GiveUp;
                }
                self.pause(history, elsewhere, jitter)
            }
            At::Nobody => Decision::Again { after: Duration::ZERO, elsewhere: false, counts: false },
        }
    }

    /// The work itself failed.
    fn own(&self, history: &mut History, worker: Option<&str>, others: bool, jitter: Jitter) -> Decision {
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

    fn of_the_worker(
        &self,
        history: &mut History,
        code: Code,
        worker: Option<&str>,
        others: bool,
        jitter: Jitter,
    ) -> Decision {
        match code {
            // Being lost says nothing of the two together, until it happens again and again.
            Code::WorkerLost => {
                history.losses += 1;
                if history.losses > self.free_losses {
                    return self.own(history, worker, others, jitter);
                }
                Decision::Again { after: Duration::ZERO, elsewhere: false, counts: false }
            }
            Code::KilledForMemory => self.own(history, worker, others, jitter),
            Code::Stopping => Decision::Again { after: Duration::ZERO, elsewhere: true, counts: false },
            // Somebody else may do it at once; where nobody can, nothing is gained by haste.
            _ => self.pause(history, true, jitter),
        }
    }

    fn pause(&self, history: &mut History, elsewhere: bool, jitter: Jitter) -> Decision {
        history.waits = history.waits.saturating_add(1);
        Decision::Again { after: self.wait(history.waits, jitter), elsewhere, counts: false }
    }
}
