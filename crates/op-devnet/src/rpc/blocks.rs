//! Blocks, transactions, receipts, logs, and what they cost.

use super::{Answer, shown};
use crate::{chain::Block, driver::Shared, seal::next_base_fee};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, U64, U256};
use alloy_rpc_types_eth::{FeeHistory, Filter, FilterBlockOption};
use proofmill_devnode::jsonrpc::{Failure, Params};
use serde_json::{Value, json};
use std::sync::Arc;

/// How many logs an answer may have.
const MOST_LOGS: usize = 10_000;
/// How many blocks a fee history may have, as geth.
const MOST_HISTORY: u64 = 1_024;
/// What is proposed as a tip, in wei.
const TIP: u64 = 1_000_000;

pub(super) fn call(shared: &Shared, method: &str, params: &Params) -> Option<Answer> {
    Some(match method {
        "eth_blockNumber" => Ok(json!(U64::from(shared.chain().head().header.number))),
        "eth_getBlockByNumber" => block(shared, params, params.required(0).map(BlockId::Number)),
        "eth_getBlockByHash" => block(shared, params, params.required::<B256>(0).map(BlockId::from)),
        "eth_getBlockReceipts" => receipts(shared, params),
        "eth_getTransactionReceipt" => receipt(shared, params),
        "eth_getTransactionByHash" => transaction(shared, params),
        "debug_getRawTransaction" | "eth_getRawTransactionByHash" => raw(shared, params),
        "eth_getLogs" => logs(shared, params),
        "eth_gasPrice" => Ok(json!(U256::from(base_fee(shared) + TIP))),
        "eth_maxPriorityFeePerGas" => Ok(json!(U256::from(TIP))),
        "eth_feeHistory" => fee_history(shared, params),
        _ => return None,
    })
}

/// Of the next block.
pub(super) fn base_fee(shared: &Shared) -> u64 {
    let chain = shared.chain();
    next_base_fee(chain.config.fork, &chain.head().header).unwrap_or_default()
}

fn block(shared: &Shared, params: &Params, id: Result<BlockId, Failure>) -> Answer {
    let (id, full) = (id?, params.optional(1)?.unwrap_or(false));
    let block = shared.chain().by_id(id).cloned();
    Ok(block.map_or(Value::Null, |block| shown::block(&block, full)))
}

fn receipts(shared: &Shared, params: &Params) -> Answer {
    let (id, chain) = (params.block(0)?, shared.chain());
    Ok(chain.by_id(id).map_or(Value::Null, |block| json!(shown::receipts(&chain, block))))
}

fn receipt(shared: &Shared, params: &Params) -> Answer {
    let (hash, chain) = (params.required(0)?, shared.chain());
    let found = chain.transaction(&hash);
    let receipt = found.and_then(|(block, at)| shown::receipts(&chain, block).into_iter().nth(at));
    Ok(receipt.unwrap_or_default())
}

fn transaction(shared: &Shared, params: &Params) -> Answer {
    let (hash, chain) = (params.required(0)?, shared.chain());
    if let Some((block, at)) = chain.transaction(&hash) {
        return Ok(shown::transaction(block, at));
    }
    Ok(chain.pool.get(&hash).map_or(Value::Null, |one| shown::waiting(one)))
}

fn raw(shared: &Shared, params: &Params) -> Answer {
    let (hash, chain) = (params.required(0)?, shared.chain());
    let found = chain.transaction(&hash).and_then(|(block, at)| block.transactions.get(at));
    Ok(found.or_else(|| chain.pool.get(&hash)).map_or(Value::Null, |one| json!(one.raw)))
}

fn logs(shared: &Shared, params: &Params) -> Answer {
    let (filter, chain): (Filter, _) = (params.required(0)?, shared.chain());
    let numbered = |tag: Option<BlockNumberOrTag>| {
        let block = chain.by_id(BlockId::Number(tag.unwrap_or_default()));
        block.map(|block| block.header.number)
    };
    let blocks: Vec<Arc<Block>> = match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let found = chain.by_id(hash.into()).cloned();
            vec![found.ok_or_else(|| Failure::server("unknown block"))?]
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let head = chain.head().header.number;
            let first = numbered(from_block).unwrap_or(u64::MAX);
            let last = numbered(to_block).unwrap_or(head);
            (first..=last.min(head)).filter_map(|number| chain.by_number(number).cloned()).collect()
        }
    };
    let mut found = Vec::new();
    for block in blocks {
        let mut first = 0;
        for (at, receipt) in block.receipts.iter().enumerate() {
            let all = shown::logs(&block, at, first, receipt);
            first += all.len();
            found.extend(all.into_iter().filter(|log| filter.matches(&log.inner)));
        }
        if found.len() > MOST_LOGS {
            return Err(Failure::server(format!("query returned more than {MOST_LOGS} results")));
        }
    }
    Ok(json!(found))
}

fn fee_history(shared: &Shared, params: &Params) -> Answer {
    let count: u64 = match params.required::<Value>(0)? {
        Value::Number(number) => number.as_u64().unwrap_or_default(),
        _ => params.required::<U64>(0)?.to(),
    };
    let newest: BlockNumberOrTag = params.optional(1)?.unwrap_or_default();
    let percentiles: Option<Vec<f64>> = params.optional(2)?;
    let chain = shared.chain();
    let unknown = || Failure::server("request beyond head block");
    let last = chain.by_id(BlockId::Number(newest)).ok_or_else(unknown)?.header.number;
    let first = (last + 1).saturating_sub(count.clamp(1, MOST_HISTORY));
    let mut history = FeeHistory { oldest_block: first, ..Default::default() };
    for number in first..=last {
        let Some(block) = chain.by_number(number) else { break };
        let header = &block.header;
        history.base_fee_per_gas.push(header.base_fee_per_gas.unwrap_or_default().into());
        history.gas_used_ratio.push(header.gas_used as f64 / header.gas_limit as f64);
        history.base_fee_per_blob_gas.push(1);
        history.blob_gas_used_ratio.push(0.0);
        if number == last {
            let next = next_base_fee(chain.config.fork, header).unwrap_or_default();
            history.base_fee_per_gas.push(next.into());
            history.base_fee_per_blob_gas.push(1);
        }
    }
    // Simple: what is proposed, whatever others paid.
    history.reward = percentiles
        .map(|percentiles| vec![vec![u128::from(TIP); percentiles.len()]; history.gas_used_ratio.len()]);
    Ok(json!(history))
}
