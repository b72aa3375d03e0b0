//! The polynomials of blobs (EIP-4844) at one point: in the field of the order of BLS12-381's groups.
//!
//! A blob has the values of a polynomial at the 4,096 roots of unity `ωⁱ`, in bit-reversed order. Its value at `z` is the sum of these
//! values by the *weights* of `z`, which are the same for all blobs. The weight of `ωⁱ` is the polynomial that is 1 there and 0 at the
//! other roots, at `z`: with `x = z·ω⁻ⁱ`
//!
//! ```text
//! (1 + x + x² + … + x⁴⁰⁹⁵) / 4096 = (1 + x)·(1 + x²)·(1 + x⁴) … (1 + x²⁰⁴⁸) / 4096
//! ```
//!
//! That is so for every `z`, a root of unity or not, and takes no quotients. The last factor has two values, the two last ones four, and so
//! on: a tree, in which each product serves two weights, since `1 + t` and `1 − t` are factors of neighbours.

use crate::{Field, constant};
use alloc::{vec, vec::Vec};

/// Bytes of a blob.
pub const BLOB: usize = 32 * ELEMENTS;
/// Field elements of a blob.
pub(crate) const ELEMENTS: usize = 1 << LEVELS;
pub(crate) const LEVELS: usize = 12;
/// `1 / ω`: EIP-4844 has 7 as the generator, so `ω` is 7 to the power `(r − 1) / 4096`.
pub(crate) const ROOT: [u8; 32] = constant("391b2856c609b4784ae25ffab9dc59865046d17864183203961a252dd8543362");
/// `1 / 4096`.
pub(crate) const SHARE: [u8; 32] = constant("73e66878b46ae3705eb6a46a89213de7d3686828bfce5c19400fffff00100001");

/// A blob, the commitment to it, and a coefficient below 2¹²⁰.
pub type ScaledBlob<'a> = (&'a [u8; BLOB], &'a [u8; 48], u128);

/// What computes modulo the order of BLS12-381's groups.
pub trait Scalars {
    /// The value at `z` of the sum of blobs, each times its coefficient: big-endian, as `z` is. `None` where `z` or an element is not
    /// below the order, or a coefficient not below 2¹²⁰.
    fn value(z: &[u8; 32], blobs: &[ScaledBlob<'_>]) -> Option<[u8; 32]>;
}

/// An element of the field, on a machine that has it.
pub trait Scalar: Field {
    /// From big-endian bytes; `None` when the number is not below the order.
    fn decode(bytes: &[u8; 32]) -> Option<Self>;
    /// The least representative, big-endian.
    fn encode(&self) -> [u8; 32];
}

/// [`Scalars`] of a machine that has their field.
pub struct OnScalar<S>(core::marker::PhantomData<fn() -> S>);

impl<S: Scalar> Scalars for OnScalar<S> {
    fn value(z: &[u8; 32], blobs: &[ScaledBlob<'_>]) -> Option<[u8; 32]> {
        let mut sums = vec![S::zero(); ELEMENTS];
        for (blob, _, coefficient) in blobs {
            let coefficient = S::decode(&scalar(*coefficient)?)?;
            for (sum, element) in sums.iter_mut().zip(blob.as_chunks::<32>().0) {
                sum.add_assign(&S::decode(element)?.mul(&coefficient));
            }
        }
        let mut value = S::zero();
        for (at, weight) in weights(&S::decode(z)?)?.iter().enumerate() {
            value.add_assign(&sums[reversed(at)].mul(weight));
        }
        Some(value.encode())
    }
}

/// The weights of the roots of unity, in their order.
fn weights<S: Scalar>(z: &S) -> Option<Vec<S>> {
    let big_endian = |mut bytes: [u8; 32]| {
        bytes.reverse();
        S::decode(&bytes)
    };
    // To the powers 1, 2, 4 and so on.
    let mut powers = Vec::with_capacity(LEVELS);
    let (mut z, mut root) = (z.clone(), big_endian(ROOT)?);
    for _ in 0..LEVELS {
        powers.push((z.clone(), root.clone()));
        (z, root) = (z.square(), root.square());
    }
    let mut weights = vec![S::zero(); ELEMENTS];
    weights[0] = big_endian(SHARE)?;
    for (level, (mut power, root)) in powers.into_iter().rev().enumerate() {
        let (low, rest) = weights.split_at_mut(1 << level);
        for (low, high) in low.iter_mut().zip(rest) {
            let product = low.mul(&power);
            *high = low.sub(&product);
            low.add_assign(&product);
            power = power.mul(&root);
        }
    }
    Some(weights)
}

/// Where a blob has the value at the root of unity with this exponent.
pub(crate) fn reversed(exponent: usize) -> usize {
    exponent.reverse_bits() >> (usize::BITS as usize - LEVELS)
}

/// A coefficient, big-endian; `None` where it is not below 2¹²⁰.
fn scalar(coefficient: u128) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    bytes[16..].copy_from_slice(&coefficient.to_be_bytes());
    (coefficient >> 120 == 0).then_some(bytes)
}
