//! What comes of a proof that was asked for.

use proofmill_artifacts::{ArtifactError, ArtifactKind};
use proofmill_client::ClientError;
use proofmill_derivation::DerivationError;
use proofmill_fault::{At, Code, Fault};
use proofmill_http::in_one_line;
use proofmill_primitives::Instructions;
use proofmill_witness::BuildError;
use serde::{Deserialize, Serialize};
use std::{error::Error, fmt, time::Duration};

/// What was executed: no part of what a proof says, for reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
    /// Gas used by the blocks.
    pub gas_used: u64,
    /// Transactions in the blocks.
    pub transactions: u64,
}

impl Executed {
    /// So many instructions for each gas, rounded up. Nothing where either is not counted.
    pub fn per_gas(&self, instructions: Instructions) -> Option<u64> {
        (instructions.0 > 0 && self.gas_used > 0).then(|| instructions.0.div_ceil(self.gas_used))
    }
}

/// What a proof is of, and so which of the two programs is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofLevel {
    /// Of a checkpoint's blocks, or of a part of them: the range program.
    Range,
    /// Of an epoch's checkpoints, by their range proofs: the aggregation program.
    Epoch,
}

impl ProofLevel {
    /// The name in logs, file names and the ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::Epoch => "epoch",
        }
    }

    /// The level with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Range, Self::Epoch].into_iter().find(|level| level.name() == name)
    }
}

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

/// What is new of a job that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobNote {
    /// It has come so far.
    Progress(Progress),
    /// It does not go on, and why.
    HeldUp {
        /// Why, and the remedy.
        cause: String,
    },
    /// The proof that was in the store does not hold. It is removed, and made anew.
    Discarded {
        /// What refused it, and why.
        cause: String,
    },
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
    /// L1 does not give the blocks, or it is not sure that it does. Fewer of them are no help.
    #[error("L1 does not give the blocks: {cause}")]
    Underived {
        /// What was met.
        cause: String,
        /// A range that begins earlier may be given.
        earlier: bool,
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

impl From<BuildError> for JobError {
    /// What a witness that is not built says of the range.
    fn from(error: BuildError) -> Self {
        let cause = in_one_line(&error);
        match error {
            // What has a cause of its own is a fault of the witness that the blocks were executed from, not of the blocks.
            BuildError::Execution(fault) if fault.source().is_some() => Self::Failed { cause },
            BuildError::Execution(_) => Self::Refuted {
                cause: format!(
                    "{cause}; L1 names these very blocks, so the node that made them does not follow the chain's rules \
                     (anvil's state roots are not Ethereum's: use another node for L2)"
                ),
            },
            BuildError::Unreachable { .. }
            | BuildError::Refused { .. }
            | BuildError::MethodMissing { .. }
            | BuildError::Malformed { .. }
            | BuildError::ChainId { .. }
            | BuildError::BeyondHead { .. }
            | BuildError::Lags { .. }
            | BuildError::BlockGone { .. }
            | BuildError::Reorg { .. }
            | BuildError::NoHistory { .. }
            | BuildError::Expired { .. }
            // A node that answers falsely: another one, or the same when it is mended, may do better.
            | BuildError::FalseHeader { .. }
            | BuildError::OtherBlock { .. }
            | BuildError::FalseBody { .. }
            | BuildError::FalseProof { .. }
            | BuildError::FalseCode { .. }
            // What L1's nodes lack, and what L1 does not have yet.
            | BuildError::UnknownHash { .. }
            | BuildError::NoBeacon { .. }
            | BuildError::Beacon { .. }
            | BuildError::BeaconChain { .. }
            | BuildError::BlobMissing { .. }
            | BuildError::NotDerived(DerivationError::NotYet { .. })
            // L1 changed while it was read, or its node and that of L2 do not follow the same branch.
            | BuildError::NotDerived(DerivationError::L1Link { .. } | DerivationError::OtherL1 { .. }) => {
                Self::Unavailable { cause }
            }
            BuildError::NotDerived(error) => {
                let earlier = matches!(error, DerivationError::ParentNotPosted { .. });
                Self::Underived { cause, earlier }
            }
            // Fewer blocks begin after the same one.
            BuildError::BeforeIsthmus { .. } | BuildError::NoAttributes { .. } => {
                Self::Underived { cause, earlier: false }
            }
            _ => Self::Failed { cause },
        }
    }
}

impl From<ClientError> for JobError {
    /// What a cluster's failure says of the prover: nothing, where the fault is not the task's.
    fn from(error: ClientError) -> Self {
        let cause = error.to_string();
        match error.code() {
            // The input of a shorter range is smaller.
            _ if matches!(
                error,
                ClientError::Artifact(ArtifactError::TooLarge { kind: ArtifactKind::Stdin, .. })
            ) =>
            {
                Self::CannotExecute { cause }
            }
            Code::Withdrawn => Self::Cancelled,
            Code::BadProof => Self::BadProof { cause },
            // No worker has the memory for it: a shorter range may do.
            Code::TooSmall => Self::CannotExecute { cause },
            code if code.is_of_memory() || code.is_of_execution() => Self::CannotExecute { cause },
            // It took one worker after the other down: to have it tried for ever would take all of them down, again and again.
            Code::WorkerLost => Self::Failed { cause },
            code if code.at() == At::Task => Self::Failed { cause },
            _ => Self::Unavailable { cause },
        }
    }
}

impl From<&JobError> for Fault {
    /// Who is at fault, for whoever decides whether the job is tried again.
    fn from(error: &JobError) -> Self {
        let code = match error {
            JobError::CannotExecute { .. } => Code::CycleLimit,
            JobError::Refuted { .. } => Code::Refuted,
            JobError::Failed { .. } | JobError::Underived { .. } => Code::ProverFailed,
            // It was made anew already: another try comes to the same.
            JobError::BadProof { .. } => Code::Rejected,
            // The service answers for cluster, store, chain and disk alike.
            JobError::Unavailable { .. } => Code::ClusterAway,
            JobError::Cancelled => Code::ClusterRefused,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::JobError;
    use alloy_primitives::B256;
    use proofmill_derivation::DerivationError;
    use proofmill_witness::BuildError;

    #[test]
    fn branches_of_l1_are_waited_for_and_where_a_range_begins_is_no_matter_of_its_length() {
        let not_derived = |error| JobError::from(BuildError::NotDerived(error));
        for error in [
            DerivationError::L1Link { number: 7 },
            DerivationError::OtherL1 { number: 7, hash: B256::ZERO },
            DerivationError::NotYet { head: 7, derived: 1, wanted: 2 },
        ] {
            let said = not_derived(error.clone());
            assert!(matches!(said, JobError::Unavailable { .. }), "{error}: {said}");
        }
        let differs = not_derived(DerivationError::Differs { block: 7, field: "deposit" });
        for error in [differs, BuildError::NoAttributes { block: 0 }.into()] {
            assert!(matches!(error, JobError::Underived { earlier: false, .. }), "{error}");
        }
        let earlier = not_derived(DerivationError::ParentNotPosted { number: 7 });
        assert!(matches!(earlier, JobError::Underived { earlier: true, .. }), "{earlier}");
    }
}
