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
            Some(Message::ServerHeartbeat(_)) => {
                if self.client.answer_heartbeat(&self.sub, message.msg_id).await.is_err() {
                    self.stream = None;
                }
                return Ok(None);
            }
            None => return Ok(None),
        };
        if self.client.ack(&self.sub, message.msg_id).await.is_err() {
            self.stream = None;
        }
        Ok(ended)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use futures::{StreamExt, stream};
    use proofmill_wire::worker::{
        AckSubRequest, CancelProofRequest, CloseRequest, CompleteProofRequest, CompleteTaskRequest,
        CreateDummyProofRequest, CreateProofRequest, CreateProofResponse, CreateTaskRequest,
        CreateTaskResponse, FailProofRequest, FailTaskRequest, GetStatsResponse, GetTaskStatusesRequest,
        GetTaskStatusesResponse, HeartbeatRequest, MessageStreamResponse, OpenRequest, OpenSubRequest,
        SendTaskMessageRequest, ServerMessage, ServerSubHeartbeat, SubscribeTaskMessagesRequest, TaskResult,
        UpdateSubRequest,
        worker_service_server::{WorkerService, WorkerServiceServer},
    };
    use std::sync::{Arc, Mutex};
    use tokio::{net::TcpListener, sync::Notify};
    use tonic::{
        Request, Response, Status,
        codegen::BoxStream,
        transport::{Server, server::TcpIncoming},
    };

    /// As the SP1 cluster's coordinator (`cleanup_dead_subscribers`): whoever does not answer its heartbeat hears no result.
    #[derive(Clone, Default)]
    struct Forgetful {
        updated: Arc<Notify>,
        acknowledged: Arc<Mutex<Vec<String>>>,
    }

    fn message(id: &str, message: Message) -> Result<ServerSubMessage, Status> {
        Ok(ServerSubMessage { msg_id: id.into(), message: Some(message) })
    }

    /// The service, and the calls that nobody makes here.
    macro_rules! forgetful {
        ($($call:ident($request:ty) -> $reply:ty;)*) => {
            #[tonic::async_trait]
            impl WorkerService for Forgetful {
                type OpenStream = BoxStream<ServerMessage>;
                type OpenSubStream = BoxStream<ServerSubMessage>;
                type SubscribeTaskMessagesStream = BoxStream<MessageStreamResponse>;

                async fn open_sub(
                    &self,
                    _: Request<OpenSubRequest>,
                ) -> Result<Response<Self::OpenSubStream>, Status> {
                    let updated = self.updated.clone();
                    let done = TaskResult { task_id: "t".into(), task_status: TaskStatus::Succeeded.into() };
                    let beat = message("beat", Message::ServerHeartbeat(ServerSubHeartbeat {}));
                    let result = async move {
                        updated.notified().await;
                        message("result", Message::TaskResult(done))
                    };
                    let said = stream::iter([beat]).chain(stream::once(result)).chain(stream::pending());
                    Ok(Response::new(Box::pin(said)))
                }

                async fn update_sub(&self, request: Request<UpdateSubRequest>) -> Result<Response<()>, Status> {
                    assert!(request.into_inner().task_ids.is_empty(), "nothing was added");
                    self.updated.notify_one();
                    Ok(Response::new(()))
                }

                async fn ack_sub(&self, request: Request<AckSubRequest>) -> Result<Response<()>, Status> {
                    self.acknowledged.lock().unwrap().push(request.into_inner().msg_id);
                    Ok(Response::new(()))
                }

                $(async fn $call(&self, _: Request<$request>) -> Result<Response<$reply>, Status> {
                    Err(Status::unimplemented("not asked for"))
                })*
            }
        };
    }

    forgetful! {
        open(OpenRequest) -> BoxStream<ServerMessage>;
        close(CloseRequest) -> ();
        heartbeat(HeartbeatRequest) -> ();
        complete_task(CompleteTaskRequest) -> ();
        fail_task(FailTaskRequest) -> ();
        create_task(CreateTaskRequest) -> CreateTaskResponse;
        get_task_statuses(GetTaskStatusesRequest) -> GetTaskStatusesResponse;
        complete_proof(CompleteProofRequest) -> ();
        fail_proof(FailProofRequest) -> ();
        create_proof(CreateProofRequest) -> CreateProofResponse;
        create_dummy_proof(CreateDummyProofRequest) -> ();
        cancel_proof(CancelProofRequest) -> ();
        healthcheck(()) -> ();
        get_stats(()) -> GetStatsResponse;
        subscribe_task_messages(SubscribeTaskMessagesRequest) -> BoxStream<MessageStreamResponse>;
        send_task_message(SendTaskMessageRequest) -> ();
    }

    #[tokio::test]
    async fn a_subscription_answers_the_coordinators_heartbeats() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let coordinator = Forgetful::default();
        let server = Server::builder().add_service(WorkerServiceServer::new(coordinator.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        let client = CoordinatorClient::new("w".into(), &address).unwrap();
        let (proof, cancel) = (ProofId::from("p"), CancellationToken::new());
        let mut results = Results::new(&client, &proof, &cancel);
        results.watch(vec!["t".into()]).await.unwrap();
        let ended = tokio::time::timeout(SILENCE / 2, results.next()).await.unwrap().unwrap();
        assert_eq!(ended, ("t".into(), Outcome::Succeeded));
        assert_eq!(*coordinator.acknowledged.lock().unwrap(), ["beat", "result"]);
    }
}
