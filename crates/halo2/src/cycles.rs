//! Which cells must be equal: a permutation of cells, whose cycles are of equal ones.

use crate::{Domain, Error, Values};
use halo2_base::halo2_proofs::{
    arithmetic::parallelize,
    halo2curves::{
        bn256::Fr,
        ff::{Field, PrimeField},
    },
    plonk::{Any, Column},
};
use std::iter;

/// Cells are counted through all columns that take part, column by column.
pub(crate) struct Cycles {
    columns: Vec<Column<Any>>,
    rows: usize,
    /// Which cell follows in the cycle.
    next: Vec<u32>,
    /// Which cell stands for the cycle.
    cycle: Vec<u32>,
    /// How many cells a cycle has, for the one that stands for it.
    sizes: Vec<u32>,
}

impl Cycles {
    pub(crate) fn new(columns: Vec<Column<Any>>, rows: usize) -> Result<Self, Error> {
        let cells = columns.len() * rows;
        let count = u32::try_from(cells).map_err(|_| Error::TooManyCells { cells })?;
        let (next, cycle) = ((0..count).collect(), (0..count).collect());
        Ok(Self { columns, rows, next, cycle, sizes: vec![1; cells] })
    }

    /// The number of a cell; `None` where it takes no part.
    pub(crate) fn cell(&self, column: Column<Any>, row: usize) -> Option<usize> {
        let at = self.columns.iter().position(|one| *one == column)?;
        (row < self.rows).then_some(at * self.rows + row)
    }

    /// Makes one cycle of those of two cells. As halo2 does it, which makes the key the same: the smaller one joins the larger one, and
    /// of two that are equal the right one joins.
    pub(crate) fn join(&mut self, left: usize, right: usize) {
        let (mut into, mut joins) = (self.cycle[left] as usize, self.cycle[right] as usize);
        if into == joins {
            return;
        }
        if self.sizes[into] < self.sizes[joins] {
            (into, joins) = (joins, into);
        }
        self.sizes[into] += self.sizes[joins];
        let mut cell = joins;
        loop {
            self.cycle[cell] = into as u32;
            cell = self.next[cell] as usize;
            if cell == joins {
                break;
            }
        }
        self.next.swap(left, right);
    }

    /// What `take` makes, for each column, of the polynomial that says of each row which cell follows: `delta^column * omega^row`.
    pub(crate) fn polynomials<T>(self, domain: &Domain, take: impl Fn(Values) -> T) -> Vec<T> {
        let Self { columns, rows, next, cycle, sizes } = self;
        drop((cycle, sizes));
        let omega = domain.get_omega();
        let mut roots = vec![Fr::ZERO; rows];
        parallelize(&mut roots, |roots, start| {
            let mut root = omega.pow_vartime([start as u64]);
            for one in roots {
                *one = root;
                root *= omega;
            }
        });
        let deltas: Vec<Fr> =
            iter::successors(Some(Fr::ONE), |delta| Some(*delta * Fr::DELTA)).take(columns.len()).collect();
        let polynomial = |next: &[u32]| {
            let mut values = domain.empty_lagrange();
            parallelize(&mut values, |values, start| {
                for (value, next) in values.iter_mut().zip(&next[start..]) {
                    let next = *next as usize;
                    *value = deltas[next / rows] * roots[next % rows];
                }
            });
            take(values)
        };
        next.chunks(rows).map(polynomial).collect()
    }
}
