//! What settlement stands on: L1, and a place for evidence.

use crate::rules::{CallEnded, Discard};
use alloy_primitives::Address;
use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_chain::{ProofSet, SubmittedProof};
use proofmill_primitives::{Checkpoint, CheckpointNumber, ProverType};
use std::fmt;

/// The batches of a call, with their proofs.
#[derive(Clone, Debug)]
pub struct BatchCall {
    /// The first batch.
    pub first: CheckpointNumber,
    /// Whom the proofs name as their prover.
    pub prover: Address,
    /// For each batch from the first on, a proof of each type.
    pub batches: Vec<ProofSet>,
}

/// Why a proof cannot go to L1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// Those who were to sign for it on L1 refuse it.
    #[error("{cause}")]
    Refused {
        /// Why.
        cause: String,
    },
    /// They do not answer, or cannot now.
    #[error("{cause}")]
    Away {
        /// Why, and the remedy.
        cause: String,
    },
}

/// The rollup's contract, as batches go to it.
pub trait BatchSettlement: fmt::Debug + Send + Sync {
    /// A range proof as L1 takes it, by the rules of its batch: where its verifier counts attestors, their signatures in place of
    /// the proof.
    ///
    /// # Errors
    /// [`NotReady`].
    fn ready<'a>(
        &'a self,
        number: CheckpointNumber,
        prover: ProverType,
        proof: &'a Bytes,
    ) -> BoxFuture<'a, Result<SubmittedProof, NotReady>>;

    /// Has L1 verify batches, or asks what that would take. It comes back when it is known what came of it.
    fn verify(&self, call: BatchCall) -> BoxFuture<'_, CallEnded>;
}

/// A proof that L1 refused, with all that is to be kept of it.
#[derive(Clone, Debug)]
pub struct RefusedProof {
    /// What was decided.
    pub discard: Discard,
    /// The batch.
    pub checkpoint: Checkpoint,
    /// The proof, in the encoding of its service.
    pub proof: Bytes,
}

/// Keeps what was refused, for whoever looks into it.
pub trait Evidence: fmt::Debug + Send + Sync {
    /// Keeps a proof. What cannot be kept is said in the log.
    fn keep<'a>(&'a self, refused: &'a RefusedProof) -> BoxFuture<'a, ()>;
}
