//! The transactions of a block: what may stand where, and who sent it.

use crate::{error::OpError, fees::L1_BLOCK};
use alloc::{string::ToString, vec::Vec};
use alloy_consensus::{Transaction, Typed2718, transaction::SignerRecoverable};
use alloy_eips::{Decodable2718, eip2718::Eip2718Error};
use alloy_evm::FromRecoveredTx;
use alloy_primitives::{Address, TxKind, U256, address};
use op_alloy_consensus::{OpTxEnvelope, OpTxType, TxDeposit};
use proofmill_stateless::{OpFork, OpRules};
use revm::context::TxEnv;

/// The sender of the transaction of L1's attributes.
pub(crate) const L1_ATTRIBUTES_DEPOSITOR: Address = address!("0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001");
/// Its gas, since Regolith (`deposits.md`).
pub(crate) const L1_ATTRIBUTES_GAS: u64 = 1_000_000;

/// The types that there are: of Ethereum all but that with blobs, and deposits. 0x7d is of Lagoon.
const KINDS: [u8; 4] = [0x01, 0x02, 0x04, 0x7e];
/// A transaction without a type begins as a list does.
const LEGACY: u8 = 0xc0;

/// A transaction that can be executed.
pub(crate) enum BodyTransaction<'a> {
    Deposit(TxDeposit),
    User { kind: OpTxType, raw: &'a [u8], env: TxEnv },
}

/// Decodes the transactions of a block and recovers their senders.
///
/// The first must set L1's attributes, and deposits stand before users' transactions. That they are those of L1 is
/// not checked: that takes the derivation.
pub(crate) fn recover<'a, T: AsRef<[u8]>>(
    rules: &OpRules,
    fork: OpFork,
    block: u64,
    transactions: &'a [T],
) -> Result<Vec<BodyTransaction<'a>>, OpError> {
    let mut recovered: Vec<BodyTransaction<'a>> = Vec::with_capacity(transactions.len());
    for (tx, raw) in transactions.iter().map(AsRef::as_ref).enumerate() {
        if let Some(kind) = raw.first().copied().filter(|kind| *kind < LEGACY && !KINDS.contains(kind)) {
            return Err(OpError::UnknownTransaction { block, tx, kind });
        }
        let decoded = OpTxEnvelope::decode_2718_exact(raw).map_err(|error: Eip2718Error| {
            OpError::MalformedTransaction { block, tx, reason: error.to_string() }
        })?;
        recovered.push(match decoded {
            OpTxEnvelope::Deposit(deposit) => {
                if deposit.is_system_transaction {
                    return Err(OpError::SystemDeposit { block, tx });
                }
                if matches!(recovered.last(), Some(BodyTransaction::User { .. })) {
                    return Err(OpError::DepositAfterUser { block, tx });
                }
                BodyTransaction::Deposit(deposit.into_inner())
            }
            decoded => user(rules, block, tx, raw, &decoded)?,
        });
    }
    match recovered.first() {
        Some(BodyTransaction::Deposit(deposit)) => check_l1_attributes(fork, deposit),
        Some(BodyTransaction::User { .. }) => Err("it is a user's transaction"),
        None => Err("there is none"),
    }
    .map_err(|reason| OpError::L1Attributes { block, reason })?;
    Ok(recovered)
}

fn user<'a>(
    rules: &OpRules,
    block: u64,
    tx: usize,
    raw: &'a [u8],
    decoded: &OpTxEnvelope,
) -> Result<BodyTransaction<'a>, OpError> {
    if let Some(got) = decoded.chain_id()
        && got != rules.chain_id
    {
        return Err(OpError::ChainId { block, tx, expected: rules.chain_id, got });
    }
    let sender = || decoded.recover_signer().map_err(|_| OpError::BadSignature { block, tx });
    let env = match decoded {
        OpTxEnvelope::Legacy(tx) => TxEnv::from_recovered_tx(tx.tx(), sender()?),
        OpTxEnvelope::Eip2930(tx) => TxEnv::from_recovered_tx(tx.tx(), sender()?),
        OpTxEnvelope::Eip1559(tx) => TxEnv::from_recovered_tx(tx.tx(), sender()?),
        OpTxEnvelope::Eip7702(tx) => TxEnv::from_recovered_tx(tx.tx(), sender()?),
        other => return Err(OpError::UnknownTransaction { block, tx, kind: other.ty() }),
    };
    Ok(BodyTransaction::User { kind: decoded.tx_type(), raw, env })
}

/// The form of the transaction of L1's attributes: `deposits.md`, and `l1-attributes.md` of Ecotone, Isthmus and
/// Jovian.
fn check_l1_attributes(fork: OpFork, deposit: &TxDeposit) -> Result<(), &'static str> {
    // setL1BlockValues, and with the suffixes Ecotone, Isthmus and Jovian.
    let (selector, len) = match fork {
        OpFork::Canyon => ([0x01, 0x5d, 0x8e, 0xb9], 260),
        OpFork::Ecotone | OpFork::Fjord | OpFork::Granite | OpFork::Holocene => {
            ([0x44, 0x0a, 0x5e, 0x20], 164)
        }
        OpFork::Isthmus => ([0x09, 0x89, 0x99, 0xbe], 176),
        OpFork::Jovian | OpFork::Karst => ([0x3d, 0xb6, 0xbe, 0x2b], 178),
    };
    for (right, reason) in [
        (deposit.from == L1_ATTRIBUTES_DEPOSITOR, "its sender is another"),
        (deposit.to == TxKind::Call(L1_BLOCK), "it calls another contract"),
        (deposit.mint == 0 && deposit.value == U256::ZERO, "it mints or carries ether"),
        (deposit.gas_limit == L1_ATTRIBUTES_GAS, "its gas is not 1,000,000"),
        (
            deposit.input.len() == len && deposit.input.starts_with(&selector),
            "its call is not that of the fork",
        ),
    ] {
        if !right {
            return Err(reason);
        }
    }
    Ok(())
}
