//! Runs a program without proving it.
//!
//! SP1's own `execute` also estimates gas, which is slow, and counts nothing without it. Here the executor is driven
//! directly: it counts instructions, and hands out its trace in chunks, at which the limit is checked.

use crate::guard::{catch, prover};
use proofmill_backends::{BackendError, Execution};
use proofmill_primitives::Instructions;
use proofmill_sp1_prover::MEMORY_LIMIT;
use sp1_core_executor::{ExecutionError, OutputConsumers, Program};
use sp1_core_executor_runner::MinimalExecutorRunner;
use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
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

/// Runs `program` on the frames of its input.
pub(crate) fn run(
    program: Arc<Program>,
    frames: Vec<Vec<u8>>,
    limit: Option<Instructions>,
) -> Result<Execution, BackendError> {
    let (say, hear) = mpsc::channel();
    let thread = thread::Builder::new().name("sp1-execute".to_owned()).spawn(move || {
        // The executor's process is a child of this thread, which is how it is found if it must be stopped.
        let _ = say.send(Said::Thread(rustix::thread::gettid()));
        let outcome = catch(|| drive(program, &frames, limit)).unwrap_or_else(|cause| Err(doing(cause)));
        let _ = say.send(Said::Done(outcome));
    });
    let thread = thread.map_err(doing)?;
    let deadline = limit.map(|limit| START + Duration::from_secs(limit.0 / SLOWEST));
    let mut id = None;
    loop {
        let said = match deadline {
            Some(deadline) => hear.recv_timeout(deadline),
            None => hear.recv().map_err(Into::into),
        };
        match (said, limit) {
            (Ok(Said::Thread(thread)), _) => id = Some(thread),
            (Ok(Said::Done(outcome)), _) => {
                // It has said its last; joining only reaps it.
                let _ = thread.join();
                return outcome;
            }
            (Err(mpsc::RecvTimeoutError::Timeout), Some(limit)) => {
                if let Some(thread) = id {
                    stop_children(thread);
                }
                return Err(BackendError::CycleLimit { limit });
            }
            (Err(_), _) => return Err(doing("its thread ended without a word")),
        }
    }
}

enum Said {
    Thread(rustix::thread::Pid),
    Done(Result<Execution, BackendError>),
}

fn drive(
    program: Arc<Program>,
    frames: &[Vec<u8>],
    limit: Option<Instructions>,
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
        _ => Ok(()),
    };
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
