//! What comes of a proof, and of a publish.

use super::RangeSpec;
use alloy_primitives::B256;
use proofmill_primitives::{CheckpointNumber, Instructions, ProverType};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// What a proof took to make. What the prover type does not count is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofCost {
    /// Instructions of the program.
    pub instructions: Option<Instructions>,
    /// Segments that the execution was cut into.
    pub segments: Option<u32>,
    /// From when it was begun, beside what planned it, to the proof.
    pub took: Duration,
}

/// Whether a proof was made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// It was made for this request.
    Made,
    /// It was there: from before a restart, a reorg, or from another session.
    Reused,
}

/// What was executed: no part of what a proof says, for reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
    /// Gas used by the blocks.
    pub gas_used: u64,
    /// Transactions in the blocks.
    pub transactions: u64,
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

impl Executed {
    /// So many instructions for each gas, rounded up. Nothing where either is not counted.
    pub fn per_gas(&self, instructions: Instructions) -> Option<u64> {
        (instructions.0 > 0 && self.gas_used > 0).then(|| instructions.0.div_ceil(self.gas_used))
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

/// How far a proof has come, in the prover's own steps (segments and nodes of the folding tree, say).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps that are done.
    pub done: u32,
    /// Steps in all, as far as known; 0 before the program was run to find out.
    pub total: u32,
    /// Whether one of them is being done; else it waits for a worker with room.
    pub running: bool,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, total, running } = *self;
        match total {
            0 if running => f.write_str("running the program"),
            0 => f.write_str("waiting for a worker"),
            _ if running || done == total => write!(f, "{done} of {total} tasks"),
            _ => write!(f, "{done} of {total} tasks, waiting for a worker"),
        }
    }
}

/// Why a proof was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum JobError {
    /// The program cannot be run for this input: memory, or the limit of instructions. A shorter range may do.
    #[error("it cannot be executed: {cause}")]
    CannotExecute {
        /// Which limit was met.
        cause: String,
    },
    /// The blocks do not give what the checkpoint on L1 says. No other try can help.
    #[error("the checkpoint claims what its blocks do not give: {cause}")]
    Refuted {
        /// What differs.
        cause: String,
    },
    /// The prover failed; another try may help.
    #[error("the prover failed: {cause}")]
    Failed {
        /// What it said.
        cause: String,
    },
    /// What was made does not hold, or says something else than was asked for, and was made anew once already. Another try
    /// or a shorter range does not help: what makes it is at fault.
    #[error("the proof that was made does not hold: {cause}")]
    BadProof {
        /// What refused it, and why.
        cause: String,
    },
    /// The service, the L2 node or the disk cannot be used now. Does not count as a try.
    #[error("not possible now: {cause}")]
    Unavailable {
        /// What is missing.
        cause: String,
    },
    /// The service dropped the work without being told to. Does not count as a try.
    #[error("the service dropped the work")]
    Cancelled,
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

/// What came of a publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PublishOutcome {
    /// L1 accepted the proof.
    Published(Receipt),
    /// L1 has it already, from this prover: a publish before a crash had come through.
    AlreadyRecorded,
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

/// How a candidate ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CandidateEnd {
    /// On L1.
    Published {
        /// The submission; absent where an earlier one had come through unnoticed.
        receipt: Option<Receipt>,
    },
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
