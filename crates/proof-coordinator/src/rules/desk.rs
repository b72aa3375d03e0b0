//! Who gets which batch.
//!
//! The decision has five steps, in this order: the type is needed; there is a batch that is unproven and that nobody holds (or
//! whose holder is late); no proof of it is stored; it is for the program version that the prover has; its input is for that
//! version too. The first two are decided from memory, and mark the batch ([`Desk::ask`]); the other three from what storage
//! says ([`Desk::decide`]). In between nobody else is given the batch, and nobody waits. A batch whose input does not come is set aside
//! for a while that grows, and those after it pass.

use super::{
    batch::{AskedType, BatchId, Programs, ProverName},
    outcome::{AssignOutcome, MismatchOf, NotNeeded, RetryReason, VersionMismatch},
    pauses::Pauses,
    slot::{Held, Shown, Slot, SlotShown, State},
};
use proofmill_ledger::Timestamp;
use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProverType};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What an operator decides.
#[derive(Clone, Debug)]
pub struct DeskConfig {
    /// The prover types whose proofs are needed.
    pub needed: BTreeSet<ProverType>,
    /// A batch that was held for so long is taken back.
    pub timeout: Duration,
}

/// A prover asks for work.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who.
    pub by: ProverName,
    /// What it makes.
    pub prover: AskedType,
    /// Of which programs.
    pub programs: Programs,
}

/// What follows from a call at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is answered.
    Answer(AssignOutcome),
    /// A batch is marked; storage is to be asked about it.
    Look(Hold),
}

/// A batch that is marked while storage is asked. It must come back by [`Desk::decide`] or [`Desk::cancel`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The batch.
    pub batch: BatchId,
    /// The prover type.
    pub prover: ProverType,
    /// It is asked for by who holds it already: the answer was lost, say.
    pub again: bool,
    /// Whose it was until now: that prover is late.
    pub taken: Option<Taken>,
    pub(super) call: u64,
}

/// A batch was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// From whom.
    pub from: ProverName,
    /// After how long.
    pub after: Duration,
}

/// What storage says of a batch, for one prover type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// There is a proof.
    pub proof: bool,
    /// The program version that it was made for; nothing where it is gone meanwhile.
    pub version: Option<ProgramVersion>,
    /// The program versions for which there is an input.
    pub inputs: BTreeSet<ProgramVersion>,
}

/// What must be durable before the answer that follows from it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A prover holds a batch.
    Held(BatchId, ProverType, Held),
    /// Nobody does.
    Ended(BatchId, ProverType),
}

/// The batches that are waited for, and who holds them.
#[derive(Clone, Debug)]
pub struct Desk {
    pub(super) config: DeskConfig,
    pub(super) batches: BTreeMap<BatchId, BTreeMap<ProverType, Slot>>,
    pub(super) pauses: Pauses,
    /// What an earlier process had given out, of batches that are not waited for again yet.
    remembered: BTreeMap<(BatchId, ProverType), Held>,
    records: Vec<Record>,
    calls: u64,
    latest: Timestamp,
}

impl Desk {
    /// A desk on which nothing lies.
    pub fn new(config: DeskConfig) -> Self {
        Self {
            config,
            batches: BTreeMap::new(),
            pauses: Pauses::default(),
            remembered: BTreeMap::new(),
            records: Vec::new(),
            calls: 0,
            latest: Timestamp::default(),
        }
    }

    /// What an earlier process had given out. It counts again when its batch is waited for again; what is stale is ended.
    pub fn restore(&mut self, now: Timestamp, held: impl IntoIterator<Item = (BatchId, ProverType, Held)>) {
        self.pass(now);
        for (batch, prover, held) in held {
            // A clock that went back meanwhile must not make it last.
            let held = Held { since: held.since.min(now), ..held };
            if held.remaining(now, self.config.timeout).is_some() {
                self.remembered.insert((batch, prover), held);
            } else {
                self.records.push(Record::Ended(batch, prover));
            }
        }
    }

    /// What must be made durable, in order, since this was asked last.
    #[must_use]
    pub fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    pub(super) fn record(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Proofs of this type are waited for of this batch. Nothing happens where they are already; who holds it goes on.
    pub fn add(&mut self, now: Timestamp, batch: BatchId, prover: ProverType) {
        self.pass(now);
        if self.slot(batch, prover).is_some() {
            return;
        }
        let state = match self.remembered.remove(&(batch, prover)) {
            Some(held) if held.remaining(now, self.config.timeout).is_some() => State::Held(held),
            Some(_) => {
                self.record(Record::Ended(batch, prover));
                State::Open
            }
            None => State::Open,
        };
        self.batches.entry(batch).or_default().insert(prover, Slot::new(state, now));
    }

    /// Nobody waits for proofs of this type of this batch any more: they are there, or their blocks are gone.
    pub fn remove(&mut self, batch: BatchId, prover: ProverType) {
        let Some(slots) = self.batches.get_mut(&batch) else { return };
        let removed = slots.remove(&prover);
        if slots.is_empty() {
            self.batches.remove(&batch);
        }
        if removed.is_some_and(|slot| matches!(slot.state, State::Held(_))) {
            self.record(Record::Ended(batch, prover));
        }
    }

    /// L1 has verified all batches up to this one.
    pub fn verified(&mut self, through: CheckpointNumber) {
        let settled: Vec<_> = self.batches.keys().take_while(|id| id.number <= through).copied().collect();
        for batch in settled {
            for prover in ProverType::ALL {
                self.remove(batch, prover);
            }
        }
        let settled: Vec<_> =
            self.remembered.keys().filter(|(batch, _)| batch.number <= through).copied().collect();
        for (batch, prover) in settled {
            self.remembered.remove(&(batch, prover));
            self.record(Record::Ended(batch, prover));
        }
    }

    /// Whether an earlier process had given this out, and it is not waited for again yet. Once it is stale it never may be.
    pub(super) fn remembers(&self, batch: BatchId, prover: ProverType) -> bool {
        let held = self.remembered.get(&(batch, prover));
        held.is_some_and(|held| held.remaining(self.latest, self.config.timeout).is_some())
    }

    /// What an earlier process had given this prover, and is not waited for again yet, is not its any more. Whether it was.
    pub(super) fn forget_held(&mut self, batch: BatchId, prover: ProverType, by: &ProverName) -> bool {
        let was_held = self.remembered.get(&(batch, prover)).is_some_and(|held| held.by == *by);
        if was_held {
            self.remembered.remove(&(batch, prover));
            self.record(Record::Ended(batch, prover));
        }
        was_held
    }

    pub(super) fn slot(&self, batch: BatchId, prover: ProverType) -> Option<&Slot> {
        self.batches.get(&batch)?.get(&prover)
    }

    pub(super) fn slot_mut(&mut self, batch: BatchId, prover: ProverType) -> Option<&mut Slot> {
        self.batches.get_mut(&batch)?.get_mut(&prover)
    }

    /// Time passes; every call says so too. A clock that goes back makes nobody hold a batch for longer.
    pub fn pass(&mut self, now: Timestamp) {
        if now < self.latest {
            self.pauses.clock_went_back(now);
            for slot in self.batches.values_mut().flat_map(BTreeMap::values_mut) {
                slot.clock_went_back(now);
            }
            for held in self.remembered.values_mut() {
                held.since = held.since.min(now);
            }
        }
        self.latest = now;
    }

    /// Whether proofs of a type are needed: the first step.
    pub(super) fn needs(&self, prover: &AskedType) -> Result<ProverType, NotNeeded> {
        match prover {
            AskedType::NotBuiltIn => Err(NotNeeded::NotBuiltIn),
            AskedType::Known(prover) if self.config.needed.contains(prover) => Ok(*prover),
            AskedType::Known(_) => Err(NotNeeded::NotAskedFor),
        }
    }

    /// A prover asks: steps one and two.
    pub fn ask(&mut self, now: Timestamp, ask: &Ask) -> Asked {
        self.pass(now);
        let prover = match self.needs(&ask.prover) {
            Ok(prover) => prover,
            Err(why) => return Asked::Answer(AssignOutcome::ProverTypeNotNeeded(why)),
        };
        if let Some(after) = self.pauses.remaining(now, &ask.by) {
            return Asked::Answer(AssignOutcome::RetryLater { reason: RetryReason::Paused, after });
        }
        self.calls += 1;
        let (call, timeout) = (self.calls, self.config.timeout);
        let mut open = None;
        for (batch, slots) in &mut self.batches {
            let Some(slot) = slots.get_mut(&prover) else { continue };
            match &slot.state {
                // Its answer was lost on the way.
                State::Held(held) if held.by == ask.by && held.remaining(now, timeout).is_some() => {
                    return Asked::Look(Hold { batch: *batch, prover, again: true, taken: None, call });
                }
                State::Held(held) if held.remaining(now, timeout).is_some() => {}
                State::Looking(_) | State::Proven => {}
                _ if slot.is_aside(now) => {}
                State::Open | State::Held(_) => open = open.or(Some(*batch)),
            }
        }
        let Some(batch) = open else { return Asked::Answer(RetryReason::NoWork.assign()) };
        let mut taken = None;
        if let Some(slot) = self.slot_mut(batch, prover)
            && let State::Held(held) = std::mem::replace(&mut slot.state, State::Looking(call))
        {
            taken = Some(Taken { from: held.by, after: now.since(held.since) });
            self.record(Record::Ended(batch, prover));
        }
        Asked::Look(Hold { batch, prover, again: false, taken, call })
    }

    /// Storage has answered: steps three to five.
    pub fn decide(&mut self, now: Timestamp, ask: &Ask, hold: &Hold, found: &Found) -> AssignOutcome {
        self.pass(now);
        let Hold { batch, prover, again, call, .. } = *hold;
        let timeout = self.config.timeout;
        // It was proven, taken back or withdrawn meanwhile.
        let remaining = match self.slot(batch, prover).map(|slot| &slot.state) {
            Some(State::Looking(by)) if !again && *by == call => timeout,
            Some(State::Held(held)) if again && held.by == ask.by => {
                held.remaining(now, timeout).unwrap_or(Duration::ZERO)
            }
            Some(State::Proven) => return RetryReason::AlreadyProven.assign(),
            _ => return RetryReason::NoWork.assign(),
        };
        let judged = if remaining.is_zero() {
            // It became stale while storage was asked: it is anybody's again.
            Err(RetryReason::NoWork.assign())
        } else {
            judge(batch, found, ask.programs.of(batch.level), remaining)
        };
        let (state, outcome) = match judged {
            // It is held for no longer by asking again. Who asked before may have gone before that was durable.
            Ok(outcome) if again => {
                let slot = self.slot(batch, prover).filter(|slot| !slot.durable);
                if let Some(State::Held(held)) = slot.map(|slot| slot.state.clone()) {
                    self.record(Record::Held(batch, prover, held));
                }
                return outcome;
            }
            Ok(outcome) => {
                let held = Held { by: ask.by.clone(), since: now };
                self.record(Record::Held(batch, prover, held.clone()));
                (State::Held(held), outcome)
            }
            Err(outcome) => {
                if again {
                    self.record(Record::Ended(batch, prover));
                }
                (if found.proof { State::Proven } else { State::Open }, outcome)
            }
        };
        let has_no_input = matches!(outcome, AssignOutcome::RetryLater { reason: RetryReason::NoInput, .. });
        if let Some(slot) = self.slot_mut(batch, prover) {
            (slot.state, slot.durable) = (state, false);
            if has_no_input {
                slot.set_aside(now);
            }
        }
        self.clean(batch);
        outcome
    }

    /// That this prover holds the batch is durable: it may be told so, now and whenever it asks again.
    pub fn kept(&mut self, batch: BatchId, prover: ProverType, by: &ProverName) {
        if self.is_held_by(batch, prover, by)
            && let Some(slot) = self.slot_mut(batch, prover)
        {
            slot.durable = true;
        }
    }

    /// Whether it is durable who holds the batch.
    pub fn is_kept(&self, batch: BatchId, prover: ProverType) -> bool {
        self.slot(batch, prover).is_some_and(|slot| slot.durable)
    }

    /// Nothing came of a call: the ledger or storage is away, or who asked has gone.
    pub fn cancel(&mut self, hold: &Hold) {
        if let Some(slot) = self.slot_mut(hold.batch, hold.prover)
            && slot.state == State::Looking(hold.call)
        {
            slot.state = State::Open;
        }
    }

    /// An assignment that could not be made durable, and was told nobody.
    pub fn take_back(&mut self, batch: BatchId, prover: ProverType, by: &ProverName) {
        if self.is_held_by(batch, prover, by)
            && let Some(slot) = self.slot_mut(batch, prover)
        {
            slot.state = State::Open;
            self.record(Record::Ended(batch, prover));
        }
    }

    /// Whether this prover holds the batch.
    pub fn is_held_by(&self, batch: BatchId, prover: ProverType, by: &ProverName) -> bool {
        let state = self.slot(batch, prover).map(|slot| &slot.state);
        matches!(state, Some(State::Held(held)) if held.by == *by)
    }

    /// A batch of which all needed proofs are there lies on no desk.
    pub(super) fn clean(&mut self, batch: BatchId) {
        let Some(slots) = self.batches.get(&batch) else { return };
        let proven = |prover| slots.get(prover).is_some_and(|slot: &Slot| slot.state == State::Proven);
        if self.config.needed.iter().all(proven) {
            self.batches.remove(&batch);
        }
    }

    /// For each needed type, how many batches wait for a prover, and how many are held by one.
    pub fn standing(&self) -> BTreeMap<ProverType, (usize, usize)> {
        let mut standing: BTreeMap<_, _> = self.config.needed.iter().map(|of| (*of, (0, 0))).collect();
        for (prover, slot) in self.batches.values().flatten() {
            let Some((waiting, held)) = standing.get_mut(prover) else { continue };
            match &slot.state {
                State::Open | State::Looking(_) => *waiting += 1,
                State::Held(_) => *held += 1,
                State::Proven => {}
            }
        }
        standing
    }

    /// What lies on the desk, in order.
    pub fn shown(&self) -> Vec<Shown> {
        let slots =
            self.batches.iter().flat_map(|(batch, slots)| slots.iter().map(move |slot| (batch, slot)));
        let shown = slots.map(|(batch, (prover, slot))| Shown {
            batch: *batch,
            prover: *prover,
            state: match &slot.state {
                State::Open | State::Looking(_) => SlotShown::Waiting,
                State::Held(held) => SlotShown::Held(held.clone()),
                State::Proven => SlotShown::Proven,
            },
            since: slot.since,
        });
        shown.collect()
    }
}

/// Steps three to five. An assignment, or what is answered in its place.
fn judge(
    batch: BatchId,
    found: &Found,
    has: ProgramVersion,
    timeout: Duration,
) -> Result<AssignOutcome, AssignOutcome> {
    let mismatch = |needed, of| Err(AssignOutcome::VersionMismatch(VersionMismatch { batch, needed, of }));
    if found.proof {
        return Err(RetryReason::AlreadyProven.assign());
    }
    match found.version {
        None => return Err(RetryReason::NoWork.assign()),
        Some(needed) if needed != has => return mismatch(needed, MismatchOf::Batch),
        Some(_) => {}
    }
    match found.inputs.first() {
        _ if found.inputs.contains(&has) => Ok(AssignOutcome::Assigned { batch, timeout }),
        Some(needed) => mismatch(*needed, MismatchOf::Input),
        None => Err(RetryReason::NoInput.assign()),
    }
}

#[cfg(test)]
mod tests;
