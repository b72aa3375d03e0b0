//! Channels and frames (specification: `protocol/derivation.md`, "Channel Format" and "Frame Format"; `protocol/fjord/derivation.md`).

use crate::Compression;

/// Bytes of a frame beside its data, and the version byte before it.
pub(crate) const FRAME_OVERHEAD: usize = 1 + 16 + 2 + 4 + 1;
/// The byte before a channel in brotli's format.
const BROTLI: u8 = 1;
/// Bytes of a piece in brotli's format: a length of four nibbles.
const PIECE: usize = 1 << 16;

/// The bytes of a channel with these batches.
pub(crate) fn compressed(compression: Compression, batches: &[Vec<u8>]) -> Vec<u8> {
    let bytes: Vec<u8> = batches.iter().flat_map(|batch| alloy_rlp::encode(batch.as_slice())).collect();
    match compression {
        Compression::Zlib => miniz_oxide::deflate::compress_to_vec_zlib(&bytes, 6),
        Compression::Brotli => brotli(&bytes),
    }
}

/// Brotli's format (RFC 7932, sections 9.1 and 9.2), of pieces that are not compressed.
fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![BROTLI];
    for (at, piece) in bytes.chunks(PIECE).enumerate() {
        // From the lowest bit on: in the first byte of all a 0 for a window of 16 bits; not the last piece (1 bit), four nibbles of
        // length (2 bits), the length less one (16 bits), not compressed (1 bit). Then up to the next byte.
        let window = u32::from(at == 0);
        let header = (piece.len() as u32 - 1) << (3 + window) | 1 << (19 + window);
        out.extend(&header.to_le_bytes()[..3]);
        out.extend(piece);
    }
    // The last piece, and it is empty.
    out.push(0b11);
    out
}

/// The data of the transactions (or blobs) that carry a channel, one frame in each.
pub(crate) fn frames(id: [u8; 16], channel: &[u8], most: usize) -> Vec<Vec<u8>> {
    let pieces: Vec<&[u8]> = channel.chunks(most.saturating_sub(FRAME_OVERHEAD).max(1)).collect();
    let framed = pieces.iter().enumerate().map(|(number, piece)| {
        let mut out = Vec::with_capacity(piece.len() + FRAME_OVERHEAD);
        out.push(0);
        out.extend(id);
        out.extend((number as u16).to_be_bytes());
        out.extend((piece.len() as u32).to_be_bytes());
        out.extend(*piece);
        out.push(u8::from(number + 1 == pieces.len()));
        out
    });
    framed.collect()
}
