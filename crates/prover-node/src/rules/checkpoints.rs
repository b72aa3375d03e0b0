//! The checkpoint store: one checkpoint prover per checkpoint that stands.

use super::{
    Change, JobError, JobId, JobNote, RangeDone, RangeSpec, Refused, SplitPoint, Time,
    event::Link,
    prover::{CheckpointProver, CheckpointState, Instance},
    turn::{Asker, Turn},
};
use proofmill_chain::PruneCause;
use proofmill_primitives::{Checkpoint, CheckpointNumber, Epoch, ProverType, Slot};
use std::{
    collections::{VecDeque, vec_deque},
    iter,
    ops::RangeInclusive,
    time::Duration,
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
    /// Their numbers go up by one, and their slots go up, and with them their epochs: one is added only at the end, where
    /// it links to the one before it.
    provers: VecDeque<CheckpointProver>,
    /// Provers from before the chain is read anew: each goes on when its checkpoint is told again.
    adrift: Vec<CheckpointProver>,
    /// Up to where it is told again, and since when.
    landing: Option<(CheckpointNumber, Time)>,
    /// What was forgotten and whose stored proofs are not released yet, oldest first.
    settled: VecDeque<Settled>,
    last_instance: Instance,
}

/// The last checkpoint of those that were proven and expired at the same time.
#[derive(Clone, Copy, Debug)]
struct Settled {
    number: CheckpointNumber,
    epoch: Epoch,
    last_block: u64,
}

/// Provers whose checkpoint is not told again for so long are cancelled.
const ADRIFT: Duration = Duration::from_secs(60);

impl CheckpointStore {
    pub(crate) const fn new() -> Self {
        Self {
            base: None,
            provers: VecDeque::new(),
            adrift: Vec::new(),
            landing: None,
            settled: VecDeque::new(),
            last_instance: Instance(0),
        }
    }

    /// The chain is read anew, up to checkpoint `pending`; the next checkpoint is where the record begins. What is under way
    /// goes on until it shows whether it is still wanted.
    pub(crate) fn restart(&mut self, now: Time, pending: CheckpointNumber) {
        self.adrift.extend(self.provers.drain(..));
        self.landing = Some((pending, now));
        // Proofs of what was forgotten may be wanted again.
        self.settled.clear();
        self.base = None;
    }

    /// Whether the chain is being read anew, so that what is missing here says nothing.
    pub(crate) const fn is_landing(&self) -> bool {
        self.landing.is_some()
    }

    /// The chain was read anew: what did not come again is cancelled.
    pub(crate) fn land(&mut self, turn: &mut Turn<'_>) {
        let Some((pending, since)) = self.landing else { return };
        let all_here = self.tip().unwrap_or_default() >= pending;
        if all_here || self.adrift.is_empty() || turn.now.since(since) >= ADRIFT {
            self.landing = None;
            self.adrift.drain(..).for_each(|mut prover| prover.cancel(turn));
        }
    }

    /// The newest checkpoint, or the one before the first that is due; nothing where none is known to be due.
    pub(crate) fn tip(&self) -> Option<CheckpointNumber> {
        match self.provers.back() {
            Some(newest) => Some(newest.checkpoint.number),
            None => self.base?.before(),
        }
    }

    pub(crate) fn get(&self, number: CheckpointNumber) -> Option<&CheckpointProver> {
        self.provers.get(self.place(number)?)
    }

    fn get_mut(&mut self, number: CheckpointNumber) -> Option<&mut CheckpointProver> {
        let place = self.place(number)?;
        self.provers.get_mut(place)
    }

    fn place(&self, number: CheckpointNumber) -> Option<usize> {
        let first = self.provers.front()?.checkpoint.number;
        usize::try_from(number.0.checked_sub(first.0)?).ok()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &CheckpointProver> {
        self.provers.iter()
    }

    /// Those that landed in these slots, in order.
    pub(crate) fn within(
        &self,
        slots: RangeInclusive<Slot>,
    ) -> impl DoubleEndedIterator<Item = &CheckpointProver> {
        self.between(|prover| prover.checkpoint.slot, slots)
    }

    /// Those of an epoch, in order.
    pub(crate) fn of(&self, epoch: Epoch) -> impl DoubleEndedIterator<Item = &CheckpointProver> {
        self.between(|prover| prover.epoch, epoch..=epoch)
    }

    /// Those with a key in a range, where keys go up with the numbers.
    fn between<K: PartialOrd>(
        &self,
        key: impl Fn(&CheckpointProver) -> K,
        keys: RangeInclusive<K>,
    ) -> vec_deque::Iter<'_, CheckpointProver> {
        let from = self.provers.partition_point(|prover| key(prover) < *keys.start());
        let to = self.provers.partition_point(|prover| key(prover) <= *keys.end());
        self.provers.range(from..to.max(from))
    }

    /// The epochs of those that are here, in order.
    pub(crate) fn epochs(&self) -> impl Iterator<Item = Epoch> {
        let mut next = 0;
        iter::from_fn(move || {
            let epoch = self.provers.get(next)?.epoch;
            next = self.provers.partition_point(|prover| prover.epoch <= epoch);
            Some(epoch)
        })
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
        self.provers.push_back(prover);
        self.base.get_or_insert(number);
        Ok(())
    }

    fn make(
        &mut self,
        turn: &mut Turn<'_>,
        checkpoint: Checkpoint,
        high_water: Option<Epoch>,
    ) -> CheckpointProver {
        let there = self.adrift.iter().position(|prover| prover.checkpoint == checkpoint);
        let mut prover = match there {
            Some(place) => self.adrift.swap_remove(place),
            None => self.fresh(turn, checkpoint),
        };
        if high_water.is_some_and(|expired| prover.epoch <= expired) {
            prover.expire(turn);
        }
        prover
    }

    fn fresh(&mut self, turn: &mut Turn<'_>, checkpoint: Checkpoint) -> CheckpointProver {
        self.last_instance.0 += 1;
        CheckpointProver::new(turn, checkpoint, self.last_instance)
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
        let stand = self.provers.partition_point(|prover| prover.checkpoint.number < first);
        let removed = self.provers.split_off(stand);
        let count = removed.len();
        removed.into_iter().for_each(|mut prover| prover.cancel(turn));
        count
    }

    /// Ends the provers of expired epochs, and forgets those that are proven on L1.
    pub(crate) fn expire(&mut self, turn: &mut Turn<'_>, high_water: Epoch, proven: CheckpointNumber) {
        let expired = self.provers.partition_point(|prover| prover.epoch <= high_water);
        for prover in self.provers.range_mut(..expired) {
            if prover.state != CheckpointState::Expired {
                prover.expire(turn);
            }
        }
        let settled = self.provers.partition_point(|prover| prover.checkpoint.number <= proven);
        if let Some(last) = self.provers.drain(..settled.min(expired)).next_back() {
            let number = last.checkpoint.number;
            self.base = Some(number.next());
            let last_block = last.checkpoint.blocks.last();
            self.settled.push_back(Settled { number, epoch: last.epoch, last_block });
        }
    }

    /// The last block whose stored proofs nobody will ask for again: no reorg of L1 takes its proof back. An L1 without
    /// final blocks is given one more window.
    pub(crate) fn release(
        &mut self,
        finalized: Option<CheckpointNumber>,
        high_water: Epoch,
        window_epochs: u64,
    ) -> Option<u64> {
        let is_final = |settled: &Settled| {
            finalized >= Some(settled.number) || settled.epoch.0.saturating_add(window_epochs) <= high_water.0
        };
        let count = self.settled.iter().take_while(|settled| is_final(settled)).count();
        self.settled.drain(..count).next_back().map(|settled| settled.last_block)
    }

    /// What had stopped comes back when it is time.
    pub(crate) fn come_back(&mut self, turn: &mut Turn<'_>) {
        self.provers.iter_mut().for_each(|prover| prover.come_back(turn));
    }

    /// Fresh provers for the failed and stopped ones of an epoch; whether there are any.
    pub(crate) fn renew_failed(&mut self, turn: &mut Turn<'_>, epoch: Epoch) -> bool {
        let failed = self.of(epoch).filter(|prover| prover.failure().is_some());
        let failed: Vec<_> = failed.map(|prover| prover.checkpoint).collect();
        let any = !failed.is_empty();
        for checkpoint in failed {
            let fresh = self.fresh(turn, checkpoint);
            if let Some(prover) = self.get_mut(checkpoint.number) {
                *prover = fresh;
            }
        }
        any
    }

    /// Takes back the work on checkpoints up to `through`, which another prover has settled.
    pub(crate) fn rest(&mut self, turn: &mut Turn<'_>, through: CheckpointNumber) {
        let settled = |prover: &&mut CheckpointProver| prover.checkpoint.number <= through;
        self.provers.iter_mut().take_while(settled).for_each(|prover| prover.cancel(turn));
    }

    /// Gives out queued ranges of checkpoints after `settled`, the oldest first.
    pub(crate) fn start_queued(&mut self, turn: &mut Turn<'_>, settled: CheckpointNumber) {
        for prover in turn.desk.config.provers.clone() {
            let running = turn.desk.running(prover);
            let mut room = turn.desk.config.max_range_jobs.get().saturating_sub(running);
            let due = |checkpoint: &&mut CheckpointProver| checkpoint.checkpoint.number > settled;
            for checkpoint in self.provers.iter_mut().filter(due) {
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

    pub(crate) fn note(&mut self, turn: &mut Turn<'_>, job: JobId, note: JobNote) {
        if let Some((checkpoint, prover)) = self.asker(turn, job) {
            checkpoint.note(turn, prover, job, note);
        }
    }

    /// A range proof is no longer in the store.
    pub(crate) fn range_lost(&mut self, turn: &Turn<'_>, prover: ProverType, range: RangeSpec) {
        self.provers.iter_mut().for_each(|checkpoint| checkpoint.lost(turn.now, prover, range));
    }

    /// A range proof of the store does not hold, and is removed.
    pub(crate) fn range_discarded(
        &mut self,
        turn: &mut Turn<'_>,
        prover: ProverType,
        range: RangeSpec,
        cause: &str,
    ) {
        self.provers.iter_mut().for_each(|checkpoint| checkpoint.discard(turn, prover, range, cause));
    }

    pub(crate) fn cancel_all(&mut self, turn: &mut Turn<'_>) {
        self.provers.iter_mut().for_each(|prover| prover.cancel(turn));
    }

    fn asker(&mut self, turn: &Turn<'_>, job: JobId) -> Option<(&mut CheckpointProver, ProverType)> {
        let Asker::Range { checkpoint, prover } = *turn.desk.jobs.get(&job)? else { return None };
        // Two branches may have a checkpoint of this number while the chain is read anew.
        let adrift =
            self.adrift.iter().position(|of| of.checkpoint.number == checkpoint && of.asked(prover, job));
        match adrift {
            Some(place) => Some((self.adrift.get_mut(place)?, prover)),
            None => Some((self.get_mut(checkpoint)?, prover)),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Config, Time, turn::Desk};
    use alloy_primitives::B256;
    use proofmill_primitives::{BlockRange, SlotClock};
    use proptest::{collection::vec, prelude::*};
    use std::{collections::BTreeSet, num::NonZeroU64};

    /// What happens to a store; what it refuses has not happened.
    #[derive(Clone, Debug)]
    enum Step {
        /// A checkpoint, so far below the next one and so many slots after the one before it.
        Lands {
            below: u64,
            gap: u64,
            branch: u8,
        },
        /// So many at the end are void.
        Prune(u64),
        /// Epochs up to this one expire, and checkpoints up to this one are proven.
        Expire(u64, u64),
        /// Everything in an epoch fails, and is renewed.
        Renew(u64),
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        let lands = |(below, gap, branch)| Step::Lands { below, gap, branch };
        prop_oneof![
            40 => (Just(0_u64), 0_u64..6, 0_u8..3).prop_map(lands),
            4 => (1_u64..5, 0_u64..6, 0_u8..3).prop_map(lands),
            2 => (0_u64..6).prop_map(Step::Prune),
            2 => (0_u64..20, 0_u64..40).prop_map(|(epoch, proven)| Step::Expire(epoch, proven)),
            2 => (0_u64..20).prop_map(Step::Renew),
            1 => Just(Step::Restart),
        ]
    }

    fn checkpoint(number: u64, slot: u64, branch: u8) -> Option<Checkpoint> {
        Some(Checkpoint {
            number: CheckpointNumber(number),
            slot: Slot(slot),
            blocks: BlockRange::new(10 * number - 9, 10 * number).ok()?,
            parent_hash: B256::ZERO,
            last_hash: B256::ZERO,
            state_root: B256::repeat_byte(branch),
            last_timestamp: 0,
            parent_commitment: B256::ZERO,
            commitment: B256::ZERO,
        })
    }

    fn take(store: &mut CheckpointStore, turn: &mut Turn<'_>, step: &Step) {
        let tip = store.tip().unwrap_or_default();
        match *step {
            Step::Lands { below, gap, branch } => {
                let number = tip.next().0.saturating_sub(below).max(1);
                let before = store.get(CheckpointNumber(number - 1));
                let slot = before.map_or(0, |before| before.checkpoint.slot.0) + gap;
                if let Some(checkpoint) = checkpoint(number, slot, branch) {
                    drop(store.add(turn, checkpoint, None));
                }
            }
            Step::Prune(count) => {
                let to = CheckpointNumber(tip.0.saturating_sub(count));
                drop(store.prune(turn, to, PruneCause::L1Reorg));
            }
            Step::Expire(epoch, proven) => {
                store.expire(turn, Epoch(epoch), CheckpointNumber(proven));
            }
            Step::Renew(epoch) => {
                let of_it = |prover: &&mut CheckpointProver| prover.epoch == Epoch(epoch);
                for prover in store.provers.iter_mut().filter(of_it) {
                    let range = RangeSpec::of(&prover.checkpoint);
                    let (cause, at) = (String::new(), turn.now);
                    prover.state = CheckpointState::Failed { prover: ProverType::Exec, range, cause, at };
                }
                let any = store.of(Epoch(epoch)).next().is_some();
                assert_eq!(store.renew_failed(turn, Epoch(epoch)), any);
            }
            Step::Restart => store.restart(turn.now, CheckpointNumber(0)),
        }
    }

    /// Who they are: no two are the same instance.
    fn instances<'a>(provers: impl Iterator<Item = &'a CheckpointProver>) -> Vec<Instance> {
        provers.map(|prover| prover.instance).collect()
    }

    /// What is found is what a look at each of them finds.
    fn check(store: &CheckpointStore, slots: &[(u64, u64)]) {
        let all: Vec<_> = store.iter().map(|prover| prover.checkpoint).collect();
        assert!(all.is_sorted_by(|one, other| one.slot < other.slot && one.number.next() == other.number));
        for (from, to) in slots {
            let slots = Slot(*from)..=Slot(*to);
            let those = store.iter().filter(|prover| slots.contains(&prover.checkpoint.slot));
            assert_eq!(instances(store.within(slots.clone())), instances(those), "{slots:?} of {all:?}");
        }
        let epochs: BTreeSet<_> = store.iter().map(|prover| prover.epoch).collect();
        assert!(store.epochs().eq(epochs), "{:?} of {all:?}", store.epochs().collect::<Vec<_>>());
        for epoch in (0..30).map(Epoch) {
            let those = store.iter().filter(|prover| prover.epoch == epoch);
            assert_eq!(instances(store.of(epoch)), instances(those), "{epoch:?} of {all:?}");
        }
        for number in (0..45).map(CheckpointNumber) {
            let one = store.iter().find(|prover| prover.checkpoint.number == number);
            assert_eq!(instances(store.get(number).into_iter()), instances(one.into_iter()), "{number:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_scan_finds(
            steps in vec(step(), 1..40),
            slots in vec((0_u64..100, 0_u64..100), 8),
        ) {
            let some = |number| NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN);
            let clock = SlotClock {
                genesis: 0, slot_seconds: some(12), epoch_slots: some(4), window_epochs: some(2),
            };
            let mut desk = Desk::new(Config::new(clock, [ProverType::Exec]));
            let mut store = CheckpointStore::new();
            for step in &steps {
                let mut turn = Turn { now: Time::default(), desk: &mut desk, actions: Vec::new() };
                take(&mut store, &mut turn, step);
                check(&store, &slots);
            }
        }
    }
}
