//! Runs an SP1 program and prints what it costs and commits to.
//!
//! `execute ELF [STDIN]`: STDIN is an `SP1Stdin` encoded with bincode; anything else is given to the program as one
//! frame.
#![allow(clippy::print_stdout, missing_docs)]

use proofmill_backend_sp1::Sp1Backend;
use proofmill_backends::{Backend, BackendError, Job};
use std::{env, error::Error, fs, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let arguments: Vec<_> = env::args().skip(1).collect();
    let (elf, stdin) = match arguments.as_slice() {
        [elf] => (elf, Vec::new()),
        [elf, stdin] => (elf, fs::read(stdin)?),
        _ => return Err("usage: execute ELF [STDIN]".into()),
    };
    let program = fs::read(elf)?;
    let sp1 = Sp1Backend::new();
    let begun = Instant::now();
    let run = |input: &[u8]| sp1.execute(&Job { program: &program, input, cycle_limit: None });
    let execution = match run(&stdin) {
        Err(BackendError::MalformedInput { .. }) => run(&sp1.encode_input(&[&stdin], &[])?)?,
        other => other?,
    };
    println!("cycles        {}", execution.instructions);
    println!("seconds       {:.2}", begun.elapsed().as_secs_f64());
    let hex: String = execution.public_values.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("public values 0x{hex}");
    Ok(())
}
