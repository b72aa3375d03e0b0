//! What a prover counts, where the process has a recorder of metrics.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use proofmill_primitives::ProverType;
use std::time::Duration;

const PROOFS: &str = "proofmill_prover_proofs_total";
const SECONDS: &str = "proofmill_prover_proof_seconds";
const DOING: &str = "proofmill_prover_doing";

/// What a prover does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// No coordinator has work now, or another prover of this machine has the turn.
    Waiting,
    /// Asks a coordinator, and reads a batch's input.
    Asking,
    Proving,
    /// It has nothing else to do.
    HandingIn,
}

/// What came of a batch that was given to this prover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The proof was verified and kept.
    Accepted,
    /// There was one already.
    Dropped,
    /// The coordinator refused the proof.
    Refused,
    /// No coordinator needs the proof any more, or none took it and it could not be kept.
    Lost,
    /// No coordinator took the proof in time, or before the prover was stopped: it is handed in at the next start.
    Kept,
    /// The input did not come.
    NoInput,
    /// It could not be proven.
    Failed,
    /// The prover was told to stop.
    Stopped,
}

impl Doing {
    const ALL: [Self; 4] = [Self::Waiting, Self::Asking, Self::Proving, Self::HandingIn];

    const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Asking => "asking",
            Self::Proving => "proving",
            Self::HandingIn => "handing-in",
        }
    }
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::Kept => "kept",
            Self::NoInput => "no-input",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

pub(super) fn describe() {
    describe_counter!(
        PROOFS,
        "Batches that were given to this prover, by prover type and what came of them."
    );
    describe_histogram!(SECONDS, Unit::Seconds, "How long proofs took that were made.");
    describe_gauge!(DOING, "1 for what the prover does now: waiting, asking, proving, handing-in.");
}

/// It does this now.
pub(super) fn does(now: Doing) {
    for doing in Doing::ALL {
        gauge!(DOING, "doing" => doing.name()).set(if doing == now { 1.0 } else { 0.0 });
    }
}

/// A batch came to this.
pub(super) fn ended(prover: ProverType, outcome: Outcome) {
    counter!(PROOFS, "prover" => prover.name(), "outcome" => outcome.name()).increment(1);
}

/// A proof took so long.
pub(super) fn proved(prover: ProverType, took: Duration) {
    histogram!(SECONDS, "prover" => prover.name()).record(took);
}
