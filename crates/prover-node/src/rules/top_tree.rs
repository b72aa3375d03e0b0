//! The top of a session's proof tree: for every prover type, one aggregation over the range proofs. What can start does:
//! a type's aggregation begins as soon as its own range proofs are there, whatever the other types still do.

use super::{
    Action, JobId, JobNote, Origin, Progress, RangeSpec, RootDone, RootError, SessionId, Time,
    checkpoints::CheckpointStore,
    config::{TIMES_MADE_ANEW, TRIES_PER_ROOT, lost_again},
    session::{Member, Span},
    tries::Ended,
    turn::{Asker, Turn},
};
use proofmill_fault::History;
use proofmill_primitives::ProverType;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The epoch proof of one prover type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Where it stands.
    pub state: RootState,
    /// Since when.
    pub since: Time,
    /// The range proofs under it, once all are there.
    pub ranges: Vec<RangeSpec>,
    /// How many of them each checkpoint has.
    pub checkpoints: Vec<u32>,
    /// What went wrong before.
    pub history: History,
    /// How often it was there and refused.
    pub discarded: u32,
    /// How often it was there and is there no more.
    #[serde(default)]
    pub lost: u32,
    /// What went wrong last, for people.
    pub trouble: Option<String>,
}

/// Where an epoch proof stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootState {
    /// Range proofs are missing.
    AwaitingRanges {
        /// Checkpoints that have theirs.
        ready: usize,
        /// Checkpoints in all.
        of: usize,
    },
    /// All range proofs are there; asked for in a moment, or after the service was away.
    Waiting {
        /// When.
        until: Time,
    },
    /// Asked for.
    Aggregating {
        /// The work.
        job: JobId,
        /// How far it is, where the prover says so.
        progress: Option<Progress>,
    },
    /// There.
    Made(RootDone),
    /// Given up, with the session.
    GivenUp,
}

/// What an answer meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RootVerdict {
    Made(Origin),
    Again { cause: String },
    GivenUp { cause: String },
    PartLost { range: RangeSpec },
    BadPart { range: RangeSpec, cause: String },
}

#[derive(Clone, Debug)]
pub(crate) struct TopTree {
    pub(crate) roots: BTreeMap<ProverType, Root>,
}

impl Root {
    fn new(now: Time) -> Self {
        let state = RootState::AwaitingRanges { ready: 0, of: 0 };
        let (ranges, checkpoints, history) = (Vec::new(), Vec::new(), History::default());
        Self { state, since: now, ranges, checkpoints, history, discarded: 0, lost: 0, trouble: None }
    }

    fn enter(&mut self, now: Time, state: RootState) {
        (self.state, self.since) = (state, now);
    }

    const fn job(&self) -> Option<JobId> {
        match self.state {
            RootState::Aggregating { job, .. } => Some(job),
            _ => None,
        }
    }

    /// Looks whether the range proofs are there.
    fn look(&mut self, now: Time, prover: ProverType, members: &[Member], store: &CheckpointStore) {
        let provers = || members.iter().filter_map(|member| store.get(member.checkpoint.number));
        let ready = provers().filter(|under| under.proven(prover).is_some()).count();
        if ready < members.len() {
            self.state = RootState::AwaitingRanges { ready, of: members.len() };
            return;
        }
        (self.ranges, self.checkpoints) = (Vec::new(), Vec::new());
        for ranges in provers().filter_map(|under| under.proven(prover)) {
            let before = self.ranges.len();
            self.ranges.extend(ranges);
            self.checkpoints.push((self.ranges.len() - before) as u32);
        }
        self.enter(now, RootState::Waiting { until: now.after(lost_again(self.lost)) });
    }

    fn ended(
        &mut self,
        (now, window): (Time, Duration),
        job: JobId,
        result: Result<RootDone, RootError>,
    ) -> RootVerdict {
        let error = match result {
            Ok(done) => {
                self.history.advanced();
                self.trouble = None;
                self.enter(now, RootState::Made(done));
                return RootVerdict::Made(done.origin);
            }
            Err(error) => error,
        };
        let cause = error.to_string();
        self.trouble = Some(cause.clone());
        match error {
            RootError::PartLost { range } => {
                self.enter(now, RootState::AwaitingRanges { ready: 0, of: 0 });
                RootVerdict::PartLost { range }
            }
            RootError::BadPart { range, cause } => {
                self.enter(now, RootState::AwaitingRanges { ready: 0, of: 0 });
                RootVerdict::BadPart { range, cause }
            }
            RootError::Job(error) => {
                let ended = Ended { job, now, window, tries: TRIES_PER_ROOT };
                match ended.again(&mut self.history, &error) {
                    Some(until) => {
                        self.enter(now, RootState::Waiting { until });
                        RootVerdict::Again { cause }
                    }
                    None => {
                        self.enter(now, RootState::GivenUp);
                        RootVerdict::GivenUp { cause }
                    }
                }
            }
        }
    }
}

impl TopTree {
    pub(crate) fn new(now: Time, provers: &BTreeSet<ProverType>) -> Self {
        Self { roots: provers.iter().map(|prover| (*prover, Root::new(now))).collect() }
    }

    /// Starts every aggregation that can start.
    pub(crate) fn advance(
        &mut self,
        turn: &mut Turn<'_>,
        session: SessionId,
        span: &Span,
        members: &[Member],
        store: &CheckpointStore,
    ) {
        for (prover, root) in &mut self.roots {
            if matches!(root.state, RootState::AwaitingRanges { .. }) {
                root.look(turn.now, *prover, members, store);
            }
            if let RootState::Waiting { until } = root.state
                && until <= turn.now
            {
                let job = turn.ask(Asker::Root { session, prover: *prover });
                root.enter(turn.now, RootState::Aggregating { job, progress: None });
                let (ranges, checkpoints) = (root.ranges.clone(), root.checkpoints.clone());
                turn.actions.push(Action::Aggregate {
                    job,
                    prover: *prover,
                    span: span.spec,
                    ranges,
                    checkpoints,
                });
            }
        }
    }

    pub(crate) fn has_all_ranges(&self) -> bool {
        self.roots.values().all(|root| !matches!(root.state, RootState::AwaitingRanges { .. }))
    }

    pub(crate) fn is_made(&self) -> bool {
        self.roots.values().all(|root| matches!(root.state, RootState::Made(_)))
    }

    /// The answer to a job, at a time in a window; nothing where it is not under way.
    pub(crate) fn ended(
        &mut self,
        at: (Time, Duration),
        prover: ProverType,
        job: JobId,
        result: Result<RootDone, RootError>,
    ) -> Option<RootVerdict> {
        let root = self.roots.get_mut(&prover).filter(|root| root.job() == Some(job))?;
        Some(root.ended(at, job, result))
    }

    /// Takes note; whether the job is under way.
    pub(crate) fn note(&mut self, prover: ProverType, job: JobId, note: JobNote) -> bool {
        let Some(root) = self.roots.get_mut(&prover).filter(|root| root.job() == Some(job)) else {
            return false;
        };
        match (note, &mut root.state) {
            (JobNote::Progress(new), RootState::Aggregating { progress, .. }) => {
                (*progress, root.trouble) = (Some(new), None);
            }
            (JobNote::HeldUp { cause } | JobNote::Discarded { cause }, _) => root.trouble = Some(cause),
            _ => {}
        }
        true
    }

    /// An epoch proof was refused and is removed; whether it is made anew.
    pub(crate) fn discard(&mut self, now: Time, prover: ProverType, cause: &str) -> bool {
        let Some(root) = self.roots.get_mut(&prover) else { return false };
        root.discarded += 1;
        root.trouble = Some(cause.to_owned());
        let again = root.discarded <= TIMES_MADE_ANEW;
        let state = if again { RootState::AwaitingRanges { ready: 0, of: 0 } } else { RootState::GivenUp };
        root.enter(now, state);
        again
    }

    /// An epoch proof that was made is no longer in the store.
    pub(crate) fn lost(&mut self, now: Time, prover: ProverType) {
        if let Some(root) = self.roots.get_mut(&prover) {
            root.trouble = Some("its proof was lost from the store".into());
            root.lost = root.lost.saturating_add(1);
            root.enter(now, RootState::AwaitingRanges { ready: 0, of: 0 });
        }
    }

    /// Takes its jobs back.
    pub(crate) fn cancel(&mut self, turn: &mut Turn<'_>) {
        for root in self.roots.values_mut() {
            if let Some(job) = root.job() {
                turn.cancel(job);
                root.enter(turn.now, RootState::Waiting { until: turn.now });
            }
        }
    }
}
