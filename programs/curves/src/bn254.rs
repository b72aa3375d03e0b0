//! The curve of EIP-196 and EIP-197.

use crate::{
    Invalid, Prime, constant,
    fp2::Fp2,
    pairing::{self, Curve, Line, Twist, add_with_line, frobenius, frobenius_multiplies},
    point::{Affine, Point, add, multiply},
    tower::Fp12,
};
use alloc::vec::Vec;
use core::marker::PhantomData;

/// Bytes of an encoded coordinate.
const BYTES: usize = 32;
/// The number that the curve's parameters follow from.
const X: u128 = 4_965_661_367_192_848_881;

struct Bn254<F>(PhantomData<F>);

impl<F: Prime> Curve for Bn254<F> {
    type Base = F;
    const TWIST: Twist = Twist::D;
    const LOOP: u128 = 6 * X + 2;

    #[inline(always)]
    fn times_xi(value: &Fp2<F>) -> Fp2<F> {
        // ξ = 9 + i
        Fp2 { re: value.re.times_nine().sub(&value.im), im: value.im.times_nine().add(&value.re) }
    }

    fn gamma() -> Fp2<F> {
        const RE: [u8; BYTES] = constant("1284b71c2865a7dfe8b99fdd76e68b605c521e08292f2176d60b35dadcc9e470");
        const IM: [u8; BYTES] = constant("246996f3b4fae7e6a6327cfe12150b8e747992778eeec7e5ca5cf05f80f362ac");
        Fp2::constant(&RE, &IM)
    }

    fn last_lines(point: &Affine<Fp2<F>>, sum: &mut Affine<Fp2<F>>, line: &mut dyn FnMut(Line<F>)) {
        let first = frobenius::<Self>(point);
        let second = frobenius::<Self>(&first).negate();
        line(add_with_line(sum, &first));
        line(add_with_line(sum, &second));
    }

    fn last_power(unit: &Fp12<Self>) -> Fp12<Self> {
        // (p⁴ − p² + 1) / r = p³ + (6x² + 1)·p² − (36x³ + 18x² + 12x − 1)·p − (36x³ + 30x² + 18x + 2)
        let a = unit.power_unit(X);
        let b = a.power_unit(X);
        let c = b.power_unit(X);
        let six = |value: &Fp12<Self>| value.square_unit().mul(value).square_unit();
        let b_six = six(&b);
        // The power 36x³ + 18x² + 12x = 6·(6x³ + 3x² + 2x), and 12x² + 6x + 2 more than it.
        let d = six(&six(&c).mul(&b.square_unit().mul(&b)).mul(&a.square_unit()));
        let e = d.mul(&six(&b.square_unit().mul(&a))).mul(&unit.square_unit());
        let first = unit.mul(&d.conjugate()).frobenius();
        let second = b_six.mul(unit).frobenius().frobenius();
        let third = unit.frobenius().frobenius().frobenius();
        e.conjugate().mul(&first).mul(&second).mul(&third)
    }
}

fn twist_b<F: Prime>() -> Fp2<F> {
    const RE: [u8; BYTES] = constant("2b149d40ceb8aaae81be18991be06ac3b5b4c5e559dbefa33267e6dc24a138e5");
    const IM: [u8; BYTES] = constant("9713b03af0fed4cd2cafadeed8fdf4a74fa084e52d1852e4a2bd0685c315d2");
    Fp2::constant(&RE, &IM)
}

fn first_point<F: Prime>(bytes: &[u8]) -> Result<Point<F>, Invalid> {
    let (x, y) = bytes.split_at(BYTES);
    let point = Affine { x: decode::<F>(x)?, y: decode::<F>(y)? };
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    // The order of the curve is prime: whatever is on it is in the group.
    if point.is_on_curve(&F::small(3)) { Ok(Some(point)) } else { Err(Invalid::NotOnCurve) }
}

fn second_point<F: Prime>(bytes: &[u8]) -> Result<Point<Fp2<F>>, Invalid> {
    let coordinate = |bytes: &[u8]| -> Result<Fp2<F>, Invalid> {
        let (im, re) = bytes.split_at(BYTES);
        Ok(Fp2 { im: decode(im)?, re: decode(re)? })
    };
    let (x, y) = bytes.split_at(2 * BYTES);
    let point = Affine { x: coordinate(x)?, y: coordinate(y)? };
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    if !point.is_on_curve(&twist_b()) {
        return Err(Invalid::NotOnCurve);
    }
    // In the subgroup, and nowhere else on the curve, the endomorphism multiplies by 6x² (Dai, Lin, Zhao, Zhou 2022).
    if !frobenius_multiplies::<Bn254<F>>(&point, &[6 * X, X], false) {
        return Err(Invalid::NotInSubgroup);
    }
    Ok(Some(point))
}

fn decode<F: Prime>(bytes: &[u8]) -> Result<F, Invalid> {
    F::decode(bytes).ok_or(Invalid::Encoding)
}

fn encode<F: Prime>(point: &Point<F>) -> [u8; 64] {
    let mut out = [0; 64];
    if let Some(point) = point {
        point.x.encode(&mut out[..BYTES]);
        point.y.encode(&mut out[BYTES..]);
    }
    out
}

/// The sum of two points, 64 bytes each.
pub fn g1_add<F: Prime>(a: &[u8], b: &[u8]) -> Result<[u8; 64], Invalid> {
    F::prepare();
    Ok(encode(&add(&first_point::<F>(a)?, &first_point(b)?)))
}

/// A multiple of a point by any number of 32 bytes.
pub fn g1_mul<F: Prime>(point: &[u8], scalar: &[u8]) -> Result<[u8; 64], Invalid> {
    F::prepare();
    Ok(encode(&multiply(&first_point::<F>(point)?, scalar)))
}

/// Whether the product of pairings is 1; of none it is. Points have 64 and 128 bytes.
pub fn pairing_check<F: Prime>(pairs: &[(&[u8], &[u8])]) -> Result<bool, Invalid> {
    F::prepare();
    let mut points = Vec::with_capacity(pairs.len());
    for (first, second) in pairs {
        points.push((first_point::<F>(first)?, second_point::<F>(second)?));
    }
    Ok(pairing::is_one::<Bn254<F>>(&points))
}
