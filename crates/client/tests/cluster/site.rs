//! A cluster without workers, and a client.

use proofmill_artifacts::{ArtifactKind, FsArtifacts};
use proofmill_backends::{Backend, ExecBackend, Proof};
use proofmill_client::{ClientError, ClusterClient, ClusterProver, Made, programs};
use proofmill_cluster::{Cluster, ClusterConfig};
use proofmill_ledger::Ledger;
use proofmill_primitives::{ProofMode, ProverType};
use proofmill_wire::{
    operator::ProofPhase,
    worker::{CompleteProofRequest, worker_service_client::WorkerServiceClient},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

/// Longer than anything here takes, also where the machine does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) struct Site {
    pub(crate) prover: ClusterProver,
    pub(crate) address: String,
    pub(crate) stop: CancellationToken,
    pub(crate) folder: TempDir,
    /// What the worker makes of a proof that would hold.
    pub(crate) made: Mutex<fn(Proof) -> Proof>,
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with(Arc::new(ExecBackend::default())).await
    }

    /// With a client that checks proofs by this backend.
    pub(crate) async fn with(backend: Arc<dyn Backend>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Arc::new(FsArtifacts::open(&folder.path().join("artifacts")).unwrap());
        let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).await.unwrap();
        let cluster = Cluster::start(ClusterConfig::default(), ledger, artifacts.clone()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(cluster.serve(listener, stop.clone()));
        let prover = ClusterProver {
            client: ClusterClient::connect(&address).await.unwrap(),
            artifacts,
            backend,
            timeout: Duration::from_secs(3600),
            cycle_limit: None,
            joined: ProofMode::Compressed,
            development: true,
            evidence: Some(folder.path().join("bad")),
        };
        Self { prover, address, stop, folder, made: Mutex::new(|proof| proof) }
    }

    /// Another client of the same cluster, which gives a proof so much time.
    pub(crate) async fn another(&self, timeout: Duration) -> ClusterProver {
        let client = ClusterClient::connect(&self.address).await.unwrap();
        ClusterProver { client, timeout, ..self.prover.clone() }
    }

    pub(crate) async fn phase(&self, id: &str) -> ProofPhase {
        let (say, mut told) = mpsc::unbounded_channel();
        let following = self.prover.client.follow(id, |progress| {
            let _ = say.send(progress.phase());
        });
        // The first word is enough: one that is still wanted has no last one.
        tokio::select! {
            biased;
            Some(phase) = told.recv() => phase,
            ended = following => ended.unwrap().phase(),
        }
    }

    /// Does what a worker does at the end: stores the proof, over which `harm` comes, and says that it is made.
    pub(crate) async fn complete(&self, id: &str, artifact: &str, harm: impl Fn(&Path)) {
        let backend = &self.prover.backend;
        let proof = Proof {
            prover: ProverType::Exec,
            mode: ProofMode::Compressed,
            program: backend.program_version(programs::range(ProverType::Exec)).unwrap(),
            public_values: id.as_bytes().to_vec(),
            body: Vec::new(),
        };
        let made = *self.made.lock().unwrap();
        let bytes = made(proof).encode().into();
        self.prover.artifacts.put(&artifact.into(), ArtifactKind::Proof, bytes).await.unwrap();
        harm(&self.file());
        self.say_made(id).await;
    }

    /// Says that a proof is made, as a worker does.
    pub(crate) async fn say_made(&self, id: &str) {
        let channel = Endpoint::from_shared(self.address.clone()).unwrap().connect().await.unwrap();
        let request = CompleteProofRequest { proof_id: id.to_owned(), ..Default::default() };
        WorkerServiceClient::new(channel).complete_proof(request).await.unwrap();
    }

    /// The file of the only proof.
    pub(crate) fn file(&self) -> PathBuf {
        let groups = std::fs::read_dir(self.folder.path().join("artifacts/proof")).unwrap();
        let mut files = groups.flat_map(|group| std::fs::read_dir(group.unwrap().path()).unwrap());
        let file = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none());
        file
    }
}

/// Asks for the same proof as everybody. Every word about it is passed on: its id and the name of its artifact.
pub(crate) async fn prove(
    prover: &ClusterProver,
    stop: &CancellationToken,
    seen: mpsc::UnboundedSender<(String, String)>,
) -> Result<Made<Proof>, ClientError> {
    let program = programs::range(prover.prover_type());
    let show = |progress: &proofmill_wire::operator::ProofProgress| {
        let _ = seen.send((progress.proof_id.clone(), progress.proof_artifact_id.clone()));
    };
    prover.prove(program, b"no blocks".to_vec(), ProofMode::Compressed, stop, show).await
}
