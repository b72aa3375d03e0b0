//! `proofmill op-proposer`.

use crate::{
    cli, keys,
    local::Site,
    observe::{self, Observed},
    rollup_config::rollup_config,
    stop, wiring,
};
use alloy_primitives::Address;
use eyre::{Report, Result, WrapErr, bail};
use proofmill_backends::Registry;
use proofmill_chain::{DEVELOPMENT_CHAIN, Games, L1, OutputOracle, Sender};
use proofmill_client::ClusterProver;
use proofmill_ledger::{DataDir, ProcessLock};
use proofmill_op_proposer::{
    Anchor, GamesOptions, GamesProposer, OpProposer, Options, Parts, Status, aggregation_mode,
    games::{GamesConfig, GamesProblem},
    rules::Config,
};
use proofmill_stateless::Rules;
use proofmill_witness::{BuildError, L1Source, NodeOptions, RollupNode};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(global: &cli::Global, args: cli::OpProposer, registry: Registry) -> Result<()> {
    let contract = contract(&args)?;
    if args.is_mock() && args.prover.proves() {
        bail!(
            "OP_SUCCINCT_MOCK, or MOCK_MODE, wants no proofs, and {} makes them: here it is --prover exec (PROOFMILL_PROVER_TYPE) that \
             runs the programs and proves nothing, for a contract whose verifier takes anything",
            args.prover
        );
    }
    aggregation_mode(args.aggregation_mode, &*registry.get(args.prover)?)?;
    args.site.check_room(&registry, &[args.prover])?;
    let stop = stop::on_signal()?;
    DataDir::mark(&global.data_dir)?;
    if !args.prover.proves() {
        tracing::warn!(
            "`exec` runs the programs natively and PROVES NOTHING: no contract with a real verifier takes its outputs"
        );
    }
    let observed = Observed::new("op-proposer");
    observe::serve(&args.observing(), observed.clone(), stop.clone()).await?;
    let site = Site::of_role(global, &args.site, &registry, vec![args.prover]).await?;
    let mut cluster = site.prover(registry.get(args.prover)?, None);
    cluster.joined = args.aggregation_mode;
    let serving = async {
        let starting = start(global, &args, contract, cluster, &observed, &stop);
        let (proposer, _lock) = tokio::select! {
            started = starting => started?,
            () = stop.cancelled() => return Ok(()),
        };
        match proposer {
            Proposer::Outputs(proposer) => {
                let status = proposer.status();
                observed.started(move || problems(&status));
                if let Some(wanted) = args.until_proposed {
                    let (mut status, stop) = (proposer.status(), stop.clone());
                    tokio::spawn(async move {
                        // It ends with the proposer.
                        if status.wait_for(|status| status.proposed >= wanted).await.is_ok() {
                            stop.cancel();
                        }
                    });
                }
                proposer.run(stop.clone()).await;
            }
            Proposer::Games(proposer) => {
                let status = proposer.status();
                observed.started(move || {
                    let status = status.borrow();
                    games_problems(status.blind.as_ref(), &status.problems)
                });
                proposer.run(stop.clone()).await;
            }
        }
        tracing::info!("the proposer stopped; what is proven is kept");
        Ok(())
    };
    site.serve(serving).await
}

/// Which of OP Succinct's contracts.
#[derive(Clone, Copy)]
enum Contract {
    Oracle(Address),
    Factory(Address),
}

fn contract(args: &cli::OpProposer) -> Result<Contract> {
    match (args.oracle, args.games.factory) {
        (Some(oracle), _) => Ok(Contract::Oracle(oracle)),
        (None, Some(factory)) => Ok(Contract::Factory(factory)),
        (None, None) => bail!(
            "name a contract: --oracle (L2OO_ADDRESS), or --factory (FACTORY_ADDRESS) for dispute games"
        ),
    }
}

/// In the way of one of OP Succinct's modes.
enum Proposer {
    Outputs(Box<OpProposer>),
    Games(Box<GamesProposer>),
}

/// With the lock of its folder: two that write one plan down, and send from one account, would undo each other's work.
async fn start(
    global: &cli::Global,
    args: &cli::OpProposer,
    contract: Contract,
    prover: ClusterProver,
    observed: &Observed,
    stop: &CancellationToken,
) -> Result<(Proposer, ProcessLock)> {
    let l1 = wiring::l1_of_role(&args.l1, observed).await?;
    wiring::check_snark(global, l1.chain_id())?;
    let prover = ClusterProver { development: l1.chain_id() == DEVELOPMENT_CHAIN, ..prover };
    let l2 = wiring::l2_of_role(&args.l2, None, observed).await?;
    let cache = global.data_dir.join("cache");
    let l1_node = NodeOptions::over(l1.endpoints().clone());
    let l1_node = wiring::l1_node_of_role(l1_node, args.l1_genesis.as_deref()).await?;
    let options = NodeOptions::over(l2.endpoints().clone()).cache(cache);
    let options = wiring::with_genesis(options, args.genesis.as_deref());
    let node = wiring::node_of_role("the rules of L2", options).await.wrap_err("L2")?;
    let wait = |error: &Report| error.downcast_ref::<BuildError>().and_then(wiring::wait_of_node);
    let say = |error: &Report| tracing::warn!(%error, "waiting for the rollup node to answer");
    let read = || rollup_config(args.genesis.as_deref(), Some(&args.l2_node_rpc), l1_node.chain());
    let rollup = wiring::until_there(wait, say, read).await?;
    if node.chain().rules != Rules::Optimism(rollup.rules.clone()) {
        bail!(
            "the rollup configuration has other rules than the L2 node's chain: name nodes of one chain by --l2-rpc and \
             --l2-node-rpc, or give its rollup.json by --genesis"
        );
    }
    let sender = paying(&l1, &args.paying, observed, stop).await?;
    let chain_id = node.chain().chain_id;
    let folder = global.data_dir.join(chain_id.to_string());
    let (Contract::Oracle(at) | Contract::Factory(at)) = contract;
    let lock = wiring::lock(&folder, &format!("op-proposer-{at:#x}.lock"), "proposes to this contract")?;
    let range_gas = (args.range_gas_limit > 0).then_some(args.range_gas_limit);
    let anchor = Anchor { tag: args.l1_block_tag, confirmations: args.l1_confirmations };
    let rollup_node = RollupNode::new(args.l2_node_rpc.clone());
    let warn = |cause: String| tracing::warn!(cause, "batches in blobs wait for the beacon node");
    let beacon = wiring::beacon(args.l1_beacon_rpc.as_ref(), l1.chain_id(), warn).await?;
    let source = L1Source { node: l1_node, beacon };
    let (account, attestors) = (sender.account(), args.attestor.clone());
    let parts = Parts { sender, attestors, l2, node, rollup_node, rollup, source, prover };
    match contract {
        Contract::Oracle(oracle) => {
            let connect = || OutputOracle::connect(l1.clone(), oracle);
            let connected = wiring::patiently("the output oracle on L1", connect).await?;
            let rules = Config {
                range_blocks: args.range_interval,
                range_gas,
                submission_blocks: args.submission_interval,
                at_once: args.max_ranges.get(),
            };
            let (config_name, look_every) =
                (args.config_name.clone(), Duration::from_secs(args.loop_interval));
            let options = Options { rules, look_every, anchor, config_name, folder };
            let proposer = OpProposer::start(options, connected, parts).await?;
            tracing::info!(chain_id, %oracle, %account, prover = %args.prover, "the proposer is ready");
            Ok((Proposer::Outputs(Box::new(proposer)), lock))
        }
        Contract::Factory(factory) => {
            let of = &args.games;
            let connect = || Games::connect(l1.clone(), factory, of.registry, of.game_type);
            let games = wiring::patiently("the factory of dispute games on L1", connect).await?;
            let rules = GamesConfig {
                account,
                interval: of.game_interval,
                defenses: of.max_defenses.get(),
                fast_finality: of.fast_finality.then_some(of.fast_finality_limit.get()),
                splits: of.range_splits.get(),
                range_gas,
                at_once: of.max_game_ranges.get(),
            };
            let (look_every, confirmations) =
                (Duration::from_secs(of.fetch_interval), of.sync_l1_confirmations);
            let options = GamesOptions { rules, look_every, confirmations, anchor, folder };
            let registry = games.registry();
            let proposer = GamesProposer::start(options, games, parts).await?;
            tracing::info!(chain_id, %factory, %registry, %account, prover = %args.prover, "the proposer of dispute games is ready");
            Ok((Proposer::Games(Box::new(proposer)), lock))
        }
    }
}

/// Who pays for a role on OP Succinct's contracts; what the account has is watched from now on.
pub(super) async fn paying(
    l1: &L1,
    args: &cli::OpPaying,
    observed: &Observed,
    stop: &CancellationToken,
) -> Result<Sender> {
    let payer = keys::payer(&args.account()).await?;
    let sender = wiring::sender(l1, payer, &args.sending, Some(observed)).await?;
    let sender = sender.include_within(args.include_within());
    observed.account(observe::watch_account(sender.clone(), stop.clone()));
    Ok(sender)
}

fn problems(status: &watch::Receiver<Status>) -> Vec<String> {
    let status = status.borrow();
    let blind = status.blind.iter().map(|cause| format!("the chains cannot be seen: {cause}"));
    let kept = status.problems.iter().map(|problem| format!("blocks {}: {}", problem.blocks, problem.cause));
    blind.chain(kept).collect()
}

/// What keeps a role that plays dispute games.
pub(super) fn games_problems(blind: Option<&String>, problems: &[GamesProblem]) -> Vec<String> {
    let blind = blind.map(|cause| format!("the chains cannot be seen: {cause}"));
    let kept = problems.iter().map(|problem| format!("{}: {}", problem.what, problem.cause));
    blind.into_iter().chain(kept).collect()
}
