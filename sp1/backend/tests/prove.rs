//! Real proofs. Minutes each and many GB of memory, so they run on their own: `make test-long`.
#![allow(clippy::unwrap_used, missing_docs)]

use alloy_primitives::B256;
use proofmill_backend_sp1::Sp1Backend;
use proofmill_backends::{Backend, BackendError, Job, Proof};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType, Weight};
use proofmill_program::{
    RangePublicValues,
    aggregation::{Aggregation, encode_input},
};
use sp1_verifier::ProofFromNetwork;

const ELF: &[u8] = include_bytes!("fixtures/fibonacci-sp1.elf");
const AGGREGATION: &[u8] = include_bytes!("../../../programs/elf/sp1-aggregation.elf");

#[test]
#[ignore = "takes minutes and 16 GB of memory"]
fn a_core_and_a_compressed_proof_hold_and_altered_ones_do_not() {
    let sp1 = Sp1Backend::new();
    let input = sp1.encode_input(&[&100u32.to_le_bytes()], &[]).unwrap();
    let job = Job { program: ELF, input: &input, cycle_limit: None };
    let plan = sp1.plan(&job, sp1.budget_for(Weight::gb(12))).unwrap();
    let version = sp1.program_version(ELF).unwrap();
    let part = sp1.prove_segment(&job, &plan, 0).unwrap();

    let core = sp1.finish(&job, &plan, ProofMode::Core, std::slice::from_ref(&part)).unwrap();
    check(&sp1, &core, version);

    // A plan of another input does not go with this part.
    let other = sp1.encode_input(&[&101u32.to_le_bytes()], &[]).unwrap();
    let other = Job { input: &other, ..job };
    let others = sp1.plan(&other, sp1.budget_for(Weight::gb(12))).unwrap();
    let outcome = sp1.finish(&other, &others, ProofMode::Compressed, std::slice::from_ref(&part));
    assert!(matches!(outcome, Err(BackendError::MalformedPart { .. })), "{outcome:?}");

    let compressed = sp1.finish(&job, &plan, ProofMode::Compressed, &[part]).unwrap();
    check(&sp1, &compressed, version);
    assert!(compressed.body.len() < core.body.len());
}

fn check(sp1: &Sp1Backend, proof: &Proof, version: ProgramVersion) {
    let mode = proof.mode;
    sp1.verify(proof, version).unwrap();
    sp1.verify(&Proof::decode(&proof.encode()).unwrap(), version).unwrap();

    // As a client of the SP1 cluster reads it, and as we read what their controllers store.
    let stored = sp1.pack(proof).unwrap();
    let theirs: ProofFromNetwork = bincode::deserialize(&stored).unwrap();
    assert_eq!(theirs.public_values.as_slice(), proof.public_values);
    let stock = bincode::serialize(&theirs).unwrap();
    for stored in [&stored, &stock] {
        assert_eq!(sp1.unpack(stored, ELF).unwrap(), *proof, "{mode}");
    }
    for at in [0, stock.len() - 1, stock.len() + 3, stock.len() + 20, stored.len() - 1] {
        let mut altered = stored.clone();
        altered[at] ^= 1;
        assert!(sp1.unpack(&altered, ELF).is_err(), "{mode}: byte {at} of {}", stored.len());
        assert!(sp1.unpack(&stored[..at], ELF).is_err(), "{mode}: cut to {at}");
    }

    let mut values = proof.clone();
    values.public_values[0] ^= 1;
    assert!(matches!(sp1.verify(&values, version), Err(BackendError::InvalidProof { .. })), "{mode}");

    let other = ProgramVersion(!version.0);
    assert!(matches!(sp1.verify(proof, other), Err(BackendError::WrongProgram { .. })), "{mode}");
    // Lying about the program in the header does not help: the key in the body tells.
    let relabelled = Proof { program: other, ..proof.clone() };
    assert!(matches!(sp1.verify(&relabelled, other), Err(BackendError::WrongProgram { .. })), "{mode}");

    let mode_changed = if mode == ProofMode::Core { ProofMode::Compressed } else { ProofMode::Core };
    let wrong_mode = Proof { mode: mode_changed, ..proof.clone() };
    assert!(matches!(sp1.verify(&wrong_mode, version), Err(BackendError::InvalidProof { .. })), "{mode}");

    // Any byte of the proof itself. Every 40,000th, so that it ends.
    for at in (0..proof.body.len()).step_by(40_000) {
        let mut altered = proof.clone();
        altered.body[at] ^= 1;
        assert!(sp1.verify(&altered, version).is_err(), "{mode}: byte {at} of {}", proof.body.len());
    }
}

#[test]
#[ignore = "takes minutes and 16 GB of memory"]
fn a_core_proof_does_not_stand_for_the_proofs_that_its_program_verifies() {
    // An epoch of invented blocks, without a proof of them: a program only notes what it verifies.
    let sp1 = Sp1Backend::new();
    let by =
        Aggregation { range_key: B256::repeat_byte(1), from_commitment: B256::ZERO, checkpoints: vec![1] };
    let invented = RangePublicValues { chainId: 1, firstBlock: 1, lastBlock: 2, ..Default::default() };
    let input = sp1.encode_input(&[&encode_input(&by, &[invented])], &[]).unwrap();
    let job = Job { program: AGGREGATION, input: &input, cycle_limit: None };
    let plan = sp1.plan(&job, sp1.budget_for(Weight::gb(12))).unwrap();
    let version = sp1.program_version(AGGREGATION).unwrap();
    let part = sp1.prove_segment(&job, &plan, 0).unwrap();

    let outcome = sp1.finish(&job, &plan, ProofMode::Core, std::slice::from_ref(&part));
    assert!(matches!(outcome, Err(BackendError::UnsupportedMode { .. })), "{outcome:?}");
    let forged = Proof {
        prover: ProverType::Sp1,
        mode: ProofMode::Core,
        program: version,
        public_values: plan.execution.public_values.clone(),
        body: part.clone(),
    };
    let error = sp1.verify(&forged, version).unwrap_err();
    assert!(error.to_string().contains("does not say that they hold"), "{error}");
    let outcome = sp1.finish(&job, &plan, ProofMode::Compressed, &[part]);
    assert!(outcome.is_err(), "it compresses although nothing was verified");
}
