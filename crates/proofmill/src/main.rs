//! The `proofmill` binary.

use proofmill_backends::Registry;
use std::process::ExitCode;

fn main() -> ExitCode {
    proofmill::main_with(Registry::compiled_in())
}
