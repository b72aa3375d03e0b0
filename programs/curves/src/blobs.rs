//! Many blobs of EIP-4844 against one KZG proof.

use crate::{
    Prime, Scalars, ScaledBlob,
    kzg::{decompress, opens},
    point::{Point, add, double},
};
use alloc::vec::Vec;

/// Whether the sum of blobs, each times its coefficient, has at `z` the value that `proof` shows of the same sum of their commitments.
/// Not when an argument is not well-formed: every commitment is to be of the group, and every element of a blob below the order.
///
/// Where `z` and the coefficients are chosen at random after blobs and commitments, this says of each blob that it is the one of its
/// commitment: polynomials of degree below 4,096 that differ have the same value at fewer than 4,096 of more than 2²⁵³ points, and if
/// one has another value, one coefficient at most makes up for it, whatever the others are.
pub fn verify_blobs<F: Prime, S: Scalars>(z: &[u8; 32], blobs: &[ScaledBlob<'_>], proof: &[u8; 48]) -> bool {
    F::prepare();
    let Some(proof) = decompress::<F>(proof) else { return false };
    let mut commitments = Vec::with_capacity(blobs.len());
    for (_, commitment, coefficient) in blobs {
        let Some(commitment) = decompress::<F>(commitment) else { return false };
        commitments.push((commitment, *coefficient));
    }
    let Some(y) = S::value(z, blobs) else { return false };
    opens(z, &y, &sum(&commitments), &proof)
}

/// The sum of points, each times its coefficient. They share the doublings.
fn sum<F: Prime>(points: &[(Point<F>, u128)]) -> Point<F> {
    let mut sum = None;
    for bit in (0..u128::BITS).rev() {
        sum = double(&sum);
        for (point, coefficient) in points {
            if coefficient >> bit & 1 == 1 {
                sum = add(&sum, point);
            }
        }
    }
    sum
}
