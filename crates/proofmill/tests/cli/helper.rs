//! Prover types that another binary has.

use crate::process::{fail, proofmill, stand_in, succeed};
use proofmill_backends::{Backend, BackendError, ExecBackend, HelperBackend, Proof};
#[cfg(not(feature = "openvm"))]
use proofmill_backends::{Registry, SnarkConfig, SnarkVariant};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};
#[cfg(not(feature = "openvm"))]
use std::fs;
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

/// A proof of the stand-in for `openvm`.
fn of_the_stand_in(mode: ProofMode) -> Proof {
    let helper = HelperBackend::new(ProverType::OpenVm, stand_in());
    let program = proofmill_client::programs::range_version(&helper).unwrap();
    Proof { prover: ProverType::OpenVm, mode, program, public_values: vec![7; 32], body: Vec::new() }
}

#[test]
fn another_binary_says_what_a_contract_takes_and_what_is_insecure() {
    let stand_in = HelperBackend::new(ProverType::OpenVm, stand_in());
    let proof = of_the_stand_in(ProofMode::Compressed);
    let for_contract = stand_in.evm_proof(&proof).unwrap();
    assert_eq!(for_contract.unwrap(), [b"for a contract: ".as_slice(), &[7; 32]].concat());
    assert!(stand_in.insecure(&proof).unwrap().unwrap().contains("proves nothing"));
    // Nothing is said for want of an answer.
    let core = of_the_stand_in(ProofMode::Core);
    assert_eq!(stand_in.evm_proof(&core).unwrap(), None);
    let error = stand_in.insecure(&core).unwrap_err();
    assert!(
        matches!(&error, BackendError::InvalidProof { cause } if cause.contains("makes no core")),
        "{error}"
    );
    let exec = HelperBackend::new(ProverType::Exec, env!("CARGO_BIN_EXE_proofmill"));
    assert_eq!((exec.evm_proof(&proof).unwrap(), exec.insecure(&proof).unwrap()), (None, None));
    let away = HelperBackend::new(ProverType::OpenVm, "/bin/true");
    assert!(away.evm_proof(&proof).unwrap_err().to_string().contains("does not answer"));
    assert!(away.insecure(&proof).unwrap_err().to_string().contains("does not answer"));
}

/// A binary that has the type itself asks nobody.
#[cfg(not(feature = "openvm"))]
#[test]
fn what_is_insecure_is_not_shown_as_valid_by_a_binary_that_has_to_ask() {
    let folder = tempfile::tempdir().unwrap();
    let (file, elf) = (folder.path().join("proof.bin"), folder.path().join("range.elf"));
    fs::write(&file, of_the_stand_in(ProofMode::Compressed).encode()).unwrap();
    fs::write(&elf, proofmill_client::programs::range(ProverType::OpenVm)).unwrap();
    let verify = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proofmill"));
        command.current_dir(folder.path()).arg("verify").arg(&file).arg("--elf").arg(&elf).args(more);
        command.arg(format!("--binary=openvm={}", stand_in().display()));
        command
    };
    let said = fail(&mut verify(&[]));
    assert!(said.contains("a stand-in made it") && said.contains("--allow-development"), "{said}");
    let said = succeed(&mut verify(&["--allow-development"]));
    assert!(
        said.contains("INSECURE: it holds, but a stand-in made it") && !said.contains("valid:"),
        "{said}"
    );
}

/// What is verified may be of circuits that only the SNARK's folder knows.
#[cfg(not(feature = "openvm"))]
#[test]
fn another_binary_is_told_which_snark_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let config = SnarkConfig { variant: SnarkVariant::ALL[1], folder: folder.path().to_owned() };
    let binary = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/told.sh");
    let registry =
        Registry::compiled_in().with_helper(ProverType::OpenVm, binary).with_snark(config.clone()).unwrap();
    assert!(registry.checker(ProverType::OpenVm).unwrap().check_mode(ProofMode::Plonk).is_err());
    let said = fs::read_to_string(folder.path().join("said")).unwrap();
    let words = "backend openvm --settings=/dev/null --snark small --snark-dir";
    assert_eq!(said.trim(), format!("{words} {}", folder.path().display()));
    assert!(matches!(Registry::compiled_in().with_snark(config), Err(BackendError::NotCompiledIn { .. })));
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
