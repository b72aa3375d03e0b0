//! The ends of tasks that a task waits for, over a subscription that survives a coordinator that goes away.

use crate::{client::CoordinatorClient, failure::TaskFailure};
use proofmill_fault::Code;
use proofmill_primitives::{ProofId, TaskId};
use proofmill_wire::worker::{ServerSubMessage, TaskStatus, server_sub_message::Message};
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

/// The coordinator says something at least every few seconds; silent longer than this, the stream is opened again.
const SILENCE: Duration = Duration::from_secs(30);
/// The pause before a stream that broke is opened again.
const PAUSE: Duration = Duration::from_millis(300);

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Succeeded,
    /// For good: retries are the coordinator's business.
    Failed,
    /// The coordinator knows no such task.
    Unknown,
}

/// The tasks that are waited for, of one proof.
pub(crate) struct Results {
    client: CoordinatorClient,
    proof: ProofId,
    cancel: CancellationToken,
    sub: String,
    waiting: BTreeSet<TaskId>,
    stream: Option<Streaming<ServerSubMessage>>,
    /// Those that were told by the coordinator and not yet by [`Results::next`].
    ended: VecDeque<(TaskId, End)>,
}

impl Results {
    pub(crate) fn new(client: CoordinatorClient, proof: ProofId, cancel: CancellationToken) -> Self {
        let sub = format!("sub-{}", uuid::Uuid::new_v4());
        let (waiting, ended) = (BTreeSet::new(), VecDeque::new());
        Self { client, proof, cancel, sub, waiting, stream: None, ended }
    }

    /// Adds tasks to those whose end [`Results::next`] tells.
    pub(crate) async fn watch(&mut self, tasks: Vec<TaskId>) {
        let added: Vec<_> = tasks.iter().map(ToString::to_string).collect();
        self.waiting.extend(tasks);
        let is_told = added.is_empty() || self.stream.is_none();
        if !is_told && self.client.update_sub(&self.sub, added).await.is_err() {
            // Opened again with every task at the next call.
            self.stream = None;
        }
    }

    /// Whether there are tasks whose end is still to be told.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.ended.is_empty()
    }

    /// Whether there is a stream, or need of one.
    pub(crate) fn is_open(&self) -> bool {
        self.stream.is_some() || self.is_waiting()
    }

    /// Waits until one of the tasks has ended. Dropping what it returns loses none.
    pub(crate) async fn next(&mut self) -> Result<(TaskId, End), TaskFailure> {
        loop {
            if let Some(ended) = self.ended.pop_front() {
                return Ok(ended);
            }
            let stream = match &mut self.stream {
                Some(stream) => stream,
                None => {
                    let tasks = self.waiting.iter().map(ToString::to_string).collect();
                    let opened = self.client.open_sub(&self.sub, &self.proof, tasks, &self.cancel).await?;
                    self.stream.insert(opened)
                }
            };
            let message = tokio::select! {
                message = tokio::time::timeout(SILENCE, stream.message()) => message,
                () = self.cancel.cancelled() => return Err(TaskFailure::withdrawn()),
            };
            match message {
                Ok(Ok(Some(message))) => self.take(message).await?,
                Ok(Ok(None) | Err(_)) | Err(_) => {
                    self.stream = None;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn take(&mut self, message: ServerSubMessage) -> Result<(), TaskFailure> {
        let (task, end) = match message.message {
            Some(Message::TaskResult(result)) => {
                let end = match result.task_status() {
                    TaskStatus::Succeeded => Some(End::Succeeded),
                    TaskStatus::FailedFatal => Some(End::Failed),
                    _ => None,
                };
                (result.task_id, end)
            }
            Some(Message::UnknownTask(unknown)) => (unknown.task_id, Some(End::Unknown)),
            // Where that is so, nobody wants to hear more of it; where a crash undid it, another try goes on.
            Some(Message::EndOfStream(_)) => {
                return Err(TaskFailure::new(Code::Withdrawn, "the proof has ended"));
            }
            Some(Message::ServerHeartbeat(_)) => {
                if self.client.answer_heartbeat(&self.sub, message.msg_id).await.is_err() {
                    self.stream = None;
                }
                return Ok(());
            }
            None => return Ok(()),
        };
        let task = TaskId::from(task);
        if let Some(end) = end
            && self.waiting.remove(&task)
        {
            // Before it is acknowledged: what is acknowledged does not come again.
            self.ended.push_back((task, end));
        }
        if self.client.ack(&self.sub, message.msg_id).await.is_err() {
            self.stream = None;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::scripted::{coordinator, serve};
    use futures::{StreamExt, stream};
    use proofmill_wire::worker::{
        AckSubRequest, CancelProofRequest, CloseRequest, CompleteProofRequest, CompleteTaskRequest,
        CreateDummyProofRequest, CreateProofRequest, CreateProofResponse, CreateTaskRequest,
        CreateTaskResponse, FailProofRequest, FailTaskRequest, GetStatsResponse, GetTaskStatusesRequest,
        GetTaskStatusesResponse, HeartbeatRequest, MessageStreamResponse, OpenRequest, OpenSubRequest,
        SendTaskMessageRequest, ServerMessage, ServerSubHeartbeat, SubscribeTaskMessagesRequest, TaskResult,
        UpdateSubRequest,
    };
    use std::sync::{Arc, Mutex};
    use tokio::sync::Notify;
    use tonic::{Request, Response, Status, codegen::BoxStream};

    /// Longer than anything here takes, also where the machine does much else.
    const LONG: Duration = Duration::from_secs(300);

    /// As the SP1 cluster's coordinator (`cleanup_dead_subscribers`): whoever does not answer its heartbeat hears no result.
    #[derive(Clone, Default)]
    struct Forgetful {
        updated: Arc<Notify>,
        acknowledged: Arc<Mutex<Vec<String>>>,
        /// Told when a result is acknowledged, which is not answered then.
        stuck: Option<Arc<Notify>>,
    }

    fn message(id: &str, message: Message) -> Result<ServerSubMessage, Status> {
        Ok(ServerSubMessage { msg_id: id.into(), message: Some(message) })
    }

    coordinator! {
        Forgetful {
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
                let acknowledged = request.into_inner().msg_id;
                let stuck = self.stuck.as_ref().filter(|_| acknowledged == "result");
                self.acknowledged.lock().unwrap().push(acknowledged);
                if let Some(stuck) = stuck {
                    stuck.notify_one();
                    std::future::pending::<()>().await;
                }
                Ok(Response::new(()))
            }
        }
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

    /// A subscription to the task `t`.
    async fn subscribed(coordinator: Forgetful) -> Results {
        let address = serve(Arc::new(coordinator)).await;
        let client = CoordinatorClient::new("w".into(), &address).unwrap();
        let mut results = Results::new(client, "p".into(), CancellationToken::new());
        results.watch(vec!["t".into()]).await;
        results
    }

    #[tokio::test]
    async fn a_subscription_answers_the_coordinators_heartbeats() {
        let coordinator = Forgetful::default();
        let mut results = subscribed(coordinator.clone()).await;
        let ended = tokio::time::timeout(LONG, results.next()).await.unwrap().unwrap();
        assert_eq!(ended, ("t".into(), End::Succeeded));
        assert_eq!(*coordinator.acknowledged.lock().unwrap(), ["beat", "result"]);
        assert!(!results.is_waiting());
    }

    /// Whoever waits for other things beside it drops what it waits for, at any moment.
    #[tokio::test]
    async fn an_end_is_told_though_nobody_waited_while_it_was_acknowledged() {
        let stuck = Arc::new(Notify::new());
        let mut results = subscribed(Forgetful { stuck: Some(stuck.clone()), ..Forgetful::default() }).await;
        let waited = tokio::time::timeout(LONG, async {
            tokio::select! {
                ended = results.next() => panic!("its acknowledgement was answered: {ended:?}"),
                () = stuck.notified() => {}
            }
            results.next().await
        });
        assert_eq!(waited.await.unwrap().unwrap(), ("t".into(), End::Succeeded));
    }
}
