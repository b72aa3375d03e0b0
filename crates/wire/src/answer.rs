//! Answers that do not come.

use std::time::Duration;
use tonic::Status;

/// What comes of a call; of a stream, that it opens, or its next message.
///
/// # Errors
/// [`DeadlineExceeded`](tonic::Code::DeadlineExceeded) where nobody answers in time: who is stuck keeps its connection alive, and
/// would never say so.
pub async fn within<T>(time: Duration, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = || Status::deadline_exceeded(format!("no answer within {} s", time.as_secs_f32()));
    tokio::time::timeout(time, call).await.unwrap_or_else(|_| Err(late()))
}
