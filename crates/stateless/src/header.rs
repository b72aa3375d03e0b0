//! What a header must be, given its parent and the chain's rules; what execution must reproduce is checked elsewhere.

use crate::chain::{BaseFeeRule, ChainSpec, Fork, GasLimitRule, MIN_GAS_LIMIT};
use crate::consensus::Consensus;
use crate::error::StatelessError;
use alloy_consensus::{Header, constants::EMPTY_OMMER_ROOT_HASH};
use alloy_eips::{eip4844::DATA_GAS_PER_BLOB, eip7840::BlobParams};
use alloy_primitives::{B64, U256};

/// The most extra data a header may carry, in bytes (Ethereum yellow paper, Hx).
const MAX_EXTRA_DATA: usize = 32;
/// A gas limit must differ from its parent's by less than one part in this many (yellow paper, equation 48).
const GAS_LIMIT_DIVISOR: u64 = 1024;

/// Checks every field of a header that follows from its parent or from its fork, and returns the fork.
///
/// The parent hash is checked by the caller, who has the hashes.
pub(crate) fn check(chain: &ChainSpec, parent: &Header, header: &Header) -> Result<Fork, StatelessError> {
    let block = header.number;
    let Some(expected) = parent.number.checked_add(1) else {
        return Err(StatelessError::ParentOutOfRange { block });
    };
    if block != expected {
        return Err(StatelessError::NumberMismatch { expected, got: block });
    }
    if header.timestamp <= parent.timestamp {
        return Err(StatelessError::TimestampNotAfterParent {
            block,
            parent: parent.timestamp,
            got: header.timestamp,
        });
    }
    let fork = chain
        .fork_at(header.timestamp)
        .ok_or(StatelessError::BeforeShanghai { block, timestamp: header.timestamp })?;
    if header.extra_data.len() > MAX_EXTRA_DATA {
        return Err(StatelessError::ExtraDataTooLong { block, len: header.extra_data.len() });
    }
    for (field, right) in [
        ("difficulty", header.difficulty == U256::ZERO),
        ("nonce", header.nonce == B64::ZERO),
        ("list of ommers", header.ommers_hash == EMPTY_OMMER_ROOT_HASH),
    ] {
        if !right {
            return Err(StatelessError::NotProofOfStake { block, field });
        }
    }
    check_presence(header, fork)?;
    if chain.consensus == Consensus::Rollup
        && let Some(got) = header.parent_beacon_block_root
        && !got.is_zero()
    {
        return Err(StatelessError::BeaconRootOfRollup { block, got });
    }
    if header.gas_limit > chain.max_gas_limit {
        let (max, got) = (chain.max_gas_limit, header.gas_limit);
        return Err(StatelessError::GasLimitAboveMaximum { block, max, got });
    }
    if chain.gas_limit == GasLimitRule::Bounded {
        check_gas_limit(parent, header)?;
    }
    if header.gas_used > header.gas_limit {
        let (gas_limit, gas_used) = (header.gas_limit, header.gas_used);
        return Err(StatelessError::GasUsedAboveLimit { block, gas_limit, gas_used });
    }
    check_base_fee(chain, parent, header)?;
    if let Some(params) = chain.blobs_at(header.timestamp) {
        check_blobs(&params, fork, parent, header)?;
    }
    Ok(fork)
}

/// A fork's fields are there from its activation on, and not before.
fn check_presence(header: &Header, fork: Fork) -> Result<(), StatelessError> {
    let block = header.number;
    let since = |first: Fork| fork >= first;
    for (field, present, wanted) in [
        ("baseFeePerGas", header.base_fee_per_gas.is_some(), true),
        ("withdrawalsRoot", header.withdrawals_root.is_some(), true),
        ("blobGasUsed", header.blob_gas_used.is_some(), since(Fork::Cancun)),
        ("excessBlobGas", header.excess_blob_gas.is_some(), since(Fork::Cancun)),
        ("parentBeaconBlockRoot", header.parent_beacon_block_root.is_some(), since(Fork::Cancun)),
        ("requestsHash", header.requests_hash.is_some(), since(Fork::Prague)),
        ("blockAccessListHash", header.block_access_list_hash.is_some(), false),
        ("slotNumber", header.slot_number.is_some(), false),
    ] {
        match (present, wanted) {
            (false, true) => return Err(StatelessError::FieldMissing { block, field, fork }),
            (true, false) => return Err(StatelessError::FieldUnknown { block, field, fork }),
            _ => {}
        }
    }
    Ok(())
}

fn check_gas_limit(parent: &Header, header: &Header) -> Result<(), StatelessError> {
    let bound = parent.gas_limit / GAS_LIMIT_DIVISOR;
    if header.gas_limit.abs_diff(parent.gas_limit) >= bound || header.gas_limit < MIN_GAS_LIMIT {
        return Err(StatelessError::GasLimitOutOfBounds {
            block: header.number,
            parent: parent.gas_limit,
            got: header.gas_limit,
        });
    }
    Ok(())
}

fn check_base_fee(chain: &ChainSpec, parent: &Header, header: &Header) -> Result<(), StatelessError> {
    let block = header.number;
    let BaseFeeRule::Eip1559 { max_change_denominator, elasticity } = chain.base_fee else { return Ok(()) };
    let expected = next_base_fee(parent, max_change_denominator.into(), elasticity.into())
        .ok_or(StatelessError::ParentOutOfRange { block })?;
    let got = header.base_fee_per_gas.unwrap_or_default();
    if got != expected {
        return Err(StatelessError::BaseFeeMismatch { block, expected, got });
    }
    Ok(())
}

/// EIP-1559. `None` where the parent has no base fee or numbers that do not fit; a parent is not trusted to be sane.
pub(crate) fn next_base_fee(parent: &Header, max_change_denominator: u128, elasticity: u128) -> Option<u64> {
    let base_fee = parent.base_fee_per_gas?;
    let used = u128::from(parent.gas_used);
    let target = u128::from(parent.gas_limit).checked_div(elasticity)?;
    let fee = u128::from(base_fee);
    let change = |gas: u128| fee.checked_mul(gas)?.checked_div(target)?.checked_div(max_change_denominator);
    let next = match used.checked_sub(target) {
        Some(0) => fee,
        Some(above) => fee.checked_add(change(above)?.max(1))?,
        None => fee.saturating_sub(change(target - used)?),
    };
    next.try_into().ok()
}

fn check_blobs(
    params: &BlobParams,
    fork: Fork,
    parent: &Header,
    header: &Header,
) -> Result<(), StatelessError> {
    let block = header.number;
    let expected =
        next_excess_blob_gas(params, fork, parent).ok_or(StatelessError::ParentOutOfRange { block })?;
    let got = header.excess_blob_gas.unwrap_or_default();
    if got != expected {
        return Err(StatelessError::ExcessBlobGasMismatch { block, expected, got });
    }
    let got = header.blob_gas_used.unwrap_or_default();
    let max = params.max_blob_gas_per_block();
    if got > max {
        return Err(StatelessError::BlobGasAboveLimit { block, max, got });
    }
    Ok(())
}

/// EIP-4844, and from Osaka on EIP-7918. A parent from before Cancun counts as having used no blobs.
fn next_excess_blob_gas(params: &BlobParams, fork: Fork, parent: &Header) -> Option<u64> {
    let excess = parent.excess_blob_gas.unwrap_or_default();
    let used = parent.blob_gas_used.unwrap_or_default();
    let Some(above) = excess.checked_add(used)?.checked_sub(params.target_blob_gas_per_block()) else {
        return Some(0);
    };
    if fork >= Fork::Osaka {
        let execution_cost = U256::from(params.blob_base_cost) * U256::from(parent.base_fee_per_gas?);
        let blob_cost = U256::from(DATA_GAS_PER_BLOB) * U256::from(params.calc_blob_fee(excess));
        if execution_cost > blob_cost {
            let spare = params.max_blob_count - params.target_blob_count;
            return excess.checked_add(used.checked_mul(spare)? / params.max_blob_count);
        }
    }
    Some(above)
}
