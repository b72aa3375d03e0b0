//! Structured reference strings for KZG commitments on BN254: what SNARKs of Halo2 rest on.
//!
//! A string of degree `k` holds `2^k` powers of a secret `τ` as points (`τ^i·G₁`), the same number of Lagrange polynomials at
//! `τ` over the subgroup of that order, and `τ·G₂`. Whoever knows `τ` can prove anything. There are two [`Setup`]s: the
//! perpetual powers of tau, whose secret nobody knows while one of its contributors was honest, and one for development,
//! whose secret everybody knows. The first is [imported](import), the second is [made](Srs::develop). Both are kept in
//! files that say which they are ([`Srs::write`]), so that neither is taken for the other.
//!
//! ```
//! use proofmill_srs::{Setup, Srs};
//!
//! let srs = Srs::develop(4);
//! srs.check()?;
//! let folder = tempfile::tempdir()?;
//! srs.write(folder.path())?;
//! assert_eq!(Srs::read(folder.path(), Setup::Development, 4)?, srs);
//! assert!(Srs::read(folder.path(), Setup::Ceremony, 4).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod develop;
mod error;
mod file;
pub mod import;
#[cfg(test)]
mod tests;
pub mod whole;

pub use error::SrsError;

use halo2curves_axiom::{
    bn256::{Fq, Fq2, Fr, G1, G1Affine, G2Affine},
    ff::{Field, PrimeField},
    fft::best_fft,
    group::{Curve, prime::PrimeCurveAffine},
};

/// The least degree worth a file.
pub const LEAST_DEGREE: u32 = 1;
/// The largest degree: BN254's scalars have a subgroup of order 2^28.
pub const LARGEST_DEGREE: u32 = Fr::S;

/// Whose secret a string rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setup {
    /// One whose secret everybody knows. INSECURE: for development alone.
    Development,
    /// The perpetual powers of tau (<https://github.com/privacy-scaling-explorations/perpetualpowersoftau>).
    Ceremony,
}

impl Setup {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Development => "insecure-development",
            Self::Ceremony => "ceremony",
        }
    }

    /// The `τ·G₂` of every string that is of this setup.
    pub fn second_points(self) -> Vec<G2Affine> {
        match self {
            Self::Development => vec![develop::s_g2()],
            Self::Ceremony => ceremonies(),
        }
    }

    /// The setup that has this `τ·G₂`, if it is one of the two.
    pub fn of(s_g2: &G2Affine) -> Option<Self> {
        [Self::Development, Self::Ceremony].into_iter().find(|setup| setup.second_points().contains(s_g2))
    }
}

/// The words of the development setup's `τ·G₂` that every verifier on it has in its code on L1: its x coordinate, which `−τ·G₂` has
/// too, as the EVM has numbers.
pub fn development_words() -> [[u8; 32]; 2] {
    let x = develop::s_g2().x;
    [x.c0, x.c1].map(|number| {
        let mut word = number.to_bytes();
        word.reverse();
        word
    })
}

/// The word that the generated verifier of a circuit of `2^k` rows has in its code on L1, whatever its setup: the inverse of their number
/// among BN254's scalars, as the EVM has numbers. No verifier of another number of rows has it.
pub fn rows_word(k: u32) -> [u8; 32] {
    let mut word = Fr::TWO_INV.pow_vartime([u64::from(k)]).to_bytes();
    word.reverse();
    word
}

impl std::fmt::Display for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A structured reference string.
#[derive(Clone, PartialEq, Eq)]
pub struct Srs {
    /// Log2 of the number of powers.
    pub k: u32,
    /// `τ^i·G₁`.
    pub g: Vec<G1Affine>,
    /// `L_i(τ)·G₁`, with `L_i` the polynomial that is 1 at `ω^i` and 0 at all other powers of `ω`, of which there are `2^k`.
    pub g_lagrange: Vec<G1Affine>,
    /// The second group's generator.
    pub g2: G2Affine,
    /// `τ·G₂`.
    pub s_g2: G2Affine,
}

impl std::fmt::Debug for Srs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Srs")
            .field("k", &self.k)
            .field("setup", &Setup::of(&self.s_g2))
            .finish_non_exhaustive()
    }
}

/// `τ·G₂` of contributions to the perpetual powers of tau whose files are published, by their coordinates' words, the least first.
const CEREMONIES: [[[u64; 4]; 4]; 2] = [
    // After the 85th contribution: `kzg_bn254_*.srs` of the Halo2 provers of Axiom, OpenVM and Scroll, whose contracts have it.
    [
        [0xcddbbe570ce860d2, 0x856689eda9eab5cb, 0x60ddc3b4af45191b, 0x17944351223333f2],
        [0xbd7aa3adeef8f5ac, 0x2e95040603ef44c0, 0xd99f91db59fe6992, 0x186282957db913ab],
        [0x2cc20203e67a02ad, 0x17b02dc7e8c207fc, 0xe56162486363ffe4, 0x297772d34bc9aa8a],
        [0xbdeadb63052895f4, 0x694e6d2215baa893, 0xcbf6d6df91bae406, 0x298adc7396bd3865],
    ],
    // After the 54th and a beacon: `powersOfTau28_hez_final_*.ptau` of snarkjs, which the contracts of Polygon's zkEVM have.
    [
        [0xbc9f7fee8aaef79e, 0x716989a6996c2535, 0x82c42152a8899027, 0x30441fd1b5d33704],
        [0x35d8443d1938e23d, 0x5f192cd120caf7e9, 0x9c9a5b91f86597d3, 0x26186a2d65ee4d2f],
        [0x9778f689786b1e48, 0x586319de359ab938, 0x5622c340573cb277, 0x054793348f12c0cf],
        [0xc6c40e22d65b3c02, 0xdbbb6a857f578403, 0xfbc571effb03503a, 0x1970ea81dd6992ad],
    ],
];

fn ceremonies() -> Vec<G2Affine> {
    let known = CEREMONIES.into_iter().map(|words| {
        let [x0, x1, y0, y1] = words.map(Fq::from_raw);
        G2Affine { x: Fq2 { c0: x0, c1: x1 }, y: Fq2 { c0: y0, c1: y1 } }
    });
    // Nobody has the powers of the published ones in a test.
    #[cfg(test)]
    let known = known.chain(tests::ceremonies());
    known.collect()
}

/// A root of unity of order `2^k`.
fn root_of_unity(k: u32) -> Fr {
    (k..LARGEST_DEGREE).fold(Fr::ROOT_OF_UNITY, |root, _| root.square())
}

impl Srs {
    /// The string with these powers, of which there are `2^k`. Its Lagrange points are computed, which takes long for a large degree.
    pub(crate) fn of_powers(k: u32, g: Vec<G1Affine>, g2: G2Affine, s_g2: G2Affine) -> Self {
        let g_lagrange = lagrange(&g, k);
        Self { k, g, g_lagrange, g2, s_g2 }
    }
}

/// The Lagrange points of powers: the inverse transform of the points themselves.
fn lagrange(powers: &[G1Affine], k: u32) -> Vec<G1Affine> {
    let mut points: Vec<G1> = powers.iter().map(|point| point.to_curve()).collect();
    let inverse = |number: Fr| number.invert().unwrap_or(Fr::ZERO);
    best_fft(&mut points, inverse(root_of_unity(k)), k);
    let scale = inverse(Fr::from(1 << k));
    for point in &mut points {
        *point *= scale;
    }
    let mut affine = vec![G1Affine::default(); points.len()];
    G1::batch_normalize(&points, &mut affine);
    affine
}
