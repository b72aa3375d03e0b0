//! The maps from fields to curves of RFC 9380, sections 6.6.3 and 8.8.

use crate::{
    Field, Prime, bls12_381::BYTES, constant,
    fp2::Fp2,
    point::{Affine, Point},
};

/// The coefficients of the isogenies as little-endian numbers, the lowest first: numerator and denominator of x, then of y.
/// The tests compare them with another implementation's.
static FIRST: [&[u8]; 4] = split(include_bytes!("isogeny1.bin"), BYTES, [12, 11, 16, 16]);
static SECOND: [&[u8]; 4] = split(include_bytes!("isogeny2.bin"), 2 * BYTES, [4, 3, 4, 4]);

const fn split(table: &'static [u8], size: usize, counts: [usize; 4]) -> [&'static [u8]; 4] {
    let (a, rest) = table.split_at(size * counts[0]);
    let (b, rest) = rest.split_at(size * counts[1]);
    let (c, d) = rest.split_at(size * counts[2]);
    assert!(d.len() == size * counts[3]);
    [a, b, c, d]
}

/// A curve `y² = x³ + a·x + b` that is isogenous to the one that counts, and what the map needs to know of its field.
struct Isogenous<K> {
    a: K,
    b: K,
    z: K,
    root: fn(&K) -> Option<K>,
    is_odd: fn(&K) -> bool,
}

impl<K: Field> Isogenous<K> {
    /// The simplified map of Shallue, van de Woestijne and Ulas.
    fn map(&self, u: &K) -> Affine<K> {
        let zu2 = self.z.mul(&u.square());
        let denominator = zu2.square().add(&zu2);
        let x = if denominator.is_zero() {
            self.b.div(&self.z.mul(&self.a))
        } else {
            // −b·(1 + 1/d) / a
            self.b.mul(&denominator.add(&K::one())).div(&self.a.mul(&denominator)).neg()
        };
        let value = |x: &K| x.square().add(&self.a).mul(x).add(&self.b);
        let (x, y) = match (self.root)(&value(&x)) {
            Some(y) => (x, y),
            None => {
                let x = zu2.mul(&x);
                // One of the two values is a square whatever u is; that is what z is chosen for.
                let y = (self.root)(&value(&x)).unwrap_or_else(K::zero);
                (x, y)
            }
        };
        let y = if (self.is_odd)(&y) == (self.is_odd)(u) { y } else { y.neg() };
        Affine { x, y }
    }
}

fn isogeny<K: Field>(point: &Affine<K>, table: &[&[u8]; 4], size: usize, constant: fn(&[u8]) -> K) -> Point<K> {
    let [x_over, x_under, y_over, y_under] = table.map(|coefficients| {
        let mut sum = K::zero();
        for coefficient in coefficients.chunks_exact(size).rev() {
            sum = sum.mul(&point.x).add(&constant(coefficient));
        }
        sum
    });
    if x_under.is_zero() || y_under.is_zero() {
        return None;
    }
    Some(Affine { x: x_over.div(&x_under), y: point.y.mul(&y_over).div(&y_under) })
}

fn is_odd<F: Prime>(value: &F) -> bool {
    let mut bytes = [0; BYTES];
    value.encode(&mut bytes);
    bytes[BYTES - 1] & 1 == 1
}

/// A point of the curve of the first group.
pub(crate) fn to_first<F: Prime>(u: &F) -> Point<F> {
    const A: [u8; BYTES] = constant(concat!(
        "144698a3b8e9433d693a02c96d4982b0ea985383ee66a8d8e8981aef",
        "d881ac98936f8da0e0f97f5cf428082d584c1d"
    ));
    const B: [u8; BYTES] = constant(concat!(
        "12e2908d11688030018b12e8753eee3b2016c1f0f24f4070a0b9c14f",
        "cef35ef55a23215a316ceaa5d1cc48e98e172be0"
    ));
    let curve = Isogenous { a: F::constant(&A), b: F::constant(&B), z: F::small(11), root: F::root, is_odd: is_odd::<F> };
    isogeny(&curve.map(u), &FIRST, BYTES, F::constant)
}

/// A point of the curve of the second group.
pub(crate) fn to_second<F: Prime>(u: &Fp2<F>) -> Point<Fp2<F>> {
    let thousand_twelve = F::small(253).double().double();
    let curve = Isogenous {
        a: Fp2 { re: F::zero(), im: F::small(240) },
        b: Fp2 { re: thousand_twelve.clone(), im: thousand_twelve },
        z: Fp2 { re: F::small(2).neg(), im: F::one().neg() },
        root: Fp2::root,
        is_odd: |value| is_odd(&value.re) || value.re.is_zero() && is_odd(&value.im),
    };
    isogeny(&curve.map(u), &SECOND, 2 * BYTES, |bytes| Fp2::constant(&bytes[..BYTES], &bytes[BYTES..]))
}
