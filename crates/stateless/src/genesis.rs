//! The rules of a chain from its genesis file, and what such a file may not hold.

use crate::chain::{
    BaseFeeRule, BlobActivation, ChainSpec, Fork, ForkActivation, GasLimitRule, MAX_GAS_LIMIT, Rules,
};
use crate::consensus::{Consensus, RequestContracts};
use crate::error::ChainSpecError;
use alloy_eips::{
    eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS, eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
};
use alloy_genesis::{ChainConfig, Genesis, GenesisAccount};

/// The part of a genesis file's `config` that is read by this crate only.
const SECTION: &str = "proofmill";

impl ChainSpec {
    /// Takes the chain id, fork times, blob schedule and deposit contract of a genesis file. Consensus is [`Consensus::of`]
    /// the chain id.
    ///
    /// A section `proofmill` of the file's `config` may say `"requestContracts": "optional"` (a rollup whose nodes accept
    /// Prague blocks without them; else `"required"`) and `"maxGasLimit"`, a number.
    ///
    /// Errors when the chain is not past Shanghai, schedules a fork that this crate does not check in full, or says
    /// something else in that section.
    pub fn from_genesis(config: &ChainConfig) -> Result<Self, ChainSpecError> {
        if let Some(fork) = [("amsterdam", config.amsterdam_time), ("bogota", config.bogota_time)]
            .into_iter()
            .find_map(|(name, time)| time.map(|_| name))
        {
            return Err(ChainSpecError::UnsupportedFork { fork });
        }
        let times = [config.shanghai_time, config.cancun_time, config.prague_time, config.osaka_time];
        let forks: Vec<_> = Fork::ALL
            .into_iter()
            .zip(times)
            .filter_map(|(fork, time)| time.map(|timestamp| ForkActivation { fork, timestamp }))
            .collect();
        let mut chain = Self {
            chain_id: config.chain_id,
            blobs: blobs(config, &forks),
            forks,
            deposit_contract: config.deposit_contract_address.unwrap_or(MAINNET_DEPOSIT_CONTRACT_ADDRESS),
            base_fee: BaseFeeRule::ETHEREUM,
            gas_limit: GasLimitRule::Bounded,
            max_gas_limit: MAX_GAS_LIMIT,
            consensus: Consensus::of(config.chain_id),
            request_contracts: RequestContracts::Required,
            rules: Rules::Ethereum,
        };
        if let Some(section) = config.extra_fields.get(SECTION) {
            let section = section.as_object().ok_or(ChainSpecError::GenesisSection)?;
            for (key, value) in section {
                match (key.as_str(), value.as_str(), value.as_u64()) {
                    ("requestContracts", Some("optional"), _) => {
                        chain.request_contracts = RequestContracts::Optional;
                    }
                    ("requestContracts", Some("required"), _) => {}
                    ("maxGasLimit", _, Some(gas)) => chain.max_gas_limit = gas,
                    _ => return Err(ChainSpecError::GenesisSection),
                }
            }
        }
        chain.check()?;
        Ok(chain)
    }

    /// Checks the accounts that the chain starts with.
    ///
    /// Errors with an account that has storage, but neither code nor a nonce: creation there must fail (EIP-7610), which
    /// not all nodes know. And where the first block is of Prague already and a contract that it needs has no code (but
    /// for a file that names no account at all, whose state comes from elsewhere).
    pub fn check_genesis(&self, genesis: &Genesis) -> Result<(), ChainSpecError> {
        let has_code = |account: &GenesisAccount| account.code.as_ref().is_some_and(|code| !code.is_empty());
        for (address, account) in &genesis.alloc {
            let has_storage = account.storage.iter().flatten().any(|(_, value)| !value.is_zero());
            if has_storage && !has_code(account) && account.nonce.unwrap_or_default() == 0 {
                return Err(ChainSpecError::StorageWithoutCode { address: *address });
            }
        }
        if self.request_contracts == RequestContracts::Required
            && !genesis.alloc.is_empty()
            && self.fork_at(genesis.timestamp) >= Some(Fork::Prague)
        {
            for address in [WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS] {
                if !genesis.alloc.get(&address).is_some_and(has_code) {
                    return Err(ChainSpecError::RequestContractMissing { address });
                }
            }
        }
        Ok(())
    }
}

fn blobs(config: &ChainConfig, forks: &[ForkActivation]) -> Vec<BlobActivation> {
    let schedule = config.blob_schedule_blob_params();
    let mut blobs: Vec<BlobActivation> = Vec::new();
    for activation in forks {
        let params = match activation.fork {
            Fork::Shanghai => continue,
            Fork::Cancun => schedule.cancun,
            Fork::Prague => schedule.prague,
            Fork::Osaka => schedule.osaka,
        };
        blobs.push(BlobActivation { timestamp: activation.timestamp, params });
    }
    blobs.extend(
        schedule
            .scheduled
            .iter()
            .map(|(timestamp, params)| BlobActivation { timestamp: *timestamp, params: *params }),
    );
    // Where several start at the same time the newest fork's hold: keep the last of equal times.
    blobs.sort_by_key(|entry| entry.timestamp);
    blobs.reverse();
    blobs.dedup_by_key(|entry| entry.timestamp);
    blobs.reverse();
    blobs
}
