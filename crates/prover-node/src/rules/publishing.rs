//! The publishing service: the one owner of L1 submission.
//!
//! It works in passes, one at a time. A pass reads the proven tip, picks at most one candidate by what it read, and
//! publishes it; or it gives up what was not proven in time ([`pruning`](super::pruning)). What was sent runs to its end;
//! withdrawing removes only what is queued.

use super::{
    Action, CandidateEnd, Change, L1Time, L1View, Pass, PublishOutcome, SessionId, Time,
    config::{TIP_RETRY, sending_retry},
    pruning::Pruning,
    session::{Session, SessionKind, Span},
    settled::Made,
    turn::Turn,
};
use proofmill_primitives::{CheckpointNumber, Epoch, ProverType};
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, collections::BTreeMap};

/// A finished epoch proof that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Whose it is.
    pub session: SessionId,
    /// Of a full session, or of a partial one.
    pub kind: SessionKind,
    /// The epoch.
    pub epoch: Epoch,
    /// What it proves.
    pub span: Span,
    /// From then on L1 refuses it.
    pub deadline: L1Time,
    /// Since when it waits.
    pub queued: Time,
    /// Not tried before, after a try that came to nothing.
    pub not_before: Time,
    /// How often it was tried.
    pub tries: u32,
    /// What went wrong last, for people.
    pub trouble: Option<String>,
}

/// What the service is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PublishStep {
    /// Nothing.
    Idle,
    /// The proven tip is being read.
    ReadingTip {
        /// In which pass.
        pass: Pass,
    },
    /// The tip is known; the candidate is picked when everything else has taken note of it.
    Picking {
        /// In which pass.
        pass: Pass,
    },
    /// A candidate is being published.
    Publishing {
        /// In which pass.
        pass: Pass,
        /// Which candidate.
        candidate: Box<Candidate>,
        /// Since when.
        since: Time,
        /// Whether its session still wants it.
        wanted: Wanted,
    },
    /// What was not proven in time is being given up.
    Pruning {
        /// In which pass.
        pass: Pass,
        /// Since when.
        since: Time,
    },
}

/// Whether a publish in flight is still wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// It is.
    Yes,
    /// Its session was cancelled meanwhile. It is not tried again.
    Withdrawn,
}

/// What a publish means to its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Ended(CandidateEnd),
    RootLost(ProverType),
    /// The epoch proof of this type was refused, with the cause.
    Discarded(ProverType, String),
}

#[derive(Clone, Debug)]
pub(crate) struct Publishing {
    pub(crate) queue: BTreeMap<SessionId, Candidate>,
    pub(crate) step: PublishStep,
    last_pass: Pass,
    /// No pass before, after the proven tip could not be read.
    not_before: Time,
    pub(crate) trouble: Option<String>,
    pub(crate) pruning: Pruning,
}

impl Publishing {
    pub(crate) const fn new() -> Self {
        Self {
            queue: BTreeMap::new(),
            step: PublishStep::Idle,
            last_pass: Pass(0),
            not_before: Time::from_millis(0),
            trouble: None,
            pruning: Pruning::new(),
        }
    }

    pub(crate) const fn next_pass(&mut self) -> Pass {
        self.last_pass.0 += 1;
        self.last_pass
    }

    /// Whether a transaction is under way.
    pub(crate) const fn is_sending(&self) -> bool {
        matches!(self.step, PublishStep::Publishing { .. } | PublishStep::Pruning { .. })
    }

    pub(crate) fn queue(&mut self, turn: &Turn<'_>, session: &Session) {
        let epoch = session.spec.epoch;
        let candidate = Candidate {
            session: session.id,
            kind: session.spec.kind,
            epoch,
            span: session.span,
            deadline: L1Time(turn.desk.config.clock.deadline(epoch)),
            queued: turn.now,
            not_before: turn.now,
            tries: 0,
            trouble: None,
        };
        self.queue.insert(session.id, candidate);
    }

    /// The session whose candidate is being published.
    pub(crate) const fn in_flight(&self) -> Option<SessionId> {
        match &self.step {
            PublishStep::Publishing { candidate, .. } => Some(candidate.session),
            _ => None,
        }
    }

    /// What went wrong last with the candidate of a session.
    pub(crate) fn trouble_of(&self, session: SessionId) -> Option<&str> {
        let candidate = match &self.step {
            PublishStep::Publishing { candidate, .. } if candidate.session == session => &**candidate,
            _ => self.queue.get(&session)?,
        };
        candidate.trouble.as_deref()
    }

    /// The session no longer wants it.
    pub(crate) fn withdraw(&mut self, turn: &mut Turn<'_>, session: SessionId) {
        if let Some(candidate) = self.queue.remove(&session) {
            let end = CandidateEnd::Withdrawn;
            turn.report(Change::Candidate { session, epoch: candidate.epoch, end });
        }
        if let PublishStep::Publishing { candidate, wanted, .. } = &mut self.step
            && candidate.session == session
        {
            *wanted = Wanted::Withdrawn;
        }
    }

    /// Ends the queued candidates that L1 can no longer use.
    pub(crate) fn sweep(&mut self, turn: &mut Turn<'_>, l1: &L1View) -> Vec<(SessionId, CandidateEnd)> {
        let settled = turn.desk.config.settled;
        // What a block says that comes out of the future ends nothing: a session that has expired does not come back.
        let is_now = l1.is_ahead_of(turn.now).is_none();
        let verdict = |candidate: &Candidate| {
            let session = (candidate.kind, candidate.span.last, Made::Yes);
            if is_now && l1.counted() >= candidate.deadline {
                Some(CandidateEnd::Expired)
            } else if settled.is_superseded(session, l1.proven) {
                Some(CandidateEnd::Superseded { proven: l1.proven })
            } else {
                None
            }
        };
        let ended: Vec<_> =
            self.queue.iter().filter_map(|(id, candidate)| Some((*id, verdict(candidate)?))).collect();
        for (session, end) in &ended {
            if let Some(candidate) = self.queue.remove(session) {
                let change =
                    Change::Candidate { session: *session, epoch: candidate.epoch, end: end.clone() };
                turn.report(change);
            }
        }
        ended
    }

    /// The proven tip was read for a pass; whether that pass is on.
    pub(crate) fn tip_read(&mut self, turn: &Turn<'_>, pass: Pass, tip: &Result<L1View, String>) {
        if self.step != (PublishStep::ReadingTip { pass }) {
            return;
        }
        match tip {
            Ok(_) => {
                self.trouble = None;
                self.step = PublishStep::Picking { pass };
            }
            Err(cause) => {
                self.trouble = Some(cause.clone());
                self.not_before = turn.now.after(TIP_RETRY);
                self.step = PublishStep::Idle;
            }
        }
    }

    /// Goes on: picks by the tip that was read for it, or begins a pass where one could come to something.
    pub(crate) fn go_on(&mut self, turn: &mut Turn<'_>, l1: Option<&L1View>) {
        if let PublishStep::Picking { pass } = self.step {
            self.step = PublishStep::Idle;
            let picked = l1.and_then(|l1| self.pick(turn.now, l1.proven));
            if let Some(mut candidate) = picked.and_then(|session| self.queue.remove(&session)) {
                candidate.tries += 1;
                let (session, epoch) = (candidate.session, candidate.epoch);
                // Tried again and again, for hours where an attestor is away: only what is new is told.
                if candidate.trouble.is_none() {
                    turn.report(Change::Publishing { session, epoch });
                }
                turn.actions.push(Action::Publish { pass, candidate: candidate.clone() });
                let candidate = Box::new(candidate);
                self.step = PublishStep::Publishing { pass, candidate, since: turn.now, wanted: Wanted::Yes };
            }
        }
        if let Some(l1) = l1 {
            self.prune_if_due(turn, l1);
        }
        let promising = match l1 {
            Some(l1) => self.pick(turn.now, l1.proven).is_some(),
            None => !self.queue.is_empty(),
        };
        if self.step == PublishStep::Idle && promising && self.not_before <= turn.now {
            let pass = self.next_pass();
            self.step = PublishStep::ReadingTip { pass };
            turn.actions.push(Action::ReadTip { pass });
        }
    }

    /// Nothing new is begun.
    pub(crate) fn stop(&mut self) {
        if !self.is_sending() {
            self.step = PublishStep::Idle;
        }
    }

    /// The candidate whose turn it is: of each epoch the longest, and of these the oldest epoch that L1 would take.
    fn pick(&self, now: Time, proven: CheckpointNumber) -> Option<SessionId> {
        let mut longest = BTreeMap::<Epoch, &Candidate>::new();
        for candidate in self.queue.values() {
            // Of two that are equal the full one counts for more: it is not superseded.
            let rank = |candidate: &Candidate| (candidate.span.last, Reverse(candidate.kind));
            let best = longest.entry(candidate.epoch).or_insert(candidate);
            if rank(candidate) > rank(best) {
                *best = candidate;
            }
        }
        let takes = |candidate: &&&Candidate| candidate.span.first <= proven.next();
        let due = |candidate: &&&Candidate| candidate.not_before <= now;
        longest.values().filter(takes).find(due).map(|candidate| candidate.session)
    }

    /// What came of a publish; nothing where it is tried again, or is not the one in flight.
    pub(crate) fn ended(
        &mut self,
        turn: &mut Turn<'_>,
        pass: Pass,
        outcome: PublishOutcome,
        l1: Option<&L1View>,
    ) -> Option<(SessionId, CheckpointNumber, Settled)> {
        let PublishStep::Publishing { pass: current, candidate, wanted, .. } = &self.step else {
            return None;
        };
        if *current != pass {
            return None;
        }
        let (mut candidate, wanted) = (Candidate::clone(candidate), *wanted);
        self.step = PublishStep::Idle;
        let (session, epoch) = (candidate.session, candidate.epoch);
        let end = match outcome {
            PublishOutcome::Published(receipt) => CandidateEnd::Published { receipt: Some(receipt) },
            PublishOutcome::AlreadyRecorded => CandidateEnd::Published { receipt: None },
            PublishOutcome::Unsent(estimate) => CandidateEnd::Unsent(estimate),
            PublishOutcome::Superseded => {
                CandidateEnd::Superseded { proven: l1.map_or(candidate.span.last, |l1| l1.proven) }
            }
            PublishOutcome::WindowClosed => CandidateEnd::Expired,
            PublishOutcome::Refused { cause } => CandidateEnd::Failed { cause },
            PublishOutcome::RootLost { .. }
            | PublishOutcome::BadProof { .. }
            | PublishOutcome::Unavailable { .. }
            | PublishOutcome::Stale { .. }
                if wanted == Wanted::Withdrawn =>
            {
                CandidateEnd::Withdrawn
            }
            PublishOutcome::RootLost { prover } => {
                return Some((session, candidate.span.last, Settled::RootLost(prover)));
            }
            PublishOutcome::BadProof { prover, cause } => {
                return Some((session, candidate.span.last, Settled::Discarded(prover, cause)));
            }
            PublishOutcome::Unavailable { cause } | PublishOutcome::Stale { cause } => {
                if candidate.trouble.as_ref() != Some(&cause) {
                    turn.report(Change::PublishDelayed { session, epoch, cause: cause.clone() });
                    candidate.trouble = Some(cause);
                }
                let pause = sending_retry(candidate.tries, turn.desk.config.window(), pass.0);
                candidate.not_before = turn.now.after(pause);
                self.queue.insert(session, candidate);
                return None;
            }
        };
        turn.report(Change::Candidate { session, epoch, end: end.clone() });
        Some((session, candidate.span.last, Settled::Ended(end)))
    }
}
