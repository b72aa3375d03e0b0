//! Proofs that are made by tasks of the SP1 cluster's own layout, so that its nodes can take part in them: what a prover type
//! needs of the worker for that. SP1's does it (`sp1/backend`).
//!
//! The worker gives each such task to [`ClusterTasks`], with a [`ClusterLink`] to the coordinator and the artifact store.

use proofmill_artifacts::ArtifactStore;
use proofmill_fault::Fault;
use proofmill_primitives::{ArtifactId, ProofId, TaskId, TaskKind, Weight};
use std::{fmt, future::Future, pin::Pin, sync::Arc};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// What an asynchronous method returns. It owns what it needs.
pub type Later<T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send>>;

/// A task that a worker was given.
#[derive(Clone, Debug)]
pub struct ClusterTask {
    /// Which.
    pub id: TaskId,
    /// Of which proof.
    pub proof: ProofId,
    /// What it does.
    pub kind: TaskKind,
    /// What it reads, laid out as the SP1 cluster does.
    pub inputs: Vec<ArtifactId>,
    /// What it writes.
    pub outputs: Vec<ArtifactId>,
    /// On whose behalf.
    pub requester: String,
    /// How often it was done in vain before.
    pub repeated: u32,
}

/// A task that is to be created.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// What it does.
    pub kind: TaskKind,
    /// The memory that it needs.
    pub weight: Weight,
    /// What it reads.
    pub inputs: Vec<ArtifactId>,
    /// What it writes. While a task of the same proof and kind with the same outputs is known, it is that one.
    pub outputs: Vec<ArtifactId>,
    /// How often it was done in vain before: each time is another task.
    pub repeated: u32,
}

/// What a proof will take, once that is known.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// Instructions of the execution.
    pub instructions: u64,
    /// What the program commits to.
    pub public_values: Vec<u8>,
    /// How many tasks there are of each kind.
    pub kinds: Vec<(TaskKind, usize)>,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Succeeded,
    /// It was given up.
    Failed,
}

/// The coordinator and the artifact store, for one task. A coordinator that is away is waited for.
pub trait ClusterLink: fmt::Debug + Send + Sync {
    /// The artifacts. What is put waits for a store that is full for as long as the work is wanted, and for one that is away for a while.
    fn artifacts(&self) -> Arc<dyn ArtifactStore>;

    /// Creates a task of the same proof.
    fn create(&self, task: NewTask) -> Later<TaskId>;

    /// Declares a task done that nobody was given: a mark.
    fn complete(&self, task: TaskId) -> Later<()>;

    /// Tells the ends of the tasks that are named on the way, each once. Ends when no more will be named and all have ended, or when
    /// nobody listens.
    fn results(&self) -> (UnboundedSender<TaskId>, UnboundedReceiver<(TaskId, Outcome)>);

    /// The messages of a task from its first one on, until it has ended.
    fn messages(&self, task: TaskId) -> UnboundedReceiver<Vec<u8>>;

    /// Sends a message of this task.
    fn say(&self, message: Vec<u8>) -> Later<()>;

    /// Tells what the proof will take.
    fn foresee(&self, foreseen: Foreseen) -> Later<()>;

    /// Declares the proof made. `report` is JSON about it, for people.
    fn complete_proof(&self, report: String) -> Later<()>;
}

/// A prover type that does the SP1 cluster's tasks.
pub trait ClusterTasks: Send + Sync {
    /// Does a task to its end. Dropping what it returns gives the work up as soon as that is possible.
    fn run(&self, task: ClusterTask, link: Arc<dyn ClusterLink>) -> Later<()>;
}
