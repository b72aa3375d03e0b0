//! What a task works with: the coordinator, the artifacts, the backends.

use crate::{
    client::{CoordinatorClient, FIRST_WAIT, LAST_WAIT},
    failure::TaskFailure,
    metadata::own_dialect,
};
use bytes::Bytes;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore};
use proofmill_backends::{Backend, BackendError, Registry, SegmentBudget};
use proofmill_fault::Code;
use proofmill_primitives::{ArtifactId, Dialect, ProverType, Weight};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// For how long a result is offered to a store that is away.
const OFFERED_FOR: Duration = Duration::from_secs(120);

/// What a task needs beside its own message.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    pub(crate) client: CoordinatorClient,
    pub(crate) artifacts: Arc<dyn ArtifactStore>,
    pub(crate) registry: Registry,
    /// Which build this is; see [`WorkerConfig::build`](crate::WorkerConfig).
    pub(crate) build: String,
    /// For what memory controllers on this worker cut segments.
    pub(crate) segment_memory: Weight,
}

impl Bench {
    /// The dialect of this worker's own tasks of a prover type.
    pub(crate) fn dialect(&self, prover: ProverType) -> Result<Dialect, BackendError> {
        Ok(own_dialect(&*self.registry.get(prover)?, &self.build))
    }

    /// Stores a result. It is not thrown away because the disk is full: that is waited for, as long as the work is wanted. Nor because the
    /// store is away or refuses for a moment (a share that is mounted anew, a server that fails over, keys that are renewed); one that
    /// stays so may be so for this worker only.
    pub(crate) async fn keep(
        &self,
        id: &ArtifactId,
        kind: ArtifactKind,
        result: Bytes,
        cancel: &CancellationToken,
    ) -> Result<(), TaskFailure> {
        let mut wait = FIRST_WAIT;
        let mut told = false;
        let begun = Instant::now();
        loop {
            match self.artifacts.put(id, kind, result.clone()).await {
                Err(error @ ArtifactError::NoSpace { .. }) => {
                    if !told {
                        tracing::error!(%error, "a result waits for space");
                    }
                }
                Err(error) if error.is_of_store() && begun.elapsed() < OFFERED_FOR => {
                    if !told {
                        tracing::warn!(%error, "a result waits for its store");
                    }
                }
                stored => return Ok(stored?),
            }
            told = true;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = cancel.cancelled() => return Err(TaskFailure::withdrawn()),
            }
            wait = (wait * 2).min(LAST_WAIT);
        }
    }

    /// Fetches what the client stored.
    pub(crate) async fn get(&self, id: &ArtifactId, kind: ArtifactKind) -> Result<Bytes, TaskFailure> {
        Ok(self.artifacts.get(id, kind).await?)
    }

    /// What an earlier step made, or nothing where it is missing or damaged. A damaged one is removed, so that nobody takes
    /// it for done.
    pub(crate) async fn made(&self, id: &ArtifactId) -> Result<Option<Bytes>, TaskFailure> {
        match self.artifacts.get(id, ArtifactKind::Intermediate).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ArtifactError::Missing { .. }) => Ok(None),
            Err(error @ ArtifactError::Damaged { .. }) => {
                tracing::error!(%id, %error, "removing a damaged artifact");
                self.remove(id).await?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what an earlier step made. Nothing else in a worker deletes an artifact.
    pub(crate) async fn remove(&self, id: &ArtifactId) -> Result<(), TaskFailure> {
        Ok(self.artifacts.delete(id, ArtifactKind::Intermediate).await?)
    }

    /// The budget that segments of a controller on this worker are cut for.
    pub(crate) fn budget(&self, backend: &dyn Backend) -> SegmentBudget {
        backend.budget_for(self.segment_memory)
    }
}

/// Runs CPU-bound work where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackendError> + Send + 'static,
) -> Result<T, TaskFailure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => Ok(outcome?),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => Err(TaskFailure::panicked(&*panic)),
            Err(_) => Err(TaskFailure::new(Code::Stopping, "its worker is stopping")),
        },
    }
}
