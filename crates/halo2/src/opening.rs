//! The opening of polynomials at points: SHPLONK (Boneh, Drake, Fisch, Gabizon 2020, scheme 2), as halo2's verifier takes it.
//!
//! Polynomials that are opened at the same points are taken together. They are added up one after the other, and divided in place, so that
//! there are two polynomials besides those that are opened.

use crate::{Domain, Params};
use halo2_base::halo2_proofs::{
    arithmetic::{eval_polynomial, evaluate_vanishing_polynomial, lagrange_interpolate, parallelize},
    halo2curves::{
        bn256::{Fr, G1Affine},
        ff::Field,
        group::Curve,
    },
    poly::commitment::{Blind, ParamsProver},
    transcript::{EncodedChallenge, TranscriptWrite},
};
use std::{io, mem};

/// Points, and what a polynomial is there.
type AtPoints = Vec<(Fr, Fr)>;

/// Which polynomials are opened where, in the order in which the verifier asks.
#[derive(Default)]
pub(crate) struct Opening<'a> {
    polynomials: Vec<(&'a [Fr], AtPoints)>,
}

/// Polynomials that are opened at the same points.
struct Set<'a> {
    points: Vec<Fr>,
    polynomials: Vec<Opened<'a>>,
}

struct Opened<'a> {
    coefficients: &'a [Fr],
    /// What has the polynomial's values at the points, of as many coefficients.
    remainder: Vec<Fr>,
}

impl<'a> Opening<'a> {
    /// One and the same polynomial may be asked for at several points. The verifier refuses those that are asked for at a point twice.
    pub(crate) fn add(&mut self, coefficients: &'a [Fr], point: Fr, value: Fr) {
        let known = self.polynomials.iter_mut().find(|(one, _)| std::ptr::eq(*one, coefficients));
        match known {
            Some((_, values)) => values.push((point, value)),
            None => self.polynomials.push((coefficients, vec![(point, value)])),
        }
    }

    fn into_sets(self) -> Vec<Set<'a>> {
        let mut sets: Vec<Set<'a>> = Vec::new();
        for (coefficients, values) in self.polynomials {
            let (points, at_points): (Vec<Fr>, Vec<Fr>) = values.into_iter().unzip();
            let opened = Opened { coefficients, remainder: lagrange_interpolate(&points, &at_points) };
            let same = |set: &&mut Set<'_>| {
                set.points.len() == points.len() && points.iter().all(|point| set.points.contains(point))
            };
            match sets.iter_mut().find(same) {
                Some(set) => set.polynomials.push(opened),
                None => sets.push(Set { points, polynomials: vec![opened] }),
            }
        }
        sets
    }

    /// Writes the proof of all openings.
    pub(crate) fn write<E: EncodedChallenge<G1Affine>, T: TranscriptWrite<G1Affine, E>>(
        self,
        params: &Params,
        domain: &Domain,
        transcript: &mut T,
    ) -> io::Result<()> {
        let sets = self.into_sets();
        let challenge = |transcript: &mut T| *transcript.squeeze_challenge_scalar::<()>();
        let commit = |transcript: &mut T, coefficients: Vec<Fr>| -> io::Result<Vec<Fr>> {
            let polynomial = domain.coeff_from_vec(coefficients);
            transcript.write_point(params.commit(&polynomial, Blind::default()).to_affine())?;
            Ok(polynomial.into_values())
        };
        let (y, v) = (challenge(transcript), challenge(transcript));
        let rows = domain.get_n() as usize;

        let mut quotient = vec![Fr::ZERO; rows];
        let mut weight = Fr::ONE;
        for set in &sets {
            let mut sum = set.sum(y, rows);
            for (opened, power) in set.polynomials.iter().zip(powers(y)) {
                for (coefficient, remainder) in sum.iter_mut().zip(&opened.remainder) {
                    *coefficient -= power * remainder;
                }
            }
            divide(&mut sum, &set.points);
            add(&mut quotient, weight, &sum);
            weight *= v;
        }
        let quotient = commit(transcript, quotient)?;
        let u = challenge(transcript);

        let mut points: Vec<Fr> = Vec::new();
        for point in sets.iter().flat_map(|set| &set.points) {
            if !points.contains(point) {
                points.push(*point);
            }
        }
        let mut sum = vec![Fr::ZERO; rows];
        let (mut weight, mut scale) = (Fr::ONE, None);
        for set in &sets {
            let others: Vec<Fr> =
                points.iter().copied().filter(|point| !set.points.contains(point)).collect();
            let factor = evaluate_vanishing_polynomial(&others, u);
            // What the first set is multiplied with is one in the verifier's equation.
            scale.get_or_insert(factor);
            for (opened, power) in set.polynomials.iter().zip(powers(y)) {
                let factor = weight * factor * power;
                add(&mut sum, factor, opened.coefficients);
                sum[0] -= factor * eval_polynomial(&opened.remainder, u);
            }
            weight *= v;
        }
        add(&mut sum, -evaluate_vanishing_polynomial(&points, u), &quotient);
        drop(quotient);
        divide(&mut sum, &[u]);
        let scale = scale.and_then(|factor| Option::from(factor.invert())).unwrap_or(Fr::ONE);
        parallelize(&mut sum, |sum, _| sum.iter_mut().for_each(|coefficient| *coefficient *= scale));
        commit(transcript, sum)?;
        Ok(())
    }
}

impl Set<'_> {
    /// The polynomials, each times a power of `y`.
    fn sum(&self, y: Fr, rows: usize) -> Vec<Fr> {
        let mut sum = vec![Fr::ZERO; rows];
        for (opened, power) in self.polynomials.iter().zip(powers(y)) {
            add(&mut sum, power, opened.coefficients);
        }
        sum
    }
}

fn powers(base: Fr) -> impl Iterator<Item = Fr> {
    std::iter::successors(Some(Fr::ONE), move |power| Some(*power * base))
}

/// Divides a polynomial by `X - point` for each of its roots: from the highest coefficient on, each division takes what the one before
/// gives.
fn divide(coefficients: &mut [Fr], roots: &[Fr]) {
    let mut carried = vec![Fr::ZERO; roots.len()];
    for coefficient in coefficients.iter_mut().rev() {
        for (carried, root) in carried.iter_mut().zip(roots) {
            let next = *coefficient + *carried * root;
            *coefficient = mem::replace(carried, next);
        }
    }
}

/// Both have as many coefficients.
fn add(sum: &mut [Fr], factor: Fr, polynomial: &[Fr]) {
    parallelize(sum, |sum, start| {
        for (sum, coefficient) in sum.iter_mut().zip(&polynomial[start..]) {
            *sum += factor * coefficient;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polynomial_is_divided_by_its_roots() {
        let points: Vec<Fr> = [3_u64, 5, 1 << 40, 0].map(Fr::from).to_vec();
        let quotient: Vec<Fr> = (1..=9_u64).map(Fr::from).collect();
        for count in 0..=points.len() {
            let roots = &points[..count];
            let mut product = quotient.clone();
            for root in roots {
                product.push(Fr::ZERO);
                for at in (0..product.len()).rev() {
                    let before = at.checked_sub(1).map_or(Fr::ZERO, |before| product[before]);
                    product[at] = before - *root * product[at];
                }
            }
            divide(&mut product, roots);
            assert_eq!(product[..quotient.len()], quotient, "{count} roots");
            assert!(product[quotient.len()..].iter().all(|coefficient| *coefficient == Fr::ZERO));
        }
        divide(&mut [], &points);
    }

    #[test]
    fn polynomials_of_the_same_points_are_taken_together() {
        let polynomials: Vec<Vec<Fr>> =
            (0..3_u64).map(|one| (one..one + 8).map(Fr::from).collect()).collect();
        let mut opening = Opening::default();
        for (polynomial, points) in polynomials.iter().zip([&[7_u64, 9][..], &[9, 7], &[7]]) {
            for point in points.iter().map(|point| Fr::from(*point)) {
                opening.add(polynomial, point, eval_polynomial(polynomial, point));
            }
        }
        let sets = opening.into_sets();
        let shape: Vec<_> = sets.iter().map(|set| (set.points.len(), set.polynomials.len())).collect();
        assert_eq!(shape, [(2, 2), (1, 1)]);
        for set in &sets {
            for opened in &set.polynomials {
                assert_eq!(opened.remainder.len(), set.points.len());
                for point in &set.points {
                    let value = eval_polynomial(opened.coefficients, *point);
                    assert_eq!(eval_polynomial(&opened.remainder, *point), value);
                }
            }
        }
    }
}
