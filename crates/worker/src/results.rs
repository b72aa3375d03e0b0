//! The results of a controller's tasks, over a subscription that survives a coordinator that goes away.

use crate::{client::CoordinatorClient, failure::TaskFailure};
use proofmill_fault::Code;
use proofmill_primitives::{ProofId, TaskId};
use proofmill_wire::worker::{ServerSubMessage, TaskStatus, server_sub_message::Message};
use std::{collections::BTreeSet, time::Duration};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

/// The coordinator says something at least every few seconds; silent longer than this, the stream is opened again.
const SILENCE: Duration = Duration::from_secs(30);

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeded,
    /// For good: retries are the coordinator's business.
    Failed,
}

/// The tasks that a controller waits for.
pub(crate) struct Results<'a> {
    client: &'a CoordinatorClient,
    proof: &'a ProofId,
    cancel: &'a CancellationToken,
    sub: String,
    waiting: BTreeSet<TaskId>,
    stream: Option<Streaming<ServerSubMessage>>,
}

impl<'a> Results<'a> {
    pub(crate) fn new(
        client: &'a CoordinatorClient,
        proof: &'a ProofId,
        cancel: &'a CancellationToken,
    ) -> Self {
        let sub = format!("sub-{}", uuid::Uuid::new_v4());
        Self { client, proof, cancel, sub, waiting: BTreeSet::new(), stream: None }
    }

    /// Adds tasks to those whose end [`Results::next`] tells.
    pub(crate) async fn watch(&mut self, tasks: Vec<TaskId>) -> Result<(), TaskFailure> {
        let added: Vec<_> = tasks.iter().map(ToString::to_string).collect();
        self.waiting.extend(tasks);
        if added.is_empty() {
            return Ok(());
        }
        if self.stream.is_some() && self.client.update_sub(&self.sub, added).await.is_err() {
            // Opened again with every task at the next call.
            self.stream = None;
        }
        Ok(())
    }

    /// Waits until one of the tasks has ended.
    pub(crate) async fn next(&mut self) -> Result<(TaskId, Outcome), TaskFailure> {
        loop {
            let stream = match &mut self.stream {
                Some(stream) => stream,
                None => {
                    let tasks = self.waiting.iter().map(ToString::to_string).collect();
                    let opened = self.client.open_sub(&self.sub, self.proof, tasks, self.cancel).await?;
                    self.stream.insert(opened)
                }
            };
            let message = tokio::select! {
                message = tokio::time::timeout(SILENCE, stream.message()) => message,
                () = self.cancel.cancelled() => return Err(TaskFailure::withdrawn()),
            };
            let message = match message {
                Ok(Ok(Some(message))) => message,
                Ok(Ok(None) | Err(_)) | Err(_) => {
                    self.stream = None;
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    continue;
                }
            };
            if let Some((task, outcome)) = self.take(message).await? {
                return Ok((task, outcome));
            }
        }
    }

    async fn take(&mut self, message: ServerSubMessage) -> Result<Option<(TaskId, Outcome)>, TaskFailure> {
        let ended = match message.message {
            Some(Message::TaskResult(result)) => {
                let outcome = match result.task_status() {
                    TaskStatus::Succeeded => Some(Outcome::Succeeded),
                    TaskStatus::FailedFatal => Some(Outcome::Failed),
                    _ => None,
                };
                let task = TaskId::from(result.task_id);
                outcome.filter(|_| self.waiting.remove(&task)).map(|outcome| (task, outcome))
            }
            Some(Message::UnknownTask(unknown)) => {
                return Err(TaskFailure::new(
                    Code::ClusterRefused,
                    format!("the coordinator does not know task {}", unknown.task_id),
                ));
            }
            // Where that is so, nobody wants to hear more of it; where a crash undid it, another try goes on.
            Some(Message::EndOfStream(_)) => {
                return Err(TaskFailure::new(Code::Withdrawn, "the proof has ended"));
            }
            Some(Message::ServerHeartbeat(_)) | None => return Ok(None),
        };
        if self.client.ack(&self.sub, message.msg_id).await.is_err() {
            self.stream = None;
        }
        Ok(ended)
    }
}
