//! Lookups: that each value of one expression is among those of another one.

use crate::{
    Coefficients, Domain, Error, System, Values,
    columns::{Columns, ROWS},
    random::Random,
};
use halo2_base::halo2_proofs::{
    arithmetic::parallelize,
    halo2curves::{
        bn256::Fr,
        ff::{BatchInvert, Field},
    },
    plonk::Expression,
};
use std::{mem, thread};

/// Inputs and table, and both in an order in which equal inputs follow each other and the first of them stands beside its like of the table.
pub(crate) struct Permuted {
    input: Values,
    table: Values,
    pub(crate) permuted_input: Values,
    pub(crate) permuted_table: Values,
}

/// The polynomials of a lookup.
pub(crate) struct Lookup {
    pub(crate) product: Coefficients,
    pub(crate) input: Coefficients,
    pub(crate) table: Coefficients,
}

/// Makes one value of several expressions'.
pub(crate) fn compressed(
    expressions: &[Expression<Fr>],
    columns: &Columns<'_>,
    theta: Fr,
    domain: &Domain,
) -> Values {
    let mut values = domain.empty_lagrange();
    for expression in expressions {
        columns.fold(&mut values, theta, expression);
    }
    values
}

impl Permuted {
    pub(crate) fn new(
        [inputs, tables]: [&[Expression<Fr>]; 2],
        system: &System,
        columns: &Columns<'_>,
        theta: Fr,
        domain: &Domain,
        random: &mut Random,
    ) -> Result<Self, Error> {
        let input = compressed(inputs, columns, theta, domain);
        let table = compressed(tables, columns, theta, domain);
        let usable = columns.rows() - (system.blinding_factors() + 1);
        let (mut permuted_input, mut permuted_table) = permute(&input[0..usable], &table[0..usable])
            .map_err(|value| {
                let row = input.iter().position(|one| *one == value).unwrap_or_default();
                Error::NotInTable { row }
            })?;
        for values in [&mut permuted_input, &mut permuted_table] {
            values.resize_with(columns.rows(), || random.scalar());
        }
        let (permuted_input, permuted_table) =
            (domain.lagrange_from_vec(permuted_input), domain.lagrange_from_vec(permuted_table));
        Ok(Self { input, table, permuted_input, permuted_table })
    }

    /// The running product that is one at the end because both are the same values in another order. Inputs and table are needed for it
    /// alone.
    pub(crate) fn product(&mut self, system: &System, beta: Fr, gamma: Fr, random: &mut Random) -> Values {
        let [mut factors, table] =
            [&mut self.input, &mut self.table].map(|values| mem::replace(values, Values::new(Vec::new())));
        parallelize(&mut factors, |factors, start| {
            for (at, factors) in factors.chunks_mut(ROWS).enumerate() {
                let start = start + at * ROWS;
                let permuted = self.permuted_input[start..].iter().zip(&self.permuted_table[start..]);
                let mut divisors: Vec<Fr> = permuted
                    .take(factors.len())
                    .map(|(input, table)| (beta + input) * (gamma + table))
                    .collect();
                divisors.iter_mut().batch_invert();
                for ((factor, table), divisor) in factors.iter_mut().zip(&table[start..]).zip(divisors) {
                    *factor = (beta + *factor) * (gamma + table) * divisor;
                }
            }
        });
        drop(table);
        running(factors, Fr::ONE, system.blinding_factors(), random)
    }

    pub(crate) fn into_lookup(self, product: Values, domain: &Domain) -> Lookup {
        Lookup {
            product: domain.lagrange_to_coeff(product),
            input: domain.lagrange_to_coeff(self.permuted_input),
            table: domain.lagrange_to_coeff(self.permuted_table),
        }
    }
}

/// At each row the product of the factors of the rows before, from `first` on. The last rows are for blinding.
pub(crate) fn running(mut factors: Values, first: Fr, blinding: usize, random: &mut Random) -> Values {
    let mut product = first;
    for factor in factors.iter_mut() {
        product *= mem::replace(factor, product);
    }
    let rows = factors.len();
    random.fill(&mut factors[rows - blinding..]);
    factors
}

/// Inputs in an order in which equal ones follow each other, and the table beside them. A value that is not in the table is given back.
fn permute(input: &[Fr], table: &[Fr]) -> Result<(Vec<Fr>, Vec<Fr>), Fr> {
    // Any order will do: of the limbs one mostly says enough.
    let sorted = |values: &[Fr]| {
        let mut sorted: Vec<[u64; 4]> = values.iter().map(|value| (*value).into()).collect();
        sorted.sort_unstable();
        sorted
    };
    let (input, mut table) = thread::scope(|scope| {
        let table = scope.spawn(|| sorted(table));
        (sorted(input), table.join().unwrap_or_default())
    });
    let is_first = |row: usize| row == 0 || input[row - 1] != input[row];
    let mut permuted = vec![Fr::ZERO; input.len()];
    // What no input stands beside is moved to the table's begin.
    let (mut read, mut unused) = (0, 0);
    for (row, value) in input.iter().enumerate().filter(|(row, _)| is_first(*row)) {
        while table.get(read).is_some_and(|one| one != value) {
            table[unused] = table[read];
            (read, unused) = (read + 1, unused + 1);
        }
        if read == table.len() {
            return Err(Fr::from(*value));
        }
        read += 1;
        permuted[row] = Fr::from(*value);
    }
    let left = table[..unused].iter().chain(&table[read..]);
    for (row, value) in (0..input.len()).filter(|row| !is_first(*row)).zip(left) {
        permuted[row] = Fr::from(*value);
    }
    Ok((input.into_iter().map(Fr::from).collect(), permuted))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn scalars(values: &[u64]) -> Vec<Fr> {
        values.iter().map(|value| Fr::from(*value)).collect()
    }

    #[test]
    fn inputs_stand_beside_their_like_and_nothing_is_lost() {
        let (large, larger) = (u64::MAX, u64::MAX - 1);
        let cases: [(&[u64], &[u64]); 7] = [
            (&[3, 3, 3, 3], &[1, 2, 3, 4]),
            (&[0, 0, 1, 7], &[7, 1, 0, 0]),
            // The table has some of them twice, before and behind what is looked up.
            (&[2, 5, 2, 5, 2, 9], &[9, 9, 2, 5, 2, 5]),
            (&[4, 4, 4, 4, 4], &[1, 1, 4, 9, 9]),
            (&[large, 1, larger, 1], &[1, large, 1, larger]),
            (&[6], &[6]),
            (&[], &[]),
        ];
        for (input, table) in cases {
            let (input, table) = (scalars(input), scalars(table));
            let (permuted, beside) = permute(&input, &table).unwrap();
            for row in 0..permuted.len() {
                let follows = row > 0 && permuted[row - 1] == permuted[row];
                assert!(follows || beside[row] == permuted[row], "row {row} of {permuted:?}, {beside:?}");
            }
            for (mut before, mut after) in [(input, permuted), (table, beside)] {
                before.sort_unstable();
                after.sort_unstable();
                assert_eq!(before, after);
            }
        }
    }

    #[test]
    fn what_is_in_no_table_is_given_back() {
        let cases: [(&[u64], &[u64], u64); 3] =
            [(&[1, 2, 1], &[1, 1, 3], 2), (&[9, 1, 1], &[1, 1, 1], 9), (&[0, 4], &[4, 5], 0)];
        for (input, table, missing) in cases {
            assert_eq!(permute(&scalars(input), &scalars(table)).unwrap_err(), Fr::from(missing));
        }
    }
}
