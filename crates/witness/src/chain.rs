//! Which rules the node's chain has.

use crate::{
    BuildError, GenesisError,
    eth_config::{EthConfig, genesis_hash},
    genesis::{self, GenesisFile},
    json::Object,
    optimism::{self, OpFile},
    rpc::{Rpc, other_chain},
};
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Address, address};
use proofmill_endpoints::Need;
use proofmill_stateless::{BlobActivation, BlobParams, ChainSpec, Fork, ForkActivation};
use serde_json::{json, value::RawValue};
use std::{fs, path::PathBuf};

/// Where a chain's rules come from.
#[derive(Clone, Debug, Default)]
pub enum ChainSource {
    /// From the chain id, for Ethereum's mainnet and test networks and the well-known chains of the OP Stack; from the node
    /// itself, for anvil and other chains of the OP Stack.
    #[default]
    Detect,
    /// Ethereum's rules with this fork active from the start.
    Fork(Fork),
    /// A genesis file, in the form of geth (or reth, Besu, Erigon) or of Nethermind; or op-node's `rollup.json`.
    Genesis(PathBuf),
    /// These.
    Spec(ChainSpec),
}

/// The deposit contracts of the test networks.
const SEPOLIA_DEPOSITS: Address = address!("7f02C3E3c98b133055B8B348B2Ac625669Ed295D");
const HOLESKY_DEPOSITS: Address = address!("4242424242424242424242424242424242424242");

const ETH_CONFIG: &str = "eth_config";

/// How nodes tell the `config` of their genesis files, and where it stands in the answer: geth, and those that follow it.
const CONFIGS: [(&str, &[&str]); 2] =
    [("debug_chainConfig", &[]), ("admin_nodeInfo", &["protocols", "eth", "config"])];

impl ChainSource {
    pub(crate) async fn resolve(&self, rpc: &Rpc, chain_id: u64) -> Result<ChainSpec, BuildError> {
        let spec = match self {
            Self::Spec(spec) => spec.clone(),
            Self::Fork(fork) => ChainSpec::for_fork(chain_id, *fork),
            Self::Genesis(path) => {
                let text = fs::read(path)
                    .map_err(|source| BuildError::GenesisFile { path: path.clone(), source })?;
                let wrong = |reason| BuildError::GenesisFormat { path: path.clone(), reason };
                let of_optimism =
                    std::str::from_utf8(&text).ok().and_then(|text| Some((OpFile::of(text)?, text)));
                if let Some((file, text)) = of_optimism {
                    let block_time = match file {
                        OpFile::Genesis => optimism::block_time(rpc).await?,
                        OpFile::Rollup => 0,
                    };
                    file.rules(text, block_time).map_err(|reason| wrong(reason.into()))?
                } else {
                    let file = genesis::read(&text).map_err(|error| match error {
                        GenesisError::Chain(error) => BuildError::ChainRules(error),
                        reason => wrong(reason),
                    })?;
                    if file.chain.chain_id == chain_id {
                        agrees(rpc, &file).await?;
                    }
                    file.chain
                }
            }
            Self::Detect => match known(chain_id).or_else(|| optimism::known(chain_id)) {
                Some(spec) => spec,
                None => anvil(rpc, chain_id).await?,
            },
        };
        if spec.chain_id != chain_id {
            return Err(other_chain(spec.chain_id, chain_id));
        }
        spec.check()?;
        Ok(spec)
    }
}

/// Errors when the node follows other rules than the file says, as far as it tells them (EIP-7910). The file is what
/// holds; a node that does not tell its rules is taken to follow it.
async fn agrees(rpc: &Rpc, file: &GenesisFile) -> Result<(), BuildError> {
    let said = match rpc.ask::<Box<RawValue>>(Need::Nothing, ETH_CONFIG, json!([])).await {
        Ok(said) => said,
        Err(error @ BuildError::Unreachable { .. }) => return Err(error),
        Err(error) => {
            tracing::debug!(%error, "the node does not tell its rules");
            return Ok(());
        }
    };
    let config = match EthConfig::read(said.get()) {
        Ok(config) => config,
        Err(reason) => {
            tracing::warn!(reason, "the node's rules (eth_config) cannot be read and are not compared");
            return Ok(());
        }
    };
    let mut genesis = None;
    if file.fork_blocks.is_some() && config.has_fork_id() {
        genesis = match rpc
            .ask::<Box<RawValue>>(Need::Block(0), "eth_getBlockByNumber", json!(["0x0", false]))
            .await
        {
            Ok(block) => genesis_hash(block.get()),
            Err(error @ BuildError::Unreachable { .. }) => return Err(error),
            // It has given its first blocks up: the rest is compared.
            Err(_) => None,
        };
    }
    config.compare(file, genesis)
}

/// The rules of a chain that is not known, where the node says that it is one of the OP Stack. Else where it says that its rules
/// are of a kind that is not followed, that.
async fn unknown(rpc: &Rpc, chain_id: u64) -> Result<ChainSpec, BuildError> {
    let mut said_foreign = None;
    let mut config = None;
    for (method, path) in CONFIGS {
        let Ok(said) = rpc.ask::<Box<RawValue>>(Need::Nothing, method, json!([])).await else { continue };
        let section =
            path.iter().try_fold(said.get(), |text, name| Some(Object::read(text).ok()?.get(name)?.get()));
        let Some(section) = section else { continue };
        if let Some(rules) = genesis::foreign_rules(section) {
            said_foreign.get_or_insert(BuildError::ForeignRules { chain_id, method, rules });
        }
        config.get_or_insert_with(|| (method, section.to_owned()));
    }
    let config = config.as_ref().map(|(method, section)| (*method, section.as_str()));
    match optimism::said_by(rpc, chain_id, config).await? {
        Some(spec) => Ok(spec),
        None => Err(said_foreign.unwrap_or(BuildError::UnknownChain { chain_id })),
    }
}

/// The networks whose schedule is part of the alloy libraries.
fn known(chain_id: u64) -> Option<ChainSpec> {
    let activation: fn(&EthereumHardfork) -> Option<u64> = match chain_id {
        1 => EthereumHardfork::mainnet_activation_timestamp,
        11_155_111 => EthereumHardfork::sepolia_activation_timestamp,
        17_000 => EthereumHardfork::holesky_activation_timestamp,
        560_048 => EthereumHardfork::hoodi_activation_timestamp,
        _ => return None,
    };
    let mut spec = ChainSpec::for_fork(chain_id, Fork::Shanghai);
    let schedule = [
        (Fork::Shanghai, EthereumHardfork::Shanghai),
        (Fork::Cancun, EthereumHardfork::Cancun),
        (Fork::Prague, EthereumHardfork::Prague),
        (Fork::Osaka, EthereumHardfork::Osaka),
    ];
    spec.forks = schedule
        .iter()
        .filter_map(|(fork, hardfork)| {
            // A network that began with the fork has no time for it.
            let timestamp = activation(hardfork).or((*fork == Fork::Shanghai).then_some(0))?;
            Some(ForkActivation { fork: *fork, timestamp })
        })
        .collect();
    let with_forks = spec.forks.iter().filter_map(|entry| {
        Some(BlobActivation { timestamp: entry.timestamp, params: entry.fork.default_blobs()? })
    });
    let with_blob_forks =
        [(EthereumHardfork::Bpo1, BlobParams::bpo1()), (EthereumHardfork::Bpo2, BlobParams::bpo2())]
            .into_iter()
            .filter_map(|(hardfork, params)| {
                Some(BlobActivation { timestamp: activation(&hardfork)?, params })
            });
    spec.blobs = with_forks.chain(with_blob_forks).collect();
    match chain_id {
        11_155_111 => spec.deposit_contract = SEPOLIA_DEPOSITS,
        17_000 => spec.deposit_contract = HOLESKY_DEPOSITS,
        _ => {}
    }
    Some(spec)
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    hard_fork: String,
}

/// anvil tells its hardfork, which is active from its first block on. Its chains have no withdrawals, no beacon roots and
/// none of the contracts that collect requests, as `for_fork` takes it of a chain that is not Ethereum's.
async fn anvil(rpc: &Rpc, chain_id: u64) -> Result<ChainSpec, BuildError> {
    let info: NodeInfo = match rpc.ask(Need::Nothing, "anvil_nodeInfo", json!([])).await {
        Ok(info) => info,
        Err(error @ BuildError::Unreachable { .. }) => return Err(error),
        Err(_) => return unknown(rpc, chain_id).await,
    };
    let (fork, blobs) = match info.hard_fork.to_lowercase().as_str() {
        "shanghai" => (Fork::Shanghai, None),
        "cancun" => (Fork::Cancun, None),
        "prague" => (Fork::Prague, None),
        "osaka" => (Fork::Osaka, None),
        "bpo1" => (Fork::Osaka, Some(BlobParams::bpo1())),
        "bpo2" => (Fork::Osaka, Some(BlobParams::bpo2())),
        fork if optimism::is_fork_of_anvil(fork) => {
            let rules = "anvil's own rules for the OP Stack: its blocks have no attributes of L1 and no extra data, so no \
                         client of the OP Stack would take them"
                .to_owned();
            return Err(BuildError::ForeignRules { chain_id, method: "anvil_nodeInfo", rules });
        }
        _ => return Err(BuildError::UnknownChain { chain_id }),
    };
    let mut spec = ChainSpec::for_fork(chain_id, fork);
    if let Some(params) = blobs {
        spec.blobs = vec![BlobActivation { timestamp: 0, params }];
    }
    Ok(spec)
}
