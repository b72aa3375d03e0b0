//! `proofmill prover-node`.

use crate::{
    cli, keys, node,
    observe::{self, Observed},
    stop,
};
use eyre::{Result, WrapErr};
use proofmill_backends::Registry;
use proofmill_ledger::DataDir;
use tokio::net::TcpListener;

pub(crate) async fn run(global: &cli::Global, args: cli::ProverNode, registry: Registry) -> Result<()> {
    let stop = stop::on_signal()?;
    // Whether the port is free is found out at once; it is listened on when there is something to answer.
    drop(listen(&args.listen).await?);
    let observed = Observed::new("prover-node");
    observe::serve(&args.observing, observed.clone(), stop.clone()).await?;
    DataDir::mark(&global.data_dir)?;
    let payers = keys::payers(&args.paying).await?;
    let mut running = tokio::select! {
        running = node::start(global, &args, &registry, payers, observed) => running?,
        () = stop.cancelled() => return Ok(()),
    };
    let listener = listen(&args.listen).await?;
    let (rollup, prover) = (&running.rollup, running.prover);
    let (l1_chain_id, l2_chain_id) = (rollup.l1().chain_id(), rollup.config().chain_id);
    tracing::info!(
        rollup = %rollup.address(), l1_chain_id, l2_chain_id, %prover, listen = %listener.local_addr()?,
        settings = global.changed.join(" "), "the prover node is ready"
    );
    let (serving, closed) = (stop.clone(), stop.child_token());
    let handle = node::serve(&running, listener, closed);
    tokio::pin!(handle);
    tokio::select! {
        served = &mut handle => served?,
        ended = running.ended() => return ended,
        () = serving.cancelled() => {}
    }
    tracing::info!("stopping: a publish in flight is waited for");
    running.stop().await
}

async fn listen(place: &str) -> Result<TcpListener> {
    TcpListener::bind(place).await.wrap_err_with(|| {
        format!("cannot listen on {place}: stop what listens there, or choose another --listen")
    })
}
