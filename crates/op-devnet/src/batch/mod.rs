//! From blocks to what stands in L1 (specification: `protocol/derivation.md`, "Batch Submission Wire Format").

mod blob;
mod channel;
mod span;

pub(crate) use blob::{MOST_DATA as MOST_IN_BLOB, encode as blob};
pub(crate) use channel::{FRAME_OVERHEAD, compressed, frames};
pub(crate) use span::span;

use crate::{chain::Block, seal::users};
use alloy_primitives::Bytes;
use alloy_rlp::Encodable;

/// A batch of one block ("Batch Format", version 0).
pub(crate) fn single(block: &Block) -> Vec<u8> {
    let mut fields = Vec::new();
    block.header.parent_hash.encode(&mut fields);
    block.origin.number.encode(&mut fields);
    block.origin.hash.encode(&mut fields);
    block.header.timestamp.encode(&mut fields);
    let raws: Vec<Bytes> = users(block).map(|one| one.raw.clone()).collect();
    raws.encode(&mut fields);
    let mut batch = vec![0];
    alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut batch);
    batch.extend(fields);
    batch
}
