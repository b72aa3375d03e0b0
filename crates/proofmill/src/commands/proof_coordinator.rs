//! `proofmill proof-coordinator`.

use crate::{
    cli, keys, node,
    observe::{self, Observed},
    pulling::Serving,
    settle::{Evidence, L1Batches, L1Settlement},
    sides::{Place, ours, sides},
    stop, wiring,
};
use eyre::{Result, bail};
use proofmill_backends::Registry;
use proofmill_chain::{ChainStream, ProofTypeConfig, Rollup, Signer, StreamOptions};
use proofmill_ledger::DataDir;
use proofmill_primitives::ProofMode;
use proofmill_proof_coordinator::{
    Followed, Settler, follow,
    rules::{CallCaps, SettlingConfig},
};
use proofmill_prover_node::parts::ProgramPair;
use proofmill_service::{ProofService, PullService, Statement};
use std::{collections::BTreeMap, sync::Arc};
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(global: &cli::Global, args: cli::ProofCoordinator, registry: Registry) -> Result<()> {
    let stop = stop::on_signal()?;
    DataDir::mark(&global.data_dir)?;
    let observed = Observed::new("proof-coordinator");
    observe::serve(&args.observing, observed.clone(), stop.clone()).await?;
    let payers = payers(&args).await?;
    let Parts { followed, mut serving, settler } = tokio::select! {
        started = start(global, &args, &registry, &observed, payers, &stop) => started?,
        () = stop.cancelled() => return Ok(()),
    };
    let (coordinator, settling) = (serving.coordinator.clone(), settler.clone());
    observed.coordinator(serving.coordinator.clone());
    if let Some(settler) = &settler {
        observed.settler(settler.clone());
    }
    observed.started(move || {
        coordinator.problems().into_iter().chain(settling.iter().flat_map(Settler::problems)).collect()
    });
    if args.disable_publish {
        tracing::warn!("nothing is submitted to L1: --disable-publish");
    } else if args.prove_only {
        tracing::warn!("batches are proven and not settled: --prove-only");
    }
    let following = follow(followed, serving.coordinator.clone(), settler.clone(), stop.clone());
    let settling = async {
        if let Some(settler) = &settler {
            settler.run(stop.clone()).await;
        }
    };
    let working = async { tokio::join!(following, settling) };
    tokio::pin!(working);
    tokio::select! {
        _ = &mut working => {}
        ended = serving.ended() => {
            ended?;
            // It was told to stop: a call that is under way is waited for.
            stop.cancel();
            working.await;
        }
    }
    tracing::info!("the proof coordinator stopped; what was given out is kept");
    Ok(())
}

/// The accounts that pay. Where nothing is sent none is needed: what L1 would say is asked in the name of the prover, if at all.
async fn payers(args: &cli::ProofCoordinator) -> Result<(Signer, Vec<Signer>)> {
    match args.prover_id {
        Some(prover) if (args.disable_publish || args.prove_only) && !args.paying.names_an_account() => {
            Ok((Signer::Nobody(prover), Vec::new()))
        }
        _ => keys::payers(&args.paying).await,
    }
}

struct Parts {
    followed: Followed,
    serving: Serving,
    settler: Option<Settler>,
}

async fn start(
    global: &cli::Global,
    args: &cli::ProofCoordinator,
    registry: &Registry,
    observed: &Observed,
    payers: (Signer, Vec<Signer>),
    stop: &CancellationToken,
) -> Result<Parts> {
    let rollup = wiring::rollup_of_role(&args.chains, observed).await?;
    let chain = wiring::l2_of_role(&args.l2, Some(rollup.config().chain_id), observed).await?;
    let (genesis, gather_within) = (args.following.genesis.as_ref(), args.following.gather_within());
    let data_dir = global.data_dir.as_path();
    let place =
        Place { data_dir, genesis, gather_within, registry, rollup: &rollup, chain: &chain, ending: stop };
    let ours = ours(place).await?;
    let sides = sides(place, &ours);
    let rollup = ours.rollup;
    let config = rollup.config().clone();
    let statement = Statement {
        chain_id: config.chain_id,
        config_hash: config.config_hash,
        rollup: rollup.address(),
        prover: args.prover_id.unwrap_or_else(|| payers.0.address()),
    };
    let settlement = match args.prove_only {
        true => None,
        false => Some(settlement(args, registry, &rollup, payers, observed, stop).await?),
    };
    let artifacts = wiring::artifacts(&args.store, &data_dir.join("artifacts")).await?;
    let folder = node::folder(data_dir, rollup.l1().chain_id(), rollup.address());
    let needed: Vec<_> = sides.iter().map(|(of, _)| of.prover).collect();
    let serving =
        Serving::start(&args.serving, &folder, needed.clone(), artifacts, registry, stop.clone()).await?;
    let pair = |of: &ProofTypeConfig| ProgramPair { range: of.range_key, aggregation: of.aggregation_key };
    let programs = sides.iter().map(|(of, _)| (of.prover, pair(of))).collect();
    let mut services = BTreeMap::<_, Arc<dyn ProofService>>::new();
    for (of, side) in sides {
        let (pullers, backend) = (Arc::new(serving.coordinator.clone()), registry.checker(of.prover)?);
        services.insert(of.prover, Arc::new(PullService { pullers, backend, side }));
    }
    if args.observing.metrics_listen.is_some() {
        observed.batches(observe::watch_batches(rollup.clone(), chain.clone(), stop.clone()));
    }
    let proven = wiring::patiently("the rollup's tips on L1", || rollup.tips()).await?.proven;
    let caps = CallCaps { gas: args.settle_gas, bytes: args.settle_bytes };
    let settling = SettlingConfig { needed: needed.into_iter().collect(), caps };
    let store = wiring::failures_of_role(args.failures.as_deref(), data_dir).await?;
    let evidence = Arc::new(Evidence { store, statement, programs, services: services.clone() });
    let remembered = serving.coordinator.remembered().await?;
    let settler = settlement.map(|settlement| {
        Settler::new(settling, proven, statement.prover, Arc::new(settlement), evidence, remembered)
    });
    let options = StreamOptions::default().poll_every(args.following.poll_every());
    let stream = ChainStream::new(rollup, chain, options)?;
    let (at_once, cycle_limit) = (args.max_batches, args.cycle_limit);
    let followed = Followed { stream, proven, statement, services, at_once, cycle_limit };
    Ok(Parts { followed, serving, settler })
}

async fn settlement(
    args: &cli::ProofCoordinator,
    registry: &Registry,
    rollup: &Rollup,
    payers: (Signer, Vec<Signer>),
    observed: &Observed,
    stop: &CancellationToken,
) -> Result<L1Batches> {
    let names_nobody = matches!(payers.0, Signer::Nobody(_));
    let publishers = wiring::publishers(rollup.l1(), payers, &args.sending, observed).await?;
    if !names_nobody {
        observe::watch_accounts(&publishers, observed, stop);
    }
    let settlement = L1Settlement::new(rollup.clone(), publishers, &args.attestor, registry).await?;
    let mut types = rollup.config().proof_types.iter().map(|of| of.prover);
    if let Some(prover) = types.find(|prover| settlement.epoch_mode(*prover) == ProofMode::Plonk) {
        bail!(
            "L1 verifies a SNARK of each {prover} proof, and only epochs have one: settle them with `proofmill prover-node`, or \
             only make proofs, with --prove-only"
        );
    }
    let settlement = if args.disable_publish { settlement.estimating() } else { settlement };
    Ok(L1Batches { settlement, max_gas: args.settle_gas })
}
