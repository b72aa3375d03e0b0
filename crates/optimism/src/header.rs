//! What a header must be, given its parent and the chain's rules; what execution must reproduce is checked elsewhere.

use crate::{error::OpError, fees::SEQUENCER_FEE_VAULT};
use alloy_consensus::{Header, constants::EMPTY_OMMER_ROOT_HASH};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{B64, B256, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use op_alloy_consensus::{decode_holocene_extra_data, decode_jovian_extra_data};
use proofmill_stateless::{MAX_GAS_LIMIT, OpFork, OpRules, parts};

/// The parameters of the base fee that a header's extra data hold from Holocene on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FeeParams {
    max_change_denominator: u32,
    elasticity: u32,
    /// In wei; from Jovian on.
    min_base_fee: u64,
}

/// Checks every field of a header that follows from its parent or from its fork, and returns the fork.
///
/// The parent hash is checked by the caller, who has the hashes.
pub(crate) fn check(rules: &OpRules, parent: &Header, header: &Header) -> Result<OpFork, OpError> {
    let block = header.number;
    let out_of_range = || OpError::ParentOutOfRange { block };
    let due = parent.number.checked_add(1).ok_or_else(out_of_range)?;
    number(block, "number", block, due)?;
    let due = parent.timestamp.checked_add(rules.block_time).ok_or_else(out_of_range)?;
    number(block, "timestamp", header.timestamp, due)?;
    let fork = fork_of(rules, parent, header)?;
    check_presence(header, fork)?;
    for (field, right) in [
        ("difficulty", header.difficulty == U256::ZERO),
        ("nonce", header.nonce == B64::ZERO),
        ("list of ommers", header.ommers_hash == EMPTY_OMMER_ROOT_HASH),
    ] {
        if !right {
            return Err(OpError::NotProofOfStake { block, field });
        }
    }
    // `exec-engine.md`, priority fees.
    if header.beneficiary != SEQUENCER_FEE_VAULT {
        return Err(OpError::FeeRecipient { block, got: header.beneficiary });
    }
    fee_params(fork, header).map_err(|reason| OpError::ExtraData {
        block,
        got: header.extra_data.clone(),
        reason,
    })?;
    // The gas limit is L1's (`SystemConfig`), so any will do here.
    at_most(block, "gasLimit", header.gas_limit, MAX_GAS_LIMIT)?;
    at_most(block, "gasUsed", header.gas_used, header.gas_limit)?;
    let due = next_base_fee(rules, fork, parent).ok_or_else(out_of_range)?;
    number(block, "baseFeePerGas", header.base_fee_per_gas.unwrap_or_default(), due)?;
    number(block, "excessBlobGas", header.excess_blob_gas.unwrap_or_default(), 0)?;
    at_most(block, "blobGasUsed", header.blob_gas_used.unwrap_or_default(), header.gas_limit)?;
    if fork < OpFork::Isthmus {
        hash(block, "withdrawalsRoot", header.withdrawals_root.unwrap_or_default(), EMPTY_ROOT_HASH)?;
    } else {
        hash(block, "requestsHash", header.requests_hash.unwrap_or_default(), EMPTY_REQUESTS_HASH)?;
    }
    Ok(fork)
}

/// The fork of a block, which must be its parent's: what the first block of a fork changes is data of the derivation.
pub(crate) fn fork_of(rules: &OpRules, parent: &Header, header: &Header) -> Result<OpFork, OpError> {
    let (block, timestamp) = (header.number, header.timestamp);
    let fork = rules.fork_at(timestamp).ok_or(OpError::BeforeCanyon { block, timestamp })?;
    if rules.fork_at(parent.timestamp) != Some(fork) {
        return Err(OpError::Activation { block, fork });
    }
    Ok(fork)
}

/// A fork's fields are there from its activation on, and not before.
fn check_presence(header: &Header, fork: OpFork) -> Result<(), OpError> {
    let block = header.number;
    for (field, present, wanted) in [
        ("baseFeePerGas", header.base_fee_per_gas.is_some(), true),
        ("withdrawalsRoot", header.withdrawals_root.is_some(), true),
        ("blobGasUsed", header.blob_gas_used.is_some(), fork >= OpFork::Ecotone),
        ("excessBlobGas", header.excess_blob_gas.is_some(), fork >= OpFork::Ecotone),
        ("parentBeaconBlockRoot", header.parent_beacon_block_root.is_some(), fork >= OpFork::Ecotone),
        ("requestsHash", header.requests_hash.is_some(), fork >= OpFork::Isthmus),
        ("blockAccessListHash", header.block_access_list_hash.is_some(), false),
        ("slotNumber", header.slot_number.is_some(), false),
    ] {
        match (present, wanted) {
            (false, true) => return Err(OpError::FieldMissing { block, field, fork }),
            (true, false) => return Err(OpError::FieldUnknown { block, field, fork }),
            _ => {}
        }
    }
    Ok(())
}

/// Reads the extra data, which must have the form of the fork: `holocene/exec-engine.md`, `jovian/exec-engine.md`.
fn fee_params(fork: OpFork, header: &Header) -> Result<Option<FeeParams>, &'static str> {
    let extra = &header.extra_data;
    let (elasticity, max_change_denominator, min_base_fee) = if fork < OpFork::Holocene {
        return if extra.is_empty() { Ok(None) } else { Err("before Holocene it must be empty") };
    } else if fork < OpFork::Jovian {
        let form = "it must be 9 bytes: version 0, denominator, elasticity";
        let (elasticity, denominator) = decode_holocene_extra_data(extra).map_err(|_| form)?;
        (elasticity, denominator, 0)
    } else {
        let form = "it must be 17 bytes: version 1, denominator, elasticity, minimum base fee";
        decode_jovian_extra_data(extra).map_err(|_| form)?
    };
    if max_change_denominator == 0 || elasticity == 0 {
        return Err("denominator and elasticity must not be 0");
    }
    Ok(Some(FeeParams { max_change_denominator, elasticity, min_base_fee }))
}

/// The base fee that follows from a parent of the same fork. `None` where the parent has none, or numbers that do
/// not fit; a parent is not trusted to be sane.
pub(crate) fn next_base_fee(rules: &OpRules, fork: OpFork, parent: &Header) -> Option<u64> {
    if fork < OpFork::Holocene {
        // A genesis block may have free text here.
        return parts::next_base_fee(parent, rules.max_change_denominator, rules.elasticity);
    }
    let params = fee_params(fork, parent).ok()??;
    let metered = match fork >= OpFork::Jovian {
        true => parent.gas_used.max(parent.blob_gas_used?),
        false => parent.gas_used,
    };
    let parent = Header {
        gas_used: metered,
        gas_limit: parent.gas_limit,
        base_fee_per_gas: parent.base_fee_per_gas,
        ..Default::default()
    };
    let fee = parts::next_base_fee(&parent, params.max_change_denominator, params.elasticity)?;
    Some(fee.max(params.min_base_fee))
}

pub(crate) fn number(block: u64, field: &'static str, said: u64, due: u64) -> Result<(), OpError> {
    if said == due { Ok(()) } else { Err(OpError::Number { block, field, said, due }) }
}

pub(crate) fn hash(block: u64, field: &'static str, said: B256, due: B256) -> Result<(), OpError> {
    if said == due { Ok(()) } else { Err(OpError::Hash { block, field, said, due }) }
}

fn at_most(block: u64, field: &'static str, said: u64, max: u64) -> Result<(), OpError> {
    if said <= max { Ok(()) } else { Err(OpError::Above { block, field, said, max }) }
}
