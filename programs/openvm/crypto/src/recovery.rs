//! secp256k1 on the modular and elliptic curve instructions.
//!
//! A modular instruction may leave any integer that is congruent to its result; only `assert_reduced` and the
//! comparison force the least one. So coordinates are compared with the comparison instruction, never as bytes, and
//! are forced to be least before they leave.

use core::ops::Neg;
use crate::element::element;
use openvm_algebra_guest::{IntMod, ModArithBaseFunct7 as Kind, Sqrt};
use openvm_ecc_guest::{weierstrass::WeierstrassPoint, Group};
use proofmill_secp256k1::{Machine, TablePoint, Uint};

openvm_algebra_guest::moduli_macros::moduli_declare! {
    Secp256k1Coord { modulus = "0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F" },
}
element!(
    Secp256k1Scalar,
    32,
    32,
    1,
    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
);

const fn small(value: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = value;
    bytes
}

const CURVE_B: Secp256k1Coord = Secp256k1Coord::from_const_bytes(small(7));

/// `β`, a cube root of one modulo the field's modulus: `λ·(x, y) = (β·x, y)`.
const BETA: Secp256k1Coord = Secp256k1Coord::from_const_bytes([
    0xee, 0x01, 0x95, 0x71, 0x28, 0x6c, 0x39, 0xc1, 0x95, 0x89, 0xf5, 0x12, 0x75, 0x49, 0xf0, 0x9c, 0xe9, 0x34, 0x34,
    0xac, 0x9e, 0x47, 0x64, 0x6e, 0x10, 0x07, 0x7c, 0x65, 0x2b, 0x6a, 0xe9, 0x7a,
]);

openvm_ecc_guest::sw_macros::sw_declare! {
    Secp256k1Point { mod_type = Secp256k1Coord, b = CURVE_B },
}

/// The words as the modular instructions hold a number, which is how this machine stores them.
fn bytes(value: &Uint) -> [u8; 32] {
    // SAFETY: both are 32 bytes, and any bytes are a number.
    unsafe { core::mem::transmute(*value) }
}

/// The instructions of the virtual machine.
pub(crate) struct Instructions;

impl Machine for Instructions {
    type Scalar = Secp256k1Scalar;
    type Point = Secp256k1Point;

    fn scalar(value: &Uint) -> Secp256k1Scalar {
        Secp256k1Scalar::from_words(value.map(|word| word as u32))
    }

    fn integer(value: &Secp256k1Scalar) -> Uint {
        value.words().map(|word| word as usize)
    }

    fn mul(a: &Secp256k1Scalar, b: &Secp256k1Scalar) -> Secp256k1Scalar {
        Secp256k1Scalar::operate::<{ Kind::MulMod as usize }>(a, b)
    }

    fn sub(a: &Secp256k1Scalar, b: &Secp256k1Scalar) -> Secp256k1Scalar {
        Secp256k1Scalar::operate::<{ Kind::SubMod as usize }>(a, b)
    }

    fn invert(a: &Secp256k1Scalar) -> Secp256k1Scalar {
        Secp256k1Scalar::operate::<{ Kind::DivMod as usize }>(&Secp256k1Scalar::ONE, a)
    }

    fn lift_x(x: &Uint, parity: u8) -> Option<Secp256k1Point> {
        // The first that a recovery calls.
        Secp256k1Scalar::set_up();
        let x = Secp256k1Coord::from_const_bytes(bytes(x));
        if !x.is_reduced() {
            return None;
        }
        // The root is hinted, and the hint is checked to be reduced: its parity is what it seems. There is no point
        // whose y is zero, as the order is odd.
        let y = (&x * &x * &x + CURVE_B).sqrt()?;
        let y = if y.as_le_bytes()[0] & 1 == parity { y } else { -y };
        // SAFETY: y² = x³ + 7 was checked by `sqrt`, and the group has no other subgroup.
        Some(unsafe { Secp256k1Point::from_xy_unchecked(x, y) })
    }

    fn fixed(point: &'static TablePoint) -> &'static Secp256k1Point {
        // SAFETY: both are 64 bytes, x then y, least byte first, and aligned to 32 bytes.
        unsafe { &*core::ptr::from_ref(point).cast() }
    }

    fn endomorphism(point: &Secp256k1Point) -> Secp256k1Point {
        // SAFETY: (β·x)³ = x³, so the point is on the curve.
        unsafe { Secp256k1Point::from_xy_unchecked(point.x() * &BETA, point.y().clone()) }
    }

    fn negate(point: &Secp256k1Point) -> Secp256k1Point {
        // SAFETY: (−y)² = y², so the point is on the curve.
        unsafe { Secp256k1Point::from_xy_unchecked(point.x().clone(), Secp256k1Coord::ZERO - point.y()) }
    }

    fn double(point: &mut Secp256k1Point) {
        // SAFETY: the point is not infinity, and none has order two. `lift_x` set the field up, the first call here
        // sets the curve up.
        unsafe { point.double_assign_nonidentity::<true>() }
    }

    fn same_x(a: &Secp256k1Point, b: &Secp256k1Point) -> bool {
        // SAFETY: the field was set up when the point was lifted.
        unsafe { a.x().eq_impl::<false>(b.x()) }
    }

    fn same_y(a: &Secp256k1Point, b: &Secp256k1Point) -> bool {
        // SAFETY: the field was set up when the point was lifted.
        unsafe { a.y().eq_impl::<false>(b.y()) }
    }

    fn add_distinct(a: &mut Secp256k1Point, b: &Secp256k1Point) {
        // SAFETY: the x coordinates differ, and the curve was set up by the doubling that comes before any addition.
        unsafe { a.add_ne_assign_nonidentity::<false>(b) }
    }

    fn sub_distinct(a: &mut Secp256k1Point, b: &Secp256k1Point) {
        // SAFETY: as in `negate` and `add_distinct`.
        unsafe {
            let negated = Secp256k1Point::from_xy_unchecked(b.x().clone(), Secp256k1Coord::ZERO - b.y());
            a.add_ne_assign_nonidentity::<false>(&negated);
        }
    }

    fn encode(point: &Secp256k1Point) -> [u8; 64] {
        point.x().assert_reduced();
        point.y().assert_reduced();
        let mut out = [0; 64];
        out[..32].copy_from_slice(&point.x().to_be_bytes());
        out[32..].copy_from_slice(&point.y().to_be_bytes());
        out
    }
}
