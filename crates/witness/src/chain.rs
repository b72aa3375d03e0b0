//! Which rules the node's chain has.

use crate::{
    BuildError,
    rpc::{Rpc, other_chain},
};
use alloy_genesis::Genesis;
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Address, address};
use proofmill_endpoints::Need;
use proofmill_stateless::{BlobActivation, BlobParams, ChainSpec, Fork, ForkActivation};
use std::{fs, path::PathBuf};

/// Where a chain's rules come from.
#[derive(Clone, Debug, Default)]
pub enum ChainSource {
    /// From the chain id, for Ethereum's mainnet and test networks; from the node itself, for anvil.
    #[default]
    Detect,
    /// Ethereum's rules with this fork active from the start.
    Fork(Fork),
    /// A geth-style genesis file.
    Genesis(PathBuf),
    /// These.
    Spec(ChainSpec),
}

/// The deposit contracts of the test networks.
const SEPOLIA_DEPOSITS: Address = address!("7f02C3E3c98b133055B8B348B2Ac625669Ed295D");
const HOLESKY_DEPOSITS: Address = address!("4242424242424242424242424242424242424242");

impl ChainSource {
    pub(crate) async fn resolve(&self, rpc: &Rpc, chain_id: u64) -> Result<ChainSpec, BuildError> {
        let spec = match self {
            Self::Spec(spec) => spec.clone(),
            Self::Fork(fork) => ChainSpec::for_fork(chain_id, *fork),
            Self::Genesis(path) => {
                let text = fs::read(path)
                    .map_err(|source| BuildError::GenesisFile { path: path.clone(), source })?;
                let genesis: Genesis = serde_json::from_slice(&text).map_err(|error| {
                    BuildError::GenesisFormat { path: path.clone(), reason: error.to_string() }
                })?;
                let spec = ChainSpec::from_genesis(&genesis.config)?;
                spec.check_genesis(&genesis)?;
                spec
            }
            Self::Detect => match known(chain_id) {
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
    let info: NodeInfo = match rpc.ask(Need::Nothing, "anvil_nodeInfo", serde_json::json!([])).await {
        Ok(info) => info,
        Err(error @ BuildError::Unreachable { .. }) => return Err(error),
        Err(_) => return Err(BuildError::UnknownChain { chain_id }),
    };
    let (fork, blobs) = match info.hard_fork.to_lowercase().as_str() {
        "shanghai" => (Fork::Shanghai, None),
        "cancun" => (Fork::Cancun, None),
        "prague" => (Fork::Prague, None),
        "osaka" => (Fork::Osaka, None),
        "bpo1" => (Fork::Osaka, Some(BlobParams::bpo1())),
        "bpo2" => (Fork::Osaka, Some(BlobParams::bpo2())),
        _ => return Err(BuildError::UnknownChain { chain_id }),
    };
    let mut spec = ChainSpec::for_fork(chain_id, fork);
    if let Some(params) = blobs {
        spec.blobs = vec![BlobActivation { timestamp: 0, params }];
    }
    Ok(spec)
}
