//! Requests to one node behind one or several endpoints: how many at once, how long, and how often again.

use crate::BuildError;
use alloy_primitives::B256;
use alloy_rpc_client::RpcClient;
use alloy_transport::{RpcError, TransportError, TransportErrorKind};
use backon::{ExponentialBuilder, Retryable};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};
use tokio::sync::Semaphore;
use url::Url;

/// The JSON-RPC error code for an unknown method.
const METHOD_NOT_FOUND: i64 = -32601;
/// The JSON-RPC error code by which several providers say that there were too many requests (EIP-1474).
const LIMIT_EXCEEDED: i64 = -32005;

#[derive(Debug)]
pub(crate) struct Rpc {
    endpoints: Vec<(Url, RpcClient)>,
    /// The endpoint that answered last.
    current: AtomicUsize,
    permits: Semaphore,
    timeout: Duration,
    attempts: usize,
    backoff: Duration,
    sent: AtomicU64,
}

/// Why a request has no answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Another try may help.
    Transient(String),
    MethodMissing,
    NoHistory(String),
    UnknownBlock(String),
    Refused(String),
    Malformed(String),
}

/// The block that a request is about, for its errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub(crate) block: u64,
    pub(crate) hash: B256,
}

impl Rpc {
    pub(crate) fn new(
        endpoints: &[Url],
        concurrency: usize,
        timeout: Duration,
        attempts: usize,
        backoff: Duration,
    ) -> Self {
        Self {
            endpoints: endpoints.iter().map(|url| (url.clone(), proofmill_http::rpc_client(url.clone()))).collect(),
            current: AtomicUsize::new(0),
            permits: Semaphore::new(concurrency.max(1)),
            timeout,
            attempts: attempts.max(1),
            backoff,
            sent: AtomicU64::new(0),
        }
    }

    /// How many requests were sent, tries included.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// The answer as the node wrote it.
    pub(crate) async fn call(
        &self,
        method: &'static str,
        params: &serde_json::Value,
    ) -> Result<Box<RawValue>, Fault> {
        let policy = ExponentialBuilder::default()
            .with_min_delay(self.backoff)
            .with_max_delay(Duration::from_secs(10))
            .with_max_times(self.attempts - 1)
            .with_jitter();
        (|| self.attempt(method, params))
            .retry(policy)
            .when(|fault| matches!(fault, Fault::Transient(_)))
            .notify(|fault, after| tracing::debug!(method, ?fault, ?after, "trying again"))
            .await
    }

    async fn attempt(
        &self,
        method: &'static str,
        params: &serde_json::Value,
    ) -> Result<Box<RawValue>, Fault> {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await.map_err(|error| Fault::Transient(error.to_string()))?;
        let at = self.current.load(Ordering::Relaxed) % self.endpoints.len();
        self.sent.fetch_add(1, Ordering::Relaxed);
        let request = self.endpoints[at].1.request::<_, Box<RawValue>>(method, params.clone());
        let fault = match tokio::time::timeout(self.timeout, request).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => classify(error),
            Err(_) => Fault::Transient(format!("no answer within {} s", self.timeout.as_secs_f32())),
        };
        if matches!(fault, Fault::Transient(_)) {
            // Whoever comes next asks the next endpoint, unless somebody has already moved on.
            let _ = self.current.compare_exchange(at, at + 1, Ordering::Relaxed, Ordering::Relaxed);
        }
        Err(fault)
    }

    /// The answer, read. `about` is the block that the request names.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: serde_json::Value,
        about: Option<About>,
    ) -> Result<T, BuildError> {
        let answer = self.call(method, &params).await.map_err(|fault| self.error(method, fault, about))?;
        parse(method, answer.get())
    }

    pub(crate) fn error(&self, method: &'static str, fault: Fault, about: Option<About>) -> BuildError {
        match (fault, about) {
            (Fault::Transient(reason), _) => BuildError::Unreachable {
                method,
                endpoints: self
                    .endpoints
                    .iter()
                    .map(|(url, _)| without_secrets(url))
                    .collect::<Vec<_>>()
                    .join(", "),
                attempts: self.attempts,
                reason,
            },
            (Fault::MethodMissing, _) => BuildError::MethodMissing { method },
            (Fault::Malformed(reason), _) => BuildError::Malformed { method, reason },
            (Fault::NoHistory(reason), Some(about)) => BuildError::NoHistory { block: about.block, reason },
            (Fault::UnknownBlock(reason), Some(About { block, hash })) => {
                BuildError::BlockGone { block, hash, reason }
            }
            (Fault::Refused(reason) | Fault::NoHistory(reason) | Fault::UnknownBlock(reason), _) => {
                BuildError::Refused { method, reason }
            }
        }
    }
}

pub(crate) fn parse<T: DeserializeOwned>(method: &'static str, text: &str) -> Result<T, BuildError> {
    serde_json::from_str(text).map_err(|error| BuildError::Malformed { method, reason: error.to_string() })
}

/// Paths and queries of endpoints often are access keys: only scheme, host and port are shown.
fn without_secrets(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn classify(error: TransportError) -> Fault {
    match error {
        RpcError::ErrorResp(refusal) => {
            let said = refusal.message.to_lowercase();
            let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
            let reason = format!("{} (code {})", refusal.message, refusal.code);
            if refusal.code == METHOD_NOT_FOUND
                || says(&[
                    "method not found",
                    "is not available",
                    "method not supported",
                    "unsupported method",
                ]) && !said.contains("state")
            {
                Fault::MethodMissing
            } else if refusal.code == LIMIT_EXCEEDED
                || refusal.code == 429
                || says(&["rate limit", "too many requests"])
            {
                Fault::Transient(reason)
            } else if says(&[
                "missing trie node",
                "historical state",
                "state not available",
                "state is not available",
                "no state available",
                "pruned",
                "exceeds maximum proof window",
                "old data not available",
            ]) {
                Fault::NoHistory(reason)
            } else if says(&[
                "block not found",
                "unknown block",
                "header not found",
                "not found for hash",
                "not currently canonical",
            ]) {
                Fault::UnknownBlock(reason)
            } else {
                Fault::Refused(reason)
            }
        }
        RpcError::Transport(TransportErrorKind::HttpError(error))
            if (400..500).contains(&error.status) && ![408, 425, 429].contains(&error.status) =>
        {
            Fault::Refused(format!("HTTP status {}", error.status))
        }
        RpcError::Transport(TransportErrorKind::HttpError(error)) => {
            Fault::Transient(format!("HTTP status {}", error.status))
        }
        RpcError::Transport(error) => Fault::Transient(proofmill_chain::in_one_line(&error)),
        RpcError::DeserError { err, .. } => Fault::Malformed(err.to_string()),
        error => Fault::Malformed(proofmill_chain::in_one_line(&error)),
    }
}
