//! secp256k1 on the precompiles for 256-bit modular products and for curve operations.
//!
//! Those precompiles check that what they write is below the modulus, so coordinates can be compared as words. Square
//! roots and inverses are asked of the host (hooks that every SP1 executor has) and checked: a wrong one stops the guest with the exit
//! code that SP1 keeps for wrong hints.

use proofmill_secp256k1::{Machine, TablePoint, Uint, from_be_bytes, to_be_bytes};
use sp1_lib::{
    invalid_hint, io, syscall_secp256k1_add, syscall_secp256k1_double, syscall_uint256_mulmod, unconstrained,
};

/// A modulus as the product's precompile wants it: right behind the second factor.
#[repr(C)]
struct Factor {
    value: Uint,
    modulus: Uint,
}

const fn words(be: [u64; 4]) -> Uint {
    [be[3] as usize, be[2] as usize, be[1] as usize, be[0] as usize]
}

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
const ONE: Uint = words([0, 0, 0, 1]);

/// `a · b`, least.
#[inline]
fn product(a: &Uint, b: &Uint, modulus: &Uint) -> Uint {
    let mut out = *a;
    let factor = Factor { value: *b, modulus: *modulus };
    // SAFETY: both are arrays of 64-bit words on this machine, and the modulus lies behind the second factor.
    unsafe { syscall_uint256_mulmod((&raw mut out).cast(), (&raw const factor).cast()) }
    out
}

fn less(a: &Uint, b: &Uint) -> bool {
    a.iter().rev().cmp(b.iter().rev()).is_lt()
}

/// `a − b`, and whether it went below zero and wrapped.
#[inline]
fn difference(a: &Uint, b: &Uint) -> (Uint, bool) {
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
fn sum(a: &Uint, b: &Uint) -> Uint {
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

/// Asks the host for something about field elements: a hint, which proves nothing.
fn ask(hook: u32, numbers: &[&Uint]) {
    unconstrained! {
        let mut question = 32u32.to_be_bytes().to_vec();
        for number in numbers {
            question.extend(to_be_bytes(number));
        }
        io::write(hook, &question);
    }
}

/// The next 32 bytes that the host answers.
fn answer() -> Uint {
    match io::read_vec().first_chunk() {
        Some(bytes) => from_be_bytes(bytes),
        None => invalid_hint!("a field element has 32 bytes"),
    }
}

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
        ask(io::FD_FP_INV, &[a, &ORDER]);
        let inverse = answer();
        if product(a, &inverse, &ORDER) != ONE {
            invalid_hint!("not the inverse");
        }
        inverse
    }

    fn lift_x(x: &Uint, parity: u8) -> Option<Point> {
        if !less(x, &FIELD) {
            return None;
        }
        let square = product(&product(x, x, &FIELD), x, &FIELD);
        let square = sum(&square, &words([0, 0, 0, 7]));
        // Adding 7 cannot wrap: the modulus is more than 2³² below 2²⁵⁶.
        let square = if less(&square, &FIELD) { square } else { difference(&square, &FIELD).0 };
        ask(io::FD_FP_SQRT, &[&square, &FIELD, &MINUS_ONE]);
        // Whether it is a root of the number or of its negative shows.
        let _ = io::read_vec();
        let root = answer();
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
