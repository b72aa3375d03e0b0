//! Runs an SP1 program and prints its cycles and SP1's prover gas, which counts what the precompiles' tables take too.
//!
//! `gas ELF INPUT...`: each file is one frame; each gets a line.
#![allow(clippy::print_stdout, missing_docs)]

use proofmill_sp1_prover::MEMORY_LIMIT;
use sp1_core_executor::{GasEstimatingVMEnum, Program, SP1CoreOpts};
use sp1_core_executor_runner::MinimalExecutorRunner;
use std::{env, error::Error, fs, sync::Arc};

/// Memory reads in a chunk of trace.
const CHUNK_READS: u64 = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let Some((elf, inputs)) = arguments.split_first() else {
        return Err("usage: gas ELF INPUT...".into());
    };
    let program = Arc::new(Program::from(&fs::read(elf)?)?);
    for input in inputs {
        let mut executor =
            MinimalExecutorRunner::new(program.clone(), false, Some(CHUNK_READS), MEMORY_LIMIT, 3);
        executor.with_input(&fs::read(input)?);
        let mut gas = 0;
        while let Some(chunk) = executor.try_execute_chunk()? {
            let mut machine =
                GasEstimatingVMEnum::new(&chunk, program.clone(), [0; 4], SP1CoreOpts::default());
            gas += machine.execute()?.gas().unwrap_or(0);
        }
        println!("{input} cycles {} gas {gas} exit {}", executor.global_clk(), executor.exit_code());
    }
    Ok(())
}
