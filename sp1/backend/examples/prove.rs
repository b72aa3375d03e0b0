//! Proves an SP1 program and prints what it took.
//!
//! `prove ELF STDIN MODE`: STDIN is an `SP1Stdin` encoded with bincode; anything else is given to the program as one
//! frame. MODE is `core` or `compressed`.
#![allow(clippy::print_stdout, missing_docs)]

use proofmill_backend_sp1::Sp1Backend;
use proofmill_backends::{Backend, BackendError, Job};
use proofmill_primitives::{ProofMode, Weight};
use std::{env, error::Error, fs, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [elf, stdin, mode] = arguments.as_slice() else {
        return Err("usage: prove ELF STDIN core|compressed".into());
    };
    let mode: ProofMode = mode.parse()?;
    let (program, mut input) = (fs::read(elf)?, fs::read(stdin)?);
    let sp1 = Sp1Backend::new();

    let budget = sp1.budget_for(Weight::gb(12));
    let begun = Instant::now();
    let planned = |input: &[u8]| sp1.plan(&Job { program: &program, input, cycle_limit: None }, budget);
    let plan = match planned(&input) {
        Err(BackendError::MalformedInput { .. }) => {
            input = sp1.encode_input(&[&input], &[])?;
            planned(&input)?
        }
        other => other?,
    };
    let job = Job { program: &program, input: &input, cycle_limit: None };
    println!("cycles     {}", plan.execution.instructions);
    report("plan", begun);
    let begun = Instant::now();
    let version = sp1.program_version(&program)?;
    report("key", begun);
    let begun = Instant::now();
    let part = sp1.prove_segment(&job, &plan, 0)?;
    report("core", begun);
    println!("core part  {} bytes", part.len());
    let begun = Instant::now();
    let proof = sp1.finish(&job, &plan, mode, &[part])?;
    report("finish", begun);
    let begun = Instant::now();
    sp1.verify(&proof, version)?;
    report("verify", begun);
    println!("proof      {} bytes, {mode}, of {version}", proof.encode().len());
    Ok(())
}

/// Prints how long a step took, and the most memory that this process has had so far.
fn report(step: &str, begun: Instant) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or(" ?").trim();
    println!("{step:10} {:8.2} s, peak {peak}", begun.elapsed().as_secs_f64());
}
