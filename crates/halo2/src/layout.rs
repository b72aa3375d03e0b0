//! What a circuit's key is made of.

use crate::{
    Error, Params, ProvingKey, System, Values,
    cycles::Cycles,
    domain::{check_phases, check_rows, degree, domain, rows},
    key::key,
    witness::{of_no_interest, value_of},
};
use halo2_base::halo2_proofs::{
    circuit::Value,
    halo2curves::{bn256::Fr, ff::Field, group::Curve},
    plonk::{
        self, Advice, Any, Assigned, Assignment, Challenge, Circuit, Column, Fixed, FloorPlanner, Instance,
        Selector,
    },
    poly::commitment::{Blind, Params as _},
};

/// Constants, selectors and copies of a circuit: as much of it as its key is made of.
pub struct Layout {
    system: System,
    cells: Cells,
}

impl Layout {
    /// Runs through a circuit of `2^k` rows. Its values do not matter.
    ///
    /// # Errors
    /// It does not fit, has several phases or challenges, or what halo2 finds.
    pub fn of<C: Circuit<Fr>>(k: u32, circuit: &C) -> Result<Self, Error> {
        let mut system = System::default();
        let config = C::configure_with_params(&mut system, circuit.params());
        let (rows, usable) = rows(&system, k)?;
        check_phases(&system)?;
        check_rows(degree(&system)?, k)?;
        let mut cells = Cells {
            k,
            usable,
            fixed: vec![vec![Fr::ZERO; rows]; system.num_fixed_columns()],
            selectors: vec![vec![false; rows]; system.num_selectors()],
            cycles: Cycles::new(system.permutation().get_columns(), rows)?,
            outside: false,
        };
        C::FloorPlanner::synthesize(&mut cells, circuit, config, system.constants().clone())?;
        if cells.outside {
            return Err(cells.too_few_rows().into());
        }
        Ok(Self { system, cells })
    }

    /// Makes the key, on a setup of the circuit's degree.
    ///
    /// # Errors
    /// The setup is of another degree, or halo2 makes no keys for the circuit's equations.
    pub fn into_key(self, params: &Params) -> Result<ProvingKey, Error> {
        let Self { system, cells: Cells { k, fixed, selectors, cycles, .. } } = self;
        if params.k() != k {
            let (given, needed) = (params.k() as usize, k as usize);
            return Err(Error::Shape { what: "powers of two of the setup's rows", given, needed });
        }
        let domain = domain(degree(&system)?, k)?;
        let (system, selectors) = system.directly_convert_selectors_to_fixed(selectors);
        // A column after the other: of each its coefficients stay.
        let polynomial = |values: Values| {
            let commitment = params.commit_lagrange(&values, Blind::default()).to_affine();
            (commitment, domain.lagrange_to_coeff(values))
        };
        let columns = fixed.into_iter().chain(selectors);
        let fixed = columns.map(|values| polynomial(domain.lagrange_from_vec(values))).unzip();
        let permutations = cycles.polynomials(&domain, polynomial).into_iter().unzip();
        Ok(key(domain, system, fixed, permutations))
    }
}

struct Cells {
    k: u32,
    /// Rows that are not for blinding.
    usable: usize,
    fixed: Vec<Vec<Fr>>,
    selectors: Vec<Vec<bool>>,
    cycles: Cycles,
    /// Something was put where no row or column is.
    outside: bool,
}

impl Cells {
    fn too_few_rows(&self) -> plonk::Error {
        plonk::Error::NotEnoughRowsAvailable { current_k: self.k }
    }
}

impl Assignment<Fr> for Cells {
    fn enable_selector<A: FnOnce() -> S, S: Into<String>>(
        &mut self,
        _: A,
        selector: &Selector,
        row: usize,
    ) -> Result<(), plonk::Error> {
        if row >= self.usable {
            return Err(self.too_few_rows());
        }
        self.selectors[selector.index()][row] = true;
        Ok(())
    }

    fn assign_fixed(&mut self, column: Column<Fixed>, row: usize, to: Assigned<Fr>) {
        if row < self.usable {
            self.fixed[column.index()][row] = value_of(to);
        } else {
            self.outside = true;
        }
    }

    fn copy(&mut self, left: Column<Any>, left_row: usize, right: Column<Any>, right_row: usize) {
        let usable = left_row.max(right_row) < self.usable;
        match (usable, self.cycles.cell(left, left_row), self.cycles.cell(right, right_row)) {
            (true, Some(left), Some(right)) => self.cycles.join(left, right),
            _ => self.outside = true,
        }
    }

    fn fill_from_row(
        &mut self,
        column: Column<Fixed>,
        row: usize,
        to: Value<Assigned<Fr>>,
    ) -> Result<(), plonk::Error> {
        let Some(rows) = self.fixed[column.index()].get_mut(row..self.usable) else {
            return Err(self.too_few_rows());
        };
        let mut known = false;
        let _ = to.map(|to| {
            rows.fill(value_of(to));
            known = true;
        });
        if known { Ok(()) } else { Err(plonk::Error::Synthesis) }
    }

    fn assign_advice<'v>(
        &mut self,
        _: Column<Advice>,
        _: usize,
        _: Value<Assigned<Fr>>,
    ) -> Value<&'v Assigned<Fr>> {
        Value::unknown()
    }

    of_no_interest!();
}
