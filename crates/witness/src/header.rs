//! Headers from the JSON of blocks and of witnesses.

use crate::json::{Object, bytes, fixed, number, padded, whole};
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_primitives::{Address, B64, B256};
use serde_json::value::RawValue;

/// The header that an object shows. Members that Ethereum's blocks all say the same in may be absent; what is read
/// wrongly has another hash.
pub(crate) fn header(shown: &Object<'_>) -> Result<Header, String> {
    let hash = |names: &[&str]| shown.required(names, fixed::<32>);
    let optional_hash = |names: &[&str]| shown.optional(names, fixed::<32>);
    let optional = |name: &str| shown.optional(&[name], number::<u64>);
    Ok(Header {
        parent_hash: hash(&["parenthash"])?,
        ommers_hash: optional_hash(&["sha3uncles", "ommershash", "uncleshash"])?
            .unwrap_or(EMPTY_OMMER_ROOT_HASH),
        beneficiary: shown
            .required(&["miner", "beneficiary", "coinbase", "author", "feerecipient"], fixed::<20>)
            .map(Address)?,
        state_root: hash(&["stateroot"])?,
        transactions_root: hash(&["transactionsroot", "transactionroot"])?,
        receipts_root: hash(&["receiptsroot", "receiptroot"])?,
        logs_bloom: shown.optional(&["logsbloom"], fixed::<256>)?.unwrap_or_default().into(),
        difficulty: shown.optional(&["difficulty"], whole)?.unwrap_or_default(),
        number: shown.required(&["number"], number)?,
        gas_limit: shown.required(&["gaslimit"], number)?,
        gas_used: shown.required(&["gasused"], number)?,
        timestamp: shown.required(&["timestamp"], number)?,
        extra_data: shown.optional(&["extradata"], bytes)?.unwrap_or_default(),
        mix_hash: optional_hash(&["mixhash", "prevrandao", "mixdigest"])?.unwrap_or_default(),
        nonce: shown.optional(&["nonce"], nonce)?.unwrap_or_default(),
        base_fee_per_gas: optional("basefeepergas")?,
        withdrawals_root: optional_hash(&["withdrawalsroot"])?,
        blob_gas_used: optional("blobgasused")?,
        excess_blob_gas: optional("excessblobgas")?,
        parent_beacon_block_root: optional_hash(&["parentbeaconblockroot"])?,
        requests_hash: optional_hash(&["requestshash", "requestsroot"])?,
        block_access_list_hash: optional_hash(&["blockaccesslisthash", "balhash"])?,
        slot_number: optional("slotnumber")?,
    })
}

/// The hash that an object gives to the header that it shows; none of a pending block.
pub(crate) fn claimed(shown: &Object<'_>) -> Result<Option<B256>, String> {
    shown.optional(&["hash"], fixed::<32>)
}

/// Eight bytes, which some write as a number.
fn nonce(raw: &RawValue) -> Result<B64, String> {
    padded::<8>(raw).or_else(|error| number::<u64>(raw).map(B64::from).map_err(|_| error))
}
