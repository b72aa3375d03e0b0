//! Signatures of NIST P-256 (EIP-7951) on the precompiles for curve operations and for 256-bit modular products.

use crate::numbers::{difference, inverse, less, product, sum, words};
use proofmill_secp256k1::{Uint, from_be_bytes};
use sp1_lib::{syscall_secp256r1_add, syscall_secp256r1_double};

const FIELD: Uint =
    words([0xffff_ffff_0000_0001, 0x0000_0000_0000_0000, 0x0000_0000_ffff_ffff, 0xffff_ffff_ffff_ffff]);
const ORDER: Uint =
    words([0xffff_ffff_0000_0000, 0xffff_ffff_ffff_ffff, 0xbce6_faad_a717_9e84, 0xf3b9_cac2_fc63_2551]);
/// `y² = x³ − 3·x + b`.
const B: Uint = words([0x5ac6_35d8_aa3a_93e7, 0xb3eb_bd55_7698_86bc, 0x651d_06b0_cc53_b0f6, 0x3bce_3c3e_27d2_604b]);
const GENERATOR: Point = point(
    &words([0x6b17_d1f2_e12c_4247, 0xf8bc_e6e5_63a4_40f2, 0x7703_7d81_2deb_33a0, 0xf4a1_3945_d898_c296]),
    &words([0x4fe3_42e2_fe1a_7f9b, 0x8ee7_eb4a_7c0f_9e16, 0x2bce_3357_6b31_5ece, 0xcbb6_4068_37bf_51f5]),
);

/// Bits of a digit, and how many multiples of a point that takes.
const WINDOW: usize = 5;
const MULTIPLES: usize = 1 << (WINDOW - 2);

/// x then y, the least word first. Infinity is no point.
type Point = [u64; 8];

const fn point(x: &Uint, y: &Uint) -> Point {
    let mut out = [0; 8];
    let mut i = 0;
    while i < 4 {
        out[i] = x[i] as u64;
        out[4 + i] = y[i] as u64;
        i += 1;
    }
    out
}

/// Whether a signature (r then s) of a digest verifies under a key (x then y). All are big-endian.
pub(crate) fn verify(digest: &[u8; 32], signature: &[u8; 64], key: &[u8; 64]) -> bool {
    let half = |bytes: &[u8; 64], at: usize| from_be_bytes(&core::array::from_fn(|i| bytes[at + i]));
    let (r, s) = (half(signature, 0), half(signature, 32));
    let in_range = |number: &Uint| *number != [0; 4] && less(number, &ORDER);
    let (x, y) = (half(key, 0), half(key, 32));
    if !in_range(&r) || !in_range(&s) || !is_on_curve(&x, &y) {
        return false;
    }
    let inverse = inverse(&s, &ORDER);
    let first = product(&from_be_bytes(digest), &inverse, &ORDER);
    let second = product(&r, &inverse, &ORDER);
    // The coordinate is below the field's modulus, so at most one multiple of the order more than r.
    double_mul(&first, &second, point(&x, &y)).is_some_and(|sum| {
        let x: Uint = core::array::from_fn(|i| sum[i] as usize);
        x == r || !less(&x, &ORDER) && difference(&x, &ORDER).0 == r
    })
}

fn is_on_curve(x: &Uint, y: &Uint) -> bool {
    if !less(x, &FIELD) || !less(y, &FIELD) {
        return false;
    }
    // y² + 3·x = x³ + b
    let plus = |a: &Uint, b: &Uint| {
        // Below twice the modulus, which may be above 2²⁵⁶: then the wrapped difference is right again.
        let total = sum(a, b);
        if less(&total, a) || !less(&total, &FIELD) { difference(&total, &FIELD).0 } else { total }
    };
    let left = plus(&product(y, y, &FIELD), &product(x, &[3, 0, 0, 0], &FIELD));
    let right = plus(&product(&product(x, x, &FIELD), x, &FIELD), &B);
    left == right
}

/// `first·G + second·point`, unless it is infinity.
fn double_mul(first: &Uint, second: &Uint, point: Point) -> Option<Point> {
    let digits = [digits(first), digits(second)];
    let multiples = [odd_multiples(GENERATOR), odd_multiples(point)];
    let mut sum: Option<Point> = None;
    for at in (0..=256).rev() {
        if let Some(sum) = &mut sum {
            double(sum);
        }
        for (digits, multiples) in digits.iter().zip(&multiples) {
            match digits[at] {
                0 => {}
                digit if digit > 0 => add_to(&mut sum, &multiples[digit as usize / 2]),
                digit => add_to(&mut sum, &negated(&multiples[digit.unsigned_abs() as usize / 2])),
            }
        }
    }
    sum
}

/// Digits of a number for each bit from the lowest on: zero or odd, of less than half of the window, with zeros between them.
fn digits(number: &Uint) -> [i8; 257] {
    let mut out = [0; 257];
    let (mut at, mut carry) = (0, 0);
    while at < 257 {
        let (word, shift) = (at / 64, at % 64);
        let low = number.get(word).copied().unwrap_or(0) >> shift;
        if low & 1 == carry {
            at += 1;
            continue;
        }
        let high = if shift == 0 { 0 } else { number.get(word + 1).copied().unwrap_or(0) << (64 - shift) };
        let digit = ((low | high) & ((1 << WINDOW) - 1)) + carry;
        carry = digit >> (WINDOW - 1);
        out[at] = (digit as isize - ((carry << WINDOW) as isize)) as i8;
        at += WINDOW;
    }
    out
}

/// `1·point, 3·point, …`. The group's order is a prime above all of them, so these additions never meet equal or opposite points.
fn odd_multiples(point: Point) -> [Point; MULTIPLES] {
    let mut twice = point;
    double(&mut twice);
    let mut last = point;
    core::array::from_fn(|i| {
        if i > 0 {
            // SAFETY: points of the curve, whose x coordinates differ.
            unsafe { syscall_secp256r1_add(&mut last, &twice) }
        }
        last
    })
}

/// There is no point of order two.
fn double(point: &mut Point) {
    // SAFETY: a point of the curve.
    unsafe { syscall_secp256r1_double(point) }
}

fn negated(p: &Point) -> Point {
    let y: Uint = core::array::from_fn(|i| p[4 + i] as usize);
    let mut out = *p;
    for (out, word) in out[4..].iter_mut().zip(difference(&FIELD, &y).0) {
        *out = word as u64;
    }
    out
}

/// Complete: a signer can choose a signature that makes the sum meet any term.
fn add_to(sum: &mut Option<Point>, term: &Point) {
    match sum {
        None => *sum = Some(*term),
        // SAFETY: points of the curve, whose x coordinates differ.
        Some(point) if point[..4] != term[..4] => unsafe { syscall_secp256r1_add(point, term) },
        Some(point) if point == term => double(point),
        Some(_) => *sum = None,
    }
}
