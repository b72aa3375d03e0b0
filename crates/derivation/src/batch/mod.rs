//! Batches: what the sequencer put into its blocks (specification: `protocol/derivation.md`, "Batch Format").

mod span;
mod transactions;

use alloc::vec::Vec;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable, Header};

pub(crate) use span::SpanBatch;

/// A block's transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SingleBatch {
    pub(crate) parent_hash: B256,
    pub(crate) epoch_number: u64,
    pub(crate) epoch_hash: B256,
    pub(crate) timestamp: u64,
    pub(crate) transactions: Vec<Bytes>,
}

/// What a channel holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Batch {
    Single(SingleBatch),
    Span(SpanBatch),
}

/// Why bytes are not taken for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// They are none: the channel is of no use from there on.
    NoBatch,
    /// A transaction in it is none, by its type or its fields: nodes read the batch nevertheless, and differ in what they drop later.
    Unusable,
}

impl Batch {
    pub(crate) fn decode(bytes: &[u8], chain_id: u64, genesis_time: u64) -> Result<Self, Unread> {
        match bytes.split_first() {
            Some((0, rest)) => single(rest).map(Self::Single).ok_or(Unread::NoBatch),
            Some((1, rest)) => SpanBatch::decode(rest, chain_id, genesis_time).map(Self::Span),
            _ => Err(Unread::NoBatch),
        }
    }
}

fn single(mut bytes: &[u8]) -> Option<SingleBatch> {
    let mut fields = Header::decode_bytes(&mut bytes, true).ok()?;
    let parent_hash = B256::decode(&mut fields).ok()?;
    let epoch_number = u64::decode(&mut fields).ok()?;
    let epoch_hash = B256::decode(&mut fields).ok()?;
    let timestamp = u64::decode(&mut fields).ok()?;
    let transactions = Vec::<Bytes>::decode(&mut fields).ok()?;
    // What is behind the list is not looked at by nodes, either.
    fields.is_empty().then_some(SingleBatch {
        parent_hash,
        epoch_number,
        epoch_hash,
        timestamp,
        transactions,
    })
}
