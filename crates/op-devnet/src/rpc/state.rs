//! Accounts, storage, proofs and witnesses.

use super::Answer;
use crate::{
    chain::{Block, Past, STATES},
    driver::Shared,
    state::Account,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, U64, U256};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};
use proofmill_devnode::jsonrpc::{Failure, Params, execution_witness};
use serde_json::{Value, json};
use std::sync::Arc;

/// How many slots a request may ask proofs of, as geth.
const MOST_SLOTS: usize = 1_024;

pub(super) fn call(shared: &Shared, method: &str, params: &Params) -> Option<Answer> {
    Some(match method {
        "eth_getBalance" => account(shared, params, 1).map(|account| json!(account.balance)),
        "eth_getCode" => account(shared, params, 1).map(|account| json!(account.code)),
        "eth_getStorageAt" => storage_at(shared, params),
        "eth_getTransactionCount" => nonce(shared, params),
        "eth_getProof" => proof(shared, params),
        "debug_executionWitness" => witness(shared, params),
        _ => return None,
    })
}

/// A block, and what it left.
pub(super) fn past(shared: &Shared, id: BlockId) -> Result<(Arc<Block>, Arc<Past>), Failure> {
    let chain = shared.chain();
    let block = chain.by_id(id).ok_or_else(|| Failure::server("header not found"))?;
    let pruned = || {
        let kept = format!("historical state is not available: this node keeps that of {STATES} blocks");
        Failure::server(kept)
    };
    let past = chain.past(block.header.number).ok_or_else(pruned)?;
    Ok((Arc::clone(block), Arc::clone(past)))
}

fn account(shared: &Shared, params: &Params, block: usize) -> Result<Account, Failure> {
    let address: Address = params.required(0)?;
    let (_, past) = past(shared, params.block(block)?)?;
    Ok(past.state.account(address).cloned().unwrap_or_default())
}

/// A slot as clients write it: 32 bytes, or a number.
fn slot(shown: &Value) -> Result<U256, Failure> {
    let wrong = || Failure::params("invalid argument 1: a slot has 1 to 64 hexadecimal digits after 0x");
    let digits = shown.as_str().and_then(|text| text.strip_prefix("0x")).ok_or_else(wrong)?;
    if digits.is_empty() || digits.len() > 64 {
        return Err(wrong());
    }
    U256::from_str_radix(digits, 16).map_err(|_| wrong())
}

fn storage_at(shared: &Shared, params: &Params) -> Answer {
    let slot = slot(&params.required(1)?)?;
    Ok(json!(B256::from(account(shared, params, 2)?.slot(slot))))
}

fn nonce(shared: &Shared, params: &Params) -> Answer {
    let mut nonce = account(shared, params, 1)?.nonce;
    if params.block(1)? == BlockId::Number(BlockNumberOrTag::Pending) {
        nonce = shared.chain().pool.next_nonce(params.required(0)?, nonce);
    }
    Ok(json!(U64::from(nonce)))
}

fn proof(shared: &Shared, params: &Params) -> Answer {
    let address: Address = params.required(0)?;
    let slots: Vec<Value> = params.optional(1)?.unwrap_or_default();
    if slots.len() > MOST_SLOTS {
        return Err(Failure::params(format!("too many slots (max {MOST_SLOTS})")));
    }
    let (_, past) = past(shared, params.block(2)?)?;
    let account = past.state.account(address).cloned().unwrap_or_default();
    let mut storage_proof = Vec::with_capacity(slots.len());
    for shown in slots {
        let slot = slot(&shown)?;
        // Keys come back as they were written.
        let key = serde_json::from_value(shown).map_err(|error| Failure::params(error.to_string()))?;
        let (value, proof) = (account.slot(slot), account.slot_proof(slot));
        storage_proof.push(EIP1186StorageProof { key, value, proof });
    }
    let leaf = account.leaf();
    Ok(json!(EIP1186AccountProofResponse {
        address,
        balance: leaf.balance,
        code_hash: leaf.code_hash,
        nonce: leaf.nonce,
        storage_hash: leaf.storage_root,
        account_proof: past.state.account_proof(address),
        storage_proof,
    }))
}

fn witness(shared: &Shared, params: &Params) -> Answer {
    let (block, past) = past(shared, params.required(0)?)?;
    let parent = block.header.number.checked_sub(1);
    let parent = parent.and_then(|number| shared.chain().by_number(number).cloned());
    let Some(parent) = parent else { return Err(Failure::server("the genesis block was not executed")) };
    Ok(execution_witness(parent.header.inner(), &past.witness, &past.read))
}
