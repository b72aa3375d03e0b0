//! Numbers of 256 bits, and their products by the precompile, modulo anything.

use crate::hints;
use proofmill_secp256k1::Uint;
use sp1_lib::{invalid_hint, syscall_uint256_mulmod};

pub(crate) const ONE: Uint = [1, 0, 0, 0];

/// A modulus as the product's precompile wants it: right behind the second factor.
#[repr(C)]
struct Factor {
    value: Uint,
    modulus: Uint,
}

pub(crate) const fn words(be: [u64; 4]) -> Uint {
    [be[3] as usize, be[2] as usize, be[1] as usize, be[0] as usize]
}

/// `a · b`, least.
#[inline]
pub(crate) fn product(a: &Uint, b: &Uint, modulus: &Uint) -> Uint {
    let mut out = *a;
    let factor = Factor { value: *b, modulus: *modulus };
    // SAFETY: both are arrays of 64-bit words on this machine, and the modulus lies behind the second factor.
    unsafe { syscall_uint256_mulmod((&raw mut out).cast(), (&raw const factor).cast()) }
    out
}

pub(crate) fn less(a: &Uint, b: &Uint) -> bool {
    a.iter().rev().cmp(b.iter().rev()).is_lt()
}

/// `a − b`, and whether it went below zero and wrapped.
#[inline]
pub(crate) fn difference(a: &Uint, b: &Uint) -> (Uint, bool) {
    let mut out = [0; 4];
    let mut borrow = false;
    for i in 0..4 {
        let (diff, first) = a[i].overflowing_sub(b[i]);
        let (diff, second) = diff.overflowing_sub(borrow as usize);
        out[i] = diff;
        borrow = first | second;
    }
    (out, borrow)
}

/// `a + b`, wrapping.
pub(crate) fn sum(a: &Uint, b: &Uint) -> Uint {
    let mut out = [0; 4];
    let mut carry = false;
    for i in 0..4 {
        let (sum, first) = a[i].overflowing_add(b[i]);
        let (sum, second) = sum.overflowing_add(carry as usize);
        out[i] = sum;
        carry = first | second;
    }
    out
}

/// `1 / a`, least, where `a` is not zero modulo a prime.
pub(crate) fn inverse(a: &Uint, modulus: &Uint) -> Uint {
    let inverse = hints::inverse(&to_words(a), &to_words(modulus)).map(|word| word as usize);
    if product(a, &inverse, modulus) != ONE {
        invalid_hint!("not the inverse");
    }
    inverse
}

/// The words as the precompiles have them: no other ones, on this machine.
#[inline(always)]
pub(crate) fn to_words(number: &Uint) -> [u64; 4] {
    number.map(|word| word as u64)
}
