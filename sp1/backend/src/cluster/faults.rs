//! What went wrong, as the policy of tries takes it. SP1 passes errors on as `anyhow` does; what was a fault before comes out as
//! one again where nobody made words of it.

use crate::execute::{FULL, lacks_shared_memory};
use proofmill_fault::{Code, Fault};
use sp1_core_executor::ExecutionError;
use sp1_prover::worker::TaskError;

/// A fault on its way through SP1.
#[derive(Debug)]
struct Faulted(Fault);

impl std::fmt::Display for Faulted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Faulted {}

/// A fault, to be passed through SP1.
pub(crate) fn faulted(fault: Fault) -> anyhow::Error {
    Faulted(fault).into()
}

/// The fault that was passed through SP1, if it was one.
pub(crate) fn fault_in(error: anyhow::Error) -> Result<Fault, anyhow::Error> {
    error.downcast::<Faulted>().map(|Faulted(fault)| fault)
}

pub(crate) fn of_task(error: TaskError) -> Fault {
    let code = match &error {
        TaskError::Execution(ExecutionError::ExceededCycleLimit(_)) => Code::CycleLimit,
        // The program was run before, and came to its end.
        _ => Code::ProverFailed,
    };
    match error {
        TaskError::Retryable(cause) | TaskError::Fatal(cause) => {
            fault_in(cause).unwrap_or_else(|cause| match format!("{cause:#}") {
                text if lacks_shared_memory(&text) => Fault::new(Code::NotSetUp, FULL),
                text => Fault::new(code, text),
            })
        }
        TaskError::Execution(cause) => Fault::new(code, cause.to_string()),
    }
}
