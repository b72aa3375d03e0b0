//! Answers that do not come, and what is said of them.

use std::time::Duration;
use tonic::{Code, Status};

/// What comes of a call; of a stream, that it opens, or its next message.
///
/// # Errors
/// [`DeadlineExceeded`](tonic::Code::DeadlineExceeded) where nobody answers in time: who is stuck keeps its connection alive, and
/// would never say so.
pub async fn within<T>(time: Duration, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = || Status::deadline_exceeded(format!("no answer within {} s", time.as_secs_f32()));
    tokio::time::timeout(time, call).await.unwrap_or_else(|_| Err(late()))
}

/// How messages begin that tell of no answer in gRPC.
const NO_GRPC: [&str; 4] = [
    "h2 protocol error: http2 error",
    "grpc-status header missing",
    "operation was canceled",
    "transport error",
];

/// Why a call failed, in words. A service of another kind says nothing of itself, and what speaks no gRPC nothing that helps.
pub fn cause_of(status: &Status) -> String {
    let message = status.message();
    if status.code() == Code::Unimplemented && message.is_empty() {
        return "another service listens there, which knows no such call: check the host and the port, and that both are of the same release"
            .to_owned();
    }
    // By what h2, hyper and tonic make of a server of HTTP/1, which may hang up at any point, and of one without gRPC.
    if NO_GRPC.iter().any(|known| message.starts_with(known)) {
        return format!(
            "what listens there speaks no gRPC, or its connection broke off ({message}): check the host and the port"
        );
    }
    if message.is_empty() {
        return format!("it says no more than {:?}", status.code());
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_never_empty_and_says_what_to_do() {
        for status in [
            Status::unimplemented(""),
            Status::internal("h2 protocol error: http2 error"),
            Status::unknown("grpc-status header missing, mapped from HTTP status code 404"),
            Status::unknown("operation was canceled"),
            Status::unknown("transport error"),
        ] {
            let said = cause_of(&status);
            assert!(
                said.contains("check the host and the port") && said.contains(status.message()),
                "{said}"
            );
        }
        assert_eq!(cause_of(&Status::unavailable("")), "it says no more than Unavailable");
        for own in [Status::unimplemented("no such mode"), Status::not_found("no such proof")] {
            assert_eq!(cause_of(&own), own.message());
        }
    }
}
