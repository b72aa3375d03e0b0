//! What happens in a block: system calls, then transactions, each with its receipt.

use crate::{
    body::BodyTransaction,
    error::OpError,
    evm::{self, Done},
    fees::{L1Fees, L1FeesError},
    precompiles::{precompiles, spec},
};
use alloc::{boxed::Box, string::ToString, vec::Vec};
use alloy_consensus::{Eip658Value, Header, Receipt, TxReceipt};
use alloy_eips::Encodable2718;
use alloy_evm::EvmEnv;
use alloy_primitives::{B256, Bloom, U256};
use alloy_trie::root::ordered_trie_root_with_encoder;
use op_alloy_consensus::{OpDepositReceipt, OpReceiptEnvelope, OpTxType};
use proofmill_stateless::{Fork, OpFork, OpRules, StateDatabase, parts::Machine};
use revm::{
    Database, DatabaseCommit,
    context::{BlockEnv, CfgEnv, result::EVMError},
    context_interface::block::BlobExcessGasAndPrice,
};

/// What execution produced, but for the state.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) receipts: Vec<OpReceiptEnvelope>,
    pub(crate) gas_used: u64,
    /// The footprint of data availability, in gas, from Jovian on.
    pub(crate) footprint: u64,
}

impl Executed {
    pub(crate) fn receipts_root(&self) -> B256 {
        ordered_trie_root_with_encoder(&self.receipts, |receipt, out| receipt.encode_2718(out))
    }

    pub(crate) fn bloom(&self) -> Bloom {
        self.receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom())
    }
}

/// Executes a block on a database.
pub(crate) fn execute_transactions<DB: StateDatabase + DatabaseCommit>(
    rules: &OpRules,
    fork: OpFork,
    header: &Header,
    transactions: &[BodyTransaction<'_>],
    db: DB,
) -> Result<Executed, OpError> {
    let block = header.number;
    let mut machine = Machine::with_precompiles(db, env(rules, fork, header), precompiles(fork));
    let before = machine.call_before(fork.ethereum(), header);
    before.map_err(|error| OpError::Execution { block, reason: error.to_string() })?;
    let mut receipts = Vec::with_capacity(transactions.len());
    let (mut gas_used, mut footprint, mut fees) = (0_u64, 0_u64, None);
    for (tx, transaction) in transactions.iter().enumerate() {
        let take = |what, wanted, used| match header.gas_limit - used {
            left if wanted > left => Err(OpError::AboveBlock { block, tx, what, wanted, left }),
            _ => Ok(()),
        };
        receipts.push(match transaction {
            BodyTransaction::Deposit(deposit) => {
                take("gas", deposit.gas_limit, gas_used)?;
                let sender = machine.state().basic(deposit.from).map_err(|error| stopped(block, &error))?;
                let done = evm::deposit(&mut machine, deposit).map_err(|error| failed(block, tx, error))?;
                gas_used += done.gas_used;
                let receipt = OpDepositReceipt {
                    inner: receipt(done, gas_used),
                    deposit_nonce: Some(sender.unwrap_or_default().nonce),
                    // Canyon: `deposits.md`, deposit receipt.
                    deposit_receipt_version: Some(1),
                };
                OpReceiptEnvelope::Deposit(receipt.with_bloom())
            }
            BodyTransaction::User { kind, raw, env } => {
                take("gas", env.gas_limit, gas_used)?;
                let fees = match &fees {
                    Some(fees) => fees,
                    None => fees.insert(l1_fees(fork, block, machine.state())?),
                };
                let reason = "the fee of a transaction does not fit 256 bits";
                let (data_fee, size) = fees.of(raw).ok_or(OpError::L1Fees { block, reason })?;
                take("footprint of data availability", size, footprint)?;
                footprint += size;
                let done = evm::user(&mut machine, env.clone(), data_fee, fees.operator)
                    .map_err(|error| failed(block, tx, error))?;
                gas_used += done.gas_used;
                envelope(*kind, receipt(done, gas_used))
            }
        });
    }
    Ok(Executed { receipts, gas_used, footprint })
}

fn env(rules: &OpRules, fork: OpFork, header: &Header) -> EvmEnv {
    let cfg = CfgEnv::new_with_spec(spec(fork)).with_chain_id(rules.chain_id);
    let block = BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: U256::ZERO,
        prevrandao: Some(header.mix_hash),
        // There are no blobs, so BLOBBASEFEE is the least that there is.
        blob_excess_gas_and_price: (fork.ethereum() >= Fork::Cancun)
            .then_some(BlobExcessGasAndPrice { excess_blob_gas: 0, blob_gasprice: 1 }),
        slot_num: 0,
    };
    EvmEnv::new(cfg, block)
}

fn l1_fees<DB: Database>(fork: OpFork, block: u64, db: &mut DB) -> Result<L1Fees, OpError> {
    L1Fees::read(fork, db).map_err(|error| match error {
        L1FeesError::Database(error) => stopped(block, &error),
        L1FeesError::OutOfRange(reason) => OpError::L1Fees { block, reason },
    })
}

fn stopped(block: u64, error: &impl ToString) -> OpError {
    OpError::Execution { block, reason: error.to_string() }
}

fn failed<E: core::fmt::Display>(block: u64, tx: usize, error: EVMError<E>) -> OpError {
    match error {
        EVMError::Transaction(reason) => OpError::InvalidTransaction { block, tx, reason: Box::new(reason) },
        other => stopped(block, &other),
    }
}

fn receipt(done: Done, cumulative_gas_used: u64) -> Receipt {
    Receipt { status: Eip658Value::Eip658(done.success), cumulative_gas_used, logs: done.logs }
}

fn envelope(kind: OpTxType, receipt: Receipt) -> OpReceiptEnvelope {
    let receipt = receipt.with_bloom();
    match kind {
        OpTxType::Eip2930 => OpReceiptEnvelope::Eip2930(receipt),
        OpTxType::Eip1559 => OpReceiptEnvelope::Eip1559(receipt),
        OpTxType::Eip7702 => OpReceiptEnvelope::Eip7702(receipt),
        // `body::recover` lets no other type of a user through.
        OpTxType::Legacy | OpTxType::Deposit | OpTxType::PostExec => OpReceiptEnvelope::Legacy(receipt),
    }
}
