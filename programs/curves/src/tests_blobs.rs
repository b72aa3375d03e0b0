use super::*;
use crate::{BLOB, OnScalar, OnWide, Scalar, Scalars, ScaledBlob, verify_blobs};
use ark_bls12_381::Fr;
use ark_ff::FftField;
use c_kzg::{Blob, ethereum_kzg_settings};

type Element = Plain<Fr>;

impl Scalar for Element {
    fn decode(bytes: &[u8; 32]) -> Option<Self> {
        let value = Fr::from_be_bytes_mod_order(bytes);
        (value.into_bigint().to_bytes_be() == bytes).then_some(Self(value))
    }
    fn encode(&self) -> [u8; 32] {
        word(self.0)
    }
}

fn word(value: Fr) -> [u8; 32] {
    bytes(value).try_into().unwrap()
}

const MOST: u128 = (1 << 120) - 1;

fn blob(element: impl FnMut(usize) -> Fr) -> Vec<u8> {
    (0..4096).map(element).flat_map(bytes).collect()
}

/// By the definition: the polynomial through the values, at a point that is no root of unity.
fn expected(z: Fr, blobs: &[(Vec<u8>, u128)]) -> Fr {
    let root = Fr::get_root_of_unity(4096).unwrap();
    let mut sum = Fr::ZERO;
    let mut power = Fr::ONE;
    for at in 0..4096_u32 {
        let place = (at.reverse_bits() >> 20) as usize * 32;
        let weight = (z.pow([4096]) - Fr::ONE) * power / (Fr::from(4096) * (z - power));
        for (blob, coefficient) in blobs {
            sum += Fr::from_be_bytes_mod_order(&blob[place..place + 32]) * Fr::from(*coefficient) * weight;
        }
        power *= root;
    }
    sum
}

/// The value by both implementations, which is the same.
fn value(z: &[u8; 32], blobs: &[(Vec<u8>, u128)]) -> Option<[u8; 32]> {
    let scaled: Vec<ScaledBlob<'_>> =
        blobs.iter().map(|(blob, coefficient)| (<&[u8; BLOB]>::try_from(&blob[..]).unwrap(), &[0; 48], *coefficient)).collect();
    let value = OnWide::<Fp381>::value(z, &scaled);
    assert_eq!(value, OnScalar::<Element>::value(z, &scaled));
    value
}

#[test]
fn values_of_blobs_are_those_of_their_polynomials() {
    let rng = &mut rng();
    let least = -Fr::ONE;
    let edges = [Fr::ZERO, Fr::ONE, least];
    let mut random = || blob(|_| Fr::rand(rng));
    let sets = [
        vec![],
        vec![(random(), 0)],
        vec![(random(), 1)],
        vec![(random(), MOST), (blob(|at| edges[at % 3]), MOST - 1), (random(), 12_345)],
        vec![(blob(|_| Fr::ZERO), MOST)],
        // The largest sums of one group, and of two.
        vec![(blob(|_| least), MOST); 32],
        vec![(blob(|_| least), MOST); 33],
    ];
    let points = [Fr::ZERO, Fr::from(2), least - Fr::ONE, Fr::rand(rng)];
    for set in &sets {
        for z in points {
            assert_eq!(value(&word(z), set), Some(word(expected(z, set))));
        }
    }
}

#[test]
fn the_value_at_a_root_of_unity_is_the_blob_s() {
    let rng = &mut rng();
    let one = blob(|_| Fr::rand(rng));
    let root = Fr::get_root_of_unity(4096).unwrap();
    for exponent in [0, 1, 2, 2_048, 4_095_u32] {
        let place = (exponent.reverse_bits() >> 20) as usize * 32;
        let found = value(&word(root.pow([u64::from(exponent)])), &[(one.clone(), 1)]);
        assert_eq!(found.unwrap()[..], one[place..place + 32]);
    }
}

#[test]
fn numbers_that_are_too_large_are_refused() {
    let rng = &mut rng();
    let one = blob(|_| Fr::rand(rng));
    let order: [u8; 32] = Fr::MODULUS.to_bytes_be().try_into().unwrap();
    let z = word(Fr::rand(rng));
    assert!(value(&z, &[(one.clone(), MOST)]).is_some());
    assert_eq!(value(&z, &[(one.clone(), MOST + 1)]), None);
    assert_eq!(value(&order, &[(one.clone(), 1)]), None);
    for at in [0, 1, 4_095] {
        for above in [order, [0xff; 32]] {
            let mut changed = one.clone();
            changed[32 * at..32 * at + 32].copy_from_slice(&above);
            assert_eq!(value(&z, &[(one.clone(), 5), (changed, 5)]), None);
        }
    }
}

/// Blobs with their commitments, and a proof of their sum by another implementation.
struct Proven {
    z: [u8; 32],
    blobs: Vec<(Vec<u8>, [u8; 48], u128)>,
    proof: [u8; 48],
}

impl Proven {
    fn new(z: Fr, blobs: Vec<(Vec<u8>, u128)>) -> Self {
        let settings = ethereum_kzg_settings(0);
        let sum = blob(|at| {
            let part = |(blob, coefficient): &(Vec<u8>, u128)| {
                Fr::from_be_bytes_mod_order(&blob[32 * at..32 * at + 32]) * Fr::from(*coefficient)
            };
            blobs.iter().map(part).sum()
        });
        let commitment = |blob: &[u8]| {
            let commitment = settings.blob_to_kzg_commitment(&Blob::from_bytes(blob).unwrap()).unwrap();
            commitment.to_bytes().into_inner()
        };
        let (proof, _) = settings.compute_kzg_proof(&Blob::from_bytes(&sum).unwrap(), &word(z).into()).unwrap();
        let blobs = blobs.into_iter().map(|(blob, coefficient)| {
            let commitment = commitment(&blob);
            (blob, commitment, coefficient)
        });
        Self { z: word(z), blobs: blobs.collect(), proof: proof.to_bytes().into_inner() }
    }

    fn verify(&self) -> bool {
        let scaled: Vec<ScaledBlob<'_>> = self
            .blobs
            .iter()
            .map(|(blob, commitment, coefficient)| (<&[u8; BLOB]>::try_from(&blob[..]).unwrap(), commitment, *coefficient))
            .collect();
        let verified = verify_blobs::<Fp381, OnWide<Fp381>>(&self.z, &scaled, &self.proof);
        assert_eq!(verified, verify_blobs::<Fp381, OnScalar<Element>>(&self.z, &scaled, &self.proof));
        verified
    }
}

#[test]
fn blobs_are_judged_by_the_proof_of_another_implementation() {
    let rng = &mut rng();
    let two = vec![(blob(|_| Fr::rand(rng)), MOST), (blob(|_| Fr::rand(rng)), 77 << 64)];
    let mut with_zero = two.clone();
    with_zero.push((blob(|_| Fr::ZERO), 5));
    // The same one twice, at a root of unity.
    let twice = vec![two[0].clone(), two[0].clone()];
    let root = Fr::get_root_of_unity(4096).unwrap();
    // All are zero: commitments and proof are infinity.
    let zero = vec![with_zero[2].clone()];
    for (z, blobs) in [(Fr::rand(rng), zero), (Fr::rand(rng), two.clone()), (Fr::rand(rng), two[..1].to_vec()), (Fr::rand(rng), with_zero), (root, twice)] {
        assert!(Proven::new(z, blobs).verify());
    }

    let refused = |change: &dyn Fn(&mut Proven)| {
        let mut proven = Proven::new(Fr::from(7_777), two.clone());
        change(&mut proven);
        assert!(!proven.verify());
    };
    refused(&|proven| proven.blobs[0].0[31] ^= 1);
    refused(&|proven| proven.blobs[1].0[BLOB - 1] ^= 1);
    refused(&|proven| proven.blobs[1].0[0] = 0xff);
    refused(&|proven| proven.blobs[1].2 += 1);
    refused(&|proven| proven.z[31] ^= 1);
    refused(&|proven| {
        let first = proven.blobs[0].0.clone();
        proven.blobs[0].0 = core::mem::replace(&mut proven.blobs[1].0, first);
    });
    refused(&|proven| {
        let first = proven.blobs[0].1;
        proven.blobs[0].1 = core::mem::replace(&mut proven.blobs[1].1, first);
    });
    refused(&|proven| proven.proof = proven.blobs[0].1);
    refused(&|proven| proven.proof[0] ^= 0x20);
    refused(&|proven| drop(proven.blobs.pop()));
    // Of the curve and not of the group, of neither, infinity, infinity in another form, not compressed.
    for (first, last) in [(0x80, 4), (0x80, 1), (0xc0, 0), (0xc0, 1), (0, 0)] {
        let mut bytes = [0; 48];
        (bytes[0], bytes[47]) = (first, last);
        refused(&|proven| proven.blobs[1].1 = bytes);
        refused(&|proven| proven.proof = bytes);
    }
}
