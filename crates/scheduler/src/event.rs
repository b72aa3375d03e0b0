//! What the scheduler is told.

use proofmill_fault::Fault;
use proofmill_primitives::{
    ArtifactId, Dialect, ProofId, ProverType, TaskId, TaskKind, Time, Weight, WorkerId, WorkerKind,
};
use serde::{Deserialize, Serialize};

/// What a worker says of itself when it registers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerSpec {
    /// Chosen by the worker; the same id again is the same worker that came back.
    pub id: WorkerId,
    /// Which half of the tasks it takes.
    pub kind: WorkerKind,
    /// The most that its tasks may weigh together.
    pub max_weight: Weight,
    /// The prover types whose tasks it can run.
    pub provers: Vec<ProverType>,
    /// How the tasks may be written that it can run.
    pub dialects: Vec<Dialect>,
    /// Its version and circuits, in any form; empty where it does not say. What one worker does not understand no other of
    /// the same build does.
    pub build: String,
}

/// A proof that is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofSpec {
    /// Chosen by the client.
    pub id: ProofId,
    /// Which workers can make it.
    pub prover: ProverType,
    /// On whose behalf; what the `balanced` policy shares among.
    pub requester: String,
    /// When it is too late.
    pub deadline: Option<Time>,
}

/// One task of a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSpec {
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
    /// How it is written, and so who can do it; any worker of its prover type where nothing is said.
    pub dialect: Option<Dialect>,
    /// What it means to the workers; the scheduler does not look inside.
    pub metadata: String,
    /// On whose behalf.
    pub requester: String,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A worker registered, or came back after its connection broke: what it was running it still runs.
    WorkerOpened(WorkerSpec),
    /// A worker said it is alive and named the tasks that it holds. A task that was sent to it more than
    /// [`Config::delivery_grace`](crate::Config) before and that is not among them never arrived: it is sent once more, and
    /// after another such time given out again.
    Heartbeat {
        /// Who.
        worker: WorkerId,
        /// What it holds.
        active: Vec<TaskId>,
        /// When that was received. What the worker was sent later it could not have named, however late this is handled.
        received: Time,
    },
    /// These tasks have left for their workers, as [`Action::Assign`](crate::Action::Assign) asked.
    Sent {
        /// Which, and to whom.
        tasks: Vec<(WorkerId, TaskId)>,
    },
    /// A worker's stream broke. It is given no more tasks, and has [`Config::reconnect_grace`](crate::Config) to come back, or
    /// to say by a heartbeat that it lives, before what it holds goes to others. One that takes no more tasks has left with it.
    StreamBroken {
        /// Whose.
        worker: WorkerId,
    },
    /// A worker that takes no more tasks has a stream again: it goes on with what it holds.
    WorkerBack {
        /// Who.
        worker: WorkerId,
    },
    /// A worker will take no more tasks. It finishes or hands back what it holds, then its heartbeats end.
    WorkerDraining {
        /// Who.
        worker: WorkerId,
    },
    /// A worker's process is known to have ended: its tasks go to others at once.
    WorkerGone {
        /// Who.
        worker: WorkerId,
    },
    /// Another process begins under a worker's name, and registers next: what the one before it held is lost with it. The new one is
    /// sent that, for it may know why, but for what has been lost so often that it counts, or must not run beside the rest.
    WorkerReplaced {
        /// Under whose name.
        worker: WorkerId,
    },
    /// A proof is asked for; `root` is its first task.
    ProofCreated {
        /// The proof.
        proof: ProofSpec,
        /// Its first task.
        root: TaskSpec,
    },
    /// A task created another one.
    TaskCreated(TaskSpec),
    /// A worker finished a task. Counts from any worker: a result is a result, also from one that had lost the task.
    TaskCompleted {
        /// Who.
        worker: WorkerId,
        /// Which.
        task: TaskId,
    },
    /// A worker could not do a task. What follows is the decision of [`Config::patience`](crate::Config). From a worker that
    /// no longer holds the task it changes nothing.
    TaskFailed {
        /// Who.
        worker: WorkerId,
        /// Which.
        task: TaskId,
        /// What happened, and whose fault it is.
        fault: Fault,
    },
    /// The proof is made: its remaining tasks are cancelled.
    ProofCompleted {
        /// Which.
        proof: ProofId,
    },
    /// The proof cannot be made.
    ProofFailed {
        /// Which.
        proof: ProofId,
        /// Why.
        fault: Fault,
    },
    /// The client gives the proof another deadline.
    DeadlineMoved {
        /// Which.
        proof: ProofId,
        /// When it is too late now.
        deadline: Time,
    },
    /// The client does not want it any more.
    ProofCancelled {
        /// Which.
        proof: ProofId,
    },
    /// Time passed. Due at least once a second: it is what finds dead workers, timeouts and deadlines.
    Tick,
}

/// Why an event was not accepted. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A proof of this id exists.
    #[error("the proof {0} exists already")]
    ProofExists(ProofId),
    /// No such proof, or one that has ended.
    #[error("there is no live proof {0}: it was never created here, or it has ended")]
    NoSuchProof(ProofId),
    /// A task of this id exists.
    #[error("the task {0} exists already")]
    TaskExists(TaskId),
    /// No such task.
    #[error("there is no task {0}: it was never created here, or its proof has ended")]
    NoSuchTask(TaskId),
    /// The worker is not registered; it must open its stream again.
    #[error("the worker {0} is not registered: open a stream first")]
    NoSuchWorker(WorkerId),
    /// A worker that can take nothing.
    #[error(
        "the worker {worker} declares {max_weight} and {provers} prover types: it could never take a task"
    )]
    UselessWorker {
        /// Who.
        worker: WorkerId,
        /// What it declared.
        max_weight: Weight,
        /// How many prover types it declared.
        provers: usize,
    },
}
