//! A SNARK of a real epoch's proof, natively: what holds, and everything that does not. The fixture was made by `benches/snark.sh` on
//! the setup for development.
#![allow(clippy::unwrap_used, reason = "tests")]

use alloy_primitives::keccak256;
use proofmill_backends::{
    Backend, BackendError, OpenVmBackend, Proof, SegmentBudget, SnarkConfig, SnarkVariant,
};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};

/// The hash of the circuits, 46 words of public values, the proof.
const BODY: &[u8] = include_bytes!("fixtures/epoch-snark.bin");
const WORDS: usize = 32;
/// Where the commitment to the program begins: behind the hash and 12 words.
const COMMITS: usize = WORDS + 12 * 32;
/// Where the bytes begin that the program committed to, a word each.
const BYTES: usize = COMMITS + 64;
const PROOF: usize = BYTES + 32 * 32;

fn proof() -> Proof {
    Proof {
        prover: ProverType::OpenVm,
        mode: ProofMode::Plonk,
        program: ProgramVersion(keccak256(&BODY[COMMITS..BYTES])),
        public_values: BODY[BYTES..PROOF].chunks_exact(32).map(|word| word[31]).collect(),
        body: BODY.to_vec(),
    }
}

fn verify(proof: &Proof) -> Result<(), BackendError> {
    OpenVmBackend::default().verify(proof, proof.program)
}

#[test]
fn a_real_epochs_snark_holds_and_is_told_to_be_insecure() {
    let (backend, proof) = (OpenVmBackend::default(), proof());
    verify(&proof).unwrap();
    assert!(backend.insecure(&proof).unwrap().unwrap().contains("everybody knows"));
    assert_eq!(backend.variant_of(&proof).unwrap().unwrap(), "insecure-development-small");
    // Both commitments, 12 words, 43 words.
    let for_contract = backend.evm_proof(&proof).unwrap().unwrap();
    assert_eq!(for_contract.len(), (2 + 12 + 43) * 32);
    assert_eq!(for_contract[..64], BODY[COMMITS..BYTES]);
}

#[test]
fn what_is_no_snark_of_a_known_circuit_is_not_said_to_be_secure() {
    let (backend, good) = (OpenVmBackend::default(), proof());
    let mut unknown = good.clone();
    unknown.body[0] ^= 1;
    assert!(backend.insecure(&unknown).unwrap_err().to_string().contains("not known here"));
    assert!(backend.variant_of(&unknown).unwrap_err().to_string().contains("not known here"));
    let cut = Proof { body: good.body[..PROOF - 1].to_vec(), ..good.clone() };
    assert!(backend.insecure(&cut).unwrap_err().to_string().contains("cut off"));
    assert!(backend.evm_proof(&cut).unwrap_err().to_string().contains("cut off"));
    let stark = Proof { mode: ProofMode::Compressed, ..good };
    assert_eq!((backend.insecure(&stark).unwrap(), backend.evm_proof(&stark).unwrap()), (None, None));
}

#[test]
fn it_is_of_the_aggregation_program_beside_it() {
    // That of the release that made it: the circuits do not depend on the program.
    let elf = include_bytes!("../../proofmill/tests/fixtures/epoch-snark-aggregation.elf");
    assert_eq!(OpenVmBackend::default().program_version(elf).unwrap(), proof().program);
}

#[test]
fn whatever_is_altered_does_not_hold() {
    let good = proof();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut proof = good.clone();
        change(&mut proof.body);
        verify(&proof).unwrap_err().to_string()
    };
    assert!(with(&|body| body[0] ^= 1).contains("not known here"));
    for at in (WORDS..COMMITS).step_by(31) {
        with(&|body| body[at] ^= 1);
    }
    assert!(with(&|body| body[COMMITS + 31] ^= 1).contains("does not hold"));
    assert!(with(&|body| body[BYTES + 31] ^= 1).contains("does not hold"));
    assert!(with(&|body| body[BYTES + 30] = 1).contains("not a byte"));
    for at in (PROOF..BODY.len()).step_by(13) {
        with(&|body| body[at] ^= 1 << (at % 8));
    }
    for length in [0, 31, WORDS, PROOF - 1, PROOF, BODY.len() - 32, BODY.len() - 1] {
        with(&|body| body.truncate(length));
    }
    assert!(with(&|body| body.push(0)).contains("behind its end"));
    // Another program's, and other public values, by what the file says of itself.
    let other = ProgramVersion(keccak256(b"another"));
    let error =
        OpenVmBackend::default().verify(&Proof { program: other, ..good.clone() }, other).unwrap_err();
    assert!(matches!(error, BackendError::WrongProgram { .. }), "{error}");
    let mut says = good;
    says.public_values[0] ^= 1;
    assert!(verify(&says).unwrap_err().to_string().contains("public values"));
}

#[test]
fn what_has_no_snark_is_refused_before_anything_is_proven() {
    let without = OpenVmBackend::default();
    let error = without.check_mode(ProofMode::Plonk).unwrap_err().to_string();
    assert!(error.contains("proofmill srs"), "{error}");
    let folder = std::env::temp_dir();
    let config = SnarkConfig { variant: SnarkVariant::ALL[0], folder };
    let backend = OpenVmBackend::with_snark(config);
    backend.check_mode(ProofMode::Plonk).unwrap();
    assert!(backend.check_mode(ProofMode::Groth16).is_err());
    // A program that verifies no proofs.
    let elf = include_bytes!("fixtures/fibonacci-openvm.elf");
    let input = backend.encode_input(&[&10_u64.to_le_bytes()], &[]).unwrap();
    let job = proofmill_backends::Job { program: elf, input: &input, cycle_limit: None };
    let plan = backend.plan(&job, SegmentBudget(1152)).unwrap();
    let error = backend.tree(&plan.segments, ProofMode::Plonk, SegmentBudget(1152)).unwrap_err().to_string();
    assert!(error.contains("an epoch"), "{error}");
}
