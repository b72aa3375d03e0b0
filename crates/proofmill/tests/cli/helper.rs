//! Prover types that another binary has.

use crate::process::{fail, proofmill, succeed};
use proofmill_backends::{Backend, BackendError, ExecBackend, HelperBackend, Proof};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};
use std::process::{Command, Stdio};

/// The binary answers as the backend in it would.
#[test]
fn another_binary_encodes_and_verifies() {
    let (helper, exec) =
        (HelperBackend::new(ProverType::Exec, env!("CARGO_BIN_EXE_proofmill")), ExecBackend::default());
    let range = proofmill_client::programs::range(ProverType::Exec);
    let version = helper.program_version(range).unwrap();
    assert_eq!(version, exec.program_version(range).unwrap());
    assert_eq!(helper.circuits(), exec.circuits());
    let proof = Proof {
        prover: ProverType::Exec,
        mode: ProofMode::Compressed,
        program: version,
        public_values: vec![7; 352],
        body: Vec::new(),
    };
    let proofs = [proof.clone(), proof.clone()];
    let encoded = helper.encode_input(&[b"input"], &proofs).unwrap();
    assert_eq!(encoded, exec.encode_input(&[b"input"], &proofs).unwrap());
    helper.verify(&proof, version).unwrap();
    let other = helper.verify(&proof, ProgramVersion([1; 32].into())).unwrap_err();
    assert!(matches!(other, BackendError::WrongProgram { found, .. } if found == version), "{other}");
    let bad = helper.verify(&Proof { body: vec![1], ..proof }, version).unwrap_err();
    assert!(matches!(bad, BackendError::InvalidProof { .. }), "{bad}");
}

/// It ends with whoever asks.
#[test]
fn a_helper_that_nobody_asks_any_more_ends() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proofmill"));
    let mut child =
        command.args(["backend", "exec"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_prover_type_of_which_no_binary_is_there_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let dev = |prover: &str| {
        let mut command = proofmill(data);
        command.args(["dev", "--workers=2", "--prover", prover]);
        command
    };
    let said = fail(&mut dev("exec,sp1"));
    assert!(said.contains("`sp1` is not compiled into this binary"), "{said}");
    assert!(said.contains("--binary sp1=FILE"), "{said}");
    let said = fail(dev("exec,sp1").args(["--binary", "sp1=/no/such"]));
    assert!(said.contains("--binary sp1=/no/such: there is no such file"), "{said}");
    let said = fail(dev("exec,sp1").args(["--binary", "/no/such"]));
    assert!(said.contains("TYPE=FILE"), "{said}");
    // One that lacks the type as well, and one that is something else.
    let said = fail(dev("exec,sp1").args(["--binary", &format!("sp1={}", env!("CARGO_BIN_EXE_proofmill"))]));
    assert!(said.contains("sp1") && said.contains("is it a Proofmill binary of this version"), "{said}");
    let said = fail(dev("exec,sp1").args(["--binary", "sp1=/bin/true"]));
    assert!(said.contains("/bin/true backend sp1 does not answer"), "{said}");
    // Nothing was started, and nothing is left.
    assert!(!data.join("data/localnet.json").exists());
    let help = succeed(proofmill(data).args(["dev", "--help"]));
    assert!(help.contains("--binary <TYPE=FILE>") && !help.contains("backend "), "{help}");
}
