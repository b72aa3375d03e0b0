//! What a proof that is not made says of the range.

use crate::{JobError, Work};
use proofmill_client::ClientError;
use proofmill_fault::{At, Code};

pub(super) fn no_proof(work: &Work, error: ClientError) -> JobError {
    if work.cancel().is_cancelled() {
        if !matches!(error, ClientError::Cancelled { .. }) {
            tracing::warn!(%error, "a proof that nobody wants any more could not be withdrawn from the cluster");
        }
        return JobError::Cancelled;
    }
    not_made(error)
}

/// What a cluster's failure says of the prover: nothing, where the fault is not the task's.
pub(super) fn not_made(error: ClientError) -> JobError {
    let cause = error.to_string();
    match error.code() {
        Code::Withdrawn => JobError::Cancelled,
        Code::BadProof => JobError::BadProof { cause },
        // No worker has the memory for it: a shorter range may do.
        Code::KilledForMemory | Code::TooSmall => JobError::CannotExecute { cause },
        code if code.is_of_execution() => JobError::CannotExecute { cause },
        code if code.at() == At::Task => JobError::Failed { cause },
        _ => JobError::Unavailable { cause },
    }
}
