//! The committed programs: what proofs say that they are of is what everybody expects of them, real blocks of the OP Stack come out as
//! their chain has them, and blocks that are made to be dear cost no more than the limits say. Slow without `--release`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use proofmill_backends::{Backend, Job, OpenVmBackend, SegmentBudget};
use proofmill_made_blocks::{ATTACKS, Machine, Made, attacked};
use proofmill_op_fixtures::{BLOCKS, Local, RangeInput};
use proofmill_primitives::{ProgramVersion, ProofMode};
use std::{fs, path::PathBuf, sync::LazyLock};

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

/// One backend for all executions of the range program.
static BACKEND: LazyLock<OpenVmBackend> = LazyLock::new(OpenVmBackend::default);
static RANGE: LazyLock<Vec<u8>> = LazyLock::new(|| elf("openvm-range"));
static OP_RANGE: LazyLock<Vec<u8>> = LazyLock::new(|| elf("openvm-op-range"));

/// The committed program says of this what the chain has.
#[track_caller]
fn says_so(input: &RangeInput) {
    let encoded = BACKEND.encode_input(&[&input.bytes], &[]).unwrap();
    let done = BACKEND.execute(&Job { program: &OP_RANGE, input: &encoded, cycle_limit: None }).unwrap();
    assert_eq!(done.public_values, input.says.commitment().as_slice(), "{:?}", input.says);
}

#[test]
fn real_blocks_of_the_op_stack_have_the_hash_that_the_chain_has() {
    for number in BLOCKS {
        let Some(input) = RangeInput::real(&[number]) else { return };
        says_so(&input);
    }
}

#[test]
fn four_that_follow_on_each_other_are_one_range() {
    let Some(input) = RangeInput::real(&BLOCKS[..4]) else { return };
    says_so(&input);
}

#[test]
fn a_block_is_derived_from_its_l1() {
    let local = Local::new();
    says_so(&RangeInput::executed(&local));
    says_so(&RangeInput::derived(&local));
    // From one as busy as mainnet, too.
    let Some(busy) = Local::busy() else { return };
    says_so(&RangeInput::derived(&busy));
}

/// What the committed program takes for blocks. They are valid: it would fail otherwise.
fn instructions(made: &Made) -> u64 {
    let input = BACKEND.encode_input(&[&made.input], &[]).unwrap();
    BACKEND.execute(&Job { program: &RANGE, input: &input, cycle_limit: None }).unwrap().instructions.0
}

fn check(name: &str, percent: u32) -> Result<(), String> {
    let made = attacked(name, percent);
    Machine::OpenVm.check(name, instructions(&made), made.gas)
}

#[test]
fn colliding_storage_keys_cost_what_others_do() {
    let cost = |name, percent| instructions(&attacked(name, percent));
    let (few, many) = (cost("slots-colliding", 100), cost("slots-colliding", 400));
    let others = cost("slots", 400);
    println!("1,000 that collide: {few}; 4,000: {many}; 4,000 others: {others}");
    assert!(many * 10 <= others * 11, "{many} and {others}");
    assert!(many * 2 < few * 9, "{few} for 1,000 and {many} for 4,000: not in proportion");
}

#[test]
fn a_pairing_bomb_costs_less_than_fifteen_times_a_transfer() {
    for (name, percent) in
        [("bn254-pairing-1", 10), ("bn254-pairing-20", 25), ("bls-pairing-1", 10), ("bls-pairing-20", 25)]
    {
        check(name, percent).unwrap();
    }
}

#[test]
fn every_attack_costs_what_the_limits_say() {
    let failures: Vec<_> = ATTACKS.iter().filter_map(|(name, percent)| check(name, *percent).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
