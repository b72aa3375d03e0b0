//! Which prover that pulls holds which batch, and how often the proofs of a batch were refused.

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

/// How often the proofs of a batch were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalRecord {
    /// Of which batch, and of which type.
    pub key: AssignmentKey,
    /// By now.
    pub times: u32,
    /// Why the last one was.
    pub cause: String,
    /// The next one is made from then on.
    pub again_at: Timestamp,
    /// A hash of the last one, until its evidence is kept and it is deleted.
    pub remains: Option<[u8; 32]>,
}
