//! `proofmill proof-coordinator`.

use crate::{
    cli, node,
    observe::{self, Observed},
    pulling::Serving,
    sides::{Place, sides},
    stop, wiring,
};
use eyre::Result;
use proofmill_backends::Registry;
use proofmill_chain::{ChainStream, StreamOptions};
use proofmill_ledger::DataDir;
use proofmill_proof_coordinator::{Followed, follow};
use proofmill_service::{ProofService, PullService, Statement};
use std::{collections::BTreeMap, sync::Arc};

pub(crate) async fn run(global: &cli::Global, args: cli::ProofCoordinator, registry: Registry) -> Result<()> {
    let stop = stop::on_signal()?;
    DataDir::mark(&global.data_dir)?;
    let observed = Observed::new("proof-coordinator");
    observe::serve(&args.observing, observed.clone(), stop.clone()).await?;
    let (followed, mut serving) = tokio::select! {
        started = start(global, &args, &registry, &observed, &stop) => started?,
        () = stop.cancelled() => return Ok(()),
    };
    let coordinator = serving.coordinator.clone();
    observed.started(move || coordinator.problems());
    tracing::warn!(
        "proofs are made, verified and kept, and nothing is submitted to L1: this role does not settle batches yet"
    );
    let following = follow(followed, serving.coordinator.clone(), stop.clone());
    tokio::select! {
        () = following => {}
        ended = serving.ended() => ended?,
    }
    tracing::info!("the proof coordinator stopped; what was given out is kept");
    Ok(())
}

async fn start(
    global: &cli::Global,
    args: &cli::ProofCoordinator,
    registry: &Registry,
    observed: &Observed,
    stop: &tokio_util::sync::CancellationToken,
) -> Result<(Followed, Serving)> {
    let rollup = wiring::rollup_of_role(&args.chains, observed).await?;
    let config = rollup.config().clone();
    let chain = wiring::l2_of_role(&args.l2, config.chain_id, observed).await?;
    let (genesis, gather_within) = (args.following.genesis.as_ref(), args.following.gather_within());
    let data_dir = global.data_dir.as_path();
    let place =
        Place { data_dir, genesis, gather_within, registry, rollup: &rollup, chain: &chain, ending: stop };
    let sides = sides(place).await?;
    let artifacts = wiring::artifacts(&args.store, &data_dir.join("artifacts")).await?;
    let folder = node::folder(data_dir, rollup.l1().chain_id(), rollup.address());
    let needed = sides.iter().map(|(of, _)| of.prover);
    let serving = Serving::start(&args.serving, &folder, needed, artifacts, registry, stop.clone()).await?;
    let mut services = BTreeMap::<_, Arc<dyn ProofService>>::new();
    for (of, side) in sides {
        let (pullers, backend) = (Arc::new(serving.coordinator.clone()), registry.checker(of.prover)?);
        services.insert(of.prover, Arc::new(PullService { pullers, backend, side }));
    }
    let statement = Statement {
        chain_id: config.chain_id,
        config_hash: config.config_hash,
        rollup: rollup.address(),
        prover: args.prover_id,
    };
    let proven = wiring::patiently("the rollup's tips on L1", || rollup.tips()).await?.proven;
    let options = StreamOptions::default().poll_every(args.following.poll_every());
    let stream = ChainStream::new(rollup, chain, options)?;
    let (at_once, cycle_limit) = (args.max_batches, args.cycle_limit);
    Ok((Followed { stream, proven, statement, services, at_once, cycle_limit }, serving))
}
