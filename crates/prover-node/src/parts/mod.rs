//! What the node stands on: proof services, L1, L2 and two stores. Each is a trait, with the implementation for a folder or
//! for the clients of `proofmill-chain` beside it.

mod blocks;
mod failures;
mod proofs;
mod service;
mod settlement;
mod source;

pub use blocks::BlockHashes;
pub use failures::{BadProof, FailureId, FailureRecord, FailureStore, FsFailures, Kept};
pub use proofs::{EpochKey, FsProofs, ProofStore, RangeKey, StoredRange};
pub use service::{
    AggregationRequest, EpochProof, Flaw, ProofService, RangeProof, RangeRequest, Statement, Work,
};
pub use settlement::{EpochSubmission, Settlement};
pub use source::{ChainFeed, ChainSource};

use std::fmt;

/// Something that the node stands on cannot be used now. Nothing is lost: it is asked again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Away {
    /// What is missing, and the remedy.
    pub cause: String,
}

impl Away {
    /// For this reason.
    pub fn because(cause: impl fmt::Display) -> Self {
        Self { cause: cause.to_string() }
    }
}
