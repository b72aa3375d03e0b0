//! The methods of the rollup's node, as op-node has them.

use super::Answer;
use crate::{
    chain::{Block, Chain},
    driver::Shared,
    l1::L1Block,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, U64, keccak256};
use proofmill_devnode::jsonrpc::{Failure, Params};
use serde_json::{Value, json};

pub(super) fn call(shared: &Shared, method: &str, params: &Params) -> Option<Answer> {
    Some(match method {
        "optimism_rollupConfig" => Ok(shared.chain().config.rollup_json()),
        "optimism_outputAtBlock" => output(shared, params),
        "optimism_syncStatus" => Ok(status(shared)),
        "optimism_safeHeadAtL1Block" => safe_head(shared, params),
        "optimism_version" => Ok(json!(super::VERSION)),
        _ => return None,
    })
}

fn l2(block: &Block) -> Value {
    json!({
        "hash": block.header.hash(),
        "number": block.header.number,
        "parentHash": block.header.parent_hash,
        "timestamp": block.header.timestamp,
        "l1origin": { "hash": block.origin.hash, "number": block.origin.number },
        "sequenceNumber": block.sequence,
    })
}

fn l1(block: &L1Block) -> Value {
    json!({
        "hash": block.hash,
        "number": block.number,
        "parentHash": block.parent_hash,
        "timestamp": block.timestamp,
    })
}

fn at(chain: &Chain, tag: BlockNumberOrTag) -> Value {
    chain.by_id(BlockId::Number(tag)).map_or(Value::Null, |block| l2(block))
}

fn status(shared: &Shared) -> Value {
    let (chain, known) = (shared.chain(), shared.l1());
    let tip = l1(known.tip());
    let last = known.by_number(shared.final_l1(&known)).map_or(Value::Null, |block| l1(block));
    json!({
        "current_l1": tip, "current_l1_finalized": last, "head_l1": tip, "safe_l1": tip, "finalized_l1": last,
        "unsafe_l2": at(&chain, BlockNumberOrTag::Latest),
        "safe_l2": at(&chain, BlockNumberOrTag::Safe),
        "finalized_l2": at(&chain, BlockNumberOrTag::Finalized),
        "pending_safe_l2": at(&chain, BlockNumberOrTag::Safe),
        "cross_unsafe_l2": at(&chain, BlockNumberOrTag::Latest),
        "local_safe_l2": at(&chain, BlockNumberOrTag::Safe),
        "queued_unsafe_l2": at(&chain, BlockNumberOrTag::Latest),
    })
}

/// Version 0 (specification: `protocol/proposals.md`, "L2 Output Commitment Construction").
fn output(shared: &Shared, params: &Params) -> Answer {
    let number: U64 = params.required(0)?;
    let sync_status = status(shared);
    let chain = shared.chain();
    let block = chain.by_number(number.to()).ok_or_else(|| Failure::server("not found"))?;
    let (state, hash) = (block.header.state_root, block.header.hash());
    // From Isthmus on the header has the message passer's root.
    let passer = block.header.withdrawals_root.unwrap_or_default();
    let root = keccak256([B256::ZERO, state, passer, hash].concat());
    Ok(json!({
        "version": B256::ZERO,
        "outputRoot": root,
        "blockRef": l2(block),
        "withdrawalStorageRoot": passer,
        "stateRoot": state,
        "syncStatus": sync_status,
    }))
}

fn safe_head(shared: &Shared, params: &Params) -> Answer {
    let number: U64 = params.required(0)?;
    let (chain, known) = (shared.chain(), shared.l1());
    let number = number.to::<u64>().min(known.tip().number);
    let block = known.by_number(number).ok_or_else(|| Failure::server("safe head not found"))?;
    let safe = shared.inbox().safe_at(&chain, &known, number);
    let safe = chain.by_number(safe).ok_or_else(|| Failure::server("safe head not found"))?;
    Ok(json!({
        "l1Block": { "hash": block.hash, "number": block.number },
        "safeHead": { "hash": safe.header.hash(), "number": safe.header.number },
    }))
}
