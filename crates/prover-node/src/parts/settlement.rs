//! L1, as far as a prover node goes to it.

use super::{Away, EpochProof};
use crate::rules::{L1View, PruneOutcome, PublishOutcome};
use alloy_primitives::Address;
use futures::future::BoxFuture;
use proofmill_primitives::{CheckpointNumber, Epoch, ProverType};
use std::{collections::BTreeMap, fmt};

/// Reads the rollup's contract and submits epoch proofs to it.
pub trait Settlement: fmt::Debug + Send + Sync {
    /// What L1 shows now. The time must not be newer than the tips: read it first, or all of one block.
    ///
    /// # Errors
    ///
    /// [`Away`] where L1 cannot be read.
    fn view(&self) -> BoxFuture<'_, Result<L1View, Away>>;

    /// Submits an epoch proof and waits until L1 has included it, or it is clear that it does not. What the contract's
    /// verifiers need besides (the signatures of attestors, say) is got here. A transaction that failed there is told by
    /// [`paid_in_vain`](crate::paid_in_vain).
    fn submit(&self, submission: EpochSubmission) -> BoxFuture<'_, PublishOutcome>;

    /// Has L1 give up what was not proven in time, and waits until that is included, or it is clear that it is not.
    fn prune(&self) -> BoxFuture<'_, PruneOutcome>;
}

/// An epoch proof on its way to L1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochSubmission {
    /// The epoch.
    pub epoch: Epoch,
    /// Its first checkpoint.
    pub first: CheckpointNumber,
    /// The last that is proven.
    pub last: CheckpointNumber,
    /// Who proved it.
    pub prover: Address,
    /// A proof of each type.
    pub proofs: BTreeMap<ProverType, EpochProof>,
}
