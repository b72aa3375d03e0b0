//! The worker's side of the coordinator's protocol: calls that outlive a coordinator that is away.

use crate::WorkerError;
use proofmill_fault::{Fault, Jitter};
use proofmill_primitives::{ArtifactId, ProofId, TaskId, TaskKind, Weight, WorkerId};
use proofmill_wire::{
    MAX_MESSAGE, header,
    operator::{ReportPlanRequest, operator_service_client::OperatorServiceClient},
    within,
    worker::{
        AckSubRequest, CloseRequest, CompleteProofRequest, CompleteTaskRequest, CreateTaskRequest,
        FailTaskRequest, HeartbeatRequest, MessageStreamResponse, OpenSubRequest, SendTaskMessageRequest,
        ServerSubMessage, SubscribeTaskMessagesRequest, TaskData, UpdateSubRequest,
        worker_service_client::WorkerServiceClient,
    },
};
use std::{
    future::Future,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status, Streaming, transport::Channel};

/// Waits between tries, doubled from the first to the last.
pub(crate) const FIRST_WAIT: Duration = Duration::from_millis(200);
pub(crate) const LAST_WAIT: Duration = Duration::from_secs(5);

/// How long the coordinator may take for an answer, or to open a stream. It answers from memory once what it answers is durable: its
/// ledger may be locked for a while. One that is stuck, but whose connection lives, is one that is away. A client gives it 10 s.
pub(crate) const ANSWER: Duration = Duration::from_secs(30);

/// How often a coordinator may say that it lacks a service before that is believed: a proxy says so of one that is only starting.
const LACKS_IT: u32 = 4;

/// A task that a controller asks for.
#[derive(Clone, Debug)]
pub(crate) struct NewTask {
    pub(crate) kind: TaskKind,
    pub(crate) weight: Weight,
    pub(crate) inputs: Vec<ArtifactId>,
    pub(crate) outputs: Vec<ArtifactId>,
    pub(crate) metadata: String,
}

/// What a worker calls. Cheap to clone; every clone shares one connection.
#[derive(Clone, Debug)]
pub(crate) struct CoordinatorClient {
    worker: WorkerId,
    address: String,
    tasks: WorkerServiceClient<Channel>,
    operator: OperatorServiceClient<Channel>,
    /// How long an answer may take: [`ANSWER`].
    patience: Duration,
}

impl CoordinatorClient {
    /// Prepares the connection; it is made at the first call and made again whenever it breaks.
    pub(crate) fn new(worker: WorkerId, address: &str) -> Result<Self, WorkerError> {
        let channel = proofmill_wire::endpoint(address)?
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(10))
            .tcp_nodelay(true)
            .connect_lazy();
        Ok(Self {
            worker,
            address: address.to_owned(),
            tasks: WorkerServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE),
            operator: OperatorServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE),
            patience: ANSWER,
        })
    }

    /// The raw client, for the stream of tasks.
    pub(crate) fn tasks(&self) -> WorkerServiceClient<Channel> {
        self.tasks.clone()
    }

    /// Tells that the worker lives, what it holds, and which tasks of that wait for what. Not retried: the next one comes soon.
    pub(crate) async fn heartbeat(
        self,
        held: Vec<(ProofId, TaskId)>,
        waiting: Vec<(TaskId, String)>,
        weight: Weight,
    ) -> Result<(), Status> {
        let (active_task_proof_ids, active_task_ids) =
            held.into_iter().map(|(proof, task)| (String::from(proof), String::from(task))).unzip();
        let request = HeartbeatRequest {
            worker_id: self.worker.to_string(),
            active_task_proof_ids,
            active_task_ids,
            current_weight: weight.as_gb(),
        };
        let mut request = with_timeout(request, Duration::from_secs(5));
        header::set_waiting(&mut request, waiting);
        self.tasks().heartbeat(request).await.map(drop)
    }

    /// Asks for no more tasks.
    pub(crate) async fn close(&self) -> Result<(), Status> {
        let request = CloseRequest { worker_id: self.worker.to_string() };
        self.tasks().close(with_timeout(request, Duration::from_secs(5))).await.map(drop)
    }

    /// Hands in a finished task, however long the coordinator is away.
    pub(crate) async fn complete_task(
        &self,
        proof: &ProofId,
        task: &TaskId,
        metadata: String,
        cancel: &CancellationToken,
    ) -> Result<(), Status> {
        let request = CompleteTaskRequest {
            worker_id: self.worker.to_string(),
            proof_id: proof.to_string(),
            task_id: task.to_string(),
            metadata,
        };
        self.insist("hand in a finished task", cancel, || {
            let request = request.clone();
            let mut client = self.tasks();
            async move { client.complete_task(request).await.map(drop) }
        })
        .await
    }

    /// Hands back a task that could not be done.
    pub(crate) async fn fail_task(
        &self,
        proof: &ProofId,
        task: &TaskId,
        fault: &Fault,
        cancel: &CancellationToken,
    ) -> Result<(), Status> {
        self.insist("hand back a failed task", cancel, || {
            let mut request = Request::new(FailTaskRequest {
                worker_id: self.worker.to_string(),
                proof_id: proof.to_string(),
                task_id: task.to_string(),
                // For a coordinator that reads no more.
                retryable: !fault.code.is_final(),
            });
            header::set_fault(&mut request, fault);
            let mut client = self.tasks();
            async move { client.fail_task(request).await.map(drop) }
        })
        .await
    }

    /// Declares a proof made.
    pub(crate) async fn complete_proof(
        &self,
        proof: &ProofId,
        report: String,
        cancel: &CancellationToken,
    ) -> Result<(), Status> {
        let request = CompleteProofRequest {
            worker_id: self.worker.to_string(),
            proof_id: proof.to_string(),
            extra_data: Some(report),
        };
        self.insist("complete a proof", cancel, || {
            let request = request.clone();
            let mut client = self.tasks();
            async move { client.complete_proof(request).await.map(drop) }
        })
        .await
    }

    /// Creates a task, or finds the live one of the same proof that makes the same outputs.
    pub(crate) async fn create_task(
        &self,
        proof: &ProofId,
        parent: &TaskId,
        task: &NewTask,
        cancel: &CancellationToken,
    ) -> Result<TaskId, Status> {
        let strings = |ids: &[ArtifactId]| ids.iter().map(ToString::to_string).collect();
        let request = CreateTaskRequest {
            worker_id: self.worker.to_string(),
            data: Some(TaskData {
                task_type: task.kind.wire(),
                inputs: strings(&task.inputs),
                outputs: strings(&task.outputs),
                metadata: task.metadata.clone(),
                proof_id: proof.to_string(),
                parent_id: Some(parent.to_string()),
                weight: task.weight.as_gb(),
                requester: String::new(),
            }),
        };
        self.insist("create a task", cancel, || {
            let request = request.clone();
            let mut client = self.tasks();
            async move { client.create_task(request).await.map(|reply| TaskId::from(reply.into_inner().task_id)) }
        })
        .await
    }

    /// Reports what a proof will take. The SP1 cluster's coordinator has no service for that, and goes on without.
    pub(crate) async fn report_plan(
        &self,
        request: ReportPlanRequest,
        cancel: &CancellationToken,
    ) -> Result<(), Status> {
        let said = &AtomicU32::new(0);
        self.insist("report a plan", cancel, || {
            let request = request.clone();
            let mut client = self.operator.clone();
            async move {
                match client.report_plan(request).await {
                    Err(status)
                        if status.code() == Code::Unimplemented
                            && said.fetch_add(1, Ordering::Relaxed) + 1 >= LACKS_IT =>
                    {
                        tracing::debug!("the coordinator takes no plans");
                        Ok(())
                    }
                    answer => answer.map(drop),
                }
            }
        })
        .await
    }

    /// Opens a stream of task results; the same `sub` again continues an earlier stream.
    pub(crate) async fn open_sub(
        &self,
        sub: &str,
        proof: &ProofId,
        tasks: Vec<String>,
        cancel: &CancellationToken,
    ) -> Result<Streaming<ServerSubMessage>, Status> {
        let request = OpenSubRequest { sub_id: sub.to_owned(), proof_id: proof.to_string(), task_ids: tasks };
        self.insist("subscribe to task results", cancel, || {
            let request = request.clone();
            let mut client = self.tasks();
            async move { client.open_sub(request).await.map(tonic::Response::into_inner) }
        })
        .await
    }

    /// Adds tasks to a subscription. Not retried: a stream that broke is opened again with all of them.
    pub(crate) async fn update_sub(&self, sub: &str, tasks: Vec<String>) -> Result<(), Status> {
        let request = UpdateSubRequest { sub_id: sub.to_owned(), task_ids: tasks };
        self.tasks().update_sub(with_timeout(request, Duration::from_secs(10))).await.map(drop)
    }

    /// Acknowledges a message. Not retried: what is not acknowledged comes again.
    pub(crate) async fn ack(&self, sub: &str, message: String) -> Result<(), Status> {
        let request = AckSubRequest { sub_id: sub.to_owned(), msg_id: message };
        self.tasks().ack_sub(with_timeout(request, Duration::from_secs(10))).await.map(drop)
    }

    /// Answers the heartbeat of a subscription. Ours needs no answer; the SP1 cluster's coordinator forgets, with all that it waits
    /// for, a subscription that has not been updated for 20 s.
    pub(crate) async fn answer_heartbeat(&self, sub: &str, message: String) -> Result<(), Status> {
        self.ack(sub, message).await?;
        self.update_sub(sub, Vec::new()).await
    }

    /// Opens the messages of a task, from one of them on.
    pub(crate) async fn messages(
        &self,
        task: &TaskId,
        start_offset: u64,
        cancel: &CancellationToken,
    ) -> Result<Streaming<MessageStreamResponse>, Status> {
        let request = SubscribeTaskMessagesRequest {
            worker_id: self.worker.to_string(),
            task_id: task.to_string(),
            start_offset,
        };
        self.insist("follow a task", cancel, || {
            let request = request.clone();
            let mut client = self.tasks();
            async move { client.subscribe_task_messages(request).await.map(tonic::Response::into_inner) }
        })
        .await
    }

    /// Sends a message of a task to whoever follows it.
    pub(crate) async fn say(
        &self,
        task: &TaskId,
        payload: Vec<u8>,
        cancel: &CancellationToken,
    ) -> Result<(), Status> {
        let request =
            SendTaskMessageRequest { worker_id: self.worker.to_string(), task_id: task.to_string(), payload };
        self.insist("send a message of a task", cancel, || {
            let request = request.clone();
            let mut client = self.tasks();
            async move { client.send_task_message(request).await.map(drop) }
        })
        .await
    }

    /// Repeats a call for as long as the coordinator is away, or does not answer; any other refusal is final.
    async fn insist<T, F: Future<Output = Result<T, Status>>>(
        &self,
        doing: &'static str,
        cancel: &CancellationToken,
        call: impl Fn() -> F,
    ) -> Result<T, Status> {
        let mut wait = FIRST_WAIT;
        let mut told = false;
        loop {
            let outcome = tokio::select! {
                outcome = within(self.patience, call()) => outcome,
                () = cancel.cancelled() => return Err(Status::cancelled("the work was withdrawn")),
            };
            match outcome {
                Ok(value) => return Ok(value),
                Err(status) if !is_answer(&status) => {
                    if !told {
                        tracing::warn!(
                            coordinator = self.address, %status,
                            "the coordinator is away: will {doing} when it is back"
                        );
                        told = true;
                    }
                }
                Err(status) => return Err(status),
            }
            tokio::select! {
                () = tokio::time::sleep(jittered(wait)) => {}
                () = cancel.cancelled() => return Err(Status::cancelled("the work was withdrawn")),
            }
            wait = (wait * 2).min(LAST_WAIT);
        }
    }
}

/// Whether this is the answer of a coordinator, as against one that could not be asked. Whatever else comes back (from a
/// proxy on the way, from a coordinator that is just starting) passes. A message that is too large is so each time.
pub(crate) fn is_answer(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::OutOfRange
    )
}

/// A pause that differs from everybody else's: after a restart they all come back.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let (dice, _) = uuid::Uuid::new_v4().as_u64_pair();
    Jitter::of(dice).spread(pause)
}

fn with_timeout<T>(message: T, timeout: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_wire::operator::{
        ProofProgress, StatusRequest, StatusResponse, WatchProofRequest,
        operator_service_server::{OperatorService, OperatorServiceServer},
    };
    use std::sync::Arc;
    use tokio::net::TcpListener;
    use tonic::{
        Response,
        codegen::BoxStream,
        service::Routes,
        transport::{Server, server::TcpIncoming},
    };

    /// Longer than anything here takes, also where the machine does much else.
    const LONG: Duration = Duration::from_secs(300);

    /// A coordinator that is stuck for its first two calls: it takes them, keeps its connection alive, and never answers.
    #[derive(Clone, Default)]
    struct Stuck(Arc<AtomicU32>);

    #[tonic::async_trait]
    impl OperatorService for Stuck {
        type WatchProofStream = BoxStream<ProofProgress>;

        async fn get_status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
            Err(Status::unimplemented("not asked for"))
        }

        async fn watch_proof(
            &self,
            _: Request<WatchProofRequest>,
        ) -> Result<Response<Self::WatchProofStream>, Status> {
            Err(Status::unimplemented("not asked for"))
        }

        async fn report_plan(&self, _: Request<ReportPlanRequest>) -> Result<Response<()>, Status> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 | 1 => std::future::pending().await,
                _ => Ok(Response::new(())),
            }
        }
    }

    #[tokio::test]
    async fn a_coordinator_that_is_stuck_but_keeps_its_connection_is_asked_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stuck = Stuck::default();
        let server = Server::builder().add_service(OperatorServiceServer::new(stuck.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        let client = CoordinatorClient {
            patience: Duration::from_millis(300),
            ..CoordinatorClient::new("w".into(), &address).unwrap()
        };
        let plan = ReportPlanRequest { proof_id: "p".into(), ..ReportPlanRequest::default() };
        let cancel = CancellationToken::new();
        let reported = tokio::time::timeout(LONG, client.report_plan(plan.clone(), &cancel)).await;
        reported.unwrap().unwrap();
        // Each further answer may be too late for a machine that stands still.
        assert!(stuck.0.load(Ordering::SeqCst) >= 3);
        // Its silence passes, as its absence does: it is no answer.
        let late = within(Duration::from_millis(10), std::future::pending::<Result<(), Status>>()).await;
        assert!(!is_answer(&late.unwrap_err()));
        // Whoever does not want it any more does not wait for it.
        stuck.0.store(0, Ordering::SeqCst);
        cancel.cancel();
        assert_eq!(client.report_plan(plan, &cancel).await.unwrap_err().code(), Code::Cancelled);
    }

    /// As the SP1 cluster's coordinator, which has no operator service.
    #[tokio::test]
    async fn a_coordinator_that_takes_no_plans_is_done_without_them() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder().add_routes(Routes::default());
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        let client = CoordinatorClient::new("w".into(), &address).unwrap();
        let plan = ReportPlanRequest { proof_id: "p".into(), ..ReportPlanRequest::default() };
        let cancel = CancellationToken::new();
        tokio::time::timeout(LONG, client.report_plan(plan, &cancel)).await.unwrap().unwrap();
    }
}
