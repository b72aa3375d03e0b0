//! Running a program, cutting its execution, and proving one cut.

use super::{
    F, Instance, Stark,
    input::{self, Input},
    machine::{Machine, PUBLIC_VALUES},
    memory,
    part::{Ends, Level, Part, PublicValues},
    program::Program,
    provers::Provers,
    verification::{self, Claim},
};
use crate::{BackendError, Execution, Job, Plan, Segment, SegmentBudget, SegmentKind};
use openvm_circuit::{
    arch::{
        ExecutionError, VirtualMachineError, VmExecState, execution_mode::Segment as Cut,
        hasher::poseidon2::vm_poseidon2_hasher,
    },
    system::memory::merkle::{MerkleTree, public_values::extract_public_values},
};
use openvm_sdk::{StdIn, openvm_circuit, prover::compute_deferral_merkle_proofs};
use proofmill_primitives::{Instructions, ProverType};

/// The budget that [`super::OpenVmBackend`] runs programs under when nobody proves: any, but small enough that a program
/// without an end is stopped within a second of its limit.
const EXECUTE_BUDGET: SegmentBudget = SegmentBudget(768);
/// No trace of our machine is higher (`log_stacked_height` is 20, and the fixed tables are below 2^24).
const MAX_HEIGHT: u32 = 1 << 24;

/// Runs a program and says where its execution is to be cut, and which proofs are to be verified.
pub(super) fn plan(
    provers: &Provers,
    program: &Program,
    job: &Job<'_>,
    budget: SegmentBudget,
) -> Result<Plan, BackendError> {
    let (stdin, claims) = read_input(provers, program, job)?;
    program.with_machine(provers, "executing the program", |machine| {
        let (execution, cuts) = run(provers, machine, program, stdin, &claims, job.cycle_limit, budget)?;
        let cuts = cuts.iter().map(encode_cut);
        let segments = cuts.chain(claims.iter().map(verification::segment)).collect::<Result<_, _>>()?;
        Ok(Plan { execution, segments })
    })
}

/// Runs a program for its result only.
pub(super) fn execute(
    provers: &Provers,
    program: &Program,
    job: &Job<'_>,
) -> Result<Execution, BackendError> {
    let (stdin, claims) = read_input(provers, program, job)?;
    program.with_machine(provers, "executing the program", |machine| {
        run(provers, machine, program, stdin, &claims, job.cycle_limit, EXECUTE_BUDGET)
            .map(|(execution, _)| execution)
    })
}

/// Proves one segment of a plan: runs the program up to it, then proves its instructions; or verifies a proof.
pub(super) fn prove(
    provers: &Provers,
    program: &Program,
    job: &Job<'_>,
    plan: &Plan,
    index: u32,
) -> Result<Part, BackendError> {
    let segment = plan.segments.get(index as usize).ok_or_else(|| {
        malformed(format!("there is no segment {index}: the plan has {}", plan.segments.len()))
    })?;
    let executed = count_executed(&plan.segments)?;
    let input = input::decode(job.input)?;
    let claims = verification::claims_of(&plan.segments)?;
    if claims.len() != input.proofs.len() {
        return Err(malformed(format!(
            "the plan verifies {} proofs, the input has {}: the plan is of another input",
            claims.len(),
            input.proofs.len()
        )));
    }
    if segment.kind == SegmentKind::Verification {
        let at = index as usize - executed;
        return verification::prove(provers, &claims[at], &input.proofs[at]);
    }
    let cut = decode_cut(plan, index)?;
    let is_last = index as usize + 1 == executed;
    let stdin = stdin(&input, &claims);
    let (stark, ends) = program.with_machine(provers, "proving a segment", |machine| {
        if cut.trace_heights.len() != machine.vm.num_airs() {
            return Err(malformed(format!(
                "segment {index} is planned for {} tables, this machine has {}",
                cut.trace_heights.len(),
                machine.vm.num_airs()
            )));
        }
        prove_cut(machine, program, stdin, &cut)
    })?;
    if ends.is_some() != is_last {
        return Err(malformed(format!(
            "the program {} in segment {index} of {executed}: the plan is of another program or input",
            if is_last { "does not end" } else { "ends" },
        )));
    }
    Ok(Part {
        program: program.hash,
        level: Level::Segment,
        first: index,
        count: 1,
        stark,
        ends,
        verifications: Vec::new(),
    })
}

/// How many segments are of the execution. All of them come before the verifications.
pub(super) fn count_executed(segments: &[Segment]) -> Result<usize, BackendError> {
    let executed = segments.iter().take_while(|segment| segment.kind == SegmentKind::Execution).count();
    if segments[executed..].iter().all(|segment| segment.kind == SegmentKind::Verification) {
        Ok(executed)
    } else {
        Err(malformed("the plan has a segment of the execution behind a verification".to_owned()))
    }
}

fn prove_cut(
    machine: &mut Instance,
    program: &Program,
    stdin: StdIn<F>,
    cut: &Cut,
) -> Result<(Stark, Option<Ends>), BackendError> {
    let Instance { vm, interpreter, .. } = machine;
    let state = vm
        .interpreter(program.exe())
        .map_err(super::rejected)?
        .execute(stdin, Some(cut.instret_start))
        .map_err(guest_failed)?;
    let (stark, memory) = vm.prove(interpreter, state, Some(cut.num_insns), &cut.trace_heights).map_err(
        |error| match error {
            VirtualMachineError::Execution(error) => guest_failed(error),
            other => super::failed("proving a segment", other),
        },
    )?;
    let Some(memory) = memory else { return Ok((stark, None)) };
    let top = vm.memory_top_tree().ok_or_else(|| {
        super::failed("proving a segment", "the memory tree of the last segment is missing")
    })?;
    let config = vm.config().as_ref();
    let dimensions = config.memory_config.memory_dimensions();
    let hasher = vm_poseidon2_hasher();
    let public_values =
        PublicValues::compute(dimensions, config.num_public_values, &hasher, &memory.memory, top);
    let calls = (program.machine == Machine::Aggregation).then(|| {
        let before = vm.create_initial_state(program.exe(), StdIn::default()).memory;
        let before = MerkleTree::from_memory(&before.memory, &dimensions, &hasher);
        let after = MerkleTree::from_memory(&memory.memory, &dimensions, &hasher);
        compute_deferral_merkle_proofs(dimensions, &before, &after, verification::RECORD)
    });
    Ok((stark, Some(Ends { public_values, calls })))
}

/// Runs with metering. The machine stops at each cut, so that the limit is looked at every few hundred thousand
/// instructions.
fn run(
    provers: &Provers,
    machine: &Instance,
    program: &Program,
    stdin: StdIn<F>,
    claims: &[Claim],
    limit: Option<Instructions>,
    budget: SegmentBudget,
) -> Result<(Execution, Vec<Cut>), BackendError> {
    let beyond = |instructions: u64| match limit {
        Some(limit) if instructions > limit.0 => Err(BackendError::CycleLimit { limit }),
        _ => Ok(()),
    };
    let metering = machine
        .vm
        .build_metered_ctx(program.exe())
        .with_max_memory((memory::at_least_smallest(budget).0 as usize) << 20)
        .with_suspend_on_segment(true);
    let interpreter = machine.vm.metered_interpreter(program.exe()).map_err(super::rejected)?;
    let mut state = VmExecState::new(interpreter.create_initial_vm_state(stdin), metering);
    loop {
        state = interpreter.execute_metered_until_suspend(state).map_err(guest_failed)?;
        match state.exit_code {
            Ok(None) => beyond(state.ctx.segmentation_ctx.instret)?,
            Ok(Some(0)) => break,
            Ok(Some(code)) => return Err(guest_failed(ExecutionError::FailedWithExitCode(code))),
            Err(error) => return Err(guest_failed(error)),
        }
    }
    let memory = &state.vm_state.memory.memory;
    let public_values = extract_public_values(PUBLIC_VALUES, memory);
    if !claims.is_empty() {
        let dimensions = machine.vm.config().as_ref().memory_config.memory_dimensions();
        let memory = MerkleTree::from_memory(memory, &dimensions, &vm_poseidon2_hasher());
        verification::check_record(provers, claims, &memory, dimensions)?;
    }
    let cuts = state.ctx.into_segments();
    let instructions = cuts.iter().map(|cut| cut.num_insns).sum();
    beyond(instructions)?;
    Ok((Execution { public_values, instructions: Instructions(instructions) }, cuts))
}

/// What the machine reads, and the proofs that the program verifies.
fn read_input(
    provers: &Provers,
    program: &Program,
    job: &Job<'_>,
) -> Result<(StdIn<F>, Vec<Claim>), BackendError> {
    let input = input::decode(job.input)?;
    let cause = match (program.machine, input.proofs.is_empty()) {
        (Machine::Base, true) | (Machine::Aggregation, false) => {
            let claims = verification::claims(provers, &input.proofs)?;
            return Ok((stdin(&input, &claims), claims));
        }
        (Machine::Base, false) => "the program verifies no proofs; give it none",
        (Machine::Aggregation, true) => "the program verifies proofs and was given none",
    };
    Err(BackendError::MalformedInput { prover: ProverType::OpenVm, cause: cause.to_owned() })
}

fn stdin(input: &Input, claims: &[Claim]) -> StdIn<F> {
    let names: Vec<&[u8]> = claims.iter().map(|claim| claim.name.as_slice()).collect();
    let mut stdin = input.stdin(&names);
    stdin.deferrals = verification::answers(claims);
    stdin
}

fn encode_cut(cut: &Cut) -> Result<Segment, BackendError> {
    let detail = bitcode::serialize(cut).map_err(|error| super::failed("planning the proof", error))?;
    Ok(Segment { kind: SegmentKind::Execution, instructions: Instructions(cut.num_insns), detail })
}

fn decode_cut(plan: &Plan, index: u32) -> Result<Cut, BackendError> {
    let segment = plan.segments.get(index as usize).ok_or_else(|| {
        malformed(format!("there is no segment {index}: the plan has {}", plan.segments.len()))
    })?;
    let cut: Cut = bitcode::deserialize(&segment.detail)
        .map_err(|error| malformed(format!("segment {index} of the plan cannot be read: {error}")))?;
    let start = plan.segments[..index as usize].iter().map(|segment| segment.instructions.0).sum::<u64>();
    if cut.instret_start != start || cut.num_insns != segment.instructions.0 || cut.num_insns == 0 {
        return Err(malformed(format!(
            "segment {index} of the plan does not begin where the one before it ends"
        )));
    }
    if cut.trace_heights.iter().any(|height| *height > MAX_HEIGHT) {
        return Err(malformed(format!("segment {index} of the plan asks for a table that is too high")));
    }
    Ok(cut)
}

fn malformed(cause: String) -> BackendError {
    BackendError::MalformedPart { cause }
}

fn guest_failed(error: ExecutionError) -> BackendError {
    let cause = match error {
        ExecutionError::FailedWithExitCode(code) => {
            format!(
                "it exited with code {code} (a panic in the program is code 1; its message is in the log)"
            )
        }
        other => other.to_string(),
    };
    BackendError::GuestFailed { cause }
}
