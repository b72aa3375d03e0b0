//! Removes artifacts that no proof needs any more.

use crate::{owner::Handle, state::State};
use proofmill_artifacts::ArtifactStore;
use proofmill_primitives::ArtifactId;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// The most that passes between two looks.
const EVERY: Duration = Duration::from_secs(3600);

/// Looks now and then, until the state is gone. Whatever a request or a task names was stored, or asked for, just before
/// it was sent, so one that arrives meanwhile loses nothing.
pub(crate) async fn run(handle: Handle, artifacts: Arc<dyn ArtifactStore>, retention: Duration) {
    let mut look = tokio::time::interval((retention / 4).clamp(Duration::from_millis(100), EVERY));
    loop {
        look.tick().await;
        let Ok(in_use) = handle.call(|state| in_use(state)).await else { return };
        match artifacts.remove_unused(retention, Arc::new(in_use)).await {
            Ok(removed) if removed.blobs > 0 => {
                tracing::info!(
                    blobs = removed.blobs,
                    bytes = removed.bytes,
                    "removed artifacts that nobody uses"
                );
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "cannot remove artifacts that nobody uses"),
        }
    }
}

/// Everything that a proof which goes on may still read.
fn in_use(state: &State) -> BTreeSet<ArtifactId> {
    let live = state.proofs.values().map(|entry| &entry.record).filter(|record| !record.status.has_ended());
    live.flat_map(|record| {
        let tasks = state.scheduler.tasks_of(&record.id);
        let of_tasks = tasks.flat_map(|(task, _)| task.inputs.iter().chain(&task.outputs));
        [&record.program, &record.stdin].into_iter().chain(of_tasks).cloned()
    })
    .collect()
}
