//! The cluster under test, and a worker that does what a test says.

use proofmill_artifacts::{ArtifactKind, ArtifactStore, FsArtifacts};
use proofmill_cluster::{Cluster, ClusterConfig, ClusterError};
use proofmill_fault::{Fault, Patience};
use proofmill_ledger::Ledger;
use proofmill_primitives::{Dialect, TaskId, TaskKind, Weight};
use proofmill_scheduler::Config;
use proofmill_wire::{
    cluster::{
        ProofRequest, ProofRequestCreateRequest, ProofRequestGetRequest,
        cluster_service_client::ClusterServiceClient,
    },
    header,
    operator::{ProofProgress, WatchProofRequest, operator_service_client::OperatorServiceClient},
    worker::{
        AckSubRequest, CompleteProofRequest, CompleteTaskRequest, CreateTaskRequest, FailTaskRequest,
        GetStatsResponse, HeartbeatRequest, OpenRequest, OpenSubRequest, ServerMessage, ServerSubMessage,
        TaskData, WorkerTask, WorkerType, server_message, server_sub_message,
        worker_service_client::WorkerServiceClient,
    },
};
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status, Streaming, transport::Channel};

/// Longer than anything here takes, also where the machine does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// A cluster, its folder and its clients.
pub(crate) struct Running {
    pub(crate) folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) config: ClusterConfig,
    pub(crate) artifacts: Arc<FsArtifacts>,
    pub(crate) api: ClusterServiceClient<Channel>,
    pub(crate) tasks: WorkerServiceClient<Channel>,
    pub(crate) operator: OperatorServiceClient<Channel>,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), ClusterError>>,
}

/// Impatient, so that tests are short.
pub(crate) fn impatient() -> ClusterConfig {
    ClusterConfig {
        scheduler: Config {
            reconnect_grace: Duration::from_millis(300),
            patience: Patience {
                retry_pause: Duration::from_millis(10),
                wait_pause: Duration::from_millis(10),
                ..Patience::default()
            },
            ..Config::default()
        },
        server_heartbeat: Duration::from_millis(200),
        controller_weight: Some(Weight::gb(4)),
        ..ClusterConfig::default()
    }
}

pub(crate) async fn start() -> Running {
    start_with(impatient()).await
}

/// With a worker `w`, of 12 GB, that was given the first task of the proof `p`.
pub(crate) async fn begun() -> (Running, Worker, WorkerTask) {
    begun_with(12, "2").await
}

/// With a worker `w` that is so large, and was given the first task of the proof `p` of this mode.
pub(crate) async fn begun_with(max_weight: u32, mode: &str) -> (Running, Worker, WorkerTask) {
    let cluster = start().await;
    let mut worker = cluster.worker("w", WorkerType::All, max_weight).await;
    cluster.request("p", mode).await.unwrap();
    let root = worker.task().await;
    (cluster, worker, root)
}

pub(crate) async fn start_with(config: ClusterConfig) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = Arc::new(FsArtifacts::open(&folder.path().join("artifacts")).unwrap());
    artifacts.put(&"program".into(), ArtifactKind::Program, "elf".into()).await.unwrap();
    artifacts.put(&"stdin".into(), ArtifactKind::Stdin, "in".into()).await.unwrap();
    // It may be started again there.
    let port = proofmill_localstore::free_port().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    serve(folder, artifacts, listener, config).await
}

/// A cluster on another store: the folder of its ledger, and the way to it. It ends with the test.
pub(crate) async fn start_on(artifacts: Arc<dyn ArtifactStore>) -> (TempDir, Channel) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).await.unwrap();
    let cluster = Cluster::start(impatient(), ledger, artifacts).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(cluster.serve(listener, CancellationToken::new()));
    (folder, Channel::from_shared(address).unwrap().connect().await.unwrap())
}

async fn serve(
    folder: TempDir,
    artifacts: Arc<FsArtifacts>,
    listener: TcpListener,
    config: ClusterConfig,
) -> Running {
    let address = listener.local_addr().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).await.unwrap();
    let cluster = Cluster::start(config.clone(), ledger, artifacts.clone()).await.unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(cluster.serve(listener, stop.clone()));
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    Running {
        folder,
        address,
        config,
        artifacts,
        api: ClusterServiceClient::new(channel.clone()),
        tasks: WorkerServiceClient::new(channel.clone()),
        operator: OperatorServiceClient::new(channel),
        stop,
        serving,
    }
}

impl Running {
    /// Stops the cluster and starts it again on the same folder and port.
    pub(crate) async fn restart(self) -> Self {
        let Self { folder, address, config, artifacts, stop, serving, .. } = self;
        stop.cancel();
        within(serving).await.unwrap().unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        serve(folder, artifacts, listener, config).await
    }

    pub(crate) async fn stop(self) -> Result<(), ClusterError> {
        self.stop.cancel();
        within(self.serving).await.unwrap()
    }

    /// Asks for a proof as SP1 clients do.
    pub(crate) async fn request(&self, id: &str, mode: &str) -> Result<(), Status> {
        self.api.clone().proof_request_create(self.request_for(id, mode)).await.map(drop)
    }

    pub(crate) fn request_for(&self, id: &str, mode: &str) -> ProofRequestCreateRequest {
        ProofRequestCreateRequest {
            proof_id: id.into(),
            program_artifact_id: "program".into(),
            stdin_artifact_id: "stdin".into(),
            options_artifact_id: Some(mode.into()),
            proof_artifact_id: Some(format!("{id}-proof")),
            requester: vec![1, 2],
            cycle_limit: 1000,
            ..ProofRequestCreateRequest::default()
        }
    }

    pub(crate) async fn get(&self, id: &str) -> Result<ProofRequest, Status> {
        let reply =
            self.api.clone().proof_request_get(ProofRequestGetRequest { proof_id: id.into() }).await?;
        Ok(reply.into_inner().proof_request.unwrap())
    }

    pub(crate) async fn is_known(&self, id: &str) -> bool {
        let get = ProofRequestGetRequest { proof_id: id.into() };
        self.api.clone().proof_request_get(get).await.unwrap().into_inner().proof_request.is_some()
    }

    pub(crate) async fn stats(&self) -> GetStatsResponse {
        self.tasks.clone().get_stats(()).await.unwrap().into_inner()
    }

    /// What the operator sees of a proof.
    pub(crate) async fn progress(&self, id: &str) -> ProofProgress {
        let watch = WatchProofRequest { proof_id: id.to_owned() };
        let mut told = self.operator.clone().watch_proof(watch).await.unwrap().into_inner();
        within(told.message()).await.unwrap().unwrap()
    }

    pub(crate) async fn worker(&self, id: &str, kind: WorkerType, max_weight: u32) -> Worker {
        self.try_worker(id, kind, max_weight).await.unwrap()
    }

    pub(crate) async fn try_worker(
        &self,
        id: &str,
        kind: WorkerType,
        max_weight: u32,
    ) -> Result<Worker, Status> {
        self.open(id, kind, max_weight, None).await
    }

    /// A worker of ours, whose controllers write their tasks in this dialect.
    pub(crate) async fn worker_of_ours(&self, id: &str, max_weight: u32, dialect: Dialect) -> Worker {
        self.open(id, WorkerType::All, max_weight, Some(dialect)).await.unwrap()
    }

    async fn open(
        &self,
        id: &str,
        kind: WorkerType,
        max_weight: u32,
        dialect: Option<Dialect>,
    ) -> Result<Worker, Status> {
        // A connection of its own, as another process has.
        let channel =
            Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap();
        let mut client = WorkerServiceClient::new(channel);
        let mut request = Request::new(OpenRequest {
            worker_id: id.into(),
            worker_type: kind.into(),
            max_weight,
            ..OpenRequest::default()
        });
        if let Some(dialect) = dialect {
            header::set_dialects(&mut request, &[dialect]);
        }
        let stream = client.open(request).await?.into_inner();
        let named = |dialect| format!(r#"{{"proofmill":"{dialect}"}}"#);
        let metadata = dialect.map_or_else(|| "{}".into(), named);
        Ok(Worker { id: id.into(), metadata, client, stream })
    }
}

/// A worker in the hands of a test.
pub(crate) struct Worker {
    pub(crate) id: String,
    /// What the tasks that it creates carry.
    metadata: String,
    pub(crate) client: WorkerServiceClient<Channel>,
    pub(crate) stream: Streaming<ServerMessage>,
}

impl Worker {
    pub(crate) async fn task(&mut self) -> WorkerTask {
        next_task(&mut self.stream).await
    }

    /// The id of the next task that is withdrawn.
    pub(crate) async fn withdrawn(&mut self) -> String {
        loop {
            match within(self.stream.message()).await.unwrap().unwrap().message {
                Some(server_message::Message::CancelTask(cancel)) => return cancel.task_id,
                _ => continue,
            }
        }
    }

    /// Nothing but heartbeats comes for some time.
    pub(crate) async fn is_left_alone(&mut self) {
        let until = tokio::time::Instant::now() + Duration::from_millis(900);
        while let Ok(message) = tokio::time::timeout_at(until, self.stream.message()).await {
            let message = message.unwrap().unwrap();
            assert!(
                matches!(message.message, Some(server_message::Message::ServerHeartbeat(_))),
                "{message:?}"
            );
        }
    }

    pub(crate) async fn heartbeat(&self, held: &[&WorkerTask]) -> Result<(), Status> {
        self.waits(held, &[]).await
    }

    /// It holds these, of which some wait for something.
    pub(crate) async fn waits(
        &self,
        held: &[&WorkerTask],
        waiting: &[(&WorkerTask, &str)],
    ) -> Result<(), Status> {
        let mut request = Request::new(HeartbeatRequest {
            worker_id: self.id.clone(),
            active_task_proof_ids: held.iter().map(|task| data(task).proof_id.clone()).collect(),
            active_task_ids: held.iter().map(|task| task.task_id.clone()).collect(),
            current_weight: 0,
        });
        let waiting =
            waiting.iter().map(|(task, text)| (TaskId::from(task.task_id.as_str()), (*text).to_owned()));
        header::set_waiting(&mut request, waiting);
        self.client.clone().heartbeat(request).await.map(drop)
    }

    pub(crate) async fn complete(&self, task: &WorkerTask) -> Result<(), Status> {
        let request = CompleteTaskRequest {
            worker_id: self.id.clone(),
            proof_id: data(task).proof_id.clone(),
            task_id: task.task_id.clone(),
            metadata: r#"{"busy_ms":7,"peak_memory_mb":3}"#.into(),
        };
        self.client.clone().complete_task(request).await.map(drop)
    }

    pub(crate) async fn fail(&self, task: &WorkerTask, retryable: bool, cause: &str) -> Result<(), Status> {
        let mut request = Request::new(FailTaskRequest {
            worker_id: self.id.clone(),
            proof_id: data(task).proof_id.clone(),
            task_id: task.task_id.clone(),
            retryable,
        });
        header::set_cause(&mut request, cause);
        self.client.clone().fail_task(request).await.map(drop)
    }

    /// As Proofmill's own workers say it.
    pub(crate) async fn faults(&self, task: &WorkerTask, fault: &Fault) -> Result<(), Status> {
        let mut request = Request::new(FailTaskRequest {
            worker_id: self.id.clone(),
            proof_id: data(task).proof_id.clone(),
            task_id: task.task_id.clone(),
            retryable: true,
        });
        header::set_fault(&mut request, fault);
        self.client.clone().fail_task(request).await.map(drop)
    }

    pub(crate) async fn complete_proof(&self, proof: &str, said: &str) -> Result<(), Status> {
        let request = CompleteProofRequest {
            worker_id: self.id.clone(),
            proof_id: proof.into(),
            extra_data: Some(said.into()),
        };
        self.client.clone().complete_proof(request).await.map(drop)
    }

    /// Creates a task as a controller does.
    pub(crate) async fn create(
        &self,
        parent: &WorkerTask,
        kind: TaskKind,
        output: &str,
    ) -> Result<String, Status> {
        self.create_of_weight(parent, kind, output, kind.default_weight().as_gb()).await
    }

    pub(crate) async fn create_of_weight(
        &self,
        parent: &WorkerTask,
        kind: TaskKind,
        output: &str,
        weight: u32,
    ) -> Result<String, Status> {
        let data = TaskData {
            task_type: kind.wire(),
            inputs: vec!["program".into()],
            outputs: vec![output.into()],
            metadata: self.metadata.clone(),
            proof_id: data(parent).proof_id.clone(),
            parent_id: Some(parent.task_id.clone()),
            weight,
            requester: String::new(),
        };
        let request = CreateTaskRequest { worker_id: self.id.clone(), data: Some(data) };
        Ok(self.client.clone().create_task(request).await?.into_inner().task_id)
    }

    pub(crate) async fn subscribe(&self, sub: &str, proof: &str, tasks: &[&str]) -> Subscription {
        let task_ids = tasks.iter().map(ToString::to_string).collect();
        let request = OpenSubRequest { sub_id: sub.into(), proof_id: proof.into(), task_ids };
        let opened = Instant::now();
        let stream = self.client.clone().open_sub(request).await.unwrap().into_inner();
        Subscription { id: sub.into(), client: self.client.clone(), stream, opened, told: BTreeSet::new() }
    }
}

/// What is not acknowledged is sent again after so long.
const REPEATED: Duration = Duration::from_secs(4);

/// A stream of results.
pub(crate) struct Subscription {
    id: String,
    client: WorkerServiceClient<Channel>,
    stream: Streaming<ServerSubMessage>,
    opened: Instant,
    told: BTreeSet<String>,
}

impl Subscription {
    /// The next message that was not heard here before, with its id: where the machine stands still, what is not acknowledged comes again
    /// at any time.
    pub(crate) async fn next(&mut self) -> (String, server_sub_message::Message) {
        loop {
            let next = self.next_or_again().await;
            if self.told.insert(next.0.clone()) {
                return next;
            }
        }
    }

    /// The next message that is no heartbeat, with its id.
    pub(crate) async fn next_or_again(&mut self) -> (String, server_sub_message::Message) {
        loop {
            let message = within(self.stream.message()).await.unwrap().unwrap();
            match message.message.unwrap() {
                server_sub_message::Message::ServerHeartbeat(_) => continue,
                other => return (message.msg_id, other),
            }
        }
    }

    /// Nothing comes for some time, unless that was so long that something is due again.
    pub(crate) async fn is_silent(&mut self) {
        let next = tokio::time::timeout(Duration::from_millis(500), self.next_or_again()).await;
        assert!(next.is_err() || self.opened.elapsed() >= REPEATED, "{next:?}");
    }

    pub(crate) async fn acknowledge(&self, msg_id: String) {
        let request = AckSubRequest { sub_id: self.id.clone(), msg_id };
        self.client.clone().ack_sub(request).await.unwrap();
    }
}

/// The next task that a worker is sent; other messages are passed over.
pub(crate) async fn next_task(stream: &mut Streaming<ServerMessage>) -> WorkerTask {
    loop {
        match within(stream.message()).await.unwrap().unwrap().message {
            Some(server_message::Message::NewTask(task)) => return task,
            _ => continue,
        }
    }
}

pub(crate) fn data(task: &WorkerTask) -> &TaskData {
    task.data.as_ref().unwrap()
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("came in time")
}

/// Waits until something holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("in vain: {what}"));
}
