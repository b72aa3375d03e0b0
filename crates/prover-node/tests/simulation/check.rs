//! What must be true after every event, computed the slow and obvious way from what was told and reported.

use crate::chains::{L1, Stream, clock};
use proofmill_primitives::{CheckpointNumber, Epoch, ProverType};
use proofmill_prover_node::rules::{
    Candidate, Change, CheckpointState, Config, EpochSpec, Failed, Failure, NodeState, RangeSpec, SessionId,
    SessionKind, SessionSpec, SessionState, StoppedBy, Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// A session as it was reported.
struct Reported {
    spec: SessionSpec,
    state: SessionState,
    /// What stood in its slots when it was opened.
    numbers: Vec<CheckpointNumber>,
}

pub(crate) struct Ledger {
    config: Config,
    sessions: BTreeMap<SessionId, Reported>,
    high_water: Option<Epoch>,
    /// Counts what lets a stopped session be tried again before its time: content that moved, an operator who asks.
    reasons: u64,
    /// Sessions that stopped by themselves, with the count at that time, and when they may come back.
    stopped: BTreeMap<(SessionSpec, Vec<CheckpointNumber>), (u64, Time)>,
    /// Epochs whose record was made.
    uploads: BTreeSet<Epoch>,
    /// How often an epoch proof of a session was refused.
    refused: BTreeMap<(SessionId, ProverType), u32>,
}

impl Ledger {
    pub(crate) const fn new(config: Config) -> Self {
        Self {
            config,
            sessions: BTreeMap::new(),
            high_water: None,
            reasons: 0,
            stopped: BTreeMap::new(),
            uploads: BTreeSet::new(),
            refused: BTreeMap::new(),
        }
    }

    pub(crate) fn asked(&mut self, _: Epoch) {
        self.reasons += 1;
    }

    pub(crate) fn moved(&mut self) {
        self.reasons += 1;
    }

    /// The process is another: what the old one had in memory is gone.
    pub(crate) fn restarted(&mut self) {
        self.sessions.clear();
        self.uploads.clear();
        self.refused.clear();
        self.stopped.clear();
        self.high_water = None;
    }

    /// An epoch proof is refused: how often with this time, and whether its session lives.
    pub(crate) fn refused(&mut self, session: SessionId, prover: ProverType) -> (u32, bool) {
        let times = self.refused.entry((session, prover)).or_default();
        *times += 1;
        (*times, self.sessions[&session].state.is_live())
    }

    /// The first time it is made anew, the second time it is a failure.
    pub(crate) fn check_refused(&self, session: SessionId, (times, lived): (u32, bool)) {
        let state = &self.sessions[&session].state;
        match (lived, times) {
            (true, 1) => assert!(!matches!(state, SessionState::Stopped { .. }), "{state:?} at once"),
            (true, _) => assert!(!state.is_live(), "{state:?}, refused {times} times"),
            (false, _) => assert!(!state.is_live(), "{state:?} again"),
        }
    }

    pub(crate) fn none_live(&self) -> bool {
        self.sessions.values().all(|session| !session.state.is_live())
    }

    /// A record is made of an epoch whose window closed without a proof, once.
    pub(crate) fn uploaded(&mut self, failure: &Failure) {
        // That of a refuted checkpoint is made at once, and again where an operator insists.
        if matches!(failure.what, Failed::Session { .. }) {
            assert!(self.uploads.insert(failure.epoch), "{:?} recorded twice", failure.epoch);
        }
        assert!(!failure.cause.is_empty() && !failure.checkpoints.is_empty() && !failure.journal.is_empty());
    }

    pub(crate) fn note(&mut self, change: &Change, stream: &Stream, l1: &L1, now: Time) {
        match change {
            Change::Session { session, spec, state } => {
                self.session(*session, *spec, state, stream, (l1, now))
            }
            Change::Expired { through } => {
                assert!(Some(*through) > self.high_water, "the high-water mark went back");
                self.high_water = Some(*through);
            }
            Change::EpochMissed { epoch, .. } => {
                assert!(l1.time >= clock().deadline(*epoch), "{epoch:?} is missed, and its window is open");
            }
            _ => {}
        }
    }

    fn session(
        &mut self,
        id: SessionId,
        spec: SessionSpec,
        state: &SessionState,
        stream: &Stream,
        at: (&L1, Time),
    ) {
        use SessionState as S;
        if *state == S::Initialized {
            return self.opened(id, spec, stream, at);
        }
        let session = self.sessions.get_mut(&id).expect("a session that was opened");
        assert_eq!(session.spec, spec);
        let follows = match (&session.state, state) {
            (S::Initialized | S::AwaitingRoot, S::AwaitingCheckpoints)
            | (S::Initialized | S::AwaitingCheckpoints | S::Publishing, S::AwaitingRoot)
            | (S::AwaitingCheckpoints | S::AwaitingRoot, S::Publishing)
            | (S::Publishing, S::Completed { .. }) => true,
            (before, S::Stopped { by: StoppedBy::Checkpoint { .. }, .. }) => before.is_proving(),
            (before, S::Stopped { by: StoppedBy::Itself { .. }, .. }) => before.is_live(),
            (before, S::Failed { .. }) => matches!(before, S::Stopped { .. }),
            (before, S::Superseded { .. } | S::TimedOut | S::Cancelled { .. }) => before.is_live(),
            _ => false,
        };
        assert!(follows, "{id} went from {:?} to {state:?}", session.state);
        session.state = state.clone();
        if let S::Stopped { by: StoppedBy::Itself { until }, .. } = state {
            self.stopped.insert((spec, session.numbers.clone()), (self.reasons, *until));
        }
    }

    fn opened(&mut self, id: SessionId, spec: SessionSpec, stream: &Stream, (l1, now): (&L1, Time)) {
        let slots = spec.slots();
        let members: Vec<_> = stream.told.iter().filter(|told| slots.contains(&told.slot)).collect();
        let numbers: Vec<_> = members.iter().map(|told| told.number).collect();
        assert!(!numbers.is_empty(), "a session over nothing");
        assert!(self.high_water.is_none_or(|expired| spec.epoch > expired), "a session for an expired epoch");
        if spec.kind == SessionKind::Full {
            let newest = stream.told.last().map(|newest| clock().epoch_of(newest.slot));
            assert!(
                newest > Some(spec.epoch) || l1.time >= clock().ends_at(spec.epoch),
                "{spec:?} is not complete"
            );
            assert_eq!(spec, SessionSpec::full(&clock(), spec.epoch));
        } else {
            let last = members.last().unwrap();
            assert!(last.slot <= spec.to && spec.from == clock().first_slot(spec.epoch));
        }
        let rivals = self.sessions.values().filter(|other| other.spec == spec && other.state.is_live());
        assert_eq!(rivals.count(), 0, "two sessions for {spec:?}");
        let stopped = self.stopped.get(&(spec, numbers.clone()));
        let may = |(then, until): &(u64, Time)| *then < self.reasons || now >= *until;
        assert!(stopped.is_none_or(may), "{spec:?} stopped, and comes back too soon");
        let state = SessionState::Initialized;
        assert!(self.sessions.insert(id, Reported { spec, state, numbers }).is_none(), "{id} is used twice");
    }

    /// What is published is what stands, as far as the node was told.
    pub(crate) fn check_candidate(&self, candidate: &Candidate, stream: &Stream) {
        let session = &self.sessions[&candidate.session];
        assert_eq!(session.state, SessionState::Publishing, "published by {:?}", session.spec);
        let slots = session.spec.slots();
        let members: Vec<_> = stream.told.iter().filter(|told| slots.contains(&told.slot)).collect();
        let (first, last) = (members.first().expect("content"), members.last().expect("content"));
        assert_eq!((first.number, last.number), (candidate.span.first, candidate.span.last), "content moved");
        assert_eq!(EpochSpec::spanning(first, last), Some(candidate.span.spec), "content moved");
    }

    pub(crate) fn check(&mut self, node: &NodeState, stream: &Stream) {
        let snapshot = node.snapshot();
        assert_eq!(node.high_water(), self.high_water);
        // One prover per checkpoint that stands, but for those that are settled.
        let here: Vec<_> = snapshot.checkpoints.iter().map(|status| status.checkpoint).collect();
        assert!(stream.told.ends_with(&here), "{here:?} is not what was told");
        let proven = snapshot.l1.map_or(CheckpointNumber(0), |l1| l1.proven);
        for settled in &stream.told[..stream.told.len() - here.len()] {
            let expired = self.high_water.is_some_and(|mark| clock().epoch_of(settled.slot) <= mark);
            assert!(expired, "{settled:?} was forgotten, proven up to {proven}");
        }
        for status in &snapshot.checkpoints {
            for track in status.tracks.values() {
                let ranges: Vec<_> = track.pieces.iter().map(|piece| piece.range).collect();
                let whole = RangeSpec::spanning(&ranges[0], ranges.last().unwrap());
                assert_eq!(whole, Some(RangeSpec::of(&status.checkpoint)), "pieces are not the whole");
                assert!(ranges.windows(2).all(|pair| pair[0].last_hash == pair[1].parent_hash));
            }
            let expired = self.high_water.is_some_and(|mark| status.epoch <= mark);
            assert_eq!(status.state == CheckpointState::Expired, expired);
        }
        // One that lost the proof it had comes back, also where others have taken its room.
        let had_its_proof = |history: &[(Time, SessionState)]| {
            history.iter().any(|(_, state)| *state == SessionState::Publishing)
        };
        let proving = snapshot.sessions.iter().filter(|session| session.state.is_proving());
        let live = proving.filter(|session| !had_its_proof(&session.history)).count();
        assert!(live <= self.config.max_pending_jobs.get(), "{live} pending jobs");
        for session in &snapshot.sessions {
            assert_eq!(session.state, self.sessions[&session.id].state);
            let under = |status: &&proofmill_prover_node::rules::CheckpointStatus| {
                session.spec.slots().contains(&status.checkpoint.slot)
            };
            if session.state.is_proving() {
                let failed = |status: &proofmill_prover_node::rules::CheckpointStatus| {
                    matches!(status.state, CheckpointState::Failed { .. } | CheckpointState::Stopped { .. })
                };
                assert!(
                    !snapshot.checkpoints.iter().filter(under).any(failed),
                    "built over a failed checkpoint"
                );
            }
        }
        let remembered: BTreeSet<_> = snapshot.sessions.iter().map(|session| session.id).collect();
        for (id, session) in &self.sessions {
            assert!(remembered.contains(id) || !session.state.is_live(), "{id} was forgotten while it lived");
        }
        let queued = snapshot.candidates.iter().map(|candidate| candidate.session);
        for session in queued {
            assert_eq!(self.sessions[&session].state, SessionState::Publishing);
        }
    }

    /// Epochs in which something failed that waits for an operator.
    pub(crate) fn failed_epochs(&self, node: &NodeState) -> BTreeSet<Epoch> {
        let snapshot = node.snapshot();
        let checkpoints = snapshot
            .checkpoints
            .iter()
            .filter(|status| matches!(status.state, CheckpointState::Failed { .. }))
            .map(|status| status.epoch);
        let sessions = snapshot
            .sessions
            .iter()
            .filter(|session| matches!(session.state, SessionState::Failed { .. }))
            .map(|session| session.spec.epoch);
        let is_open = |epoch: &Epoch| node.high_water().is_none_or(|expired| *epoch > expired);
        checkpoints.chain(sessions).filter(is_open).collect()
    }
}
