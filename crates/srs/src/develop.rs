//! The setup for development: its secret is the hash of a sentence in this file.

use crate::{Srs, root_of_unity};
use halo2curves_axiom::{
    bn256::{Fr, G1, G1Affine, G2, G2Affine},
    ff::{Field, FromUniformBytes, PrimeField},
    group::{Curve, Group},
};
use std::{sync::OnceLock, thread};

/// What the secret is the hash of. Everybody may know it: that is what makes the setup insecure, and the same everywhere.
const SECRET: &str = "Proofmill's setup for development: everybody knows its secret, and can prove anything";

/// Bits of a scalar that one addition takes care of.
const WINDOW: usize = 13;
const WINDOWS: usize = 254_usize.div_ceil(WINDOW);

fn secret() -> Fr {
    let mut wide = [0; 64];
    blake3::Hasher::new().update(SECRET.as_bytes()).finalize_xof().fill(&mut wide);
    Fr::from_uniform_bytes(&wide)
}

/// The setup's `τ·G₂`.
pub(crate) fn s_g2() -> G2Affine {
    static POINT: OnceLock<G2Affine> = OnceLock::new();
    *POINT.get_or_init(|| second_point(secret()))
}

/// `τ·G₂`.
pub(crate) fn second_point(tau: Fr) -> G2Affine {
    (G2::generator() * tau).to_affine()
}

impl Srs {
    /// Makes the string for development, with all cores.
    ///
    /// INSECURE: its secret is public. It is the same string everywhere.
    pub fn develop(k: u32) -> Self {
        Self::of_secret(k, secret())
    }

    /// The string of a secret that is known.
    pub(crate) fn of_secret(k: u32, tau: Fr) -> Self {
        let n = 1_usize << k;
        let table = Table::new();
        let powers = in_parallel(n, |first, slots: &mut [Fr]| {
            let mut power = tau.pow_vartime([first as u64]);
            for slot in slots {
                *slot = power;
                power *= tau;
            }
        });
        let g = table.multiply(&powers);
        drop(powers);
        // L_i(τ) = ω^i·(τ^n − 1) / (n·(τ − ω^i)).
        let omega = root_of_unity(k);
        let scale = (tau.pow_vartime([n as u64]) - Fr::ONE) * Fr::from(n as u64).invert().unwrap_or(Fr::ZERO);
        let values = in_parallel(n, |first, slots: &mut [Fr]| {
            let mut root = omega.pow_vartime([first as u64]);
            let mut roots = Vec::with_capacity(slots.len());
            for slot in &mut *slots {
                *slot = tau - root;
                roots.push(root * scale);
                root *= omega;
            }
            invert(slots);
            slots.iter_mut().zip(roots).for_each(|(slot, root)| *slot *= root);
        });
        let g_lagrange = table.multiply(&values);
        Self { k, g, g_lagrange, g2: G2Affine::generator(), s_g2: second_point(tau) }
    }
}

/// Inverts each number with one inversion in all. None is zero.
fn invert(numbers: &mut [Fr]) {
    let mut product = Fr::ONE;
    let before: Vec<Fr> = numbers
        .iter()
        .map(|number| {
            let before = product;
            product *= number;
            before
        })
        .collect();
    let mut inverse = product.invert().unwrap_or(Fr::ZERO);
    for (number, before) in numbers.iter_mut().zip(before).rev() {
        let own = inverse * before;
        inverse *= *number;
        *number = own;
    }
}

/// Fills `n` places, each core a part of them. `fill` is told where its part begins.
fn in_parallel<T: Clone + Default + Send>(n: usize, fill: impl Fn(usize, &mut [T]) + Sync) -> Vec<T> {
    let mut all = vec![T::default(); n];
    let part = n.div_ceil(thread::available_parallelism().map_or(1, usize::from));
    thread::scope(|scope| {
        for (index, slots) in all.chunks_mut(part).enumerate() {
            let fill = &fill;
            scope.spawn(move || fill(index * part, slots));
        }
    });
    all
}

/// Multiples of the first generator by each window's digits.
struct Table(Vec<Vec<G1Affine>>);

impl Table {
    fn new() -> Self {
        let mut base = G1::generator();
        let windows = (0..WINDOWS).map(|_| {
            let mut multiples = vec![G1::identity(); 1 << WINDOW];
            for digit in 1..multiples.len() {
                multiples[digit] = multiples[digit - 1] + base;
            }
            base += multiples[multiples.len() - 1];
            let mut affine = vec![G1Affine::default(); multiples.len()];
            G1::batch_normalize(&multiples, &mut affine);
            affine
        });
        Self(windows.collect())
    }

    fn multiply(&self, scalars: &[Fr]) -> Vec<G1Affine> {
        in_parallel(scalars.len(), |first, slots: &mut [G1Affine]| {
            // As many at once as the cache holds.
            for (index, slots) in slots.chunks_mut(1 << 10).enumerate() {
                let first = first + (index << 10);
                let points: Vec<G1> =
                    scalars[first..first + slots.len()].iter().map(|scalar| self.of(scalar)).collect();
                G1::batch_normalize(&points, slots);
            }
        })
    }

    fn of(&self, scalar: &Fr) -> G1 {
        let bytes = scalar.to_repr();
        let bytes: &[u8] = bytes.as_ref();
        let digit = |window: usize| {
            let (at, shift) = (window * WINDOW / 8, window * WINDOW % 8);
            let mut word = [0; 4];
            let have = &bytes[at..bytes.len().min(at + 4)];
            word[..have.len()].copy_from_slice(have);
            (u32::from_le_bytes(word) >> shift) as usize & ((1 << WINDOW) - 1)
        };
        self.0.iter().enumerate().fold(G1::identity(), |sum, (window, multiples)| match digit(window) {
            0 => sum,
            digit => sum + multiples[digit],
        })
    }
}
