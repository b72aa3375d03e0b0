//! `proofmill attestor`.

use crate::{
    cli, keys,
    observe::{self, Observed},
    stop, wiring,
};
use eyre::{Result, WrapErr};
use proofmill_backends::Registry;
use tokio::net::TcpListener;

pub(crate) async fn run(args: cli::Attestor, registry: Registry) -> Result<()> {
    let stop = stop::on_signal()?;
    let key = keys::key(args.key_file.as_deref(), keys::ATTESTOR_KEY)?;
    let observed = Observed::new("attestor");
    observe::serve(&args.observing, observed.clone(), stop.clone()).await?;
    let rollup = tokio::select! {
        rollup = wiring::rollup_of_role(&args.chains, &observed) => rollup?,
        () = stop.cancelled() => return Ok(()),
    };
    let wanted = rollup.config().proof_types.iter().map(|of| of.prover).filter(|prover| prover.proves());
    let wanted: Vec<_> = wanted.collect();
    wiring::check_helpers(&registry, &wanted).await?;
    for prover in wanted.iter().filter(|prover| registry.checker(**prover).is_err()) {
        tracing::warn!(%prover, "proofs of this type are not attested here: no binary that has it is known (--binary)");
    }
    let listener = TcpListener::bind(&args.listen).await.wrap_err_with(|| {
        format!("cannot listen on {}: stop what listens there, or choose another --listen", args.listen)
    })?;
    let address = key.address();
    observed.started(Vec::new);
    tracing::info!(%address, rollup = %rollup.address(), listen = %listener.local_addr()?, "the attestor is ready");
    let attestor = proofmill_attestor::Attestor::new(registry, key, rollup);
    proofmill_attestor::serve(attestor, listener, stop).await?;
    Ok(())
}
