//! The columns of a witness.

use crate::{
    Error, System,
    domain::{check_phases, rows},
};
use halo2_base::halo2_proofs::{
    circuit::Value,
    halo2curves::{bn256::Fr, ff::Field},
    plonk::{
        self, Advice, Any, Assigned, Assignment, Challenge, Circuit, Column, Fixed, FloorPlanner, Instance,
        Selector,
    },
};

/// Writes what an [`Assignment`] has no use for: names of regions, public values, challenges.
macro_rules! of_no_interest {
    () => {
        fn query_instance(&self, _: Column<Instance>, _: usize) -> Result<Value<Fr>, plonk::Error> {
            Ok(Value::unknown())
        }

        fn get_challenge(&self, _: Challenge) -> Value<Fr> {
            Value::unknown()
        }

        fn enter_region<S: Into<String>, N: FnOnce() -> S>(&mut self, _: N) {}
        fn exit_region(&mut self) {}
        fn annotate_column<A: FnOnce() -> S, S: Into<String>>(&mut self, _: A, _: Column<Any>) {}
        fn push_namespace<S: Into<String>, N: FnOnce() -> S>(&mut self, _: N) {}
        fn pop_namespace(&mut self, _: Option<String>) {}
    };
}
pub(crate) use of_no_interest;

/// Runs through a circuit of `2^k` rows for its witness: a column after the other, each of all rows. Those for blinding are zero. What the
/// circuit would read of its public values itself is missing: `halo2-base` reads nothing of them.
///
/// # Errors
/// A value is missing or has no row, the circuit has several phases or challenges, or what halo2 finds.
pub fn witness<C: Circuit<Fr>>(k: u32, circuit: &C) -> Result<Vec<Vec<Fr>>, Error> {
    let mut system = System::default();
    let config = C::configure_with_params(&mut system, circuit.params());
    let (rows, usable) = rows(&system, k)?;
    check_phases(&system)?;
    let columns = vec![vec![Fr::ZERO; rows]; system.num_advice_columns()];
    let mut witness = Witness { usable, columns, missing: false };
    C::FloorPlanner::synthesize(&mut witness, circuit, config, system.constants().clone())?;
    if witness.missing {
        return Err(plonk::Error::Synthesis.into());
    }
    Ok(witness.columns)
}

/// Nearly all are values, and no fractions.
pub(crate) fn value_of(assigned: Assigned<Fr>) -> Fr {
    match assigned {
        Assigned::Trivial(value) => value,
        fraction => fraction.evaluate(),
    }
}

struct Witness {
    /// Rows that are not for blinding.
    usable: usize,
    columns: Vec<Vec<Fr>>,
    /// A value is not known, or has no place.
    missing: bool,
}

impl Assignment<Fr> for Witness {
    fn assign_advice<'v>(
        &mut self,
        column: Column<Advice>,
        row: usize,
        to: Value<Assigned<Fr>>,
    ) -> Value<&'v Assigned<Fr>> {
        let cell = self.columns[column.index()][..self.usable].get_mut(row);
        let mut given = false;
        if let Some(cell) = cell {
            let _ = to.map(|to| {
                *cell = value_of(to);
                given = true;
            });
        }
        self.missing |= !given;
        Value::unknown()
    }

    fn enable_selector<A: FnOnce() -> S, S: Into<String>>(
        &mut self,
        _: A,
        _: &Selector,
        _: usize,
    ) -> Result<(), plonk::Error> {
        Ok(())
    }

    fn fill_from_row(
        &mut self,
        _: Column<Fixed>,
        _: usize,
        _: Value<Assigned<Fr>>,
    ) -> Result<(), plonk::Error> {
        Ok(())
    }

    fn assign_fixed(&mut self, _: Column<Fixed>, _: usize, _: Assigned<Fr>) {}
    fn copy(&mut self, _: Column<Any>, _: usize, _: Column<Any>, _: usize) {}
    of_no_interest!();
}
