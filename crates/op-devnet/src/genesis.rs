//! The block that the chain begins with.

use crate::{
    OpDevnetError, OpFork, attributes,
    contracts::{
        L1_BLOCK, MESSAGE_PASSER, OTHER_VAULTS, OpDevL1Block, OpDevMessagePasser, SEQUENCER_FEE_VAULT,
    },
    evm::{self, Call},
    state::{Account, State},
    system::SystemConfig,
};
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_eips::{
    eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE},
    eip4788::{BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE},
    eip7685::EMPTY_REQUESTS_HASH,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, bytes};
use alloy_trie::EMPTY_ROOT_HASH;
use proofmill_stateless::OpRules;
use std::collections::BTreeMap;

/// What each rich account has: 10,000 ether, in wei.
const RICHES: u128 = 10_000 * 1_000_000_000_000_000_000;
/// In wei.
const BASE_FEE: u64 = 1_000_000;
/// The factory with one address on every chain, through which tools deploy with CREATE2.
const CREATE2_FACTORY: Address = address!("0x4e59b44847b379578588920cA78FbF26c0B4956C");
const CREATE2_FACTORY_CODE: Bytes = bytes!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);
/// STOP: it takes what it is sent.
const VAULT_CODE: Bytes = bytes!("00");

/// The state, and the header that commits to it.
pub(crate) fn genesis(
    rules: &OpRules,
    fork: OpFork,
    system: &SystemConfig,
    timestamp: u64,
    rich: impl Iterator<Item = Address>,
) -> Result<(State, Header), OpDevnetError> {
    let mut header = Header {
        timestamp,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: SEQUENCER_FEE_VAULT,
        gas_limit: system.gas_limit,
        extra_data: attributes::extra_data(rules, fork, system),
        base_fee_per_gas: Some(BASE_FEE.max(system.min_base_fee)),
        parent_beacon_block_root: Some(B256::ZERO),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        ..Default::default()
    };
    let mut state = State::default();
    for address in rich {
        state.insert(address, Account::new(0, U256::from(RICHES), Bytes::new()));
    }
    let mut contract = |address, code: Bytes| state.insert(address, Account::new(1, U256::ZERO, code));
    for (name, address, creation) in [
        ("OpDevL1Block", L1_BLOCK, &OpDevL1Block::BYTECODE),
        ("OpDevMessagePasser", MESSAGE_PASSER, &OpDevMessagePasser::BYTECODE),
    ] {
        contract(address, deployed(fork, rules.chain_id, &header, name, creation)?);
    }
    for vault in [SEQUENCER_FEE_VAULT].into_iter().chain(OTHER_VAULTS) {
        contract(vault, VAULT_CODE);
    }
    contract(CREATE2_FACTORY, CREATE2_FACTORY_CODE);
    contract(BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE.clone());
    contract(HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE.clone());
    header.state_root = state.root();
    header.withdrawals_root = Some(state.storage_root(MESSAGE_PASSER));
    Ok((state, header))
}

/// The code that a contract's creation leaves.
fn deployed(
    fork: OpFork,
    chain_id: u64,
    header: &Header,
    contract: &'static str,
    creation: &Bytes,
) -> Result<Bytes, OpDevnetError> {
    let creation = Call {
        from: Address::repeat_byte(1),
        to: TxKind::Create,
        gas: 10_000_000,
        value: U256::ZERO,
        input: creation.clone(),
    };
    let done = evm::call(fork, chain_id, header, BTreeMap::new(), &State::default(), creation)
        .map_err(|reason| OpDevnetError::Contract { contract, reason })?;
    let code = done.is_success().then(|| done.output().cloned()).flatten();
    code.ok_or_else(|| OpDevnetError::Contract { contract, reason: format!("{done:?}") })
}
