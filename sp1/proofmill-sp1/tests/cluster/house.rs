//! A cluster and workers as processes, on a Redis of their own, and a client of the SP1 cluster.

use crate::stock::StockRedis;
use proofmill_localstore::{LocalRedis, skipped};
use sp1_prover_types::{
    Artifact, ArtifactClient, ArtifactType,
    cluster::{
        ProofRequestCreateRequest, ProofRequestGetRequest, ProofRequestStatus,
        cluster_service_client::ClusterServiceClient,
    },
};
use sp1_sdk::{ProofFromNetwork, SP1Stdin};
use std::{
    fs::{self, File},
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;
use tonic::transport::Channel;

/// Shards of so many rows at the most: a small program has several then.
const ROWS: &str = "9216";

/// A process that ends with the test.
pub(crate) struct Running(Child);

impl Running {
    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// The most memory that it has had so far, in GiB.
    pub(crate) fn peak(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kib.unwrap_or_default() / f64::from(1 << 20)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub(crate) struct House {
    folder: TempDir,
    redis: LocalRedis,
    port: u16,
}

impl House {
    /// A Redis; nothing where this machine has no `redis-server`.
    pub(crate) fn new() -> Option<Self> {
        if !LocalRedis::is_there() {
            skipped("this machine has no redis-server");
            return None;
        }
        let redis = LocalRedis::start(&["--maxmemory", "2gb", "--maxmemory-policy", "noeviction"]).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Some(Self { folder: tempfile::tempdir().unwrap(), redis, port })
    }

    fn start(&self, name: &str, arguments: &[&str]) -> Running {
        let own = self.folder.path().join(format!("{name}-data"));
        fs::create_dir_all(&own).unwrap();
        let log = File::create(self.folder.path().join(format!("{name}.log"))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_proofmill-sp1"));
        command.current_dir(&own).args(arguments).arg("--data-dir").arg(own.join("data"));
        command.env("CLI_REDIS_NODES", self.redis.url()).env("NO_COLOR", "1").env("PROOFMILL_LOG", "info");
        // The worker itself, not the process above it, is what is killed, and whose memory is looked at.
        command.env("PROOFMILL_WORKER_UNGUARDED", "1");
        command.env("HEIGHT_THRESHOLD", ROWS);
        for unwanted in ["WORKER_MAX_WEIGHT_OVERRIDE", "PROOFMILL_SETTINGS", "CLI_CLUSTER_RPC"] {
            command.env_remove(unwanted);
        }
        let command = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Running(command.spawn().unwrap())
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn cluster(&self) -> Running {
        self.start("cluster", &["cluster", "--listen", &format!("127.0.0.1:{}", self.port)])
    }

    pub(crate) fn worker(&self, id: &str) -> Running {
        let address = self.address();
        let arguments = ["worker", "--coordinator", &address, "--prover", "sp1", "--id", id];
        self.start(id, &[arguments.as_slice(), &["--max-weight", "20"]].concat())
    }

    /// What a process has logged.
    pub(crate) fn said(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default()
    }

    pub(crate) fn logs(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) async fn client(&self) -> StockClient {
        let end = Instant::now() + Duration::from_secs(30);
        let endpoint = Channel::from_shared(self.address()).unwrap();
        let channel = loop {
            match endpoint.connect().await {
                Ok(channel) => break channel,
                Err(error) => assert!(Instant::now() < end, "{error}: {}", self.said("cluster")),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let store = StockRedis::connect(&self.redis.url(), 32 << 20).await;
        StockClient { cluster: ClusterServiceClient::new(channel), store }
    }
}

/// What the SP1 cluster's `crates/utils` does, with SP1's own messages, types and encodings.
pub(crate) struct StockClient {
    cluster: ClusterServiceClient<Channel>,
    store: StockRedis,
}

pub(crate) struct Asked {
    id: String,
    proof: Artifact,
}

impl StockClient {
    /// `mode` is a `ProofMode` of SP1's, as decimal text.
    pub(crate) async fn ask(&mut self, elf: Vec<u8>, stdin: SP1Stdin, mode: &str) -> Asked {
        let [program, input, proof] = [(); 3].map(|()| self.store.create_artifact().unwrap());
        self.store.upload_with_type(&program, ArtifactType::Program, elf).await.unwrap();
        self.store.upload_with_type(&input, ArtifactType::Stdin, stdin).await.unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let id = format!("cli_{}_0", now.as_millis());
        let request = ProofRequestCreateRequest {
            proof_id: id.clone(),
            program_artifact_id: program.to_id(),
            stdin_artifact_id: input.to_id(),
            options_artifact_id: Some(mode.to_owned()),
            proof_artifact_id: Some(proof.clone().to_id()),
            requester: vec![],
            deadline: now.as_secs() + 4 * 3600,
            cycle_limit: u64::MAX,
            gas_limit: u64::MAX,
            scheduled_by: None,
            stdin_private: false,
        };
        self.cluster.proof_request_create(request).await.unwrap();
        Asked { id, proof }
    }

    /// The proof, once it is made.
    pub(crate) async fn look(&mut self, asked: &Asked) -> Option<ProofFromNetwork> {
        let request = ProofRequestGetRequest { proof_id: asked.id.clone() };
        let found = self.cluster.proof_request_get(request).await.unwrap().into_inner();
        let request = found.proof_request.unwrap();
        match request.proof_status() {
            ProofRequestStatus::Completed => {
                let proof = self.store.download_with_type(&asked.proof, ArtifactType::Proof).await;
                Some(proof.unwrap())
            }
            ProofRequestStatus::Pending => None,
            other => panic!("{other:?}: {request:?}"),
        }
    }
}
