//! What a batcher does: the other direction of what is tested.

use alloy_consensus::{EthereumTxEnvelope, Transaction, TxEip4844, TxEnvelope};
use alloy_eips::Decodable2718;
use alloy_primitives::{B256, Bytes, U256};
use alloy_rlp::Encodable;

/// A batch of one block.
pub(crate) fn single(parent: B256, epoch: (u64, B256), timestamp: u64, transactions: &[Bytes]) -> Vec<u8> {
    let mut fields = Vec::new();
    parent.encode(&mut fields);
    epoch.0.encode(&mut fields);
    epoch.1.encode(&mut fields);
    timestamp.encode(&mut fields);
    transactions.to_vec().encode(&mut fields);
    let mut batch = vec![0];
    alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut batch);
    batch.extend(fields);
    batch
}

/// A block of a span: whether its L1 block is the next one, and its transactions.
pub(crate) type SpanBlock = (bool, Vec<Bytes>);

/// A batch of blocks that follow on each other.
pub(crate) fn span(
    (relative, last_epoch): (u64, u64),
    (parent, l1): (B256, B256),
    blocks: &[SpanBlock],
) -> Vec<u8> {
    let mut out = vec![1];
    uvarint(&mut out, relative);
    uvarint(&mut out, last_epoch);
    out.extend(&parent[..20]);
    out.extend(&l1[..20]);
    uvarint(&mut out, blocks.len() as u64);
    bits(&mut out, blocks.iter().map(|(changes, _)| *changes));
    blocks.iter().for_each(|(_, transactions)| uvarint(&mut out, transactions.len() as u64));
    let all: Vec<EthereumTxEnvelope<TxEip4844>> = blocks
        .iter()
        .flat_map(|(_, transactions)| transactions)
        .map(|raw| EthereumTxEnvelope::decode_2718_exact(raw).unwrap())
        .collect();
    bits(&mut out, all.iter().map(|one| one.to().is_none()));
    bits(&mut out, all.iter().map(|one| one.signature().v()));
    for one in &all {
        out.extend(one.signature().r().to_be_bytes::<32>());
        out.extend(one.signature().s().to_be_bytes::<32>());
    }
    all.iter().filter_map(Transaction::to).for_each(|to| out.extend(to));
    for one in &all {
        let mut fields = Vec::new();
        one.value().encode(&mut fields);
        match one {
            EthereumTxEnvelope::Legacy(_) | EthereumTxEnvelope::Eip2930(_) => {
                one.gas_price().unwrap().encode(&mut fields);
            }
            _ => {
                one.max_priority_fee_per_gas().unwrap().encode(&mut fields);
                one.max_fee_per_gas().encode(&mut fields);
            }
        }
        one.input().encode(&mut fields);
        if let Some(list) = one.access_list() {
            list.encode(&mut fields);
        }
        if let Some(list) = one.authorization_list() {
            list.to_vec().encode(&mut fields);
        }
        let kind = one.tx_type() as u8;
        out.extend((kind > 0).then_some(kind));
        alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut out);
        out.extend(fields);
    }
    all.iter().for_each(|one| uvarint(&mut out, one.nonce()));
    all.iter().for_each(|one| uvarint(&mut out, one.gas_limit()));
    let legacy = all.iter().filter(|one| matches!(one, EthereumTxEnvelope::Legacy(_)));
    bits(&mut out, legacy.map(|one| one.chain_id().is_some()).collect::<Vec<_>>().into_iter());
    out
}

fn uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bits(out: &mut Vec<u8>, bits: impl ExactSizeIterator<Item = bool>) {
    let mut bytes = vec![0; bits.len().div_ceil(8)];
    for (at, bit) in bits.enumerate() {
        bytes[at / 8] |= u8::from(bit) << (at % 8);
    }
    bytes.reverse();
    out.extend(bytes);
}

/// The bytes of a channel with these batches.
pub(crate) fn rlp(batches: &[Vec<u8>]) -> Vec<u8> {
    batches.iter().flat_map(|batch| alloy_rlp::encode(batch.as_slice())).collect()
}

pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(bytes, 6)
}

/// Brotli's format, in its version byte's form, with nothing compressed (RFC 7932, section 9.2).
pub(crate) fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![1];
    for (at, piece) in bytes.chunks(1 << 16).enumerate() {
        // The window's size in the stream's first bit; not the last; four nibbles of length; uncompressed.
        let (length, window) = (piece.len() as u32 - 1, u32::from(at == 0));
        let header = length << (window + 3) | 1 << (window + 19);
        out.extend(&header.to_le_bytes()[..3]);
        out.extend(piece);
    }
    out.push(3);
    out
}

/// The data of a transaction with the frames of a channel, which are cut after so many bytes.
pub(crate) fn frames(id: u8, channel: &[u8], cut: usize) -> Vec<Vec<u8>> {
    let pieces: Vec<&[u8]> = channel.chunks(cut.max(1)).collect();
    let last = pieces.len() - 1;
    pieces.iter().enumerate().map(|(at, piece)| frame(id, at as u16, piece, at == last)).collect()
}

pub(crate) fn frame(id: u8, number: u16, data: &[u8], is_last: bool) -> Vec<u8> {
    let mut out = vec![id; 16];
    out.extend(number.to_be_bytes());
    out.extend((data.len() as u32).to_be_bytes());
    out.extend(data);
    out.push(u8::from(is_last));
    out
}

/// Version 0, and frames.
pub(crate) fn transaction(frames: &[Vec<u8>]) -> Vec<u8> {
    [&[0][..], &frames.concat()].concat()
}

/// What is written of a user's transaction.
pub(crate) fn raw(transaction: &TxEnvelope) -> Bytes {
    use alloy_eips::Encodable2718;
    transaction.encoded_2718().into()
}

/// A word of the ABI.
pub(crate) fn word(value: impl TryInto<U256>) -> [u8; 32] {
    let Ok(value) = value.try_into() else { panic!("a number") };
    value.to_be_bytes()
}

/// The ABI encoding of one byte string.
pub(crate) fn abi(bytes: &[u8]) -> Vec<u8> {
    let mut out = [word(32_u64), word(bytes.len() as u64)].concat();
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(32), 0);
    out
}
