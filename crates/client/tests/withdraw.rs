//! What becomes of a request whose caller no longer wants it, on a cluster where nobody takes it up.
#![allow(clippy::unwrap_used)]

use proofmill_artifacts::FsArtifacts;
use proofmill_backends::ExecBackend;
use proofmill_client::{ClientError, ClusterClient, ClusterProver};
use proofmill_cluster::{Cluster, ClusterConfig};
use proofmill_ledger::Ledger;
use proofmill_primitives::ProofMode;
use proofmill_wire::operator::ProofPhase;
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Site {
    prover: ClusterProver,
    stop: CancellationToken,
    _folder: TempDir,
}

impl Site {
    async fn new() -> Self {
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
            backend: Arc::new(ExecBackend::default()),
            timeout: Duration::from_secs(3600),
            cycle_limit: None,
        };
        Self { prover, stop, _folder: folder }
    }

    /// Asks for a proof, and gives its id and how waiting for it ended, once it was seen to be accepted and `then` ran.
    async fn ask(
        &self,
        stop: &CancellationToken,
        then: impl FnOnce() + Send,
    ) -> (String, Option<ClientError>) {
        let (seen, mut ids) = tokio::sync::mpsc::unbounded_channel();
        let program = proofmill_client::programs::range(self.prover.prover_type());
        let proving =
            self.prover.prove(program, b"no blocks".to_vec(), ProofMode::Compressed, stop, |progress| {
                let _ = seen.send(progress.proof_id.clone());
            });
        tokio::pin!(proving);
        let id = tokio::select! {
            id = ids.recv() => id.unwrap(),
            ended = &mut proving => panic!("ended at once: {ended:?}"),
        };
        then();
        let ended = tokio::time::timeout(Duration::from_secs(2), proving).await;
        (id, ended.ok().map(Result::unwrap_err))
    }

    async fn phase(&self, id: &str) -> ProofPhase {
        let mut phase = ProofPhase::Unspecified;
        let first = self.prover.client.follow(id, |progress| phase = progress.phase());
        // The first word is enough: one that is still wanted has no last one.
        let _ = tokio::time::timeout(Duration::from_secs(2), first).await;
        phase
    }
}

#[tokio::test]
async fn who_stops_it_withdraws_it_and_who_asks_again_gets_a_new_try() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let stop = CancellationToken::new();
        let (id, ended) = site.ask(&stop, || stop.cancel()).await;
        assert!(matches!(ended, Some(ClientError::Cancelled { id: of }) if of == id));
        assert_eq!(site.phase(&id).await, ProofPhase::Cancelled);

        let (again, ended) = site.ask(&CancellationToken::new(), || {}).await;
        assert_ne!(again, id);
        assert!(ended.is_none(), "{ended:?}");
        site.stop.cancel();
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn who_only_stops_waiting_finds_it_again() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        // Dropped after two seconds.
        let (id, ended) = site.ask(&CancellationToken::new(), || {}).await;
        assert!(ended.is_none(), "{ended:?}");
        assert_eq!(site.phase(&id).await, ProofPhase::Active);
        let (again, _) = site.ask(&CancellationToken::new(), || {}).await;
        assert_eq!(again, id);
        site.stop.cancel();
    })
    .await
    .unwrap();
}
