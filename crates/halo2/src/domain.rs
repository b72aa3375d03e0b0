//! Rows and degree of a circuit, and the roots of unity of its rows.

use crate::{Domain, Error, System};
use halo2_base::halo2_proofs::{
    fft::recursive::FFTData,
    halo2curves::{
        bn256::Fr,
        ff::{Field, PrimeField, WithSmallOrderMulGroup},
    },
    plonk::{self, Expression},
};
use std::collections::HashMap;

/// How many rows a circuit has, and how many of them are not for blinding.
pub(crate) fn rows(system: &System, k: u32) -> Result<(usize, usize), Error> {
    if k > Fr::S {
        return Err(Error::TooManyRows { k });
    }
    let rows = 1_usize << k;
    if rows < system.minimum_rows() {
        return Err(plonk::Error::NotEnoughRowsAvailable { current_k: k }.into());
    }
    Ok((rows, rows - (system.blinding_factors() + 1)))
}

/// Checks that a circuit has one phase, and no challenges of its own.
pub(crate) fn check_phases(system: &System) -> Result<(), Error> {
    let later = system.advice_column_phase().iter().any(|phase| *phase > 0);
    if later || system.num_challenges() > 0 { Err(Error::Phases) } else { Ok(()) }
}

/// The degree of a circuit's equations.
pub(crate) fn degree(system: &System) -> Result<usize, Error> {
    let of = |expressions: &[Expression<Fr>]| expressions.iter().map(Expression::degree).max().unwrap_or(0);
    let gates = system.gates().iter().map(|gate| of(gate.polynomials()));
    let lookups = system.lookups().iter().map(|lookup| {
        // The running product, what rows it is for, and what it is multiplied with.
        2 + of(lookup.input_expressions()).max(1) + of(lookup.table_expressions()).max(1)
    });
    // Copies have one of 3.
    let needed = gates.chain(lookups).max().unwrap_or(0).max(3);
    // halo2 has no more than MAX_DEGREE in the environment says, which is 5 where there is none.
    let given = system.degree();
    if given < needed { Err(Error::Degree { given, needed }) } else { Ok(given) }
}

/// The power of two of the rows that the quotient takes, which has so many pieces.
fn extended_k(pieces: usize, k: u32) -> Result<u32, Error> {
    let more = pieces.checked_next_power_of_two().map_or(u32::MAX, usize::ilog2);
    match k.saturating_add(more) {
        extended_k if extended_k <= Fr::S => Ok(extended_k),
        _ => Err(Error::TooManyRows { k }),
    }
}

/// Checks that there are roots of unity for a circuit of this degree.
pub(crate) fn check_rows(degree: usize, k: u32) -> Result<(), Error> {
    extended_k(degree - 1, k).map(drop)
}

/// The domain of a circuit of this degree, as halo2 makes it, without tables for transforms of more rows than the circuit has.
pub(crate) fn domain(degree: usize, k: u32) -> Result<Domain, Error> {
    let pieces = degree - 1;
    let extended_k = extended_k(pieces, k)?;
    let n = 1_u64 << k;
    let inverse = |value: Fr| value.invert().unwrap_or(Fr::ZERO);
    let (omega, extended_omega) = (root(k), root(extended_k));
    let (omega_inv, of_rows) = (inverse(omega), inverse(Fr::from(n)));
    // Where the divisor is evaluated on each coset. It is nowhere zero there.
    let divisor = |coset: u64| (Fr::ZETA * extended_omega.pow_vartime([coset])).pow_vartime([n]) - Fr::ONE;
    Ok(Domain {
        n,
        k,
        extended_k,
        omega,
        omega_inv,
        extended_omega,
        extended_omega_inv: inverse(extended_omega),
        g_coset: Fr::ZETA,
        g_coset_inv: Fr::ZETA.square(),
        quotient_poly_degree: pieces as u64,
        ifft_divisor: of_rows,
        extended_ifft_divisor: inverse(Fr::from(1_u64 << extended_k)),
        t_evaluations: (0..1 << (extended_k - k)).map(|coset| inverse(divisor(coset))).collect(),
        barycentric_weight: of_rows,
        fft_data: HashMap::from([(n as usize, table(n as usize, omega, omega_inv))]),
    })
}

/// A root of unity of the order `2^k`.
fn root(k: u32) -> Fr {
    (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square())
}

/// What transforms look roots of unity up in: two columns in size. Those that halo2 has for this kind of processor compute them.
fn table(rows: usize, omega: Fr, omega_inv: Fr) -> FFTData<Fr> {
    if cfg!(target_arch = "x86_64") { FFTData::default() } else { FFTData::new(rows, omega, omega_inv) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn domains_are_those_of_halo2() {
        for (degree, k) in [(3, 4), (4, 5), (5, 3), (6, 7), (9, 2), (10, 6)] {
            let own = domain(degree, k).unwrap();
            let halo2 = Domain::new(degree as u32, k);
            let scalars = |domain: &Domain| {
                let mut scalars = vec![
                    domain.omega,
                    domain.omega_inv,
                    domain.extended_omega,
                    domain.extended_omega_inv,
                    domain.g_coset,
                    domain.g_coset_inv,
                    domain.ifft_divisor,
                    domain.extended_ifft_divisor,
                    domain.barycentric_weight,
                ];
                scalars.extend(&domain.t_evaluations);
                scalars
            };
            assert_eq!(scalars(&own), scalars(&halo2), "degree {degree}, 2^{k} rows");
            let numbers =
                |domain: &Domain| (domain.n, domain.k, domain.extended_k, domain.quotient_poly_degree);
            assert_eq!(numbers(&own), numbers(&halo2));
            // Transforms of its own size are the same.
            let values: Vec<Fr> = (0..own.n).map(|row| Fr::from(row * row + 3)).collect();
            let [(own, on_coset), (others, others_on_coset)] = [&own, &halo2].map(|domain| {
                let coefficients = domain.lagrange_to_coeff(domain.lagrange_from_vec(values.clone()));
                let factor = domain.extended_omega;
                (coefficients.to_vec(), domain.coeff_to_extended_part(coefficients, factor).to_vec())
            });
            assert_eq!(own, others);
            assert_eq!(on_coset, others_on_coset);
        }
    }

    #[test]
    fn there_are_no_more_rows_than_roots_of_unity() {
        for (degree, k) in [(3, Fr::S), (4, Fr::S - 1), (3, u32::MAX), (usize::MAX, 5)] {
            let error = domain(degree, k).unwrap_err();
            assert!(matches!(error, Error::TooManyRows { .. }), "{error}");
        }
        for k in [Fr::S + 1, 64, u32::MAX] {
            let error = rows(&System::default(), k).unwrap_err();
            assert!(matches!(error, Error::TooManyRows { .. }), "{error}");
        }
        for k in 0..3 {
            assert!(matches!(rows(&System::default(), k).unwrap_err(), Error::Circuit(_)), "2^{k} rows");
        }
    }
}
