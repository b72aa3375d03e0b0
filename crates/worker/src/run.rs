//! Does a task, whatever its kind.

use crate::{bench::Bench, controller, failure::TaskFailure, link, step, task::Task};
use proofmill_primitives::TaskKind;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What a finished task says about itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) busy_ms: u64,
    pub(crate) peak_memory_mb: u32,
}

/// Does a task to its end and says how long it took.
pub(crate) async fn run(bench: &Bench, task: &Task, cancel: &CancellationToken) -> Result<Done, TaskFailure> {
    let start = Instant::now();
    // Ends with this.
    let mut keeping = JoinSet::new();
    if task.kind == TaskKind::Controller {
        // It may wait for others for days.
        keeping.spawn(Arc::clone(&bench.seen).keep(Arc::clone(&bench.artifacts)));
    }
    attend(bench, task, cancel).await?;
    let busy_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Done { busy_ms, peak_memory_mb: crate::memory::peak_mb() })
}

async fn attend(bench: &Bench, task: &Task, cancel: &CancellationToken) -> Result<(), TaskFailure> {
    let backend = bench.registry.get(task.metadata.prover)?;
    match task.kind {
        _ if link::is_of_cluster(task, &*backend) => link::run(bench, task, &*backend, cancel).await,
        TaskKind::Controller | TaskKind::ExecuteOnly => controller::run(bench, task, cancel).await,
        TaskKind::ProveShard
        | TaskKind::RecursionDeferred
        | TaskKind::RecursionReduce
        | TaskKind::ShrinkWrap => step::run(bench, task).await,
        TaskKind::PlonkWrap if task.metadata.step.is_some() => step::run(bench, task).await,
        other => Err(TaskFailure::unfit(format!(
            "{other} tasks are not made by {} here: the circuit files and the prover they need are absent",
            task.metadata.prover
        ))),
    }
}
