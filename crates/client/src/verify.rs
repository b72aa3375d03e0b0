//! Verifying proofs, whoever made them.

use crate::{StatedProof, Statement, programs};
use proofmill_backends::{Backend, BackendError, Proof};
use proofmill_primitives::ProofMode;
use std::{sync::Arc, time::Duration};

/// Why a proof does not verify here.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It does not hold, or is of another program or mode.
    #[error("{0}")]
    Refused(String),
    /// It holds, and nobody should rely on it: it rests on a setup for development, for an L1 that is for more than that.
    #[error("it holds, but {0}, and its L1 is no development chain")]
    Insecure(String),
    /// It could not be verified: the prover type is not there, or failed.
    #[error(transparent)]
    Failed(BackendError),
    /// The check broke off.
    #[error("the check of the proof broke off; please report it")]
    BrokeOff,
}

/// Verifies the file of a proof: that it is of Proofmill's own program for such a statement, is carried as far as an aggregation
/// or L1 needs it, and holds.
///
/// # Errors
/// [`VerifyError::Refused`] where it does not hold.
pub async fn verify_stated<S: Statement>(
    backend: &Arc<dyn Backend>,
    stated: &StatedProof<S>,
) -> Result<(), VerifyError> {
    let far_enough = match stated.proof.mode {
        ProofMode::Compressed => true,
        ProofMode::Plonk => S::JOINS,
        _ => false,
    };
    if !far_enough {
        return Err(VerifyError::Refused(format!("it is a {} proof", stated.proof.mode)));
    }
    verify(backend, S::program(backend.prover_type()), &stated.proof).await.map(drop)
}

/// Verifies a proof; how long that took, without making keys.
pub(crate) async fn verify(
    backend: &Arc<dyn Backend>,
    program: &[u8],
    proof: &Proof,
) -> Result<Duration, VerifyError> {
    let (program, checked) = (program.to_vec(), proof.clone());
    look_at(backend, move |backend| {
        let expected = programs::version(backend, &program)?;
        let start = std::time::Instant::now();
        backend.verify(&checked, expected).map(|()| start.elapsed())
    })
    .await
}

/// Has the backend look at a proof.
pub(crate) async fn look_at<T: Send + 'static>(
    backend: &Arc<dyn Backend>,
    look: impl FnOnce(&dyn Backend) -> Result<T, BackendError> + Send + 'static,
) -> Result<T, VerifyError> {
    let backend = Arc::clone(backend);
    match tokio::task::spawn_blocking(move || look(&*backend)).await {
        Ok(Ok(seen)) => Ok(seen),
        Ok(Err(error)) if error.is_of_this_process() => Err(VerifyError::Failed(error)),
        Ok(Err(error)) => Err(VerifyError::Refused(error.to_string())),
        Err(_) => Err(VerifyError::BrokeOff),
    }
}
