//! What comes of a proof, and of a publish.

use super::{Executed, JobError, ProofCost, RangeSpec};
use alloy_primitives::B256;
use proofmill_primitives::{CheckpointNumber, ProverType};
use serde::{Deserialize, Serialize};

/// Whether a proof was made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// It was made for this request.
    Made,
    /// It was there: from before a restart, a reorg, or from another session.
    Reused,
}

/// A range proof that lies in the proof store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeDone {
    /// What its blocks did.
    pub executed: Executed,
    /// Length of the proof in bytes.
    pub proof_bytes: u64,
    /// What it took, when it was made.
    pub cost: ProofCost,
    /// Whether that was now.
    pub origin: Origin,
}

impl RangeDone {
    /// How many instructions the range took for each gas, rounded up. Nothing where they are not counted.
    pub fn per_gas(&self) -> Option<u64> {
        self.executed.per_gas(self.cost.instructions?)
    }
}

/// An epoch proof of one prover type that lies in the proof store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootDone {
    /// Length of the proof in bytes.
    pub proof_bytes: u64,
    /// What it took, when it was made.
    pub cost: ProofCost,
    /// Whether that was now.
    pub origin: Origin,
}

/// Why an epoch proof was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum RootError {
    /// The aggregation was not made.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A range proof is no longer in the store, or damaged there. It must be made again.
    #[error("the range proof of {range} is lost")]
    PartLost {
        /// Whose proof.
        range: RangeSpec,
    },
    /// A range proof of the store does not hold, and is removed. It must be made anew.
    #[error("the range proof of {range} does not hold: {cause}")]
    BadPart {
        /// Whose proof.
        range: RangeSpec,
        /// What refused it, and why.
        cause: String,
    },
}

/// A submission that L1 included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The transaction.
    pub transaction: B256,
    /// The L1 block it is in.
    pub block: u64,
    /// Gas it used on L1.
    pub gas_used: u64,
    /// What it cost, in wei.
    pub fee: u128,
}

/// What a submission would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Gas on L1.
    pub gas: u64,
    /// What it would cost at most at present, in wei.
    pub fee: u128,
}

/// What came of a publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PublishOutcome {
    /// L1 accepted the proof.
    Published(Receipt),
    /// L1 has it already, from this prover: a publish before a crash had come through.
    AlreadyRecorded,
    /// Nothing is sent, because the settings say so: L1 would accept the proof.
    Unsent(Estimate),
    /// L1 has a proof that makes this one worthless.
    Superseded,
    /// The proof submission window has closed.
    WindowClosed,
    /// L1, or those who attest proofs for it, refuse the epoch proof of this type: the proof is at fault, not the moment.
    /// It is removed from the store. It must be made anew.
    BadProof {
        /// Whose.
        prover: ProverType,
        /// What refused it, and why.
        cause: String,
    },
    /// L1 refuses it, and will.
    Refused {
        /// The revert, in words.
        cause: String,
    },
    /// No publisher could be had: L1 cannot be reached, the signer has no funds. Tried again.
    Unavailable {
        /// What is missing, and the remedy.
        cause: String,
    },
    /// L1 has other checkpoints than those proven: a prune or a reorg that has not been told yet. Tried again.
    Stale {
        /// What differs.
        cause: String,
    },
    /// The epoch proof of this type is no longer in the store, or damaged there. It must be made again.
    RootLost {
        /// Whose.
        prover: ProverType,
    },
}

/// What came of giving up on L1 what was not proven in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PruneOutcome {
    /// L1 gave it up.
    Pruned(Receipt),
    /// L1 has nothing to give up: somebody else was faster, or the node that was asked is behind.
    NothingDue,
    /// It could not be sent, or came to nothing. Tried again.
    Unavailable {
        /// Why, and the remedy.
        cause: String,
    },
}

/// How a candidate ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CandidateEnd {
    /// On L1.
    Published {
        /// The submission; absent where an earlier one had come through unnoticed.
        receipt: Option<Receipt>,
    },
    /// L1 would accept it; nothing is sent, because the settings say so.
    Unsent(Estimate),
    /// L1 has more already.
    Superseded {
        /// The proven tip that did it.
        proven: CheckpointNumber,
    },
    /// L1 refused it.
    Failed {
        /// Why.
        cause: String,
    },
    /// Its deadline passed.
    Expired,
    /// Its session no longer wants it.
    Withdrawn,
}
