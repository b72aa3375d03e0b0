//! Checkpoint provers: what becomes of one checkpoint.

use super::{
    Action, Change, Failed, Failure, FailurePiece, JobError, JobId, JobNote, ProofLevel, RangeDone,
    RangeSpec, SplitPoint, Time,
    config::comeback,
    event::number,
    track::{PieceState, Step, Track, Verdict},
    turn::{Asker, Turn},
};
use proofmill_primitives::{Checkpoint, CheckpointId, Epoch, ProverType};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

number! {
    /// Tells a checkpoint prover from another one for the same content, made after a prune.
    Instance
}

/// Where a checkpoint prover stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckpointState {
    /// Range proofs are being made.
    Proving,
    /// All range proofs are there.
    Proven {
        /// Since when.
        at: Time,
    },
    /// Some range could not be proven. Nothing is built over it until it comes back by itself, or an operator asks to retry.
    Stopped {
        /// What gave up.
        prover: ProverType,
        /// On which blocks.
        range: RangeSpec,
        /// Why.
        cause: String,
        /// When.
        at: Time,
        /// When it comes back.
        until: Time,
    },
    /// Its blocks do not give what it says on L1. Nothing is built over it unless an operator asks to retry, or a prune
    /// removes it.
    Failed {
        /// What gave up.
        prover: ProverType,
        /// On which blocks.
        range: RangeSpec,
        /// Why.
        cause: String,
        /// When.
        at: Time,
    },
    /// The window of its epoch has closed.
    Expired,
}

/// Makes the range proofs of one checkpoint, of every prover type. It begins at once; it ends by being dropped from the
/// store, which takes its jobs back.
#[derive(Clone, Debug)]
pub(crate) struct CheckpointProver {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) epoch: Epoch,
    pub(crate) instance: Instance,
    pub(crate) added: Time,
    pub(crate) tracks: BTreeMap<ProverType, Track>,
    pub(crate) state: CheckpointState,
    /// How often in a row it stopped.
    stops: u32,
}

impl CheckpointProver {
    /// All its ranges are queued; [`start`](Self::start) gives them out as there is room.
    pub(crate) fn new(turn: &mut Turn<'_>, checkpoint: Checkpoint, instance: Instance) -> Self {
        let (id, epoch) = (checkpoint.id(), turn.desk.config.clock.epoch_of(checkpoint.slot));
        turn.report(Change::CheckpointAdded { id, epoch });
        let whole = RangeSpec::of(&checkpoint);
        let tracks =
            turn.desk.config.provers.iter().map(|prover| (*prover, Track::new(turn.now, whole))).collect();
        let (added, state) = (turn.now, CheckpointState::Proving);
        Self { checkpoint, epoch, instance, added, tracks, state, stops: 0 }
    }

    pub(crate) const fn id(&self) -> CheckpointId {
        self.checkpoint.id()
    }

    /// Why nothing may be built over it, if so.
    pub(crate) fn failure(&self) -> Option<&str> {
        match &self.state {
            CheckpointState::Failed { cause, .. } | CheckpointState::Stopped { cause, .. } => Some(cause),
            _ => None,
        }
    }

    /// The ranges that it is proven in.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = FailurePiece> {
        let checkpoint = self.checkpoint.number;
        self.tracks.iter().flat_map(move |(prover, track)| {
            track.pieces.iter().map(move |piece| FailurePiece {
                checkpoint,
                prover: *prover,
                range: piece.range,
            })
        })
    }

    /// Whether it asked for this job.
    pub(crate) fn asked(&self, prover: ProverType, job: JobId) -> bool {
        let of_it = |track: &Track| track.pieces.iter().any(|piece| piece.job() == Some(job));
        self.tracks.get(&prover).is_some_and(of_it)
    }

    /// The proven ranges of one type, where all are there.
    pub(crate) fn proven(&self, prover: ProverType) -> Option<impl Iterator<Item = RangeSpec>> {
        self.tracks.get(&prover)?.proven()
    }

    fn is_proving(&self) -> bool {
        self.state == CheckpointState::Proving
    }

    /// Gives out queued ranges of a type, at most `room`; how many.
    pub(crate) fn start(&mut self, turn: &mut Turn<'_>, prover: ProverType, room: usize) -> usize {
        if !self.is_proving() {
            return 0;
        }
        let Some(track) = self.tracks.get_mut(&prover) else { return 0 };
        track.wake(turn.now);
        let queued = track.pieces.iter_mut().filter_map(|piece| match piece.state {
            PieceState::Queued { step } => Some((step, piece)),
            _ => None,
        });
        let mut started = 0;
        for (step, piece) in queued.take(room) {
            let job = turn.ask(Asker::Range { checkpoint: self.checkpoint.number, prover });
            let (range, checkpoint) = (piece.range, self.checkpoint);
            match (step, range.middle()) {
                (Step::Split, Some(at)) => {
                    piece.enter(turn.now, PieceState::Splitting { job });
                    turn.actions.push(Action::FindSplit { job, prover, range, at });
                }
                (Step::Prove, _) | (Step::Split, None) => {
                    piece.enter(turn.now, PieceState::Proving { job, progress: None });
                    let cycle_limit = turn.desk.cycle_limit(prover);
                    turn.actions.push(Action::Prove { job, prover, checkpoint, range, cycle_limit });
                }
            }
            started += 1;
        }
        started
    }

    pub(crate) fn ended(
        &mut self,
        turn: &mut Turn<'_>,
        prover: ProverType,
        job: JobId,
        result: Result<RangeDone, JobError>,
    ) {
        let Some(track) = self.tracks.get_mut(&prover) else { return };
        let Some((range, verdict)) = track.ended(turn.now, turn.desk.config.window(), job, result) else {
            return;
        };
        let (checkpoint, epoch) = (self.checkpoint.number, self.epoch);
        match verdict {
            Verdict::Proven(done) => {
                for (range, split) in track.proven_splits(range) {
                    turn.actions.push(Action::KeepSplit { prover, range, split });
                }
                turn.desk.speeds.learn(prover, &done);
                let (origin, per_gas, warn_above) =
                    (done.origin, done.per_gas(), turn.desk.config.cost.warn_above);
                turn.report(Change::RangeProven { checkpoint, epoch, prover, range, origin, per_gas });
                if let Some(per_gas) = per_gas.filter(|per_gas| *per_gas > warn_above) {
                    turn.report(Change::RangeCostly {
                        checkpoint,
                        epoch,
                        prover,
                        range,
                        per_gas,
                        warn_above,
                    });
                }
                if self.tracks.values().all(|track| track.proven_at.is_some()) {
                    self.state = CheckpointState::Proven { at: turn.now };
                    self.stops = 0;
                    turn.report(Change::CheckpointProven { id: self.id(), epoch });
                }
            }
            Verdict::Again { cause } => {
                turn.report(Change::RangeFailed { checkpoint, epoch, prover, range, cause });
            }
            Verdict::GivenUp { cause, refuted: true } => self.fail(turn, prover, range, cause),
            Verdict::GivenUp { cause, refuted: false } => self.stop(turn, prover, range, cause),
        }
    }

    pub(crate) fn split(&mut self, turn: &mut Turn<'_>, prover: ProverType, job: JobId, point: SplitPoint) {
        let Some(track) = self.tracks.get_mut(&prover) else { return };
        if let Some(range) = track.split((turn.now, turn.desk.config.window()), job, point) {
            let (checkpoint, epoch) = (self.checkpoint.number, self.epoch);
            turn.report(Change::RangeSplit { checkpoint, epoch, prover, range, at: point.at });
        }
    }

    pub(crate) fn note(&mut self, turn: &mut Turn<'_>, prover: ProverType, job: JobId, note: JobNote) {
        let Some(track) = self.tracks.get_mut(&prover) else { return };
        let Some(range) = track.note(job, note.clone()) else { return };
        if let JobNote::Discarded { cause } = note {
            let (epoch, level) = (self.epoch, ProofLevel::Range);
            turn.report(Change::ProofDiscarded { epoch, prover, level, range, cause });
        }
    }

    /// A range proof is no longer in the store.
    pub(crate) fn lost(&mut self, now: Time, prover: ProverType, range: RangeSpec) {
        if let Some(track) = self.tracks.get_mut(&prover) {
            track.lost(now, range);
            if matches!(self.state, CheckpointState::Proven { .. }) && track.proven_at.is_none() {
                self.state = CheckpointState::Proving;
            }
        }
    }

    /// A range proof that was there does not hold, and is removed.
    pub(crate) fn discard(&mut self, turn: &mut Turn<'_>, prover: ProverType, range: RangeSpec, cause: &str) {
        let Some(track) = self.tracks.get_mut(&prover) else { return };
        let Some(verdict) = track.discard(turn.now, range, cause.to_owned()) else { return };
        let (epoch, level) = (self.epoch, ProofLevel::Range);
        turn.report(Change::ProofDiscarded { epoch, prover, level, range, cause: cause.to_owned() });
        if matches!(self.state, CheckpointState::Proven { .. }) {
            self.state = CheckpointState::Proving;
        }
        if let (Verdict::GivenUp { cause, .. }, CheckpointState::Proving) = (verdict, &self.state) {
            self.stop(turn, prover, range, cause);
        }
    }

    /// It cannot go on now: it comes back by itself, as long as L1's window is open.
    fn stop(&mut self, turn: &mut Turn<'_>, prover: ProverType, range: RangeSpec, cause: String) {
        self.cancel(turn);
        self.stops += 1;
        let (id, epoch, at) = (self.id(), self.epoch, turn.now);
        let until = at.after(comeback(self.stops, turn.desk.config.window(), self.instance.0));
        self.state = CheckpointState::Stopped { prover, range, cause: cause.clone(), at, until };
        turn.report(Change::CheckpointStopped { id, epoch, cause, until });
    }

    /// Goes on, if it stopped long enough ago.
    pub(crate) fn come_back(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.state, CheckpointState::Stopped { until, .. } if until <= turn.now) {
            self.tracks.values_mut().for_each(|track| track.come_back(turn.now));
            self.state = CheckpointState::Proving;
            turn.report(Change::CheckpointResumed { id: self.id(), epoch: self.epoch });
        }
    }

    fn fail(&mut self, turn: &mut Turn<'_>, prover: ProverType, range: RangeSpec, cause: String) {
        self.cancel(turn);
        let (id, epoch, at) = (self.id(), self.epoch, turn.now);
        self.state = CheckpointState::Failed { prover, range, cause: cause.clone(), at };
        turn.report(Change::CheckpointFailed { id, epoch, cause: cause.clone() });
        turn.actions.push(Action::Upload(Failure {
            what: Failed::Checkpoint { prover, range },
            cause,
            epoch,
            missed: false,
            checkpoints: vec![self.checkpoint],
            pieces: self.pieces().collect(),
            at,
            journal: turn.desk.journal_of(epoch),
        }));
    }

    pub(crate) fn expire(&mut self, turn: &mut Turn<'_>) {
        self.cancel(turn);
        self.state = CheckpointState::Expired;
    }

    /// Takes its jobs back.
    pub(crate) fn cancel(&mut self, turn: &mut Turn<'_>) {
        self.tracks.values_mut().for_each(|track| track.halt(turn));
    }
}
