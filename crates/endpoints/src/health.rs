//! What was heard of one endpoint. No I/O; the time is passed in.

use crate::{Fault, FaultKind, Header, Need};
use alloy_primitives::B256;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// What was heard of an endpoint's head so long ago counts no more.
const FRESH: Duration = Duration::from_secs(30);
/// Two endpoints may differ at the tip of the chain for so long: a reorg reaches one before the other.
pub(crate) const STRAY: Duration = Duration::from_secs(15);
/// An endpoint that is away is asked again after the others, at the latest after this.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// What an endpoint lacks is remembered for so long.
const REMEMBERED: Duration = Duration::from_secs(300);
const BUCKET: Duration = Duration::from_secs(15);
/// The error rate is that of so many seconds.
pub(crate) const RECENT: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Chain {
    #[default]
    Unknown,
    Right,
    Other(u64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) head: Header,
    /// When it was told last.
    pub(crate) at: Instant,
    /// Since when it is this number.
    pub(crate) since: Instant,
    /// When it changed last.
    pub(crate) moved: Option<Instant>,
}

#[derive(Clone, Debug)]
pub(crate) struct Rest {
    pub(crate) since: Instant,
    pub(crate) until: Instant,
    pub(crate) kind: FaultKind,
}

/// What was heard of one endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    pub(crate) chain: Chain,
    pub(crate) seen: Option<Seen>,
    pub(crate) rest: Option<Rest>,
    /// Since when it gives no answer at all.
    pub(crate) failing_since: Option<Instant>,
    /// Since when it says that it is asked too much.
    pub(crate) limited_since: Option<Instant>,
    pub(crate) last_fault: Option<(Instant, Fault)>,
    pub(crate) no_methods: BTreeMap<&'static str, Instant>,
    /// Methods that it fails at, although it may answer others: how often in a row, since when, and until when the others are
    /// asked first.
    pub(crate) failing_methods: BTreeMap<&'static str, (u32, Instant, Instant)>,
    /// It has no state of this block, or an older one.
    pub(crate) no_state: Option<(u64, Instant)>,
    /// It does not have this block any more, or an older one.
    pub(crate) no_history: Option<(u64, Instant)>,
    /// Since when it is on another branch.
    pub(crate) astray: Option<Instant>,
    pub(crate) requests: u64,
    pub(crate) under_way: BTreeMap<u64, Instant>,
    streak: u32,
    /// The hash that it told of a block of the branch.
    pub(crate) compared: Option<(u64, B256)>,
    /// When it did not tell one.
    pub(crate) not_compared: Option<Instant>,
    /// When it answered last.
    pub(crate) answered_at: Option<Instant>,
    recent: VecDeque<Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    began: Instant,
    asked: u32,
    failed: u32,
}

impl Health {
    /// It answered a method, with whatever it was asked for.
    pub(crate) fn answered(&mut self, method: &'static str, now: Instant) {
        self.failing_methods.remove(method);
        self.count(false, now);
        self.answered_at = Some(now);
        self.is_well();
    }

    /// It had no answer to a request that began then.
    pub(crate) fn failed(
        &mut self,
        need: Need,
        method: &'static str,
        fault: &Fault,
        began: Instant,
        now: Instant,
    ) {
        self.count(fault.kind.is_of_endpoint(), now);
        let until = now + REMEMBERED;
        let newer = |lack: Option<(u64, Instant)>, block: u64| {
            let known = lack.filter(|(_, until)| *until > now).map_or(block, |(known, _)| known.max(block));
            Some((known, until))
        };
        match (fault.kind, need) {
            (FaultKind::NoMethod, _) => {
                self.no_methods.insert(method, until);
            }
            (FaultKind::NoState, Need::State(block)) => self.no_state = newer(self.no_state, block),
            (FaultKind::NoHistory, Need::State(block) | Need::Block(block)) => {
                self.no_history = newer(self.no_history, block);
            }
            _ => {}
        }
        self.last_fault = Some((now, fault.clone()));
        if !fault.kind.is_of_endpoint() {
            self.answered_at = Some(now);
            self.is_well();
            return;
        }
        let (times, since, _) = self.failing_methods.get(method).copied().unwrap_or((0, now, now));
        if times == 0 || since < began {
            self.failing_methods.insert(method, (times.saturating_add(1), now, now + failing_rest(times)));
        }
        // Of many requests that fail together each says the same.
        if let Some(rest) = self.rest.as_mut().filter(|rest| rest.since >= began) {
            if let Some(wait) = fault.retry_after.filter(|_| rest.kind == FaultKind::Limited) {
                rest.until = rest.until.max(now + wait);
            }
            return;
        }
        // What comes back may be another node.
        if fault.kind == FaultKind::Away {
            self.chain = Chain::Unknown;
        }
        self.streak = self.streak.saturating_add(1);
        let grown = |first: Duration| first.saturating_mul(1 << (self.streak - 1).min(10)).min(LONGEST_REST);
        let rest = match fault.kind {
            FaultKind::Limited => {
                self.failing_since = None;
                self.limited_since.get_or_insert(now);
                // Some say 0, or a date that is past by this clock.
                let least = grown(Duration::from_millis(250));
                fault.retry_after.map_or_else(|| grown(Duration::from_secs(1)), |wait| wait.max(least))
            }
            FaultKind::Denied | FaultKind::OtherChain => LONGEST_REST,
            // One of many requests may stumble without the others.
            FaultKind::Stumbled | FaultKind::Unreadable if self.streak < 3 => return,
            _ => grown(Duration::from_millis(500)),
        };
        if fault.kind != FaultKind::Limited {
            self.failing_since.get_or_insert(now);
        }
        self.rest = Some(Rest { since: now, until: now + rest, kind: fault.kind });
    }

    /// It told its head.
    pub(crate) fn saw(&mut self, head: Header, now: Instant) {
        let same = self.seen.filter(|seen| seen.head.number == head.number);
        let since = same.map_or(now, |seen| seen.since);
        let moved = match (same, self.seen) {
            (Some(seen), _) => seen.moved,
            (None, before) => before.map(|_| now),
        };
        self.seen = Some(Seen { head, at: now, since, moved });
    }

    /// It is about to be asked first for a method that it failed at: until that ends, it is asked for nothing else of it first.
    pub(crate) fn tries(&mut self, method: &'static str, now: Instant) {
        if let Some((times, _, until)) = self.failing_methods.get_mut(method)
            && *until <= now
        {
            *until = now + failing_rest(*times);
        }
    }

    /// What it said, while it asks to be left alone.
    pub(crate) fn asks_for_rest(&self, now: Instant) -> Option<Fault> {
        let rest = self.rests(now).filter(|rest| rest.kind == FaultKind::Limited)?;
        let mut fault = match &self.last_fault {
            Some((_, fault)) => fault.clone(),
            None => Fault::new(rest.kind, "it is asked too much"),
        };
        // Whatever it said last, this is why it is not asked.
        fault.kind = FaultKind::Limited;
        fault.said = format!(
            "{}; it is asked again in {:.0} s",
            fault.said,
            rest.until.duration_since(now).as_secs_f32()
        );
        Some(fault)
    }

    /// Whether the others are asked for a method first, because it failed at it.
    pub(crate) fn fails_at(&self, method: &str, now: Instant) -> bool {
        self.failing_methods.get(method).is_some_and(|(_, _, until)| *until > now)
    }

    /// What it said last, if it failed at a method since then.
    pub(crate) fn failed_since(&self, method: &str, since: Instant) -> Option<Fault> {
        let (_, failed, _) = self.failing_methods.get(method)?;
        let (_, fault) = self.last_fault.as_ref().filter(|(_, fault)| fault.kind.is_of_endpoint())?;
        (*failed >= since).then(|| fault.clone())
    }

    const fn is_well(&mut self) {
        (self.rest, self.failing_since, self.limited_since, self.streak) = (None, None, None, 0);
    }

    pub(crate) fn rests(&self, now: Instant) -> Option<&Rest> {
        self.rest.as_ref().filter(|rest| rest.until > now)
    }

    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        self.failing_since.is_none()
            && self.chain == Chain::Right
            && self.seen.is_some_and(|seen| now.duration_since(seen.at) <= FRESH)
    }

    pub(crate) fn is_astray(&self, now: Instant) -> bool {
        self.astray.is_some_and(|since| now.duration_since(since) >= STRAY)
    }

    pub(crate) fn lacks(&self, need: Need, method: &str, now: Instant) -> bool {
        let remembers = |lack: Option<(u64, Instant)>, block: u64| {
            lack.is_some_and(|(newest, until)| block <= newest && until > now)
        };
        self.no_methods.get(method).is_some_and(|until| *until > now)
            || match need {
                Need::State(block) => remembers(self.no_state, block) || remembers(self.no_history, block),
                Need::Block(block) => remembers(self.no_history, block),
                Need::Nothing | Need::Head | Need::Hash | Need::Seen => false,
            }
    }

    fn count(&mut self, failed: bool, now: Instant) {
        while self.recent.front().is_some_and(|bucket| now.duration_since(bucket.began) > RECENT) {
            self.recent.pop_front();
        }
        if self.recent.back().is_none_or(|bucket| now.duration_since(bucket.began) >= BUCKET) {
            self.recent.push_back(Bucket { began: now, asked: 0, failed: 0 });
        }
        if let Some(bucket) = self.recent.back_mut() {
            bucket.asked = bucket.asked.saturating_add(1);
            bucket.failed = bucket.failed.saturating_add(u32::from(failed));
        }
    }

    /// How many of the requests of the last minutes got no answer, from 0 to 1.
    pub(crate) fn error_rate(&self, now: Instant) -> f64 {
        let recent = self.recent.iter().filter(|bucket| now.duration_since(bucket.began) <= RECENT);
        let (asked, failed) = recent.fold((0u64, 0u64), |(asked, failed), bucket| {
            (asked + u64::from(bucket.asked), failed + u64::from(bucket.failed))
        });
        if asked == 0 { 0.0 } else { failed as f64 / asked as f64 }
    }
}

/// For how long the others are asked first after so many failures at a method.
fn failing_rest(times: u32) -> Duration {
    Duration::from_secs(4).saturating_mul(1 << times.min(10)).min(LONGEST_REST)
}
