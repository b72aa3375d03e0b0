//! What a task works with: the coordinator, the artifacts, the backends.

use crate::{
    client::CoordinatorClient,
    failure::TaskFailure,
    metadata::own_dialect,
    patient::{Patient, Waits},
    seen::Seen,
};
use bytes::Bytes;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore};
use proofmill_backends::{Backend, BackendError, Registry, SegmentBudget};
use proofmill_fault::Code;
use proofmill_primitives::{ArtifactId, Dialect, ProverType, Weight};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

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
    /// What the task at hand waits for.
    pub(crate) waits: Waits,
    /// What it has found in its store.
    pub(crate) seen: Arc<Seen>,
}

impl Bench {
    /// The dialect of this worker's own tasks of a prover type.
    pub(crate) fn dialect(&self, prover: ProverType) -> Result<Dialect, BackendError> {
        Ok(own_dialect(&*self.registry.get(prover)?, &self.build))
    }

    /// The same for one task: what its store does not take for a while [waits](Patient), unless the work is withdrawn.
    pub(crate) fn for_task(&self, withdrawn: &CancellationToken) -> Self {
        let waits = Waits::default();
        let store = Arc::clone(&self.artifacts);
        let seen = Arc::<Seen>::default();
        let withdrawn = withdrawn.clone();
        let patient = Patient { store, waits: waits.clone(), withdrawn, seen: seen.clone() };
        Self { artifacts: Arc::new(patient), waits, seen, ..self.clone() }
    }

    /// Stores a result.
    pub(crate) async fn keep(
        &self,
        id: &ArtifactId,
        kind: ArtifactKind,
        result: Bytes,
    ) -> Result<(), TaskFailure> {
        Ok(self.artifacts.put(id, kind, result).await?)
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
