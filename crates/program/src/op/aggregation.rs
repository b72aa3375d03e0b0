//! The aggregation program for chains of the OP Stack: joins range proofs that follow on each other.
//!
//! Verifying the proofs is the guest's part, because it is each zkVM's own; joining what they say is here.

use super::{OpAggregationError, OpAggregationPublicValues, OpRangePublicValues};
use crate::error::ProgramError;
use crate::public_values::PublicValues;
use alloc::{collections::BTreeSet, vec::Vec};
use alloy_primitives::{Address, B256, keccak256};

/// What an aggregation is told besides its ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpAggregation {
    /// The key of the range program, with which the guest verified every range proof.
    pub range_key: B256,
    /// Who may show the proof.
    pub prover: Address,
    /// The L1 block whose hash the contract knows.
    pub l1_head: B256,
    /// RLP of L1 headers, oldest first, each the parent of the next, the last that of `l1_head`. They reach back to the
    /// oldest L1 head of a range.
    pub l1_headers: Vec<Vec<u8>>,
}

/// Bytes before the headers: the range program's key, the prover, the L1 head, and how many headers there are.
const FIXED: usize = 32 + 20 + 32 + 4;

/// The aggregation program's input: the range program's key (32 bytes), the prover (20), the L1 head (32), the number of L1
/// headers (4, little-endian), each header's length (4, little-endian) and RLP, then the public values of each range proof,
/// oldest first.
pub fn encode_input(by: &OpAggregation, ranges: &[OpRangePublicValues]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FIXED + ranges.len() * OpRangePublicValues::LEN);
    bytes.extend(by.range_key.as_slice());
    bytes.extend(by.prover.as_slice());
    bytes.extend(by.l1_head.as_slice());
    bytes.extend((by.l1_headers.len() as u32).to_le_bytes());
    for header in &by.l1_headers {
        bytes.extend((header.len() as u32).to_le_bytes());
        bytes.extend(header);
    }
    ranges.iter().for_each(|range| bytes.extend(range.to_bytes()));
    bytes
}

/// Reads what [`encode_input`] wrote, and nothing else. Whether proofs say so is for the caller to verify.
pub fn decode_input(input: &[u8]) -> Result<(OpAggregation, Vec<OpRangePublicValues>), OpAggregationError> {
    let short = || ProgramError::PublicValues { what: "an aggregation input", len: input.len() };
    let (range_key, rest) = input.split_first_chunk::<32>().ok_or_else(short)?;
    let (prover, rest) = rest.split_first_chunk::<20>().ok_or_else(short)?;
    let (l1_head, rest) = rest.split_first_chunk::<32>().ok_or_else(short)?;
    let (count, mut rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let mut l1_headers = Vec::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let (len, behind) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let (header, behind) =
            behind.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or_else(short)?;
        l1_headers.push(header.to_vec());
        rest = behind;
    }
    let ranges = rest
        .chunks(OpRangePublicValues::LEN)
        .map(OpRangePublicValues::from_bytes)
        .collect::<Result<_, _>>()?;
    let by = OpAggregation {
        range_key: range_key.into(),
        prover: prover.into(),
        l1_head: l1_head.into(),
        l1_headers,
    };
    Ok((by, ranges))
}

/// Joins the public values of range proofs, oldest first.
///
/// Errors unless each begins with the output root with which the one before it ends, is of the same
/// configuration, and its L1 head is the aggregation's or one before it. The caller must have verified a proof for each
/// range.
pub fn fold(
    by: &OpAggregation,
    ranges: &[OpRangePublicValues],
) -> Result<OpAggregationPublicValues, OpAggregationError> {
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
        return Err(OpAggregationError::NoRanges);
    };
    let chain = l1_chain(by)?;
    for (at, range) in ranges.iter().enumerate() {
        if range.rollupConfigHash != first.rollupConfigHash {
            let (expected, got) = (first.rollupConfigHash, range.rollupConfigHash);
            return Err(OpAggregationError::OtherConfig { at, expected, got });
        }
        if !chain.contains(&range.l1Head) {
            let headers = by.l1_headers.len();
            return Err(OpAggregationError::HeadNotFound { at, head: range.l1Head, headers });
        }
    }
    for (at, pair) in ranges.windows(2).enumerate() {
        let [before, range] = pair else { continue };
        let at = at + 1;
        if before.l2PostRoot != range.l2PreRoot {
            return Err(OpAggregationError::Broken { at, expected: before.l2PostRoot, got: range.l2PreRoot });
        }
        if before.l2BlockNumber >= range.l2BlockNumber {
            let (before, got) = (before.l2BlockNumber, range.l2BlockNumber);
            return Err(OpAggregationError::NotLater { at, before, got });
        }
    }
    Ok(OpAggregationPublicValues {
        l1Head: by.l1_head,
        l2PreRoot: first.l2PreRoot,
        claimRoot: last.l2PostRoot,
        claimBlockNum: last.l2BlockNumber,
        rollupConfigHash: first.rollupConfigHash,
        rangeVkeyCommitment: by.range_key,
        proverAddress: by.prover,
    })
}

/// The hashes of the headers, which follow on each other up to the L1 head.
fn l1_chain(by: &OpAggregation) -> Result<BTreeSet<B256>, OpAggregationError> {
    let mut hashes = BTreeSet::new();
    let mut expected = by.l1_head;
    for (at, header) in by.l1_headers.iter().enumerate().rev() {
        let got = keccak256(header);
        if got != expected {
            return Err(OpAggregationError::HeaderChain { at, expected, got });
        }
        hashes.insert(got);
        expected = parent_hash(header).ok_or(OpAggregationError::Header { at })?;
    }
    Ok(hashes)
}

/// The first field of a header. That the bytes are a header follows from their hash, which a block of L1 has.
fn parent_hash(header: &[u8]) -> Option<B256> {
    let fields = match header.split_first()? {
        (0xc0..=0xf7, fields) => fields,
        (&kind, rest) if kind > 0xf7 => rest.split_at_checked(usize::from(kind - 0xf7))?.1,
        _ => return None,
    };
    let (0xa0, rest) = fields.split_first()? else { return None };
    rest.first_chunk::<32>().map(|hash| (*hash).into())
}
