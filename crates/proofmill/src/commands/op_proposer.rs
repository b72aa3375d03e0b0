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
use proofmill_chain::{L2, OutputOracle, Pool, Start};
use proofmill_client::ClusterProver;
use proofmill_ledger::{DataDir, DataDirError};
use proofmill_op_proposer::{Anchor, OpProposer, Options, Parts, Status, rules::Config};
use proofmill_stateless::Rules;
use proofmill_witness::{Beacon, ChainSource, L1Source, NodeOptions, RollupNode};
use std::time::Duration;
use tokio::sync::watch;

pub(crate) async fn run(global: &cli::Global, args: cli::OpProposer, registry: Registry) -> Result<()> {
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
        tracing::info!("the proposer stopped; what is proven is kept");
        Ok(())
    };
    site.serve(serving).await
}

async fn start(
    global: &cli::Global,
    args: &cli::OpProposer,
    prover: ClusterProver,
    observed: &Observed,
) -> Result<OpProposer> {
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
    let oracle =
        wiring::patiently("the output oracle on L1", || OutputOracle::connect(l1.clone(), args.oracle))
            .await?;
    let payer = keys::payer(&paying(args)).await?;
    let sender = wiring::sender(&l1, payer, &args.sending, Some(observed)).await?;
    let chain_id = node.chain().chain_id;
    let options = Options {
        rules: Config {
            range_blocks: args.range_interval,
            submission_blocks: args.submission_interval,
            at_once: args.max_ranges.get(),
        },
        look_every: Duration::from_secs(args.loop_interval),
        anchor: Anchor { tag: args.l1_block_tag, confirmations: args.l1_confirmations },
        config_name: args.config_name.clone(),
        folder: global.data_dir.join(chain_id.to_string()),
    };
    let account = sender.account();
    let parts = Parts {
        oracle,
        sender,
        attestors: args.attestor.clone(),
        l2: L2::over(l2_pool),
        node,
        rollup_node: RollupNode::new(args.l2_node_rpc.clone()),
        rollup,
        source: L1Source {
            node: l1_node,
            beacon: args.l1_beacon_rpc.clone().map(|url| Beacon::new(url.into())),
        },
        prover,
    };
    let proposer = OpProposer::start(options, parts).await?;
    tracing::info!(chain_id, oracle = %args.oracle, %account, prover = %args.prover, "the proposer is ready");
    Ok(proposer)
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
