//! What a key and a proof of a circuit take, by halo2's own functions or by this crate's: `memory halo2|own K COLUMNS`.
//!
//! Prints the most memory of the process for each (`VmHWM`), in MB and in polynomials of all rows, and the seconds.
#![allow(missing_docs)]

use halo2_base::{
    gates::{
        GateInstructions, RangeInstructions,
        circuit::{CircuitBuilderStage, builder::BaseCircuitBuilder},
    },
    halo2_proofs::{
        halo2curves::bn256::{Bn256, Fr, G1Affine},
        plonk::{create_proof, keygen_pk, keygen_vk},
        poly::kzg::{
            commitment::{KZGCommitmentScheme, ParamsKZG},
            multiopen::ProverSHPLONK,
        },
        transcript::{Blake2bWrite, Challenge255, TranscriptWriterBuffer},
    },
};
use proofmill_halo2::{Layout, prove, witness};
use std::{env, error::Error, fs, time::Instant};

/// Rows that are left for blinding.
const SPARE: usize = 20;

fn fill(mut builder: BaseCircuitBuilder<Fr>, cells: usize) -> BaseCircuitBuilder<Fr> {
    let range = builder.range_chip();
    let context = builder.main(0);
    for number in 0_u64.. {
        if context.advice.len() >= cells {
            break;
        }
        let value = context.load_witness(Fr::from(number % 1000));
        range.range_check(context, value, 13);
        let mut last = value;
        for _ in 0..8 {
            last = range.gate().mul_add(context, last, value, last);
        }
    }
    builder
}

/// What `work` makes. Says the most memory that the process has had meanwhile.
fn measured<T>(
    what: &str,
    k: usize,
    work: impl FnOnce() -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    fs::write("/proc/self/clear_refs", "5")?;
    let begun = Instant::now();
    let made = work()?;
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb: u64 = peak.and_then(|peak| peak.trim().split(' ').next()).unwrap_or_default().parse()?;
    let polynomials = (kb << 10) as f64 / (32_u64 << k) as f64;
    println!("{what}: {} MB, {polynomials:.0} polynomials, {:.1} s", kb >> 10, begun.elapsed().as_secs_f64());
    Ok(made)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [which, k, columns] = arguments.as_slice() else { return Err("memory halo2|own K COLUMNS".into()) };
    let (k, columns): (usize, usize) = (k.parse()?, columns.parse()?);
    let cells = ((1 << k) - 2 * SPARE) * columns * 95 / 100;
    let params = ParamsKZG::<Bn256>::setup(k as u32, rand_core::OsRng);
    let circuit = || {
        let builder = BaseCircuitBuilder::from_stage(CircuitBuilderStage::Keygen).use_k(k);
        let mut circuit = fill(builder.use_lookup_bits(k - 1).use_instance_columns(1), cells);
        (circuit.calculate_params(Some(SPARE)), circuit)
    };
    let mut transcript = Blake2bWrite::<Vec<u8>, G1Affine, Challenge255<_>>::init(Vec::new());
    if which == "halo2" {
        let (key, columns, points) = measured("key", k, || {
            let (columns, circuit) = circuit();
            let key = keygen_pk(&params, keygen_vk(&params, &circuit)?, &circuit)?;
            Ok((key, columns, circuit.break_points()))
        })?;
        return measured("proof", k, || {
            let circuit = fill(BaseCircuitBuilder::prover(columns, points).use_instance_columns(1), cells);
            create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
                &params,
                &key,
                &[circuit],
                &[&[&[]]],
                rand_core::OsRng,
                &mut transcript,
            )?;
            Ok(())
        });
    }
    let (key, columns, points) = measured("key", k, || {
        let (columns, circuit) = circuit();
        let layout = Layout::of(k as u32, &circuit)?;
        let points = circuit.break_points();
        drop(circuit);
        Ok((layout.into_key(&params)?, columns, points))
    })?;
    measured("proof", k, || {
        let circuit = fill(BaseCircuitBuilder::prover(columns, points).use_instance_columns(1), cells);
        let advice = witness(k as u32, &circuit)?;
        drop(circuit);
        Ok(prove(&params, &key, &[Vec::new()], advice, &mut transcript)?)
    })
}
