//! What proves: one engine of SP1's, warm from the first task on, for one task at a time.

use super::{bench::Bench, faults::of_task, raw, store::Plain, wire};
use proofmill_artifacts::ArtifactKind;
use proofmill_backends::tasks::{ClusterLink, ClusterTask};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::TaskKind;
use proofmill_sp1_prover::tasks::Engine;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Does the tasks that prove.
#[derive(Default)]
pub(crate) struct Prover {
    /// Started when it is first needed. Held while a task is done: two would not fit, whatever the weights allow.
    engine: Mutex<Option<Engine>>,
    /// What the engine sees of store and coordinator.
    bench: Arc<Bench>,
}

impl Prover {
    /// Does a task, unless its results are there.
    pub(crate) async fn prove(&self, task: ClusterTask, link: Arc<dyn ClusterLink>) -> Result<(), Fault> {
        if is_made(&task, &Plain(link.artifacts())).await? {
            tracing::info!(task = %task.id, kind = %task.kind, "its results are there already: reused");
            return mark(&task, &link).await;
        }
        let mut engine = self.engine.lock().await;
        let warm = match engine.as_ref().filter(|warm| !warm.is_broken()) {
            Some(warm) => warm.clone(),
            None => {
                // First the old one's memory, then the new one's.
                *engine = None;
                let started = Engine::start(self.bench.clone(), self.bench.clone()).await;
                let started = started.map_err(|error| Fault::new(Code::ProverFailed, error.to_string()))?;
                engine.insert(started).clone()
            }
        };
        self.bench.turn_to(&task, link.clone());
        let Err(error) = warm.run(wire(task.kind), raw(&task)).await else { return Ok(()) };
        // Another try here cannot help: the controller finds that nothing was made, and has made again what is missing.
        if let Some(lost) = self.bench.lost().filter(|_| folds(task.kind)) {
            tracing::warn!(
                task = %task.id, kind = %task.kind, %lost,
                "left undone: what it is made of is not there any more"
            );
            return link.artifacts().delete(&lost, ArtifactKind::Exchanged).await.map_err(Fault::from);
        }
        // SP1 tells of the store's faults in words only.
        Err(self.bench.fault().unwrap_or_else(|| of_task(error)))
    }
}

/// Whether a task is made of what earlier ones left alone, and its controller looks for what it leaves.
const fn folds(kind: TaskKind) -> bool {
    matches!(
        kind,
        TaskKind::RecursionReduce | TaskKind::ShrinkWrap | TaskKind::Groth16Wrap | TaskKind::PlonkWrap
    )
}

/// A shard's second result is taken by the execution that asked for it; that one keeps it here.
async fn is_made(task: &ClusterTask, store: &Plain) -> Result<bool, Fault> {
    for output in &task.outputs {
        if !store.is_whole(output).await? {
            return Ok(false);
        }
    }
    Ok(!task.outputs.is_empty())
}

/// A shard that is not proven again sets its mark all the same: the execution may have started over, and wait for it.
async fn mark(task: &ClusterTask, link: &Arc<dyn ClusterLink>) -> Result<(), Fault> {
    match (task.kind, task.outputs.len(), task.inputs.get(3)) {
        (TaskKind::ProveShard, 2, Some(mark)) => link.complete(mark.as_str().into()).await,
        _ => Ok(()),
    }
}
