//! The SP1 cluster's own tasks: a controller asks for them, and nodes of the SP1 cluster and workers of ours do them side by side.
//!
//! | task | who does it here |
//! |---|---|
//! | `Controller` | [`controller`]: ours, because it must find again what is done |
//! | `CoreExecute` | SP1's, with names that follow from what they are of ([`execution`]) |
//! | `SetupVkey`, `ProveShard`, `RecursionDeferred`, `RecursionReduce`, `ShrinkWrap` | SP1's engines, warm in this process |
//! | `Groth16Wrap`, `PlonkWrap` | nobody: their circuit files and their prover are not here |
//!
//! What is made has a name that follows from what it is made of. A worker that is given a task whose results are there does
//! nothing; so a controller or an execution that starts over repeats nothing that was proven.

mod controller;
mod execution;
mod faults;
mod names;
mod store;

use crate::{execute, shared::Shared, stdin};
use faults::{faulted, of_backend, of_task};
use proofmill_backends::{
    Job,
    tasks::{ClusterLink, ClusterTask, ClusterTasks, Later},
};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{ArtifactId, TaskKind};
use proofmill_sp1_prover::{
    clients::{Later as Sp1Later, Link},
    tasks::{ARITY, Engine, arity, execute as run_execution},
};
use sp1_prover::worker::{ProofId, RawTaskRequest, RequesterId, TaskContext, TaskId};
use sp1_prover_types::{Artifact, TaskStatus, TaskType};
use std::sync::Arc;
use store::Plain;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
};

/// Does the SP1 cluster's tasks.
#[derive(Default)]
pub(crate) struct Cluster(Arc<Parts>);

#[derive(Default)]
struct Parts {
    shared: Arc<Shared>,
    /// Started when a task is first proven here; started anew after a failure, in which it may have been left in any state.
    engine: Mutex<Option<Engine>>,
}

impl Cluster {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Parts { shared, engine: Mutex::default() }))
    }
}

impl ClusterTasks for Cluster {
    fn run(&self, task: ClusterTask, link: Arc<dyn ClusterLink>) -> Later<()> {
        let parts = self.0.clone();
        Box::pin(async move {
            // On SP1's own runtime, whose threads have room for its recursion. Given up with this future.
            let mut running = JoinSet::new();
            let runtime = parts.shared.runtime().map_err(of_backend)?.handle().clone();
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
            TaskKind::SetupVkey
            | TaskKind::ProveShard
            | TaskKind::RecursionDeferred
            | TaskKind::RecursionReduce
            | TaskKind::ShrinkWrap => self.prove(task, link).await,
            other => Err(Fault::new(
                Code::Unfit,
                format!(
                    "{other} is not done by this worker: SP1's circuit files ($HOME/.sp1/circuits) are not on this machine, and its SNARK \
                     prover (gnark, which needs Go) is not compiled in; a CPU node of the SP1 cluster does it"
                ),
            )),
        }
    }

    /// Runs the program once before anything is proven of it: what it refuses costs nothing then, and is told as what it is.
    async fn execute(&self, task: ClusterTask, link: Arc<dyn ClusterLink>) -> Result<(), Fault> {
        let store = Arc::new(Plain(link.artifacts()));
        // Made before, and all its messages are there.
        if store.has(task.outputs.first()).await? {
            return Ok(());
        }
        let asked = execution::Asked::read(&task)?;
        let program = store.program(&asked.program).await?;
        let input = store.input(&asked.input, asked.private).await?;
        let limit = asked.cycle_limit;
        let (shared, elf) = (self.shared.clone(), program.clone());
        let ran = tokio::task::spawn_blocking(move || {
            let job = Job { program: &elf, input: &input, cycle_limit: limit };
            let stdin = stdin::decode(&job)?;
            shared.verify_deferred(&stdin)?;
            execute::run(crate::elf::load(&elf)?, stdin.buffer, limit)
        });
        ran.await.map_err(|panic| Fault::new(Code::ProverFailed, panic.to_string()))?.map_err(of_backend)?;
        let named = Arc::new(execution::Named::new(&task, link, store));
        let (id, request) = (TaskId::new(task.id.as_str()), raw(&task));
        let ended = run_execution(named.clone(), named.clone(), id, request).await;
        // SP1 tells of the store's faults in words only.
        ended.map_err(|error| named.fault().unwrap_or_else(|| of_task(error)))
    }

    async fn prove(&self, task: ClusterTask, link: Arc<dyn ClusterLink>) -> Result<(), Fault> {
        let (kind, request) = (wire(task.kind), raw(&task));
        if kind == TaskType::RecursionReduce {
            let count = arity(request.clone()).map_err(of_task)?;
            if count > ARITY {
                let text =
                    format!("it folds {count} proofs, and this worker's keys are for {ARITY} at the most");
                return Err(Fault::new(Code::Unfit, text));
            }
        }
        let store = Arc::new(Plain(link.artifacts()));
        // A shard's second result is taken by the execution that asked for it; that one keeps it here.
        let mut made = !task.outputs.is_empty();
        for output in &task.outputs {
            made = made && store.has(Some(output)).await?;
        }
        if made {
            tracing::info!(task = %task.id, kind = %task.kind, "its results are there already: reused");
            return mark(&task, &link).await;
        }
        // One task at a time, whatever the weights allow: two would not fit.
        let mut engine = self.engine.lock().await;
        let warm = match engine.take() {
            Some(warm) => warm,
            None => Engine::start(store, Arc::new(Marks(link.clone())))
                .await
                .map_err(|error| Fault::new(Code::ProverFailed, error.to_string()))?,
        };
        warm.run(kind, TaskId::new(task.id.as_str()), request).await.map_err(of_task)?;
        *engine = Some(warm);
        Ok(())
    }
}

/// A shard that is not proven again sets its mark all the same: the execution may have started over, and wait for it.
async fn mark(task: &ClusterTask, link: &Arc<dyn ClusterLink>) -> Result<(), Fault> {
    match (task.kind, task.outputs.len(), task.inputs.get(3)) {
        (TaskKind::ProveShard, 2, Some(mark)) => link.complete(mark.as_str().into()).await,
        _ => Ok(()),
    }
}

/// What SP1's engines need of the coordinator.
struct Marks(Arc<dyn ClusterLink>);

impl Link for Marks {
    fn submit(&self, _: TaskType, _: RawTaskRequest) -> Sp1Later<'_, TaskId> {
        Box::pin(async { anyhow::bail!("what proves asks for no tasks") })
    }

    fn complete(&self, task: TaskId) -> Sp1Later<'_, ()> {
        Box::pin(async move { self.0.complete(task.to_string().into()).await.map_err(faulted) })
    }

    fn results(&self) -> (mpsc::UnboundedSender<TaskId>, mpsc::UnboundedReceiver<(TaskId, TaskStatus)>) {
        (mpsc::unbounded_channel().0, mpsc::unbounded_channel().1)
    }

    fn say(&self, _: TaskId, _: Vec<u8>) -> Sp1Later<'_, ()> {
        Box::pin(async { anyhow::bail!("what proves sends no messages") })
    }
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
