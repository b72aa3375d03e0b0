//! The committed programs: what proofs say that they are of is what everybody expects of them. Slow without `--release`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use proofmill_backends::{Backend, Job, OpenVmBackend, SegmentBudget};
use proofmill_primitives::{ProgramVersion, ProofMode};
use std::{fs, path::PathBuf};

/// A block with one transfer: `make_input transfers 1 1` (an example of `proofmill-made-blocks`).
const BLOCK: &[u8] = include_bytes!("fixtures/range-input.bin");

fn programs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../programs/elf")
}

fn elf(program: &str) -> Vec<u8> {
    fs::read(programs().join(format!("{program}.elf"))).unwrap()
}

/// What everybody takes for the identity of a program, without deriving it.
fn expected(program: &str) -> ProgramVersion {
    let manifest = fs::read_to_string(programs().join("manifest.json")).unwrap();
    let line = manifest.lines().find(|line| line.contains(&format!("\"{program}\""))).unwrap();
    let (_, version) = line.split_once("\"version\": \"").unwrap();
    ProgramVersion(version.split_once('"').unwrap().0.parse().unwrap())
}

#[test]
fn the_manifest_has_the_versions_of_the_programs() {
    let backend = OpenVmBackend::default();
    for program in ["openvm-range", "openvm-aggregation", "openvm-op-range", "openvm-op-aggregation"] {
        assert_eq!(backend.program_version(&elf(program)).unwrap(), expected(program), "{program}");
    }
}

/// Every segment of a real block is proven. Were any of it of another program, or another machine, nobody would take it.
#[test]
fn a_range_is_proven_of_the_program_that_the_manifest_names() {
    let backend = OpenVmBackend::default();
    let program = elf("openvm-range");
    let job = Job { program: &program, input: BLOCK, cycle_limit: None };
    let plan =
        backend.plan(&job, SegmentBudget(1536)).expect("run `make_input` anew, if inputs have changed");
    let parts: Vec<Vec<u8>> = (0..plan.segments.len())
        .map(|index| backend.prove_segment(&job, &plan, index as u32).unwrap())
        .collect();
    println!("{} instructions in {} segments", plan.execution.instructions, parts.len());
    let proof = backend.finish(&job, &plan, ProofMode::Core, &parts).unwrap();
    assert_eq!(proof.program, expected("openvm-range"));
    // Whoever verifies knows the manifest alone.
    OpenVmBackend::default().verify(&proof, expected("openvm-range")).unwrap();
}
