//! SP1 panics where it meets bytes that it did not expect. Those panics end here.

use proofmill_backends::BackendError;
use proofmill_primitives::ProverType;
use std::{
    any::Any,
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs `f`; a panic in it is an error with the panic's message.
///
/// Whatever `f` was in the middle of changing must not be used again after an error: callers only lend it what they
/// throw away.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| message(payload.as_ref()))
}

/// The text that a panic carried.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it panicked without a message".to_owned())
}

pub(crate) fn malformed_program(cause: impl Display) -> BackendError {
    BackendError::MalformedProgram { prover: ProverType::Sp1, cause: cause.to_string() }
}

pub(crate) fn malformed_input(cause: impl Display) -> BackendError {
    BackendError::MalformedInput { prover: ProverType::Sp1, cause: cause.to_string() }
}

pub(crate) fn prover(doing: &'static str, cause: impl Display) -> BackendError {
    BackendError::Prover { prover: ProverType::Sp1, doing, cause: cause.to_string() }
}
