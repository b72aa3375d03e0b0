//! The aggregation program: joins range proofs that follow on each other into the proof of an epoch.
//!
//! Verifying the proofs is the guest's part, because it is each zkVM's own; joining what they say is here.

use crate::error::{Link, ProgramError};
use crate::public_values::{AggregationPublicValues, PublicValues, RangePublicValues, hash_of_hashes};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256};

/// What an epoch proof says besides what its ranges say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aggregation {
    /// The key of the range program, with which the guest verified every range proof.
    pub range_key: B256,
    /// Who proves the epoch.
    pub prover_id: Address,
}

/// The aggregation program's input: the range program's key (32 bytes), the prover (20 bytes), then the public values of
/// each range proof, ABI-encoded, oldest first.
pub fn encode_input(by: Aggregation, ranges: &[RangePublicValues]) -> Vec<u8> {
    let mut bytes = [by.range_key.as_slice(), by.prover_id.as_slice()].concat();
    ranges.iter().for_each(|range| bytes.extend(range.to_abi()));
    bytes
}

/// Reads what [`encode_input`] wrote, and nothing else. Whether proofs say so is for the caller to verify.
pub fn decode_input(input: &[u8]) -> Result<(Aggregation, Vec<RangePublicValues>), ProgramError> {
    let short = || ProgramError::PublicValues { what: "an aggregation input", len: input.len() };
    let (range_key, rest) = input.split_first_chunk::<32>().ok_or_else(short)?;
    let (prover_id, rest) = rest.split_first_chunk::<20>().ok_or_else(short)?;
    let ranges =
        rest.chunks(RangePublicValues::ABI_LEN).map(RangePublicValues::from_abi).collect::<Result<_, _>>()?;
    Ok((Aggregation { range_key: range_key.into(), prover_id: prover_id.into() }, ranges))
}

/// Joins the public values of range proofs, oldest first.
///
/// Errors unless each range begins where the one before it ends (block number, block hash and state root) and all are of
/// one chain, one chain configuration and one rollup. The caller must have verified a proof for each.
pub fn fold(by: Aggregation, ranges: &[RangePublicValues]) -> Result<AggregationPublicValues, ProgramError> {
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
        return Err(ProgramError::NoRanges);
    };
    let (mut gas_used, mut transactions) = (0_u64, 0_u64);
    for (at, range) in ranges.iter().enumerate() {
        check_range(at, first, range)?;
        if let Some(before) = at.checked_sub(1).and_then(|before| ranges.get(before)) {
            check_link(at, before, range)?;
        }
        gas_used = gas_used.checked_add(range.gasUsed).ok_or(ProgramError::Overflow)?;
        transactions = transactions.checked_add(range.transactions).ok_or(ProgramError::Overflow)?;
    }
    Ok(AggregationPublicValues {
        chainId: first.chainId,
        configHash: first.configHash,
        rollup: first.rollup,
        firstBlock: first.firstBlock,
        lastBlock: last.lastBlock,
        parentHash: first.parentHash,
        lastHash: last.lastHash,
        preStateRoot: first.preStateRoot,
        postStateRoot: last.postStateRoot,
        gasUsed: gas_used,
        transactions,
        blockHashes: hash_of_hashes(ranges.iter().map(|range| &range.blockHashes)),
        ranges: ranges.len() as u64,
        rangeKey: by.range_key,
        proverId: by.prover_id,
    })
}

fn check_range(at: usize, first: &RangePublicValues, range: &RangePublicValues) -> Result<(), ProgramError> {
    if range.lastBlock < range.firstBlock {
        return Err(ProgramError::EmptyRange { at, first: range.firstBlock, last: range.lastBlock });
    }
    if range.chainId != first.chainId {
        return Err(ProgramError::OtherChain { at, expected: first.chainId, got: range.chainId });
    }
    if range.configHash != first.configHash {
        return Err(ProgramError::OtherConfig { at, expected: first.configHash, got: range.configHash });
    }
    if range.rollup != first.rollup {
        return Err(ProgramError::OtherRollup { at, expected: first.rollup, got: range.rollup });
    }
    Ok(())
}

fn check_link(at: usize, before: &RangePublicValues, range: &RangePublicValues) -> Result<(), ProgramError> {
    if before.lastBlock.checked_add(1) != Some(range.firstBlock) {
        return Err(ProgramError::Gap { at, before: before.lastBlock, got: range.firstBlock });
    }
    for (link, expected, got) in [
        (Link::BlockHash, before.lastHash, range.parentHash),
        (Link::StateRoot, before.postStateRoot, range.preStateRoot),
    ] {
        if expected != got {
            return Err(ProgramError::Broken { at, link, expected, got });
        }
    }
    Ok(())
}
