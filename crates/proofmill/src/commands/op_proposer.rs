//! `proofmill op-proposer`.

use crate::{
    cli, keys,
    local::Site,
    observe::{self, Observed},
    rollup_config::rollup_config,
    stop, wiring,
};
use eyre::{Result, WrapErr, bail};
use proofmill_backends::Registry;
use proofmill_chain::{Games, L2, OutputOracle, Pool, Start};
use proofmill_client::ClusterProver;
use proofmill_ledger::{DataDir, DataDirError};
use proofmill_op_proposer::{
    Anchor, GamesOptions, GamesParts, GamesProposer, GamesStatus, OpProposer, Options, Parts, Status,
    games::GamesConfig, rules::Config,
};
use proofmill_stateless::Rules;
use proofmill_witness::{Beacon, ChainSource, L1Source, NodeOptions, RollupNode};
use std::time::Duration;
use tokio::sync::watch;

pub(crate) async fn run(global: &cli::Global, args: cli::OpProposer, registry: Registry) -> Result<()> {
    if args.oracle.is_none() && args.games.factory.is_none() {
        bail!("name a contract: --oracle (L2OO_ADDRESS), or --factory (FACTORY_ADDRESS) for dispute games");
    }
    let stop = stop::on_signal()?;
    match DataDir::open(&global.data_dir) {
        Ok(_) | Err(DataDirError::InUse { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    if !args.prover.proves() {
        tracing::warn!(
            "`exec` runs the programs natively and PROVES NOTHING: no contract with a real verifier takes its outputs"
        );
    }
    let observed = Observed::new("op-proposer");
    observe::serve(&args.observing, observed.clone(), stop.clone()).await?;
    let site = Site::open(global, &args.site, &registry, vec![args.prover]).await?;
    let cluster = site.prover(registry.get(args.prover)?, None);
    let serving = async {
        let starting = start(global, &args, cluster, &observed);
        let proposer = tokio::select! {
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
                observed.started(move || games_problems(&status));
                proposer.run(stop.clone()).await;
            }
        }
        tracing::info!("the proposer stopped; what is proven is kept");
        Ok(())
    };
    site.serve(serving).await
}

/// In the way of one of OP Succinct's modes.
enum Proposer {
    Outputs(Box<OpProposer>),
    Games(Box<GamesProposer>),
}

async fn start(
    global: &cli::Global,
    args: &cli::OpProposer,
    prover: ClusterProver,
    observed: &Observed,
) -> Result<Proposer> {
    let l1 = wiring::l1_of_role(&args.l1_rpc, args.l1_chain_id, observed).await?;
    let l2_pool = Pool::new("L2", wiring::endpoints(&args.l2.l2_rpc)?.start(Start::Wait));
    observed.chain(l2_pool.clone());
    l2_pool.join(None).await?;
    let cache = global.data_dir.join("cache");
    let l1_node = NodeOptions::over(l1.endpoints().clone()).connect().await.wrap_err("L1")?;
    let mut options = NodeOptions::over(l2_pool.clone()).cache(cache);
    if let Some(genesis) = &args.genesis {
        options = options.chain(ChainSource::Genesis(genesis.clone()));
    }
    let node = options.connect().await.wrap_err("L2")?;
    let rollup = rollup_config(args.genesis.as_deref(), Some(&args.l2_node_rpc), l1_node.chain()).await?;
    if node.chain().rules != Rules::Optimism(rollup.rules.clone()) {
        bail!(
            "the rollup configuration has other rules than the L2 node's chain: name nodes of one chain by --l2-rpc and \
             --l2-node-rpc, or give its rollup.json by --genesis"
        );
    }
    let payer = keys::payer(&paying(args)).await?;
    let sender = wiring::sender(&l1, payer, &args.sending, Some(observed)).await?;
    let chain_id = node.chain().chain_id;
    let (look_every, folder) =
        (Duration::from_secs(args.loop_interval), global.data_dir.join(chain_id.to_string()));
    let anchor = Anchor { tag: args.l1_block_tag, confirmations: args.l1_confirmations };
    let (l2, rollup_node) = (L2::over(l2_pool), RollupNode::new(args.l2_node_rpc.clone()));
    let beacon = args.l1_beacon_rpc.clone().map(|url| Beacon::new(url.into()));
    let source = L1Source { node: l1_node, beacon };
    let (account, attestors) = (sender.account(), args.attestor.clone());
    match (args.oracle, args.games.factory) {
        (Some(oracle), None) => {
            let connect = || OutputOracle::connect(l1.clone(), oracle);
            let contract = wiring::patiently("the output oracle on L1", connect).await?;
            let rules = Config {
                range_blocks: args.range_interval,
                submission_blocks: args.submission_interval,
                at_once: args.max_ranges.get(),
            };
            let config_name = args.config_name.clone();
            let options = Options { rules, look_every, anchor, config_name, folder };
            let oracle = contract;
            let parts = Parts { oracle, sender, attestors, l2, node, rollup_node, rollup, source, prover };
            let at = parts.oracle.address();
            let proposer = OpProposer::start(options, parts).await?;
            tracing::info!(chain_id, oracle = %at, %account, prover = %args.prover, "the proposer is ready");
            Ok(Proposer::Outputs(Box::new(proposer)))
        }
        (None, Some(factory)) => {
            let of = &args.games;
            let connect = || Games::connect(l1.clone(), factory, None, of.game_type);
            let games = wiring::patiently("the factory of dispute games on L1", connect).await?;
            let rules = GamesConfig {
                account,
                interval: of.game_interval,
                defenses: of.max_defenses.get(),
                fast_finality: of.fast_finality.then_some(of.fast_finality_limit.get()),
                splits: of.range_splits.get(),
                at_once: args.max_ranges.get(),
            };
            let options = GamesOptions { rules, look_every, confirmations: 0, anchor, folder };
            let parts =
                GamesParts { games, sender, attestors, l2, node, rollup_node, rollup, source, prover };
            let proposer = GamesProposer::start(options, parts).await?;
            tracing::info!(chain_id, %factory, %account, prover = %args.prover, "the proposer of dispute games is ready");
            Ok(Proposer::Games(Box::new(proposer)))
        }
        _ => bail!(
            "name a contract: --oracle (L2OO_ADDRESS), or --factory (FACTORY_ADDRESS) for dispute games"
        ),
    }
}

/// Who pays: the account of `SIGNER_URL`, where that is given.
fn paying(args: &cli::OpProposer) -> cli::Paying {
    match (&args.signer_url, args.signer_address) {
        (Some(url), Some(address)) => cli::Paying {
            web3signer: Some(url.clone()),
            web3signer_account: vec![address],
            ..cli::Paying::default()
        },
        _ => args.paying.clone(),
    }
}

fn problems(status: &watch::Receiver<Status>) -> Vec<String> {
    let status = status.borrow();
    let blind = status.blind.iter().map(|cause| format!("the chains cannot be seen: {cause}"));
    let kept = status.problems.iter().map(|problem| format!("blocks {}: {}", problem.blocks, problem.cause));
    blind.chain(kept).collect()
}

fn games_problems(status: &watch::Receiver<GamesStatus>) -> Vec<String> {
    let status = status.borrow();
    let blind = status.blind.iter().map(|cause| format!("the chains cannot be seen: {cause}"));
    let kept = status.problems.iter().map(|problem| format!("{}: {}", problem.what, problem.cause));
    blind.chain(kept).collect()
}
