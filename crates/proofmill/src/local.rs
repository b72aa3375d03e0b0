//! A cluster and a worker inside this process, for a machine that runs none.

use crate::cli;
use eyre::{Result, WrapErr};
use proofmill_artifacts::ArtifactStore;
use proofmill_backends::Registry;
use proofmill_cluster::{Cluster, ClusterConfig};
use proofmill_ledger::{DataDir, Ledger};
use proofmill_primitives::{ProverType, Weight, WorkerKind};
use proofmill_worker::WorkerConfig;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Everything in one process, on the embedded defaults.
pub(crate) struct Local {
    pub(crate) address: String,
    roles: JoinSet<Result<()>>,
    stop: CancellationToken,
    /// Owned for as long as the cluster runs.
    _dir: DataDir,
}

impl Local {
    /// Starts a cluster on a free port and a worker for these prover types.
    pub(crate) async fn start(
        data_dir: &Path,
        artifacts: Arc<dyn ArtifactStore>,
        registry: Registry,
        provers: Vec<ProverType>,
        room: &cli::Room,
    ) -> Result<Self> {
        let max_weight = proofmill_worker::memory::max_weight(room.max_weight)?;
        let dir = DataDir::open(data_dir)?;
        let ledger = Ledger::open(&dir.ledger()).await?;
        let mut config = ClusterConfig::default();
        // One worker: what it has beside its first controller is all there is.
        config.scheduler.controller_headroom = max_weight.saturating_sub(Weight::gb(1));
        let cluster = Cluster::start(config, ledger, artifacts.clone()).await?;
        let listener =
            TcpListener::bind("127.0.0.1:0").await.wrap_err("cannot listen on a free local port")?;
        let address = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let worker = WorkerConfig {
            // The same after a restart: what an earlier process held is given to this one at once.
            id: "local".into(),
            coordinator: address.clone(),
            kind: WorkerKind::All,
            max_weight: Some(max_weight),
            provers,
            segment_memory: room.segment_memory,
            heartbeat: Duration::from_secs(3),
            note: None,
            killed: Vec::new(),
            build: proofmill_worker::BUILD.into(),
        };
        let mut roles = JoinSet::new();
        let (serving, working) = (stop.clone(), stop.clone());
        roles.spawn(async move { Ok(cluster.serve(listener, serving).await?) });
        roles.spawn(async move { Ok(proofmill_worker::run(worker, registry, artifacts, working).await?) });
        Ok(Self { address, roles, stop, _dir: dir })
    }

    /// Does not come back while all is well; otherwise says what went wrong.
    pub(crate) async fn failed(&mut self) -> eyre::Report {
        match self.roles.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(panic)) => eyre::eyre!("a role panicked: {panic}"),
            Some(Ok(Ok(()))) | None => eyre::eyre!("the embedded cluster ended by itself"),
        }
    }

    /// Stops the roles. What was acknowledged is durable; a prover in the middle of its work is not waited for.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        let ended = async { while self.roles.join_next().await.is_some() {} };
        drop(tokio::time::timeout(Duration::from_secs(2), ended).await);
    }
}
