//! Blobs: that they are those of their hashes (EIP-4844), and the bytes that batchers put into them (specification:
//! `protocol/ecotone/derivation.md`, "Blob Encoding").

use alloc::{vec, vec::Vec};
use alloy_primitives::{B256, Bytes};
use ark_bls12_381::Fr;
use ark_ff::{AdditiveGroup, BigInteger, FftField, Field, PrimeField, batch_inversion};
use revm::precompile::crypto;

/// Field elements of a blob.
const ELEMENTS: usize = 4096;
/// Bytes of a blob.
pub const BLOB: usize = 32 * ELEMENTS;
/// The most bytes that a blob can hold in the OP Stack's encoding.
const MAX_DATA: usize = (4 * 31 + 3) * 1024 - 4;
/// What the challenge begins with (EIP-4844, `compute_challenge`).
const PROTOCOL: &[u8; 16] = b"FSBLOBVERIFY_V1_";
/// The first byte of the hash of a commitment by KZG.
const VERSIONED_HASH: u8 = 1;

/// A blob, with what shows that it is the one of its hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobData {
    /// Its 4,096 field elements, 131,072 bytes.
    pub blob: Bytes,
    /// The commitment to it by KZG, 48 bytes.
    pub commitment: Bytes,
    /// The proof of the blob (EIP-4844, `compute_blob_kzg_proof`), 48 bytes.
    pub proof: Bytes,
}

impl BlobData {
    /// The hash by which a transaction names it.
    pub fn versioned_hash(&self) -> B256 {
        let mut hash = crypto().sha256(&self.commitment);
        hash[0] = VERSIONED_HASH;
        hash.into()
    }

    /// Errors unless the blob is the one that its commitment commits to.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let not = "has a commitment or a proof that is not one of KZG's";
        let commitment: &[u8; 48] = self.commitment.as_ref().try_into().map_err(|_| not)?;
        let proof: &[u8; 48] = self.proof.as_ref().try_into().map_err(|_| not)?;
        let elements = self.elements().ok_or("is not 4,096 numbers below the field's order")?;
        let z = self.challenge();
        let y = evaluate(&elements, z);
        let bytes = |element: Fr| {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(&element.into_bigint().to_bytes_be());
            bytes
        };
        crypto()
            .verify_kzg_proof(&bytes(z), &bytes(y), commitment, proof)
            .map_err(|_| "is not the one that its commitment commits to")
    }

    fn elements(&self) -> Option<Vec<Fr>> {
        let (elements, rest) = self.blob.as_chunks::<32>();
        if elements.len() != ELEMENTS || !rest.is_empty() {
            return None;
        }
        elements.iter().map(element).collect()
    }

    /// The point at which the polynomial is looked at.
    fn challenge(&self) -> Fr {
        let degree = (ELEMENTS as u128).to_be_bytes();
        let hash = crypto().sha256(&[&PROTOCOL[..], &degree, &self.blob, &self.commitment].concat());
        Fr::from_be_bytes_mod_order(&hash)
    }
}

/// A field element in its only form.
fn element(bytes: &[u8; 32]) -> Option<Fr> {
    let element = Fr::from_be_bytes_mod_order(bytes);
    (element.into_bigint().to_bytes_be() == bytes).then_some(element)
}

/// The polynomial with these values at the roots of unity, in bit-reversed order, at another point (EIP-4844,
/// `evaluate_polynomial_in_evaluation_form`).
fn evaluate(values: &[Fr], z: Fr) -> Fr {
    let Some(root) = Fr::get_root_of_unity(ELEMENTS as u64) else { return Fr::ZERO };
    let mut power = Fr::ONE;
    let mut roots = vec![Fr::ZERO; ELEMENTS];
    for at in 0..ELEMENTS {
        roots[at.reverse_bits() >> (usize::BITS - ELEMENTS.trailing_zeros())] = power;
        power *= root;
    }
    if let Some(at) = roots.iter().position(|root| *root == z) {
        return values[at];
    }
    let mut weights: Vec<Fr> = roots.iter().map(|root| z - root).collect();
    batch_inversion(&mut weights);
    let sum: Fr =
        values.iter().zip(&roots).zip(&weights).map(|((value, root), weight)| *value * root * weight).sum();
    let order = Fr::from(ELEMENTS as u64);
    let factor = z.pow([ELEMENTS as u64]) - Fr::ONE;
    // The order is not 0 in the field.
    sum * factor * order.inverse().unwrap_or(Fr::ZERO)
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
    let only_zeros = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    if !only_zeros(&data[len..]) || !elements.all(|element| only_zeros(element)) {
        return None;
    }
    data.truncate(len);
    Some(data)
}
