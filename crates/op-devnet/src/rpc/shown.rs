//! Blocks, transactions and receipts as op-geth shows them.

use crate::{
    chain::{Block, Chain},
    evm::{l1_fees, spec},
    pool::Pooled,
};
use alloy_consensus::{Transaction, TxReceipt, Typed2718};
use alloy_primitives::{U64, U128, U256};
use alloy_rpc_types_eth::{Header, Log};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};
use op_revm::L1BlockInfo;
use proofmill_stateless::OpFork;
use serde_json::{Map, Value, json};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

pub(super) fn block(block: &Block, full: bool) -> Value {
    let mut header = Header::from_sealed(block.header.clone());
    let bytes: usize = block.transactions.iter().map(|one| one.raw.len()).sum();
    // About: the header's own bytes are some 600.
    header.size = Some(U256::from(bytes + 600));
    let mut shown = object(json!(header));
    let transactions: Vec<Value> = match full {
        true => (0..block.transactions.len()).map(|at| transaction(block, at)).collect(),
        false => block.transactions.iter().map(|one| json!(one.hash)).collect(),
    };
    shown.insert("transactions".into(), json!(transactions));
    shown.insert("uncles".into(), json!([]));
    shown.insert("withdrawals".into(), json!([]));
    Value::Object(shown)
}

/// A transaction of a block. A deposit has its fields, and those that clients expect of any.
pub(super) fn transaction(block: &Block, at: usize) -> Value {
    let Some(one) = block.transactions.get(at) else { return Value::Null };
    let mut shown = object(waiting(one));
    let base_fee = block.header.base_fee_per_gas;
    shown.insert("blockHash".into(), json!(block.header.hash()));
    shown.insert("blockNumber".into(), json!(U64::from(block.header.number)));
    shown.insert("transactionIndex".into(), json!(U64::from(at)));
    shown.insert("gasPrice".into(), json!(U128::from(one.envelope.effective_gas_price(base_fee))));
    if let (OpTxEnvelope::Deposit(_), Some(OpReceiptEnvelope::Deposit(receipt))) =
        (&one.envelope, block.receipts.get(at))
    {
        shown.insert("gasPrice".into(), json!("0x0"));
        shown.insert("nonce".into(), json!(U64::from(receipt.receipt.deposit_nonce.unwrap_or_default())));
        shown.insert(
            "depositReceiptVersion".into(),
            json!(U64::from(receipt.receipt.deposit_receipt_version.unwrap_or_default())),
        );
        for signature in ["v", "r", "s"] {
            shown.insert(signature.into(), json!("0x0"));
        }
    }
    Value::Object(shown)
}

/// A transaction that is in no block.
pub(super) fn waiting(one: &Pooled) -> Value {
    let mut shown = object(json!(one.envelope));
    shown.insert("hash".into(), json!(one.hash));
    shown.insert("from".into(), json!(one.sender));
    if matches!(one.envelope, OpTxEnvelope::Deposit(_)) {
        shown.insert("type".into(), json!("0x7e"));
    } else {
        for key in ["blockHash", "blockNumber", "transactionIndex"] {
            shown.insert(key.into(), Value::Null);
        }
    }
    Value::Object(shown)
}

/// All receipts of a block.
pub(super) fn receipts(chain: &Chain, block: &Block) -> Vec<Value> {
    let number = block.header.number;
    let fees = chain.past(number).map(|past| l1_fees(chain.config.fork, number, &past.state));
    let (mut gas_before, mut logs_before) = (0, 0);
    let all = block.transactions.iter().zip(&block.receipts).enumerate();
    let shown = all.map(|(at, (one, receipt))| {
        let gas = receipt.cumulative_gas_used();
        let gas_used = gas - std::mem::replace(&mut gas_before, gas);
        let first_log = logs_before;
        logs_before += receipt.logs().len();
        let logs = logs(block, at, first_log, receipt);
        let deployed = (one.envelope.to().is_none() && receipt.status()).then(|| {
            let nonce = match receipt {
                OpReceiptEnvelope::Deposit(receipt) => receipt.receipt.deposit_nonce.unwrap_or_default(),
                _ => one.envelope.nonce(),
            };
            one.sender.create(nonce)
        });
        let price = match &one.envelope {
            OpTxEnvelope::Deposit(_) => 0,
            envelope => envelope.effective_gas_price(block.header.base_fee_per_gas),
        };
        let mut shown = object(json!({
            "type": U64::from(one.envelope.ty()),
            "status": U64::from(u64::from(receipt.status())),
            "cumulativeGasUsed": U64::from(gas),
            "gasUsed": U64::from(gas_used),
            "logsBloom": receipt.bloom(),
            "logs": logs,
            "transactionHash": one.hash,
            "transactionIndex": U64::from(at),
            "blockHash": block.header.hash(),
            "blockNumber": U64::from(number),
            "from": one.sender,
            "to": one.envelope.to(),
            "contractAddress": deployed,
            "effectiveGasPrice": U128::from(price),
        }));
        match (receipt, &fees) {
            (OpReceiptEnvelope::Deposit(receipt), _) => {
                let number = |value: Option<u64>| json!(value.map(U64::from));
                shown.insert("depositNonce".into(), number(receipt.receipt.deposit_nonce));
                shown.insert("depositReceiptVersion".into(), number(receipt.receipt.deposit_receipt_version));
            }
            (_, Some(fees)) => shown.extend(l1(fees.clone(), chain.config.fork, one)),
            _ => {}
        }
        Value::Object(shown)
    });
    shown.collect()
}

pub(super) fn logs(block: &Block, at: usize, first: usize, receipt: &OpReceiptEnvelope) -> Vec<Log> {
    let logs = receipt.logs().iter().enumerate().map(|(index, log)| Log {
        inner: log.clone(),
        block_hash: Some(block.header.hash()),
        block_number: Some(block.header.number),
        block_timestamp: Some(block.header.timestamp),
        transaction_hash: block.transactions.get(at).map(|one| one.hash),
        transaction_index: Some(at as u64),
        log_index: Some((first + index) as u64),
        removed: false,
    });
    logs.collect()
}

/// What a transaction paid for L1, and by which prices.
fn l1(mut fees: L1BlockInfo, fork: OpFork, one: &Pooled) -> Map<String, Value> {
    let gas = fees.data_gas(&one.raw, spec(fork));
    let fee = fees.calculate_tx_l1_cost(&one.raw, spec(fork));
    let mut shown = object(json!({
        "l1Fee": fee,
        "l1GasUsed": gas,
        "l1GasPrice": fees.l1_base_fee,
        "l1BaseFeeScalar": fees.l1_base_fee_scalar,
        "l1BlobBaseFee": fees.l1_blob_base_fee,
        "l1BlobBaseFeeScalar": fees.l1_blob_base_fee_scalar,
    }));
    let operator = [fees.operator_fee_scalar, fees.operator_fee_constant].map(Option::unwrap_or_default);
    if operator.iter().any(|part| !part.is_zero()) {
        shown.insert("operatorFeeScalar".into(), json!(operator[0]));
        shown.insert("operatorFeeConstant".into(), json!(operator[1]));
    }
    if let Some(scalar) = fees.da_footprint_gas_scalar {
        shown.insert("daFootprintGasScalar".into(), json!(U64::from(scalar)));
    }
    shown
}
