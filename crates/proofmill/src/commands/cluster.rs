//! `proofmill cluster`.

use crate::{
    cli, ledger,
    observe::{self, Observed},
    stop, wiring,
};
use eyre::{Result, WrapErr};
use proofmill_cluster::{Cluster, ClusterConfig};
use proofmill_ledger::DataDir;
use std::time::Duration;
use tokio::net::TcpListener;

pub(crate) async fn run(global: &cli::Global, args: cli::Cluster) -> Result<()> {
    let stop = stop::on_signal()?;
    let observed = Observed::new("cluster");
    observe::serve(&args.observing, observed.clone(), stop.clone()).await?;
    let listener = TcpListener::bind(&args.listen).await.wrap_err_with(|| {
        format!("cannot listen on {}: stop what listens there, or choose another --listen", args.listen)
    })?;
    let dir = DataDir::open(&global.data_dir)?;
    let ledger = ledger::open(&args.database, "proofmill_cluster", &dir.ledger(), &stop).await?;
    let artifacts = wiring::artifacts(&args.store, &dir.artifacts()).await?;
    let mut config = ClusterConfig {
        controller_weight: args.controller_weight,
        plonk_wrap_weight: args.plonk_wrap_weight,
        groth16_wrap_weight: args.groth16_wrap_weight,
        artifact_retention: Duration::from_secs(args.artifact_retention * 3600),
        ..ClusterConfig::default()
    };
    config.scheduler.policy = args.policy;
    config.scheduler.heartbeat_timeout = Duration::from_secs(args.heartbeat_timeout);
    config.scheduler.task_timeout = Duration::from_secs(args.task_timeout);
    config.scheduler.patience.tries = args.max_retries.saturating_add(1);
    config.scheduler.controller_headroom = args.controller_headroom;
    let cluster = Cluster::start(config, ledger, artifacts).await?;
    observed.started(Vec::new);
    tracing::info!(address = %listener.local_addr()?, data_dir = %dir.path().display(), "the cluster is ready");
    cluster.serve(listener, stop).await?;
    tracing::info!("the cluster stopped; what was acknowledged is kept");
    Ok(())
}
