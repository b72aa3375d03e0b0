//! Blobs: the hashes by which transactions name them (EIP-4844), and the bytes that batchers put into them (specification:
//! `protocol/ecotone/derivation.md`, "Blob Encoding").

use alloc::{vec, vec::Vec};
use alloy_primitives::{B256, Bytes};
use revm::precompile::crypto;

/// Field elements of a blob.
pub(crate) const ELEMENTS: usize = 4096;
/// Bytes of a blob.
pub const BLOB: usize = 32 * ELEMENTS;
/// The most bytes that a blob can hold in the OP Stack's encoding.
const MAX_DATA: usize = (4 * 31 + 3) * 1024 - 4;
/// The first byte of the hash of a commitment by KZG.
const VERSIONED_HASH: u8 = 1;

/// A blob, and the commitment to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobData {
    /// Its 4,096 field elements, 131,072 bytes.
    pub blob: Bytes,
    /// The commitment to it by KZG, 48 bytes.
    pub commitment: Bytes,
}

impl BlobData {
    /// The hash by which a transaction names it.
    pub fn versioned_hash(&self) -> B256 {
        let mut hash = crypto().sha256(&self.commitment);
        hash[0] = VERSIONED_HASH;
        hash.into()
    }
}

/// What a batcher put into a blob; nothing where it is not in the encoding.
pub(crate) fn decode(blob: &[u8]) -> Option<Vec<u8>> {
    let (elements, rest) = blob.as_chunks::<32>();
    if elements.len() != ELEMENTS || !rest.is_empty() {
        return None;
    }
    let [_, version, high, middle, low, ..] = *elements.first()?;
    let len = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
    if version != 0 || len > MAX_DATA {
        return None;
    }
    // Each element has 31 whole bytes, and four of them three bytes in what is left of their first ones.
    let mut data = vec![0; MAX_DATA];
    let mut at = 0;
    let mut elements = elements.iter();
    let mut is_first = true;
    while is_first || at < len {
        let mut tops = [0_u8; 4];
        let start = at;
        let mut gaps = [0; 3];
        for (nth, top) in tops.iter_mut().enumerate() {
            let element = elements.next()?;
            *top = element[0];
            let is_very_first = is_first && nth == 0;
            // Nodes do not look at these bits of the first element, whose other bytes say how long it is.
            if *top & 0b1100_0000 != 0 && !is_very_first {
                return None;
            }
            let whole = if is_very_first { &element[5..] } else { &element[1..] };
            data.get_mut(at..at + whole.len())?.copy_from_slice(whole);
            at += whole.len();
            if let Some(gap) = gaps.get_mut(nth) {
                *gap = at;
                at += 1;
            }
        }
        debug_assert!(at - start == if is_first { 123 } else { 127 });
        let filled = [
            tops[0] & 0b0011_1111 | (tops[1] & 0b0011_0000) << 2,
            tops[1] & 0b0000_1111 | (tops[3] & 0b0000_1111) << 4,
            tops[2] & 0b0011_1111 | (tops[3] & 0b0011_0000) << 2,
        ];
        for (gap, byte) in gaps.into_iter().zip(filled) {
            *data.get_mut(gap)? = byte;
        }
        is_first = false;
    }
    // What is behind these elements' bytes was not written.
    let only_zeros = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all | byte) == 0;
    if !only_zeros(data.get(len..at)?) || !elements.all(|element| only_zeros(element)) {
        return None;
    }
    data.truncate(len);
    Some(data)
}
