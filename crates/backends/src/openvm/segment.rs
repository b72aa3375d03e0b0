//! Running a program, cutting its execution, and proving one cut.

use super::{
    AppKey, F, Instance, Stark, input, memory,
    part::{Level, Part, PublicValues},
    program::Program,
    vm::PUBLIC_VALUES,
};
use crate::{BackendError, Execution, Job, Plan, Segment, SegmentBudget};
use openvm_circuit::{
    arch::{
        ExecutionError, VirtualMachineError, VmExecState, execution_mode::Segment as Cut,
        hasher::poseidon2::vm_poseidon2_hasher,
    },
    system::memory::merkle::public_values::extract_public_values,
};
use openvm_sdk::{StdIn, openvm_circuit};
use proofmill_primitives::{Instructions, ProverType};

/// The budget that [`super::OpenVmBackend`] runs programs under when nobody proves: any, but small enough that a program
/// without an end is stopped within a second of its limit.
const EXECUTE_BUDGET: SegmentBudget = SegmentBudget(768);
/// No trace of our machine is higher (`log_stacked_height` is 20, and the fixed tables are below 2^24).
const MAX_HEIGHT: u32 = 1 << 24;

/// Runs a program and says where its execution is to be cut.
pub(super) fn plan(
    key: &AppKey,
    program: &Program,
    job: &Job<'_>,
    budget: SegmentBudget,
) -> Result<Plan, BackendError> {
    let stdin = decode_input(job)?;
    program.with_machine(key, "executing the program", |machine| {
        let (execution, cuts) = run(machine, program, stdin, job.cycle_limit, budget)?;
        let segments = cuts.iter().map(encode_cut).collect::<Result<_, _>>()?;
        Ok(Plan { execution, segments })
    })
}

/// Runs a program for its result only.
pub(super) fn execute(key: &AppKey, program: &Program, job: &Job<'_>) -> Result<Execution, BackendError> {
    let stdin = decode_input(job)?;
    program.with_machine(key, "executing the program", |machine| {
        run(machine, program, stdin, job.cycle_limit, EXECUTE_BUDGET).map(|(execution, _)| execution)
    })
}

/// Proves one segment of a plan: runs the program up to it, then proves its instructions.
pub(super) fn prove(
    key: &AppKey,
    program: &Program,
    job: &Job<'_>,
    plan: &Plan,
    index: u32,
) -> Result<Part, BackendError> {
    let cut = decode_cut(plan, index)?;
    let is_last = index as usize + 1 == plan.segments.len();
    let stdin = decode_input(job)?;
    let (stark, public_values) = program.with_machine(key, "proving a segment", |machine| {
        if cut.trace_heights.len() != machine.vm.num_airs() {
            return Err(malformed(format!(
                "segment {index} is planned for {} tables, this machine has {}",
                cut.trace_heights.len(),
                machine.vm.num_airs()
            )));
        }
        prove_cut(machine, program, stdin, &cut)
    })?;
    if public_values.is_some() != is_last {
        return Err(malformed(format!(
            "the program {} in segment {index} of {}: the plan is of another program or input",
            if is_last { "does not end" } else { "ends" },
            plan.segments.len()
        )));
    }
    Ok(Part { program: program.hash, level: Level::Segment, first: index, count: 1, stark, public_values })
}

fn prove_cut(
    machine: &mut Instance,
    program: &Program,
    stdin: StdIn<F>,
    cut: &Cut,
) -> Result<(Stark, Option<PublicValues>), BackendError> {
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
    let public_values = PublicValues::compute(
        config.memory_config.memory_dimensions(),
        config.num_public_values,
        &vm_poseidon2_hasher(),
        &memory.memory,
        top,
    );
    Ok((stark, Some(public_values)))
}

/// Runs with metering. The machine stops at each cut, so that the limit is looked at every few hundred thousand
/// instructions.
fn run(
    machine: &Instance,
    program: &Program,
    stdin: StdIn<F>,
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
    let public_values = extract_public_values(PUBLIC_VALUES, &state.vm_state.memory.memory);
    let cuts = state.ctx.into_segments();
    let instructions = cuts.iter().map(|cut| cut.num_insns).sum();
    beyond(instructions)?;
    Ok((Execution { public_values, instructions: Instructions(instructions) }, cuts))
}

fn decode_input(job: &Job<'_>) -> Result<StdIn<F>, BackendError> {
    input::decode(job.input)
}

fn encode_cut(cut: &Cut) -> Result<Segment, BackendError> {
    let detail = bitcode::serialize(cut).map_err(|error| super::failed("planning the proof", error))?;
    Ok(Segment { instructions: Instructions(cut.num_insns), detail })
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
