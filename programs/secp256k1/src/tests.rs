//! Against k256, on a machine made of k256.

use crate::{
    Machine, TABLE_WINDOW, TablePoint, Uint, fixed_multiples, from_be_bytes, from_le_bytes, recover, to_be_bytes,
};
use k256::{
    AffinePoint, EncodedPoint, FieldBytes, ProjectivePoint, Scalar, U256,
    ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey},
    elliptic_curve::{
        Field, PrimeField,
        ops::{MulByGenerator, Reduce},
        point::{AffineCoordinates, DecompressPoint},
        sec1::{FromEncodedPoint, ToEncodedPoint},
        subtle::Choice,
    },
};
use std::{boxed::Box, vec::Vec};

/// Plain arithmetic. Panics where a zkVM's instruction has no answer, so that a test meets it.
struct Plain;

fn coordinates(point: &AffinePoint) -> (Uint, Uint) {
    let encoded = point.to_encoded_point(false);
    let part = |bytes: Option<&FieldBytes>| from_be_bytes(&(*bytes.expect("not infinity")).into());
    (part(encoded.x()), part(encoded.y()))
}

fn from_coordinates(x: &Uint, y: &Uint) -> AffinePoint {
    let encoded = EncodedPoint::from_affine_coordinates(&to_be_bytes(x).into(), &to_be_bytes(y).into(), false);
    AffinePoint::from_encoded_point(&encoded).expect("on the curve")
}

impl Machine for Plain {
    type Scalar = Scalar;
    type Point = AffinePoint;

    fn scalar(value: &Uint) -> Scalar {
        <Scalar as Reduce<U256>>::reduce_bytes(&to_be_bytes(value).into())
    }
    fn integer(value: &Scalar) -> Uint {
        from_be_bytes(&value.to_repr().into())
    }
    fn mul(a: &Scalar, b: &Scalar) -> Scalar {
        a * b
    }
    fn sub(a: &Scalar, b: &Scalar) -> Scalar {
        a - b
    }
    fn invert(a: &Scalar) -> Scalar {
        a.invert().expect("not zero")
    }
    fn lift_x(x: &Uint, parity: u8) -> Option<AffinePoint> {
        AffinePoint::decompress(&to_be_bytes(x).into(), Choice::from(parity)).into()
    }
    fn fixed(point: &'static TablePoint) -> &'static AffinePoint {
        let (x, y) = point.0.split_at(32);
        let word = |bytes: &[u8]| from_le_bytes(bytes.try_into().expect("32 bytes"));
        Box::leak(Box::new(from_coordinates(&word(x), &word(y))))
    }
    fn endomorphism(point: &AffinePoint) -> AffinePoint {
        (ProjectivePoint::from(*point) * Self::scalar(&crate::split::LAMBDA)).to_affine()
    }
    fn negate(point: &AffinePoint) -> AffinePoint {
        -*point
    }
    fn double(point: &mut AffinePoint) {
        *point = (ProjectivePoint::from(*point) + *point).to_affine();
    }
    fn same_x(a: &AffinePoint, b: &AffinePoint) -> bool {
        a.x() == b.x()
    }
    fn same_y(a: &AffinePoint, b: &AffinePoint) -> bool {
        a == b
    }
    fn add_distinct(a: &mut AffinePoint, b: &AffinePoint) {
        assert_ne!(a.x(), b.x(), "the machine cannot add these");
        *a = (ProjectivePoint::from(*a) + *b).to_affine();
    }
    fn encode(point: &AffinePoint) -> [u8; 64] {
        let (x, y) = coordinates(point);
        [to_be_bytes(&x), to_be_bytes(&y)].concat().try_into().expect("64 bytes")
    }
}

/// A generator of test scalars that gives the same ones every time (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn bytes(&mut self) -> [u8; 32] {
        let words: Vec<u8> = (0..4).flat_map(|_| self.next().to_be_bytes()).collect();
        words.try_into().expect("32 bytes")
    }
    fn scalar(&mut self) -> Scalar {
        <Scalar as Reduce<U256>>::reduce_bytes(&self.bytes().into())
    }
}

fn ours(digest: &[u8; 32], r: &Scalar, s: &Scalar, id: u8) -> Option<[u8; 64]> {
    recover::<Plain>(digest, &r.to_bytes().into(), &s.to_bytes().into(), id)
}

fn theirs(digest: &[u8; 32], r: &Scalar, s: &Scalar, id: u8) -> Option<[u8; 64]> {
    let signature = Signature::from_scalars(r.to_bytes(), s.to_bytes()).ok()?;
    // k256 verifies what it recovers, and refuses a high s there: recover with the low one, which is the same key.
    let (signature, id) = match signature.normalize_s() {
        Some(low) => (low, id ^ 1),
        None => (signature, id),
    };
    let key = VerifyingKey::recover_from_prehash(digest, &signature, RecoveryId::from_byte(id)?).ok()?;
    key.to_encoded_point(false).as_bytes()[1..].try_into().ok()
}

#[test]
fn the_table_holds_odd_multiples() {
    let multiples = 1 << (TABLE_WINDOW - 2);
    let shift = Scalar::from(2u64).pow_vartime([128u64]);
    let mut expected = Vec::new();
    for base in [Scalar::ONE, shift] {
        for i in 0..multiples {
            let point = ProjectivePoint::mul_by_generator(&(base * Scalar::from(2 * i as u64 + 1))).to_affine();
            let (x, y) = coordinates(&point);
            expected.extend(crate::to_le_bytes(&x));
            expected.extend(crate::to_le_bytes(&y));
        }
    }
    // To change `TABLE_WINDOW`, write the new table with `WRITE_TABLE=1 cargo test`, then build again.
    if std::env::var_os("WRITE_TABLE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/table.bin"), &expected).expect("written");
    }
    let table: Vec<u8> = fixed_multiples().iter().flat_map(|point| point.0).collect();
    assert!(table == expected, "src/table.bin does not hold the multiples");
}

#[test]
fn recovers_who_signed() {
    let mut random = Random(1);
    for _ in 0..60 {
        let key = SigningKey::from_slice(&random.scalar().to_bytes()).expect("a key");
        let digest = random.bytes();
        let (signature, id) = key.sign_prehash_recoverable(&digest).expect("signs");
        let (r, s) = signature.split_bytes();
        let expected = key.verifying_key().to_encoded_point(false);
        let found = recover::<Plain>(&digest, &r.into(), &s.into(), id.to_byte()).expect("recovers");
        assert_eq!(found[..], expected.as_bytes()[1..]);
    }
}

#[test]
fn agrees_with_k256_on_any_numbers() {
    let mut random = Random(2);
    let (mut some, mut none) = (0, 0);
    for _ in 0..150 {
        let (digest, r, s) = (random.bytes(), random.scalar(), random.scalar());
        let id = (random.next() % 4) as u8;
        let found = ours(&digest, &r, &s, id);
        assert_eq!(found, theirs(&digest, &r, &s, id));
        if found.is_some() { some += 1 } else { none += 1 }
    }
    assert!(some > 20 && none > 20, "both outcomes are met: {some}, {none}");
}

/// Signatures whose point is a known multiple of the generator, so that sums meet terms, their opposites and infinity.
#[test]
fn meets_equal_and_opposite_points() {
    let mut random = Random(3);
    let small: Vec<Scalar> = [1u64, 2, 3, 15, 31, 32, 127, 129].map(Scalar::from).into();
    let mut infinity = 0;
    for k in small.iter().copied().chain([Scalar::from(2u64).pow_vartime([128u64]), random.scalar()]) {
        let point = ProjectivePoint::mul_by_generator(&k).to_affine();
        let r = <Scalar as Reduce<U256>>::reduce_bytes(&point.x());
        let parity = u8::from(bool::from(point.y_is_odd()));
        for s in small.iter().copied().chain([-Scalar::ONE, random.scalar()]) {
            // digest = s·k makes the key infinity; −s·k makes both halves of the sum equal.
            for digest in [s * k, -(s * k), Scalar::ZERO, random.scalar()] {
                let digest: [u8; 32] = digest.to_bytes().into();
                for id in [parity, parity ^ 1] {
                    let found = ours(&digest, &r, &s, id);
                    let sign = if id == parity { Scalar::ONE } else { -Scalar::ONE };
                    let z = <Scalar as Reduce<U256>>::reduce_bytes(&digest.into());
                    let key = (s * k * sign - z) * r.invert().expect("not zero");
                    let expected = ProjectivePoint::mul_by_generator(&key).to_affine();
                    if bool::from(key.is_zero()) {
                        infinity += 1;
                        assert_eq!(found, None);
                    } else {
                        assert_eq!(found, Some(Plain::encode(&expected)));
                    }
                }
            }
        }
    }
    assert!(infinity >= 100, "{infinity}");
}

#[test]
fn refuses_numbers_out_of_range() {
    let digest = [7; 32];
    let good: [u8; 32] = Scalar::from(1u64).to_bytes().into();
    let order = to_be_bytes(&crate::split::ORDER);
    assert!(recover::<Plain>(&digest, &good, &good, 0).is_some());
    for (r, s, id) in [
        ([0; 32], good, 0),
        (good, [0; 32], 0),
        (order, good, 0),
        (good, order, 0),
        ([255; 32], good, 0),
        (good, [255; 32], 0),
        (good, good, 4),
        (good, good, 27),
    ] {
        assert_eq!(recover::<Plain>(&digest, &r, &s, id), None);
    }
}

/// Bit 1 of the recovery id: the point's x coordinate lies between the order and the field's modulus.
#[test]
fn reads_an_x_above_the_order() {
    let digest = [9; 32];
    let mut met = 0;
    for r in 1..40u64 {
        let (r, s) = (Scalar::from(r), Scalar::from(5u64));
        for id in [2, 3] {
            let found = ours(&digest, &r, &s, id);
            assert_eq!(found, theirs(&digest, &r, &s, id));
            met += usize::from(found.is_some());
        }
    }
    assert!(met > 10, "{met}");
    // r + order reaches 2²⁵⁶.
    assert_eq!(ours(&digest, &-Scalar::ONE, &Scalar::ONE, 2), None);
}
