//! All blobs of a range against one KZG proof.
//!
//! A blob is a polynomial by its values at the roots of unity (EIP-4844). From all blobs and commitments together follow a point
//! and a coefficient for each blob ([`Challenge`]). The sum of the blobs, each times its coefficient, is a blob again, and the same sum of
//! the commitments commits to it. The proof shows its value at the point. A blob that is not the one of its commitment has the
//! right value there by chance only: for one of 2¹²⁰ coefficients, or at one of 2²⁴² points.

use crate::blob::{BLOB, BlobData, ELEMENTS};
use crate::error::DerivationError;
use alloc::{vec, vec::Vec};
use alloy_primitives::{B256, Bytes, keccak256};
use ark_bls12_381::{Fr, G1Affine, G1Projective};
use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, BigInteger, FftField, Field, PrimeField, batch_inversion};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use revm::precompile::crypto;

/// What the hash of all blobs begins with. Nothing else that is hashed does.
const DOMAIN: &[u8; 16] = b"PROOFMILL_BLOBS1";

/// A blob, the commitment to it, and its coefficient, which is below 2¹²⁰.
pub type ScaledBlob<'a> = (&'a [u8; BLOB], &'a [u8; 48], u128);

/// What checks KZG proofs of blobs: a zkVM's own instructions inside a guest, [`Arkworks`] elsewhere.
pub trait Kzg {
    /// Whether the sum of blobs, each times its coefficient, has at `z` (big-endian) the value that `proof` shows of the same sum of
    /// their commitments. Not where an argument is not well-formed: elements of blobs are below the order, commitments and
    /// proof are of the group in the encoding of EIP-4844.
    fn verify(z: &[u8; 32], blobs: &[ScaledBlob<'_>], proof: &[u8; 48]) -> bool;
}

/// Errors unless each blob is the one of its commitment.
pub(crate) fn check<K: Kzg>(blobs: &[BlobData], proof: &[u8]) -> Result<(), DerivationError> {
    if blobs.is_empty() {
        return Ok(());
    }
    let wrong = |what| DerivationError::Blobs { what };
    let proof = proof.try_into().map_err(|_| wrong("proof of the blobs is not 48 bytes"))?;
    let challenge =
        Challenge::of(blobs).ok_or(wrong("blobs and commitments are not 131,072 and 48 bytes"))?;
    if !K::verify(&challenge.z, &challenge.blobs, proof) {
        return Err(wrong("blobs are not the ones of their commitments, or their proof is of other ones"));
    }
    Ok(())
}

/// What follows from blobs and commitments, which are chosen before.
struct Challenge<'a> {
    /// The point at which polynomials are looked at, below 2²⁵⁴ and so below the order; big-endian.
    z: [u8; 32],
    blobs: Vec<ScaledBlob<'a>>,
}

impl<'a> Challenge<'a> {
    /// keccak256 of the number of blobs, and of each one's commitment and keccak256; the point and the coefficients are hashes of
    /// that and a number. `None` where anything has another length than it should.
    fn of(blobs: &'a [BlobData]) -> Option<Self> {
        let mut all = DOMAIN.to_vec();
        all.extend((blobs.len() as u64).to_be_bytes());
        for BlobData { blob, commitment } in blobs {
            all.extend(commitment);
            all.extend(keccak256(blob));
        }
        let seed = keccak256(&all);
        let drawn = |number: usize| {
            let mut bytes = [0; 40];
            bytes[..32].copy_from_slice(seed.as_slice());
            bytes[32..].copy_from_slice(&(number as u64).to_be_bytes());
            keccak256(bytes).0
        };
        let scaled = |(at, BlobData { blob, commitment }): (usize, &'a BlobData)| {
            let drawn = u128::from_be_bytes(*drawn(at + 1).first_chunk()?);
            Some((blob.as_ref().try_into().ok()?, commitment.as_ref().try_into().ok()?, drawn >> 8))
        };
        let mut z = drawn(0);
        z[0] &= 0x3f;
        Some(Self { z, blobs: blobs.iter().enumerate().map(scaled).collect::<Option<_>>()? })
    }
}

/// What the proof of blobs is made of: `compute_kzg_proof` of EIP-4844 makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combination {
    /// The sum of the blobs, each times its coefficient.
    pub blob: Bytes,
    /// The point.
    pub z: B256,
}

/// The combination of blobs whose proof an input has ([`DerivationInput::blobs_proof`](crate::DerivationInput::blobs_proof)). `None`
/// where one is no blob.
pub fn combination(blobs: &[BlobData]) -> Option<Combination> {
    let challenge = Challenge::of(blobs)?;
    let sum = sum(&challenge.blobs)?;
    let blob: Vec<u8> = sum.into_iter().flat_map(bytes).collect();
    Some(Combination { blob: blob.into(), z: challenge.z.into() })
}

/// [`Kzg`] in software: arkworks' fields and curve, and the pairing of revm's precompile.
#[derive(Clone, Copy, Debug)]
pub struct Arkworks;

impl Kzg for Arkworks {
    fn verify(z: &[u8; 32], blobs: &[ScaledBlob<'_>], proof: &[u8; 48]) -> bool {
        let (Some(z), Some(sum)) = (element(z), sum(blobs)) else { return false };
        let mut commitments = G1Projective::ZERO;
        for (_, commitment, coefficient) in blobs {
            let Some(commitment) = point(commitment) else { return false };
            commitments += commitment * Fr::from(*coefficient);
        }
        let mut commitment = [0; 48];
        let is_written = commitments.into_affine().serialize_compressed(&mut commitment[..]).is_ok();
        let y = bytes(evaluate(&sum, z));
        is_written && crypto().verify_kzg_proof(&bytes(z), &y, &commitment, proof).is_ok()
    }
}

/// A point of the group in its only form.
fn point(bytes: &[u8; 48]) -> Option<G1Affine> {
    let point = G1Affine::deserialize_compressed(&bytes[..]).ok()?;
    let mut again = [0; 48];
    point.serialize_compressed(&mut again[..]).ok()?;
    (again == *bytes).then_some(point)
}

/// A field element in its only form.
fn element(bytes: &[u8; 32]) -> Option<Fr> {
    let element = Fr::from_be_bytes_mod_order(bytes);
    (element.into_bigint().to_bytes_be() == bytes).then_some(element)
}

fn bytes(element: Fr) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&element.into_bigint().to_bytes_be());
    bytes
}

/// Element by element the sum of blobs, each times its coefficient.
fn sum(blobs: &[ScaledBlob<'_>]) -> Option<Vec<Fr>> {
    let mut sums = vec![Fr::ZERO; ELEMENTS];
    for (blob, _, coefficient) in blobs {
        let coefficient = Fr::from(*coefficient);
        for (sum, bytes) in sums.iter_mut().zip(blob.as_chunks::<32>().0) {
            *sum += element(bytes)? * coefficient;
        }
    }
    Some(sums)
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
