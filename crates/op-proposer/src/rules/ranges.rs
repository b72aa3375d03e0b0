//! The ranges between the newest output on L1 and what L2 has finalized.

use crate::steps::pause_is_over;
use proofmill_fault::{Decision, Event as FaultEvent, Fault, History, Jitter, Patience};
use proofmill_primitives::BlockRange;
use proofmill_service::JobError;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// A range that fails so often by its own fault is halved: OP Succinct's rule.
const TRIES: u32 = 2;
/// What cannot be halved, and what can never work, is looked at again after so long: a node may have been mended.
const HELD: Duration = Duration::from_secs(30 * 60);

/// How pauses grow.
fn patience() -> Patience {
    Patience {
        tries: TRIES,
        retry_pause: Duration::from_secs(5),
        longest_pause: Duration::from_secs(120),
        ..Patience::default()
    }
}

/// Whether fewer blocks may do what these did not.
const fn is_of_its_length(error: &JobError) -> bool {
    matches!(error, JobError::CannotExecute { .. } | JobError::Failed { .. })
}

/// How far a range is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RangeState {
    /// Not asked for, or not again yet.
    Waiting {
        /// Not before this time, in ms since 1970.
        until: u64,
        /// What kept it, if it was tried.
        cause: Option<String>,
    },
    /// Being proven.
    Proving,
    /// Proven; its proof is kept.
    Proven {
        /// Number of the L1 block up to which it was derived.
        l1_head: u64,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    last: u64,
    state: RangeState,
    /// Its proof was lost: as it was made before, it can be made again up to this block of L1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    up_to: Option<u64>,
    /// Its blocks were of two ranges, and L1 does not give those of the later one by themselves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    joined: bool,
    #[serde(skip)]
    history: History,
}

impl Entry {
    fn waiting(last: u64, cause: Option<String>) -> Self {
        let state = RangeState::Waiting { until: 0, cause };
        Self { last, state, up_to: None, joined: false, history: History::default() }
    }
}

/// A range, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeView {
    /// Its blocks.
    pub blocks: BlockRange,
    /// How far it is.
    pub state: RangeState,
}

/// The gas of blocks that follow on each other, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockGas {
    /// The first of the blocks.
    pub first: u64,
    /// What each of them used, oldest first.
    pub used: Vec<u64>,
}

impl BlockGas {
    /// What a block used; none where that is not known.
    pub fn of(&self, block: u64) -> Option<u64> {
        self.used.get(usize::try_from(block.checked_sub(self.first)?).ok()?).copied()
    }

    /// Whether it is known of all of these.
    pub fn covers(&self, blocks: BlockRange) -> bool {
        self.of(blocks.first()).is_some() && self.of(blocks.last()).is_some()
    }
}

/// How long a range may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut<'a> {
    /// It has no more blocks.
    pub(crate) blocks: u64,
    /// Its blocks used no more gas, where it has more than one.
    pub(crate) gas: Option<(u64, &'a BlockGas)>,
}

impl Cut<'_> {
    /// Where a range ends that begins with `first` and goes no further than `bound`, and whether the block after it does not fit. None
    /// where too little is known of the gas.
    fn end(&self, first: u64, bound: u64) -> Option<(u64, bool)> {
        let full = first.saturating_add(self.blocks.saturating_sub(1));
        let Some((limit, gas)) = self.gas else { return Some((full.min(bound), full <= bound)) };
        let (mut end, mut used) = (first, gas.of(first)?);
        while end < full {
            if end >= bound {
                return Some((end, false));
            }
            let next = gas.of(end + 1)?;
            if used.saturating_add(next) > limit {
                return Some((end, true));
            }
            (end, used) = (end + 1, used + next);
        }
        Some((end, true))
    }
}

/// Ranges by their first block. They do not overlap.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ranges(BTreeMap<u64, Entry>);

impl Ranges {
    /// What was under way is to be asked for again.
    pub(crate) fn resume(&mut self) {
        for entry in self.0.values_mut() {
            if entry.state == RangeState::Proving {
                entry.state = RangeState::Waiting { until: 0, cause: None };
            }
        }
    }

    /// Forgets what begins at or before `output`, and returns those that were being proven.
    pub(crate) fn forget_to(&mut self, output: u64) -> Vec<BlockRange> {
        let kept = self.0.split_off(&output.saturating_add(1));
        let gone = std::mem::replace(&mut self.0, kept);
        gone.into_iter()
            .filter(|(_, entry)| entry.state == RangeState::Proving)
            .filter_map(|(first, entry)| BlockRange::new(first, entry.last).ok())
            .collect()
    }

    /// Covers the blocks after `output` up to `finalized` with ranges. What is left before the next range is a shorter one; what is
    /// left at the end waits until it is full.
    pub(crate) fn cover(&mut self, output: u64, finalized: u64, cut: Cut<'_>) {
        let mut next = output.saturating_add(1);
        let mut ends: Vec<(u64, u64)> = self.0.iter().map(|(first, entry)| (*first, entry.last)).collect();
        // So that the loop sees the gap behind the last range, which is open.
        ends.push((u64::MAX, u64::MAX));
        for (first, last) in ends {
            while next < first {
                let open = first == u64::MAX;
                let bound = if open { finalized } else { first - 1 };
                if next > finalized {
                    break;
                }
                let Some((end, full)) = cut.end(next, bound) else { break };
                if end > finalized || (open && !full) {
                    break;
                }
                self.0.insert(next, Entry::waiting(end, None));
                next = end + 1;
            }
            next = next.max(last.saturating_add(1));
        }
    }

    /// The blocks as so many ranges, or as many as there are blocks, which differ in length by one at the most; and each of them cut
    /// where its gas passes a limit.
    pub(crate) fn split(blocks: BlockRange, count: u64, gas: Option<(u64, &BlockGas)>) -> Self {
        let count = count.clamp(1, blocks.len());
        let (each, longer) = (blocks.len() / count, blocks.len() % count);
        let (mut ranges, mut first) = (BTreeMap::new(), blocks.first());
        for at in 0..count {
            let all = each + u64::from(at < longer);
            let end = first + (all - 1);
            while first <= end {
                let last = Cut { blocks: all, gas }.end(first, end).map_or(end, |(last, _)| last);
                ranges.insert(first, Entry::waiting(last, None));
                first = last + 1;
            }
        }
        Self(ranges)
    }

    /// Whether one of them is being proven.
    pub(crate) fn is_proving(&self) -> bool {
        self.0.values().any(|entry| entry.state == RangeState::Proving)
    }

    /// All of them, oldest first, once all are proven.
    pub(crate) fn all_proven(&self) -> Option<Vec<BlockRange>> {
        let proven = |entry: &Entry| matches!(entry.state, RangeState::Proven { .. });
        self.0
            .iter()
            .map(|(first, entry)| proven(entry).then(|| BlockRange::new(*first, entry.last).ok())?)
            .collect()
    }

    /// Takes as many of the ranges that are due as fit into `at_once`.
    pub(crate) fn start(&mut self, now_ms: u64, at_once: usize) -> Vec<BlockRange> {
        let proving = self.0.values().filter(|entry| entry.state == RangeState::Proving).count();
        let is_due = |entry: &Entry| match entry.state {
            RangeState::Waiting { until, .. } => pause_is_over(until, now_ms, HELD),
            _ => false,
        };
        let due = self.0.iter_mut().filter(|(_, entry)| is_due(entry));
        due.take(at_once.saturating_sub(proving))
            .filter_map(|(first, entry)| {
                entry.state = RangeState::Proving;
                BlockRange::new(*first, entry.last).ok()
            })
            .collect()
    }

    /// A range that was being proven is.
    pub(crate) fn proven(&mut self, blocks: BlockRange, l1_head: u64) {
        if let Some(entry) = self.being_proven(blocks) {
            (entry.state, entry.up_to) = (RangeState::Proven { l1_head }, None);
        }
    }

    /// A range failed: it is tried again later, halved, or joined with the one before.
    pub(crate) fn failed(&mut self, now_ms: u64, blocks: BlockRange, error: &JobError) {
        let Some(entry) = self.being_proven(blocks) else { return };
        entry.up_to = None;
        let fault = Fault::from(error);
        let jitter = Jitter::of(blocks.first() ^ now_ms);
        let event = FaultEvent { fault: &fault, worker: None, now_ms, others: false, jitter };
        let pause = match patience().decide(&mut entry.history, event) {
            Decision::Again { after, .. } => after,
            Decision::GiveUp if matches!(error, JobError::Underived { earlier: true, .. }) => {
                return self.join(now_ms, blocks, error);
            }
            // The halves of what was joined would come to where it was before.
            Decision::GiveUp if blocks.len() > 1 && is_of_its_length(error) && !entry.joined => {
                return self.halve(blocks, error);
            }
            Decision::GiveUp => {
                entry.history = History::default();
                HELD
            }
        };
        let until = now_ms.saturating_add(pause.as_millis() as u64);
        entry.state = RangeState::Waiting { until, cause: Some(error.to_string()) };
    }

    /// A proof that was kept is not there any more, or is of no use: it is made again, up to this block of L1 at the latest at first.
    pub(crate) fn lost(&mut self, blocks: BlockRange, up_to: Option<u64>) {
        if let Some(entry) = self.0.get_mut(&blocks.first()).filter(|entry| entry.last == blocks.last()) {
            (entry.state, entry.up_to) = (RangeState::Waiting { until: 0, cause: None }, up_to);
        }
    }

    /// The L1 block up to which a range is to be derived at the latest, if there is one.
    pub(crate) fn up_to(&self, blocks: BlockRange) -> Option<u64> {
        self.0.get(&blocks.first()).filter(|entry| entry.last == blocks.last())?.up_to
    }

    /// Makes one range of these blocks and those of the range before, proven or not. While that is being proven, and where there is none,
    /// the range waits.
    fn join(&mut self, now_ms: u64, blocks: BlockRange, error: &JobError) {
        let cause = Some(error.to_string());
        let before = self.0.range(..blocks.first()).next_back();
        let before = before.filter(|(_, entry)| entry.last.saturating_add(1) == blocks.first());
        let pause = match before.map(|(first, entry)| (*first, entry.state == RangeState::Proving)) {
            Some((first, false)) => {
                self.0.remove(&blocks.first());
                self.0.insert(first, Entry { joined: true, ..Entry::waiting(blocks.last(), cause) });
                return;
            }
            Some((_, true)) => patience().longest_pause,
            None => HELD,
        };
        if let Some(entry) = self.0.get_mut(&blocks.first()) {
            let until = now_ms.saturating_add(pause.as_millis() as u64);
            entry.state = RangeState::Waiting { until, cause };
        }
    }

    fn halve(&mut self, blocks: BlockRange, error: &JobError) {
        let middle = blocks.first() + (blocks.len() - 1) / 2;
        for (first, last) in [(blocks.first(), middle), (middle + 1, blocks.last())] {
            self.0.insert(first, Entry::waiting(last, Some(error.to_string())));
        }
    }

    fn being_proven(&mut self, blocks: BlockRange) -> Option<&mut Entry> {
        let entry = self.0.get_mut(&blocks.first())?;
        (entry.last == blocks.last() && entry.state == RangeState::Proving).then_some(entry)
    }

    /// The proven ranges that follow on each other from the block after `output` on, with the L1 block of each.
    pub(crate) fn proven_from(&self, output: u64) -> Vec<(BlockRange, u64)> {
        let mut next = output.saturating_add(1);
        let mut found = Vec::new();
        for (first, entry) in self.0.range(next..) {
            let RangeState::Proven { l1_head } = entry.state else { break };
            let (true, Ok(blocks)) = (*first == next, BlockRange::new(*first, entry.last)) else { break };
            found.push((blocks, l1_head));
            next = entry.last.saturating_add(1);
        }
        found
    }

    /// All of them, oldest first.
    pub(crate) fn view(&self) -> impl Iterator<Item = RangeView> + '_ {
        self.0.iter().filter_map(|(first, entry)| {
            let blocks = BlockRange::new(*first, entry.last).ok()?;
            Some(RangeView { blocks, state: entry.state.clone() })
        })
    }
}
