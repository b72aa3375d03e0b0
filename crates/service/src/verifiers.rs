//! Whether L1 takes what is made for it, which its rules may change while it is made.

use crate::Away;
use futures::future::BoxFuture;
use proofmill_primitives::{CheckpointNumber, ProofMode, ProverType};
use std::fmt;

/// Knows what verifies epoch proofs on L1.
pub trait L1Verifiers: fmt::Debug + Send + Sync {
    /// How far the proof of an epoch that ends with this checkpoint is carried: to the SNARK that is named, where the verifier of its rules
    /// wants one and takes it, and no further than a STARK where that wants none.
    ///
    /// # Errors
    ///
    /// [`Away`] where it takes another SNARK, or L1 cannot be read.
    fn epoch_mode(
        &self,
        prover: ProverType,
        last: CheckpointNumber,
    ) -> BoxFuture<'_, Result<ProofMode, Away>>;
}
