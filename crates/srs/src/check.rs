//! Whether a string holds together.

use crate::{Setup, Srs, SrsError, root_of_unity};
use halo2curves_axiom::{
    bn256::{Bn256, Fr, G1, G1Affine, G2, G2Affine},
    ff::{Field, PrimeField},
    fft::best_fft,
    group::{Curve, Group, prime::PrimeCurveAffine},
    msm::msm_best,
    pairing::{Engine, MillerLoopResult, MultiMillerLoop},
    serde::SerdeObject,
};
use rand::RngExt;

/// The order of the groups, less one, the lowest bit first: multiplying by it negates.
fn minus_one() -> impl Iterator<Item = bool> {
    let bytes = (-Fr::ONE).to_repr();
    let bytes: Vec<u8> = bytes.as_ref().to_vec();
    bytes.into_iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1))
}

/// Whether a point of the second curve is in the group, which is smaller than the curve.
fn is_in_group(point: &G2Affine) -> bool {
    // (r − 1)·P = −P, by doublings and additions alone: a multiplication by a scalar may be one modulo r.
    let mut sum = G2::identity();
    let mut power = point.to_curve();
    for bit in minus_one() {
        if bit {
            sum += power;
        }
        power = power.double();
    }
    sum == -point.to_curve()
}

fn random() -> Fr {
    let mut rng = rand::rng();
    Fr::from_raw([rng.random(), rng.random(), rng.random(), rng.random::<u64>() >> 3])
}

/// Whether a point is on its curve, and its coordinates are below the field's order: whoever reads them without looking has them as they
/// are, and computes with numbers that are none.
fn is_on_curve<P: SerdeObject>(point: &P) -> bool {
    P::from_raw_bytes(&point.to_raw_bytes()).is_some()
}

fn check_points(part: &'static str, points: &[G1Affine]) -> Result<(), SrsError> {
    let good = |point: &G1Affine| is_on_curve(point) && !bool::from(point.is_identity());
    match points.iter().position(|point| !good(point)) {
        None => Ok(()),
        Some(index) => Err(SrsError::BadPoint { part, index }),
    }
}

impl Srs {
    /// Checks that the string is one: every point is of its group, all powers are of one secret, and the Lagrange points are of the
    /// same. Random numbers make each lie visible but for one in 2^250. Gives whose secret it is.
    ///
    /// # Errors
    /// It is none, or is of a secret that is not known to be nobody's.
    pub fn check(&self) -> Result<Setup, SrsError> {
        let n = 1_usize << self.k;
        let wrong = |cause| Err(SrsError::Inconsistent { cause });
        if self.g.len() != n || self.g_lagrange.len() != n {
            return wrong("it has not as many points as its degree says");
        }
        check_points("powers", &self.g)?;
        check_points("Lagrange points", &self.g_lagrange)?;
        for (index, point) in [self.g2, self.s_g2].iter().enumerate() {
            if !is_on_curve(point) || bool::from(point.is_identity()) || !is_in_group(point) {
                return Err(SrsError::BadPoint { part: "second group", index });
            }
        }
        if self.g[0] != G1Affine::generator() || self.g2 != G2Affine::generator() {
            return wrong("it does not begin with the generators");
        }
        // Σ r_i·g[i] and Σ r_i·g[i+1] differ by the secret, whatever r is.
        let scalars: Vec<Fr> = (1..n).map(|_| random()).collect();
        let below = msm_best(&scalars, &self.g[..n - 1]);
        let above = msm_best(&scalars, &self.g[1..]);
        if !same_pairing(below, &self.s_g2, above, &self.g2) {
            return wrong("its points are not the powers of one secret");
        }
        // A polynomial by its coefficients, and by its values.
        let coefficients: Vec<Fr> = (0..n).map(|_| random()).collect();
        let by_coefficients: G1 = msm_best(&coefficients, &self.g);
        let mut values = coefficients;
        best_fft(&mut values, root_of_unity(self.k), self.k);
        if by_coefficients != msm_best(&values, &self.g_lagrange) {
            return wrong("its Lagrange points are not those of its powers");
        }
        Setup::of(&self.s_g2).ok_or(SrsError::UnknownSetup)
    }
}

/// Whether `e(a, b) = e(c, d)`.
fn same_pairing(a: G1, b: &G2Affine, c: G1, d: &G2Affine) -> bool {
    let (a, minus_c) = (a.to_affine(), (-c).to_affine());
    let terms = [(&a, &<Bn256 as MultiMillerLoop>::G2Prepared::from(*b)), (&minus_c, &(*d).into())];
    Bn256::multi_miller_loop(&terms).final_exponentiation() == <Bn256 as Engine>::Gt::identity()
}
