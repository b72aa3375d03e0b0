//! Users' deposits, from the logs of the portal (specification: `protocol/deposits.md`).

use crate::contracts::OpDevPortal;
use alloy_primitives::{B256, Log, TxKind, U256, keccak256};
use alloy_sol_types::SolEvent;
use op_alloy_consensus::TxDeposit;

/// Of users' deposits.
const USER: u8 = 0;
/// Of the transaction of L1's attributes.
pub(crate) const L1_ATTRIBUTES: u8 = 1;

/// The deposit of a log; `index` is its place in its L1 block.
pub(crate) fn deposit(l1: B256, index: u64, log: &Log) -> Option<TxDeposit> {
    let event = OpDevPortal::TransactionDeposited::decode_log(log).ok()?;
    let (mint, rest) = event.opaqueData.split_first_chunk::<32>()?;
    let (value, rest) = rest.split_first_chunk::<32>()?;
    let (gas, rest) = rest.split_first_chunk::<8>()?;
    let (&creates, input) = rest.split_first()?;
    Some(TxDeposit {
        source_hash: source_hash(USER, l1, index),
        from: event.from,
        to: if creates == 1 { TxKind::Create } else { TxKind::Call(event.to) },
        mint: u128::try_from(U256::from_be_bytes(*mint)).ok()?,
        value: U256::from_be_bytes(*value),
        gas_limit: u64::from_be_bytes(*gas),
        is_system_transaction: false,
        input: input.to_vec().into(),
    })
}

/// What makes a deposit unique ("Source hash computation").
pub(crate) fn source_hash(domain: u8, l1: B256, place: u64) -> B256 {
    let mut words = [0; 64];
    words[..32].copy_from_slice(l1.as_slice());
    words[56..].copy_from_slice(&place.to_be_bytes());
    let inner = keccak256(words);
    let mut words = [0; 64];
    words[31] = domain;
    words[32..].copy_from_slice(inner.as_slice());
    keccak256(words)
}
