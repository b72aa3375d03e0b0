//! The `proofmill` binary with SP1 in place of OpenVM: the same command line, other backends.

use proofmill_backend_sp1::Sp1Backend;
use proofmill_backends::Registry;
use std::{process::ExitCode, sync::Arc};

fn main() -> ExitCode {
    proofmill::main_with(Registry::compiled_in().with(Arc::new(Sp1Backend::new())))
}
