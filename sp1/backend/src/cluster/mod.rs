//! The SP1 cluster's own tasks: a controller asks for them, and nodes of the SP1 cluster and workers of ours do them side by side.
//!
//! | task | who does it here |
//! |---|---|
//! | `Controller` | [`controller`]: ours, because it must find again what is done |
//! | `CoreExecute` | SP1's, with names that follow from what they are of ([`execution`]) |
//! | `SetupVkey` | what derives keys for everything else, without a prover |
//! | `ProveShard`, `RecursionDeferred`, `RecursionReduce`, `ShrinkWrap` | SP1's engines, warm in this process ([`prover`]) |
//! | `Groth16Wrap`, `PlonkWrap` | the same, where SP1's circuit files are; refused with the file that is missing where they are not |
//!
//! What is made has a name that follows from what it is made of. A worker that is given a task whose results are there does
//! nothing; so a controller or an execution that starts over repeats nothing that was proven. What is damaged is removed, and the
//! controller has made again what is not there: folds by themselves, shards by the execution, which asks for no others.

mod asked;
mod bench;
mod controller;
mod execution;
mod faults;
mod folds;
mod names;
mod prover;
mod request;
mod store;
mod told;

use crate::{execute, shared::Shared, stdin};
use bytes::Bytes;
pub(crate) use execution::weight;
use faults::of_task;
use proofmill_artifacts::ArtifactKind;
use proofmill_backends::{
    Job,
    tasks::{ClusterLink, ClusterTask, ClusterTasks, Later},
};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{ArtifactId, TaskKind};
use proofmill_sp1_prover::tasks::{circuits, execute as run_execution};
use prover::Prover;
use sp1_hypercube::SP1VerifyingKey;
use sp1_prover::worker::{ProofId, RawTaskRequest, RequesterId, TaskContext, TaskId};
use sp1_prover_types::{Artifact, TaskType};
use std::sync::Arc;
use store::Plain;
use tokio::task::JoinSet;

/// Does the SP1 cluster's tasks.
pub(crate) struct Cluster(Arc<Parts>);

struct Parts {
    shared: Arc<Shared>,
    prover: Prover,
}

impl Cluster {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Parts { shared, prover: Prover::default() }))
    }
}

impl ClusterTasks for Cluster {
    fn run(&self, task: ClusterTask, link: Arc<dyn ClusterLink>) -> Later<()> {
        let parts = self.0.clone();
        Box::pin(async move {
            // On SP1's own runtime, whose threads have room for its recursion. Given up with this future.
            let mut running = JoinSet::new();
            let runtime = parts.shared.runtime().map_err(Fault::from)?.handle().clone();
            running.spawn_on(parts.clone().run(task, link), &runtime);
            match running.join_next().await {
                Some(Ok(ended)) => ended,
                Some(Err(panic)) => Err(Fault::new(Code::ProverFailed, panic.to_string())),
                None => Err(Fault::new(Code::ProverFailed, "it ended without a word")),
            }
        })
    }
}

impl Parts {
    async fn run(self: Arc<Self>, task: ClusterTask, link: Arc<dyn ClusterLink>) -> Result<(), Fault> {
        match task.kind {
            TaskKind::Controller => controller::run(&self.shared, task, &link).await,
            TaskKind::CoreExecute => self.execute(task, link).await,
            TaskKind::SetupVkey => self.derive_key(task, link).await,
            TaskKind::ProveShard
            | TaskKind::RecursionDeferred
            | TaskKind::RecursionReduce
            | TaskKind::ShrinkWrap => self.prover.prove(task, link).await,
            TaskKind::Groth16Wrap | TaskKind::PlonkWrap => match circuits(wire(task.kind)) {
                Ok(_) => self.prover.prove(task, link).await,
                Err(missing) => Err(no_circuits(task.kind, &missing)),
            },
            other => {
                Err(Fault::new(Code::Unfit, format!("{other} tasks are not done by Proofmill's workers")))
            }
        }
    }

    /// Runs the program once before anything is proven of it: what it refuses costs nothing then, and is told as what it is.
    async fn execute(&self, task: ClusterTask, link: Arc<dyn ClusterLink>) -> Result<(), Fault> {
        let store = Arc::new(Plain(link.artifacts()));
        // Made before, and all its messages are there.
        if let Some(output) = task.outputs.first()
            && store.is_whole(output).await?
        {
            return Ok(());
        }
        let asked = execution::Asked::read(&task)?;
        let program = store.program(&asked.program).await?;
        let input = store.input(&asked.input, asked.private).await?;
        let limit = asked.cycle_limit;
        let (shared, elf) = (self.shared.clone(), program.clone());
        // Gone with this future, where the task is withdrawn.
        let wanted = Arc::new(());
        let is_wanted = Arc::downgrade(&wanted);
        let ran = tokio::task::spawn_blocking(move || {
            let job = Job { program: &elf, input: &input, cycle_limit: limit };
            let stdin = stdin::decode(&job)?;
            shared.verify_deferred(&stdin)?;
            let program = crate::elf::load(&elf)?;
            execute::run_while(program, stdin.buffer, limit, move || is_wanted.strong_count() > 0)
        });
        let ran = ran.await;
        drop(wanted);
        ran.map_err(|panic| Fault::new(Code::ProverFailed, panic.to_string()))?.map_err(Fault::from)?;
        let named = Arc::new(execution::Named::new(&task, link, store.clone()));
        let (id, request) = (TaskId::new(task.id.as_str()), raw(&task));
        let ended = run_execution(named.clone(), named.clone(), id, request).await;
        // SP1 tells of the store's faults in words only, and goes on without the events of a shard that it cannot read.
        let fault = match (ended, named.fault()) {
            (Ok(()), None) => return Ok(()),
            (_, Some(fault)) => fault,
            (Err(error), None) => return Err(of_task(error)),
        };
        for output in &task.outputs {
            store.0.delete(output, ArtifactKind::Exchanged).await.map_err(Fault::from)?;
        }
        if !named.lacks() {
            return Err(fault);
        }
        // The controller finds no output, and has it run again, which asks for what is lost.
        tracing::warn!(task = %task.id, cause = fault.text, "left undone: what a shard left is not there any more");
        Ok(())
    }

    async fn derive_key(&self, task: ClusterTask, link: Arc<dyn ClusterLink>) -> Result<(), Fault> {
        let store = Plain(link.artifacts());
        let ([program, ..], [output, ..]) = (task.inputs.as_slice(), task.outputs.as_slice()) else {
            return Err(Fault::new(Code::Malformed, "a SetupVkey task names a program and an output"));
        };
        if store.is_whole(output).await? {
            return Ok(());
        }
        let elf = store.program(program).await?;
        store.save(output, &derived(self.shared.clone(), elf).await?).await
    }
}

/// The key of a program, as this build derives it.
async fn derived(shared: Arc<Shared>, elf: Bytes) -> Result<SP1VerifyingKey, Fault> {
    let key = tokio::task::spawn_blocking(move || shared.key(&elf)).await;
    key.map_err(|panic| Fault::new(Code::ProverFailed, panic.to_string()))?.map_err(Fault::from)
}

fn no_circuits(kind: TaskKind, missing: &std::path::Path) -> Fault {
    let text = format!(
        "{kind} is not done by this worker: SP1's circuit files are not on this machine ({} is missing); install them there, or run a \
         CPU node of the SP1 cluster beside it",
        missing.display()
    );
    // A worker of the same build may have them.
    Fault::new(Code::NotSetUp, text)
}

/// A task as SP1's engines take it.
fn raw(task: &ClusterTask) -> RawTaskRequest {
    let artifacts = |ids: &[ArtifactId]| ids.iter().map(|id| Artifact(id.to_string())).collect();
    RawTaskRequest {
        inputs: artifacts(&task.inputs),
        outputs: artifacts(&task.outputs),
        context: TaskContext {
            proof_id: ProofId::new(task.proof.as_str()),
            parent_id: None,
            parent_context: None,
            requester_id: RequesterId::new(task.requester.as_str()),
        },
    }
}

fn wire(kind: TaskKind) -> TaskType {
    TaskType::try_from(kind.wire()).unwrap_or(TaskType::UnspecifiedTaskType)
}
