//! Splits a scalar along the endomorphism: `k = k1 + k2·λ` with both parts near 2¹²⁹ in size.
//!
//! The lattice basis is the one of "Guide to Elliptic Curve Cryptography" (Hankerson, Menezes, Vanstone), algorithm
//! 3.74, for secp256k1. The quotients are computed from the upper halves only, which makes the parts a bit or two
//! longer; that the parts add up to `k` rests on scalar arithmetic alone, not on the quotients.

use crate::{
    Machine, Uint, WORD_BITS,
    uint::{constant, is_zero, mul_top, wrapping_sub},
};

/// The order of the group.
pub(crate) const ORDER: Uint = constant([
    0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_fffe, 0xbaae_dce6, 0xaf48_a03b, 0xbfd2_5e8c, 0xd036_4141,
]);
/// `λ`: a cube root of one modulo the order.
pub(crate) const LAMBDA: Uint = constant([
    0x5363_ad4c, 0xc05c_30e0, 0xa526_1c02, 0x8812_645a, 0x122e_22ea, 0x2081_6678, 0xdf02_967c, 0x1b23_bd72,
]);
/// `−b1` of the lattice basis.
const MINUS_B1: Uint = constant([0, 0, 0, 0, 0xe443_7ed6, 0x010e_8828, 0x6f54_7fa9, 0x0abf_e4c3]);
/// `b2` of the lattice basis.
const B2: Uint = constant([0, 0, 0, 0, 0x3086_d221, 0xa7d4_6bcd, 0xe86c_90e4, 0x9284_eb15]);
/// `⌊2³⁸⁴·b2 / order⌉`, of which only the upper half is used.
const G1: Uint = constant([0x3086_d221, 0xa7d4_6bcd, 0xe86c_90e4, 0x9284_eb15, 0, 0, 0, 0]);
/// `⌊2³⁸⁴·(−b1) / order⌉`, of which only the upper half is used.
const G2: Uint = constant([0xe443_7ed6, 0x010e_8828, 0x6f54_7fa9, 0x0abf_e4c4, 0, 0, 0, 0]);

/// The longest part that [`split`] gives, in bits.
pub(crate) const PART_BITS: usize = 132;

/// A signed integer below 2^[`PART_BITS`].
pub(crate) struct Part {
    pub(crate) magnitude: Uint,
    pub(crate) negative: bool,
}

/// `(k1, k2)` with `k ≡ k1 + k2·λ`.
pub(crate) fn split<M: Machine>(k: &M::Scalar) -> (Part, Part) {
    let integer = M::integer(k);
    let c1 = M::scalar(&mul_top(&integer, &G1));
    let c2 = M::scalar(&mul_top(&integer, &G2));
    // k2 = −c1·b1 − c2·b2
    let k2 = M::sub(&M::mul(&c1, &M::scalar(&MINUS_B1)), &M::mul(&c2, &M::scalar(&B2)));
    let k1 = M::sub(k, &M::mul(&k2, &M::scalar(&LAMBDA)));
    (part(&M::integer(&k1)), part(&M::integer(&k2)))
}

/// The integer of least magnitude that is congruent to `value`.
///
/// # Panics
/// When that is longer than [`PART_BITS`], which needs a prover that lies about residues: no proof must come of it.
fn part(value: &Uint) -> Part {
    if is_short(value) {
        return Part { magnitude: *value, negative: false };
    }
    let magnitude = wrapping_sub(&ORDER, value);
    assert!(is_short(&magnitude), "a scalar was not reduced");
    Part { magnitude, negative: true }
}

fn is_short(value: &Uint) -> bool {
    const WORD: usize = PART_BITS / WORD_BITS;
    let rest: usize = value[WORD + 1..].iter().fold(value[WORD] >> (PART_BITS % WORD_BITS), |a, w| a | w);
    rest == 0
}

/// The two halves of `value`: `value = low + high·2¹²⁸`.
pub(crate) fn halves(value: &Uint) -> (Uint, Uint) {
    let half = value.len() / 2;
    let (mut low, mut high) = ([0; crate::WORDS], [0; crate::WORDS]);
    low[..half].copy_from_slice(&value[..half]);
    high[..half].copy_from_slice(&value[half..]);
    debug_assert!(is_short(&low) && is_short(&high) && !is_zero(&ORDER));
    (low, high)
}
