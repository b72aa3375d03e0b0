//! The artifact store and the coordinator as SP1's engines see them, behind objects: SP1's own traits are made into code once, here,
//! and not again with everything that lies above.

use sp1_prover::worker::{ProofId, RawTaskRequest, SubscriberBuilder, TaskId, TaskMetadata, WorkerClient};
use sp1_prover_types::{ArtifactClient, ArtifactId, ArtifactType, ProofRequestStatus, TaskStatus, TaskType};
use std::{future::Future, pin::Pin, sync::Arc};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// What an asynchronous method returns.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = anyhow::Result<T>> + Send + 'a>>;

/// Where tasks find what they read, and leave what they make.
pub trait Store: Send + Sync {
    /// Stores a blob.
    fn put<'a>(&'a self, id: &'a str, kind: ArtifactType, bytes: Vec<u8>) -> Later<'a, ()>;
    /// Gives a blob.
    fn get<'a>(&'a self, id: &'a str, kind: ArtifactType) -> Later<'a, Vec<u8>>;
    /// Whether there is a blob.
    fn exists<'a>(&'a self, id: &'a str, kind: ArtifactType) -> Later<'a, bool>;
    /// Removes a blob.
    fn delete<'a>(&'a self, id: &'a str, kind: ArtifactType) -> Later<'a, ()>;
    /// Notes that a shard or an execution needs a blob.
    fn add_ref<'a>(&'a self, id: &'a str, holder: &'a str) -> Later<'a, ()>;
    /// It needs it no longer; whether the blob went with the last who did.
    fn remove_ref<'a>(&'a self, id: &'a str, kind: ArtifactType, holder: &'a str) -> Later<'a, bool>;
}

/// The coordinator, for one task.
pub trait Link: Send + Sync {
    /// Creates a task.
    fn submit(&self, kind: TaskType, task: RawTaskRequest) -> Later<'_, TaskId>;
    /// Declares a task done.
    fn complete(&self, task: TaskId) -> Later<'_, ()>;
    /// Tells the ends of the tasks that are named.
    fn results(&self) -> (UnboundedSender<TaskId>, UnboundedReceiver<(TaskId, TaskStatus)>);
    /// Sends a message of a task.
    fn say(&self, task: TaskId, message: Vec<u8>) -> Later<'_, ()>;
}

/// A store, as SP1's engines take it.
#[derive(Clone)]
pub struct StoreClient(pub Arc<dyn Store>);

/// A link, as SP1's engines take it.
#[derive(Clone)]
pub struct LinkClient(pub Arc<dyn Link>);

impl ArtifactClient for StoreClient {
    async fn upload_raw(
        &self,
        artifact: &impl ArtifactId,
        kind: ArtifactType,
        data: Vec<u8>,
    ) -> anyhow::Result<()> {
        self.0.put(artifact.id(), kind, data).await
    }

    async fn download_raw(&self, artifact: &impl ArtifactId, kind: ArtifactType) -> anyhow::Result<Vec<u8>> {
        self.0.get(artifact.id(), kind).await
    }

    async fn exists(&self, artifact: &impl ArtifactId, kind: ArtifactType) -> anyhow::Result<bool> {
        self.0.exists(artifact.id(), kind).await
    }

    async fn delete(&self, artifact: &impl ArtifactId, kind: ArtifactType) -> anyhow::Result<()> {
        self.0.delete(artifact.id(), kind).await
    }

    async fn delete_batch(&self, artifacts: &[impl ArtifactId], kind: ArtifactType) -> anyhow::Result<()> {
        for artifact in artifacts {
            self.0.delete(artifact.id(), kind).await?;
        }
        Ok(())
    }

    async fn add_ref(&self, artifact: &impl ArtifactId, holder: &str) -> anyhow::Result<()> {
        self.0.add_ref(artifact.id(), holder).await
    }

    async fn remove_ref(
        &self,
        artifact: &impl ArtifactId,
        kind: ArtifactType,
        holder: &str,
    ) -> anyhow::Result<bool> {
        self.0.remove_ref(artifact.id(), kind, holder).await
    }
}

impl WorkerClient for LinkClient {
    async fn submit_task(&self, kind: TaskType, task: RawTaskRequest) -> anyhow::Result<TaskId> {
        self.0.submit(kind, task).await
    }

    async fn complete_task(&self, _: ProofId, task: TaskId, _: TaskMetadata) -> anyhow::Result<()> {
        self.0.complete(task).await
    }

    async fn complete_proof(
        &self,
        _: ProofId,
        _: Option<TaskId>,
        _: ProofRequestStatus,
        _: impl Into<String> + Send,
    ) -> anyhow::Result<()> {
        anyhow::bail!("a proof is completed by its controller, and that is not SP1's here")
    }

    async fn subscriber(&self, _: ProofId) -> anyhow::Result<SubscriberBuilder<Self>> {
        let (name, ended) = self.0.results();
        Ok(SubscriberBuilder::new(self.clone(), name, ended))
    }

    async fn subscribe_task_messages(&self, _: &TaskId) -> anyhow::Result<UnboundedReceiver<Vec<u8>>> {
        anyhow::bail!("messages are read by the controller, and that is not SP1's here")
    }

    async fn send_task_message(&self, task: &TaskId, payload: Vec<u8>) -> anyhow::Result<()> {
        self.0.say(task.clone(), payload).await
    }
}
