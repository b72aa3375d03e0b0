//! Runs a program without proving it.
//!
//! SP1's own `execute` also estimates gas, which is slow, and counts nothing without it. Here the executor is driven
//! directly: it counts instructions, and hands out its trace in chunks, at which the limit is checked.

use crate::{
    guard::{catch, prover},
    orphans,
};
use proofmill_backends::{BackendError, Execution};
use proofmill_primitives::{Instructions, ProverType};
use proofmill_sp1_prover::MEMORY_LIMIT;
use sp1_core_executor::{ExecutionError, OutputConsumers, Program};
use sp1_core_executor_runner::MinimalExecutorRunner;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Memory reads in a chunk of trace, 16 bytes each: how often the limit is checked.
const CHUNK_READS: u64 = 1 << 20;
/// Chunks that the executor may be ahead.
const CHUNK_SLOTS: usize = 3;
/// The slowest that execution ever is, in instructions per second, and what it may take before it starts. A program
/// that never reads memory hands out no chunks, so a limit on time stands behind the limit on instructions.
const SLOWEST: u64 = 1_000_000;
const START: Duration = Duration::from_secs(120);
/// How often it is looked whether that time is over, and whether the run is still wanted.
const LOOK: Duration = Duration::from_millis(500);

/// Runs `program` on the frames of its input.
pub(crate) fn run(
    program: Arc<Program>,
    frames: Vec<Vec<u8>>,
    limit: Option<Instructions>,
) -> Result<Execution, BackendError> {
    run_while(program, frames, limit, || true)
}

/// The same for as long as it is wanted: without a limit, a program that never ends would run for ever.
pub(crate) fn run_while(
    program: Arc<Program>,
    frames: Vec<Vec<u8>>,
    limit: Option<Instructions>,
    is_wanted: impl Fn() -> bool,
) -> Result<Execution, BackendError> {
    orphans::stop();
    let (say, hear) = mpsc::channel();
    let over = Arc::new(AtomicBool::new(false));
    let is_over = over.clone();
    let thread = thread::Builder::new().name("sp1-execute".to_owned()).spawn(move || {
        // The executor's process is a child of this thread, which is how it is found if it must be stopped.
        let _ = say.send(Said::Thread(rustix::thread::gettid()));
        let run = catch(|| drive(program, &frames, limit, &is_over));
        let _ = say.send(Said::Done(run.unwrap_or_else(|cause| Err(doing(cause)))));
    });
    let thread = thread.map_err(doing)?;
    let allowed = limit.map(|limit| START + Duration::from_secs(limit.0 / SLOWEST));
    let (began, mut id) = (Instant::now(), None);
    loop {
        match hear.recv_timeout(LOOK) {
            Ok(Said::Thread(thread)) => id = Some(thread),
            Ok(Said::Done(outcome)) => {
                // It has said its last; joining only reaps it.
                let _ = thread.join();
                return outcome;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let is_late = allowed.is_some_and(|allowed| began.elapsed() > allowed);
                if !is_late && is_wanted() {
                    continue;
                }
                // Before it has started the executor, it does not start it any more.
                over.store(true, Ordering::Release);
                if let Some(thread) = id {
                    stop_children(thread);
                }
                return Err(match limit {
                    Some(limit) if is_late => BackendError::CycleLimit { limit },
                    _ => doing(UNWANTED),
                });
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(doing("its thread ended without a word"));
            }
        }
    }
}

const UNWANTED: &str = "nobody wants it any more";

enum Said {
    Thread(rustix::thread::Pid),
    Done(Result<Execution, BackendError>),
}

fn drive(
    program: Arc<Program>,
    frames: &[Vec<u8>],
    limit: Option<Instructions>,
    is_over: &AtomicBool,
) -> Result<Execution, BackendError> {
    let mut executor =
        MinimalExecutorRunner::new(program, false, Some(CHUNK_READS), MEMORY_LIMIT, CHUNK_SLOTS);
    let (stderr, said) = watch::channel(String::new());
    executor.set_output_consumers(OutputConsumers { stdout: None, stderr: Some(stderr) });
    for frame in frames {
        executor.with_input(frame);
    }
    let check = |instructions: u64| match limit {
        Some(limit) if instructions > limit.0 => Err(BackendError::CycleLimit { limit }),
        _ if is_over.load(Ordering::Acquire) => Err(doing(UNWANTED)),
        _ => Ok(()),
    };
    check(0)?;
    while let Some(chunk) = executor.try_execute_chunk().map_err(|error| stopped(&error, &said.borrow()))? {
        drop(chunk);
        // Dropping the executor on the way out kills its process.
        check(executor.global_clk())?;
    }
    let instructions = executor.global_clk();
    check(instructions)?;
    let code = executor.exit_code();
    if code != 0 {
        let what = format!("it exited with code {code}{}", last_words(&said.borrow()));
        return Err(BackendError::GuestFailed { cause: what });
    }
    Ok(Execution {
        public_values: executor.into_public_values_stream(),
        instructions: Instructions(instructions),
    })
}

/// Tells what the program did wrong from what the machine did to it.
fn stopped(error: &ExecutionError, said: &str) -> BackendError {
    let cause = match error {
        ExecutionError::ChildKilled() => {
            return doing("the executor was killed; is the machine out of memory?");
        }
        ExecutionError::Other(cause) if cause.starts_with("failed to spawn") => return doing(cause),
        ExecutionError::Other(cause) if lacks_shared_memory(cause) => {
            return BackendError::NotSetUp { prover: ProverType::Sp1, cause: FULL.to_owned() };
        }
        ExecutionError::KilledByMemoryMonitor(_) | ExecutionError::TooMuchMemory() => {
            format!("it used more than {} GB of memory", MEMORY_LIMIT >> 30)
        }
        ExecutionError::Other(cause) => {
            format!("{cause}; a program that reads more input than it was given ends like this")
        }
        other => other.to_string(),
    };
    BackendError::GuestFailed { cause: cause + &last_words(said) }
}

/// What to do where there is no place for a program's memory.
pub(crate) const FULL: &str = "/dev/shm is full, where SP1 keeps a program's memory and trace: give this worker more of it, up to 5 GB for \
     each execution at once (`docker run --shm-size`, or a volume of medium `Memory` on `/dev/shm` in Kubernetes)";

/// Whether the executor was ended by a bus error (signal 7), in the words of SP1's runner. Nothing else than a full `/dev/shm` causes
/// one: that is the worker's fault, and no other's.
pub(crate) fn lacks_shared_memory(said: &str) -> bool {
    said.contains("signal: 7,") || said.contains("signal: Some(7)")
}

/// What the program wrote last, which for a panic is its message.
fn last_words(said: &str) -> String {
    let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines[lines.len().saturating_sub(4)..].join(" ") {
        words if words.is_empty() => words,
        words => format!(": {words}"),
    }
}

fn doing(cause: impl std::fmt::Display) -> BackendError {
    prover("running the program", cause)
}

/// Kills the processes that a thread of ours started.
fn stop_children(thread: rustix::thread::Pid) {
    let path = format!("/proc/self/task/{}/children", thread.as_raw_nonzero());
    let children = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        tracing::error!(%error, path, "cannot find the executor that ran out of time; it may run on");
        String::new()
    });
    for child in
        children.split_whitespace().filter_map(|child| rustix::process::Pid::from_raw(child.parse().ok()?))
    {
        if let Err(error) = rustix::process::kill_process(child, rustix::process::Signal::KILL) {
            tracing::error!(%error, "cannot stop the executor that ran out of time");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ELF: &[u8] = include_bytes!("../tests/fixtures/fibonacci-sp1.elf");

    /// In the two ways in which SP1's runner says it.
    #[test]
    fn a_full_shared_memory_is_the_workers_fault_and_no_programs() {
        let ended = |signal: i32| {
            [
                format!(
                    "Child native executor crashed, details: CrashDetails {{ signal: {signal}, addr: 4096, operation: 0 }}"
                ),
                format!("Child native executor terminated abnormally, code: None, signal: Some({signal})"),
            ]
        };
        for said in ended(7) {
            let fault = stopped(&ExecutionError::Other(said), "");
            assert!(
                matches!(&fault, BackendError::NotSetUp { cause, .. } if cause.contains("--shm-size")),
                "{fault:?}"
            );
        }
        for said in [6, 8, 17, 77].into_iter().flat_map(ended) {
            let fault = stopped(&ExecutionError::Other(said), "");
            assert!(matches!(fault, BackendError::GuestFailed { .. }), "{fault:?}");
        }
    }

    #[test]
    fn a_run_that_nobody_wants_any_more_is_stopped() {
        // It reads no memory, so that it hands out nothing after which it could be stopped.
        let frames = vec![u32::MAX.to_le_bytes().to_vec()];
        let program = crate::elf::load(ELF).unwrap();
        let stopped = run_while(program, frames, None, || false).unwrap_err();
        assert!(stopped.to_string().contains(UNWANTED), "{stopped}");
    }
}
