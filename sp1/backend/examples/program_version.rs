//! Prints the program version of an SP1 program: `program_version ELF`. Takes a minute, for the program's key is made.
#![allow(clippy::print_stdout, missing_docs)]

use proofmill_backend_sp1::Sp1Backend;
use proofmill_backends::Backend;
use std::{env, error::Error, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let elf = env::args().nth(1).ok_or("usage: program_version ELF")?;
    println!("program      {}", Sp1Backend::new().program_version(&fs::read(elf)?)?);
    Ok(())
}
