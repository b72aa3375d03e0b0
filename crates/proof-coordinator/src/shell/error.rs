//! What keeps a coordinator from running.

use proofmill_backends::BackendError;
use proofmill_ledger::LedgerError;
use proofmill_primitives::ProverType;
use std::sync::Arc;

/// Why a coordinator does not run.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// It would have nothing to give out.
    #[error("no prover type is asked for: a coordinator needs at least one")]
    NoProverTypes,
    /// Proofs of a needed type could not be verified.
    #[error("nothing here verifies {prover} proofs: {source}")]
    NoVerifier {
        /// The type.
        prover: ProverType,
        /// Why.
        source: BackendError,
    },
    /// What an earlier process kept cannot be read.
    #[error("cannot read what an earlier process kept: {0}")]
    Restore(#[from] LedgerError),
    /// The ledger is no longer this process's.
    #[error("the coordinator cannot go on: {0}")]
    Lost(Arc<LedgerError>),
    /// The server ended by itself.
    #[error("the proof coordinator's server ended: {0}; start it again")]
    Server(#[from] tonic::transport::Error),
    /// The chain cannot be followed.
    #[error("the rollup cannot be followed: {0}")]
    Chain(#[from] proofmill_chain::ChainError),
}
