//! Keeps artifacts that proofs in progress need, and removes those that no proof needs any more.

use crate::{owner::Handle, state::State};
use proofmill_artifacts::ArtifactStore;
use proofmill_primitives::ArtifactId;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// The most that passes between two looks.
const EVERY: Duration = Duration::from_secs(3600);

/// The last pause before a look is given up.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Looks now and then, until the state is gone. Where artifacts expire by themselves, those in use are renewed well before that;
/// after the end of their proof they are left to expire. Whatever a request or a task names was stored, or asked for, just before
/// it was sent, so one that arrives meanwhile loses nothing.
pub(crate) async fn run(handle: Handle, artifacts: Arc<dyn ArtifactStore>, retention: Duration) {
    let often = artifacts.lifetime().map_or(retention, |lifetime| lifetime.min(retention)) / 4;
    let mut look = tokio::time::interval(often.clamp(Duration::from_millis(100), EVERY));
    loop {
        look.tick().await;
        let Ok(in_use) = handle.call(|state| in_use(state)).await else { return };
        let in_use = Arc::new(in_use);
        keep_alive(&*artifacts, &in_use).await;
        match artifacts.remove_unused(retention, in_use).await {
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

/// Renews what is in use. While the store is away it is asked again, with growing pauses: nothing expires in it meanwhile that a
/// restart would not lose as well, but what has little time left must not wait for the next look.
async fn keep_alive(artifacts: &dyn ArtifactStore, in_use: &Arc<BTreeSet<ArtifactId>>) {
    let mut pause = Duration::from_secs(1);
    while let Err(error) = artifacts.keep_alive(Arc::clone(in_use)).await {
        tracing::warn!(%error, artifacts = in_use.len(), "cannot keep artifacts of proofs in progress from expiring");
        if pause > LONGEST_PAUSE {
            return;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

/// Everything that a proof which goes on may still read.
fn in_use(state: &State) -> BTreeSet<ArtifactId> {
    let live = state.proofs.values().map(|entry| &entry.record).filter(|record| !record.status.has_ended());
    live.flat_map(|record| {
        let tasks = state.scheduler.tasks_of(&record.id);
        let of_tasks = tasks.flat_map(|(task, _)| task.inputs.iter().chain(&task.outputs));
        [&record.program, &record.stdin].into_iter().chain(&record.proof).chain(of_tasks).cloned()
    })
    .collect()
}
