//! What can go wrong with a node.

use crate::rules::Refused;
use proofmill_primitives::ProverType;
use std::{io, path::PathBuf};

/// Why a node could not be started, or did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// What was asked makes no sense now.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The node has stopped.
    #[error("the prover node has stopped")]
    Stopped,
    /// A checkpoint needs no proof at all.
    #[error(
        "no prover type is configured: an epoch proof of nothing would be accepted nowhere; name at least one"
    )]
    NoProverTypes,
    /// A prover type is wanted that nobody makes.
    #[error("the rollup asks for {prover} proofs, and no proof service for them is configured")]
    NoProofService {
        /// The type.
        prover: ProverType,
    },
    /// What operators asked for could not be kept, or read.
    #[error(
        "cannot {doing} {}: {source}; check that this user may use it and that there is space (without the file, only what \
         operators asked for before is forgotten)",
        path.display()
    )]
    RequestStore {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What was asked for is begun, and cannot be kept yet.
    #[error(
        "the proof is begun, but until it can be kept that it was asked for, a restart forgets it: {cause}; that is tried again"
    )]
    NotKept {
        /// Why.
        cause: String,
    },
    /// The node's own task panicked: a bug.
    #[error("the prover node panicked: {cause}; please report it")]
    Panicked {
        /// What the panic said.
        cause: String,
    },
}
