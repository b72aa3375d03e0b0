//! `proofmill localnet --stack op`: a local chain of the OP Stack, and the contract that its outputs go to.

use crate::{
    cli,
    observe::{self, Observed},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use eyre::{Result, WrapErr, bail};
use proofmill_backends::Registry;
use proofmill_chain::{
    L1, OracleConfig, OracleStart, Output, OutputOracle, PoolOptions, Sender, SigningKey,
    deploy_accepts_anything_verifier, deploy_attested_verifier,
};
use proofmill_client::{files, programs};
use proofmill_derivation::config_from_rollup_json;
use proofmill_op_devnet::{BatchKind, DataKind, OpDevnet, OpDevnetOptions};
use proofmill_witness::{NodeOptions, RollupNode};
use serde::Serialize;
use std::{path::Path, time::Duration};
use tokio_util::sync::CancellationToken;
use url::Url;

/// The file with the chain's configuration, in the data folder.
const ROLLUP: &str = "rollup.json";
/// L2's finalized block is so many L1 blocks behind: as anvil's own is.
const FINALITY: u64 = 2;
/// No output can be of an earlier block: it is the first that says where L1 is.
const FIRST: u64 = 1;
/// In wei.
const ETHER: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
/// A block comes within this time.
const PATIENCE: Duration = Duration::from_secs(180);

/// Where everything of such a localnet is.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OpDescription {
    /// Which stack it is of: `op`.
    pub(super) stack: String,
    /// The process that keeps it.
    pub(super) pid: u32,
    /// The node of L1.
    pub(super) l1_rpc: Url,
    /// The beacon node of L1.
    pub(super) l1_beacon_rpc: Url,
    /// The node of L2.
    pub(super) l2_rpc: Url,
    /// The rollup's node.
    pub(super) l2_node_rpc: Url,
    /// EIP-155 chain id of L1.
    pub(super) l1_chain_id: u64,
    /// EIP-155 chain id of L2.
    pub(super) l2_chain_id: u64,
    /// The contract of outputs on L1.
    pub(super) oracle: Address,
    /// The portal on L1, where deposits are made.
    pub(super) portal: Address,
    /// The account that may propose.
    pub(super) proposer: Address,
    /// The accounts whose keys are the attestors'.
    pub(super) attestors: Vec<Address>,
}

/// Runs until it is told to stop. `file` gets the description.
pub(super) async fn run(
    args: &cli::LocalnetAlone,
    registry: &Registry,
    folder: &Path,
    file: &Path,
    stop: CancellationToken,
) -> Result<()> {
    let observed = Observed::new("localnet");
    observe::serve(&args.observing, observed.clone(), stop.clone()).await?;
    let starting = async {
        let chain = start(args).await?;
        let there = contracts(args, registry, &chain).await?;
        // Something that comes from L1.
        chain.deposit(there.proposer, ETHER, ETHER / U256::from(2), 100_000, Bytes::new()).await?;
        Ok::<_, eyre::Report>((chain, there))
    };
    let (chain, there) = tokio::select! {
        started = starting => started?,
        () = stop.cancelled() => bail!("stopped"),
    };
    observed.started(Vec::new);
    let write = |path: &Path, text: Vec<u8>| {
        files::save(path, &text).wrap_err_with(|| format!("cannot write {}", path.display()))
    };
    let rollup = folder.join(ROLLUP);
    write(&rollup, serde_json::to_vec_pretty(&chain.rollup_config())?)?;
    write(file, serde_json::to_vec_pretty(&there)?)?;
    println!("L1      {} (chain {})", there.l1_rpc, there.l1_chain_id);
    println!("beacon  {}", there.l1_beacon_rpc);
    println!("L2      {} (chain {}, OP Stack), and its rollup node", there.l2_rpc, there.l2_chain_id);
    println!("oracle  {}", there.oracle);
    println!("all of this stands in {}, the chain's configuration is {}", file.display(), rollup.display());
    stop.cancelled().await;
    chain.stop().await?;
    Ok(())
}

async fn start(args: &cli::LocalnetAlone) -> Result<OpDevnet> {
    let mut options = OpDevnetOptions::new()
        .block_time(args.chains.l2_block_time)
        .l1_block_time(2 * args.chains.l2_block_time)
        .finality_depth(FINALITY)
        .port(args.chains.l2_port.map_or(0, Into::into));
    if args.op.op_batches == cli::OpBatches::Span {
        options = options.batch(BatchKind::Span);
    }
    if args.op.op_data == cli::OpData::Blobs {
        options = options.data(DataKind::Blobs);
    }
    Ok(options.start().await?)
}

/// Deploys the verifier and the contract of outputs, which begins with the chain's newest block.
async fn contracts(
    args: &cli::LocalnetAlone,
    registry: &Registry,
    chain: &OpDevnet,
) -> Result<OpDescription> {
    let [prover] = args.chains.prover[..] else {
        bail!("the contract of an OP Stack chain takes proofs of one type: name one by --prover");
    };
    let l1 = L1::connect(PoolOptions::new(chain.l1_url().clone()), None).await?;
    let (owner, attestors) = match chain.users() {
        [owner, others @ ..] if others.len() >= args.chains.attestors => {
            (owner, &others[..args.chains.attestors])
        }
        users => bail!("there are keys for {} attestors at the most", users.len().saturating_sub(1)),
    };
    let attestors: Vec<Address> = attestors.iter().map(|key| key.address).collect();
    let sender = Sender::new(l1.clone(), SigningKey::try_from(owner.private_key)?);
    let verifier = match prover.proves() {
        true => deploy_attested_verifier(&sender, &attestors, args.chains.threshold(), B256::ZERO).await?,
        false => deploy_accepts_anything_verifier(&sender, B256::ZERO).await?,
    };
    let backend = registry.checker(prover)?;
    let keys = tokio::task::spawn_blocking(move || {
        let range = programs::op_range_version(&*backend)?;
        Ok::<_, proofmill_backends::BackendError>((range, programs::op_aggregation_version(&*backend)?))
    });
    let (range, aggregation) = keys.await??;
    chain.wait_for_block(FIRST, PATIENCE).await?;
    let l1_node = NodeOptions::new(chain.l1_url().clone()).connect().await?;
    let rollup = config_from_rollup_json(&chain.rollup_config().to_string(), l1_node.chain().blobs.clone())?;
    // What is sent from now on is in the next outputs.
    let block = chain.head().max(FIRST);
    let first = RollupNode::new(chain.rpc_url().clone()).output(block).await?;
    let start = OracleStart {
        output: Output { root: first.root, block },
        timestamp: first.timestamp,
        block_time: rollup.rules.block_time,
        submission_interval: args.op.op_interval.get(),
        config: OracleConfig {
            aggregation_key: aggregation.0,
            range_key: range.0,
            rollup_config_hash: rollup.hash(),
        },
        verifier: verifier.address,
        proposer: owner.address,
    };
    let (oracle, _) = OutputOracle::deploy(&sender, &start, B256::ZERO).await?;
    Ok(OpDescription {
        stack: "op".to_owned(),
        pid: std::process::id(),
        l1_rpc: chain.l1_url().clone(),
        l1_beacon_rpc: chain.beacon_url().clone(),
        l2_rpc: chain.rpc_url().clone(),
        l2_node_rpc: chain.rpc_url().clone(),
        l1_chain_id: l1.chain_id(),
        l2_chain_id: rollup.rules.chain_id,
        oracle: oracle.address(),
        portal: chain.portal(),
        proposer: owner.address,
        attestors,
    })
}
