//! Circuits of other kinds than `halo2-base` makes: halo2 makes their keys, too, and its verifier takes their proofs.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{holds, prove};
use halo2_base::halo2_proofs::{
    circuit::{Cell, Layouter, SimpleFloorPlanner, Value},
    halo2curves::{
        bn256::{Bn256, Fr},
        ff::Field,
    },
    plonk::{
        self, Advice, Circuit, Column, ConstraintSystem, FirstPhase, Fixed, Instance, SecondPhase, Selector,
        keygen_pk, keygen_vk,
    },
    poly::{Rotation, kzg::commitment::ParamsKZG},
};
use proofmill_halo2::{Error, Layout, Params, ProvingKey, read_key, witness, write_key};

/// Rows with values, besides those that are left zero.
const FILLED: usize = 20;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Kind {
    /// No columns.
    #[default]
    Nothing,
    /// Gates of the highest degree, and public values of other rows in them. No lookups, no copies.
    Gates,
    /// Pairs that are looked up, chosen rows, and a table that is of the witness. No gates, no copies.
    Lookups,
    /// As many sets as columns. No gates, no lookups.
    Copies,
    /// All of them.
    All,
    /// A gate of a degree that halo2 does not take.
    Steep,
    /// A column of a second phase.
    Phases,
    /// A challenge of its own.
    Challenges,
}

impl Kind {
    const PROVABLE: [Self; 5] = [Self::Nothing, Self::Gates, Self::Lookups, Self::Copies, Self::All];

    fn has(self, part: Self) -> bool {
        self == part || self == Self::All
    }

    fn k(self) -> u32 {
        if self == Self::Nothing { 3 } else { 5 }
    }
}

#[derive(Clone, Debug)]
struct Config {
    advice: Vec<Column<Advice>>,
    fixed: Vec<Column<Fixed>>,
    instance: Column<Instance>,
    selectors: [Selector; 3],
}

/// The circuit. `start` is a part of the witness, and public.
#[derive(Clone, Copy)]
struct Mixed {
    kind: Kind,
    start: u64,
}

impl Mixed {
    const COLUMNS: usize = 7;

    /// In rows up to [`FILLED`].
    fn advice(self) -> Vec<Vec<Fr>> {
        let mut columns = vec![vec![Fr::ZERO; FILLED]; Self::COLUMNS];
        // 0 and 1: steps, and their fourth powers.
        let public = self.public();
        let mut value = Fr::from(self.start);
        let [steps, powers, ..] = columns.as_mut_slice() else { unreachable!("there are seven") };
        for (row, (step, power)) in steps.iter_mut().zip(powers).enumerate() {
            *step = value;
            *power = value.square().square();
            let before = row.checked_sub(1).and_then(|before| public.get(before)).copied();
            value += before.unwrap_or_default() * Fr::from(3 * (row as u64 + 1));
        }
        // 2 and 3: numbers and their squares. 4: the numbers in another order.
        for row in 0..FILLED as u64 {
            let number = (self.start + row) % 5;
            columns[2][row as usize] = Fr::from(number);
            columns[3][row as usize] = Fr::from(number * number);
            columns[4][row as usize] = Fr::from((row * 3) % 5);
        }
        // 5 and 6: what is copied.
        columns[5].fill(Fr::from(self.start));
        columns[6].fill(Fr::from(self.start));
        columns[6][FILLED - 1] = Fr::from(9);
        columns
    }

    fn fixed(self) -> Vec<Vec<Fr>> {
        let column = |value: fn(u64) -> u64| (0..FILLED as u64).map(|row| Fr::from(value(row))).collect();
        vec![column(|row| row + 1), column(|row| row % 5), column(|row| (row % 5) * (row % 5)), column(|_| 9)]
    }

    fn public(self) -> Vec<Fr> {
        [self.start, 9, 1, 4, 1, 5].map(Fr::from).to_vec()
    }

    fn instances(self) -> Vec<Vec<Fr>> {
        if self.kind == Kind::Nothing { Vec::new() } else { vec![self.public()] }
    }
}

impl Circuit<Fr> for Mixed {
    type Config = Option<Config>;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Kind;

    fn params(&self) -> Kind {
        self.kind
    }

    fn without_witnesses(&self) -> Self {
        *self
    }

    fn configure(_: &mut ConstraintSystem<Fr>) -> Self::Config {
        unreachable!("it has parameters")
    }

    fn configure_with_params(meta: &mut ConstraintSystem<Fr>, kind: Kind) -> Self::Config {
        if kind == Kind::Nothing {
            return None;
        }
        let config = Config {
            advice: (0..Self::COLUMNS).map(|_| meta.advice_column()).collect(),
            fixed: (0..4).map(|_| meta.fixed_column()).collect(),
            instance: meta.instance_column(),
            selectors: [0; 3].map(|_| meta.complex_selector()),
        };
        let Config { advice, fixed, instance, selectors: [each, steps, looked_up] } = config.clone();
        let [here, next, before] = [Rotation::cur(), Rotation::next(), Rotation::prev()];
        if kind.has(Kind::Gates) {
            meta.create_gate("fourth powers and steps", |meta| {
                let [each, steps] = [each, steps].map(|selector| meta.query_selector(selector));
                let [value, power] = [0, 1].map(|at| meta.query_advice(advice[at], here));
                let following = meta.query_advice(advice[0], next);
                let step = meta.query_instance(instance, before) * meta.query_fixed(fixed[0], here);
                let square = value.clone() * value.clone();
                vec![
                    each * (square.clone() * square - power),
                    steps * (following - value - step * Fr::from(3)),
                ]
            });
        }
        if kind.has(Kind::Lookups) {
            meta.lookup_any("pairs", |meta| {
                let pair = [2, 3].map(|at| meta.query_advice(advice[at], here));
                pair.into_iter().zip([1, 2].map(|at| meta.query_fixed(fixed[at], here))).collect()
            });
            meta.lookup_any("those of chosen rows", |meta| {
                let chosen = meta.query_selector(looked_up) * meta.query_advice(advice[3], next);
                vec![(chosen, meta.query_fixed(fixed[2], here))]
            });
            meta.lookup_any("a table of the witness", |meta| {
                vec![(meta.query_advice(advice[2], here), meta.query_advice(advice[4], here))]
            });
        }
        if kind.has(Kind::Copies) {
            advice.iter().for_each(|column| meta.enable_equality(*column));
            meta.enable_equality(fixed[3]);
            meta.enable_equality(instance);
        }
        if kind == Kind::Steep {
            meta.create_gate("fifth powers", |meta| {
                let value = meta.query_advice(advice[0], here);
                let square = value.clone() * value.clone();
                vec![meta.query_selector(each) * square.clone() * square * value]
            });
        }
        if kind == Kind::Phases {
            meta.advice_column_in(SecondPhase);
        }
        if kind == Kind::Challenges {
            meta.challenge_usable_after(FirstPhase);
        }
        Some(config)
    }

    fn synthesize(&self, config: Self::Config, mut layouter: impl Layouter<Fr>) -> Result<(), plonk::Error> {
        let Some(Config { advice, fixed, instance, selectors: [each, steps, looked_up] }) = config else {
            return Ok(());
        };
        let cells = layouter.assign_region(
            || "all",
            |mut region| {
                let mut constants: Vec<Cell> = Vec::new();
                for (column, values) in fixed.iter().zip(self.fixed()) {
                    for (row, value) in values.into_iter().enumerate() {
                        constants.push(region.assign_fixed(*column, row, value));
                    }
                }
                let mut cells: Vec<Vec<Cell>> = Vec::new();
                for (column, values) in advice.iter().zip(self.advice()) {
                    let assigned = values
                        .into_iter()
                        .enumerate()
                        .map(|(row, value)| region.assign_advice(*column, row, Value::known(value)).cell());
                    cells.push(assigned.collect());
                }
                for row in 0..FILLED - 1 {
                    each.enable(&mut region, row)?;
                    steps.enable(&mut region, row)?;
                    if row % 3 > 0 {
                        looked_up.enable(&mut region, row)?;
                    }
                }
                if self.kind.has(Kind::Copies) {
                    // Cycles that join, cells that are joined already, and a cell with itself.
                    for at in 0..60 {
                        let (left, right) = ((5 + at % 2, at * 5 % 19), (5 + at / 3 % 2, at * 7 % 19));
                        region.constrain_equal(cells[left.0][left.1], cells[right.0][right.1]);
                    }
                    region.constrain_equal(cells[5][3], cells[5][3]);
                    region.constrain_equal(cells[6][FILLED - 1], constants[3 * FILLED + 4]);
                    region.constrain_equal(cells[0][0], cells[6][2]);
                }
                Ok(cells)
            },
        )?;
        if self.kind.has(Kind::Copies) {
            layouter.constrain_instance(cells[5][1], instance, 0);
            layouter.constrain_instance(cells[6][FILLED - 1], instance, 1);
        }
        Ok(())
    }
}

struct Made {
    params: Params,
    key: ProvingKey,
}

impl Made {
    fn new(circuit: &Mixed) -> Self {
        let k = circuit.kind.k();
        let params = ParamsKZG::<Bn256>::setup(k, rand_core::OsRng);
        let key = Layout::of(k, circuit).unwrap().into_key(&params).unwrap();
        Self { params, key }
    }

    fn prove(&self, instances: &[Vec<Fr>], advice: Vec<Vec<Fr>>) -> Result<Vec<u8>, Error> {
        prove(&self.params, &self.key, instances, advice)
    }

    fn holds(&self, instances: &[Vec<Fr>], proof: &[u8]) -> bool {
        holds(&self.params, &self.key, instances, proof)
    }
}

#[test]
fn keys_are_those_of_halo2() {
    for kind in Kind::PROVABLE {
        let circuit = Mixed { kind, start: 3 };
        let Made { params, key } = Made::new(&circuit);
        let halo2 = keygen_pk(&params, keygen_vk(&params, &circuit).unwrap(), &circuit).unwrap();
        let mut bytes = Vec::new();
        write_key(&key, &mut bytes).unwrap();
        let mut rest = bytes.as_slice();
        let read = read_key::<Mixed>(&mut rest, kind).unwrap();
        assert!(rest.is_empty(), "{kind:?}");
        for key in [&key, &read] {
            assert_eq!(key.get_vk().transcript_repr(), halo2.get_vk().transcript_repr(), "{kind:?}");
            let coefficients = |key: &ProvingKey| -> Vec<Vec<Fr>> {
                let polynomials = key.fixed_polys().iter().chain(key.permutation().polys());
                polynomials.map(|polynomial| polynomial.to_vec()).collect()
            };
            assert!(coefficients(key) == coefficients(&halo2), "{kind:?}");
        }
    }
}

#[test]
fn halo2s_verifier_takes_the_proofs() {
    for kind in Kind::PROVABLE {
        let made = Made::new(&Mixed { kind, start: 3 });
        for start in [3, 6] {
            let circuit = Mixed { kind, start };
            let advice = witness(kind.k(), &circuit).unwrap();
            let proof = made.prove(&circuit.instances(), advice.clone()).unwrap();
            assert!(made.holds(&circuit.instances(), &proof), "{kind:?}");
            // What is in rows for blinding does not matter.
            let mut dirty = advice;
            dirty.iter_mut().for_each(|column| *column.last_mut().unwrap() = Fr::from(77));
            let proof = made.prove(&circuit.instances(), dirty).unwrap();
            assert!(made.holds(&circuit.instances(), &proof), "{kind:?}");
        }
    }
}

#[test]
fn proofs_of_what_is_wrong_do_not_hold() {
    for kind in [Kind::Gates, Kind::Copies, Kind::All] {
        let circuit = Mixed { kind, start: 3 };
        let made = Made::new(&circuit);
        let right = witness(kind.k(), &circuit).unwrap();
        let instances = circuit.instances();
        for public in 0..2 {
            let mut others = instances.clone();
            others[0][public] += Fr::ONE;
            let proof = made.prove(&others, right.clone()).unwrap();
            assert!(!made.holds(&others, &proof) && !made.holds(&instances, &proof), "{kind:?}: {public}");
        }
        // The first value goes on in a gate, or is copied.
        let mut wrong = right;
        wrong[0][0] += Fr::ONE;
        let proof = made.prove(&instances, wrong).unwrap();
        assert!(!made.holds(&instances, &proof), "{kind:?}");
    }
}

#[test]
fn the_row_of_a_value_that_is_in_no_table_is_said() {
    let circuit = Mixed { kind: Kind::Lookups, start: 3 };
    let made = Made::new(&circuit);
    let right = witness(circuit.kind.k(), &circuit).unwrap();
    for row in [0, 7, FILLED] {
        let mut wrong = right.clone();
        // The square of no number that the table has.
        wrong[3][row] = Fr::from(25);
        let error = made.prove(&circuit.instances(), wrong).unwrap_err();
        assert!(matches!(error, Error::NotInTable { row: said } if said == row), "{row}: {error}");
    }
}

#[test]
fn what_halo2_has_no_keys_for_is_refused() {
    let steep = Mixed { kind: Kind::Steep, start: 3 };
    let Err(error) = Layout::of(5, &steep) else { panic!("it has a degree of 6") };
    assert!(matches!(error, Error::Degree { given: 5, needed: 6 }), "{error}");
    let circuit = Mixed { kind: Kind::Copies, start: 3 };
    for (k, too_many) in [(0, false), (3, false), (28, true), (29, true), (u32::MAX, true)] {
        let Err(error) = Layout::of(k, &circuit) else { panic!("2^{k} rows") };
        assert_eq!(matches!(error, Error::TooManyRows { .. }), too_many, "2^{k} rows: {error}");
    }
    for k in [0, 3, 29, u32::MAX] {
        assert!(witness(k, &circuit).is_err(), "2^{k} rows");
    }
    // So few rows that values have no place.
    let Err(error) = Layout::of(4, &circuit) else { panic!("16 rows") };
    assert!(matches!(error, Error::Circuit(_)), "{error}");
    assert!(witness(4, &circuit).is_err());
}

#[test]
fn several_phases_and_challenges_are_refused_before_anything_is_made() {
    for kind in [Kind::Phases, Kind::Challenges] {
        let circuit = Mixed { kind, start: 3 };
        let Err(error) = Layout::of(kind.k(), &circuit) else { panic!("{kind:?}") };
        assert!(matches!(error, Error::Phases) && error.to_string().contains("phases"), "{kind:?}: {error}");
        let error = witness(kind.k(), &circuit).unwrap_err();
        assert!(matches!(error, Error::Phases), "{kind:?}: {error}");
        // Whoever has a key of halo2's comes no further.
        let params = ParamsKZG::<Bn256>::setup(kind.k(), rand_core::OsRng);
        let key = keygen_pk(&params, keygen_vk(&params, &circuit).unwrap(), &circuit).unwrap();
        let error = Made { params, key }.prove(&circuit.instances(), Vec::new()).unwrap_err();
        assert!(matches!(error, Error::Phases), "{kind:?}: {error}");
    }
}
