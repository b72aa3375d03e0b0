//! Which endpoint is asked, and whose head is followed: pure rules over what was heard of each endpoint. No I/O; the time is
//! passed in.
//!
//! - The newest head is followed. An endpoint that is ahead takes over once it is known to be on the branch that was followed;
//!   one on another branch, or behind, only when the followed one has stood still for [`STALL`], or is gone.
//! - A request goes to the endpoints in this order: those that serve before those that rest, those that have the block before
//!   those that lag, those that are not known to lack something before those that are, the followed one first.
//! - An endpoint that asks to be left alone is left alone until then. The others that rest are asked when nobody else is left.

use crate::{Fault, FaultKind};
use alloy_primitives::B256;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// What was heard of an endpoint's head so long ago counts no more.
const FRESH: Duration = Duration::from_secs(30);
/// A followed head that has not moved for so long, while another has, is left for one on another branch.
pub(crate) const STALL: Duration = Duration::from_secs(45);
/// Two endpoints may differ at the tip of the chain for so long: a reorg reaches one before the other.
const STRAY: Duration = Duration::from_secs(15);
/// A comparison that failed is tried again after this.
const COMPARED_AGAIN: Duration = Duration::from_secs(1);
/// An endpoint that is away is asked again after the others, at the latest after this.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// What an endpoint lacks is remembered for so long.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Blocks of the followed branch that are remembered.
const REMEMBERED_BLOCKS: usize = 512;
/// The error rate is that of so many seconds.
pub(crate) const RECENT: Duration = Duration::from_secs(300);
const BUCKET: Duration = Duration::from_secs(15);

/// What an endpoint must have to answer a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing of the chain.
    Nothing,
    /// The newest block.
    Head,
    /// The block with this number. Where it is `null`, the endpoint does not have it.
    Block(u64),
    /// The state after the block with this number.
    State(u64),
}

/// A block at the head of an endpoint's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block before it.
    pub parent_hash: B256,
}

/// Whose head counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// That of this endpoint.
    Follow(usize),
    /// Ask this endpoint for the hash of this block first, and tell it to [`Rules::compared`].
    Compare { endpoint: usize, number: u64 },
    /// Nobody's.
    Nobody,
}

/// In which order endpoints are asked; and those that are not, with why.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    pub(crate) ask: Vec<usize>,
    pub(crate) left_out: Vec<(usize, Fault)>,
    /// When the first of those that are left alone may be asked again.
    pub(crate) wakes: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chain {
    Unknown,
    Right,
    Other(u64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) head: Head,
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
#[derive(Clone, Debug)]
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
    failing_methods: BTreeMap<&'static str, (u32, Instant, Instant)>,
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
    compared: Option<(u64, B256)>,
    /// When it did not tell one.
    not_compared: Option<Instant>,
    /// When it answered last.
    pub(crate) answered: Option<Instant>,
    recent: VecDeque<Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    began: Instant,
    asked: u32,
    failed: u32,
}

#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) endpoints: Vec<Health>,
    pub(crate) followed: Option<usize>,
    /// The branch that is followed: hash, and when it was first heard of.
    branch: BTreeMap<u64, (B256, Instant)>,
}

impl Health {
    fn new() -> Self {
        Self {
            chain: Chain::Unknown,
            seen: None,
            rest: None,
            failing_since: None,
            limited_since: None,
            last_fault: None,
            no_methods: BTreeMap::new(),
            failing_methods: BTreeMap::new(),
            no_state: None,
            no_history: None,
            astray: None,
            requests: 0,
            under_way: BTreeMap::new(),
            streak: 0,
            compared: None,
            not_compared: None,
            answered: None,
            recent: VecDeque::new(),
        }
    }

    const fn is_well(&mut self) {
        (self.rest, self.failing_since, self.limited_since, self.streak) = (None, None, None, 0);
    }

    pub(crate) fn rests(&self, now: Instant) -> Option<&Rest> {
        self.rest.as_ref().filter(|rest| rest.until > now)
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.failing_since.is_none()
            && self.chain == Chain::Right
            && self.seen.is_some_and(|seen| now.duration_since(seen.at) <= FRESH)
    }

    pub(crate) fn is_astray(&self, now: Instant) -> bool {
        self.astray.is_some_and(|since| now.duration_since(since) >= STRAY)
    }

    fn lacks(&self, need: Need, method: &str, now: Instant) -> bool {
        let remembers = |lack: Option<(u64, Instant)>, block: u64| {
            lack.is_some_and(|(newest, until)| block <= newest && until > now)
        };
        self.no_methods.get(method).is_some_and(|until| *until > now)
            || match need {
                Need::State(block) => remembers(self.no_state, block) || remembers(self.no_history, block),
                Need::Block(block) => remembers(self.no_history, block),
                Need::Nothing | Need::Head => false,
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
    Duration::from_millis(500).saturating_mul(1 << times.min(10)).min(LONGEST_REST)
}

impl Rules {
    pub(crate) fn new(endpoints: usize) -> Self {
        Self {
            endpoints: (0..endpoints).map(|_| Health::new()).collect(),
            followed: None,
            branch: BTreeMap::new(),
        }
    }

    pub(crate) fn asked(&mut self, endpoint: usize, request: u64, now: Instant) {
        let health = &mut self.endpoints[endpoint];
        health.requests += 1;
        health.under_way.insert(request, now);
    }

    pub(crate) fn ended(&mut self, endpoint: usize, request: u64) {
        self.endpoints[endpoint].under_way.remove(&request);
    }

    /// An endpoint answered a method, with whatever it was asked for.
    pub(crate) fn answered(&mut self, endpoint: usize, method: &'static str, now: Instant) {
        let health = &mut self.endpoints[endpoint];
        health.failing_methods.remove(method);
        health.count(false, now);
        health.answered = Some(now);
        health.is_well();
    }

    pub(crate) fn is_of_chain(&mut self, endpoint: usize, expected: u64, got: u64) {
        self.endpoints[endpoint].chain = if expected == got { Chain::Right } else { Chain::Other(got) };
    }

    /// An endpoint had no answer to a request that began then.
    pub(crate) fn failed(
        &mut self,
        endpoint: usize,
        need: Need,
        method: &'static str,
        fault: &Fault,
        began: Instant,
        now: Instant,
    ) {
        let health = &mut self.endpoints[endpoint];
        health.count(fault.kind.is_of_endpoint(), now);
        let until = now + REMEMBERED;
        let newer = |lack: Option<(u64, Instant)>, block: u64| {
            let known = lack.filter(|(_, until)| *until > now).map_or(block, |(known, _)| known.max(block));
            Some((known, until))
        };
        match (fault.kind, need) {
            (FaultKind::NoMethod, _) => {
                health.no_methods.insert(method, until);
            }
            (FaultKind::NoState, Need::State(block)) => health.no_state = newer(health.no_state, block),
            (FaultKind::NoHistory, Need::State(block) | Need::Block(block)) => {
                health.no_history = newer(health.no_history, block);
            }
            _ => {}
        }
        health.last_fault = Some((now, fault.clone()));
        if !fault.kind.is_of_endpoint() {
            health.answered = Some(now);
            health.is_well();
            return;
        }
        let (times, since, _) = health.failing_methods.get(method).copied().unwrap_or((0, now, now));
        if times == 0 || since < began {
            health.failing_methods.insert(method, (times.saturating_add(1), now, now + failing_rest(times)));
        }
        // Of many requests that fail together each says the same.
        if let Some(rest) = health.rest.as_mut().filter(|rest| rest.since >= began) {
            if let Some(wait) = fault.retry_after.filter(|_| rest.kind == FaultKind::Limited) {
                rest.until = rest.until.max(now + wait);
            }
            return;
        }
        // What comes back may be another node.
        if fault.kind == FaultKind::Away {
            health.chain = Chain::Unknown;
        }
        health.streak = health.streak.saturating_add(1);
        let grown =
            |first: Duration| first.saturating_mul(1 << (health.streak - 1).min(10)).min(LONGEST_REST);
        let rest = match fault.kind {
            FaultKind::Limited => {
                health.failing_since = None;
                health.limited_since.get_or_insert(now);
                // Some say 0, or a date that is past by this clock.
                let least = grown(Duration::from_millis(250));
                fault.retry_after.map_or_else(|| grown(Duration::from_secs(1)), |wait| wait.max(least))
            }
            FaultKind::Denied | FaultKind::OtherChain => LONGEST_REST,
            // One of many requests may stumble without the others.
            FaultKind::Stumbled | FaultKind::Unreadable if health.streak < 3 => return,
            _ => grown(Duration::from_millis(500)),
        };
        if fault.kind != FaultKind::Limited {
            health.failing_since.get_or_insert(now);
        }
        health.rest = Some(Rest { since: now, until: now + rest, kind: fault.kind });
    }

    /// An endpoint told its head.
    pub(crate) fn saw(&mut self, endpoint: usize, head: Head, now: Instant) {
        let health = &mut self.endpoints[endpoint];
        let same = health.seen.filter(|seen| seen.head.number == head.number);
        let since = same.map_or(now, |seen| seen.since);
        let moved = match (same, health.seen) {
            (Some(seen), _) => seen.moved,
            (None, before) => before.map(|_| now),
        };
        health.seen = Some(Seen { head, at: now, since, moved });
        self.judge(endpoint, now);
    }

    /// An endpoint told the hash of a block; or it did not, which says nothing.
    pub(crate) fn compared(&mut self, endpoint: usize, number: u64, hash: Option<B256>, now: Instant) {
        match hash {
            Some(hash) => {
                self.endpoints[endpoint].compared = Some((number, hash));
                self.judge(endpoint, now);
            }
            None => self.endpoints[endpoint].not_compared = Some(now),
        }
    }

    fn judge(&mut self, endpoint: usize, now: Instant) {
        if self.followed == Some(endpoint) {
            self.endpoints[endpoint].astray = None;
            return;
        }
        match self.on_branch(endpoint) {
            Some(true) => self.endpoints[endpoint].astray = None,
            Some(false) => {
                self.endpoints[endpoint].astray.get_or_insert(now);
            }
            None => {}
        }
    }

    /// Whether an endpoint's head is on the branch that is followed; none where that is not known.
    fn on_branch(&self, endpoint: usize) -> Option<bool> {
        let health = &self.endpoints[endpoint];
        let head = health.seen?.head;
        let fits = |number: u64, hash: B256| self.branch.get(&number).map(|(known, _)| *known == hash);
        fits(head.number, head.hash)
            .or_else(|| head.number.checked_sub(1).and_then(|before| fits(before, head.parent_hash)))
            .or_else(|| {
                let (number, hash) = health.compared?;
                // A comparison with a block that is not of the branch any more says nothing.
                (head.number > number).then(|| fits(number, hash)).flatten()
            })
    }

    /// Whose head is followed from now on.
    pub(crate) fn choose(&mut self, now: Instant) -> Choice {
        let fresh: Vec<(usize, Seen)> = self
            .endpoints
            .iter()
            .enumerate()
            .filter(|(_, health)| health.is_fresh(now))
            .filter_map(|(at, health)| Some((at, health.seen?)))
            .collect();
        let current = fresh.iter().find(|(at, _)| self.followed == Some(*at)).copied();
        let stands = current.is_some_and(|(_, seen)| now.duration_since(seen.since) >= STALL);
        let mut others: Vec<(usize, Seen)> = fresh
            .iter()
            .filter(|(at, seen)| {
                current.is_none_or(|(own, current)| {
                    let moves = seen.moved.is_some_and(|moved| now.duration_since(moved) < STALL);
                    let idle = now.duration_since(seen.since) >= STALL;
                    let ahead = seen.head.number > current.head.number && (stands || !idle);
                    *at != own && (ahead || stands && moves)
                })
            })
            .copied()
            .collect();
        others.sort_by_key(|(at, seen)| (std::cmp::Reverse(seen.head.number), *at));
        for (at, seen) in &others {
            if self.branch.is_empty() {
                return self.follow(*at, seen.head, now);
            }
            match self.on_branch(*at) {
                Some(true) => return self.follow(*at, seen.head, now),
                Some(false) => {
                    let since = *self.endpoints[*at].astray.get_or_insert(now);
                    // With nobody on the branch that was followed, it is no more.
                    if stands || (current.is_none() && now.duration_since(since) >= STRAY) {
                        self.branch.clear();
                        return self.follow(*at, seen.head, now);
                    }
                }
                None => {
                    let last = self.branch.last_key_value().map(|(number, _)| *number);
                    match last.filter(|last| *last < seen.head.number) {
                        Some(_)
                            if self.endpoints[*at]
                                .not_compared
                                .is_some_and(|tried| now.duration_since(tried) < COMPARED_AGAIN) => {}
                        Some(number) => return Choice::Compare { endpoint: *at, number },
                        // Behind what is remembered: whether it is on the branch cannot be known.
                        None => {
                            self.branch.clear();
                            return self.follow(*at, seen.head, now);
                        }
                    }
                }
            }
        }
        match current {
            Some((at, seen)) => self.follow(at, seen.head, now),
            None => Choice::Nobody,
        }
    }

    fn follow(&mut self, endpoint: usize, head: Head, now: Instant) -> Choice {
        let differs = |known: Option<&(B256, Instant)>, hash| known.is_some_and(|(known, _)| *known != hash);
        let before = head.number.checked_sub(1);
        if differs(self.branch.get(&head.number), head.hash) {
            self.branch.split_off(&head.number);
        }
        if let Some(before) = before
            && differs(self.branch.get(&before), head.parent_hash)
        {
            self.branch.split_off(&before);
        }
        if let Some(before) = before {
            self.branch.entry(before).or_insert((head.parent_hash, now));
        }
        self.branch.entry(head.number).or_insert((head.hash, now));
        while self.branch.len() > REMEMBERED_BLOCKS {
            self.branch.pop_first();
        }
        self.followed = Some(endpoint);
        self.endpoints[endpoint].astray = None;
        Choice::Follow(endpoint)
    }

    /// The newest head that is followed, and since when.
    pub(crate) fn head(&self) -> Option<(u64, Instant)> {
        let followed = &self.endpoints[self.followed?];
        followed.seen.map(|seen| (seen.head.number, seen.since))
    }

    /// How many blocks an endpoint is behind the followed head, and since when it is.
    pub(crate) fn lag(&self, endpoint: usize) -> Option<(u64, Instant)> {
        let (newest, _) = self.head()?;
        let own = self.endpoints[endpoint].seen?.head.number;
        let behind = newest.checked_sub(own).filter(|behind| *behind > 0)?;
        let next = self.branch.range(own.saturating_add(1)..).next().map(|(_, (_, at))| *at)?;
        Some((behind, next))
    }

    /// A request is about to be sent first to an endpoint that failed at the method: until it ends, no other one is.
    pub(crate) fn tries(&mut self, endpoint: usize, method: &'static str, now: Instant) {
        if let Some((times, _, until)) = self.endpoints[endpoint].failing_methods.get_mut(method)
            && *until <= now
        {
            *until = now + failing_rest(*times);
        }
    }

    /// What an endpoint said that asks to be left alone now.
    pub(crate) fn asks_for_rest(&self, endpoint: usize, now: Instant) -> Option<Fault> {
        let health = &self.endpoints[endpoint];
        let rest = health.rests(now).filter(|rest| rest.kind == FaultKind::Limited)?;
        let mut fault = match &health.last_fault {
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

    /// In which order a request is sent to the endpoints.
    pub(crate) fn order(&self, need: Need, method: &str, now: Instant) -> Order {
        let mut order = Order::default();
        let newest = self.endpoints.iter().filter(|health| health.is_fresh(now));
        let newest = newest.filter_map(|health| health.seen).map(|seen| seen.head.number).max().unwrap_or(0);
        let wanted = match need {
            Need::Nothing => 0,
            // Two endpoints are never equally far for long.
            Need::Head => self.head().map_or(newest, |(number, _)| number.min(newest)),
            Need::Block(number) | Need::State(number) => number,
        };
        let mut keyed = Vec::new();
        for (at, health) in self.endpoints.iter().enumerate() {
            let rest = health.rests(now);
            if let (Some(rest), Some(fault)) = (rest, self.asks_for_rest(at, now)) {
                order.wakes = Some(order.wakes.map_or(rest.until, |wakes| wakes.min(rest.until)));
                order.left_out.push((at, fault));
                continue;
            }
            if health.is_astray(now) && self.followed.is_some() {
                let said = "it is on another branch of the chain than the endpoint that is followed";
                order.left_out.push((at, Fault::new(FaultKind::OtherChain, said)));
                continue;
            }
            let behind = health.seen.is_some_and(|seen| seen.head.number < wanted);
            let unknown = health.seen.is_none() && newest > 0;
            let lacks = health.lacks(need, method, now);
            let fails = health.failing_methods.get(method).is_some_and(|(_, _, until)| *until > now);
            let follows = self.followed == Some(at);
            keyed.push(((lacks, rest.is_some(), fails, behind, unknown, !follows, at), at));
        }
        keyed.sort_unstable();
        order.ask = keyed.into_iter().map(|(_, at)| at).collect();
        order
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
