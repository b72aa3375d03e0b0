//! What a transaction costs.

use super::{answer::Failure, params::Params};
use crate::{node::Shared, seal::Block};
use alloy_consensus::Transaction;
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{U64, U128};
use alloy_rpc_types_eth::FeeHistory;
use serde_json::{Value, json};

/// The tip that is suggested, in wei per gas: there is room for everybody.
const TIP: u128 = 1_000_000_000;
/// How many blocks a fee history may have, as geth.
const MOST_BLOCKS: u64 = 1_024;
/// How many percentiles it may be asked for, as geth.
const MOST_PERCENTILES: usize = 100;

pub(super) fn call(shared: &Shared, method: &str, params: &Params) -> Option<Result<Value, Failure>> {
    Some(match method {
        "eth_gasPrice" => {
            let next = shared.read().next_header();
            Ok(json!(U128::from(TIP + u128::from(next.base_fee_per_gas.unwrap_or_default()))))
        }
        "eth_maxPriorityFeePerGas" => Ok(json!(U128::from(TIP))),
        "eth_blobBaseFee" => {
            let chain = shared.read();
            let next = chain.next_header();
            let fee = chain
                .rules
                .blobs_at(next.timestamp)
                .map(|params| params.calc_blob_fee(next.excess_blob_gas.unwrap_or_default()));
            Ok(json!(fee.map(U128::from)))
        }
        "eth_feeHistory" => history(shared, params),
        _ => return None,
    })
}

fn history(shared: &Shared, params: &Params) -> Result<Value, Failure> {
    let count: U64 = params.required(0)?;
    let newest: BlockNumberOrTag = params.required(1)?;
    let percentiles: Option<Vec<f64>> = params.optional(2)?;
    let rising = percentiles.as_ref().is_none_or(|all| {
        all.len() <= MOST_PERCENTILES
            && all.iter().all(|one| (0.0..=100.0).contains(one))
            && all.windows(2).all(|pair| pair[0] <= pair[1])
    });
    if !rising {
        return Err(Failure::params("invalid reward percentile: they must rise from 0 to 100"));
    }
    let chain = shared.read();
    let newest = chain.by_tag(newest).ok_or_else(|| Failure::server("request beyond head block"))?;
    let count = count.to::<u64>().min(MOST_BLOCKS).min(newest.header.number + 1);
    let first = newest.header.number + 1 - count;
    let mut history = FeeHistory { oldest_block: first, ..FeeHistory::default() };
    history.reward = percentiles.as_ref().map(|_| Vec::new());
    if count == 0 {
        return Ok(json!(history));
    }
    let mut after = None;
    for block in (first..=newest.header.number).filter_map(|number| chain.by_number(number)) {
        let header = &block.header;
        let params = chain.rules.blobs_at(header.timestamp);
        let most_blob_gas = params.map_or(0, |params| params.max_blob_gas_per_block());
        let blob_gas = header.blob_gas_used.unwrap_or_default();
        history.base_fee_per_gas.push(header.base_fee_per_gas.unwrap_or_default().into());
        history.gas_used_ratio.push(ratio(header.gas_used, header.gas_limit));
        history
            .base_fee_per_blob_gas
            .push(params.and_then(|params| header.blob_fee(params)).unwrap_or_default());
        history.blob_gas_used_ratio.push(ratio(blob_gas, most_blob_gas));
        if let (Some(rewards), Some(percentiles)) = (&mut history.reward, &percentiles) {
            rewards.push(tips(block, percentiles));
        }
        after = Some((
            header.next_block_base_fee(alloy_eips::eip1559::BaseFeeParams::ethereum()),
            params.and_then(|params| header.next_block_blob_fee(params)),
        ));
    }
    if let Some((base_fee, blob_fee)) = after {
        history.base_fee_per_gas.push(base_fee.unwrap_or_default().into());
        history.base_fee_per_blob_gas.push(blob_fee.unwrap_or_default());
    }
    Ok(json!(history))
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The tips of a block at these percentiles of its gas, the lowest first.
fn tips(block: &Block, percentiles: &[f64]) -> Vec<u128> {
    let base_fee = block.header.base_fee_per_gas.unwrap_or_default();
    let mut before = 0;
    let mut paid: Vec<(u128, u64)> = block
        .transactions
        .iter()
        .zip(&block.receipts)
        .map(|(transaction, receipt)| {
            let gas = receipt.cumulative_gas_used();
            let used = gas - std::mem::replace(&mut before, gas);
            (transaction.body.effective_tip_per_gas(base_fee).unwrap_or_default(), used)
        })
        .collect();
    paid.sort_unstable();
    percentiles
        .iter()
        .map(|percentile| {
            let wanted = block.header.gas_used as f64 * percentile / 100.0;
            let mut sum = 0.0;
            let at = paid.iter().find(|(_, used)| {
                sum += *used as f64;
                sum >= wanted
            });
            at.or(paid.last()).map_or(0, |(tip, _)| *tip)
        })
        .collect()
}
