//! The range proofs that one prover type makes for one checkpoint: at first one of all its blocks, more where that is too
//! much for a prover.

use super::{
    JobError, JobId, JobNote, Progress, RangeDone, RangeSpec, SplitPoint, Time,
    config::{TIMES_MADE_ANEW, TRIES_PER_RANGE, lost_again},
    tries::Ended,
    turn::Turn,
};
use proofmill_fault::History;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One range to be proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Which blocks.
    pub range: RangeSpec,
    /// Where its proof stands.
    pub state: PieceState,
    /// Since when.
    pub since: Time,
    /// What went wrong before.
    pub history: History,
    /// How often its proof was there and did not hold.
    pub discarded: u32,
    /// How often its proof was there and is there no more.
    #[serde(default)]
    pub lost: u32,
    /// What went wrong last, for people.
    pub trouble: Option<String>,
    /// The splits that it came of, the first one first, as long as no proof has shown that they help.
    pub halves_of: Vec<(RangeSpec, SplitPoint)>,
}

/// Where the proof of a range stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PieceState {
    /// Waits for its turn.
    Queued {
        /// What is due.
        step: Step,
    },
    /// Asked for.
    Proving {
        /// The work.
        job: JobId,
        /// How far it is, where the prover says so.
        progress: Option<Progress>,
    },
    /// The place where it is to be split is being looked up.
    Splitting {
        /// The work.
        job: JobId,
    },
    /// The service was away, or a proof was lost again; asked again later.
    Waiting {
        /// When.
        until: Time,
        /// For what.
        step: Step,
    },
    /// There.
    Proven(RangeDone),
    /// Given up, with the checkpoint.
    GivenUp,
}

/// What a piece needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Its proof.
    Prove,
    /// To be split, because it cannot be proven whole.
    Split,
}

/// What an answer meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The piece is proven.
    Proven(RangeDone),
    /// It will be tried again, whole or in parts.
    Again { cause: String },
    /// It cannot be proven now; or never, where the checkpoint is refuted.
    GivenUp { cause: String, refuted: bool },
}

impl Piece {
    fn new(now: Time, range: RangeSpec) -> Self {
        let state = PieceState::Queued { step: Step::Prove };
        let (history, halves_of) = (History::default(), Vec::new());
        Self { range, state, since: now, history, discarded: 0, lost: 0, trouble: None, halves_of }
    }

    pub(crate) const fn job(&self) -> Option<JobId> {
        match self.state {
            PieceState::Proving { job, .. } | PieceState::Splitting { job } => Some(job),
            _ => None,
        }
    }

    pub(crate) fn enter(&mut self, now: Time, state: PieceState) {
        (self.state, self.since) = (state, now);
    }

    /// The answer to the job under way.
    fn ended(
        &mut self,
        (now, window): (Time, Duration),
        job: JobId,
        result: Result<RangeDone, JobError>,
    ) -> Verdict {
        let error = match result {
            Ok(done) => {
                self.history.advanced();
                self.trouble = None;
                self.enter(now, PieceState::Proven(done));
                return Verdict::Proven(done);
            }
            Err(error) => error,
        };
        let cause = error.to_string();
        self.trouble = Some(cause.clone());
        let ended = Ended { job, now, window, tries: TRIES_PER_RANGE };
        if matches!(self.state, PieceState::Splitting { .. }) {
            return self.split_later(ended, cause);
        }
        if let Some(until) = ended.again(&mut self.history, &error) {
            self.enter(now, PieceState::Waiting { until, step: Step::Prove });
            return Verdict::Again { cause };
        }
        match error {
            JobError::Refuted { .. } => {
                self.enter(now, PieceState::GivenUp);
                Verdict::GivenUp { cause, refuted: true }
            }
            // A shorter one would come to the same.
            JobError::BadProof { .. } => self.give_up(now, cause),
            _ if self.range.middle().is_none() => self.give_up(now, cause),
            _ => {
                self.enter(now, PieceState::Queued { step: Step::Split });
                Verdict::Again { cause }
            }
        }
    }

    /// Its proof does not hold: it is made anew once.
    fn discard(&mut self, now: Time, cause: String) -> Verdict {
        self.discarded += 1;
        self.trouble = Some(cause.clone());
        if self.discarded > TIMES_MADE_ANEW {
            let cause = format!("its proof does not hold, also after it was made anew: {cause}");
            return self.give_up(now, cause);
        }
        self.enter(now, PieceState::Queued { step: Step::Prove });
        Verdict::Again { cause }
    }

    /// The place could not be looked up, whatever was said of that: it says nothing about the range.
    fn split_later(&mut self, ended: Ended, cause: String) -> Verdict {
        let away = JobError::Unavailable { cause: cause.clone() };
        if let Some(until) = ended.again(&mut self.history, &away) {
            self.enter(ended.now, PieceState::Waiting { until, step: Step::Split });
        }
        Verdict::Again { cause }
    }

    fn give_up(&mut self, now: Time, cause: String) -> Verdict {
        self.enter(now, PieceState::GivenUp);
        Verdict::GivenUp { cause, refuted: false }
    }
}

/// The pieces of one prover type, in the order of their blocks. Together they are the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// In the order of their blocks.
    pub pieces: Vec<Piece>,
    /// When the last of them was proven.
    pub proven_at: Option<Time>,
}

impl Track {
    pub(crate) fn new(now: Time, whole: RangeSpec) -> Self {
        Self { pieces: vec![Piece::new(now, whole)], proven_at: None }
    }

    /// The ranges, where every one is proven.
    pub(crate) fn proven(&self) -> Option<impl Iterator<Item = RangeSpec>> {
        self.proven_at.map(|_| self.pieces.iter().map(|piece| piece.range))
    }

    /// Takes the jobs back.
    pub(crate) fn halt(&mut self, turn: &mut Turn<'_>) {
        for piece in &mut self.pieces {
            if let Some(job) = piece.job() {
                turn.cancel(job);
                piece.enter(turn.now, PieceState::Queued { step: Step::Prove });
            }
        }
    }

    /// The answer to a job, with the range it was about.
    pub(crate) fn ended(
        &mut self,
        now: Time,
        window: Duration,
        job: JobId,
        result: Result<RangeDone, JobError>,
    ) -> Option<(RangeSpec, Verdict)> {
        let piece = self.pieces.iter_mut().find(|piece| piece.job() == Some(job))?;
        let verdict = piece.ended((now, window), job, result);
        let range = piece.range;
        self.mark(now);
        Some((range, verdict))
    }

    /// Two pieces for one; the range that was split. A point outside the range changes nothing but the piece's trouble.
    pub(crate) fn split(
        &mut self,
        (now, window): (Time, Duration),
        job: JobId,
        point: SplitPoint,
    ) -> Option<RangeSpec> {
        let at = self.pieces.iter().position(|piece| piece.job() == Some(job))?;
        let piece = self.pieces.get_mut(at)?;
        let range = piece.range;
        match range.split(point) {
            Some((first, second)) => {
                let mut halves_of = piece.halves_of.clone();
                halves_of.push((range, point));
                let half = |range| Piece { halves_of: halves_of.clone(), ..Piece::new(now, range) };
                let halves = [half(first), half(second)];
                self.pieces.splice(at..=at, halves);
                Some(range)
            }
            None => {
                let cause = format!("block {} is no place to split it", point.at);
                piece.trouble = Some(cause.clone());
                piece.split_later(Ended { job, now, window, tries: TRIES_PER_RANGE }, cause);
                None
            }
        }
    }

    /// The splits that the proof of a range has shown to help. Each is told once.
    pub(crate) fn proven_splits(&mut self, range: RangeSpec) -> Vec<(RangeSpec, SplitPoint)> {
        let of = self.pieces.iter().find(|piece| piece.range == range);
        let splits = of.map(|piece| piece.halves_of.clone()).unwrap_or_default();
        for piece in &mut self.pieces {
            piece.halves_of.retain(|split| !splits.contains(split));
        }
        splits
    }

    /// What was given up is tried again, from the beginning.
    pub(crate) fn come_back(&mut self, now: Time) {
        for piece in &mut self.pieces {
            if piece.state == PieceState::GivenUp {
                (piece.history, piece.discarded) = (History::default(), 0);
                piece.enter(now, PieceState::Queued { step: Step::Prove });
            }
        }
    }

    /// Takes note; the range that it is about.
    pub(crate) fn note(&mut self, job: JobId, note: JobNote) -> Option<RangeSpec> {
        let piece = self.pieces.iter_mut().find(|piece| piece.job() == Some(job))?;
        match (note, &mut piece.state) {
            (JobNote::Progress(new), PieceState::Proving { progress, .. }) => {
                (*progress, piece.trouble) = (Some(new), None);
            }
            (JobNote::HeldUp { cause } | JobNote::Discarded { cause }, _) => piece.trouble = Some(cause),
            _ => {}
        }
        Some(piece.range)
    }

    /// A proof that was there does not hold, and is removed; nothing where none was counted on.
    pub(crate) fn discard(&mut self, now: Time, range: RangeSpec, cause: String) -> Option<Verdict> {
        let piece = self.proven_piece(range)?;
        let verdict = piece.discard(now, cause);
        self.proven_at = None;
        Some(verdict)
    }

    fn proven_piece(&mut self, range: RangeSpec) -> Option<&mut Piece> {
        let proven =
            |piece: &&mut Piece| matches!(piece.state, PieceState::Proven(_)) && piece.range == range;
        self.pieces.iter_mut().find(proven)
    }

    /// A proof that was there is lost: it is made again.
    pub(crate) fn lost(&mut self, now: Time, range: RangeSpec) {
        if let Some(piece) = self.proven_piece(range) {
            piece.trouble = Some("its proof was lost from the store".into());
            piece.lost = piece.lost.saturating_add(1);
            let until = now.after(lost_again(piece.lost));
            piece.enter(now, PieceState::Waiting { until, step: Step::Prove });
            self.proven_at = None;
        }
    }

    /// Queues what has waited long enough.
    pub(crate) fn wake(&mut self, now: Time) {
        for piece in &mut self.pieces {
            if let PieceState::Waiting { until, step } = piece.state
                && until <= now
            {
                piece.enter(now, PieceState::Queued { step });
            }
        }
    }

    fn mark(&mut self, now: Time) {
        if self.proven_at.is_none()
            && self.pieces.iter().all(|piece| matches!(piece.state, PieceState::Proven(_)))
        {
            self.proven_at = Some(now);
        }
    }
}
