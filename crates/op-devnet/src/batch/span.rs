//! Span batches (specification: `protocol/delta/span-batches.md`).

use crate::{chain::Block, pool::Pooled, seal::users};
use alloy_consensus::Transaction;
use alloy_eips::Typed2718;
use alloy_primitives::Signature;
use alloy_rlp::Encodable;
use op_alloy_consensus::OpTxEnvelope;
use std::sync::Arc;

/// A batch of blocks that follow on each other; `before` is the one before the first. None without a block, or with a transaction that has
/// no signature.
pub(crate) fn span(genesis_time: u64, before: &Block, blocks: &[Arc<Block>]) -> Option<Vec<u8>> {
    let (first, last) = (blocks.first()?, blocks.last()?);
    let mut out = vec![1];
    uvarint(&mut out, first.header.timestamp.checked_sub(genesis_time)?);
    uvarint(&mut out, last.origin.number);
    out.extend(&first.header.parent_hash[..20]);
    out.extend(&last.origin.hash[..20]);
    uvarint(&mut out, blocks.len() as u64);
    let parents = std::iter::once(before).chain(blocks.iter().map(|block| &**block));
    bits(&mut out, parents.zip(blocks).map(|(parent, block)| parent.origin.number != block.origin.number));
    for block in blocks {
        uvarint(&mut out, users(block).count() as u64);
    }
    transactions(&mut out, &blocks.iter().flat_map(|block| users(block)).collect::<Vec<_>>())?;
    Some(out)
}

/// The parts of all transactions, each kind of part together.
fn transactions(out: &mut Vec<u8>, all: &[&Arc<Pooled>]) -> Option<()> {
    let signatures: Vec<Signature> = all.iter().map(|one| signature(&one.envelope)).collect::<Option<_>>()?;
    bits(out, all.iter().map(|one| one.envelope.to().is_none()));
    bits(out, signatures.iter().map(Signature::v));
    for signature in &signatures {
        out.extend(signature.r().to_be_bytes::<32>());
        out.extend(signature.s().to_be_bytes::<32>());
    }
    for to in all.iter().filter_map(|one| one.envelope.to()) {
        out.extend(to);
    }
    all.iter().for_each(|one| data(out, &one.envelope));
    all.iter().for_each(|one| uvarint(out, one.envelope.nonce()));
    all.iter().for_each(|one| uvarint(out, one.envelope.gas_limit()));
    let legacy = all.iter().filter(|one| one.envelope.is_legacy());
    bits(out, legacy.map(|one| one.envelope.chain_id().is_some()));
    Some(())
}

/// "Transaction data encoding": what is nowhere else.
fn data(out: &mut Vec<u8>, transaction: &OpTxEnvelope) {
    let mut fields = Vec::new();
    transaction.value().encode(&mut fields);
    match transaction.gas_price() {
        Some(price) => price.encode(&mut fields),
        None => {
            transaction.max_priority_fee_per_gas().unwrap_or_default().encode(&mut fields);
            transaction.max_fee_per_gas().encode(&mut fields);
        }
    }
    transaction.input().encode(&mut fields);
    if let Some(list) = transaction.access_list() {
        list.encode(&mut fields);
    }
    if let Some(list) = transaction.authorization_list() {
        list.to_vec().encode(&mut fields);
    }
    if !transaction.is_legacy() {
        out.push(transaction.ty());
    }
    alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(out);
    out.extend(fields);
}

const fn signature(transaction: &OpTxEnvelope) -> Option<Signature> {
    Some(match transaction {
        OpTxEnvelope::Legacy(one) => *one.signature(),
        OpTxEnvelope::Eip2930(one) => *one.signature(),
        OpTxEnvelope::Eip1559(one) => *one.signature(),
        OpTxEnvelope::Eip7702(one) => *one.signature(),
        _ => return None,
    })
}

/// Groups of seven bits, the lowest first.
fn uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A big-endian number whose lowest bit is the first.
fn bits(out: &mut Vec<u8>, bits: impl Iterator<Item = bool>) {
    let bits: Vec<bool> = bits.collect();
    let bytes = bits
        .chunks(8)
        .map(|eight| eight.iter().enumerate().fold(0_u8, |byte, (at, bit)| byte | u8::from(*bit) << at));
    let mut bytes: Vec<u8> = bytes.collect();
    bytes.reverse();
    out.extend(bytes);
}
