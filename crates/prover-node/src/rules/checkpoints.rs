//! The checkpoint store: one checkpoint prover per checkpoint that stands.

use super::{
    Change, JobError, JobId, JobNote, RangeDone, RangeSpec, Refused, SplitPoint,
    event::Link,
    prover::{CheckpointProver, CheckpointState, Instance},
    turn::{Asker, Turn},
};
use proofmill_chain::PruneCause;
use proofmill_primitives::{Checkpoint, CheckpointNumber, Epoch, ProverType, Slot};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

/// The checkpoints that stand, from the first that is not settled on, without gaps.
///
/// A checkpoint is known by its content, [`proofmill_primitives::CheckpointId`]: another content under a number that is
/// taken replaces what was there and everything above it.
#[derive(Clone, Debug)]
pub(crate) struct CheckpointStore {
    /// Where the record begins: everything before is settled. The first checkpoint of an epoch, unless it has expired;
    /// nothing until the first checkpoint has come.
    base: Option<CheckpointNumber>,
    provers: BTreeMap<CheckpointNumber, CheckpointProver>,
    last_instance: Instance,
}

impl CheckpointStore {
    pub(crate) const fn new() -> Self {
        Self { base: None, provers: BTreeMap::new(), last_instance: Instance(0) }
    }

    /// Forgets everything; the next checkpoint is where the record begins.
    pub(crate) fn restart(&mut self, turn: &mut Turn<'_>) {
        self.remove_from(turn, CheckpointNumber(0));
        self.base = None;
    }

    /// The newest checkpoint, or the one before the first that is due; nothing where none is known to be due.
    pub(crate) fn tip(&self) -> Option<CheckpointNumber> {
        match self.provers.last_key_value() {
            Some((number, _)) => Some(*number),
            None => self.base?.before(),
        }
    }

    pub(crate) fn get(&self, number: CheckpointNumber) -> Option<&CheckpointProver> {
        self.provers.get(&number)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &CheckpointProver> {
        self.provers.values()
    }

    /// Those that landed in these slots, in order.
    pub(crate) fn within(&self, slots: RangeInclusive<Slot>) -> impl Iterator<Item = &CheckpointProver> {
        // Slots go up with the numbers.
        self.provers.values().filter(move |prover| slots.contains(&prover.checkpoint.slot))
    }

    pub(crate) fn epochs(&self) -> BTreeSet<Epoch> {
        self.provers.values().map(|prover| prover.epoch).collect()
    }

    /// Adds a checkpoint at the end and makes its prover. The same again changes nothing.
    pub(crate) fn add(
        &mut self,
        turn: &mut Turn<'_>,
        checkpoint: Checkpoint,
        high_water: Option<Epoch>,
    ) -> Result<(), Refused> {
        let number = checkpoint.number;
        if self.base.is_some_and(|base| number < base)
            || self.get(number).is_some_and(|there| there.checkpoint == checkpoint)
        {
            return Ok(());
        }
        if let Some(expected) = self.tip().map(CheckpointNumber::next)
            && number > expected
        {
            return Err(Refused::Gap { expected, got: number });
        }
        if let Some(before) = number.before().and_then(|before| self.get(before)) {
            check_link(&before.checkpoint, &checkpoint)?;
        }
        let removed = self.remove_from(turn, number);
        if removed > 0 {
            let to = number.before().unwrap_or_default();
            turn.report(Change::Pruned { to, removed, cause: PruneCause::L1Reorg });
        }
        let prover = self.make(turn, checkpoint, high_water);
        self.provers.insert(number, prover);
        self.base.get_or_insert(number);
        Ok(())
    }

    fn make(
        &mut self,
        turn: &mut Turn<'_>,
        checkpoint: Checkpoint,
        high_water: Option<Epoch>,
    ) -> CheckpointProver {
        self.last_instance.0 += 1;
        let mut prover = CheckpointProver::new(turn, checkpoint, self.last_instance);
        if high_water.is_some_and(|expired| prover.epoch <= expired) {
            prover.expire(turn);
        }
        prover
    }

    /// Cancels and removes every prover above `to`.
    ///
    /// # Errors
    ///
    /// [`Refused::BelowBase`] where checkpoints are void that were settled and forgotten here.
    pub(crate) fn prune(
        &mut self,
        turn: &mut Turn<'_>,
        to: CheckpointNumber,
        cause: PruneCause,
    ) -> Result<(), Refused> {
        if let Some(base) = self.base
            && to.next() < base
        {
            return Err(Refused::BelowBase { to, base });
        }
        let removed = self.remove_from(turn, to.next());
        turn.report(Change::Pruned { to, removed, cause });
        Ok(())
    }

    fn remove_from(&mut self, turn: &mut Turn<'_>, first: CheckpointNumber) -> usize {
        let removed = self.provers.split_off(&first);
        let count = removed.len();
        removed.into_values().for_each(|mut prover| prover.cancel(turn));
        count
    }

    /// Ends the provers of expired epochs, and forgets those that are proven on L1; the last block forgotten.
    pub(crate) fn expire(
        &mut self,
        turn: &mut Turn<'_>,
        high_water: Epoch,
        proven: CheckpointNumber,
    ) -> Option<u64> {
        let expired = |prover: &CheckpointProver| prover.epoch <= high_water;
        for prover in self.provers.values_mut().filter(|prover| expired(prover)) {
            if prover.state != CheckpointState::Expired {
                prover.expire(turn);
            }
        }
        let mut forgotten = None;
        while let Some(first) = self.provers.first_entry()
            && expired(first.get())
            && *first.key() <= proven
        {
            let settled = first.remove();
            self.base = Some(settled.checkpoint.number.next());
            forgotten = Some(settled.checkpoint.blocks.last());
        }
        forgotten
    }

    /// Fresh provers for the failed ones of an epoch.
    pub(crate) fn renew_failed(&mut self, turn: &mut Turn<'_>, epoch: Epoch) {
        let failed: Vec<_> = self
            .provers
            .values()
            .filter(|prover| prover.epoch == epoch && prover.failure().is_some())
            .map(|prover| prover.checkpoint)
            .collect();
        for checkpoint in failed {
            let prover = self.make(turn, checkpoint, None);
            self.provers.insert(checkpoint.number, prover);
        }
    }

    /// Gives out queued ranges, the oldest checkpoints first.
    pub(crate) fn start_queued(&mut self, turn: &mut Turn<'_>) {
        for prover in turn.desk.config.provers.clone() {
            let running: usize = self.iter().map(|checkpoint| checkpoint.running(prover)).sum();
            let mut room = turn.desk.config.max_range_jobs.get().saturating_sub(running);
            for checkpoint in self.provers.values_mut() {
                room -= checkpoint.start(turn, prover, room);
            }
        }
    }

    pub(crate) fn range_ended(
        &mut self,
        turn: &mut Turn<'_>,
        job: JobId,
        result: Result<RangeDone, JobError>,
    ) {
        if let Some((checkpoint, prover)) = self.asker(turn, job) {
            turn.desk.jobs.remove(&job);
            checkpoint.ended(turn, prover, job, result);
        }
    }

    pub(crate) fn range_split(&mut self, turn: &mut Turn<'_>, job: JobId, point: SplitPoint) {
        if let Some((checkpoint, prover)) = self.asker(turn, job) {
            turn.desk.jobs.remove(&job);
            checkpoint.split(turn, prover, job, point);
        }
    }

    pub(crate) fn note(&mut self, turn: &Turn<'_>, job: JobId, note: JobNote) {
        if let Some((checkpoint, prover)) = self.asker(turn, job) {
            checkpoint.note(prover, job, note);
        }
    }

    /// A range proof is no longer in the store.
    pub(crate) fn range_lost(&mut self, turn: &Turn<'_>, prover: ProverType, range: RangeSpec) {
        self.provers.values_mut().for_each(|checkpoint| checkpoint.lost(turn.now, prover, range));
    }

    pub(crate) fn cancel_all(&mut self, turn: &mut Turn<'_>) {
        self.provers.values_mut().for_each(|prover| prover.cancel(turn));
    }

    fn asker(&mut self, turn: &Turn<'_>, job: JobId) -> Option<(&mut CheckpointProver, ProverType)> {
        let Asker::Range { checkpoint, prover } = *turn.desk.jobs.get(&job)? else { return None };
        Some((self.provers.get_mut(&checkpoint)?, prover))
    }
}

fn check_link(before: &Checkpoint, next: &Checkpoint) -> Result<(), Refused> {
    let what = if next.slot <= before.slot {
        Link::Slot { before: before.slot }
    } else if before.blocks.last().checked_add(1) != Some(next.blocks.first()) {
        Link::Blocks { before: before.blocks.last() }
    } else if next.parent_hash != before.last_hash {
        Link::ParentHash
    } else {
        return Ok(());
    };
    Err(Refused::Broken { number: next.number, what })
}
