//! Copies: that the cells of each cycle are equal. Columns are taken in sets, as many as the circuit's degree allows.

use crate::{
    Domain, ProvingKey, Values,
    columns::{Columns, ROWS},
    key::at_rows,
    lookup::running,
    random::Random,
};
use halo2_base::halo2_proofs::{
    arithmetic::parallelize,
    halo2curves::{
        bn256::Fr,
        ff::{BatchInvert, Field, PrimeField},
    },
};

/// How many columns a set has.
pub(crate) fn set_len(key: &ProvingKey) -> usize {
    key.get_vk().cs().degree() - 2
}

/// The running products of the sets, each of which begins where the one before ends. `each` takes one after the other.
pub(crate) fn products<E>(
    key: &ProvingKey,
    columns: &Columns<'_>,
    [beta, gamma]: [Fr; 2],
    domain: &Domain,
    random: &mut Random,
    mut each: impl FnMut(Values) -> Result<(), E>,
) -> Result<(), E> {
    let system = key.get_vk().cs();
    let blinding = system.blinding_factors();
    let participants = system.permutation().get_columns();
    let (mut first, mut delta) = (Fr::ONE, Fr::ONE);
    let permutations = key.permutation().polys();
    for (set, permutations) in participants.chunks(set_len(key)).zip(permutations.chunks(set_len(key))) {
        // One column after the other: how cells are permuted is a polynomial as large as a column.
        let mut factors = domain.empty_lagrange();
        parallelize(&mut factors, |factors, _| factors.fill(Fr::ONE));
        for (column, permutation) in set.iter().zip(permutations) {
            let (values, next) = (columns.column(*column), at_rows(domain, permutation));
            parallelize(&mut factors, |factors, start| {
                let rows = values[start..].iter().zip(&next[start..]);
                for (factor, (value, next)) in factors.iter_mut().zip(rows) {
                    *factor *= beta * next + gamma + value;
                }
            });
        }
        parallelize(&mut factors, |factors, start| {
            for (at, factors) in factors.chunks_mut(ROWS).enumerate() {
                let start = start + at * ROWS;
                factors.iter_mut().batch_invert();
                let mut delta = delta * domain.get_omega().pow_vartime([start as u64]) * beta;
                for column in set {
                    let mut cell = delta;
                    for (factor, value) in factors.iter_mut().zip(&columns.column(*column)[start..]) {
                        *factor *= cell + gamma + value;
                        cell *= domain.get_omega();
                    }
                    delta *= Fr::DELTA;
                }
            }
        });
        delta *= Fr::DELTA.pow_vartime([set.len() as u64]);
        let product = running(factors, first, blinding, random);
        first = product[columns.rows() - (blinding + 1)];
        each(product)?;
    }
    Ok(())
}
