//! A cluster, its workers, and a client.

use crate::backend::{Slow, segment_text};
use proofmill_artifacts::{ArtifactKind, ArtifactStore, FsArtifacts};
use proofmill_backends::{Proof, Registry, SnarkVariant};
use proofmill_cluster::{Cluster, ClusterConfig, ClusterError};
use proofmill_fault::Patience;
use proofmill_ledger::Ledger;
use proofmill_primitives::{ArtifactId, ProofMode, ProverType, Weight, WorkerKind};
use proofmill_wire::{
    cluster::{
        ProofRequestCancelRequest, ProofRequestCreateRequest, cluster_service_client::ClusterServiceClient,
    },
    header,
    operator::{
        ProofPhase, ProofProgress, StatusRequest, StatusResponse, WatchProofRequest,
        operator_service_client::OperatorServiceClient,
    },
};
use proofmill_worker::{WorkerConfig, WorkerError, run};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status, transport::Channel};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) struct Site {
    folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) artifacts: Arc<FsArtifacts>,
    pub(crate) backend: Arc<Slow>,
    scheduler: proofmill_scheduler::Config,
    serving: Option<(CancellationToken, JoinHandle<Result<(), ClusterError>>)>,
}

pub(crate) struct Hand {
    pub(crate) stop: CancellationToken,
    pub(crate) running: JoinHandle<Result<(), WorkerError>>,
}

impl Hand {
    /// As if its process had been killed, except that what a prover thread has begun goes on to nowhere.
    pub(crate) async fn kill(self) {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled());
    }
}

/// The threads of what is held end with the test.
impl Drop for Site {
    fn drop(&mut self) {
        self.backend.let_go();
    }
}

impl Site {
    pub(crate) async fn new(backend: Slow) -> Self {
        Self::with(backend, impatient()).await
    }

    /// With a coordinator of these settings.
    pub(crate) async fn with(backend: Slow, scheduler: proofmill_scheduler::Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Arc::new(FsArtifacts::open(&folder.path().join("artifacts")).unwrap());
        artifacts.put(&"program".into(), ArtifactKind::Program, "elf".into()).await.unwrap();
        // It may be started again there.
        let port = proofmill_localstore::free_port().unwrap();
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let backend = Arc::new(backend);
        let mut site = Self { folder, address, artifacts, backend, scheduler, serving: None };
        site.serve(listener).await;
        site
    }

    async fn serve(&mut self, listener: TcpListener) {
        let ledger = Ledger::open(&self.folder.path().join("ledger.sqlite")).await.unwrap();
        let mut config = ClusterConfig { scheduler: self.scheduler, ..ClusterConfig::default() };
        config.server_heartbeat = Duration::from_millis(300);
        config.scheduler.controller_headroom = Weight::gb(1);
        let cluster = Cluster::start(config, ledger, self.artifacts.clone()).await.unwrap();
        let stop = CancellationToken::new();
        self.serving = Some((stop.clone(), tokio::spawn(cluster.serve(listener, stop))));
    }

    pub(crate) async fn stop_cluster(&mut self) {
        let (stop, serving) = self.serving.take().unwrap();
        stop.cancel();
        serving.await.unwrap().unwrap();
    }

    pub(crate) async fn start_cluster(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener).await;
    }

    pub(crate) fn artifacts_folder(&self) -> PathBuf {
        self.folder.path().join("artifacts")
    }

    /// Starts a worker with room for so many tasks.
    pub(crate) fn worker(&self, id: &str, kind: WorkerKind, room: u32) -> Hand {
        self.worker_on(self.artifacts.clone(), id, kind, room)
    }

    /// The same of another build.
    pub(crate) fn worker_of(&self, build: &str, id: &str, kind: WorkerKind, room: u32) -> Hand {
        self.start_worker(self.address, self.artifacts.clone(), build, id, kind, room)
    }

    /// The same, with another view of the artifacts.
    pub(crate) fn worker_on(
        &self,
        artifacts: Arc<dyn ArtifactStore>,
        id: &str,
        kind: WorkerKind,
        room: u32,
    ) -> Hand {
        self.start_worker(self.address, artifacts, proofmill_worker::BUILD, id, kind, room)
    }

    /// The same, with another way to the coordinator.
    pub(crate) fn worker_by(&self, coordinator: SocketAddr, id: &str, kind: WorkerKind, room: u32) -> Hand {
        self.start_worker(coordinator, self.artifacts.clone(), proofmill_worker::BUILD, id, kind, room)
    }

    fn start_worker(
        &self,
        coordinator: SocketAddr,
        artifacts: Arc<dyn ArtifactStore>,
        build: &str,
        id: &str,
        kind: WorkerKind,
        room: u32,
    ) -> Hand {
        let config =
            WorkerConfig { build: build.into(), ..settings(coordinator, id, kind, room, ProverType::Exec) };
        let registry = Registry::default().with(self.backend.clone());
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(config, registry, artifacts, stop.clone()));
        Hand { stop, running }
    }

    async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    /// Asks for a proof of so many segments; its artifact is `<id>-proof`.
    pub(crate) async fn request(&self, id: &str, segments: u32, mode: u32) {
        self.request_with(id, segments, mode, ArtifactKind::Stdin).await.unwrap();
    }

    pub(crate) async fn request_with(
        &self,
        id: &str,
        segments: u32,
        mode: u32,
        kind: ArtifactKind,
    ) -> Result<(), Status> {
        let request = self.asked(id, segments, mode, kind).await;
        self.ask(request).await
    }

    /// Asks for this SNARK of so many segments.
    pub(crate) async fn request_snark(&self, id: &str, segments: u32, snark: SnarkVariant) {
        let mut request = self.asked(id, segments, ProofMode::Plonk.wire(), ArtifactKind::Stdin).await;
        header::set_snark(&mut request, snark.name());
        self.ask(request).await.unwrap();
    }

    /// Stores the input, and gives the request.
    async fn asked(
        &self,
        id: &str,
        segments: u32,
        mode: u32,
        kind: ArtifactKind,
    ) -> Request<ProofRequestCreateRequest> {
        let stdin = format!("stdin-{segments}");
        self.artifacts.put(&stdin.as_str().into(), kind, segments.to_string().into()).await.unwrap();
        let mut request = Request::new(ProofRequestCreateRequest {
            proof_id: id.into(),
            program_artifact_id: "program".into(),
            stdin_artifact_id: stdin,
            stdin_private: kind == ArtifactKind::PrivateStdin,
            options_artifact_id: Some(mode.to_string()),
            proof_artifact_id: Some(format!("{id}-proof")),
            ..ProofRequestCreateRequest::default()
        });
        header::set_prover(&mut request, ProverType::Exec);
        request
    }

    async fn ask(&self, request: Request<ProofRequestCreateRequest>) -> Result<(), Status> {
        ClusterServiceClient::new(self.channel().await).proof_request_create(request).await.map(drop)
    }

    /// Asks as clients of the SP1 cluster do; the input says how many shards there are.
    pub(crate) async fn request_sp1(&self, id: &str, shards: u32) {
        let stdin = format!("stdin-{shards}");
        let bytes = shards.to_string().into();
        self.artifacts.put(&stdin.as_str().into(), ArtifactKind::Stdin, bytes).await.unwrap();
        let request = ProofRequestCreateRequest {
            proof_id: id.into(),
            program_artifact_id: "program".into(),
            stdin_artifact_id: stdin,
            options_artifact_id: Some("2".into()),
            proof_artifact_id: Some(format!("{id}-proof")),
            ..ProofRequestCreateRequest::default()
        };
        ClusterServiceClient::new(self.channel().await).proof_request_create(request).await.unwrap();
    }

    pub(crate) async fn status(&self) -> StatusResponse {
        let mut client = OperatorServiceClient::new(self.channel().await);
        client.get_status(StatusRequest::default()).await.unwrap().into_inner()
    }

    /// Waits for the end of a proof.
    pub(crate) async fn ended(&self, id: &str) -> ProofProgress {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let status = self.status().await;
                let proof = status.proofs.into_iter().find(|proof| proof.proof_id == id).unwrap();
                if proof.phase() != ProofPhase::Active {
                    // With all that a list does not have.
                    let watch = WatchProofRequest { proof_id: id.to_owned() };
                    let mut client = OperatorServiceClient::new(self.channel().await);
                    let mut told = client.watch_proof(watch).await.unwrap().into_inner();
                    return told.message().await.unwrap().unwrap();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        match waited.await {
            Ok(proof) => proof,
            Err(_) => panic!("{id} does not end: {:#?}", self.status().await),
        }
    }

    /// Waits for the proof, and checks that it is of all its segments in order.
    pub(crate) async fn proof(&self, id: &str, segments: u32) -> (ProofProgress, Proof) {
        let progress = self.ended(id).await;
        assert_eq!(progress.phase(), ProofPhase::Completed, "{}", progress.cause);
        let bytes = self.artifacts.get(&format!("{id}-proof").into(), ArtifactKind::Proof).await.unwrap();
        let proof = Proof::decode(&bytes).unwrap();
        let body: String = (0..segments).map(segment_text).collect();
        assert_eq!(String::from_utf8_lossy(&proof.body), body);
        assert_eq!(proof.public_values, segments.to_string().as_bytes());
        (progress, proof)
    }

    pub(crate) async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("in vain: {what}"));
    }

    /// Waits until the coordinator says this of itself.
    pub(crate) async fn until_status(&self, what: &str, holds: impl Fn(&StatusResponse) -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !holds(&self.status().await) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(waited.await.is_ok(), "in vain: {what}: {:#?}", self.status().await);
    }

    /// Waits until the coordinator has these workers, in the order of their names, and no others.
    pub(crate) async fn has_workers(&self, names: &[&str]) {
        let there = |status: &StatusResponse| {
            status.workers.iter().map(|worker| worker.id.as_str()).eq(names.iter().copied())
        };
        self.until_status(&format!("workers {names:?}"), there).await;
    }

    /// Waits until this is said to keep the proof waiting.
    pub(crate) async fn until_diagnosis(&self, id: &str, holds: impl Fn(&str) -> bool) {
        let diagnosis = async || {
            let proofs = self.status().await.proofs.into_iter();
            proofs.filter(|proof| proof.proof_id == id).map(|proof| proof.diagnosis).next().unwrap()
        };
        let waited = tokio::time::timeout(PATIENCE, async {
            while !holds(&diagnosis().await) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        assert!(waited.await.is_ok(), "{id} waits for something else: {}", diagnosis().await);
    }

    pub(crate) async fn cancel(&self, id: &str) {
        let cancel = ProofRequestCancelRequest { proof_id: id.into() };
        ClusterServiceClient::new(self.channel().await).proof_request_cancel(cancel).await.unwrap();
    }

    /// The names and contents of all that is stored beside inputs and proofs.
    pub(crate) async fn intermediates(&self) -> Vec<(ArtifactId, Vec<u8>)> {
        let mut found = Vec::new();
        for stored in self.artifacts.list().await.unwrap() {
            if stored.kind == ArtifactKind::Intermediate {
                let bytes = self.artifacts.get(&stored.id, stored.kind).await.unwrap();
                found.push((stored.id, bytes.to_vec()));
            }
        }
        found
    }

    /// Stores other bytes under the name of what has these, as whoever had made them there would.
    pub(crate) async fn replace(&self, bytes: &[u8], by: impl Into<Vec<u8>>) {
        let stored = self.intermediates().await;
        let (id, _) = stored.iter().find(|(_, found)| found == bytes).expect("it is not stored");
        self.artifacts.put(id, ArtifactKind::Intermediate, by.into().into()).await.unwrap();
    }

    /// Removes the finished proofs and what else `of` says, as if nobody had used them for long.
    pub(crate) async fn forget(&self, of: impl Fn(&[u8]) -> bool) {
        for (id, bytes) in self.intermediates().await {
            if Proof::decode(&bytes).is_ok() || of(&bytes) {
                self.artifacts.delete(&id, ArtifactKind::Intermediate).await.unwrap();
            }
        }
    }

    /// The file that holds a segment's own proof, once there is one.
    pub(crate) fn file_of(&self, segment: u32) -> Option<PathBuf> {
        let text = segment_text(segment);
        let folders = std::fs::read_dir(self.folder.path().join("artifacts/intermediate")).unwrap();
        let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
        files.map(|file| file.unwrap().path()).find(|path| {
            let bytes = std::fs::read(path).unwrap_or_default();
            bytes.ends_with(text.as_bytes()) && !bytes.windows(3).any(|window| window == b"><s")
        })
    }
}

/// A worker of one prover type, with room for so many tasks.
pub(crate) fn settings(
    coordinator: SocketAddr,
    id: &str,
    kind: WorkerKind,
    room: u32,
    prover: ProverType,
) -> WorkerConfig {
    WorkerConfig {
        id: id.into(),
        coordinator: format!("http://{coordinator}"),
        kind,
        max_weight: Some(Weight::gb(room)),
        provers: vec![prover],
        segment_memory: Weight::gb(1),
        heartbeat: Duration::from_millis(200),
        build: proofmill_worker::BUILD.into(),
        note: None,
        killed: Vec::new(),
    }
}

/// So that tests are short.
pub(crate) fn impatient() -> proofmill_scheduler::Config {
    let pause = Duration::from_millis(10);
    proofmill_scheduler::Config {
        reconnect_grace: Duration::from_millis(300),
        patience: Patience { retry_pause: pause, wait_pause: pause, ..Patience::default() },
        ..proofmill_scheduler::Config::default()
    }
}
