//! Users' deposits, from the logs of L1's portal (specification: `protocol/deposits.md`).

use crate::error::DerivationError;
use crate::system_config::bytes_of;
use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256, b256, keccak256};
use op_alloy_consensus::TxDeposit;

/// keccak256 of `TransactionDeposited(address,address,uint256,bytes)`.
pub(crate) const TRANSACTION_DEPOSITED: B256 =
    b256!("0xb3813568d9991fc951961fcb4c784893574240a28925604d09fc577c55bb7c32");
/// Bytes of version 0 before the call's data: mint, value, gas, and whether it creates.
const FIXED: usize = 32 + 32 + 8 + 1;

/// The deposit of a log, which is log `index` of its L1 block.
pub(crate) fn deposit(
    number: u64,
    block_hash: B256,
    index: u64,
    log: &Log,
) -> Result<TxDeposit, DerivationError> {
    let wrong = |reason| DerivationError::Log { number, contract: "OptimismPortal", reason };
    let [_, from, to, version] = log.topics() else { return Err(wrong("it has other topics")) };
    if !version.is_zero() {
        return Err(wrong("its version is not 0"));
    }
    let opaque = bytes_of(&log.data.data).ok_or_else(|| wrong("its data are not one byte string"))?;
    let (fixed, input) = opaque.split_at_checked(FIXED).ok_or_else(|| wrong("its data are too short"))?;
    let word = |at: usize| U256::from_be_slice(&fixed[at..at + 32]);
    let mint = u128::try_from(word(0)).map_err(|_| wrong("it mints more than 128 bits"))?;
    let gas_limit = u64::from_be_bytes(*fixed[64..72].first_chunk().unwrap_or(&[0; 8]));
    let creates = match fixed[72] {
        0 => false,
        1 => true,
        _ => return Err(wrong("whether it creates is neither 0 nor 1")),
    };
    Ok(TxDeposit {
        source_hash: source_hash(0, block_hash, U256::from(index)),
        from: Address::from_word(*from),
        to: if creates { TxKind::Create } else { TxKind::Call(Address::from_word(*to)) },
        mint,
        value: word(32),
        gas_limit,
        is_system_transaction: false,
        input: Bytes::copy_from_slice(input),
    })
}

/// What makes a deposit unique: its domain, and its place in L1 (`protocol/deposits.md`, "Source hash computation").
pub(crate) fn source_hash(domain: u64, block_hash: B256, place: U256) -> B256 {
    let place = keccak256([block_hash.0, place.to_be_bytes::<32>()].concat());
    keccak256([U256::from(domain).to_be_bytes::<32>(), place.0].concat())
}
