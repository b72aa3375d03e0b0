//! Keeps artifacts that proofs in progress need, and removes those that no proof needs any more.

use crate::{owner::Handle, state::State};
use proofmill_artifacts::{ArtifactStore, ContentKey};
use proofmill_ledger::ProofRecord;
use proofmill_primitives::ArtifactId;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::MissedTickBehavior;

/// The most that passes between two looks for what nobody uses.
const EVERY: Duration = Duration::from_secs(3600);

/// The most that passes between two looks for proofs that have ended.
const ENDS: Duration = Duration::from_secs(5);

/// No look comes sooner after another.
const SOONEST: Duration = Duration::from_millis(100);

/// The last pause before a look is given up.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Looks now and then, until the state is gone. Where artifacts expire by themselves, those in use are renewed well before that;
/// after the end of their proof, intermediate results of ours are left to expire soon, and all others when their time is over.
/// Whatever a request or a task names was stored, or asked for, just before it was sent, so one that arrives meanwhile loses
/// nothing.
pub(crate) async fn run(handle: Handle, artifacts: Arc<dyn ArtifactStore>, retention: Duration) {
    let ends = async {
        if let Some(lifetime) = artifacts.lifetime() {
            let_go(&handle, &*artifacts, grace(lifetime)).await;
        }
    };
    tokio::join!(keep(&handle, &*artifacts, retention), ends);
}

/// For how long the intermediate results of a proof stay after its end: 45 minutes of six hours. A proof that failed is asked
/// for again within half an hour, and finds them.
fn grace(lifetime: Duration) -> Duration {
    lifetime / 8
}

/// Renews what is in use, and removes what nobody uses.
async fn keep(handle: &Handle, artifacts: &dyn ArtifactStore, retention: Duration) {
    let often = retention / 4;
    // What was let go before a proof named it again has no more than the grace.
    let often = artifacts.lifetime().map_or(often, |lifetime| often.min(grace(lifetime) / 4));
    let mut look = tokio::time::interval(often.clamp(SOONEST, EVERY));
    loop {
        look.tick().await;
        let Ok(InUse { all, .. }) = handle.ask(|state| InUse::of(state)).await else { return };
        let in_use = Arc::new(all);
        // Elsewhere it is enough that it is not removed.
        if artifacts.lifetime().is_some() {
            keep_alive(artifacts, &in_use).await;
        }
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

/// Lets go of what proofs that have ended have made on the way, unless another one goes on that needs it.
async fn let_go(handle: &Handle, artifacts: &dyn ArtifactStore, grace: Duration) {
    let mut look = tokio::time::interval((grace / 4).clamp(SOONEST, ENDS));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut made = BTreeSet::new();
    loop {
        look.tick().await;
        let Ok(in_use) = handle.ask(|state| InUse::of(state)).await else { return };
        let ended: BTreeSet<_> = made.difference(&in_use.all).cloned().collect();
        made = in_use.made();
        if ended.is_empty() {
            continue;
        }
        let ended = Arc::new(ended);
        if let Err(error) = artifacts.let_expire(Arc::clone(&ended), grace).await {
            tracing::debug!(%error, artifacts = ended.len(), "cannot let artifacts of ended proofs expire yet");
            // The next look finds that they are not in use.
            made.extend(ended.iter().cloned());
        }
    }
}

/// What proofs that go on may still read.
struct InUse {
    all: BTreeSet<ArtifactId>,
    /// What clients named: programs, inputs, and the proofs themselves.
    of_clients: BTreeSet<ArtifactId>,
}

impl InUse {
    fn of(state: &State) -> Self {
        let live = || {
            let records = state.proofs.values().map(|entry| &entry.record);
            records.filter(|record| !record.status.has_ended())
        };
        let named = |record: &ProofRecord| {
            [&record.program, &record.stdin].into_iter().chain(&record.proof).cloned().collect::<Vec<_>>()
        };
        let of_clients: BTreeSet<_> = live().flat_map(named).collect();
        let of_tasks = live().flat_map(|record| {
            let tasks = state.scheduler.tasks_of(&record.id);
            tasks.flat_map(|(task, _)| task.inputs.iter().chain(&task.outputs))
        });
        Self { all: of_tasks.chain(&of_clients).cloned().collect(), of_clients }
    }

    /// Intermediate results of ours. Others go as their peers have it.
    fn made(self) -> BTreeSet<ArtifactId> {
        let Self { mut all, of_clients } = self;
        all.retain(|id| ContentKey::names(id.as_str()) && !of_clients.contains(id));
        all
    }
}
