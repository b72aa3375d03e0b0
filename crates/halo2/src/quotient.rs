//! The quotient: everything that is zero at all rows of a right witness, divided by what is zero there.
//!
//! It has a degree of several times the rows. It is evaluated on as many cosets of the rows' roots of unity, one after the other; on each of
//! them the divisor `X^n - 1` is a constant. The inverse transform on the coset of `g` gives for each `r < n` the sum of the pieces'
//! coefficients `r`, piece `m` times `g^(n m)`: a small system of equations, the same for all `r`, has the pieces as its solution.
//!
//! It is a sum of terms, each times a power of `y`. They may be added in any order: those that take the same columns follow each other, so
//! that few columns are in memory at once.

use crate::{
    Coefficients, Domain, ProvingKey, Values,
    columns::{ColumnId, Columns, ROWS, columns_of, rotated},
    lookup::{Lookup, compressed},
    permutation::set_len,
};
use halo2_base::halo2_proofs::{
    arithmetic::{lagrange_interpolate, parallelize},
    halo2curves::{
        bn256::Fr,
        ff::{Field, PrimeField, WithSmallOrderMulGroup},
    },
    plonk::Expression,
};
use std::{collections::BTreeMap, iter, slice};

/// Equations of a lookup.
const OF_LOOKUP: usize = 5;

/// The polynomials of a proof, as coefficients.
pub(crate) struct Committed {
    pub(crate) advice: Vec<Coefficients>,
    pub(crate) instance: Vec<Coefficients>,
    pub(crate) products: Vec<Coefficients>,
    pub(crate) lookups: Vec<Lookup>,
}

/// What the verifier has chosen by then.
#[derive(Clone, Copy)]
pub(crate) struct Challenges {
    pub(crate) theta: Fr,
    pub(crate) beta: Fr,
    pub(crate) gamma: Fr,
    pub(crate) y: Fr,
}

/// The pieces of the quotient, of as many coefficients as there are rows.
pub(crate) fn pieces(key: &ProvingKey, committed: &Committed, challenges: Challenges) -> Vec<Coefficients> {
    let domain = key.get_vk().get_domain();
    let factors: Vec<Fr> = (0..domain.get_quotient_poly_degree())
        .map(|at| domain.get_extended_omega().pow_vartime([at as u64]))
        .collect();
    let on_cosets = factors.iter().map(|factor| {
        let coset = Coset { key, domain, factor: *factor };
        coset.unshifted(coset.quotient(committed, challenges))
    });
    let on_cosets: Vec<Coefficients> = on_cosets.collect();
    let constants: Vec<Fr> =
        factors.iter().map(|factor| (Fr::ZETA * factor).pow_vartime([domain.get_n()])).collect();
    solve(&constants, on_cosets)
}

/// For each coefficient the polynomial over the pieces that has its values at `constants`. The pieces take the place of the values.
fn solve(constants: &[Fr], mut on_cosets: Vec<Coefficients>) -> Vec<Coefficients> {
    // What each coset adds to each piece.
    let parts: Vec<Vec<Fr>> = (0..constants.len())
        .map(|coset| {
            let mut one = vec![Fr::ZERO; constants.len()];
            one[coset] = Fr::ONE;
            lagrange_interpolate(constants, &one)
        })
        .collect();
    // The same coefficients of all cosets.
    let mut chunks: Vec<Vec<&mut [Fr]>> = Vec::new();
    for values in &mut on_cosets {
        for (at, chunk) in values.values_mut().chunks_mut(ROWS).enumerate() {
            match chunks.get_mut(at) {
                Some(same) => same.push(chunk),
                None => chunks.push(vec![chunk]),
            }
        }
    }
    parallelize(&mut chunks, |chunks, _| {
        let mut values = vec![Fr::ZERO; parts.len()];
        for chunk in chunks {
            for at in 0..chunk[0].len() {
                for (value, on_coset) in values.iter_mut().zip(chunk.iter()) {
                    *value = on_coset[at];
                }
                for (piece, coefficients) in chunk.iter_mut().enumerate() {
                    coefficients[at] = parts
                        .iter()
                        .zip(&values)
                        .fold(Fr::ZERO, |sum, (part, value)| sum + part[piece] * value);
                }
            }
        }
    });
    on_cosets
}

/// The points `zeta * factor * omega^row`.
#[derive(Clone, Copy)]
struct Coset<'a> {
    key: &'a ProvingKey,
    domain: &'a Domain,
    factor: Fr,
}

impl<'a> Coset<'a> {
    fn values(&self, polynomial: &Coefficients) -> Values {
        self.domain.coeff_to_extended_part(polynomial.clone(), self.factor)
    }

    /// The coefficients of what has these values, as if the coset were the rows' roots of unity themselves.
    fn unshifted(&self, values: Values) -> Coefficients {
        let shift = (Fr::ZETA * self.factor).invert().unwrap_or(Fr::ZERO);
        let mut coefficients = self.domain.lagrange_to_coeff(values);
        parallelize(&mut coefficients, |coefficients, start| {
            let mut power = shift.pow_vartime([start as u64]);
            for coefficient in coefficients {
                *coefficient *= power;
                power *= shift;
            }
        });
        coefficients
    }

    /// What is one at the first row: all its coefficients are the same.
    fn first(&self) -> Values {
        let coefficient = self.domain.ifft_divisor;
        let polynomial = Coefficients::new(vec![coefficient; self.domain.get_n() as usize]);
        self.domain.coeff_to_extended_part(polynomial, self.factor)
    }

    fn quotient(&self, committed: &'a Committed, challenges: Challenges) -> Values {
        let system = self.key.get_vk().cs();
        let (gates, sets, lookups) = (system.gates(), committed.products.len(), system.lookups());
        let gates: Vec<&Expression<Fr>> = gates.iter().flat_map(|gate| gate.polynomials()).collect();
        let of_copies = if sets == 0 { 0 } else { 2 * sets + 1 };
        let count = gates.len() + of_copies + OF_LOOKUP * lookups.len();
        // The first one has the highest power. All are divided at once.
        let divisor = (Fr::ZETA * self.factor).pow_vartime([self.domain.get_n()]) - Fr::ONE;
        let smallest = divisor.invert().unwrap_or(Fr::ZERO);
        let mut weights: Vec<Fr> =
            iter::successors(Some(smallest), |weight| Some(*weight * challenges.y)).take(count).collect();
        weights.reverse();
        let (of_gates, weights) = weights.split_at(gates.len());
        let (of_copies, of_lookups) = weights.split_at(of_copies);

        let gates = gates.into_iter().zip(of_gates).map(|(gate, weight)| Term {
            columns: columns_of([gate]),
            weights: slice::from_ref(weight),
            part: Part::Gate(gate),
        });
        let participants = system.permutation().get_columns();
        let copies = participants.chunks(set_len(self.key)).enumerate().map(|(at, set)| Term {
            columns: set.iter().copied().map(ColumnId::from).collect(),
            weights: of_copies,
            part: Part::Set(at),
        });
        let of_lookups = lookups.iter().zip(of_lookups.chunks(OF_LOOKUP)).enumerate();
        let lookups = of_lookups.map(|(at, (lookup, weights))| Term {
            columns: columns_of(lookup.input_expressions().iter().chain(lookup.table_expressions())),
            weights,
            part: Part::Lookup(at),
        });
        let mut terms: Vec<Term<'_>> = gates.chain(copies).chain(lookups).collect();
        // By the last column of the witness.
        terms.sort_by_key(|term| term.columns.iter().max().copied());
        let mut sum = Sum {
            coset: *self,
            committed,
            challenges,
            made: Made::new(*self, committed, &terms),
            rows: Rows { first: self.first(), blinding: system.blinding_factors() as i32 + 1 },
            values: self.domain.empty_lagrange(),
        };
        for Term { columns, weights, part } in &terms {
            match part {
                Part::Gate(expression) => sum.gate(columns, weights, expression),
                Part::Set(at) => sum.set(columns, weights, *at),
                Part::Lookup(at) => sum.lookup(columns, weights, *at),
            }
        }
        sum.values
    }
}

/// One of what is added up.
struct Term<'a> {
    /// The columns whose values it takes, each once.
    columns: Vec<ColumnId>,
    weights: &'a [Fr],
    part: Part<'a>,
}

enum Part<'a> {
    Gate(&'a Expression<Fr>),
    /// A set of columns whose cells are copied. The weights are those of all sets.
    Set(usize),
    Lookup(usize),
}

/// The columns' values on a coset, each from the first term that takes it to the last one.
struct Made<'a> {
    coset: Coset<'a>,
    committed: &'a Committed,
    /// How many terms still take it.
    taken: BTreeMap<ColumnId, usize>,
    fixed: Vec<Values>,
    instance: Vec<Values>,
    advice: Vec<Values>,
}

impl<'a> Made<'a> {
    fn new(coset: Coset<'a>, committed: &'a Committed, terms: &[Term<'_>]) -> Self {
        let mut taken: BTreeMap<ColumnId, usize> = BTreeMap::new();
        for column in terms.iter().flat_map(|term| &term.columns) {
            *taken.entry(*column).or_default() += 1;
        }
        let none = |count: usize| -> Vec<Values> { (0..count).map(|_| nothing()).collect() };
        let fixed = none(coset.key.fixed_polys().len());
        let (instance, advice) = (none(committed.instance.len()), none(committed.advice.len()));
        Self { coset, committed, taken, fixed, instance, advice }
    }

    fn make(&mut self, columns: &[ColumnId]) {
        for column in columns {
            let (values, polynomial) = match *column {
                ColumnId::Fixed(at) => (&mut self.fixed[at], &self.coset.key.fixed_polys()[at]),
                ColumnId::Instance(at) => (&mut self.instance[at], &self.committed.instance[at]),
                ColumnId::Advice(at) => (&mut self.advice[at], &self.committed.advice[at]),
            };
            if values.is_empty() {
                *values = self.coset.values(polynomial);
            }
        }
    }

    /// A term is done.
    fn release(&mut self, columns: &[ColumnId]) {
        for column in columns {
            let left = self.taken.entry(*column).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                match *column {
                    ColumnId::Fixed(at) => self.fixed[at] = nothing(),
                    ColumnId::Instance(at) => self.instance[at] = nothing(),
                    ColumnId::Advice(at) => self.advice[at] = nothing(),
                }
            }
        }
    }

    fn columns(&self) -> Columns<'_> {
        Columns::new(self.coset.domain.get_n() as usize, &self.fixed, &self.instance, &self.advice)
    }
}

fn nothing() -> Values {
    Values::new(Vec::new())
}

/// What the terms add up to.
struct Sum<'a> {
    coset: Coset<'a>,
    committed: &'a Committed,
    challenges: Challenges,
    made: Made<'a>,
    rows: Rows,
    values: Values,
}

impl Sum<'_> {
    fn gate(&mut self, columns: &[ColumnId], weights: &[Fr], expression: &Expression<Fr>) {
        self.made.make(columns);
        for weight in weights {
            self.made.columns().add(&mut self.values, *weight, expression);
        }
        self.made.release(columns);
    }

    /// The sets' equations say, in this order: where the first one begins, where the last one ends, where each of the others begins, and
    /// how each runs. A set adds its own part of those that it shares with its neighbours.
    fn set(&mut self, columns: &[ColumnId], weights: &[Fr], at: usize) {
        let (Challenges { beta, gamma, .. }, Coset { key, domain, factor }) = (self.challenges, self.coset);
        let (sets, n, rows) = (self.committed.products.len(), domain.get_n() as usize, &self.rows);
        let is_last = at + 1 == sets;
        let product = self.coset.values(&self.committed.products[at]);
        parallelize(&mut self.values, |values, start| {
            for (row, value) in (start..).zip(values) {
                let here = product[row];
                let mut begins = if at == 0 { (Fr::ONE - here) * weights[0] } else { here * weights[at + 1] };
                if is_last {
                    *value += (here.square() - here) * weights[1] * rows.last(row);
                } else {
                    begins -= product[rotated(row, -rows.blinding, n)] * weights[at + 2];
                }
                *value += begins * rows.first[row];
            }
        });
        let mut left = product.clone();
        left.values_mut().rotate_left(1);
        let mut right = product;
        let mut delta = Fr::DELTA.pow_vartime([(at * set_len(key)) as u64]);
        let permutations = &key.permutation().polys()[at * set_len(key)..];
        for (column, permutation) in columns.iter().zip(permutations) {
            let next = self.coset.values(permutation);
            self.made.make(&[*column]);
            let values = self.made.columns().column(*column);
            parallelize(&mut left, |left, start| {
                for (left, (value, next)) in left.iter_mut().zip(values[start..].iter().zip(&next[start..])) {
                    *left *= beta * next + gamma + value;
                }
            });
            parallelize(&mut right, |right, start| {
                let omega = domain.get_omega();
                let mut cell = delta * beta * Fr::ZETA * factor * omega.pow_vartime([start as u64]);
                for (right, value) in right.iter_mut().zip(&values[start..]) {
                    *right *= cell + gamma + value;
                    cell *= omega;
                }
            });
            self.made.release(&[*column]);
            delta *= Fr::DELTA;
        }
        let weight = weights[sets + 1 + at];
        parallelize(&mut self.values, |values, start| {
            for (row, value) in (start..).zip(values) {
                *value += (left[row] - right[row]) * weight * rows.active(row);
            }
        });
    }

    fn lookup(&mut self, columns: &[ColumnId], weights: &[Fr], at: usize) {
        let &[begins, ends, runs, meets, follows] = weights else { return };
        let (Challenges { theta, beta, gamma, .. }, domain) = (self.challenges, self.coset.domain);
        let argument = &self.coset.key.get_vk().cs().lookups()[at];
        self.made.make(columns);
        let [mut given, table] = [argument.input_expressions(), argument.table_expressions()]
            .map(|expressions| compressed(expressions, &self.made.columns(), theta, domain));
        self.made.release(columns);
        parallelize(&mut given, |given, start| {
            for (input, table) in given.iter_mut().zip(&table[start..]) {
                *input = (*input + beta) * (*table + gamma);
            }
        });
        drop(table);
        let Lookup { product, input, table } = &self.committed.lookups[at];
        let [product, input, table] = [product, input, table].map(|polynomial| self.coset.values(polynomial));
        let (n, rows) = (domain.get_n() as usize, &self.rows);
        parallelize(&mut self.values, |values, start| {
            for (row, value) in (start..).zip(values) {
                let (here, unlike) = (product[row], input[row] - table[row]);
                *value += ((Fr::ONE - here) * begins + unlike * meets) * rows.first[row];
                *value += (here.square() - here) * ends * rows.last(row);
                let (next, before) = (product[rotated(row, 1, n)], input[rotated(row, -1, n)]);
                let permuted = next * (input[row] + beta) * (table[row] + gamma);
                let inner = (permuted - here * given[row]) * runs + unlike * (input[row] - before) * follows;
                *value += inner * rows.active(row);
            }
        });
    }
}

/// What is one at certain rows, and zero at all others.
struct Rows {
    first: Values,
    /// How many rows are for blinding.
    blinding: i32,
}

impl Rows {
    /// What is one at the first row that is for blinding.
    fn last(&self, row: usize) -> Fr {
        // What is one at a row further behind has the values that this one has further ahead.
        self.first[rotated(row, self.blinding, self.first.len())]
    }

    /// What is one at all rows that are not for blinding.
    fn active(&self, row: usize) -> Fr {
        let blinding = (1..=self.blinding).map(|ahead| self.first[rotated(row, ahead, self.first.len())]);
        blinding.fold(Fr::ONE, |active, one| active - one)
    }
}
