//! Circuits of several shapes: halo2 makes their keys, too, and its verifier takes their proofs.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{holds, prove};
use halo2_base::{
    AssignedValue,
    gates::{
        GateInstructions, RangeInstructions,
        circuit::{BaseCircuitParams, CircuitBuilderStage, builder::BaseCircuitBuilder},
        flex_gate::MultiPhaseThreadBreakPoints,
    },
    halo2_proofs::{
        SerdeFormat,
        halo2curves::{
            bn256::{Bn256, Fr},
            ff::Field,
        },
        plonk::{keygen_pk, keygen_vk},
        poly::{Coeff, Polynomial, kzg::commitment::ParamsKZG},
    },
};
use proofmill_halo2::{Error, Layout, Params, ProvingKey, read_key, witness, write_key};
use std::{collections::BTreeMap, slice::from_ref, sync::Mutex};

/// Rows that are left for blinding.
const SPARE: usize = 20;

/// A circuit of about so many full columns.
#[derive(Clone, Copy, Debug)]
struct Shape {
    k: u32,
    columns: usize,
    /// Every how manyth value is looked up; never where it is 0.
    lookups: usize,
}

/// One column with and without lookups, several with a column for lookups, with two of them, and more columns than one set of copies has.
const SHAPES: [Shape; 6] = [
    Shape { k: 8, columns: 1, lookups: 1 },
    Shape { k: 8, columns: 1, lookups: 0 },
    Shape { k: 8, columns: 3, lookups: 4 },
    Shape { k: 7, columns: 4, lookups: 1 },
    Shape { k: 9, columns: 7, lookups: 2 },
    Shape { k: 6, columns: 2, lookups: 3 },
];

fn params(k: u32) -> Params {
    static MADE: Mutex<BTreeMap<u32, Params>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap();
    made.entry(k).or_insert_with(|| ParamsKZG::<Bn256>::setup(k, rand_core::OsRng)).clone()
}

/// What the circuit computes follows from `start`, what it is does not.
fn fill(builder: &mut BaseCircuitBuilder<Fr>, shape: Shape, start: u64) -> AssignedValue<Fr> {
    let range = builder.range_chip();
    let gate = range.gate().clone();
    let context = builder.main(0);
    let cells = ((1 << shape.k) - SPARE) * shape.columns * 9 / 10;
    let mut last = context.load_witness(Fr::from(start));
    for number in 1_u64.. {
        if context.advice.len() + 40 > cells {
            break;
        }
        let value = context.load_witness(Fr::from((start + number * number) % 30));
        if shape.lookups > 0 && (number as usize).is_multiple_of(shape.lookups) {
            range.range_check(context, value, 5);
        }
        last = gate.mul_add(context, last, value, last);
        let constant = context.load_constant(Fr::from(number % 7));
        last = gate.add(context, last, constant);
    }
    last
}

fn builder(stage: CircuitBuilderStage, shape: Shape) -> BaseCircuitBuilder<Fr> {
    let builder = BaseCircuitBuilder::from_stage(stage).use_k(shape.k as usize).use_instance_columns(1);
    builder.use_lookup_bits(5)
}

struct Made {
    params: Params,
    key: ProvingKey,
    columns: BaseCircuitParams,
    break_points: MultiPhaseThreadBreakPoints,
}

impl Made {
    fn new(shape: Shape) -> Self {
        let params = params(shape.k);
        let mut circuit = builder(CircuitBuilderStage::Keygen, shape);
        let public = fill(&mut circuit, shape, 3);
        circuit.assigned_instances[0].push(public);
        let columns = circuit.calculate_params(Some(SPARE));
        let layout = Layout::of(shape.k, &circuit).unwrap();
        let break_points = circuit.break_points();
        drop(circuit);
        Self { key: layout.into_key(&params).unwrap(), params, columns, break_points }
    }

    fn circuit(&self, shape: Shape, start: u64) -> (BaseCircuitBuilder<Fr>, Fr) {
        let mut circuit = BaseCircuitBuilder::prover(self.columns.clone(), self.break_points.clone())
            .use_instance_columns(1);
        let public = fill(&mut circuit, shape, start);
        circuit.assigned_instances[0].push(public);
        (circuit, *public.value())
    }

    fn prove(&self, public: Fr, advice: Vec<Vec<Fr>>) -> Result<Vec<u8>, Error> {
        prove(&self.params, &self.key, &[vec![public]], advice)
    }

    fn holds(&self, public: Fr, proof: &[u8]) -> bool {
        holds(&self.params, &self.key, &[vec![public]], proof)
    }
}

#[test]
fn keys_are_those_of_halo2() {
    for shape in SHAPES {
        let params = params(shape.k);
        let mut circuit = builder(CircuitBuilderStage::Keygen, shape);
        let public = fill(&mut circuit, shape, 3);
        circuit.assigned_instances[0].push(public);
        circuit.calculate_params(Some(SPARE));
        let verifying = keygen_vk(&params, &circuit).unwrap();
        let halo2 = keygen_pk(&params, verifying, &circuit).unwrap();
        let made = Made::new(shape);
        let mut bytes = Vec::new();
        write_key(&made.key, &mut bytes).unwrap();
        let mut rest = bytes.as_slice();
        let read = read_key::<BaseCircuitBuilder<Fr>>(&mut rest, made.columns.clone()).unwrap();
        assert!(rest.is_empty(), "{shape:?}");
        for key in [&made.key, &read] {
            let [own, expected] = [key, &halo2].map(|key| key.get_vk().to_bytes(SerdeFormat::RawBytes));
            assert!(own == expected, "{shape:?}");
            assert_eq!(key.get_vk().transcript_repr(), halo2.get_vk().transcript_repr(), "{shape:?}");
            let same = |own: &[Polynomial<Fr, Coeff>], expected: &[Polynomial<Fr, Coeff>]| {
                own.len() == expected.len()
                    && own.iter().zip(expected).all(|(own, other)| own[..] == other[..])
            };
            assert!(same(key.fixed_polys(), halo2.fixed_polys()), "{shape:?}");
            assert!(same(key.permutation().polys(), halo2.permutation().polys()), "{shape:?}");
        }
    }
}

#[test]
fn halo2s_verifier_takes_the_proofs_and_no_others() {
    for shape in SHAPES {
        let made = Made::new(shape);
        for start in [3, 11] {
            let (circuit, public) = made.circuit(shape, start);
            let advice = witness(shape.k, &circuit).unwrap();
            let proof = made.prove(public, advice.clone()).unwrap();
            assert!(made.holds(public, &proof), "{shape:?}");
            assert!(!made.holds(public + Fr::ONE, &proof), "{shape:?}: another public value");
            for at in (0..proof.len()).step_by(proof.len() / 7) {
                let mut other = proof.clone();
                other[at] ^= 1;
                assert!(!made.holds(public, &other), "{shape:?}: byte {at}");
            }
            // Two proofs of the same differ: rows are blinded.
            assert_ne!(made.prove(public, advice).unwrap(), proof, "{shape:?}");
        }
    }
}

#[test]
fn a_wrong_witness_makes_no_proof_that_holds() {
    for shape in SHAPES {
        let made = Made::new(shape);
        let (circuit, public) = made.circuit(shape, 3);
        let right = witness(shape.k, &circuit).unwrap();
        assert!(made.holds(public, &made.prove(public, right.clone()).unwrap()));
        assert!(!made.holds(public + Fr::ONE, &made.prove(public + Fr::ONE, right.clone()).unwrap()));
        for at in 0..12 {
            let mut wrong = right.clone();
            // The first column is full.
            wrong[0][at] += Fr::from(1 << 40);
            match made.prove(public, wrong) {
                Ok(proof) => assert!(!made.holds(public, &proof), "{shape:?}: cell {at}"),
                Err(error) => assert!(matches!(error, Error::NotInTable { .. }), "{shape:?}: {error}"),
            }
        }
    }
}

#[test]
fn a_value_that_is_in_no_table_is_said_at_once() {
    let shape = Shape { k: 8, columns: 3, lookups: 1 };
    let made = Made::new(shape);
    let (circuit, public) = made.circuit(shape, 3);
    let mut advice = witness(shape.k, &circuit).unwrap();
    // The last column is the one for lookups, whose table goes to 31.
    advice.last_mut().unwrap()[0] = Fr::from(32);
    let error = made.prove(public, advice).unwrap_err();
    assert!(matches!(error, Error::NotInTable { row: 0 }) && error.to_string().contains("table"), "{error}");
}

#[test]
fn what_is_not_of_the_circuit_is_refused() {
    let shape = SHAPES[2];
    let made = Made::new(shape);
    let (circuit, public) = made.circuit(shape, 3);
    let advice = witness(shape.k, &circuit).unwrap();
    let refused = |key: &ProvingKey,
                   setup: &Params,
                   instances: &[Vec<Fr>],
                   advice: Vec<Vec<Fr>>,
                   word: &str| {
        let error = prove(setup, key, instances, advice).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }) && error.to_string().contains(word), "{word}: {error}");
    };
    let (key, setup, public) = (&made.key, &made.params, vec![public]);
    refused(key, &params(shape.k + 1), from_ref(&public), advice.clone(), "setup");
    refused(key, setup, &[], advice.clone(), "columns of public values");
    refused(key, setup, &[vec![Fr::ONE; 1 << shape.k]], advice.clone(), "public values of a column");
    refused(key, setup, from_ref(&public), advice[1..].to_vec(), "columns of the witness");
    let short = advice.iter().map(|column| column[1..].to_vec()).collect();
    refused(key, setup, &[public], short, "rows of the witness");

    let mut circuit = builder(CircuitBuilderStage::Keygen, shape);
    fill(&mut circuit, shape, 3);
    circuit.calculate_params(Some(SPARE));
    let layout = Layout::of(shape.k, &circuit).unwrap();
    let error = layout.into_key(&params(shape.k - 1)).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    // Fewer rows than any circuit has.
    let Err(error) = Layout::of(2, &circuit) else { panic!("it does not fit") };
    assert!(matches!(error, Error::Circuit(_)), "{error}");
}

#[test]
fn a_key_that_is_cut_off_or_damaged_is_refused_and_nothing_panics() {
    let shape = SHAPES[5];
    let made = Made::new(shape);
    let written = |key: &ProvingKey| {
        let mut bytes = Vec::new();
        write_key(key, &mut bytes).unwrap();
        bytes
    };
    let bytes = written(&made.key);
    let read = |bytes: &[u8]| read_key::<BaseCircuitBuilder<Fr>>(&mut &*bytes, made.columns.clone());
    for len in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
        assert!(read(&bytes[..len]).is_err(), "{len} bytes");
    }
    for at in (0..bytes.len()).step_by(13) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x80;
        // Another number below the field's order is another key; its file has a checksum.
        if let Ok(key) = read(&changed) {
            assert!(written(&key) == changed, "byte {at}");
        }
    }
    let mut large = bytes.clone();
    let end = large.len();
    large[end - 32..].fill(0xff);
    let error = read(&large).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("too large for its field"), "{error}");
    // The first commitment's coordinate.
    let mut moved = bytes.clone();
    moved[1 + 4 + 2 * 4] ^= 1;
    let error = read(&moved).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("not on the curve"), "{error}");
    // Another number of rows: too few for blinding, none that there are values for, more than there are roots of unity.
    for k in [2, 26, 28, 200] {
        let mut other = bytes.clone();
        other[1] = k;
        assert!(read(&other).is_err(), "2^{k} rows");
    }
    // The parameters of another circuit.
    let other = Made::new(SHAPES[2]).columns;
    assert!(read_key::<BaseCircuitBuilder<Fr>>(&mut bytes.as_slice(), other).is_err());
}
