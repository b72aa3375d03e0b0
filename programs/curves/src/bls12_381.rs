//! The curve of EIP-2537.

use crate::{
    Invalid, Prime, constant,
    fp2::Fp2,
    map,
    pairing::{self, Curve, Line, Twist, frobenius, frobenius_multiplies},
    point::{Affine, Point, add, double, multiply, multiply_sparse, negate, same},
    tower::Fp12,
};
use alloc::vec::Vec;
use core::marker::PhantomData;

/// Bytes of an encoded coordinate.
pub(crate) const BYTES: usize = 48;
/// The number that the curve's parameters follow from is the negative of this.
const X: u128 = 0xd201_0000_0001_0000;

/// The coordinates of a point of the first group, big-endian.
pub type G1 = ([u8; BYTES], [u8; BYTES]);
/// The coordinates of a point of the second group: of x, then of y, the real part first.
pub type G2 = ([u8; BYTES], [u8; BYTES], [u8; BYTES], [u8; BYTES]);

pub(crate) struct Bls12<F>(PhantomData<F>);

impl<F: Prime> Curve for Bls12<F> {
    type Base = F;
    const TWIST: Twist = Twist::M;
    const LOOP: u128 = X;

    #[inline(always)]
    fn times_xi(value: &Fp2<F>) -> Fp2<F> {
        // ξ = 1 + i
        Fp2 { re: value.re.sub(&value.im), im: value.re.add(&value.im) }
    }

    fn gamma() -> Fp2<F> {
        const RE: [u8; BYTES] = constant(concat!(
            "1904d3bf02bb0667c231beb4202c0d1f0fd603fd3cbd5f4f",
            "7b2443d784bab9c4f67ea53d63e7813d8d0775ed92235fb8"
        ));
        const IM: [u8; BYTES] = constant(concat!(
            "fc3e2b36c4e03288e9e902231f9fb854a14787b6c7b36fe",
            "c0c8ec971f63c5f282d5ac14d6c7ec22cf78a126ddc4af3"
        ));
        Fp2::constant(&RE, &IM)
    }

    // The negative sign of the loop's length would conjugate the value, which is 1 before if it is after.
    fn last_lines(_: &Affine<Fp2<F>>, _: &mut Affine<Fp2<F>>, _: &mut dyn FnMut(Line<F>)) {}

    fn last_power(unit: &Fp12<Self>) -> Fp12<Self> {
        // 3·(p⁴ − p² + 1) / r = (x − 1)²·(x + p)·(x² + p² − 1) + 3, and 3 does not divide r (Hayashida, Hayasaka, Teruya).
        let less_one = |value: &Fp12<Self>| value.power_unit(X).mul(value).conjugate();
        let a = less_one(&less_one(unit));
        let b = a.power_unit(X).conjugate().mul(&a.frobenius());
        let c = b.power_unit(X).power_unit(X).mul(&b.frobenius().frobenius()).mul(&b.conjugate());
        c.mul(&unit.square_unit()).mul(unit)
    }
}

pub(crate) fn curve_b<F: Prime>() -> F {
    F::small(4)
}

/// Whether a point of the curve is in the first group.
pub(crate) fn is_first<F: Prime>(point: &Affine<F>) -> bool {
    // A cube root of 1: there, and nowhere else on the curve, (β·x, −y) is the multiple by x² (Scott 2021).
    const BETA: [u8; BYTES] =
        constant("5f19672fdf76ce51ba69c6076a0f77eaddb3a93be6f89688de17d813620a00022e01fffffffefffe");
    let image = Affine { x: point.x.mul(&F::constant(&BETA)), y: point.y.neg() };
    let multiple = multiply_sparse(&multiply_sparse(&Some(point.clone()), X), X);
    same(&multiple, &Some(image))
}

fn decode<F: Prime>(bytes: &[u8]) -> Result<F, Invalid> {
    F::decode(bytes).ok_or(Invalid::Encoding)
}

fn is_zero(coordinates: &[&[u8; BYTES]]) -> bool {
    coordinates.iter().all(|bytes| bytes.iter().all(|byte| *byte == 0))
}

/// A point of the curve, in whatever subgroup.
fn first_point<F: Prime>((x, y): &G1) -> Result<Point<F>, Invalid> {
    let point = Affine { x: decode::<F>(x)?, y: decode::<F>(y)? };
    if is_zero(&[x, y]) {
        return Ok(None);
    }
    if point.is_on_curve(&curve_b()) { Ok(Some(point)) } else { Err(Invalid::NotOnCurve) }
}

fn in_first_group<F: Prime>(point: &G1) -> Result<Point<F>, Invalid> {
    let point = first_point::<F>(point)?;
    if point.as_ref().is_none_or(is_first) { Ok(point) } else { Err(Invalid::NotInSubgroup) }
}

fn second_point<F: Prime>((x0, x1, y0, y1): &G2) -> Result<Point<Fp2<F>>, Invalid> {
    let point = Affine {
        x: Fp2 { re: decode::<F>(x0)?, im: decode(x1)? },
        y: Fp2 { re: decode(y0)?, im: decode(y1)? },
    };
    if is_zero(&[x0, x1, y0, y1]) {
        return Ok(None);
    }
    let b = curve_b();
    if point.is_on_curve(&Fp2 { re: F::clone(&b), im: b }) { Ok(Some(point)) } else { Err(Invalid::NotOnCurve) }
}

fn in_second_group<F: Prime>(point: &G2) -> Result<Point<Fp2<F>>, Invalid> {
    let point = second_point::<F>(point)?;
    // There, and nowhere else on the curve, the endomorphism multiplies by x (Scott 2021).
    let inside = point.as_ref().is_none_or(|point| frobenius_multiplies::<Bls12<F>>(point, &[X], true));
    if inside { Ok(point) } else { Err(Invalid::NotInSubgroup) }
}

fn encode_first<F: Prime>(point: &Point<F>) -> [u8; 96] {
    let mut out = [0; 96];
    if let Some(point) = point {
        point.x.encode(&mut out[..BYTES]);
        point.y.encode(&mut out[BYTES..]);
    }
    out
}

fn encode_second<F: Prime>(point: &Point<Fp2<F>>) -> [u8; 192] {
    let mut out = [0; 192];
    if let Some(point) = point {
        let parts = [&point.x.re, &point.x.im, &point.y.re, &point.y.im];
        for (part, out) in parts.into_iter().zip(out.chunks_exact_mut(BYTES)) {
            part.encode(out);
        }
    }
    out
}

/// The sum of two points of the curve of the first group.
pub fn g1_add<F: Prime>(a: &G1, b: &G1) -> Result<[u8; 96], Invalid> {
    F::prepare();
    Ok(encode_first(&add(&first_point::<F>(a)?, &first_point(b)?)))
}

/// The sum of two points of the curve of the second group.
pub fn g2_add<F: Prime>(a: &G2, b: &G2) -> Result<[u8; 192], Invalid> {
    F::prepare();
    Ok(encode_second(&add(&second_point::<F>(a)?, &second_point(b)?)))
}

/// The sum of multiples of points of the first group. Scalars are any numbers of 32 bytes.
pub fn g1_msm<F: Prime, E>(
    pairs: &mut dyn Iterator<Item = Result<(G1, [u8; 32]), E>>,
    refused: fn(Invalid) -> E,
) -> Result<[u8; 96], E> {
    F::prepare();
    let mut sum: Point<F> = None;
    for pair in pairs {
        let (point, scalar) = pair?;
        sum = add(&sum, &multiply(&in_first_group(&point).map_err(refused)?, &scalar));
    }
    Ok(encode_first(&sum))
}

/// The sum of multiples of points of the second group. Scalars are any numbers of 32 bytes.
pub fn g2_msm<F: Prime, E>(
    pairs: &mut dyn Iterator<Item = Result<(G2, [u8; 32]), E>>,
    refused: fn(Invalid) -> E,
) -> Result<[u8; 192], E> {
    F::prepare();
    let mut sum: Point<Fp2<F>> = None;
    for pair in pairs {
        let (point, scalar) = pair?;
        sum = add(&sum, &multiply(&in_second_group(&point).map_err(refused)?, &scalar));
    }
    Ok(encode_second(&sum))
}

/// Whether the product of pairings is 1; of none it is.
pub fn pairing_check<F: Prime>(pairs: &[(G1, G2)]) -> Result<bool, Invalid> {
    F::prepare();
    let mut points = Vec::with_capacity(pairs.len());
    for (first, second) in pairs {
        points.push((in_first_group::<F>(first)?, in_second_group::<F>(second)?));
    }
    Ok(pairing::is_one::<Bls12<F>>(&points))
}

/// The point of the first group that an element of its field is mapped to.
pub fn map_to_g1<F: Prime>(element: &[u8; BYTES]) -> Result<[u8; 96], Invalid> {
    F::prepare();
    let point = map::to_first::<F>(&decode(element)?);
    // The effective cofactor, 1 − x.
    Ok(encode_first(&multiply_sparse(&point, X + 1)))
}

/// The point of the second group that an element of its field is mapped to.
pub fn map_to_g2<F: Prime>((re, im): &([u8; BYTES], [u8; BYTES])) -> Result<[u8; 192], Invalid> {
    F::prepare();
    let point = map::to_second::<F>(&Fp2 { re: decode(re)?, im: decode(im)? });
    // The effective cofactor, as (x² − x − 1) + (x − 1)·ψ + 2·ψ² (Budroni and Pintore). x is negative.
    let psi = |point: &Point<Fp2<F>>| point.as_ref().map(frobenius::<Bls12<F>>);
    let by_x = |point: &Point<Fp2<F>>| negate(&multiply_sparse(point, X));
    let multiple = by_x(&point);
    let image = psi(&point);
    // x·(x·P + ψ(P)) − x·P − P − ψ(P) + ψ²(2P)
    let sum = by_x(&add(&multiple, &image));
    let sum = add(&sum, &negate(&add(&add(&multiple, &point), &image)));
    Ok(encode_second(&add(&sum, &psi(&psi(&double(&point))))))
}
