//! What happens in a block: system calls, transactions, withdrawals, requests.

use crate::chain::{ChainSpec, Fork};
use crate::consensus::RequestContracts;
use crate::error::StatelessError;
use crate::evm::{Machine, StateDatabase};
use crate::execute::BodyTransaction;
use alloc::{boxed::Box, string::ToString, vec::Vec};
use alloy_consensus::{
    Eip658Value, Header, Receipt, ReceiptEnvelope, Transaction, TxType, transaction::Recovered,
};
use alloy_eips::{
    eip2935::HISTORY_STORAGE_ADDRESS,
    eip4788::BEACON_ROOTS_ADDRESS,
    eip4895::Withdrawal,
    eip6110::DEPOSIT_REQUEST_TYPE,
    eip7002::{WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_TYPE},
    eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_TYPE},
    eip7685::Requests,
};
use alloy_evm::{EvmEnv, ToTxEnv};
use alloy_primitives::{Address, B256, Bytes, b256};
use revm::{
    DatabaseCommit,
    context::result::{EVMError, ExecutionResult},
    database_interface::DatabaseCommitExt,
};

/// `DepositEvent(bytes,bytes,bytes,bytes,bytes)` (EIP-6110).
const DEPOSIT_EVENT: B256 = b256!("0x649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5");
/// Of each part of a deposit's log (public key, withdrawal credentials, amount, signature, index): where it stands, with its
/// length before it, and how long it is, in bytes (EIP-6110).
const DEPOSIT_PARTS: [(usize, usize); 5] = [(160, 48), (256, 32), (320, 8), (384, 96), (512, 8)];
/// The length of a deposit's log, in bytes (EIP-6110).
const DEPOSIT_LOG: usize = 576;

/// What execution produced, but for the state.
pub(crate) struct Executed {
    pub(crate) receipts: Vec<ReceiptEnvelope>,
    pub(crate) requests: Requests,
    pub(crate) gas_used: u64,
    pub(crate) blob_gas_used: u64,
}

/// Executes a block on a database.
pub(crate) fn execute_transactions<DB: StateDatabase + DatabaseCommit>(
    chain: &ChainSpec,
    header: &Header,
    transactions: &[Recovered<BodyTransaction>],
    withdrawals: &[Withdrawal],
    db: DB,
) -> Result<Executed, StatelessError> {
    let (block, timestamp) = (header.number, header.timestamp);
    let fork = chain.fork_at(timestamp).ok_or(StatelessError::BeforeShanghai { block, timestamp })?;
    let env = EvmEnv::for_eth_block(header, chain, chain.chain_id, chain.blobs_at(timestamp));
    let cap = env.cfg_env.tx_gas_limit_cap.unwrap_or(u64::MAX);
    let mut evm = Machine::new(db, env);
    before(fork, header, &mut evm)?;
    let mut receipts = Vec::with_capacity(transactions.len());
    let (mut gas_used, mut blob_gas_used) = (0, 0_u64);
    for (tx, transaction) in transactions.iter().enumerate() {
        let left = header.gas_limit - gas_used;
        let gas_limit = transaction.gas_limit();
        // One above the cap is refused for that.
        if gas_limit.min(cap) > left {
            return Err(StatelessError::GasAboveBlockLimit { block, tx, gas_limit, left });
        }
        let done = evm.transact(transaction.to_tx_env()).map_err(|error| match error {
            EVMError::Transaction(reason) => {
                StatelessError::InvalidTransaction { block, tx, reason: Box::new(reason) }
            }
            other => stopped(block, &other),
        })?;
        gas_used += done.result.tx_gas_used();
        blob_gas_used = blob_gas_used.saturating_add(transaction.blob_gas_used().unwrap_or_default());
        receipts.push(receipt(transaction.tx_type(), done.result, gas_used));
        evm.db_mut().commit(done.state);
    }
    for withdrawal in withdrawals {
        let paid = [(withdrawal.address, withdrawal.amount_wei().saturating_to::<u128>())];
        evm.db_mut().increment_balances(paid).map_err(|error| stopped(block, &error))?;
    }
    let requests = match fork {
        Fork::Shanghai | Fork::Cancun => Requests::default(),
        Fork::Prague | Fork::Osaka => requests(chain, block, &receipts, &mut evm)?,
    };
    Ok(Executed { receipts, requests, gas_used, blob_gas_used })
}

fn stopped(block: u64, error: &impl ToString) -> StatelessError {
    StatelessError::Execution { block, reason: error.to_string() }
}

/// EIP-2935 and EIP-4788. A contract that has no code, or fails, changes nothing: both EIPs say so.
pub(crate) fn before<DB: StateDatabase + DatabaseCommit>(
    fork: Fork,
    header: &Header,
    evm: &mut Machine<DB>,
) -> Result<(), StatelessError> {
    let block = header.number;
    let mut call = |contract, word: B256| {
        let done = evm.system_call(contract, word.0.into()).map_err(|error| stopped(block, &error))?;
        evm.db_mut().commit(done.state);
        Ok::<(), StatelessError>(())
    };
    if fork >= Fork::Prague {
        call(HISTORY_STORAGE_ADDRESS, header.parent_hash)?;
    }
    if fork >= Fork::Cancun {
        call(BEACON_ROOTS_ADDRESS, header.parent_beacon_block_root.unwrap_or_default())?;
    }
    Ok(())
}

/// The requests of a block (EIP-7685): deposits, withdrawals, consolidations.
fn requests<DB: StateDatabase + DatabaseCommit>(
    chain: &ChainSpec,
    block: u64,
    receipts: &[ReceiptEnvelope],
    evm: &mut Machine<DB>,
) -> Result<Requests, StatelessError> {
    let mut requests = Requests::default();
    let deposits = deposits(chain.deposit_contract, block, receipts)?;
    for (kind, data) in [
        (DEPOSIT_REQUEST_TYPE, deposits.into()),
        (WITHDRAWAL_REQUEST_TYPE, request_contract(chain, block, WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, evm)?),
        (
            CONSOLIDATION_REQUEST_TYPE,
            request_contract(chain, block, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, evm)?,
        ),
    ] {
        if !data.is_empty() {
            requests.push_request_with_type(kind, data);
        }
    }
    Ok(requests)
}

/// What a contract of EIP-7002 or EIP-7251 returns: it must have code, unless the chain does without, and must not fail.
fn request_contract<DB: StateDatabase + DatabaseCommit>(
    chain: &ChainSpec,
    block: u64,
    contract: Address,
    evm: &mut Machine<DB>,
) -> Result<Bytes, StatelessError> {
    if chain.request_contracts == RequestContracts::Required {
        let account = evm.db_mut().basic(contract).map_err(|error| stopped(block, &error))?;
        if account.is_none_or(|account| account.is_empty_code_hash()) {
            return Err(StatelessError::SystemContractMissing { block, contract });
        }
    }
    let done = evm.system_call(contract, Bytes::new()).map_err(|error| stopped(block, &error))?;
    evm.db_mut().commit(done.state);
    let reason = match done.result {
        ExecutionResult::Success { output, .. } => return Ok(output.into_data()),
        ExecutionResult::Revert { output, .. } => alloc::format!("it reverted with {output}"),
        ExecutionResult::Halt { reason, .. } => alloc::format!("{reason:?}"),
    };
    Err(StatelessError::SystemCall { block, contract, reason })
}

/// The deposits in the logs of the deposit contract, one after the other.
fn deposits(contract: Address, block: u64, receipts: &[ReceiptEnvelope]) -> Result<Vec<u8>, StatelessError> {
    let mut deposits = Vec::new();
    for (tx, receipt) in receipts.iter().enumerate() {
        for log in receipt.logs() {
            if log.address == contract && log.topics().first() == Some(&DEPOSIT_EVENT) {
                deposit(&log.data.data, &mut deposits)
                    .ok_or(StatelessError::MalformedDeposit { block, tx })?;
            }
        }
    }
    Ok(deposits)
}

/// Appends the deposit of a log; `None` where it is not laid out as EIP-6110 says.
fn deposit(log: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let word = |at: usize| {
        let (high, low) = log.get(at..at + 32)?.split_at(24);
        let low = u64::from_be_bytes(low.try_into().ok()?);
        (high.iter().all(|byte| *byte == 0)).then_some(low)
    };
    if log.len() != DEPOSIT_LOG {
        return None;
    }
    for (part, (at, len)) in DEPOSIT_PARTS.into_iter().enumerate() {
        if word(32 * part)? != at as u64 || word(at)? != len as u64 {
            return None;
        }
        out.extend_from_slice(log.get(at + 32..at + 32 + len)?);
    }
    Some(())
}

fn receipt<H>(kind: TxType, result: ExecutionResult<H>, cumulative_gas_used: u64) -> ReceiptEnvelope {
    let receipt = Receipt {
        status: Eip658Value::Eip658(result.is_success()),
        cumulative_gas_used,
        logs: result.into_logs(),
    }
    .with_bloom();
    match kind {
        TxType::Legacy => ReceiptEnvelope::Legacy(receipt),
        TxType::Eip2930 => ReceiptEnvelope::Eip2930(receipt),
        TxType::Eip1559 => ReceiptEnvelope::Eip1559(receipt),
        TxType::Eip4844 => ReceiptEnvelope::Eip4844(receipt),
        TxType::Eip7702 => ReceiptEnvelope::Eip7702(receipt),
    }
}
