//! The aggregation program: joins range proofs that follow on each other into the proof of an epoch.
//!
//! Verifying the proofs is the guest's part, because it is each zkVM's own; joining what they say is here.

use crate::error::{Link, ProgramError};
use crate::public_values::{AggregationPublicValues, PublicValues, RangePublicValues};
use alloc::vec::Vec;
use alloy_primitives::B256;

/// What an epoch proof is told besides its ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregation {
    /// The key of the range program, with which the guest verified every range proof.
    pub range_key: B256,
    /// The commitment to all checkpoints before the first ([`Boundary::commit`](crate::Boundary::commit)).
    pub from_commitment: B256,
    /// Of how many ranges each checkpoint is made, oldest first.
    pub checkpoints: Vec<u32>,
}

/// The aggregation program's input: the range program's key (32 bytes), the commitment before the first checkpoint (32 bytes),
/// the number of checkpoints and of the ranges of each (little-endian, 4 bytes each), then the public values of each range
/// proof, ABI-encoded, oldest first.
pub fn encode_input(by: &Aggregation, ranges: &[RangePublicValues]) -> Vec<u8> {
    let mut bytes = [by.range_key.as_slice(), by.from_commitment.as_slice()].concat();
    bytes.extend((by.checkpoints.len() as u32).to_le_bytes());
    by.checkpoints.iter().for_each(|ranges| bytes.extend(ranges.to_le_bytes()));
    ranges.iter().for_each(|range| bytes.extend(range.to_bytes()));
    bytes
}

/// Reads what [`encode_input`] wrote, and nothing else. Whether proofs say so is for the caller to verify.
pub fn decode_input(input: &[u8]) -> Result<(Aggregation, Vec<RangePublicValues>), ProgramError> {
    let short = || ProgramError::PublicValues { what: "an aggregation input", len: input.len() };
    let (range_key, rest) = input.split_first_chunk::<32>().ok_or_else(short)?;
    let (from_commitment, rest) = rest.split_first_chunk::<32>().ok_or_else(short)?;
    let (count, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let counts = (u32::from_le_bytes(*count) as usize).checked_mul(4).ok_or_else(short)?;
    let (checkpoints, rest) = rest.split_at_checked(counts).ok_or_else(short)?;
    let checkpoints = checkpoints.as_chunks::<4>().0.iter().map(|count| u32::from_le_bytes(*count)).collect();
    let ranges = rest
        .chunks(RangePublicValues::ABI_LEN)
        .map(RangePublicValues::from_bytes)
        .collect::<Result<_, _>>()?;
    let by =
        Aggregation { range_key: range_key.into(), from_commitment: from_commitment.into(), checkpoints };
    Ok((by, ranges))
}

/// Joins the public values of range proofs, oldest first.
///
/// Errors unless each range begins where the one before it ends (block number, block hash and state root), all are of one
/// chain, one chain specification, one rollup and one prover, and every checkpoint is made of whole ranges. The caller must
/// have verified a proof for each range.
pub fn fold(by: &Aggregation, ranges: &[RangePublicValues]) -> Result<AggregationPublicValues, ProgramError> {
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
        return Err(ProgramError::NoRanges);
    };
    for (at, range) in ranges.iter().enumerate() {
        check_range(at, first, range)?;
        if let Some(before) = at.checked_sub(1).and_then(|before| ranges.get(before)) {
            check_link(at, before, range)?;
        }
    }
    Ok(AggregationPublicValues {
        chainId: first.chainId,
        configHash: first.configHash,
        rollup: first.rollup,
        prover: first.prover,
        firstBlock: first.firstBlock,
        lastBlock: last.lastBlock,
        parentHash: first.parentHash,
        lastHash: last.lastHash,
        preStateRoot: first.preStateRoot,
        postStateRoot: last.postStateRoot,
        lastTimestamp: last.lastTimestamp,
        rangeKey: by.range_key,
        fromCommitment: by.from_commitment,
        toCommitment: commitment(by, ranges)?,
    })
}

/// Commits to where each checkpoint ends: at the end of the last of its ranges.
fn commitment(by: &Aggregation, ranges: &[RangePublicValues]) -> Result<B256, ProgramError> {
    let mut commitment = by.from_commitment;
    let mut left = ranges;
    for (at, count) in by.checkpoints.iter().enumerate() {
        let (of_it, rest) =
            left.split_at_checked(*count as usize).ok_or(ProgramError::RangesMissing { at })?;
        let last = of_it.last().ok_or(ProgramError::EmptyCheckpoint { at })?;
        commitment = last.boundary().commit(commitment);
        left = rest;
    }
    if left.is_empty() { Ok(commitment) } else { Err(ProgramError::RangesLeft { ranges: left.len() }) }
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
    if range.prover != first.prover {
        return Err(ProgramError::OtherProver { at, expected: first.prover, got: range.prover });
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
