//! What the node says of itself, and what it does when asked.

use super::{answer::Failure, params::Params};
use crate::node::Shared;
use alloy_eips::{
    eip2124::ForkHash,
    eip7910::{EthConfig, EthForkConfig, SystemContract},
};
use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use proofmill_stateless::Fork;
use revm::precompile::Precompiles;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const VERSION: &str = concat!("proofmill-devnode/v", env!("CARGO_PKG_VERSION"));

pub(super) fn call(shared: &Shared, method: &str, params: &Params) -> Option<Result<Value, Failure>> {
    Some(match method {
        "eth_chainId" => Ok(json!(U64::from(shared.read().rules.chain_id))),
        "net_version" => Ok(json!(shared.read().rules.chain_id.to_string())),
        "net_listening" => Ok(json!(true)),
        "net_peerCount" => Ok(json!("0x0")),
        "web3_clientVersion" => Ok(json!(VERSION)),
        "web3_sha3" => params.required::<Bytes>(0).map(|bytes| json!(keccak256(bytes))),
        "eth_syncing" | "eth_mining" => Ok(json!(false)),
        "eth_accounts" => Ok(json!([])),
        "eth_config" => Ok(config(shared)),
        "debug_chainConfig" => Ok(json!(shared.read().genesis.config)),
        "anvil_nodeInfo" => Ok(node_info(shared)),
        "evm_mine" => mine(shared, params),
        "debug_setHead" => set_head(shared, params),
        _ => return None,
    })
}

/// Makes a block of what waits, also of nothing. The time may be given, in seconds since 1970.
fn mine(shared: &Shared, params: &Params) -> Result<Value, Failure> {
    let timestamp = match params.optional::<Value>(0)? {
        None => None,
        Some(Value::Number(number)) => {
            Some(number.as_u64().ok_or_else(|| Failure::params("invalid argument 0: not a time"))?)
        }
        Some(_) => Some(params.required::<U64>(0)?.to()),
    };
    shared.make_block(timestamp)?;
    Ok(json!("0x0"))
}

/// geth's way back: the blocks above a number are gone. So tests make a reorg.
fn set_head(shared: &Shared, params: &Params) -> Result<Value, Failure> {
    let number: U64 = params.required(0)?;
    shared.set_head(number.to())?;
    Ok(Value::Null)
}

fn newest(shared: &Shared) -> Fork {
    let chain = shared.read();
    chain.rules.fork_at(chain.head().header.timestamp).unwrap_or(Fork::Shanghai)
}

/// What tells tools for local nodes which rules there are.
fn node_info(shared: &Shared) -> Value {
    let fork = match newest(shared) {
        Fork::Shanghai => "shanghai",
        Fork::Cancun => "cancun",
        Fork::Prague => "prague",
        Fork::Osaka => "osaka",
    };
    let chain = shared.read();
    let head = &chain.head().header;
    json!({
        "currentBlockNumber": U64::from(head.number),
        "currentBlockTimestamp": head.timestamp,
        "currentBlockHash": head.hash(),
        "hardFork": fork,
        "transactionOrder": "fees",
        "environment": {
            "baseFee": U256::from(head.base_fee_per_gas.unwrap_or_default()),
            "chainId": chain.rules.chain_id,
            "gasLimit": U64::from(head.gas_limit),
        },
    })
}

/// EIP-7910. All forks are active from the first block on, so there is no other than the current.
fn config(shared: &Shared) -> Value {
    let fork = newest(shared);
    let chain = shared.read();
    let genesis = chain.by_number(0).unwrap_or_else(|| chain.head());
    let Some(blob_schedule) = chain.rules.blobs_at(genesis.header.timestamp) else { return Value::Null };
    let names =
        |at: &Address| PRECOMPILES.iter().find(|(last, _)| at.into_word() == B256::from(U256::from(*last)));
    let known = Precompiles::new(crate::admit::spec(fork).into());
    let precompiles = known.addresses().filter_map(|at| names(at).map(|(_, name)| ((*name).to_owned(), *at)));
    let mut system_contracts = BTreeMap::new();
    system_contracts.insert(SystemContract::BeaconRoots, alloy_eips::eip4788::BEACON_ROOTS_ADDRESS);
    if fork >= Fork::Prague {
        system_contracts.extend(SystemContract::prague(Some(chain.rules.deposit_contract)));
    }
    let current = EthForkConfig {
        activation_time: 0,
        blob_schedule,
        chain_id: chain.rules.chain_id,
        fork_id: Bytes::copy_from_slice(&ForkHash::from(genesis.header.hash()).0),
        precompiles: precompiles.collect(),
        system_contracts,
    };
    json!(EthConfig { current, next: None, last: None })
}

/// EIP-7910's names of the precompiled contracts, by address.
const PRECOMPILES: [(u64, &str); 18] = [
    (0x01, "ECREC"),
    (0x02, "SHA256"),
    (0x03, "RIPEMD160"),
    (0x04, "ID"),
    (0x05, "MODEXP"),
    (0x06, "BN254_ADD"),
    (0x07, "BN254_MUL"),
    (0x08, "BN254_PAIRING"),
    (0x09, "BLAKE2F"),
    (0x0a, "KZG_POINT_EVALUATION"),
    (0x0b, "BLS12_G1ADD"),
    (0x0c, "BLS12_G1MSM"),
    (0x0d, "BLS12_G2ADD"),
    (0x0e, "BLS12_G2MSM"),
    (0x0f, "BLS12_PAIRING_CHECK"),
    (0x10, "BLS12_MAP_FP_TO_G1"),
    (0x11, "BLS12_MAP_FP2_TO_G2"),
    (0x100, "P256VERIFY"),
];
