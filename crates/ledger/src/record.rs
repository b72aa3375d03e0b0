//! What is remembered of proofs and tasks.

use crate::Timestamp;
use proofmill_primitives::{ArtifactId, ProofId, ProverType, TaskId, TaskKind, Weight, WorkerId};
use serde::{Deserialize, Serialize};

macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The number in `cluster.proto`, which is also the one in the database.
            pub const fn wire(self) -> i32 {
                match self { $(Self::$variant => $number,)+ }
            }

            /// The one with this number in `cluster.proto`; none for 0, which is "unspecified".
            pub const fn from_wire(number: i32) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

wire_enum! {
    /// Where a proof request stands.
    ProofStatus {
        /// Being made.
        Pending = 1,
        /// Made.
        Completed = 2,
        /// Given up.
        Failed = 3,
        /// Withdrawn by its client.
        Cancelled = 4,
    }
}

impl ProofStatus {
    /// Whether work on the proof has ended, one way or another.
    pub const fn has_ended(self) -> bool {
        !matches!(self, Self::Pending)
    }

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

wire_enum! {
    /// How far the execution of the proof's program came.
    ExecutionStatus {
        /// Not begun.
        Unexecuted = 1,
        /// Ran to its end.
        Executed = 2,
        /// Failed.
        Failed = 3,
        /// Withdrawn.
        Cancelled = 4,
    }
}

wire_enum! {
    /// Why an execution failed.
    ExecutionFailure {
        /// The program ended with an exit code other than zero.
        HaltWithNonZeroExitCode = 1,
        /// It touched memory that it must not.
        InvalidMemoryAccess = 2,
        /// It called the host in a way that is not supported.
        UnsupportedSyscall = 3,
        /// It hit a breakpoint.
        Breakpoint = 4,
        /// It ran longer than the request allows.
        ExceededCycleLimit = 5,
        /// It called the host with arguments that make no sense.
        InvalidSyscallUsage = 6,
        /// It used an instruction that does not exist.
        Unimplemented = 7,
        /// It ended inside an unconstrained block.
        EndInUnconstrained = 8,
    }
}

/// What the execution of a proof's program showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// How far it came.
    pub status: ExecutionStatus,
    /// Why it failed, where it did.
    pub failure: Option<ExecutionFailure>,
    /// Instructions executed.
    pub cycles: u64,
    /// The prover's own measure of cost; 0 where it has none.
    pub gas: u64,
    /// Hash of the public values; empty while there are none.
    pub public_values_hash: Vec<u8>,
}

/// One proof request: all that `cluster.proto` says of it, and what Proofmill adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofRecord {
    /// Chosen by the client.
    pub id: ProofId,
    /// What makes it.
    pub prover: ProverType,
    /// Where it stands.
    pub status: ProofStatus,
    /// On whose behalf: as the client sent it.
    pub requester: Vec<u8>,
    /// What its execution showed, once it has run.
    pub execution: Option<Execution>,
    /// The program.
    pub program: ArtifactId,
    /// The program's input.
    pub stdin: ArtifactId,
    /// Whether the input must not leave the cluster.
    pub stdin_private: bool,
    /// Where the finished proof is to lie.
    pub proof: Option<ArtifactId>,
    /// The field in which clients send the proof mode as decimal text.
    pub options: Option<ArtifactId>,
    /// The most instructions that its execution may take.
    pub cycle_limit: Option<u64>,
    /// The most gas that its execution may take.
    pub gas_limit: Option<u64>,
    /// When it is too late; never where there is none.
    pub deadline: Option<Timestamp>,
    /// Set by the client when it has taken note of the end.
    pub handled: bool,
    /// The client's.
    pub metadata: String,
    /// The client's.
    pub extra_data: Option<String>,
    /// Which fulfiller scheduled it.
    pub scheduled_by: Option<String>,
    /// Why it failed, for people.
    pub failure_cause: Option<String>,
    /// What keeps it waiting, for people.
    pub diagnosis: Option<String>,
    /// What its controller has told that it will take; only the coordinator knows what that means.
    pub plan: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When this record last changed.
    pub updated_at: Timestamp,
    /// When its status became an end status.
    pub completed_at: Option<Timestamp>,
}

/// Which fields of a [`ProofRecord`] change; what is `None` stays. Start from the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofUpdate {
    /// Where it stands. An end status also sets [`ProofRecord::completed_at`], and clears the diagnosis.
    pub status: Option<ProofStatus>,
    /// What its execution showed.
    pub execution: Option<Execution>,
    /// When it is too late.
    pub deadline: Option<Timestamp>,
    /// Whether its client took note of the end.
    pub handled: Option<bool>,
    /// The client's.
    pub metadata: Option<String>,
    /// The client's.
    pub extra_data: Option<String>,
    /// Where the finished proof lies.
    pub proof: Option<ArtifactId>,
    /// Why it failed.
    pub failure_cause: Option<String>,
}

/// One task of a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Chosen by the coordinator; unique among all proofs.
    pub id: TaskId,
    /// The proof it belongs to.
    pub proof: ProofId,
    /// What it does.
    pub kind: TaskKind,
    /// The memory it needs.
    pub weight: Weight,
    /// The task that created it.
    pub parent: Option<TaskId>,
    /// What it reads.
    pub inputs: Vec<ArtifactId>,
    /// What it writes.
    pub outputs: Vec<ArtifactId>,
    /// What it means to the workers.
    pub metadata: String,
    /// On whose behalf.
    pub requester: String,
    /// Where it stands.
    pub state: TaskRecordState,
}

/// Where a task stands; the scheduler's states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskRecordState {
    /// Waits for a worker.
    Pending {
        /// How often it has been tried before.
        retries: u32,
        /// What else went wrong with it, where something did; only the coordinator knows what that means.
        history: Option<String>,
        /// Why the last try failed.
        last_failure: Option<String>,
    },
    /// Runs on a worker.
    Running {
        /// Where.
        worker: WorkerId,
        /// Since when.
        since: Timestamp,
        /// How often it had been tried before.
        retries: u32,
        /// What else had gone wrong with it, where something had.
        history: Option<String>,
    },
    /// Done.
    Succeeded,
    /// Given up.
    Failed {
        /// Why, for people.
        cause: String,
    },
}

/// Everything that was going on: what a restart begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// The pending proofs, in the order in which they were inserted.
    pub proofs: Vec<ProofRecord>,
    /// Their tasks, in the order in which they were inserted: a parent comes before its children.
    pub tasks: Vec<TaskRecord>,
    /// What those tasks said, each task's in order.
    pub messages: Vec<(TaskId, Vec<u8>)>,
}

/// Which proofs [`Ledger::list`](crate::Ledger::list) gives, oldest first and by id among those of one millisecond. The
/// default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProofFilter {
    /// Only those with one of these; any where empty.
    pub statuses: Vec<ProofStatus>,
    /// Only those whose execution has one of these; any where empty.
    pub execution_statuses: Vec<ExecutionStatus>,
    /// Only those whose deadline is this or later, or that have none.
    pub minimum_deadline: Option<Timestamp>,
    /// Only those that are, or are not, handled.
    pub handled: Option<bool>,
    /// Only those of this fulfiller.
    pub scheduled_by: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
    /// Without the first so many.
    pub offset: u32,
}
