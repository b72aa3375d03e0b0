//! Where a command makes its proofs: on a cluster that is named, or on a cluster and a worker inside this process.

use crate::{cli, room, wiring};
use eyre::{Result, WrapErr, eyre};
use proofmill_artifacts::ArtifactStore;
use proofmill_backends::{Backend, Registry};
use proofmill_client::{ClusterClient, ClusterProver};
use proofmill_cluster::{Cluster, ClusterConfig};
use proofmill_ledger::{DataDir, Ledger};
use proofmill_primitives::{ProofMode, ProverType, Weight, WorkerKind};
use proofmill_worker::WorkerConfig;
use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

/// Where a command makes its proofs.
pub(crate) struct Site {
    client: ClusterClient,
    artifacts: Arc<dyn ArtifactStore>,
    timeout: Duration,
    evidence: PathBuf,
    /// Nothing where a cluster is named.
    local: Option<Local>,
}

impl Site {
    /// Connects to the cluster that is named, or starts one with a worker for these prover types.
    pub(crate) async fn open(
        global: &cli::Global,
        args: &cli::Site,
        registry: &Registry,
        provers: Vec<ProverType>,
    ) -> Result<Self> {
        if let Some(address) = &args.cluster {
            // Whoever waits for a command is told at once.
            ClusterClient::connect(address).await?;
        }
        Self::of_role(global, args, registry, provers).await
    }

    /// The same for a role: a cluster that is named may come later.
    pub(crate) async fn of_role(
        global: &cli::Global,
        args: &cli::Site,
        registry: &Registry,
        provers: Vec<ProverType>,
    ) -> Result<Self> {
        let artifacts = wiring::artifacts(&args.store, &global.data_dir.join("artifacts")).await?;
        let mut local = None;
        let address = match &args.cluster {
            Some(address) => address.clone(),
            None => {
                let started =
                    Local::start(&global.data_dir, artifacts.clone(), registry.clone(), provers, args)
                        .await?;
                local.insert(started).address.clone()
            }
        };
        let client = wiring::cluster_of_role(&address).await?;
        let timeout = Duration::from_secs(args.timeout);
        Ok(Self { client, artifacts, timeout, evidence: global.data_dir.join("bad"), local })
    }

    /// Asks for proofs of one type. Whoever shows them to an L1 has to say whether that is for development.
    pub(crate) fn prover(&self, backend: Arc<dyn Backend>, cycle_limit: Option<NonZeroU64>) -> ClusterProver {
        ClusterProver {
            client: self.client.clone(),
            artifacts: self.artifacts.clone(),
            backend,
            timeout: self.timeout,
            cycle_limit,
            joined: ProofMode::Compressed,
            development: true,
            evidence: Some(self.evidence.clone()),
        }
    }

    /// Does not come back while all is well; otherwise says what went wrong in this process.
    pub(crate) async fn failed(&mut self) -> eyre::Report {
        match &mut self.local {
            Some(local) => local.failed().await,
            None => std::future::pending().await,
        }
    }

    /// Ends what was started in this process. What is asked for goes on at the next start.
    pub(crate) async fn stop(self) {
        if let Some(local) = self.local {
            local.stop().await;
        }
    }

    /// Makes proofs until they are made or `stop` fires. `making` gets what withdraws its requests: those of the cluster in this
    /// process, or the next command on this folder would have to work them off first.
    pub(crate) async fn run(
        mut self,
        stop: &CancellationToken,
        making: impl AsyncFnOnce(&CancellationToken) -> Result<()>,
    ) -> Result<()> {
        let never = CancellationToken::new();
        let outcome = match &mut self.local {
            Some(local) => tokio::select! {
                outcome = making(stop) => match outcome {
                    Err(_) if stop.is_cancelled() => {
                        Err(eyre!("stopped; what is finished is kept: run the same command again to go on"))
                    }
                    outcome => outcome,
                },
                error = local.failed() => Err(error),
            },
            None => tokio::select! {
                outcome = making(&never) => outcome,
                () = stop.cancelled() => {
                    Err(eyre!("stopped; the cluster goes on: run the same command again to follow"))
                }
            },
        };
        self.stop().await;
        outcome
    }

    /// Has a role use the site until the role ends by itself, as it does when it is told to stop.
    pub(crate) async fn serve(mut self, role: impl Future<Output = Result<()>>) -> Result<()> {
        let outcome = tokio::select! {
            outcome = role => outcome,
            error = self.failed() => Err(error),
        };
        self.stop().await;
        outcome
    }
}

/// Everything in one process, on the embedded defaults.
struct Local {
    address: String,
    roles: JoinSet<Result<()>>,
    worker: AbortHandle,
    stop_worker: CancellationToken,
    stop_cluster: CancellationToken,
    /// Owned for as long as the cluster runs.
    _dir: DataDir,
}

impl cli::Site {
    /// Refuses too little memory for a compressed proof of these types, where this process makes it.
    pub(crate) fn check_room(&self, registry: &Registry, provers: &[ProverType]) -> Result<()> {
        self.check_room_for(registry, provers, ProofMode::Compressed)
    }

    /// The same for a proof of this mode.
    pub(crate) fn check_room_for(
        &self,
        registry: &Registry,
        provers: &[ProverType],
        mode: ProofMode,
    ) -> Result<()> {
        if self.cluster.is_some() {
            return Ok(());
        }
        let room = proofmill_worker::memory::max_weight(self.max_weight)?;
        room::check(registry, provers, self.segment_memory, mode, &[room])
    }
}

impl Local {
    /// Starts a cluster on a free port and a worker for these prover types.
    async fn start(
        data_dir: &Path,
        artifacts: Arc<dyn ArtifactStore>,
        registry: Registry,
        provers: Vec<ProverType>,
        room: &cli::Site,
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
        let (stop_worker, stop_cluster) = (CancellationToken::new(), CancellationToken::new());
        let (serving, working) = (stop_cluster.clone(), stop_worker.clone());
        roles.spawn(async move { Ok(cluster.serve(listener, serving).await?) });
        let worker = roles
            .spawn(async move { Ok(proofmill_worker::run(worker, registry, artifacts, working).await?) });
        Ok(Self { address, roles, worker, stop_worker, stop_cluster, _dir: dir })
    }

    /// Does not come back while all is well; otherwise says what went wrong.
    async fn failed(&mut self) -> eyre::Report {
        match self.roles.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(panic)) => eyre!("a role panicked: {panic}"),
            Some(Ok(Ok(()))) | None => eyre!("the embedded cluster ended by itself"),
        }
    }

    /// Stops the roles. What was acknowledged is durable; a prover in the middle of its work is not waited for. The worker goes first:
    /// the cluster sees it leave in good order, and its tasks count no loss.
    async fn stop(mut self) {
        const WITHIN: Duration = Duration::from_secs(2);
        self.stop_worker.cancel();
        if tokio::time::timeout(WITHIN, self.roles.join_next()).await.is_err() {
            self.worker.abort();
            self.roles.join_next().await;
        }
        self.stop_cluster.cancel();
        drop(tokio::time::timeout(WITHIN, self.roles.join_next()).await);
    }
}
