//! Which endpoint is asked, and whose head is followed: pure rules over what was heard of each endpoint. No I/O; the time is
//! passed in.
//!
//! - The newest head is followed. An endpoint that is ahead takes over once it is known to be on the branch that was followed;
//!   one on another branch, or behind, only when the followed one has stood still for [`STALL`], or is gone.
//! - A request goes to the endpoints in this order: those that serve before those that rest, those that have the block before
//!   those that lag, those that are not known to lack something before those that are, the followed one first.
//! - An endpoint that asks to be left alone is left alone until then. The others that rest are asked when nobody else is left.

use crate::{
    Fault, FaultKind, Header,
    health::{Chain, Health, STRAY, Seen},
};
use alloy_primitives::B256;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// A followed head that has not moved for so long, while another has, is left for one on another branch.
pub(crate) const STALL: Duration = Duration::from_secs(45);
/// A comparison that failed is tried again after this.
const COMPARED_AGAIN: Duration = Duration::from_secs(1);
/// Blocks of the followed branch that are remembered.
const REMEMBERED_BLOCKS: usize = 512;

/// What an endpoint must have to answer a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing of the chain.
    Nothing,
    /// The newest block.
    Head,
    /// The block with this number. Where it is `null`, the endpoint does not have it.
    Block(u64),
    /// What has this hash: a block, a transaction, its receipt. Where it is `null`, the endpoint does not have it.
    Hash,
    /// The same of what was there before. Another node behind the same address may have it: it is asked for as often as a block that
    /// nobody knows.
    Seen,
    /// The state after the block with this number.
    State(u64),
}

impl Need {
    /// Whether `null` says that the endpoint lacks what is asked for, and is no answer of the chain.
    pub(crate) const fn may_be_null(self) -> bool {
        matches!(self, Self::Block(_) | Self::Hash | Self::Seen)
    }
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

#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) endpoints: Vec<Health>,
    pub(crate) followed: Option<usize>,
    /// The branch that is followed: hash, and when it was first heard of.
    branch: BTreeMap<u64, (B256, Instant)>,
}

impl Rules {
    pub(crate) fn new(endpoints: usize) -> Self {
        Self { endpoints: vec![Health::default(); endpoints], followed: None, branch: BTreeMap::new() }
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
        self.endpoints[endpoint].answered(method, now);
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
        self.endpoints[endpoint].failed(need, method, fault, began, now);
    }

    /// An endpoint told its head.
    pub(crate) fn saw(&mut self, endpoint: usize, head: Header, now: Instant) {
        self.endpoints[endpoint].saw(head, now);
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

    fn follow(&mut self, endpoint: usize, head: Header, now: Instant) -> Choice {
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
        self.endpoints[endpoint].tries(method, now);
    }

    /// In which order a request is sent to the endpoints.
    pub(crate) fn order(&self, need: Need, method: &str, now: Instant) -> Order {
        let mut order = Order::default();
        let newest = self.endpoints.iter().filter(|health| health.is_fresh(now));
        let newest = newest.filter_map(|health| health.seen).map(|seen| seen.head.number).max().unwrap_or(0);
        let wanted = match need {
            Need::Nothing => 0,
            // Two endpoints are never equally far for long.
            Need::Head | Need::Hash | Need::Seen => {
                self.head().map_or(newest, |(number, _)| number.min(newest))
            }
            Need::Block(number) | Need::State(number) => number,
        };
        let mut keyed = Vec::new();
        for (at, health) in self.endpoints.iter().enumerate() {
            let rest = health.rests(now);
            if let (Some(rest), Some(fault)) = (rest, health.asks_for_rest(now)) {
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
            let fails = health.fails_at(method, now);
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
