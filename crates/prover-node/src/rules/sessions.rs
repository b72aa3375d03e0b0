//! The session manager: owns all sessions. Whatever happens becomes one [`SessionManager::reconcile`], which may be run
//! any number of times: it ends the sessions whose content moved and opens those that are due.

use super::{
    CandidateEnd, Change, Config, Hindrance, JobId, JobNote, RangeSpec, Refused, RootDone, RootError,
    SessionId, Started, Time,
    checkpoints::CheckpointStore,
    config::comeback,
    horizon::Horizon,
    publishing::{Publishing, Settled},
    session::{Cancelled, Session, SessionKind, SessionSpec, SessionState, Standing, StoppedBy},
    settled::{Made, SettledEpochs},
    top_tree::RootVerdict,
    turn::{Asker, Turn},
};
use proofmill_primitives::{Epoch, ProverType};
use std::collections::{BTreeMap, BTreeSet};

/// A range proof that an aggregation needs, and that is not there as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) prover: ProverType,
    pub(crate) range: RangeSpec,
    /// Why it does not hold; nothing where it is only lost.
    pub(crate) cause: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct SessionManager {
    /// Those that live, and those that have ended and are remembered.
    sessions: BTreeMap<SessionId, Session>,
    /// The same, by what they are to prove.
    by_spec: BTreeSet<(SessionSpec, SessionId)>,
    /// Partial sessions that were asked for and have not come to a verdict.
    wanted: BTreeSet<SessionSpec>,
    /// How often in a row the sessions for a spec stopped by themselves, and when the next one may open.
    stops: BTreeMap<SessionSpec, (u32, Time)>,
    /// Since when an epoch is seen to be complete.
    complete: BTreeMap<Epoch, Time>,
    last_id: SessionId,
}

impl SessionManager {
    pub(crate) const fn new() -> Self {
        Self {
            sessions: BTreeMap::new(),
            by_spec: BTreeSet::new(),
            wanted: BTreeSet::new(),
            stops: BTreeMap::new(),
            complete: BTreeMap::new(),
            last_id: SessionId(0),
        }
    }

    /// Whether a session is the last for its spec, and stopped by itself.
    pub(crate) fn waits_to_come_back(&self, session: &Session) -> bool {
        self.stops.contains_key(&session.spec)
            && self.of(session.spec).last().is_some_and(|last| last.id == session.id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    pub(crate) fn epoch_of(&self, id: SessionId) -> Option<Epoch> {
        self.sessions.get(&id).map(|session| session.spec.epoch)
    }

    fn live(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values().filter(|session| session.state.is_live())
    }

    /// Those for a spec, oldest first.
    fn of(&self, spec: SessionSpec) -> impl Iterator<Item = &Session> {
        let ids = self.by_spec.range((spec, SessionId(0))..=(spec, SessionId(u64::MAX)));
        ids.filter_map(move |(_, id)| self.sessions.get(id))
    }

    /// Sessions whose proof is not made yet: what `max_pending_jobs` caps. A finished proof that waits for its turn on L1
    /// holds nobody up.
    pub(crate) fn pending(&self) -> usize {
        self.sessions.values().filter(|session| session.state.is_proving()).count()
    }

    /// Since when an epoch is seen to be complete.
    pub(crate) fn complete_from(&self, epoch: Epoch) -> Option<Time> {
        self.complete.get(&epoch).copied()
    }

    /// When the next session for a spec may open, after its last one stopped by itself.
    pub(crate) fn stopped_until(&self, spec: SessionSpec) -> Option<Time> {
        self.stops.get(&spec).map(|(_, due)| *due)
    }

    /// Partial sessions that were asked for and have not come to a verdict.
    pub(crate) const fn wanted(&self) -> &BTreeSet<SessionSpec> {
        &self.wanted
    }

    /// What was asked for before a restart.
    pub(crate) fn want(&mut self, specs: impl IntoIterator<Item = SessionSpec>) {
        self.wanted.extend(specs);
    }

    /// Ends what should not go on, then opens what should.
    pub(crate) fn reconcile(
        &mut self,
        turn: &mut Turn<'_>,
        horizon: Horizon<'_>,
        publishing: &mut Publishing,
    ) {
        let ends: Vec<_> = self
            .live()
            .filter_map(|session| {
                let state = judge(session, turn.desk.config.settled, horizon, publishing)?;
                Some((session.id, state))
            })
            .collect();
        for (session, state) in ends {
            self.end(turn, session, state, publishing);
        }
        // While the chain is read anew, what is missing here says nothing.
        if horizon.store.is_landing() {
            return;
        }
        self.lift_unconfirmed(turn, horizon);
        self.wanted.retain(|spec| !horizon.has_expired(spec.epoch));
        self.stops.retain(|spec, _| !horizon.has_expired(spec.epoch));
        self.note_complete(turn, horizon);
        self.open_full(turn, horizon);
        self.open_wanted(turn, horizon);
        self.forget(turn, horizon);
    }

    /// Starts what can start in the sessions that live, and hands finished proofs on to be published; how many.
    pub(crate) fn advance(
        &mut self,
        turn: &mut Turn<'_>,
        store: &CheckpointStore,
        publishing: &mut Publishing,
    ) -> usize {
        let mut finished = 0;
        for session in self.sessions.values_mut().filter(|session| session.state.is_proving()) {
            let Session { id, span, members, tree, .. } = session;
            tree.advance(turn, *id, span, members, store);
            let state = if session.tree.is_made() {
                SessionState::Publishing
            } else if session.tree.has_all_ranges() {
                SessionState::AwaitingRoot
            } else {
                SessionState::AwaitingCheckpoints
            };
            session.enter(turn, state);
            if session.state == SessionState::Publishing {
                publishing.queue(turn, session);
                finished += 1;
            }
        }
        finished
    }

    /// A partial session over what is there of an epoch.
    pub(crate) fn start_proof(
        &mut self,
        turn: &mut Turn<'_>,
        horizon: Horizon<'_>,
        epoch: Epoch,
    ) -> Result<Started, Refused> {
        let clock = turn.desk.config.clock;
        if horizon.has_expired(epoch) {
            return Err(Refused::Expired { epoch });
        }
        let full = SessionSpec::full(&clock, epoch);
        let Some(last) = horizon.store.within(full.slots()).next_back() else {
            return Err(Refused::NoCheckpoints { epoch });
        };
        let (through, partial) =
            (last.checkpoint.number, SessionSpec::partial(&clock, epoch, last.checkpoint.slot));
        let spec = if horizon.is_complete(&clock, epoch) { full } else { partial };
        let session = (spec.kind, through, Made::NotYet);
        if turn.desk.config.settled.is_superseded(session, horizon.proven()) {
            return Err(Refused::AlreadyProven { epoch, through: horizon.proven() });
        }
        let holder = self.of(spec).find(|session| session.speaks_for(&spec, horizon.store));
        match holder {
            Some(session) if session.state.is_live() => return Ok(Started::Joined(session.id)),
            Some(_) => return Err(Refused::AlreadyProven { epoch, through }),
            None => {}
        }
        let failed = horizon.store.within(spec.slots()).find_map(|under| Some((under, under.failure()?)));
        if let Some((under, cause)) = failed {
            let (checkpoint, cause) = (under.checkpoint.number, cause.to_owned());
            return Err(Refused::CheckpointFailed { checkpoint, cause });
        }
        let live = self.pending();
        if live >= turn.desk.config.max_pending_jobs.get() {
            return Err(Refused::TooManySessions { live });
        }
        if let Some(expired) = horizon.expired_unproven() {
            return Err(Refused::Behind { epoch, expired });
        }
        self.lift_stopped(epoch);
        if spec.kind == SessionKind::Partial {
            self.wanted.insert(spec);
        }
        let opened = self.open(turn, spec, horizon.store);
        opened.map(Started::Opened).ok_or(Refused::NoCheckpoints { epoch })
    }

    /// Lets the stopped sessions of an epoch be tried again at once; whether there are any.
    pub(crate) fn lift_stopped(&mut self, epoch: Epoch) -> bool {
        let before = self.stops.len();
        self.stops.retain(|spec, _| spec.epoch != epoch);
        self.stops.len() < before
    }

    /// What kept an epoch from being proven, as far as sessions tell: the window has closed. A session that had stopped has
    /// failed now. Nothing where there was no session.
    pub(crate) fn missed(
        &mut self,
        turn: &mut Turn<'_>,
        spec: SessionSpec,
        publishing: &Publishing,
    ) -> Option<String> {
        let session = self.sessions.values_mut().rev().find(|session| session.spec == spec)?;
        if let SessionState::Stopped { cause, .. } = session.state.clone() {
            session.enter(turn, SessionState::Failed { cause: cause.clone() });
            return Some(cause);
        }
        if let Some(trouble) = publishing.trouble_of(session.id) {
            return Some(format!("its proof could not be published: {trouble}"));
        }
        let mut states = session.history.iter().rev().map(|(_, state)| state);
        let last = states.find(|state| **state != SessionState::TimedOut)?;
        Some(format!("its session was {}", last.name()))
    }

    /// A session cannot go on by its own fault: the next one opens after a pause.
    fn stop_by_itself(
        &mut self,
        turn: &mut Turn<'_>,
        id: SessionId,
        cause: String,
        publishing: &mut Publishing,
    ) {
        let Some(spec) = self.sessions.get(&id).map(|session| session.spec) else { return };
        let (times, due) = self.stops.entry(spec).or_default();
        *times += 1;
        *due = turn.now.after(comeback(*times, turn.desk.config.window(), id.0));
        let by = StoppedBy::Itself { until: *due };
        self.end(turn, id, SessionState::Stopped { by, cause }, publishing);
    }

    /// The answer to an aggregation; the range proof that must be made again, if one is lost or does not hold.
    pub(crate) fn root_ended(
        &mut self,
        turn: &mut Turn<'_>,
        job: JobId,
        result: Result<RootDone, RootError>,
        publishing: &mut Publishing,
    ) -> Option<Missing> {
        let (session, prover) = self.asker(turn, job)?;
        turn.desk.jobs.remove(&job);
        let window = turn.desk.config.window();
        let (id, epoch) = (session.id, session.spec.epoch);
        match session.tree.ended((turn.now, window), prover, job, result)? {
            RootVerdict::Made(origin) => {
                turn.report(Change::RootProven { session: id, epoch, prover, origin });
                None
            }
            RootVerdict::Again { cause } => {
                turn.report(Change::RootDelayed { session: id, epoch, prover, cause });
                None
            }
            RootVerdict::GivenUp { cause } => {
                self.stop_by_itself(turn, id, cause, publishing);
                None
            }
            RootVerdict::PartLost { range } => Some(Missing { prover, range, cause: None }),
            RootVerdict::BadPart { range, cause } => Some(Missing { prover, range, cause: Some(cause) }),
        }
    }

    pub(crate) fn note(&mut self, turn: &mut Turn<'_>, job: JobId, note: JobNote) {
        let Some((session, prover)) = self.asker(turn, job) else { return };
        if let (true, JobNote::Discarded { cause }) = (session.tree.note(prover, job, note.clone()), note) {
            turn.report(session.discarded(prover, cause));
        }
    }

    /// What became of a session's candidate. A session that was cancelled meanwhile stays so.
    pub(crate) fn settled(
        &mut self,
        turn: &mut Turn<'_>,
        id: SessionId,
        settled: Settled,
        publishing: &mut Publishing,
    ) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.state.is_live()) else {
            return;
        };
        let state = match settled {
            Settled::RootLost(prover) => {
                session.tree.lost(turn.now, prover);
                return session.enter(turn, SessionState::AwaitingRoot);
            }
            Settled::Discarded(prover, cause) => {
                turn.report(session.discarded(prover, cause.clone()));
                if session.tree.discard(turn.now, prover, &cause) {
                    return session.enter(turn, SessionState::AwaitingRoot);
                }
                let cause = format!("its {prover} proof was refused, made anew, and refused again: {cause}");
                let (epoch, end) = (session.spec.epoch, CandidateEnd::Failed { cause: cause.clone() });
                turn.report(Change::Candidate { session: id, epoch, end });
                return self.stop_by_itself(turn, id, cause, publishing);
            }
            Settled::Ended(CandidateEnd::Published { receipt }) => SessionState::Completed { receipt },
            Settled::Ended(CandidateEnd::Unsent(estimate)) => SessionState::Unsent(estimate),
            Settled::Ended(CandidateEnd::Superseded { proven }) => SessionState::Superseded { proven },
            Settled::Ended(CandidateEnd::Failed { cause }) => {
                return self.stop_by_itself(turn, id, cause, publishing);
            }
            Settled::Ended(CandidateEnd::Expired) => SessionState::TimedOut,
            Settled::Ended(CandidateEnd::Withdrawn) => SessionState::Cancelled { why: Cancelled::Moved },
        };
        self.end(turn, id, state, publishing);
    }

    /// Ends what lives, except what is being published.
    pub(crate) fn stop(&mut self, turn: &mut Turn<'_>, publishing: &mut Publishing) {
        let in_flight = publishing.in_flight();
        let live: Vec<_> =
            self.live().map(|session| session.id).filter(|id| Some(*id) != in_flight).collect();
        for session in live {
            self.end(turn, session, SessionState::Cancelled { why: Cancelled::Stopping }, publishing);
        }
    }

    /// Ends everything.
    pub(crate) fn stop_all(&mut self, turn: &mut Turn<'_>, publishing: &mut Publishing) {
        let live: Vec<_> = self.live().map(|session| session.id).collect();
        for session in live {
            self.end(turn, session, SessionState::Cancelled { why: Cancelled::Stopping }, publishing);
        }
    }

    fn end(&mut self, turn: &mut Turn<'_>, id: SessionId, state: SessionState, publishing: &mut Publishing) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.tree.cancel(turn);
        publishing.withdraw(turn, id);
        // A partial session that was only cancelled or stopped is still wanted.
        if !matches!(state, SessionState::Cancelled { .. } | SessionState::Stopped { .. }) {
            self.wanted.remove(&session.spec);
        }
        // Another content may fare better.
        if !matches!(state, SessionState::Stopped { .. }) {
            self.stops.remove(&session.spec);
        }
        session.enter(turn, state);
    }

    fn open(&mut self, turn: &mut Turn<'_>, spec: SessionSpec, store: &CheckpointStore) -> Option<SessionId> {
        self.last_id.0 += 1;
        let session = Session::new(turn, self.last_id, spec, store)?;
        self.sessions.insert(self.last_id, session);
        self.by_spec.insert((spec, self.last_id));
        Some(self.last_id)
    }

    fn note_complete(&mut self, turn: &Turn<'_>, horizon: Horizon<'_>) {
        let clock = turn.desk.config.clock;
        let open = |epoch: &Epoch| !horizon.has_expired(*epoch) && horizon.is_complete(&clock, *epoch);
        let complete: BTreeSet<_> = horizon.store.epochs().filter(open).collect();
        self.complete.retain(|epoch, _| complete.contains(epoch));
        for epoch in complete {
            self.complete.entry(epoch).or_insert(turn.now);
        }
    }

    fn open_full(&mut self, turn: &mut Turn<'_>, horizon: Horizon<'_>) {
        for epoch in self.complete.keys().copied().collect::<Vec<_>>() {
            let spec = SessionSpec::full(&turn.desk.config.clock, epoch);
            self.open_if_due(turn, horizon, spec);
        }
    }

    fn open_wanted(&mut self, turn: &mut Turn<'_>, horizon: Horizon<'_>) {
        if !horizon.caught_up() {
            return;
        }
        let clock = turn.desk.config.clock;
        for spec in self.wanted.clone() {
            let full = SessionSpec::full(&clock, spec.epoch);
            let last = |spec: SessionSpec| {
                horizon.store.within(spec.slots()).next_back().map(|last| last.checkpoint.number)
            };
            let (Some(part), Some(all)) = (last(spec), last(full)) else { continue };
            if part <= horizon.proven() {
                continue;
            }
            if part == all && horizon.is_complete(&clock, spec.epoch) {
                // The full session does it, unless this one is on its way.
                if !self.of(spec).any(|session| session.state.is_live()) {
                    self.wanted.remove(&spec);
                }
            } else {
                self.open_if_due(turn, horizon, spec);
            }
        }
    }

    /// Opens a session, unless one speaks for the content or something is in its way.
    fn open_if_due(&mut self, turn: &mut Turn<'_>, horizon: Horizon<'_>, spec: SessionSpec) {
        let store = horizon.store;
        let spoken_for = self.of(spec).any(|session| session.speaks_for(&spec, store));
        if !spoken_for && self.hindrance((turn.now, &turn.desk.config), horizon, spec).is_none() {
            self.open(turn, spec, store);
        }
    }

    /// Why an epoch has no session, if it should have one.
    pub(crate) fn why_none(
        &self,
        now: (Time, &Config),
        horizon: Horizon<'_>,
        epoch: Epoch,
    ) -> Option<Hindrance> {
        let spec = SessionSpec::full(&now.1.clock, epoch);
        let spoken_for = self.of(spec).any(|session| session.speaks_for(&spec, horizon.store));
        if spoken_for || horizon.has_expired(epoch) { None } else { self.hindrance(now, horizon, spec) }
    }

    /// A completed session that L1 does not show after a while is done again: a reorg of L1 took its submission away. So is one
    /// that L1 had made worthless.
    fn lift_unconfirmed(&mut self, turn: &Turn<'_>, horizon: Horizon<'_>) {
        let patience = turn.desk.config.unconfirmed_after;
        let Some(l1) = horizon.l1 else { return };
        for session in self.sessions.values_mut() {
            let lost = session.standing == Standing::Stands && session.span.last > l1.proven;
            let by_l1 =
                matches!(session.state, SessionState::Completed { .. } | SessionState::Superseded { .. });
            if lost && by_l1 && turn.now.since(session.since()) >= patience {
                session.standing = Standing::Lifted;
                if session.spec.kind == SessionKind::Partial && session.is_current(horizon.store) {
                    self.wanted.insert(session.spec);
                }
            }
        }
    }

    /// Forgets the oldest ended sessions of expired epochs.
    fn forget(&mut self, turn: &Turn<'_>, horizon: Horizon<'_>) {
        let old = |session: &&Session| !session.state.is_live() && horizon.has_expired(session.spec.epoch);
        let old: Vec<_> = self.sessions.values().filter(old).map(|session| session.id).collect();
        let excess = old.len().saturating_sub(turn.desk.config.remembered_sessions);
        for id in old.into_iter().take(excess) {
            if let Some(session) = self.sessions.remove(&id) {
                self.by_spec.remove(&(session.spec, id));
            }
        }
    }

    fn asker(&mut self, turn: &Turn<'_>, job: JobId) -> Option<(&mut Session, ProverType)> {
        let Asker::Root { session, prover } = *turn.desk.jobs.get(&job)? else { return None };
        Some((self.sessions.get_mut(&session)?, prover))
    }
}

/// The end that a live session has come to by what else happened.
fn judge(
    session: &Session,
    settled: SettledEpochs,
    horizon: Horizon<'_>,
    publishing: &Publishing,
) -> Option<SessionState> {
    let landing = horizon.store.is_landing();
    if !landing && !session.is_current(horizon.store) {
        return Some(SessionState::Cancelled { why: Cancelled::Moved });
    }
    if publishing.in_flight() == Some(session.id) {
        return None;
    }
    if !landing && horizon.has_expired(session.spec.epoch) {
        return Some(SessionState::TimedOut);
    }
    let made = if session.state.is_proving() { Made::NotYet } else { Made::Yes };
    if !landing && settled.is_superseded((session.spec.kind, session.span.last, made), horizon.proven()) {
        return Some(SessionState::Superseded { proven: horizon.proven() });
    }
    if !session.state.is_proving() {
        return None;
    }
    let under = session.failed_under(horizon.store)?;
    let (checkpoint, cause) = (under.checkpoint.number, under.failure().unwrap_or_default().to_owned());
    Some(SessionState::Stopped { by: StoppedBy::Checkpoint { number: checkpoint }, cause })
}
