//! A client of the SP1 cluster, from its sources (`crates/utils`, `crates/artifact` of `succinctlabs/sp1-cluster` 2.7.2): it
//! stores program and input in Redis or S3, asks, looks every 50 ms, and reads the proof where it said.

use crate::{
    harness::{PATIENCE, impatient, settings},
    layout::Shards,
};
use proofmill_artifacts::{
    ArtifactKind, ArtifactStore, FsArtifacts, RedisArtifacts, RedisOptions, S3Artifacts, S3Options,
};
use proofmill_cluster::{Cluster, ClusterConfig, ClusterError};
use proofmill_ledger::Ledger;
use proofmill_localstore::{LocalRedis, LocalS3, S3_KEYS, skipped};
use proofmill_primitives::{ProverType, TaskKind, WorkerKind};
use proofmill_wire::{
    cluster::{
        ProofRequest, ProofRequestCreateRequest, ProofRequestGetRequest, ProofRequestStatus,
        cluster_service_client::ClusterServiceClient,
    },
    worker::{
        CreateDummyProofRequest, CreateTaskRequest, TaskData, worker_service_client::WorkerServiceClient,
    },
};
use proofmill_worker::{WorkerError, run};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

const PROGRAM: &str = "artifact_01k0program";
const STDIN: &str = "artifact_01k0stdin";
const PROOF: &str = "artifact_01k0proof";

/// `setup_artifacts`: the ELF as `bincode` has a `Vec<u8>`, the input as its bytes; each as one zstd stream.
fn uploads(level: i32) -> [(&'static str, Vec<u8>); 2] {
    let elf = b"\x7fELF, or what passes for one here";
    let elf = [&(elf.len() as u64).to_le_bytes(), elf.as_slice()].concat();
    let pack = |bytes: &[u8]| zstd::encode_all(bytes, level).unwrap();
    [(PROGRAM, pack(&elf)), (STDIN, pack(b"5"))]
}

/// A cluster and a worker of ours, and the way there.
struct Works {
    _folder: TempDir,
    channel: Channel,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), ClusterError>>,
    working: JoinHandle<Result<(), WorkerError>>,
}

impl Works {
    async fn on(artifacts: Arc<dyn ArtifactStore>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).await.unwrap();
        let config = ClusterConfig { scheduler: impatient(), ..ClusterConfig::default() };
        let cluster = Cluster::start(config, ledger, artifacts.clone()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(cluster.serve(listener, stop.clone()));
        let worker = settings(address, "w", WorkerKind::All, 16, ProverType::Sp1);
        let registry = proofmill_backends::Registry::default().with(Arc::new(Shards::default()));
        let working = tokio::spawn(run(worker, registry, artifacts, stop.clone()));
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self { _folder: folder, channel, stop, serving, working }
    }

    /// `check_proof_status`, every 50 ms.
    async fn made(&self, proof: &str) -> ProofRequest {
        let mut client = ClusterServiceClient::new(self.channel.clone());
        let asked = Instant::now();
        loop {
            let get = ProofRequestGetRequest { proof_id: proof.into() };
            let proof = client.proof_request_get(get).await.unwrap().into_inner().proof_request.unwrap();
            match proof.proof_status() {
                ProofRequestStatus::Completed => return proof,
                ProofRequestStatus::Pending => {
                    assert!(asked.elapsed() < PATIENCE, "it does not end")
                }
                other => panic!("{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.working.await.unwrap().unwrap();
        self.serving.await.unwrap().unwrap();
    }
}

/// `create_requests` and `check_proof_status`, against a cluster and a worker on these artifacts.
async fn ask_and_wait(artifacts: Arc<dyn ArtifactStore>) {
    let works = Works::on(artifacts).await;
    let mut client = ClusterServiceClient::new(works.channel.clone());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let request = ProofRequestCreateRequest {
        proof_id: "cli_1700000000000_0".into(),
        program_artifact_id: PROGRAM.into(),
        stdin_artifact_id: STDIN.into(),
        options_artifact_id: Some("2".into()),
        proof_artifact_id: Some(PROOF.into()),
        requester: vec![],
        deadline: now + 4 * 3600,
        cycle_limit: u64::MAX,
        gas_limit: u64::MAX,
        scheduled_by: None,
        stdin_private: false,
    };
    client.proof_request_create(request).await.unwrap();
    works.made("cli_1700000000000_0").await;
    works.end().await;
}

/// `run_single_execute_request` of its command line: an execution in a proof of its own that names neither mode nor output. A cluster
/// of executors alone asks for one of whatever mode the proof is.
#[tokio::test(flavor = "multi_thread")]
async fn an_execution_alone_needs_neither_mode_nor_output() {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = Arc::new(FsArtifacts::open(folder.path()).unwrap());
    artifacts.put(&PROGRAM.into(), ArtifactKind::Program, "elf".into()).await.unwrap();
    artifacts.put(&STDIN.into(), ArtifactKind::Stdin, "5".into()).await.unwrap();
    let works = Works::on(artifacts).await;
    let mut client = WorkerServiceClient::new(works.channel.clone());
    let asked: [(&str, &[&str]); 2] = [("alone", &[]), ("compressed", &["2", "1000"])];
    for (proof, more) in asked {
        let dummy = CreateDummyProofRequest { proof_id: proof.into(), ..CreateDummyProofRequest::default() };
        client.create_dummy_proof(dummy).await.unwrap();
        let data = TaskData {
            task_type: TaskKind::ExecuteOnly.wire(),
            inputs: [PROGRAM, STDIN].iter().chain(more).map(|input| (*input).to_owned()).collect(),
            metadata: "{}".into(),
            proof_id: proof.into(),
            weight: 4,
            ..TaskData::default()
        };
        let request = CreateTaskRequest { worker_id: "cli".into(), data: Some(data) };
        client.create_task(request).await.unwrap();
        assert_eq!(works.made(proof).await.execution_result.unwrap().cycles, 1);
    }
    works.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_request_over_redis() {
    if !LocalRedis::is_there() {
        skipped("this machine has no redis-server");
        return;
    }
    let server = LocalRedis::start(&[]).unwrap();
    let mut redis =
        redis::Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    for (id, packed) in uploads(0) {
        let _: () = redis::cmd("SET").arg(id).arg(packed).query_async(&mut redis).await.unwrap();
    }
    ask_and_wait(Arc::new(RedisArtifacts::new(&RedisOptions::new(vec![server.url()])).unwrap())).await;
    let packed: Vec<u8> = redis::cmd("GET").arg(PROOF).query_async(&mut redis).await.unwrap();
    assert_eq!(zstd::decode_all(&*packed).unwrap(), b"<0><1><2><3><4>");
    // Shards lie there as its nodes read them: nothing of ours is in front.
    let keys: Vec<String> = redis::cmd("KEYS").arg("key-*").query_async(&mut redis).await.unwrap();
    let mut shards = Vec::new();
    for key in keys {
        let packed: Vec<u8> = redis::cmd("GET").arg(key).query_async(&mut redis).await.unwrap();
        shards.push(zstd::decode_all(&*packed).unwrap());
    }
    assert!(shards.contains(&b"<3>".to_vec()), "{shards:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_request_over_s3() {
    let server = LocalS3::start().unwrap();
    for ((id, packed), folder) in uploads(3).into_iter().zip(["programs", "stdins"]) {
        let file = server.file(&format!("{folder}/{id}"));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, packed).unwrap();
    }
    let options = S3Options {
        endpoint: Some(server.url()),
        keys: Some((S3_KEYS.0.to_owned(), S3_KEYS.1.to_owned())),
        ..S3Options::new(LocalS3::BUCKET, "eu-west-1")
    };
    ask_and_wait(Arc::new(S3Artifacts::new(&options).unwrap())).await;
    let packed = std::fs::read(server.file(&format!("proofs/{PROOF}"))).unwrap();
    assert_eq!(zstd::decode_all(&*packed).unwrap(), b"<0><1><2><3><4>");
}
