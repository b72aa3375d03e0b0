//! The answers. Each is one of a few; none is a text that somebody must read to know what to do.

use super::batch::BatchId;
use proofmill_primitives::ProgramVersion;
use std::time::Duration;

/// What a prover that asks for work is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssignOutcome {
    /// The batch is the prover's, for so long.
    Assigned {
        /// Which.
        batch: BatchId,
        /// Until it is taken back.
        timeout: Duration,
    },
    /// No batch here will ever be for this type.
    ProverTypeNotNeeded(NotNeeded),
    /// There is a next batch, for another program version.
    VersionMismatch(VersionMismatch),
    /// Nothing to do now.
    RetryLater {
        /// Why.
        reason: RetryReason,
        /// When to ask again.
        after: Duration,
    },
}

impl AssignOutcome {
    /// The name in metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Assigned { .. } => "assigned",
            Self::ProverTypeNotNeeded(_) => "not needed",
            Self::VersionMismatch(_) => "version mismatch",
            Self::RetryLater { reason, .. } => reason.name(),
        }
    }
}

/// Why a prover type is not needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNeeded {
    /// The rollup does not ask for proofs of it.
    NotAskedFor,
    /// This release does not have it.
    NotBuiltIn,
}

/// What the next batch needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionMismatch {
    /// The batch.
    pub batch: BatchId,
    /// The program version that it, or its input, is for. It is known: no answer names a version by guess.
    pub needed: ProgramVersion,
    /// Which of the two.
    pub of: MismatchOf,
}

/// What is for another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MismatchOf {
    /// The batch itself.
    Batch,
    /// Its input.
    Input,
}

/// Why there is nothing to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RetryReason {
    /// No batch waits for a prover of the type.
    NoWork,
    /// The next batch was proven meanwhile.
    AlreadyProven,
    /// The next batch's input is not there yet.
    NoInput,
    /// The prover failed, or what it handed in was refused: it waits.
    Paused,
    /// The coordinator's store or ledger is away.
    StoreAway,
    /// The coordinator has begun anew, and does not know yet what it waits for.
    Starting,
    /// So many proofs are being verified that this one has to wait.
    Busy,
}

impl RetryReason {
    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoWork => "no work",
            Self::AlreadyProven => "already proven",
            Self::NoInput => "no input",
            Self::Paused => "paused",
            Self::StoreAway => "store away",
            Self::Starting => "starting",
            Self::Busy => "busy",
        }
    }

    /// When to ask again, where nothing else says so.
    pub const fn after(self) -> Duration {
        Duration::from_millis(match self {
            Self::AlreadyProven => 100,
            Self::Busy => 1_000,
            Self::NoWork | Self::NoInput | Self::Starting => 2_000,
            Self::Paused | Self::StoreAway => 5_000,
        })
    }

    /// As an answer to a prover that asks for work.
    pub const fn assign(self) -> AssignOutcome {
        AssignOutcome::RetryLater { reason: self, after: self.after() }
    }

    /// As an answer to a prover that hands in a proof.
    pub const fn submit(self) -> SubmitOutcome {
        SubmitOutcome::RetryLater { reason: self, after: self.after() }
    }
}

/// What a prover that hands in a proof is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitOutcome {
    /// It was verified and stored.
    Stored,
    /// There is one of the same. This one was dropped, and all is well.
    Dropped,
    /// It is of no use.
    Refused {
        /// Why.
        reason: RefusedFor,
        /// The same for people.
        cause: String,
        /// Nothing of this prover's is looked at before.
        paused: Duration,
    },
    /// Hand it in again.
    RetryLater {
        /// Why.
        reason: RetryReason,
        /// When.
        after: Duration,
    },
    /// No batch here will ever be for this type.
    ProverTypeNotNeeded(NotNeeded),
}

impl SubmitOutcome {
    /// The name in metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Dropped => "dropped",
            Self::Refused { .. } => "refused",
            Self::RetryLater { reason, .. } => reason.name(),
            Self::ProverTypeNotNeeded(_) => "not needed",
        }
    }
}

/// Why a proof is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusedFor {
    /// It is no proof that this release can read.
    Unreadable,
    /// It is of another program version.
    OtherProgram,
    /// It says something else than the batch.
    OtherStatement,
    /// It does not hold.
    DoesNotHold,
    /// Nobody waits for a proof of such a batch.
    UnknownBatch,
}

impl RefusedFor {
    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::OtherProgram => "other program",
            Self::OtherStatement => "other statement",
            Self::DoesNotHold => "does not hold",
            Self::UnknownBatch => "unknown batch",
        }
    }
}
