//! The rules: plain functions over state, without a clock, I/O or async. [`NodeState::handle`] takes one [`Event`] and the
//! [`Time`] it happened and returns the [`Action`]s that follow from it. The same events give the same actions, so that a
//! failure is replayed from a seed.

mod action;
mod checkpoints;
mod config;
mod cost;
mod event;
mod expiry;
mod hindrance;
mod horizon;
mod missed;
mod node;
mod outcome;
mod prover;
mod pruning;
mod publishing;
mod session;
mod sessions;
mod settled;
mod snapshot;
mod time;
mod top_tree;
mod track;
mod tries;
mod turn;

pub use action::{Action, Change, Entry, Failed, Failure, FailurePiece};
pub use config::Config;
pub use cost::CostRules;
pub use event::{Event, JobId, L1View, Link, Pass, Refused, Started};
pub use hindrance::Hindrance;
pub use node::NodeState;
pub use outcome::{
    CandidateEnd, Estimate, Origin, PruneOutcome, PublishOutcome, RangeDone, Receipt, RootDone, RootError,
};
pub use proofmill_primitives::Time;
pub use proofmill_service::{
    EpochSpec, Executed, JobError, JobNote, Progress, ProofCost, ProofLevel, RangeSpec, SplitPoint,
};
pub use prover::{CheckpointState, Instance};
pub use publishing::{Candidate, PublishStep, Wanted};
pub use session::{Cancelled, SessionId, SessionKind, SessionSpec, SessionState, Span, StoppedBy};
pub use settled::SettledEpochs;
pub use snapshot::{CheckpointStatus, EpochStage, EpochStatus, NodePhase, Problem, SessionStatus, Snapshot};
pub use time::L1Time;
pub use top_tree::{Root, RootState};
pub use track::{Piece, PieceState, Step, Track};
