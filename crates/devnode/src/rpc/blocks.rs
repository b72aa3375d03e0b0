//! Blocks, transactions, receipts and logs.

use super::{answer::Failure, params::Params};
use crate::{
    chain::Chain,
    node::Shared,
    pool::{BodyTransaction, Pooled},
    seal::Block,
};
use alloy_consensus::{ReceiptEnvelope, Transaction as _, transaction::TransactionInfo};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, TxHash, U64, U256};
use alloy_rpc_types_eth::{
    Block as RpcBlock, BlockTransactions, Filter, FilterBlockOption, Header, Log, Transaction,
    TransactionReceipt,
};
use proofmill_stateless::ChainSpec;
use serde_json::{Value, json};
use std::sync::Arc;

/// How many logs an answer may have.
const MOST_LOGS: usize = 10_000;

pub(super) fn call(shared: &Shared, method: &str, params: &Params) -> Option<Result<Value, Failure>> {
    Some(match method {
        "eth_blockNumber" => Ok(json!(U64::from(shared.read().head().header.number))),
        "eth_getBlockByNumber" => block(shared, params, |params| params.required(0).map(BlockId::Number)),
        "eth_getBlockByHash" => block(shared, params, by_hash),
        "eth_getBlockTransactionCountByNumber" => {
            count(shared, params, |params| params.required(0).map(BlockId::Number))
        }
        "eth_getBlockTransactionCountByHash" => count(shared, params, by_hash),
        "eth_getUncleCountByBlockNumber" | "eth_getUncleCountByBlockHash" => Ok(json!("0x0")),
        "eth_getTransactionByHash" => transaction_by_hash(shared, params),
        "eth_getTransactionByBlockNumberAndIndex" => {
            transaction_at(shared, params, |params| params.required(0).map(BlockId::Number))
        }
        "eth_getTransactionByBlockHashAndIndex" => transaction_at(shared, params, by_hash),
        "eth_getTransactionReceipt" => receipt(shared, params),
        "eth_getBlockReceipts" => receipts(shared, params),
        "eth_getLogs" => logs(shared, params),
        _ => return None,
    })
}

fn by_hash(params: &Params) -> Result<BlockId, Failure> {
    params.required::<B256>(0).map(BlockId::from)
}

type Which = fn(&Params) -> Result<BlockId, Failure>;

/// A block with its transactions.
fn whole(shared: &Shared, id: BlockId) -> Result<Option<Arc<Block>>, Failure> {
    match shared.read().by_id(id) {
        Some(block) if block.expired => Err(Failure::expired()),
        block => Ok(block.cloned()),
    }
}

fn block(shared: &Shared, params: &Params, which: Which) -> Result<Value, Failure> {
    let (id, full) = (which(params)?, params.optional(1)?.unwrap_or(false));
    let Some(block) = whole(shared, id)? else { return Ok(Value::Null) };
    let transactions = if full {
        BlockTransactions::Full((0..block.transactions.len()).filter_map(|at| included(&block, at)).collect())
    } else {
        BlockTransactions::Hashes(block.transactions.iter().map(|transaction| transaction.hash).collect())
    };
    let mut header = Header::from_sealed(block.header.clone());
    header.size = Some(U256::from(block.size));
    let shown = RpcBlock { header, uncles: Vec::new(), transactions, withdrawals: Some(Default::default()) };
    Ok(json!(shown))
}

fn count(shared: &Shared, params: &Params, which: Which) -> Result<Value, Failure> {
    let id = which(params)?;
    Ok(json!(whole(shared, id)?.map(|block| U64::from(block.transactions.len()))))
}

/// A transaction as answers show it, with its place.
fn included(block: &Block, at: usize) -> Option<Transaction<BodyTransaction>> {
    let transaction = block.transactions.get(at)?;
    let info = TransactionInfo {
        hash: Some(transaction.hash),
        index: Some(at as u64),
        block_hash: Some(block.header.hash()),
        block_number: Some(block.header.number),
        base_fee: block.header.base_fee_per_gas,
        block_timestamp: Some(block.header.timestamp),
    };
    Some(Transaction::from_transaction(transaction.body.clone(), info))
}

fn waiting(transaction: &Pooled) -> Transaction<BodyTransaction> {
    Transaction::from_transaction(transaction.body.clone(), TransactionInfo::default())
}

fn transaction_by_hash(shared: &Shared, params: &Params) -> Result<Value, Failure> {
    let hash: TxHash = params.required(0)?;
    let chain = shared.read();
    if let Some((block, at)) = chain.transaction(&hash) {
        return Ok(json!(included(block, at)));
    }
    Ok(json!(chain.pool.get(&hash).map(|pooled| waiting(pooled))))
}

fn transaction_at(shared: &Shared, params: &Params, which: Which) -> Result<Value, Failure> {
    let (id, at) = (which(params)?, params.required::<U64>(1)?);
    let at = usize::try_from(at.to::<u64>()).unwrap_or(usize::MAX);
    Ok(json!(whole(shared, id)?.and_then(|block| included(&block, at))))
}

fn receipt(shared: &Shared, params: &Params) -> Result<Value, Failure> {
    let hash: TxHash = params.required(0)?;
    let chain = shared.read();
    Ok(json!(chain.transaction(&hash).and_then(|(block, at)| { all_receipts(&chain.rules, block).nth(at) })))
}

fn receipts(shared: &Shared, params: &Params) -> Result<Value, Failure> {
    let Some(block) = whole(shared, params.required(0)?)? else { return Ok(Value::Null) };
    let rules = shared.read().rules.clone();
    Ok(json!(all_receipts(&rules, &block).collect::<Vec<_>>()))
}

fn all_receipts<'a>(
    rules: &ChainSpec,
    block: &'a Block,
) -> impl Iterator<Item = TransactionReceipt<ReceiptEnvelope<Log>>> + 'a {
    let header = &block.header;
    let base_fee = header.base_fee_per_gas.unwrap_or_default();
    let blob_fee = rules
        .blobs_at(header.timestamp)
        .map(|params| params.calc_blob_fee(header.excess_blob_gas.unwrap_or_default()));
    let (mut gas_before, mut logs_before) = (0, 0);
    block.transactions.iter().zip(&block.receipts).enumerate().map(move |(at, (transaction, receipt))| {
        let gas = receipt.cumulative_gas_used();
        let first_log = logs_before;
        logs_before += receipt.logs().len();
        let gas_used = gas - std::mem::replace(&mut gas_before, gas);
        let (body, sender) = (transaction.body.inner(), transaction.body.signer());
        let blob_gas_used = body.blob_gas_used();
        let mut log_index = first_log as u64;
        let inner = receipt.clone().map_logs(|log| {
            log_index += 1;
            located(block, at, transaction.hash, log_index - 1, log)
        });
        TransactionReceipt {
            inner,
            transaction_hash: transaction.hash,
            transaction_index: Some(at as u64),
            block_hash: Some(header.hash()),
            block_number: Some(header.number),
            gas_used,
            effective_gas_price: body.effective_gas_price(Some(base_fee)),
            blob_gas_used,
            blob_gas_price: blob_gas_used.and(blob_fee),
            from: sender,
            to: body.to(),
            contract_address: body.is_create().then(|| sender.create(body.nonce())),
        }
    })
}

fn located(block: &Block, at: usize, hash: TxHash, log_index: u64, log: alloy_primitives::Log) -> Log {
    Log {
        inner: log,
        block_hash: Some(block.header.hash()),
        block_number: Some(block.header.number),
        block_timestamp: Some(block.header.timestamp),
        transaction_hash: Some(hash),
        transaction_index: Some(at as u64),
        log_index: Some(log_index),
        removed: false,
    }
}

fn logs(shared: &Shared, params: &Params) -> Result<Value, Failure> {
    let filter: Filter = params.required(0)?;
    let chain = shared.read();
    let (first, last) = searched(&chain, &filter)?;
    if first < chain.oldest_body() {
        return Err(Failure::expired());
    }
    let mut found = Vec::new();
    for block in (first..=last).map_while(|number| chain.by_number(number)) {
        if !filter.matches_bloom(block.header.logs_bloom) {
            continue;
        }
        let mut index = 0;
        for (at, (transaction, receipt)) in block.transactions.iter().zip(&block.receipts).enumerate() {
            for log in receipt.logs() {
                if filter.matches(log) {
                    found.push(located(block, at, transaction.hash, index, log.clone()));
                }
                index += 1;
            }
        }
        if found.len() > MOST_LOGS {
            return Err(Failure::limit(format!("query returned more than {MOST_LOGS} results")));
        }
    }
    Ok(json!(found))
}

/// The numbers of the blocks that a filter is about.
fn searched(chain: &Chain, filter: &Filter) -> Result<(u64, u64), Failure> {
    let unknown = || Failure::server("unknown block");
    match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let number = chain.by_hash(&hash).ok_or_else(unknown)?.header.number;
            Ok((number, number))
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let head = chain.head().header.number;
            let number = |tag: Option<BlockNumberOrTag>| match tag {
                None => head,
                Some(BlockNumberOrTag::Number(number)) => number,
                Some(tag) => chain.by_tag(tag).map_or(head, |block| block.header.number),
            };
            let (first, last) = (number(from_block), number(to_block));
            if first > last {
                return Err(Failure::params("invalid block range params"));
            }
            Ok((first, last.min(head)))
        }
    }
}
