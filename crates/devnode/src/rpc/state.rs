//! Accounts, storage, proofs and witnesses.

use super::{answer::Failure, params::Params};
use crate::{node::Shared, seal::Past, state::Account};
use alloy_consensus::{Header, Sealed};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_debug::ExecutionWitness;
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};
use proofmill_stateless::Witness;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How many slots a request may ask proofs of, as geth.
const MOST_SLOTS: usize = 1_024;

/// A slot as clients write it: 32 bytes, or a number.
#[derive(Clone, Copy, Debug)]
struct Slot(U256);

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").ok_or_else(|| Error::custom("a slot begins with 0x"))?;
        if digits.is_empty() || digits.len() > 64 {
            return Err(Error::custom("a slot has 1 to 64 hexadecimal digits"));
        }
        U256::from_str_radix(digits, 16).map(Self).map_err(Error::custom)
    }
}

pub(super) fn call(shared: &Shared, method: &str, params: &Params) -> Option<Result<Value, Failure>> {
    Some(match method {
        "eth_getBalance" => account(shared, params, 1).map(|account| json!(account.balance)),
        "eth_getCode" => account(shared, params, 1).map(|account| json!(account.code.original_bytes())),
        "eth_getStorageAt" => storage_at(shared, params),
        "eth_getTransactionCount" => nonce(shared, params),
        "eth_getProof" => proof(shared, params),
        "debug_executionWitness" => witness(shared, params),
        _ => return None,
    })
}

fn past(shared: &Shared, id: BlockId) -> Result<Arc<Past>, Failure> {
    Ok(shared.read().state(id)?.1)
}

fn account(shared: &Shared, params: &Params, block: usize) -> Result<Account, Failure> {
    let address: Address = params.required(0)?;
    let past = past(shared, params.block(block)?)?;
    Ok(past.state.account(address).cloned().unwrap_or_default())
}

fn storage_at(shared: &Shared, params: &Params) -> Result<Value, Failure> {
    let Slot(slot) = params.required(1)?;
    Ok(json!(B256::from(account(shared, params, 2)?.slot(slot))))
}

fn nonce(shared: &Shared, params: &Params) -> Result<Value, Failure> {
    let mut nonce = account(shared, params, 1)?.nonce;
    if params.block(1)? == BlockId::Number(BlockNumberOrTag::Pending) {
        nonce = shared.read().pool.next_nonce(params.required(0)?, nonce);
    }
    Ok(json!(U64::from(nonce)))
}

fn proof(shared: &Shared, params: &Params) -> Result<Value, Failure> {
    let address: Address = params.required(0)?;
    let slots: Vec<Value> = params.optional(1)?.unwrap_or_default();
    if slots.len() > MOST_SLOTS {
        return Err(Failure::params(format!("too many slots (max {MOST_SLOTS})")));
    }
    let state = &past(shared, params.block(2)?)?.state;
    let account = state.account(address).cloned().unwrap_or_default();
    let mut storage_proof = Vec::with_capacity(slots.len());
    for shown in slots {
        let malformed = |error: serde_json::Error| Failure::params(format!("invalid argument 1: {error}"));
        let Slot(slot) = Slot::deserialize(&shown).map_err(malformed)?;
        // Keys come back as they were written.
        let key = serde_json::from_value(shown).map_err(malformed)?;
        storage_proof.push(EIP1186StorageProof {
            key,
            value: account.slot(slot),
            proof: account.slot_proof(slot),
        });
    }
    let leaf = account.leaf();
    Ok(json!(EIP1186AccountProofResponse {
        address,
        balance: leaf.balance,
        code_hash: leaf.code_hash,
        nonce: leaf.nonce,
        storage_hash: leaf.storage_root,
        account_proof: state.account_proof(address),
        storage_proof,
    }))
}

fn witness(shared: &Shared, params: &Params) -> Result<Value, Failure> {
    let id: BlockId = params.required(0)?;
    let (block, past, parent) = {
        let chain = shared.read();
        let (block, past) = chain.state(id)?;
        let number = block.header.number;
        let parent = number.checked_sub(1).and_then(|number| chain.by_number(number)).cloned();
        (block, past, parent)
    };
    let Some(parent) = parent else { return Err(Failure::server("the genesis block was not executed")) };
    debug_assert_eq!(Sealed::hash(&parent.header), block.header.parent_hash);
    Ok(execution_witness(parent.header.inner(), &past.witness, &past.read))
}

/// What `debug_executionWitness` shows of a block: its witness, the header of its parent, and what it read.
pub fn execution_witness(
    parent: &Header,
    witness: &Witness,
    read: &BTreeMap<Address, BTreeSet<U256>>,
) -> Value {
    let headers = std::iter::once(parent).chain(&witness.headers);
    let mut headers: Vec<Bytes> = headers.map(|header| alloy_rlp::encode(header).into()).collect();
    // The oldest first, as other nodes.
    headers.reverse();
    let keys = read.iter().flat_map(|(address, slots)| {
        let slots = slots.iter().map(|slot| Bytes::copy_from_slice(&slot.to_be_bytes::<32>()));
        std::iter::once(Bytes::copy_from_slice(address.as_slice())).chain(slots)
    });
    let (state, codes) = (witness.state.clone(), witness.codes.clone());
    json!(ExecutionWitness { state, codes, keys: keys.collect(), headers })
}
