use super::*;
use ::p256::{
    AffinePoint, EncodedPoint, ProjectivePoint, Scalar, U256,
    elliptic_curve::{
        Group as _, PrimeField as _,
        bigint::ArrayEncoding as _,
        ops::Reduce,
        point::AffineCoordinates as _,
        sec1::{FromEncodedPoint as _, ToEncodedPoint as _},
    },
};

type Case = ([u8; 32], [u8; 64], [u8; 64]);

fn compare((digest, signature, key): &Case) -> bool {
    let expected = DefaultCrypto.secp256r1_verify_signature(digest, signature, key);
    let found = crate::p256::verify::<Fp381>(digest, signature, key);
    assert_eq!(found, expected, "{digest:x?} {signature:x?} {key:x?}");
    expected
}

fn scalar(rng: &mut StdRng) -> Scalar {
    let mut bytes = [0; 32];
    rng.fill(&mut bytes[..]);
    <Scalar as Reduce<U256>>::reduce_bytes(&bytes.into())
}

fn key(point: &ProjectivePoint) -> [u8; 64] {
    point.to_affine().to_encoded_point(false).as_bytes()[1..].try_into().unwrap()
}

fn joined(r: &Scalar, s: &Scalar) -> [u8; 64] {
    [<[u8; 32]>::from(r.to_repr()), s.to_repr().into()].concat().try_into().unwrap()
}

/// What verifies with these two multipliers, of the generator and of the key.
fn with_multipliers(u: &Scalar, v: &Scalar, point: &ProjectivePoint) -> Case {
    let sum = ProjectivePoint::GENERATOR * u + *point * v;
    let r = <Scalar as Reduce<U256>>::reduce_bytes(&sum.to_affine().x());
    let s = r * Option::<Scalar>::from(v.invert()).unwrap();
    ((*u * s).to_repr().into(), joined(&r, &s), key(point))
}

#[test]
fn signatures_verify_as_elsewhere() {
    let rng = &mut rng();
    for _ in 0..40 {
        let point = ProjectivePoint::GENERATOR * scalar(rng);
        let case = with_multipliers(&scalar(rng), &scalar(rng), &point);
        assert!(compare(&case), "a good signature");
        for at in 0..10 {
            let mut changed = case;
            let bit = 1 << (rng.gen_range(0..8u8));
            let byte = rng.gen_range(0..32);
            match at {
                0 => changed.0[byte] ^= bit,
                1 => changed.1[byte] ^= bit,
                2 => changed.1[32 + byte] ^= bit,
                3 => changed.2[byte] ^= bit,
                4 => changed.2[32 + byte] ^= bit,
                5 => changed.1[..32].fill(0),
                6 => changed.1[32..].fill(0),
                7 => changed.1[..32].fill(0xff),
                8 => changed.2[..32].fill(0xff),
                _ => changed.2.fill(0),
            }
            assert!(!compare(&changed), "{at}");
        }
    }
}

/// Keys and multipliers for which the sum meets what is added to it, or its negative.
#[test]
fn additions_of_equal_and_opposite_points() {
    let small: Vec<Scalar> = (0..6u64).flat_map(|n| [Scalar::from(n), -Scalar::from(n)]).collect();
    let half = Option::<Scalar>::from(Scalar::from(2u64).invert()).unwrap();
    for d in small.iter().copied().chain([half, half * half, Scalar::from(1u64 << 40)]) {
        let point = ProjectivePoint::GENERATOR * d;
        if bool::from(point.is_identity()) {
            continue;
        }
        for u in &small {
            for v in &small[2..] {
                compare(&with_multipliers(u, v, &point));
            }
        }
    }
    // u·G + v·Q is infinity.
    let (r, v) = (Scalar::from(5u64), Scalar::from(77u64));
    let s = r * Option::<Scalar>::from(v.invert()).unwrap();
    let case = ((v * s).to_repr().into(), joined(&r, &s), key(&-ProjectivePoint::GENERATOR));
    assert!(!compare(&case));
}

/// The order is below the modulus: some x coordinates are above it.
#[test]
fn an_x_coordinate_above_the_order() {
    let rng = &mut rng();
    let order = U256::from_be_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let mut found = 0;
    for t in 1..60u64 {
        let x = order.wrapping_add(&U256::from(t));
        let mut bytes = [2; 33];
        bytes[1..].copy_from_slice(&x.to_be_byte_array());
        let Some(sum) = Option::<AffinePoint>::from(AffinePoint::from_encoded_point(
            &EncodedPoint::from_bytes(bytes).unwrap(),
        )) else {
            continue;
        };
        let (u, v, r) = (scalar(rng), scalar(rng), Scalar::from(t));
        let inverse = Option::<Scalar>::from(v.invert()).unwrap();
        let point = (ProjectivePoint::from(sum) - ProjectivePoint::GENERATOR * u) * inverse;
        let s = r * inverse;
        assert!(compare(&((u * s).to_repr().into(), joined(&r, &s), key(&point))));
        found += 1;
    }
    assert!(found > 10);
}

#[test]
fn the_table_holds_the_multiples_of_the_generator() {
    let mut table = Vec::new();
    let r = ark_modular(288);
    for i in 0..64u64 {
        let bytes = key(&(ProjectivePoint::GENERATOR * Scalar::from(2 * i + 1)));
        for coordinate in bytes.chunks(32) {
            table.extend(r(coordinate));
        }
    }
    assert!(table == include_bytes!("p256.bin"), "src/p256.bin does not hold the multiples");
}

/// A big-endian number times a power of two modulo the field's modulus, little-endian.
fn ark_modular(shift: usize) -> impl Fn(&[u8]) -> [u8; 32] {
    let modulus = crate::montgomery::words("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    move |bytes| {
        let mut number = crate::montgomery::from_big_endian(bytes.try_into().unwrap());
        for _ in 0..shift {
            let top = number[7] >> 31 == 1;
            let doubled: [u32; 8] =
                core::array::from_fn(|i| number[i] << 1 | if i > 0 { number[i - 1] >> 31 } else { 0 });
            let mut borrow = false;
            let less: [u32; 8] = core::array::from_fn(|i| {
                let (difference, first) = doubled[i].overflowing_sub(modulus[i]);
                let (difference, second) = difference.overflowing_sub(u32::from(borrow));
                borrow = first | second;
                difference
            });
            number = if top || !borrow { less } else { doubled };
        }
        core::array::from_fn(|i| (number[i / 4] >> (i % 4 * 8)) as u8)
    }
}
