//! `proofmill prover-node`.

use crate::{cli, keys, node, observe, stop};
use eyre::{Result, WrapErr};
use proofmill_backends::Registry;
use proofmill_ledger::DataDir;
use tokio::net::TcpListener;

pub(crate) async fn run(global: &cli::Global, args: cli::ProverNode, registry: Registry) -> Result<()> {
    let stop = stop::on_signal()?;
    let listener = TcpListener::bind(&args.listen).await.wrap_err_with(|| {
        format!("cannot listen on {}: stop what listens there, or choose another --listen", args.listen)
    })?;
    DataDir::mark(&global.data_dir)?;
    let key = keys::key(args.key_file.as_deref(), keys::L1_KEY)?;
    let mut running = tokio::select! {
        running = node::start(global, &args, &registry, key) => running?,
        () = stop.cancelled() => return Ok(()),
    };
    observe::serve(&args.observing, running.observed.clone(), stop.clone()).await?;
    tracing::info!(rollup = %running.rollup.address(), listen = %listener.local_addr()?, "the prover node is ready");
    let (serving, closed) = (stop.clone(), stop.child_token());
    let handle = node::serve(&running, listener, closed);
    tokio::pin!(handle);
    tokio::select! {
        served = &mut handle => served?,
        ended = running.node.ended() => return Ok(ended?),
        () = serving.cancelled() => {}
    }
    tracing::info!("stopping: a publish in flight is waited for");
    running.stop().await
}
