//! What follows from an event.

use crate::{TaskSpec, Time};
use proofmill_fault::{Fault, History};
use proofmill_primitives::{Dialect, ProofId, ProverType, TaskId, TaskKind, Weight, WorkerId, WorkerKind};
use serde::{Deserialize, Serialize};

/// Something that the services around the scheduler must do, in the order given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Send the task to the worker, and tell when that was done ([`Event::Sent`](crate::Event::Sent)). A worker that comes
    /// back is sent again what it should hold.
    Assign {
        /// To whom.
        worker: WorkerId,
        /// What.
        task: TaskSpec,
    },
    /// Tell the worker that its work on the task is no longer wanted.
    Withdraw {
        /// Whom.
        worker: WorkerId,
        /// Of which proof.
        proof: ProofId,
        /// Which task.
        task: TaskId,
    },
    /// A new task is known: make it durable.
    TaskAdded(TaskSpec),
    /// A task's state changed: make it durable and tell who waits for it.
    TaskChanged {
        /// Of which proof.
        proof: ProofId,
        /// Which task.
        task: TaskId,
        /// Its state now.
        state: TaskState,
    },
    /// A proof's state changed: make it durable and tell who waits for it. After an end state its tasks are forgotten.
    ProofChanged {
        /// Which.
        proof: ProofId,
        /// Its state now.
        state: ProofState,
    },
    /// What keeps a proof waiting changed; `None` when nothing does any more.
    Diagnosed {
        /// Which proof.
        proof: ProofId,
        /// Why its tasks cannot be given to anybody.
        diagnosis: Option<Diagnosis>,
    },
    /// A worker left, or was silent too long. Its tasks have been given back.
    WorkerLost {
        /// Who.
        worker: WorkerId,
        /// Its tasks.
        tasks: Vec<TaskId>,
    },
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskState {
    /// Waits for a worker.
    Pending {
        /// What went wrong with it before.
        history: History,
        /// Why it came back the last time.
        last_failure: Option<Fault>,
    },
    /// Runs on a worker.
    Running {
        /// Where.
        worker: WorkerId,
        /// Since when.
        since: Time,
        /// What went wrong with it before.
        history: History,
    },
    /// Done.
    Succeeded,
    /// Given up.
    Failed {
        /// Why.
        fault: Fault,
    },
}

/// Where a proof stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProofState {
    /// Being made.
    Active,
    /// Made.
    Completed,
    /// Given up.
    Failed {
        /// Why.
        fault: Fault,
    },
    /// Withdrawn by its client.
    Cancelled,
}

/// Why a task waits although it could run: no worker that is present could ever take it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Diagnosis {
    /// No worker speaks the prover type.
    #[error(
        "{kind} waits: none of the {workers} workers runs `{prover}`; start one with `proofmill worker --prover {prover}`"
    )]
    NoWorkerOfType {
        /// The task's kind.
        kind: TaskKind,
        /// The prover type it needs.
        prover: ProverType,
        /// How many workers there are.
        workers: usize,
    },
    /// Workers of the type are there, but none that understands the task.
    #[error(
        "{kind} waits: none of the `{prover}` workers speaks {dialect}, as the controller of the proof does; start one of the same \
         version and circuits, or stop the worker that the controller is on: the proof then goes on with the others"
    )]
    NoWorkerOfDialect {
        /// The task's kind.
        kind: TaskKind,
        /// The prover type it needs.
        prover: ProverType,
        /// How it is written.
        dialect: Dialect,
    },
    /// Workers of the type are there, but none of the kind.
    #[error(
        "{kind} waits: no `{prover}` worker of kind {needs} or all is present; start one with `--kind {needs}`"
    )]
    NoWorkerOfKind {
        /// The task's kind.
        kind: TaskKind,
        /// The prover type it needs.
        prover: ProverType,
        /// The kind of worker it needs.
        needs: WorkerKind,
    },
    /// None is large enough.
    #[error(
        "{kind} waits: it needs {needs} beside the {held} that the tasks waiting for it hold there, and the largest worker has {largest}; \
         start a larger one or raise WORKER_MAX_WEIGHT_OVERRIDE where the memory is there"
    )]
    NoWorkerLargeEnough {
        /// The task's kind.
        kind: TaskKind,
        /// What it weighs.
        needs: Weight,
        /// What its proof's controller, and its execution where it has one, hold on the only workers that could take it; zero where
        /// others could.
        held: Weight,
        /// The largest maximum among the workers that could take it otherwise.
        largest: Weight,
    },
}
