//! L1 and L2 as they really are, and the stream that tells of them.

use crate::Rng;
use alloy_primitives::B256;
use proofmill_chain::PruneCause;
use proofmill_primitives::{BlockRange, Checkpoint, CheckpointNumber, Epoch, SlotClock};
use proofmill_program::Boundary;
use proofmill_prover_node::rules::{Candidate, EpochSpec, Event, L1Time, L1View};
use std::{collections::BTreeMap, num::NonZeroU64};

pub(crate) const GENESIS: u64 = 1_000;
pub(crate) const SLOT: u64 = 12;

pub(crate) fn clock() -> SlotClock {
    let some = |number| NonZeroU64::new(number).unwrap();
    SlotClock { genesis: GENESIS, slot_seconds: some(SLOT), epoch_slots: some(4), window_epochs: some(2) }
}

/// The blocks of L2, block 0 first. A block's state root is its hash, turned around.
pub(crate) struct L2 {
    pub(crate) hashes: Vec<B256>,
    /// The blocks of every checkpoint that was proposed, by the hash of the last.
    proposed: BTreeMap<B256, Vec<B256>>,
}

pub(crate) fn state_root(hash: B256) -> B256 {
    !hash
}

/// Where a checkpoint that ends with a block ends.
pub(crate) fn boundary_of(last_block: u64, last_hash: B256) -> Boundary {
    Boundary { last_block, last_hash, state_root: state_root(last_hash), last_timestamp: last_block }
}

pub(crate) fn some_hash(rng: &mut Rng) -> B256 {
    let mut hash = B256::ZERO;
    hash.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&rng.next().to_le_bytes()));
    hash
}

impl L2 {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self { hashes: vec![some_hash(rng)], proposed: BTreeMap::new() }
    }

    /// What is proven on L1 stands: where the node is on another branch, it comes back.
    pub(crate) fn follow(&mut self, proven: &[Checkpoint]) {
        for checkpoint in proven
            .iter()
            .filter(|checkpoint| {
                self.hashes.get(checkpoint.blocks.last() as usize) != Some(&checkpoint.last_hash)
            })
            .copied()
            .collect::<Vec<_>>()
        {
            self.hashes.truncate(checkpoint.blocks.first() as usize);
            self.hashes.extend(&self.proposed[&checkpoint.last_hash]);
        }
    }

    pub(crate) fn head(&self) -> u64 {
        self.hashes.len() as u64 - 1
    }

    pub(crate) fn has(&self, checkpoint: &Checkpoint) -> bool {
        let at = |number: u64| self.hashes.get(number as usize).copied();
        at(checkpoint.blocks.last()) == Some(checkpoint.last_hash)
            && at(checkpoint.blocks.first() - 1) == Some(checkpoint.parent_hash)
    }

    pub(crate) fn grow(&mut self, rng: &mut Rng, blocks: u64) {
        for _ in 0..blocks {
            self.hashes.push(some_hash(rng));
        }
    }
}

/// The rollup's contract.
pub(crate) struct L1 {
    pub(crate) time: u64,
    /// Checkpoint 1 first.
    pub(crate) checkpoints: Vec<Checkpoint>,
    pub(crate) proven: CheckpointNumber,
    /// The longest that our prover submitted of each epoch.
    pub(crate) recorded: BTreeMap<Epoch, CheckpointNumber>,
    /// Whether the proposer leaves it to others to prune.
    pub(crate) proposer_waits: bool,
    /// What was before our last submission, for a reorg to go back to.
    pub(crate) before: Option<(CheckpointNumber, BTreeMap<Epoch, CheckpointNumber>)>,
}

impl L1 {
    pub(crate) fn pending(&self) -> CheckpointNumber {
        CheckpointNumber(self.checkpoints.len() as u64)
    }

    pub(crate) fn get(&self, number: CheckpointNumber) -> Option<&Checkpoint> {
        self.checkpoints.get((number.0 as usize).checked_sub(1)?)
    }

    pub(crate) fn epoch_of(&self, number: CheckpointNumber) -> Option<Epoch> {
        Some(clock().epoch_of(self.get(number)?.slot))
    }

    /// How far our prover has proven the epoch of a checkpoint.
    pub(crate) fn recorded(&self, number: CheckpointNumber) -> Option<CheckpointNumber> {
        self.recorded.get(&self.epoch_of(number)?).copied()
    }

    pub(crate) fn view(&self) -> L1View {
        let (time, closes) = (L1Time(self.time), self.closes().map(L1Time));
        L1View { time, pending: self.pending(), proven: self.proven, paused: 0, closes }
    }

    /// When the window of the oldest checkpoint closes that is not proven.
    pub(crate) fn closes(&self) -> Option<u64> {
        Some(clock().deadline(self.epoch_of(self.proven.next())?))
    }

    pub(crate) fn is_prune_due(&self) -> bool {
        self.closes().is_some_and(|closes| self.time >= closes)
    }

    /// Cuts what was not proven in time, as the contract does before a proposal and when it is asked to.
    pub(crate) fn prune_if_due(&mut self) -> bool {
        let due = self.is_prune_due();
        if due {
            self.checkpoints.truncate(self.proven.0 as usize);
        }
        due
    }

    /// A checkpoint of the next blocks, if the proposer may. One that goes by the pending tip waits until that is pruned.
    pub(crate) fn propose(&mut self, l2: &mut L2, blocks: u64) -> bool {
        if self.is_prune_due() && self.proposer_waits {
            return false;
        }
        self.prune_if_due();
        let slot = clock().slot_at(self.time);
        let last = self.checkpoints.last();
        if self.time < GENESIS || last.is_some_and(|last| last.slot >= slot || !l2.has(last)) {
            return false;
        }
        let first = last.map_or(1, |last| last.blocks.last() + 1);
        let end = (first + blocks - 1).min(l2.head());
        let Ok(blocks) = BlockRange::new(first, end) else { return false };
        let last_hash = l2.hashes[end as usize];
        l2.proposed.insert(last_hash, l2.hashes[first as usize..=end as usize].to_vec());
        let parent_commitment = last.map_or(B256::ZERO, |last| last.commitment);
        let boundary = boundary_of(end, last_hash);
        self.checkpoints.push(Checkpoint {
            number: self.pending().next(),
            slot,
            blocks,
            parent_hash: l2.hashes[first as usize - 1],
            last_hash,
            state_root: boundary.state_root,
            last_timestamp: boundary.last_timestamp,
            parent_commitment,
            commitment: boundary.commit(parent_commitment),
        });
        true
    }

    /// What of a candidate the contract would find wrong; nothing where it takes it.
    pub(crate) fn objection(&self, candidate: &Candidate) -> Option<String> {
        let span = &candidate.span;
        let (Some(first), Some(last)) = (self.get(span.first), self.get(span.last)) else {
            return Some("no such checkpoints".into());
        };
        let here = EpochSpec::spanning(first, last).unwrap();
        if here != span.spec || last.state_root != span.state_root {
            return Some("other checkpoints".into());
        }
        // After a reorg the same blocks may stand in another epoch. The contract does not mind, as long as it is one.
        let epoch = self.epoch_of(span.first);
        if self.epoch_of(span.last) != epoch
            || span.first.before().is_some_and(|before| self.epoch_of(before) == epoch)
        {
            return Some("not an epoch, or its beginning".into());
        }
        if self.time >= clock().deadline(epoch.unwrap()) {
            return Some("its window has closed".into());
        }
        (span.first > self.proven.next()).then(|| "what is before is not proven".into())
    }

    pub(crate) fn prove(&mut self, last: CheckpointNumber, l2: &mut L2) {
        self.before = Some((self.proven, self.recorded.clone()));
        self.proven = self.proven.max(last);
        l2.follow(&self.checkpoints[..self.proven.0 as usize]);
    }
}

/// Tells of L1 and L2, one event at a time, from a checkpoint on.
pub(crate) struct Stream {
    pub(crate) from: CheckpointNumber,
    pub(crate) told: Vec<Checkpoint>,
    proven: CheckpointNumber,
    head: u64,
}

impl Stream {
    /// Begins with the first checkpoint of the first epoch that is not fully proven.
    pub(crate) fn begin(l1: &L1) -> Self {
        let epoch = |checkpoint: &Checkpoint| clock().epoch_of(checkpoint.slot);
        let fully_proven = |of: Epoch| {
            let last = l1.checkpoints.iter().rfind(|checkpoint| epoch(checkpoint) == of).unwrap();
            let newest = l1.checkpoints.last().unwrap();
            (epoch(newest) > of || l1.time >= clock().ends_at(of)) && last.number <= l1.proven
        };
        let first = l1.checkpoints.iter().find(|checkpoint| !fully_proven(epoch(checkpoint)));
        let from = first.map_or(l1.pending().next(), |first| first.number);
        Self { from, told: Vec::new(), proven: l1.proven, head: 0 }
    }

    /// The next thing to tell, if something changed.
    pub(crate) fn next(&self, l1: &L1, l2: &L2) -> Option<Event> {
        if l2.head() > self.head {
            return Some(Event::BlocksAdded { blocks: BlockRange::new(self.head + 1, l2.head()).unwrap() });
        }
        let stand: Vec<_> = l1.checkpoints.iter().take_while(|checkpoint| l2.has(checkpoint)).collect();
        let before = self.from.0 as usize - 1;
        if l1.proven.next() < self.from {
            // L1 fell back behind where the stream began: it begins anew.
            let to = Self::begin(l1).from.before().unwrap();
            return Some(Event::Pruned { to, cause: PruneCause::L1Reorg });
        }
        let stand = stand.get(before..).unwrap_or_default();
        let same = self.told.iter().zip(stand).take_while(|(told, now)| told == *now).count();
        if same < self.told.len() {
            let to = CheckpointNumber((before + same) as u64);
            let void = &self.told[same];
            let cause = match l1.get(void.number) {
                Some(there) if there == void => PruneCause::L2Reorg,
                Some(_) => PruneCause::L1Reorg,
                None => PruneCause::WindowClosed,
            };
            return Some(Event::Pruned { to, cause });
        }
        if let Some(next) = stand.get(same) {
            return Some(Event::Checkpointed(**next));
        }
        (l1.proven != self.proven).then_some(Event::Proven { checkpoint: l1.proven })
    }

    /// The event was handled.
    pub(crate) fn ack(&mut self, event: &Event) {
        match event {
            Event::BlocksAdded { blocks } => self.head = blocks.last(),
            Event::Checkpointed(checkpoint) => self.told.push(*checkpoint),
            Event::Pruned { to, .. } if to.next() < self.from => {
                self.from = to.next();
                self.told.clear();
            }
            Event::Pruned { to, .. } => self.told.truncate((to.0 + 1 - self.from.0) as usize),
            Event::Proven { checkpoint } => self.proven = *checkpoint,
            other => panic!("not of a chain: {other:?}"),
        }
    }
}
