//! The block that the chain starts with.

use crate::{
    seal::{Block, Past},
    state::{Change, State},
};
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, Sealable};
use alloy_eips::{
    eip1559::INITIAL_BASE_FEE,
    eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE},
    eip4788::{BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE},
    eip7002::{WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_PREDEPLOY_CODE},
    eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_CODE},
    eip7685::EMPTY_REQUESTS_HASH,
};
use alloy_genesis::{ChainConfig, Genesis, GenesisAccount};
use alloy_primitives::{Address, B256, Bytes, U256, address, bytes};
use alloy_trie::EMPTY_ROOT_HASH;
use proofmill_stateless::{ChainSpec, Fork};
use revm::{bytecode::Bytecode, state::AccountInfo};
use std::collections::BTreeMap;

/// Gas of a block.
const GAS_LIMIT: u64 = 30_000_000;
/// What each rich account has: 10,000 ether, in wei.
const RICHES: u128 = 10_000 * 1_000_000_000_000_000_000;
/// The factory with one address on every chain, through which tools deploy with CREATE2.
const CREATE2_FACTORY: Address = address!("0x4e59b44847b379578588920cA78FbF26c0B4956C");
const CREATE2_FACTORY_CODE: Bytes = bytes!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);

/// The genesis file of a chain by Ethereum's rules up to a fork, with its system contracts, and rich accounts.
pub(crate) fn genesis(chain_id: u64, fork: Fork, timestamp: u64, rich: &[Address]) -> Genesis {
    let since = |first: Fork| (fork >= first).then_some(0);
    let mut config = ChainConfig {
        chain_id,
        homestead_block: Some(0),
        eip150_block: Some(0),
        eip155_block: Some(0),
        eip158_block: Some(0),
        byzantium_block: Some(0),
        constantinople_block: Some(0),
        petersburg_block: Some(0),
        istanbul_block: Some(0),
        berlin_block: Some(0),
        london_block: Some(0),
        merge_netsplit_block: Some(0),
        shanghai_time: Some(0),
        cancun_time: since(Fork::Cancun),
        prague_time: since(Fork::Prague),
        osaka_time: since(Fork::Osaka),
        terminal_total_difficulty: Some(U256::ZERO),
        terminal_total_difficulty_passed: true,
        ..ChainConfig::default()
    };
    for (known, name) in [(Fork::Cancun, "cancun"), (Fork::Prague, "prague"), (Fork::Osaka, "osaka")] {
        if let Some(params) = known.default_blobs().filter(|_| fork >= known) {
            config.blob_schedule.insert(name.to_owned(), params);
        }
    }
    // The contracts are there, but nobody reads a rollup's requests.
    let section = serde_json::json!({ "requestContracts": "optional" });
    config.extra_fields.insert("proofmill".to_owned(), section);

    let contract =
        |code: Bytes| GenesisAccount { nonce: Some(1), code: Some(code), ..GenesisAccount::default() };
    let mut alloc: BTreeMap<Address, GenesisAccount> = rich
        .iter()
        .map(|address| {
            (*address, GenesisAccount { balance: U256::from(RICHES), ..GenesisAccount::default() })
        })
        .collect();
    alloc.insert(CREATE2_FACTORY, contract(CREATE2_FACTORY_CODE));
    if fork >= Fork::Cancun {
        alloc.insert(BEACON_ROOTS_ADDRESS, contract(BEACON_ROOTS_CODE.clone()));
    }
    if fork >= Fork::Prague {
        alloc.insert(HISTORY_STORAGE_ADDRESS, contract(HISTORY_STORAGE_CODE.clone()));
        alloc.insert(
            WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
            contract(WITHDRAWAL_REQUEST_PREDEPLOY_CODE.clone()),
        );
        alloc.insert(
            CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
            contract(CONSOLIDATION_REQUEST_PREDEPLOY_CODE.clone()),
        );
    }
    Genesis { config, timestamp, gas_limit: GAS_LIMIT, alloc, ..Genesis::default() }
}

/// The genesis block of a genesis file, which commits to its state.
pub(crate) fn block(rules: &ChainSpec, genesis: &Genesis) -> Block {
    let changes = genesis.alloc.iter().map(|(address, account)| {
        let code = Bytecode::new_legacy(account.code.clone().unwrap_or_default());
        let nonce = account.nonce.unwrap_or_default();
        let now = AccountInfo::new(account.balance, nonce, code.hash_slow(), code);
        let slots = account.storage.iter().flatten().map(|(slot, value)| ((*slot).into(), (*value).into()));
        (*address, Change { now: Some(now), cleared: false, slots: slots.collect() })
    });
    let (state, _) = State::default().apply(&changes.collect());
    let since = |fork: Fork| rules.fork_at(genesis.timestamp) >= Some(fork);
    let header = Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: genesis.coinbase,
        state_root: state.root(),
        gas_limit: genesis.gas_limit,
        timestamp: genesis.timestamp,
        extra_data: genesis.extra_data.clone(),
        mix_hash: genesis.mix_hash,
        base_fee_per_gas: Some(INITIAL_BASE_FEE),
        withdrawals_root: Some(EMPTY_ROOT_HASH),
        blob_gas_used: since(Fork::Cancun).then_some(0),
        excess_blob_gas: since(Fork::Cancun).then_some(0),
        parent_beacon_block_root: since(Fork::Cancun).then_some(B256::ZERO),
        requests_hash: since(Fork::Prague).then_some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    };
    Block::new(header.seal_slow(), Vec::new(), Vec::new(), Past { state, ..Past::default() })
}
