//! What a proof that is not made says of the range.

use crate::{JobError, Work};
use proofmill_client::ClientError;

pub(super) fn no_proof(work: &Work, error: ClientError) -> JobError {
    if work.cancel().is_cancelled() {
        if !matches!(error, ClientError::Cancelled { .. }) {
            tracing::warn!(%error, "a proof that nobody wants any more could not be withdrawn from the cluster");
        }
        return JobError::Cancelled;
    }
    error.into()
}
