//! Which prover that pulls holds which batch.

use crate::Timestamp;
use proofmill_primitives::ProverType;

/// What is held: a batch, for provers of one type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssignmentKey {
    /// The batch's number, at most `i64::MAX`.
    pub number: u64,
    /// Its level; only the coordinator knows what that means.
    pub level: String,
    /// A hash of what is to be proven.
    pub content: [u8; 32],
    /// The prover type.
    pub prover: ProverType,
}

/// Who holds a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignmentRecord {
    /// What is held.
    pub key: AssignmentKey,
    /// By whom.
    pub holder: String,
    /// Since when.
    pub since: Timestamp,
}
