//! Why a task was not done: a [`Fault`], whatever it came from.

use proofmill_artifacts::ArtifactError;
use proofmill_backends::BackendError;
use proofmill_fault::{Code, Fault};
use std::any::Any;

/// Why a task was not done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TaskFailure(pub(crate) Fault);

impl TaskFailure {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self(Fault::new(code, text))
    }

    /// What was asked for makes no sense, to any worker.
    pub(crate) fn malformed(text: impl Into<String>) -> Self {
        Self::new(Code::Malformed, text)
    }

    /// This worker does not understand what it is asked; another one may.
    pub(crate) fn unfit(text: impl Into<String>) -> Self {
        Self::new(Code::Unfit, text)
    }

    /// A defect of the prover, or of this program.
    pub(crate) fn defect(text: impl Into<String>) -> Self {
        Self::new(Code::Rejected, text)
    }

    pub(crate) fn withdrawn() -> Self {
        Self::new(Code::Withdrawn, "the work was withdrawn")
    }

    /// A panic of the prover: a defect that another try may not meet.
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("it did not say why");
        Self::new(Code::ProverFailed, format!("the prover panicked: {text}"))
    }
}

impl From<BackendError> for TaskFailure {
    fn from(error: BackendError) -> Self {
        Self(error.into())
    }
}

impl From<ArtifactError> for TaskFailure {
    fn from(error: ArtifactError) -> Self {
        Self(error.into())
    }
}

impl From<tonic::Status> for TaskFailure {
    fn from(status: tonic::Status) -> Self {
        match status.code() {
            // It knows the proof no more.
            tonic::Code::NotFound | tonic::Code::Cancelled => Self::new(Code::Withdrawn, status.message()),
            // A message larger than the coordinator takes: the program commits to too much.
            tonic::Code::OutOfRange => {
                Self::malformed(format!("the coordinator takes no such message: {}", status.message()))
            }
            _ => Self::new(Code::ClusterRefused, format!("the coordinator refused: {}", status.message())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::is_answer;
    use tonic::Status;

    #[test]
    fn a_message_that_is_too_large_ends_its_task() {
        let status = Status::out_of_range("decoded message length too large: found 70000000 bytes");
        assert!(is_answer(&status), "it is so each time");
        let TaskFailure(fault) = status.into();
        assert!(fault.code.is_final() && fault.text.contains("70000000"), "{fault:?}");
    }
}
