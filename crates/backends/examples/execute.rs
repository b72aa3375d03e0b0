//! Runs a guest without proving it: `execute ELF STDIN`. Prints what it costs and what it commits to. STDIN is a file in
//! either encoding that the backend reads, or `hex:…`, one frame of bytes.
#![allow(clippy::unwrap_used, missing_docs)]

use proofmill_backends::{Backend, Job, OpenVmBackend, SegmentBudget};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (elf, stdin) = match arguments.as_slice() {
        [elf, stdin, ..] => (elf, stdin),
        _ => return Err("usage: execute ELF STDIN".into()),
    };
    let backend = OpenVmBackend::default();
    let program = std::fs::read(elf)?;
    let input = match stdin.strip_prefix("hex:") {
        Some(text) => backend.encode_input(&[&hex::decode(text)?], &[])?,
        None => std::fs::read(stdin)?,
    };
    let job = Job { program: &program, input: &input, cycle_limit: None };
    let start = Instant::now();
    backend.program_version(&program).map(|version| println!("program      {version}"))?;
    eprintln!("keys and program in {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let plan = backend.plan(&job, SegmentBudget(768))?;
    println!("instructions {}", plan.execution.instructions);
    println!("segments     {} (at a budget of 768 MB)", plan.segments.len());
    println!("public       {}", hex::encode(&plan.execution.public_values));
    eprintln!("executed in {:.2} s", start.elapsed().as_secs_f64());
    Ok(())
}
