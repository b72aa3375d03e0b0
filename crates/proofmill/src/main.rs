//! The `proofmill` binary.

use proofmill_backends::Registry;
use std::process::ExitCode;

/// Provers allocate gigabytes for each task. The C library's allocator keeps much of that for tasks that need other sizes;
/// this one gives it back within seconds.
#[cfg(feature = "openvm")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    proofmill::main_with(Registry::compiled_in())
}
