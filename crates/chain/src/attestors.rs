//! The attestors that a verifier contract counts.

use crate::{
    ChainError, L1,
    contracts::AttestedVerifier::{attestorsCall, thresholdCall},
};
use alloy_primitives::Address;

/// Whose signatures an `AttestedVerifier` contract counts, and how many it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestorSet {
    /// The contract.
    pub verifier: Address,
    /// The attestors, ascending, each once.
    pub members: Vec<Address>,
    /// How many of them must sign.
    pub threshold: usize,
}

/// How many of so many attestors are more than half of them.
pub const fn majority(attestors: usize) -> usize {
    attestors / 2 + 1
}

impl AttestorSet {
    /// Reads the constants of a verifier contract; none where it is of another kind, which verifies proofs by itself.
    ///
    /// # Errors
    /// There is no contract, or L1 cannot be read.
    pub async fn find(l1: &L1, verifier: Address) -> Result<Option<Self>, ChainError> {
        match Self::read(l1, verifier).await {
            Ok(counted) => Ok(Some(counted)),
            // It has no such function, or one that answers to everything.
            Err(ChainError::Reverted(_) | ChainError::OtherAnswer { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the constants of the contract.
    pub async fn read(l1: &L1, verifier: Address) -> Result<Self, ChainError> {
        if !l1.has_code(verifier).await? {
            return Err(l1.no_contract(verifier).await);
        }
        let mut members = l1.read(verifier, &attestorsCall {}, None).await?;
        // Proofmill's own contract has them so; another one may name somebody twice, who signs once all the same.
        members.sort_unstable();
        members.dedup();
        let threshold = l1.read(verifier, &thresholdCall {}, None).await?;
        Ok(Self { verifier, members, threshold: threshold.saturating_to() })
    }
}
