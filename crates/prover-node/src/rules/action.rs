//! What follows from an event.

use super::{
    CandidateEnd, EpochSpec, JobId, L1Time, Origin, Pass, ProofLevel, RangeSpec, Receipt, SessionId,
    SessionState, SplitPoint, Time, publishing::Candidate, session::SessionSpec,
};
use proofmill_chain::PruneCause;
use proofmill_primitives::{Checkpoint, CheckpointId, CheckpointNumber, Epoch, ProverType};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// Something that the shell around the rules must do, in the order given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Give a range proof: from the proof store where it is there, else from the proof service.
    Prove {
        /// Answered with this.
        job: JobId,
        /// What is to make it.
        prover: ProverType,
        /// Of which checkpoint.
        checkpoint: Checkpoint,
        /// Which of its blocks.
        range: RangeSpec,
        /// The most instructions that they may take.
        cycle_limit: NonZeroU64,
    },
    /// Find the hash of the block at which a range is to be split.
    FindSplit {
        /// Answered with this.
        job: JobId,
        /// For which prover type.
        prover: ProverType,
        /// What is split.
        range: RangeSpec,
        /// The last block of the first half.
        at: u64,
    },
    /// A part of a range that was split is proven: keep the split in the proof store, for whoever is to prove the range
    /// again.
    KeepSplit {
        /// For which prover type.
        prover: ProverType,
        /// What is split.
        range: RangeSpec,
        /// Where.
        split: SplitPoint,
    },
    /// Give an epoch proof: from the proof store where it is there, else from the proof service.
    Aggregate {
        /// Answered with this.
        job: JobId,
        /// What is to make it.
        prover: ProverType,
        /// What it is about.
        span: EpochSpec,
        /// The range proofs to aggregate, in order.
        ranges: Vec<RangeSpec>,
        /// How many of them each checkpoint has, in order.
        checkpoints: Vec<u32>,
    },
    /// The work is no longer wanted. Nothing comes of an answer to it.
    Cancel {
        /// Which.
        job: JobId,
    },
    /// Read L1's state afresh.
    ReadTip {
        /// Answered with this.
        pass: Pass,
    },
    /// Submit an epoch proof to L1.
    Publish {
        /// Answered with this.
        pass: Pass,
        /// What.
        candidate: Candidate,
    },
    /// Give up on L1 what was not proven in time.
    Prune {
        /// Answered with this.
        pass: Pass,
    },
    /// The stored proofs of these and older blocks are no longer needed.
    Release {
        /// The last of these blocks.
        through: u64,
    },
    /// Keep what operators have asked for and is not done, so that it survives a restart.
    KeepRequests {
        /// The partial sessions.
        wanted: Vec<SessionSpec>,
    },
    /// Keep a record of a failure where an operator can look at it.
    Upload(Failure),
    /// Tell whoever watches.
    Report(Change),
}

/// A failure that is worth a look, with what led to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What failed.
    pub what: Failed,
    /// Why.
    pub cause: String,
    /// The epoch.
    pub epoch: Epoch,
    /// Whether the window of the epoch closed without a proof: then it is about all of it. Records of earlier releases do not say.
    #[serde(default)]
    pub missed: bool,
    /// The checkpoints it is about.
    pub checkpoints: Vec<Checkpoint>,
    /// The ranges that they are proven in, in order.
    pub pieces: Vec<FailurePiece>,
    /// When.
    pub at: Time,
    /// What was reported of the epoch before, oldest first.
    pub journal: Vec<Entry>,
}

/// A range of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailurePiece {
    /// Of which checkpoint.
    pub checkpoint: CheckpointNumber,
    /// For which prover type.
    pub prover: ProverType,
    /// Which of its blocks.
    pub range: RangeSpec,
}

/// What failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failed {
    /// A checkpoint prover.
    Checkpoint {
        /// Which prover type gave up.
        prover: ProverType,
        /// On which blocks.
        range: RangeSpec,
    },
    /// A session, on its own account.
    Session {
        /// What it was to prove.
        spec: SessionSpec,
    },
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Time,
    /// What.
    pub change: Change,
}

/// Something that an operator may want to know, a metric to count, or a test to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A chain stream began, at the start or anew.
    Began,
    /// A checkpoint prover was made.
    CheckpointAdded {
        /// Which.
        id: CheckpointId,
        /// Its epoch.
        epoch: Epoch,
    },
    /// A range proof is there.
    RangeProven {
        /// Of which checkpoint.
        checkpoint: CheckpointNumber,
        /// Its epoch.
        epoch: Epoch,
        /// What made it.
        prover: ProverType,
        /// Of which blocks.
        range: RangeSpec,
        /// Whether it was made now.
        origin: Origin,
        /// How many instructions it took for each gas, where they are counted.
        per_gas: Option<u64>,
    },
    /// A range takes more instructions for each gas than the operator would like.
    RangeCostly {
        /// Of which checkpoint.
        checkpoint: CheckpointNumber,
        /// Its epoch.
        epoch: Epoch,
        /// What proved it.
        prover: ProverType,
        /// Of which blocks.
        range: RangeSpec,
        /// How many for each gas.
        per_gas: u64,
        /// Above how many that is said.
        warn_above: u64,
    },
    /// A range proof was not made.
    RangeFailed {
        /// Of which checkpoint.
        checkpoint: CheckpointNumber,
        /// Its epoch.
        epoch: Epoch,
        /// What was to make it.
        prover: ProverType,
        /// Of which blocks.
        range: RangeSpec,
        /// Why.
        cause: String,
    },
    /// A range is proven in two parts.
    RangeSplit {
        /// Of which checkpoint.
        checkpoint: CheckpointNumber,
        /// Its epoch.
        epoch: Epoch,
        /// By what.
        prover: ProverType,
        /// The whole.
        range: RangeSpec,
        /// The last block of the first part.
        at: u64,
    },
    /// A checkpoint has all its range proofs.
    CheckpointProven {
        /// Which.
        id: CheckpointId,
        /// Its epoch.
        epoch: Epoch,
    },
    /// A checkpoint could not be proven.
    CheckpointFailed {
        /// Which.
        id: CheckpointId,
        /// Its epoch.
        epoch: Epoch,
        /// Why.
        cause: String,
    },
    /// Checkpoints became void.
    Pruned {
        /// The last that stands.
        to: CheckpointNumber,
        /// How many were there.
        removed: usize,
        /// Why.
        cause: PruneCause,
    },
    /// A session changed its state.
    Session {
        /// Which.
        session: SessionId,
        /// What it is to prove.
        spec: SessionSpec,
        /// Its state now.
        state: SessionState,
    },
    /// An epoch proof was not made, and is tried again.
    RootDelayed {
        /// For which session.
        session: SessionId,
        /// Its epoch.
        epoch: Epoch,
        /// What was to make it.
        prover: ProverType,
        /// Why.
        cause: String,
    },
    /// A checkpoint could not be proven now. It comes back by itself.
    CheckpointStopped {
        /// Which.
        id: CheckpointId,
        /// Its epoch.
        epoch: Epoch,
        /// Why.
        cause: String,
        /// When it comes back.
        until: Time,
    },
    /// A checkpoint that had stopped is tried again.
    CheckpointResumed {
        /// Which.
        id: CheckpointId,
        /// Its epoch.
        epoch: Epoch,
    },
    /// The window of an epoch closed, and L1 has no proof of it.
    EpochMissed {
        /// Which.
        epoch: Epoch,
        /// What kept it from being proven.
        cause: String,
    },
    /// An epoch proof of one type is there.
    RootProven {
        /// For which session.
        session: SessionId,
        /// Its epoch.
        epoch: Epoch,
        /// What made it.
        prover: ProverType,
        /// Whether it was made now.
        origin: Origin,
    },
    /// A proof that was there does not hold, or was refused. It is removed with its evidence kept, and made anew if that was
    /// not done before.
    ProofDiscarded {
        /// Of which epoch.
        epoch: Epoch,
        /// What made it.
        prover: ProverType,
        /// Of a range, or of the epoch.
        level: ProofLevel,
        /// Of which blocks.
        range: RangeSpec,
        /// What refused it, and why.
        cause: String,
    },
    /// A publish began: the first try.
    Publishing {
        /// For which session.
        session: SessionId,
        /// Its epoch.
        epoch: Epoch,
    },
    /// A publish came to nothing, and is tried again. Not told again as long as the cause is the same.
    PublishDelayed {
        /// For which session.
        session: SessionId,
        /// Its epoch.
        epoch: Epoch,
        /// Why.
        cause: String,
    },
    /// A candidate came to its end.
    Candidate {
        /// Of which session.
        session: SessionId,
        /// Its epoch.
        epoch: Epoch,
        /// How.
        end: CandidateEnd,
    },
    /// A window closed unproven, nobody has given up on L1 what was in it, and this node does.
    Pruning {
        /// When it closed.
        closed: L1Time,
    },
    /// That came to nothing, and is tried again. Not told again as long as the cause is the same.
    PruneDelayed {
        /// Why.
        cause: String,
    },
    /// It is given up on L1.
    PruneEnded {
        /// The transaction; absent where somebody else was faster.
        receipt: Option<Receipt>,
    },
    /// Everything up to this epoch has expired.
    Expired {
        /// The high-water mark.
        through: Epoch,
    },
}

impl Change {
    /// The epoch that it is about, where it is about one.
    pub const fn epoch(&self) -> Option<Epoch> {
        match self {
            Self::CheckpointAdded { epoch, .. }
            | Self::RangeProven { epoch, .. }
            | Self::RangeCostly { epoch, .. }
            | Self::RangeFailed { epoch, .. }
            | Self::RangeSplit { epoch, .. }
            | Self::CheckpointProven { epoch, .. }
            | Self::CheckpointFailed { epoch, .. }
            | Self::CheckpointStopped { epoch, .. }
            | Self::CheckpointResumed { epoch, .. }
            | Self::EpochMissed { epoch, .. }
            | Self::RootDelayed { epoch, .. }
            | Self::RootProven { epoch, .. }
            | Self::ProofDiscarded { epoch, .. }
            | Self::Publishing { epoch, .. }
            | Self::PublishDelayed { epoch, .. }
            | Self::Candidate { epoch, .. } => Some(*epoch),
            Self::Session { spec, .. } => Some(spec.epoch),
            Self::Began
            | Self::Pruned { .. }
            | Self::Pruning { .. }
            | Self::PruneDelayed { .. }
            | Self::PruneEnded { .. }
            | Self::Expired { .. } => None,
        }
    }
}
