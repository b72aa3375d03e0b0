//! Calls between provers and the coordinator, as the shell carries them, with everything that can go wrong on the way.

use crate::{
    coordinator::Key,
    model::assert_as_specified,
    provers::{Character, Doing, moment},
    world::{Happens, Who, World},
};
use proofmill_fault::{Code, Fault, Jitter};
use proofmill_proof_coordinator::rules::{
    Ask, Asked, AskedType, AssignOutcome, BatchId, GivenBack, Heard, Hold, MismatchOf, Next, NotNeeded,
    Received, Record, RefusedFor, RetryReason, Submission, SubmitOutcome,
};
use std::time::Duration;

/// For so long after its beginning a coordinator takes what it does not know for what it does not know yet, in ms.
const STARTING: u64 = 600_000;

const fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

// A prover asks.
impl World {
    pub(crate) fn wakes(&mut self, who: Who) {
        let prover = &mut self.provers[who.0];
        match prover.round.next(moment(self.now)) {
            Next::Wait(wait) => self.soon(millis(wait).max(1), Happens::Wakes(who)),
            Next::Ask(_) => {
                prover.doing = Doing::Waiting;
                let after = self.a_while();
                self.soon(after, Happens::AskArrives(who));
            }
        }
    }

    fn answer(&mut self, who: Who, outcome: AssignOutcome) {
        if self.goes_wrong(4) {
            self.story.answers_lost += 1;
            self.soon(10_000, Happens::Answered(who, None));
            return;
        }
        let after = self.a_while();
        self.soon(after, Happens::Answered(who, Some(outcome)));
    }

    pub(crate) fn ask_arrives(&mut self, who: Who) {
        let (clock, now) = (self.clock.at(self.now), self.clock.moment(self.now));
        let Some(desk) = &mut self.desk else { return self.soon(10_000, Happens::Answered(who, None)) };
        let ask = self.provers[who.0].ask();
        let asked = desk.ask(now, &ask);
        let needed = matches!(&ask.prover, AskedType::Known(prover) if self.needed.contains(prover));
        match asked {
            Asked::Answer(outcome) => {
                assert_eq!(!needed, matches!(outcome, AssignOutcome::ProverTypeNotNeeded(_)), "{outcome:?}");
                match &outcome {
                    AssignOutcome::ProverTypeNotNeeded(why) => {
                        let built_in = matches!(ask.prover, AskedType::Known(_));
                        assert_eq!(*why == NotNeeded::NotAskedFor, built_in);
                        self.story.not_asked_for += u64::from(built_in);
                        self.story.not_built_in += u64::from(!built_in);
                    }
                    AssignOutcome::RetryLater { reason: RetryReason::NoWork, .. } => {
                        let AskedType::Known(prover) = ask.prover else { panic!("it is not needed") };
                        let keys = self.chain.iter().map(|(batch, _)| (*batch, prover));
                        self.model.assert_no_work(keys, clock);
                        self.story.no_work += 1;
                    }
                    AssignOutcome::RetryLater { reason: RetryReason::Paused, .. } => {
                        let character = self.provers[who.0].character;
                        assert!(
                            matches!(character, Character::Liar | Character::Failing)
                                || self.model.late.contains(&ask.by),
                            "{character:?} is paused"
                        );
                        self.story.paused += 1;
                    }
                    other => panic!("storage was not asked for {other:?}"),
                }
                self.answer(who, outcome);
            }
            Asked::Look(hold) => {
                assert!(needed);
                let key = (hold.batch, hold.prover);
                if hold.taken.is_some() {
                    self.story.taken_back += 1;
                    self.model.end(&key);
                }
                if hold.again {
                    assert_eq!(self.model.holds.get(&key).map(|fact| &fact.by), Some(&ask.by));
                    self.story.assigned_again += 1;
                } else {
                    let earlier = self.chain.iter().map(|(batch, _)| (*batch, hold.prover));
                    self.model.assert_first(earlier.take_while(|before| *before != key), clock);
                    assert!(self.model.looked_at.insert(key), "two calls look at {key:?}");
                }
                self.commit(None);
                let after = self.a_while();
                self.soon(after, Happens::Looked(self.incarnation, who, ask, hold));
            }
        }
    }

    pub(crate) fn looked(&mut self, who: Who, ask: &Ask, hold: &Hold) {
        let key: Key = (hold.batch, hold.prover);
        let (clock, now) = (self.clock.at(self.now), self.clock.moment(self.now));
        let fails = self.goes_wrong(3);
        let needs = self.needs(&hold.batch);
        let found = self.durable.found(&key, needs);
        let Some(desk) = &mut self.desk else { return };
        let again = hold.again;
        if !again {
            self.model.looked_at.remove(&key);
        }
        if fails {
            desk.cancel(hold);
            self.story.store_away += 1;
            return self.answer(who, RetryReason::StoreAway.assign());
        }
        let wanted = self.model.wanted.contains(&key);
        let outcome = desk.decide(now, ask, hold, &found);
        let has = ask.programs.of(hold.batch.level);
        match &outcome {
            // It was withdrawn, proven, or became stale while storage was asked.
            AssignOutcome::RetryLater {
                reason: RetryReason::NoWork | RetryReason::AlreadyProven, ..
            } if again || !wanted || found.proof => {}
            outcome => assert_as_specified(&found, has, outcome),
        }
        match &outcome {
            AssignOutcome::Assigned { timeout, .. } => {
                assert!(!timeout.is_zero());
                self.story.assigned += 1;
                if !again {
                    self.model.give(key, &ask.by, clock);
                    if self.goes_wrong(3) {
                        // Its call breaks off while the ledger is asked: nobody is told, and nobody notices.
                        self.story.left += 1;
                        self.commit(None);
                        let after = self.a_while();
                        return self.soon(after, Happens::Answered(who, None));
                    }
                }
                return self.commit(Some((who, outcome, key)));
            }
            AssignOutcome::VersionMismatch(mismatch) => {
                self.story.mismatch_of_batch += u64::from(mismatch.of == MismatchOf::Batch);
                self.story.mismatch_of_input += u64::from(mismatch.of == MismatchOf::Input);
            }
            AssignOutcome::RetryLater { reason: RetryReason::AlreadyProven, .. } => {
                self.story.already_proven += 1;
                self.model.wanted.remove(&key);
            }
            AssignOutcome::RetryLater { reason: RetryReason::NoInput, .. } => {
                self.story.no_input += 1;
                self.model.set_aside(key, clock);
            }
            _ => {}
        }
        if again && found.proof {
            self.model.end_of(&key, &ask.by);
        }
        self.commit(None);
        self.answer(who, outcome);
    }

    /// Records are durable, and who waited for that is answered.
    pub(crate) fn committed(&mut self, records: &[Record], answer: Option<(Who, AssignOutcome, Key)>) {
        let is_given = |record: &&Record| matches!(record, Record::Held(..));
        // The same where nobody waits for it any more.
        if answer.is_none() && records.iter().any(|record| is_given(&record)) && self.goes_wrong(50) {
            return records
                .iter()
                .filter(|record| !is_given(record))
                .for_each(|record| self.durable.apply(record));
        }
        // The ledger is away: nothing is told, and nothing stays given out. Only what was never told may be undone.
        if let Some((who, _, key)) = &answer
            && records.iter().any(|record| matches!(record, Record::Held(..)))
            && self.goes_wrong(3)
        {
            let by = records.iter().find_map(|record| match record {
                Record::Held(_, _, held) => Some(held.by.clone()),
                Record::Ended(..) => None,
            });
            let by = by.expect("it is given to somebody");
            self.story.not_durable += 1;
            if let Some(desk) = &mut self.desk {
                desk.take_back(key.0, key.1, &by);
                self.model.end_of(key, &by);
            }
            // What else was in the batch is committed with the next try.
            for record in records.iter().filter(|record| matches!(record, Record::Ended(..))) {
                self.durable.apply(record);
            }
            self.commit(None);
            return self.answer(*who, RetryReason::StoreAway.assign());
        }
        records.iter().for_each(|record| self.durable.apply(record));
        if answer.is_some() {
            for record in records {
                if let (Record::Held(batch, prover, held), Some(desk)) = (record, &mut self.desk) {
                    desk.kept(*batch, *prover, &held.by);
                }
            }
        }
        if let Some((who, outcome, key)) = answer {
            // What is told is durable, unless it is over already.
            let told = self.is_alive(who).then(|| &self.provers[who.0].name);
            let held = self.model.holds.get(&key).filter(|fact| Some(&fact.by) == told);
            if let Some(fact) = held {
                let row = self.durable.rows.get(&key).map(|held| &held.by);
                assert_eq!(row, Some(&fact.by), "{key:?} is told and not durable");
            }
            self.answer(who, outcome);
        }
    }

    pub(crate) fn answered(&mut self, who: Who, answer: Option<AssignOutcome>) {
        let heard = match &answer {
            None => Heard::Away,
            Some(AssignOutcome::Assigned { .. }) => Heard::Assigned,
            Some(AssignOutcome::ProverTypeNotNeeded(_)) => Heard::NotNeeded,
            Some(AssignOutcome::VersionMismatch(_)) => Heard::Mismatch,
            Some(AssignOutcome::RetryLater { after, .. }) => Heard::Nothing { after: *after },
        };
        let jitter = Jitter::of(self.rng.next());
        let prover = &mut self.provers[who.0];
        prover.round.heard(moment(self.now), 0, heard, jitter);
        let Some(AssignOutcome::Assigned { batch, .. }) = answer else {
            prover.doing = Doing::Idle;
            return self.soon(1, Happens::Wakes(who));
        };
        prover.doing = Doing::Proving(batch);
        let takes = prover.proving_time(&mut self.rng);
        if prover.character == Character::Dying && self.rng.percent(60) {
            let dies = self.rng.between(1, takes);
            self.soon(dies, Happens::ProverDies(who));
        }
        self.soon(takes, Happens::Made(who, batch));
    }
}

// A prover hands in.
impl World {
    pub(crate) fn made(&mut self, who: Who, batch: BatchId) {
        let character = self.provers[who.0].character;
        let (after, ask) = (self.a_while(), self.provers[who.0].ask());
        match character {
            Character::Failing if self.rng.percent(80) => {
                self.soon(after, Happens::GiveBackArrives(ask, batch));
                self.idle(who);
            }
            Character::Liar => {
                // Of its batch, or of any other.
                let any = self.rng.between(0, self.chain.len() as u64 - 1) as usize;
                let of = if self.rng.percent(50) { batch } else { self.chain[any].0 };
                let mut of = of;
                if self.rng.percent(20) {
                    of.content = [0xff; 32];
                }
                self.soon(after, Happens::SubmitArrives(who, ask, of, false));
            }
            _ => self.soon(after, Happens::SubmitArrives(who, ask, batch, true)),
        }
    }

    fn idle(&mut self, who: Who) {
        self.provers[who.0].doing = Doing::Idle;
        self.soon(1, Happens::Wakes(who));
    }

    fn answer_submit(&mut self, who: Who, batch: BatchId, outcome: SubmitOutcome) {
        let lost = self.goes_wrong(4);
        let after = self.a_while();
        self.soon(after, Happens::SubmitAnswered(who, batch, (!lost).then_some(outcome)));
    }

    pub(crate) fn submit_arrives(&mut self, who: Who, ask: Ask, batch: BatchId, good: bool) {
        let now = self.clock.moment(self.now);
        let Some(desk) = &mut self.desk else {
            return self.soon(10_000, Happens::SubmitAnswered(who, batch, None));
        };
        let AskedType::Known(prover) = ask.prover else { return };
        match desk.receive(now, &ask.by, batch, &ask.prover) {
            Received::Answer(outcome) => {
                match &outcome {
                    SubmitOutcome::Dropped => self.story.dropped += 1,
                    SubmitOutcome::RetryLater { reason: RetryReason::Starting, .. } => {
                        self.story.starting += 1
                    }
                    SubmitOutcome::RetryLater { reason: RetryReason::Busy, .. } => self.story.busy += 1,
                    SubmitOutcome::RetryLater { reason: RetryReason::Paused, .. } => self.story.paused += 1,
                    other => panic!("nobody looked, and it is {other:?}"),
                }
                self.answer_submit(who, batch, outcome);
            }
            Received::Unknown => {
                let outcome = if self.durable.proofs.contains(&(batch, prover)) {
                    self.story.dropped += 1;
                    SubmitOutcome::Dropped
                } else if self.now - self.begun_at < STARTING {
                    self.story.starting += 1;
                    RetryReason::Starting.submit()
                } else {
                    self.story.unknown_batch += 1;
                    let submission = Submission { by: ask.by, batch, prover };
                    let (reason, cause) = (RefusedFor::UnknownBatch, String::new());
                    let outcome = desk.refuse(now, &submission, reason, cause);
                    assert!(matches!(&outcome, SubmitOutcome::Refused { paused, .. } if !paused.is_zero()));
                    self.model.late.insert(submission.by);
                    outcome
                };
                self.commit(None);
                self.answer_submit(who, batch, outcome);
            }
            Received::Check => {
                let submission = Submission { by: ask.by, batch, prover };
                let takes = self.rng.between(10, 5_000);
                self.soon(takes, Happens::Verified(self.incarnation, who, submission, good));
            }
        }
    }

    pub(crate) fn verified(&mut self, who: Who, submission: Submission, good: bool) {
        let now = self.clock.moment(self.now);
        let Some(desk) = &mut self.desk else { return };
        let key = (submission.batch, submission.prover);
        if !good {
            let outcome = desk.refuse(now, &submission, RefusedFor::DoesNotHold, "garbage".into());
            assert!(matches!(&outcome, SubmitOutcome::Refused { paused, .. } if !paused.is_zero()));
            self.story.garbage_refused += 1;
            self.model.end_of(&key, &submission.by);
            self.commit(None);
            return self.answer_submit(who, submission.batch, outcome);
        }
        if let Some(outcome) = desk.claim(&submission) {
            self.story.dropped += u64::from(outcome == SubmitOutcome::Dropped);
            self.story.busy += u64::from(outcome != SubmitOutcome::Dropped);
            return self.answer_submit(who, submission.batch, outcome);
        }
        let after = self.a_while();
        self.soon(after, Happens::StoreAnswered(self.incarnation, who, submission));
    }

    pub(crate) fn store_answered(&mut self, who: Who, submission: &Submission) {
        let key = (submission.batch, submission.prover);
        let fails = self.goes_wrong(4);
        let Some(desk) = &mut self.desk else { return };
        if fails {
            desk.not_stored(submission);
            self.story.store_away += 1;
            return self.answer_submit(who, submission.batch, RetryReason::StoreAway.submit());
        }
        assert!(self.durable.proofs.insert(key), "{key:?} is stored twice");
        desk.stored(submission);
        self.story.stored += 1;
        let held = self.model.holds.get(&key).is_some_and(|fact| fact.by == submission.by);
        self.story.late_but_stored += u64::from(!held);
        self.model.end(&key);
        self.model.wanted.remove(&key);
        self.commit(None);
        self.answer_submit(who, submission.batch, SubmitOutcome::Stored);
        let after = self.a_while();
        self.soon(after, Happens::L1Verifies);
    }

    pub(crate) fn submit_answered(&mut self, who: Who, batch: BatchId, answer: Option<SubmitOutcome>) {
        let again = match answer {
            None => self.rng.between(1_000, 10_000),
            Some(SubmitOutcome::RetryLater { after, .. }) => millis(after).max(1),
            Some(_) => return self.idle(who),
        };
        let prover = &self.provers[who.0];
        let (ask, good) = (prover.ask(), prover.character != Character::Liar);
        self.soon(again, Happens::SubmitArrives(who, ask, batch, good));
    }

    pub(crate) fn give_back_arrives(&mut self, ask: &Ask, batch: BatchId) {
        let now = self.clock.moment(self.now);
        let (Some(desk), AskedType::Known(prover)) = (&mut self.desk, &ask.prover) else { return };
        let prover = *prover;
        let code = match self.rng.between(0, 4) {
            0..2 => Code::CycleLimit,
            2..4 => Code::ProverFailed,
            _ => Code::NotDelivered,
        };
        let fault = Fault::new(code, "it says so");
        let key = (batch, prover);
        match desk.give_back(now, &ask.by, batch, prover, Some(&fault)) {
            GivenBack::NotHeld => {}
            GivenBack::Open => {
                self.story.given_back += 1;
                self.model.end_of(&key, &ask.by);
                if code == Code::NotDelivered {
                    self.story.set_aside += 1;
                    self.model.set_aside(key, self.clock.at(self.now));
                }
            }
            // Whoever waits for it is told, and wants it again later.
            GivenBack::GivenUp => {
                self.story.given_up += 1;
                self.model.end_of(&key, &ask.by);
                desk.remove(batch, prover);
                self.model.wanted.remove(&key);
                let later = self.rng.between(30_000, 120_000);
                self.soon(later, Happens::WantedAgain(self.incarnation, key));
            }
        }
        self.commit(None);
    }
}
