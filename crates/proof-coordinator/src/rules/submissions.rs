//! What provers hand in: proofs, and batches that they give back.
//!
//! A proof is looked at in three steps: whether anybody wants it ([`Desk::receive`]), whether it holds (outside, and beside
//! everything else), and whether it is still the first of its batch ([`Desk::claim`]). Only the one that claims is stored.

use super::{
    batch::{AskedType, BatchId, ProverName},
    desk::{Desk, Record},
    outcome::{RefusedFor, RetryReason, SubmitOutcome},
    slot::State,
};
use proofmill_fault::{Code, Fault};
use proofmill_ledger::Timestamp;
use proofmill_primitives::ProverType;

/// A proof is handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// By whom.
    pub by: ProverName,
    /// Of which batch.
    pub batch: BatchId,
    /// Of which type.
    pub prover: ProverType,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// It is answered.
    Answer(SubmitOutcome),
    /// It is to be verified.
    Check,
    /// The batch is not on the desk: storage knows whether it is proven.
    Unknown,
}

/// A batch was given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenBack {
    /// The prover did not hold it.
    NotHeld,
    /// Others may have it.
    Open,
    /// Too many failed at it: nobody is given it again, and whoever waits for it is told.
    GivenUp,
}

impl Desk {
    /// A proof comes in.
    pub fn receive(
        &mut self,
        now: Timestamp,
        by: &ProverName,
        batch: BatchId,
        prover: &AskedType,
    ) -> Received {
        self.pass(now);
        let prover = match self.needs(prover) {
            Ok(prover) => prover,
            Err(why) => return Received::Answer(SubmitOutcome::ProverTypeNotNeeded(why)),
        };
        if let Some(after) = self.pauses.remaining(now, by) {
            return Received::Answer(SubmitOutcome::RetryLater { reason: RetryReason::Paused, after });
        }
        match self.slot(batch, prover) {
            None if self.remembers(batch, prover) => Received::Answer(RetryReason::Starting.submit()),
            None => Received::Unknown,
            Some(slot) if slot.state == State::Proven => Received::Answer(SubmitOutcome::Dropped),
            Some(slot) if slot.storing => Received::Answer(RetryReason::Busy.submit()),
            Some(_) => Received::Check,
        }
    }

    /// A proof holds: nothing where it is to be stored now, which ends by [`stored`](Self::stored) or
    /// [`not_stored`](Self::not_stored).
    pub fn claim(&mut self, submission: &Submission) -> Option<SubmitOutcome> {
        match self.slot_mut(submission.batch, submission.prover) {
            // Nobody waits for it any more. The prover did nothing wrong.
            None => Some(SubmitOutcome::Dropped),
            Some(slot) if slot.state == State::Proven => Some(SubmitOutcome::Dropped),
            Some(slot) if slot.storing => Some(RetryReason::Busy.submit()),
            Some(slot) => {
                slot.storing = true;
                None
            }
        }
    }

    /// The proof is stored, and with it the batch is proven.
    pub fn stored(&mut self, submission: &Submission) {
        let Submission { by, batch, prover } = submission;
        self.pauses.end(by);
        let Some(slot) = self.slot_mut(*batch, *prover) else { return };
        slot.storing = false;
        if let State::Held(_) = std::mem::replace(&mut slot.state, State::Proven) {
            self.record(Record::Ended(*batch, *prover));
        }
        self.clean(*batch);
    }

    /// The proof holds, and cannot be stored now.
    pub fn not_stored(&mut self, submission: &Submission) {
        if let Some(slot) = self.slot_mut(submission.batch, submission.prover) {
            slot.storing = false;
        }
    }

    /// The proof of a batch turned out to be bad after all, or is lost: another one is waited for.
    pub fn reopen(&mut self, batch: BatchId, prover: ProverType) {
        if let Some(slot) = self.slot_mut(batch, prover)
            && slot.state == State::Proven
        {
            slot.state = State::Open;
        }
    }

    /// A proof is refused. Who handed it in loses the batch, and is not heard for a while; who else holds it goes on.
    pub fn refuse(
        &mut self,
        now: Timestamp,
        submission: &Submission,
        reason: RefusedFor,
        cause: String,
    ) -> SubmitOutcome {
        self.pass(now);
        let Submission { by, batch, prover } = submission;
        self.take_back(*batch, *prover, by);
        let paused = self.pauses.fault(now, by);
        SubmitOutcome::Refused { reason, cause, paused }
    }

    /// A prover gives a batch back: it failed, or it stops.
    pub fn give_back(
        &mut self,
        now: Timestamp,
        by: &ProverName,
        batch: BatchId,
        prover: ProverType,
        fault: Option<&Fault>,
    ) -> GivenBack {
        self.pass(now);
        if self.is_held_by(batch, prover, by) {
            self.take_back(batch, prover, by);
        } else if !self.forget_held(batch, prover, by) {
            return GivenBack::NotHeld;
        }
        if fault.is_some() {
            self.pauses.fault(now, by);
        }
        let Some(slot) = self.slot_mut(batch, prover) else { return GivenBack::Open };
        let Some(fault) = fault else {
            slot.hand_back(now);
            return GivenBack::Open;
        };
        // That its input did not come says nothing of the batch, and may be so again.
        if fault.code == Code::NotDelivered {
            slot.set_aside(now);
        }
        let given_up = slot.failures.add(now, by, fault);
        if given_up { GivenBack::GivenUp } else { GivenBack::Open }
    }
}
