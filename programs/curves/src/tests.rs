//! Against revm's own implementations, by arkworks: random, edge and invalid inputs.

use crate::{Field, Invalid, Prime, bls12_381, bn254};
use ark_ec::{AffineRepr, CurveGroup, hashing::curve_maps::wb::WBConfig};
use ark_ff::{AdditiveGroup, BigInteger, Field as _, PrimeField, UniformRand};
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use revm_precompile::{Crypto, DefaultCrypto};
use std::{vec, vec::Vec};

#[path = "tests_blobs.rs"]
mod blobs;

#[path = "tests_modexp.rs"]
mod modexp;

#[path = "tests_p256.rs"]
mod p256;

#[path = "tests_bls.rs"]
mod bls;

/// A field as arkworks has it.
#[derive(Clone, Debug)]
struct Plain<F>(F);

impl<F: PrimeField> Field for Plain<F> {
    fn zero() -> Self {
        Self(F::ZERO)
    }
    fn one() -> Self {
        Self(F::ONE)
    }
    fn add(&self, other: &Self) -> Self {
        Self(self.0 + other.0)
    }
    fn sub(&self, other: &Self) -> Self {
        Self(self.0 - other.0)
    }
    fn mul(&self, other: &Self) -> Self {
        Self(self.0 * other.0)
    }
    fn div(&self, other: &Self) -> Self {
        Self(self.0 * other.0.inverse().expect("divided by zero"))
    }
    fn equals(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

macro_rules! plain {
    ($name:ident, $field:ty, $bytes:literal, $exponent:literal) => {
        type $name = Plain<$field>;
        impl Prime for $name {
            const BYTES: usize = $bytes;
            const ROOT_EXPONENT: &'static [u8] = &{
                let mut bytes: [u8; $bytes] = crate::constant($exponent);
                bytes.reverse();
                bytes
            };
            fn constant(bytes: &[u8]) -> Self {
                let value = <$field>::from_le_bytes_mod_order(bytes);
                assert_eq!(value.into_bigint().to_bytes_le()[..$bytes], *bytes, "a constant is reduced");
                Self(value)
            }
            fn decode(bytes: &[u8]) -> Option<Self> {
                let value = <$field>::from_be_bytes_mod_order(bytes);
                (value.into_bigint().to_bytes_be()[..] == *bytes).then_some(Self(value))
            }
            fn encode(&self, out: &mut [u8]) {
                out.copy_from_slice(&self.0.into_bigint().to_bytes_be());
            }
        }
    };
}
plain!(Fp254, ark_bn254::Fq, 32, "c19139cb84c680a6e14116da060561765e05aa45a1c72a34f082305b61f3f52");
plain!(Fp381, ark_bls12_381::Fq, 48, "680447a8e5ff9a692c6e9ed90d2eb35d91dd2e13ce144afd9cc34a83dac3d8907aaffffac54ffffee7fbfffffffeaab");

impl crate::Wide for Fp381 {
    fn from_words(words: &[u32; 8]) -> Self {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Self(ark_bls12_381::Fq::from_le_bytes_mod_order(&bytes))
    }
    fn whole(&self) -> [u32; 9] {
        let limbs = self.0.into_bigint().0;
        assert!(limbs[5] >> 32 == 0, "a whole number");
        core::array::from_fn(|i| (limbs[i / 2] >> (i % 2 * 32)) as u32)
    }
    fn low(&self) -> [u32; 3] {
        let limbs = self.0.into_bigint().0;
        assert!(limbs[5] >> 60 == 0, "a whole number");
        core::array::from_fn(|i| (limbs[i / 2] >> (i % 2 * 32)) as u32)
    }
    fn set_low(&mut self, words: [u32; 3]) {
        let low = u128::from(words[2]) << 64 | u128::from(words[1]) << 32 | u128::from(words[0]);
        let limbs = self.0.into_bigint().0;
        assert!(limbs[1] >> 32 == 0 && limbs[2..] == [0; 4], "it was zero");
        self.0 = low.into();
    }
    fn limbs(&self) -> [[u32; 3]; 4] {
        let limbs = self.0.into_bigint().0;
        assert!(limbs[5] >> 60 == 0, "a whole number");
        core::array::from_fn(|limb| core::array::from_fn(|i| (limbs[(3 * limb + i) / 2] >> ((3 * limb + i) % 2 * 32)) as u32))
    }
    fn from_limb(words: [u32; 4]) -> Self {
        Self(ark_bls12_381::Fq::from(words.iter().rev().fold(0u128, |number, word| number << 32 | u128::from(*word))))
    }
    fn limb(&self) -> [u32; 4] {
        let limbs = self.0.into_bigint().0;
        assert!(limbs[5] >> 32 == 0, "a whole number");
        [limbs[0] as u32, (limbs[0] >> 32) as u32, limbs[1] as u32, (limbs[1] >> 32) as u32]
    }
    fn take_limb(&mut self) -> [u32; 4] {
        let low = self.limb();
        let mut number = self.0.into_bigint();
        number >>= 128;
        self.0 = ark_bls12_381::Fq::from(number);
        low
    }
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

fn bytes<F: PrimeField>(value: F) -> Vec<u8> {
    value.into_bigint().to_bytes_be()
}

fn first(point: ark_bn254::G1Affine) -> Vec<u8> {
    point.xy().map_or_else(|| vec![0; 64], |(x, y)| [bytes(x), bytes(y)].concat())
}

fn second(point: ark_bn254::G2Affine) -> Vec<u8> {
    point.xy().map_or_else(|| vec![0; 128], |(x, y)| [bytes(x.c1), bytes(x.c0), bytes(y.c1), bytes(y.c0)].concat())
}

/// Points of the first group, and what is none.
fn first_inputs(rng: &mut StdRng) -> Vec<Vec<u8>> {
    let point = ark_bn254::G1Affine::rand(rng);
    let modulus = {
        let mut bytes = bytes(-ark_bn254::Fq::ONE);
        bytes[31] += 1;
        bytes
    };
    let mut out = vec![
        first(point),
        first(-point),
        first((point + point).into_affine()),
        first(ark_bn254::G1Affine::rand(rng)),
        first(ark_bn254::G1Affine::generator()),
        vec![0; 64],
        vec![0xff; 64],
        [vec![0; 32], modulus.clone()].concat(),
        [modulus, vec![0; 32]].concat(),
        [vec![0; 31], vec![1], vec![0; 31], vec![3]].concat(),
    ];
    // Off the curve by one bit.
    let mut off = out[0].clone();
    off[63] ^= 1;
    out.push(off);
    out
}

/// Points of the second group, of its curve outside of it, and what is none.
fn second_inputs(rng: &mut StdRng) -> Vec<Vec<u8>> {
    let point = ark_bn254::G2Affine::rand(rng);
    let outside = loop {
        let x = ark_bn254::Fq2::rand(rng);
        if let Some(point) = ark_bn254::G2Affine::get_point_from_x_unchecked(x, rng.r#gen())
            && !point.is_in_correct_subgroup_assuming_on_curve()
        {
            break point;
        }
    };
    let mut off = second(point);
    off[127] ^= 1;
    vec![second(point), second(-point), second(ark_bn254::G2Affine::generator()), second(outside), vec![0; 128], off, vec![0xff; 128]]
}

#[test]
fn bn254_sums_and_multiples_are_those_of_another_implementation() {
    let rng = &mut rng();
    let points = first_inputs(rng);
    let order = ark_bn254::Fr::MODULUS.to_bytes_be();
    let scalars = [vec![0; 32], vec![0xff; 32], order.clone(), bytes(ark_bn254::Fr::rand(rng)), bytes(-ark_bn254::Fr::ONE), {
        let mut one = vec![0; 32];
        one[31] = 1;
        one
    }];
    let mut refused = 0;
    for a in &points {
        for b in &points {
            let expected = DefaultCrypto.bn254_g1_add(a, b).ok();
            refused += u32::from(expected.is_none());
            assert_eq!(bn254::g1_add::<Fp254>(a, b).ok(), expected);
        }
        for scalar in &scalars {
            assert_eq!(bn254::g1_mul::<Fp254>(a, scalar).ok(), DefaultCrypto.bn254_g1_mul(a, scalar).ok());
        }
    }
    assert!(refused > 50 && refused < 121, "{refused}");
}

#[test]
fn bn254_pairings_are_those_of_another_implementation() {
    let rng = &mut rng();
    let (firsts, seconds) = (first_inputs(rng), second_inputs(rng));
    let compare = |pairs: &[(&[u8], &[u8])]| {
        let expected = DefaultCrypto.bn254_pairing_check(pairs).ok();
        assert_eq!(bn254::pairing_check::<Fp254>(pairs).ok(), expected);
        expected
    };
    for a in &firsts {
        for b in &seconds {
            compare(&[(a, b)]);
        }
    }
    assert_eq!(compare(&[]), Some(true));
    assert_eq!(bn254::pairing_check::<Fp254>(&[(&firsts[0], &seconds[3])]), Err(Invalid::NotInSubgroup));
    // True products: e(a·P, b·Q) · e(−ab·P, Q), alone and among infinities, and with one of the factors changed.
    for n in 1..4 {
        let mut encoded = Vec::new();
        for _ in 0..n {
            let (a, b) = (ark_bn254::Fr::rand(rng), ark_bn254::Fr::rand(rng));
            let (p, q) = (ark_bn254::G1Affine::rand(rng), ark_bn254::G2Affine::rand(rng));
            encoded.push((first((p * a).into_affine()), second((q * b).into_affine())));
            encoded.push((first((-p * (a * b)).into_affine()), second(q)));
            encoded.push((vec![0; 64], second(q)));
            encoded.push((first(p), vec![0; 128]));
        }
        let pairs: Vec<(&[u8], &[u8])> = encoded.iter().map(|(a, b)| (&a[..], &b[..])).collect();
        assert_eq!(compare(&pairs), Some(true));
        let changed = first(ark_bn254::G1Affine::rand(rng));
        let mut pairs = pairs;
        pairs[0].0 = &changed;
        assert_eq!(compare(&pairs), Some(false));
    }
}
