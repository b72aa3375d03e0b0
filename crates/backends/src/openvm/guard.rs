//! Turns OpenVM's panics into errors.
//!
//! OpenVM panics on input that it does not expect (an ELF with a strange layout, a proof whose shape is wrong, a memory
//! access out of bounds), so nothing of it is called but through [`guard`]. The panic is still reported by the
//! process's panic hook: installing another hook here would take the hook of every other thread away.

use crate::BackendError;
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs `work`; a panic in it becomes the error that `on_panic` makes of its message.
///
/// What `work` borrowed mutably must not be used again after an error: it may be half changed.
pub(super) fn guard<T>(
    on_panic: impl FnOnce(String) -> BackendError,
    work: impl FnOnce() -> Result<T, BackendError>,
) -> Result<T, BackendError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(on_panic(message(panic.as_ref()))))
}

/// The text of a panic.
fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it panicked without a message".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        let error = guard(
            |cause| BackendError::InvalidProof { cause },
            || {
                let empty: Vec<u8> = Vec::new();
                Ok(empty[3])
            },
        )
        .unwrap_err();
        assert!(error.to_string().contains("index out of bounds"), "{error}");
    }
}
