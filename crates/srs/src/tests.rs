#![allow(clippy::unwrap_used, reason = "tests")]

mod imported;
mod kept;

use crate::{Setup, Srs, SrsError, develop, import};
use halo2curves_axiom::{
    CurveAffine,
    bn256::{Fr, G1, G1Affine, G2Affine},
    ff::Field,
    group::{Curve, prime::PrimeCurveAffine},
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Secrets of two contributions to a ceremony that there are in these tests alone.
const CONTRIBUTIONS: [u64; 2] = [7, 1_000_003];

/// Their `τ·G₂`.
pub(crate) fn ceremonies() -> [G2Affine; 2] {
    CONTRIBUTIONS.map(|secret| develop::second_point(Fr::from(secret)))
}

fn ceremony(contribution: usize, k: u32) -> Srs {
    Srs::of_secret(k, Fr::from(CONTRIBUTIONS[contribution]))
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/prepared-5.ptau")
}

/// The string of a smaller degree of the same secret.
fn shrink(mut srs: Srs, k: u32) -> Srs {
    srs.g.truncate(1 << k);
    Srs::of_powers(k, srs.g, srs.g2, srs.s_g2)
}

fn cause(srs: &Srs) -> String {
    srs.check().unwrap_err().to_string()
}

#[test]
fn every_small_degree_holds_together() {
    for k in 1..=9 {
        let srs = Srs::develop(k);
        assert_eq!(srs.check().unwrap(), Setup::Development, "{k}");
        assert_eq!(srs.g.len(), 1 << k);
    }
}

#[test]
fn a_smaller_degree_is_the_same_string() {
    for k in 1..6 {
        assert_eq!(shrink(Srs::develop(6), k), Srs::develop(k));
    }
}

#[test]
fn every_point_counts() {
    let srs = Srs::develop(4);
    let other = (G1::from(srs.g[3]) + G1::from(srs.g[5])).to_affine();
    for index in 0..16 {
        let mut wrong = srs.clone();
        wrong.g[index] = other;
        assert!(wrong.check().is_err(), "{index}");
        let mut wrong = srs.clone();
        wrong.g_lagrange[index] = other;
        assert!(cause(&wrong).contains("Lagrange"), "{index}");
        let mut zero = srs.clone();
        zero.g[index] = G1Affine::identity();
        assert!(matches!(zero.check(), Err(SrsError::BadPoint { part: "powers", .. })));
    }
    let mut swapped = srs.clone();
    swapped.g.swap(4, 5);
    assert!(cause(&swapped).contains("powers of one secret"));
    let mut swapped = srs.clone();
    swapped.g_lagrange.swap(4, 5);
    assert!(cause(&swapped).contains("Lagrange"));
    let mut off = srs.clone();
    off.g_lagrange[7].y += halo2curves_axiom::bn256::Fq::ONE;
    assert!(matches!(off.check(), Err(SrsError::BadPoint { index: 7, .. })));
    let mut short = srs.clone();
    short.g.pop();
    assert!(short.check().is_err());
    let mut second = srs;
    second.s_g2 = (second.s_g2 * Fr::from(2)).to_affine();
    assert!(cause(&second).contains("powers of one secret"));
}

#[test]
fn a_point_of_the_curve_outside_of_the_group_is_refused() {
    let mut srs = Srs::develop(2);
    let b = G2Affine::b();
    let mut x = srs.s_g2.x;
    // Of the second curve's points, one in 2^254 is in the group.
    srs.s_g2 = loop {
        x += halo2curves_axiom::bn256::Fq2::ONE;
        if let Some(y) = Option::from((x.square() * x + b).sqrt()) {
            break G2Affine { x, y };
        }
    };
    assert!(bool::from(srs.s_g2.is_on_curve()));
    assert!(matches!(srs.check(), Err(SrsError::BadPoint { part: "second group", index: 1 })));
}

#[test]
fn a_coordinate_in_another_form_is_refused() {
    let (folder, k) = (TempDir::new().unwrap(), 3);
    let path = folder.path().join("kzg_bn254_3.srs");
    let mut bytes = Vec::new();
    Srs::develop(k).write_raw(&mut bytes).unwrap();
    let second = bytes.len() - 256;
    let places = [
        (4 + 3 * 64, "powers", 3),
        (4 + 5 * 64 + 32, "powers", 5),
        (4 + (8 + 6) * 64, "Lagrange points", 6),
        (second + 96, "second group", 0),
        (second + 128, "second group", 1),
    ];
    for (at, part, index) in places {
        // The order more is the same number, and still below 2^256.
        let mut changed = bytes.clone();
        let mut carry = 0;
        for (byte, more) in changed[at..at + 32].iter_mut().zip(import::PRIME) {
            carry += u16::from(*byte) + u16::from(more);
            *byte = carry as u8;
            carry >>= 8;
        }
        assert_eq!(carry, 0);
        fs::write(&path, &changed).unwrap();
        match import::read(&path, None).unwrap().check() {
            Err(SrsError::BadPoint { part: found, index: which }) => {
                assert_eq!((found, which), (part, index));
            }
            other => panic!("{part} {index}: {other:?}"),
        }
    }
}

#[test]
fn a_string_whose_secret_anybody_may_know_is_not_taken() {
    // That of the fixture: made for it, by nobody in particular.
    let srs = import::read(&fixture(), None).unwrap();
    assert!(matches!(srs.check(), Err(SrsError::UnknownSetup)), "{:?}", srs.check());
    let folder = TempDir::new().unwrap();
    assert!(matches!(srs.write(folder.path()), Err(SrsError::UnknownSetup)));
    // The ceremony's are known by their last point, which is one of the group.
    for s_g2 in crate::ceremonies() {
        let ceremony = Srs { s_g2, ..srs.clone() };
        assert_eq!(Setup::of(&s_g2), Some(Setup::Ceremony));
        assert!(cause(&ceremony).contains("powers of one secret"));
    }
}
