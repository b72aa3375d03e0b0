//! What a program does, and what clients do wrong, without proving.
#![allow(clippy::unwrap_used, missing_docs)]

use proofmill_backend_sp1::Sp1Backend;
use proofmill_backends::{Backend, BackendError, Job, Plan, Proof, SegmentBudget};
use proofmill_made_blocks::{ATTACKS, Machine, Made, attacked};
use proofmill_op_fixtures::{BLOCKS, Local, RangeInput};
use proofmill_primitives::{Instructions, ProgramVersion, ProofMode, ProverType, Weight};
use proofmill_sp1_prover::MEMORY_LIMIT;
use sp1_core_executor::{GasEstimatingVMEnum, Program, SP1CoreOpts};
use sp1_core_executor_runner::MinimalExecutorRunner;
use std::sync::{Arc, LazyLock};

const ELF: &[u8] = include_bytes!("fixtures/fibonacci-sp1.elf");

/// One backend for all tests, as in a worker.
static SP1: LazyLock<Sp1Backend> = LazyLock::new(Sp1Backend::new);

fn input(number: u32) -> Vec<u8> {
    SP1.encode_input(&[&number.to_le_bytes()], &[]).unwrap()
}

fn job(input: &[u8]) -> Job<'_> {
    Job { program: ELF, input, cycle_limit: None }
}

#[test]
fn public_values_and_cost_are_those_of_the_program() {
    let run = |number| SP1.execute(&job(&input(number))).unwrap();
    let ten = run(10);
    assert_eq!(ten.public_values, [10u32.to_le_bytes().as_slice(), &55u64.to_le_bytes()].concat());
    assert_eq!(run(10), ten, "the same in every run");
    // The loop is what grows: the same number of instructions for each step.
    let (first, second, third) =
        (run(1_000).instructions.0, run(2_000).instructions.0, run(3_000).instructions.0);
    assert_eq!(third - second, second - first);
    assert!(second - first >= 1_000);
}

#[test]
fn the_input_is_what_clients_of_the_sp1_cluster_send() {
    // `bincode::serialize(&stdin)` of an `SP1Stdin` with one frame of four bytes.
    let by_hand =
        [&1u64.to_le_bytes()[..], &4u64.to_le_bytes(), &10u32.to_le_bytes(), &[0; 8], &[0; 8]].concat();
    assert_eq!(input(10), by_hand);
    assert_eq!(SP1.execute(&job(&by_hand)).unwrap().public_values[..4], 10u32.to_le_bytes());
}

#[test]
fn a_program_past_its_limit_is_stopped() {
    let input = input(1_000_000);
    let needed = SP1.execute(&job(&input)).unwrap().instructions;
    let limited = |limit| SP1.execute(&Job { cycle_limit: Some(Instructions(limit)), ..job(&input) });
    assert_eq!(limited(needed.0).unwrap().instructions, needed);
    assert!(
        matches!(limited(needed.0 - 1), Err(BackendError::CycleLimit { limit }) if limit.0 == needed.0 - 1)
    );
}

#[test]
fn a_program_that_panics_says_why() {
    let input = SP1.encode_input(&[b"seven b"], &[]).unwrap();
    match SP1.execute(&job(&input)) {
        Err(BackendError::GuestFailed { cause }) => assert!(cause.contains("got 7"), "{cause}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_that_reads_more_than_it_was_given_is_its_own_failure() {
    let outcome = SP1.execute(&job(&SP1.encode_input(&[], &[]).unwrap()));
    assert!(matches!(outcome, Err(BackendError::GuestFailed { .. })), "{outcome:?}");
}

#[test]
fn bytes_that_are_no_program_are_refused() {
    let whole = input(1);
    let mut other_machine = ELF.to_vec();
    other_machine[18] = 62;
    let mut no_entry = ELF.to_vec();
    no_entry[24..32].copy_from_slice(&3u64.to_le_bytes());
    for program in [&[][..], b"ELF", &ELF[..100], &ELF[..ELF.len() / 2], &other_machine, &no_entry] {
        let job = Job { program, ..job(&whole) };
        assert!(
            matches!(SP1.execute(&job), Err(BackendError::MalformedProgram { .. })),
            "{} bytes",
            program.len()
        );
        assert!(matches!(SP1.program_version(program), Err(BackendError::MalformedProgram { .. })));
        assert!(matches!(SP1.plan(&job, SegmentBudget(1)), Err(BackendError::MalformedProgram { .. })));
    }
}

#[test]
fn a_program_with_any_header_byte_changed_never_panics_or_hangs() {
    let whole = input(5);
    for at in (0..64).chain(64..64 + 56 * 4) {
        let mut program = ELF.to_vec();
        program[at] ^= 0xff;
        let limit = Some(Instructions(1_000_000));
        // Some changes mean nothing (padding, addresses that are not used); the others are refused or fail.
        let _ = SP1.execute(&Job { program: &program, cycle_limit: limit, ..job(&whole) });
    }
}

#[test]
fn bytes_that_are_no_input_are_refused() {
    let whole = input(5);
    let longer = [&whole[..], &[0]].concat();
    let huge = [&u64::MAX.to_le_bytes()[..], &whole[8..]].concat();
    let with_proof = [&whole[..whole.len() - 8], &1u64.to_le_bytes(), &[7; 4000]].concat();
    for input in [&[][..], b"hello", &whole[..whole.len() - 1], &longer, &huge, &with_proof] {
        let outcome = SP1.execute(&job(input));
        assert!(matches!(outcome, Err(BackendError::MalformedInput { .. })), "{outcome:?}");
    }
}

#[test]
fn a_proof_to_verify_inside_must_be_a_compressed_one() {
    let proof = Proof {
        prover: ProverType::Sp1,
        mode: ProofMode::Compressed,
        program: ProgramVersion(Default::default()),
        public_values: vec![],
        body: vec![1, 2, 3],
    };
    let outcome = SP1.encode_input(&[&5u32.to_le_bytes()], &[proof]);
    assert!(matches!(outcome, Err(BackendError::MalformedInput { cause, .. }) if cause.contains("proof 0")));
}

#[test]
fn programs_have_their_own_versions() {
    let version = SP1.program_version(ELF).unwrap();
    assert_eq!(Sp1Backend::new().program_version(ELF).unwrap(), version, "another backend derives the same");
    // The version is of the program, not of its file: bytes past the last segment change nothing.
    let longer = [ELF, &[0; 16]].concat();
    assert_eq!(SP1.program_version(&longer).unwrap(), version);
    // Another instruction is another program.
    let mut other = ELF.to_vec();
    let code = other.windows(4).rposition(|word| word == [0x13, 0, 0, 0]).unwrap_or(0x1000);
    other[code] ^= 0x80;
    if let Ok(other) = SP1.program_version(&other) {
        assert_ne!(other, version);
    }
}

#[test]
fn modes_that_need_what_is_not_here_say_so() {
    let input = input(5);
    let plan = SP1.plan(&job(&input), SP1.budget_for(Weight::gb(12))).unwrap();
    assert_eq!(plan.segments.len(), 1);
    for mode in [ProofMode::Plonk, ProofMode::Groth16, ProofMode::Execute] {
        let outcome = SP1.finish(&job(&input), &plan, mode, &[vec![]]);
        assert!(matches!(outcome, Err(BackendError::UnsupportedMode { .. })), "{outcome:?}");
    }
}

#[test]
fn parts_that_are_not_ours_are_refused() {
    let input = input(5);
    let plan = SP1.plan(&job(&input), SegmentBudget(1)).unwrap();
    let malformed = |outcome: Result<Vec<u8>, BackendError>| {
        assert!(matches!(outcome, Err(BackendError::MalformedPart { .. })), "{outcome:?}");
    };
    malformed(SP1.prove_segment(&job(&input), &plan, 1));
    malformed(SP1.prove_segment(&job(&input), &Plan { segments: vec![], ..plan.clone() }, 0));
    for parts in [&[][..], &[vec![]], &[vec![1; 100]], &[vec![], vec![]]] {
        malformed(SP1.finish(&job(&input), &plan, ProofMode::Compressed, parts).map(|proof| proof.body));
    }
}

#[test]
fn proofs_that_are_not_ours_are_refused() {
    let version = SP1.program_version(ELF).unwrap();
    let proof =
        |prover, body| Proof { prover, mode: ProofMode::Core, program: version, public_values: vec![], body };
    for proof in [
        proof(ProverType::Exec, vec![]),
        proof(ProverType::Sp1, vec![]),
        proof(ProverType::Sp1, vec![9; 999]),
    ] {
        let outcome = SP1.verify(&proof, version);
        assert!(matches!(outcome, Err(BackendError::InvalidProof { .. })), "{outcome:?}");
    }
}

#[test]
#[ignore = "waits out the time that a limit of instructions allows, two minutes"]
fn a_program_that_never_ends_is_stopped_even_if_it_reads_no_memory() {
    let input = input(u32::MAX);
    let outcome = SP1.execute(&Job { cycle_limit: Some(Instructions(1_000)), ..job(&input) });
    assert!(matches!(outcome, Err(BackendError::CycleLimit { .. })), "{outcome:?}");
}

/// The committed range program for chains of the OP Stack says of this what the chain has.
#[track_caller]
fn says_so(input: &RangeInput) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../programs/elf/sp1-op-range.elf");
    let program = std::fs::read(path).unwrap();
    let encoded = SP1.encode_input(&[&input.bytes], &[]).unwrap();
    let done = SP1.execute(&Job { program: &program, input: &encoded, cycle_limit: None }).unwrap();
    assert_eq!(done.public_values, input.says.to_bytes(), "{:?}", input.says);
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

/// The committed range program.
static RANGE: LazyLock<Arc<Program>> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../programs/elf/sp1-range.elf");
    Arc::new(Program::from(&std::fs::read(path).unwrap()).unwrap())
});

/// SP1's prover gas of blocks, which counts what the precompiles' tables take too. They are valid: the program would fail
/// otherwise.
fn prover_gas(made: &Made) -> u64 {
    let mut executor = MinimalExecutorRunner::new(RANGE.clone(), false, Some(1 << 20), MEMORY_LIMIT, 3);
    executor.with_input(&made.input);
    let mut gas = 0;
    while let Some(chunk) = executor.try_execute_chunk().unwrap() {
        let mut machine = GasEstimatingVMEnum::new(&chunk, RANGE.clone(), [0; 4], SP1CoreOpts::default());
        gas += machine.execute().unwrap().gas().unwrap_or(0);
    }
    assert_eq!(executor.exit_code(), 0);
    gas
}

fn check(name: &str, percent: u32) -> Result<(), String> {
    let made = attacked(name, percent);
    Machine::Sp1.check(name, prover_gas(&made), made.gas)
}

#[test]
fn colliding_storage_keys_cost_what_others_do() {
    let cost = |name, percent| prover_gas(&attacked(name, percent));
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
#[ignore = "a thousand million cycles; `make test-long` runs it"]
fn every_attack_costs_what_the_limits_say() {
    let failures: Vec<_> = ATTACKS.iter().filter_map(|(name, percent)| check(name, *percent).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
