//! Span batches (specification: `protocol/delta/span-batches.md`).

use super::{Unread, transactions};
use crate::codec::Reader;
use alloc::vec::Vec;
use alloy_primitives::Bytes;

/// The most blocks, and the most transactions, that a span may have (`MAX_SPAN_BATCH_ELEMENT_COUNT`). Nodes read no more bytes of a
/// transaction, either (op-node, `ReadTxData`).
pub(super) const MAX_ELEMENTS: u64 = 10_000_000;

/// The transactions of blocks that follow on each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpanBatch {
    /// Time of the first block, in seconds since 1970.
    pub(crate) timestamp: u64,
    /// The first bytes of the hash of the block before the first.
    pub(crate) parent_check: [u8; 20],
    /// The first bytes of the hash of the last block's L1 block.
    pub(crate) l1_check: [u8; 20],
    /// Oldest first; at least one.
    pub(crate) blocks: Vec<SpanBlock>,
}

/// A block of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpanBlock {
    /// Number of its L1 block.
    pub(crate) epoch: u64,
    pub(crate) transactions: Vec<Bytes>,
}

/// A span without its transactions, and how many of them each block has.
struct Head {
    span: SpanBatch,
    counts: Vec<u64>,
}

impl SpanBatch {
    pub(super) fn decode(bytes: &[u8], chain_id: u64, genesis_time: u64) -> Result<Self, Unread> {
        let mut input = Reader(bytes);
        let mut head = Self::head(&mut input, genesis_time).ok_or(Unread::NoBatch)?;
        let all: u64 = head.counts.iter().sum();
        let mut transactions = transactions::decode(&mut input, all, chain_id)?.into_iter();
        // What is behind the batch is not looked at by nodes, either.
        for (block, count) in head.span.blocks.iter_mut().zip(head.counts) {
            block.transactions = transactions.by_ref().take(count as usize).collect();
        }
        Ok(head.span)
    }

    /// All but the transactions. Nodes compute modulo 2^64 here, and judge what comes of it.
    fn head(input: &mut Reader<'_>, genesis_time: u64) -> Option<Head> {
        let timestamp = genesis_time.wrapping_add(uvarint(input)?);
        let last_epoch = uvarint(input)?;
        let parent_check = input.fixed().ok()?;
        let l1_check = input.fixed().ok()?;
        let count = uvarint(input).filter(|count| (1..=MAX_ELEMENTS).contains(count))?;
        let origin_bits = bits(input, count)?;
        let mut counts = Vec::new();
        let mut total = 0_u64;
        for _ in 0..count {
            let transactions = uvarint(input).filter(|count| *count <= MAX_ELEMENTS)?;
            total = total.checked_add(transactions).filter(|total| *total <= MAX_ELEMENTS)?;
            counts.push(transactions);
        }
        let changes = origin_bits.iter().filter(|changes| **changes).count() as u64;
        let mut epoch = last_epoch.wrapping_sub(changes);
        let blocks = origin_bits
            .into_iter()
            .map(|changes| {
                epoch = epoch.wrapping_add(changes.into());
                SpanBlock { epoch, transactions: Vec::new() }
            })
            .collect();
        Some(Head { span: Self { timestamp, parent_check, l1_check, blocks }, counts })
    }

    /// Number of the first block's L1 block.
    pub(crate) fn first_epoch(&self) -> u64 {
        self.blocks.first().map_or(0, |block| block.epoch)
    }

    /// Time of the last block.
    pub(crate) fn last_time(&self, block_time: u64) -> u64 {
        block_time.saturating_mul(self.blocks.len() as u64 - 1).saturating_add(self.timestamp)
    }

    /// Number of the last block's L1 block.
    pub(crate) fn last_epoch(&self) -> u64 {
        self.blocks.last().map_or(0, |block| block.epoch)
    }
}

/// An unsigned number in groups of seven bits, the lowest first.
pub(super) fn uvarint(input: &mut Reader<'_>) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let [byte] = input.fixed::<1>().ok()?;
        let bits = u64::from(byte & 0x7f);
        if bits.checked_shl(shift)? >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// So many bits, the lowest of the big-endian number first. Bits above them are an error.
pub(super) fn bits(input: &mut Reader<'_>, count: u64) -> Option<Vec<bool>> {
    let bytes = input.take(count.div_ceil(8) as usize).ok()?;
    let above = 8 * bytes.len() as u64 - count;
    if bytes.first().is_some_and(|first| above > 0 && first >> (8 - above) != 0) {
        return None;
    }
    Some((0..count as usize).map(|at| bytes[bytes.len() - 1 - at / 8] >> (at % 8) & 1 == 1).collect())
}
