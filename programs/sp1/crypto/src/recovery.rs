//! secp256k1 on the precompiles for 256-bit modular products and for curve operations.
//!
//! Those precompiles check that what they write is below the modulus, so coordinates can be compared as words. Square
//! roots and inverses are asked of the host and checked.

use crate::{
    hints,
    numbers::{difference, inverse, less, product, sum, to_words, words},
};
use proofmill_secp256k1::{Machine, TablePoint, Uint, to_be_bytes};
use sp1_lib::{invalid_hint, syscall_secp256k1_add, syscall_secp256k1_double};

const FIELD: Uint =
    words([0xffff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff, 0xffff_fffe_ffff_fc2f]);
const ORDER: Uint =
    words([0xffff_ffff_ffff_ffff, 0xffff_ffff_ffff_fffe, 0xbaae_dce6_af48_a03b, 0xbfd2_5e8c_d036_4141]);
/// `β`, a cube root of one modulo the field's modulus: `λ·(x, y) = (β·x, y)`.
const BETA: Uint =
    words([0x7ae9_6a2b_657c_0710, 0x6e64_479e_ac34_34e9, 0x9cf0_4975_12f5_8995, 0xc139_6c28_7195_01ee]);
/// `−1` modulo the field's modulus, which is not a square.
const MINUS_ONE: Uint =
    words([0xffff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff, 0xffff_fffe_ffff_fc2e]);

/// A point: x then y, least word first.
type Point = [u64; 8];

fn x(point: &Point) -> &[u64; 4] {
    // SAFETY: the first four of eight words.
    unsafe { &*point.as_ptr().cast() }
}

fn uint(words: &[u64]) -> Uint {
    core::array::from_fn(|i| words[i] as usize)
}

fn point(x: &Uint, y: &Uint) -> Point {
    core::array::from_fn(|i| if i < 4 { x[i] as u64 } else { y[i - 4] as u64 })
}

/// SP1's precompiles.
pub(crate) struct Precompiles;

impl Machine for Precompiles {
    type Scalar = Uint;
    type Point = Point;

    fn scalar(value: &Uint) -> Uint {
        // One subtraction is enough: the order is above 2²⁵⁵.
        match difference(value, &ORDER) {
            (reduced, false) => reduced,
            (_, true) => *value,
        }
    }

    fn integer(value: &Uint) -> Uint {
        *value
    }

    fn mul(a: &Uint, b: &Uint) -> Uint {
        product(a, b, &ORDER)
    }

    fn sub(a: &Uint, b: &Uint) -> Uint {
        match difference(a, b) {
            (difference, false) => difference,
            (wrapped, true) => sum(&wrapped, &ORDER),
        }
    }

    fn invert(a: &Uint) -> Uint {
        inverse(a, &ORDER)
    }

    fn lift_x(x: &Uint, parity: u8) -> Option<Point> {
        if !less(x, &FIELD) {
            return None;
        }
        let square = product(&product(x, x, &FIELD), x, &FIELD);
        let square = sum(&square, &words([0, 0, 0, 7]));
        // Adding 7 cannot wrap: the modulus is more than 2³² below 2²⁵⁶.
        let square = if less(&square, &FIELD) { square } else { difference(&square, &FIELD).0 };
        let root = hints::root(&to_words(&square), &to_words(&FIELD), &to_words(&MINUS_ONE)).map(|word| word as usize);
        let squared = product(&root, &root, &FIELD);
        if squared != square {
            // −1 is not a square, so exactly one of t and −t is: a root of −t proves that t has none.
            if squared != difference(&FIELD, &square).0 {
                invalid_hint!("not a square root");
            }
            return None;
        }
        // The parity is that of the least root.
        if !less(&root, &FIELD) {
            invalid_hint!("a square root that is not reduced");
        }
        let y = if root[0] & 1 == usize::from(parity) { root } else { difference(&FIELD, &root).0 };
        Some(point(x, &y))
    }

    fn fixed(point: &'static TablePoint) -> &'static Point {
        // SAFETY: both are 64 bytes, x then y, least byte first, and the table is aligned to 32 bytes.
        unsafe { &*core::ptr::from_ref(point).cast() }
    }

    fn endomorphism(p: &Point) -> Point {
        point(&product(&uint(&p[..4]), &BETA, &FIELD), &uint(&p[4..]))
    }

    fn negate(p: &Point) -> Point {
        // y is never zero: no point has order two.
        point(&uint(&p[..4]), &difference(&FIELD, &uint(&p[4..])).0)
    }

    fn double(point: &mut Point) {
        // SAFETY: the point is affine and on the curve.
        unsafe { syscall_secp256k1_double(point) }
    }

    fn same_x(a: &Point, b: &Point) -> bool {
        x(a) == x(b)
    }

    fn same_y(a: &Point, b: &Point) -> bool {
        a == b
    }

    fn add_distinct(a: &mut Point, b: &Point) {
        // SAFETY: both points are affine and on the curve, and their x coordinates differ.
        unsafe { syscall_secp256k1_add(a, b) }
    }

    fn encode(p: &Point) -> [u8; 64] {
        let mut out = [0; 64];
        out[..32].copy_from_slice(&to_be_bytes(&uint(&p[..4])));
        out[32..].copy_from_slice(&to_be_bytes(&uint(&p[4..])));
        out
    }
}
