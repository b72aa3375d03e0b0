//! Everything around the rules: time, messages that take a while, faults, and what a rollup does.

use crate::{
    Rng, Story,
    coordinator::{Clock, Durable, Key, batch, desk},
    model::Model,
    provers::{Character, Doing, Prover, version},
};
use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProverType};
use proofmill_proof_coordinator::rules::{
    Ask, AskedType, AssignOutcome, BatchId, Desk, Hold, Record, Submission, SubmitOutcome,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
};

const BATCHES: u64 = 8;
/// Faults end after so long, in ms.
const TROUBLED: u64 = 1_500_000;
/// Then everything must be settled within so long.
const CALM: u64 = 6 * 3_600_000;

/// Who it is about: a prover of one incarnation.
pub(crate) type Who = (usize, u64);

/// Something that happens at a moment. What belongs to one incarnation of the coordinator names it first.
#[derive(Clone, Debug)]
pub(crate) enum Happens {
    BatchBegins,
    Gathered(u64, BatchId),
    InputMended(BatchId),
    Wakes(Who),
    AskArrives(Who),
    Looked(u64, Who, Ask, Hold),
    Committed(u64, Vec<Record>, Option<(Who, AssignOutcome, Key)>),
    Answered(Who, Option<AssignOutcome>),
    Made(Who, BatchId),
    /// Whether the proof is a good one.
    SubmitArrives(Who, Ask, BatchId, bool),
    Verified(u64, Who, Submission, bool),
    StoreAnswered(u64, Who, Submission),
    SubmitAnswered(Who, BatchId, Option<SubmitOutcome>),
    GiveBackArrives(Ask, BatchId),
    WantedAgain(u64, Key),
    ProverDies(Who),
    L1Verifies,
    CoordinatorDies,
    CoordinatorBegins,
    ClockJumps,
    Calm,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) story: Story,
    pub(crate) now: u64,
    pub(crate) clock: Clock,
    queue: BTreeMap<(u64, u64), Happens>,
    order: u64,
    pub(crate) needed: BTreeSet<ProverType>,
    /// Nothing while its process is down.
    pub(crate) desk: Option<Desk>,
    pub(crate) incarnation: u64,
    pub(crate) begun_at: u64,
    last_commit: u64,
    pub(crate) durable: Durable,
    pub(crate) model: Model,
    pub(crate) chain: Vec<(BatchId, ProgramVersion)>,
    upgraded_at: u64,
    settled: u64,
    pub(crate) provers: Vec<Prover>,
    pub(crate) calm: bool,
    /// Every event counts in the digest: to compare two runs.
    told: bool,
}

impl World {
    pub(crate) fn new(mut rng: Rng, told: bool) -> Self {
        let mut needed: BTreeSet<_> = ProverType::ALL.into();
        if rng.percent(30) {
            needed.remove(&ProverType::Sp1);
        }
        let provers = (0..10).map(|number| Prover::by_chance(number, &mut rng)).collect();
        let upgraded_at = rng.between(1, BATCHES + 2);
        let mut world = Self {
            rng,
            story: Story::default(),
            now: 0,
            clock: Clock::default(),
            queue: BTreeMap::new(),
            order: 0,
            needed,
            desk: None,
            incarnation: 0,
            begun_at: 0,
            last_commit: 0,
            durable: Durable::default(),
            model: Model::default(),
            chain: Vec::new(),
            upgraded_at,
            settled: 0,
            provers,
            calm: false,
            told,
        };
        world.soon(0, Happens::CoordinatorBegins);
        for number in 0..BATCHES {
            let at = number * TROUBLED / (BATCHES + 3) + world.rng.between(0, 60_000);
            world.soon(at, Happens::BatchBegins);
        }
        for number in 0..10 {
            let at = world.rng.between(0, 20_000);
            world.soon(at, Happens::Wakes((number, 0)));
        }
        for _ in 0..world.rng.between(1, 4) {
            let at = world.rng.between(0, TROUBLED);
            world.soon(at, Happens::CoordinatorDies);
        }
        for _ in 0..world.rng.between(0, 4) {
            let at = world.rng.between(0, TROUBLED);
            world.soon(at, Happens::ClockJumps);
        }
        world.soon(TROUBLED, Happens::Calm);
        world
    }

    pub(crate) fn soon(&mut self, after: u64, what: Happens) {
        self.order += 1;
        self.queue.insert((self.now + after, self.order), what);
    }

    /// Something takes a while: messages, storage.
    pub(crate) fn a_while(&mut self) -> u64 {
        if self.rng.percent(5) { self.rng.between(1_000, 20_000) } else { self.rng.between(1, 300) }
    }

    /// A fault that only happens in troubled times.
    pub(crate) fn goes_wrong(&mut self, chance: u64) -> bool {
        !self.calm && self.rng.percent(chance)
    }

    /// Commits become durable in order.
    pub(crate) fn commit(&mut self, answer: Option<(Who, AssignOutcome, Key)>) {
        let records = self.desk.as_mut().map(Desk::take_records).unwrap_or_default();
        if records.is_empty() && answer.is_none() {
            return;
        }
        let after = self.a_while();
        self.last_commit = self.last_commit.max(self.now + after);
        self.soon(self.last_commit - self.now, Happens::Committed(self.incarnation, records, answer));
    }

    /// Lives until all is settled.
    pub(crate) fn live(&mut self) {
        while let Some(((at, _), what)) = self.queue.pop_first() {
            assert!(at < TROUBLED + CALM, "not settled: {}", self.picture());
            self.now = at;
            self.story.events += 1;
            if self.told {
                let mut hasher = DefaultHasher::new();
                (self.story.digest, at, format!("{what:?}")).hash(&mut hasher);
                self.story.digest = hasher.finish();
            }
            self.happen(what);
            if self.settled == BATCHES {
                break;
            }
        }
        assert_eq!(self.settled, BATCHES, "{}", self.picture());
        let desk = self.desk.as_mut().expect("its process runs");
        assert_eq!(desk.shown(), [], "what is settled still lies there");
        for record in desk.take_records() {
            self.durable.apply(&record);
        }
        // What was on its way into the ledger.
        for ((_, _), what) in std::mem::take(&mut self.queue) {
            if let Happens::Committed(incarnation, records, _) = what
                && incarnation == self.incarnation
            {
                records.iter().for_each(|record| self.durable.apply(record));
            }
        }
        assert_eq!(self.durable.rows, BTreeMap::new(), "assignments are left");
    }

    fn picture(&self) -> String {
        let proofs: Vec<_> =
            self.durable.proofs.iter().map(|(batch, prover)| format!("{batch:?} {prover}")).collect();
        let shown = self.desk.as_ref().map(Desk::shown);
        format!("{} of {BATCHES} settled; {proofs:?}; {shown:#?}", self.settled)
    }

    fn happen(&mut self, what: Happens) {
        match what {
            Happens::BatchBegins => self.batch_begins(),
            Happens::Gathered(incarnation, batch) if incarnation == self.incarnation => self.gathered(batch),
            Happens::InputMended(batch) => {
                let needs = self.needs(&batch);
                self.durable.inputs.entry(batch).or_default().extend(needs);
            }
            Happens::Wakes(who) if self.is_alive(who) => self.wakes(who),
            Happens::AskArrives(who) => self.ask_arrives(who),
            Happens::Looked(incarnation, who, ask, hold) if incarnation == self.incarnation => {
                self.looked(who, &ask, &hold);
            }
            Happens::Committed(incarnation, records, answer) if incarnation == self.incarnation => {
                self.committed(&records, answer);
            }
            Happens::Answered(who, answer) if self.is_alive(who) => self.answered(who, answer),
            Happens::Made(who, batch) if self.is_alive(who) => self.made(who, batch),
            Happens::SubmitArrives(who, ask, batch, good) => self.submit_arrives(who, ask, batch, good),
            Happens::Verified(incarnation, who, submission, good) if incarnation == self.incarnation => {
                self.verified(who, submission, good);
            }
            Happens::StoreAnswered(incarnation, who, submission) if incarnation == self.incarnation => {
                self.store_answered(who, &submission);
            }
            Happens::SubmitAnswered(who, batch, answer) if self.is_alive(who) => {
                self.submit_answered(who, batch, answer);
            }
            Happens::GiveBackArrives(ask, batch) => self.give_back_arrives(&ask, batch),
            Happens::WantedAgain(incarnation, key) if incarnation == self.incarnation => self.want(key),
            Happens::ProverDies(who) if self.is_alive(who) => self.prover_dies(who),
            Happens::L1Verifies => self.l1_verifies(),
            Happens::CoordinatorDies if !self.calm => self.coordinator_dies(),
            Happens::CoordinatorBegins if self.desk.is_none() => self.coordinator_begins(),
            Happens::ClockJumps if !self.calm => self.clock_jumps(),
            Happens::Calm => self.begin_calm(),
            // The connection broke with the coordinator's process.
            Happens::Looked(_, who, ..) | Happens::Committed(_, _, Some((who, ..))) => {
                self.soon(1_000, Happens::Answered(who, None));
            }
            Happens::Verified(_, who, submission, _) | Happens::StoreAnswered(_, who, submission) => {
                self.soon(1_000, Happens::SubmitAnswered(who, submission.batch, None));
            }
            // Its process is gone, or the time of faults is over.
            _ => {}
        }
    }

    /// The version that a batch is for; nothing once L1 has it.
    pub(crate) fn needs(&self, batch: &BatchId) -> Option<ProgramVersion> {
        self.chain.iter().find(|(of, _)| of == batch).map(|(_, needs)| *needs)
    }

    fn batch_begins(&mut self) {
        let number = self.chain.len() as u64 + 1;
        let (batch, needs) = batch(number, &mut self.rng, self.upgraded_at);
        self.chain.push((batch, needs));
        // An input may be another release's, or late.
        match self.rng.between(0, 9) {
            0 => {
                let other = version(if needs == version(1) { 2 } else { 1 });
                self.durable.inputs.entry(batch).or_default().insert(other);
                let mended = self.rng.between(30_000, 600_000);
                self.soon(mended, Happens::InputMended(batch));
            }
            1 => {
                let mended = self.rng.between(5_000, 60_000);
                self.soon(mended, Happens::InputMended(batch));
            }
            _ => {
                self.durable.inputs.entry(batch).or_default().insert(needs);
            }
        }
        let after = self.a_while();
        self.soon(after, Happens::Gathered(self.incarnation, batch));
    }

    fn gathered(&mut self, batch: BatchId) {
        if self.desk.is_none() || batch.number.0 <= self.settled {
            return;
        }
        for prover in self.needed.clone() {
            self.want((batch, prover));
        }
    }

    fn want(&mut self, key: Key) {
        let Some(desk) = &mut self.desk else { return };
        // What was proven is found before it is waited for.
        if key.0.number.0 <= self.settled || self.durable.proofs.contains(&key) {
            return;
        }
        let before = desk.shown().len();
        desk.add(self.clock.moment(self.now), key.0, key.1);
        self.story.restored += u64::from(desk.shown().len() > before && self.model.holds.contains_key(&key));
        self.model.wanted.insert(key);
        self.commit(None);
    }

    /// L1 takes what is proven by all types, in order.
    pub(crate) fn l1_verifies(&mut self) {
        let proven =
            |batch: &BatchId| self.needed.iter().all(|of| self.durable.proofs.contains(&(*batch, *of)));
        let settled = self.chain.iter().take_while(|(batch, _)| proven(batch)).count() as u64;
        // Without its coordinator nothing goes to L1.
        let Some(desk) = &mut self.desk else { return };
        if settled > self.settled {
            self.story.settled += settled - self.settled;
            self.settled = settled;
            desk.verified(CheckpointNumber(settled));
            self.model.holds.retain(|(batch, _), _| batch.number.0 > settled);
            self.model.wanted.retain(|(batch, _)| batch.number.0 > settled);
            self.commit(None);
        }
    }

    fn coordinator_dies(&mut self) {
        if self.desk.take().is_none() {
            return;
        }
        self.story.coordinator_crashes += 1;
        // Of what was on its way into the ledger, the beginning came there.
        let mut arrives = self.rng.percent(50);
        let on_the_way = self.queue.values().filter_map(|what| match what {
            Happens::Committed(incarnation, records, _) if *incarnation == self.incarnation => {
                Some(records.clone())
            }
            _ => None,
        });
        for records in on_the_way.collect::<Vec<_>>() {
            if arrives {
                records.iter().for_each(|record| self.durable.apply(record));
            }
            arrives = arrives && self.rng.percent(50);
        }
        let down = self.rng.between(100, 120_000);
        self.soon(down, Happens::CoordinatorBegins);
        if self.rng.percent(40) {
            self.clock.jump(&mut self.rng);
        }
    }

    fn coordinator_begins(&mut self) {
        self.incarnation += 1;
        (self.begun_at, self.last_commit) = (self.now, self.now);
        let mut desk = desk(&self.needed);
        let rows = self.durable.rows.iter().map(|((batch, prover), held)| (*batch, *prover, held.clone()));
        desk.restore(self.clock.moment(self.now), rows);
        self.desk = Some(desk);
        self.model.begin_anew(&self.durable.rows, self.clock.at(self.now));
        self.commit(None);
        self.soon(1, Happens::L1Verifies);
        for (batch, _) in self.chain.clone() {
            let after = self.a_while();
            self.soon(after, Happens::Gathered(self.incarnation, batch));
        }
    }

    fn clock_jumps(&mut self) {
        self.story.clock_jumps += 1;
        let before = self.clock.at(self.now);
        self.clock.jump(&mut self.rng);
        let now = self.clock.at(self.now);
        if now < before {
            self.model.clock_went_back(now);
            // The rules hear of it with the next call.
            if let Some(desk) = &mut self.desk {
                desk.pass(self.clock.moment(self.now));
            }
        }
    }

    /// For each type and version there is an honest prover; the others stay as they are, liars too.
    fn begin_calm(&mut self) {
        self.calm = true;
        let mut number = 0;
        for prover in self.needed.clone() {
            for of in [1, 2] {
                let incarnation = self.provers[number].incarnation;
                let mut honest =
                    Prover::new(number, AskedType::Known(prover), version(of), Character::Honest);
                honest.incarnation = incarnation;
                honest.begin_anew();
                let who = (number, honest.incarnation);
                self.provers[number] = honest;
                self.soon(1, Happens::Wakes(who));
                number += 1;
            }
        }
        if self.desk.is_none() {
            self.soon(1, Happens::CoordinatorBegins);
        }
    }

    pub(crate) fn is_alive(&self, (number, incarnation): Who) -> bool {
        self.provers[number].incarnation == incarnation
    }

    fn prover_dies(&mut self, (number, _): Who) {
        self.story.prover_crashes += 1;
        let prover = &mut self.provers[number];
        prover.begin_anew();
        let incarnation = prover.incarnation;
        assert_eq!(prover.doing, Doing::Idle);
        let after = self.rng.between(1_000, 60_000);
        self.soon(after, Happens::Wakes((number, incarnation)));
    }
}
