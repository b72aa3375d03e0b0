//! Does a task, whatever its kind.

use crate::{bench::Bench, controller, failure::TaskFailure, link, step, task::Task};
use proofmill_primitives::TaskKind;
use serde::{Deserialize, Serialize};
use std::time::Instant;
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
    let backend = bench.registry.get(task.metadata.prover)?;
    match task.kind {
        _ if link::is_of_cluster(task, &*backend) => link::run(bench, task, &*backend, cancel).await?,
        TaskKind::Controller | TaskKind::ExecuteOnly => controller::run(bench, task, cancel).await?,
        TaskKind::ProveShard
        | TaskKind::RecursionDeferred
        | TaskKind::RecursionReduce
        | TaskKind::ShrinkWrap => step::run(bench, task).await?,
        TaskKind::PlonkWrap if task.metadata.step.is_some() => step::run(bench, task).await?,
        other => {
            return Err(TaskFailure::unfit(format!(
                "{other} tasks are not made by {} here: the circuit files and the prover they need are absent",
                task.metadata.prover
            )));
        }
    }
    let busy_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Done { busy_ms, peak_memory_mb: crate::memory::peak_mb() })
}
