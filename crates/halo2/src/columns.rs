//! The values of a circuit's columns at as many points as it has rows, and what expressions over them are.

use crate::Values;
use halo2_base::halo2_proofs::{
    arithmetic::parallelize,
    halo2curves::bn256::Fr,
    plonk::{Any, Column, Expression},
    poly::Rotation,
};
use std::ops::Range;

/// Rows that are computed at once: what fits a core's cache.
pub(crate) const ROWS: usize = 1024;

/// Which column. Those of the witness come last in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ColumnId {
    Fixed(usize),
    Instance(usize),
    Advice(usize),
}

impl From<Column<Any>> for ColumnId {
    fn from(column: Column<Any>) -> Self {
        match column.column_type() {
            Any::Fixed => Self::Fixed(column.index()),
            Any::Instance => Self::Instance(column.index()),
            Any::Advice(_) => Self::Advice(column.index()),
        }
    }
}

/// The columns that expressions take values of, each once.
pub(crate) fn columns_of<'a>(expressions: impl IntoIterator<Item = &'a Expression<Fr>>) -> Vec<ColumnId> {
    let mut columns = Vec::new();
    for expression in expressions {
        find(expression, &mut columns);
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}

fn find(expression: &Expression<Fr>, columns: &mut Vec<ColumnId>) {
    match expression {
        Expression::Fixed(query) => columns.push(ColumnId::Fixed(query.column_index())),
        Expression::Instance(query) => columns.push(ColumnId::Instance(query.column_index())),
        Expression::Advice(query) => columns.push(ColumnId::Advice(query.column_index())),
        Expression::Negated(a) | Expression::Scaled(a, _) => find(a, columns),
        Expression::Sum(a, b) | Expression::Product(a, b) => {
            find(a, columns);
            find(b, columns);
        }
        Expression::Constant(_) | Expression::Selector(_) | Expression::Challenge(_) => {}
    }
}

/// Columns by their numbers. Those that are not needed may be empty.
pub(crate) struct Columns<'a> {
    rows: usize,
    fixed: Vec<&'a [Fr]>,
    instance: Vec<&'a [Fr]>,
    advice: Vec<&'a [Fr]>,
}

impl<'a> Columns<'a> {
    pub(crate) fn new(
        rows: usize,
        fixed: &'a [Values],
        instance: &'a [Values],
        advice: &'a [Values],
    ) -> Self {
        let [fixed, instance, advice] =
            [fixed, instance, advice].map(|columns| columns.iter().map(Values::values).collect());
        Self { rows, fixed, instance, advice }
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn column(&self, column: impl Into<ColumnId>) -> &'a [Fr] {
        match column.into() {
            ColumnId::Fixed(index) => self.fixed[index],
            ColumnId::Instance(index) => self.instance[index],
            ColumnId::Advice(index) => self.advice[index],
        }
    }

    /// What an expression is at each row, folded into the values there are: `value * factor + it`.
    pub(crate) fn fold(&self, values: &mut [Fr], factor: Fr, expression: &Expression<Fr>) {
        self.combine(values, expression, |value, computed| *value = *value * factor + computed);
    }

    /// Adds what an expression is at each row, so many times.
    pub(crate) fn add(&self, values: &mut [Fr], weight: Fr, expression: &Expression<Fr>) {
        self.combine(values, expression, |value, computed| *value += weight * computed);
    }

    fn combine(
        &self,
        values: &mut [Fr],
        expression: &Expression<Fr>,
        with: impl Fn(&mut Fr, Fr) + Send + Sync,
    ) {
        parallelize(values, |values, start| {
            for (at, values) in values.chunks_mut(ROWS).enumerate() {
                let first = start + at * ROWS;
                let computed = self.evaluate(expression, first..first + values.len());
                for (value, computed) in values.iter_mut().zip(computed) {
                    with(value, computed);
                }
            }
        });
    }

    fn evaluate(&self, expression: &Expression<Fr>, rows: Range<usize>) -> Vec<Fr> {
        let both = |a, b, combine: fn(&mut Fr, &Fr)| {
            let (mut a, b) = (self.evaluate(a, rows.clone()), self.evaluate(b, rows.clone()));
            a.iter_mut().zip(&b).for_each(|(a, b)| combine(a, b));
            a
        };
        let each = |a, change: &dyn Fn(Fr) -> Fr| -> Vec<Fr> {
            self.evaluate(a, rows.clone()).into_iter().map(change).collect()
        };
        match expression {
            Expression::Constant(constant) => vec![*constant; rows.len()],
            Expression::Fixed(query) => {
                self.rotated(ColumnId::Fixed(query.column_index()), query.rotation(), rows)
            }
            Expression::Advice(query) => {
                self.rotated(ColumnId::Advice(query.column_index()), query.rotation(), rows)
            }
            Expression::Instance(query) => {
                self.rotated(ColumnId::Instance(query.column_index()), query.rotation(), rows)
            }
            Expression::Negated(a) => each(a, &|value| -value),
            Expression::Scaled(a, factor) => each(a, &|value| value * factor),
            Expression::Sum(a, b) => both(a, b, |a, b| *a += b),
            Expression::Product(a, b) => both(a, b, |a, b| *a *= b),
            // A key has fixed columns in place of selectors, and `prove` refuses circuits with challenges.
            Expression::Selector(_) | Expression::Challenge(_) => unreachable!("keys have neither"),
        }
    }

    fn rotated(&self, column: ColumnId, rotation: Rotation, rows: Range<usize>) -> Vec<Fr> {
        let column = self.column(column);
        let first = rotated(rows.start, rotation.0, self.rows);
        let end = (first + rows.len()).min(self.rows);
        let mut values = Vec::with_capacity(rows.len());
        values.extend_from_slice(&column[first..end]);
        values.extend_from_slice(&column[..rows.len() - values.len()]);
        values
    }
}

/// The row that is so many further, and behind the last one the first one. There are a power of two of them.
pub(crate) fn rotated(row: usize, rotation: i32, rows: usize) -> usize {
    row.wrapping_add_signed(rotation as isize) & (rows - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_follow_each_other_in_a_circle() {
        assert_eq!([rotated(3, 1, 8), rotated(7, 1, 8), rotated(0, -1, 8), rotated(2, -6, 8)], [4, 0, 7, 4]);
        assert_eq!([rotated(5, 8, 8), rotated(5, -16, 8), rotated(5, i32::MIN, 8)], [5; 3]);
    }
}
