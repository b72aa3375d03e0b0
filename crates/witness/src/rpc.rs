//! Requests to one node behind one or several endpoints: how many at once, how long, and how often again.

use crate::BuildError;
use alloy_primitives::{B256, U64};
use alloy_rpc_client::RpcClient;
use alloy_transport::{RpcError, TransportError, TransportErrorKind};
use backon::{ExponentialBuilder, Retryable};
use proofmill_http::NodeUrl;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::{
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Semaphore;

/// The JSON-RPC error code for an unknown method.
const METHOD_NOT_FOUND: i64 = -32601;
/// The JSON-RPC error code by which several providers say that there were too many requests (EIP-1474).
const LIMIT_EXCEEDED: i64 = -32005;
const CHAIN_ID: &str = "eth_chainId";

#[derive(Debug)]
pub(crate) struct Rpc {
    endpoints: Vec<Endpoint>,
    /// The place of the endpoint that answered last.
    current: AtomicUsize,
    /// The chain that every endpoint must be of, once it is known.
    chain: OnceLock<u64>,
    permits: Semaphore,
    timeout: Duration,
    attempts: usize,
    backoff: Duration,
    sent: AtomicU64,
}

#[derive(Debug)]
struct Endpoint {
    url: NodeUrl,
    client: RpcClient,
    /// The chain that it says it is of. Forgotten when it was away: what comes back may be another node.
    chain: Mutex<Option<u64>>,
}

/// Why a request has no answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The endpoint did not answer; another one, or another try, may help.
    Away(String),
    /// The endpoint was asked too much; another one, or another try, may help.
    Busy(String),
    /// The endpoint is not one of this chain; another one may help.
    Unusable(String),
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
        endpoints: &[NodeUrl],
        concurrency: usize,
        timeout: Duration,
        attempts: usize,
        backoff: Duration,
    ) -> Self {
        Self {
            endpoints: endpoints.iter().map(Endpoint::new).collect(),
            current: AtomicUsize::new(0),
            chain: OnceLock::new(),
            permits: Semaphore::new(concurrency.max(1)),
            timeout,
            attempts: attempts.max(1),
            backoff,
            sent: AtomicU64::new(0),
        }
    }

    /// Asks for the chain. From then on only endpoints of this chain are used. To be called before anything else is
    /// asked.
    pub(crate) async fn find_chain(&self, expected: Option<u64>) -> Result<u64, BuildError> {
        let got: U64 = self.ask(CHAIN_ID, serde_json::json!([]), None).await?;
        let got = got.to();
        if let Some(expected) = expected.filter(|expected| *expected != got) {
            return Err(self.other_chain(expected, got));
        }
        self.answered_last().learn(Some(got));
        let _ = self.chain.set(got);
        Ok(got)
    }

    /// The endpoint that answered last is of another chain than the caller wants.
    pub(crate) fn other_chain(&self, expected: u64, got: u64) -> BuildError {
        BuildError::ChainId { endpoint: self.answered_last().url.to_string(), expected, got }
    }

    fn answered_last(&self) -> &Endpoint {
        &self.endpoints[self.current.load(Ordering::Relaxed)]
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
            .when(Fault::may_pass)
            .notify(|fault, after| tracing::debug!(method, ?fault, ?after, "trying again"))
            .await
    }

    async fn attempt(
        &self,
        method: &'static str,
        params: &serde_json::Value,
    ) -> Result<Box<RawValue>, Fault> {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await.map_err(|error| Fault::Busy(error.to_string()))?;
        let mut others = self.endpoints.len() - 1;
        loop {
            let at = self.current.load(Ordering::Relaxed);
            let endpoint = &self.endpoints[at];
            let fault = match self.ask_of(endpoint, method, params).await {
                Err(fault) if fault.may_pass() => fault,
                settled => return settled,
            };
            if matches!(fault, Fault::Away(_)) {
                endpoint.learn(None);
            }
            // Whoever comes next asks the next endpoint, unless somebody has already moved on.
            let next = (at + 1) % self.endpoints.len();
            let _ = self.current.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
            // One that cannot be used is passed over: that costs no attempt.
            if !matches!(fault, Fault::Unusable(_)) || others == 0 {
                return Err(fault);
            }
            others -= 1;
        }
    }

    /// One request to an endpoint, after one for its chain where that is not known.
    async fn ask_of(
        &self,
        endpoint: &Endpoint,
        method: &'static str,
        params: &serde_json::Value,
    ) -> Result<Box<RawValue>, Fault> {
        let known = endpoint.known();
        if let Some(chain) = self.chain.get().filter(|chain| known != Some(**chain)) {
            let said = match self.send(endpoint, CHAIN_ID, &serde_json::json!([])).await {
                Ok(said) => serde_json::from_str::<U64>(said.get()).map_err(|error| error.to_string()),
                Err(fault @ (Fault::Away(_) | Fault::Busy(_))) => return Err(fault),
                Err(fault) => Err(self.error(CHAIN_ID, fault, None).to_string()),
            };
            let got: u64 = said.map(|got| got.to()).map_err(|cause| {
                Fault::Unusable(format!("{} does not tell its chain: {cause}", endpoint.url))
            })?;
            endpoint.learn(Some(got));
            if let Some(why) = endpoint.of_another(*chain) {
                if known != Some(got) {
                    tracing::warn!("{why}: it is not used");
                }
                return Err(Fault::Unusable(why));
            }
        }
        self.send(endpoint, method, params).await
    }

    async fn send(
        &self,
        endpoint: &Endpoint,
        method: &'static str,
        params: &serde_json::Value,
    ) -> Result<Box<RawValue>, Fault> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let request = endpoint.client.request::<_, Box<RawValue>>(method, params.clone());
        match tokio::time::timeout(self.timeout, request).await {
            Ok(answer) => answer.map_err(classify),
            Err(_) => Err(Fault::Away(format!("no answer within {} s", self.timeout.as_secs_f32()))),
        }
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
            (Fault::Away(reason) | Fault::Busy(reason) | Fault::Unusable(reason), _) => {
                self.unreachable(method, reason)
            }
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

    /// The last failure, and which endpoints were not used although they answered.
    fn unreachable(&self, method: &'static str, mut reason: String) -> BuildError {
        for endpoint in &self.endpoints {
            let why = self.chain.get().and_then(|chain| endpoint.of_another(*chain));
            if let Some(why) = why.filter(|why| !reason.contains(why)) {
                reason = format!("{reason}; {why}");
            }
        }
        let endpoints =
            self.endpoints.iter().map(|endpoint| endpoint.url.to_string()).collect::<Vec<_>>().join(", ");
        BuildError::Unreachable { method, endpoints, attempts: self.attempts, reason }
    }
}

impl Fault {
    /// Whether another endpoint, or another try, may help.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Busy(_) | Self::Unusable(_))
    }
}

impl Endpoint {
    fn new(url: &NodeUrl) -> Self {
        Self { url: url.clone(), client: url.client(), chain: Mutex::default() }
    }

    fn known(&self) -> Option<u64> {
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, chain: Option<u64>) {
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = chain;
    }

    /// What is wrong with it where it has said that it is of another chain.
    fn of_another(&self, chain: u64) -> Option<String> {
        let got = self.known().filter(|known| *known != chain)?;
        Some(format!("{} is on chain {got}, not on chain {chain}", self.url))
    }
}

pub(crate) fn parse<T: DeserializeOwned>(method: &'static str, text: &str) -> Result<T, BuildError> {
    serde_json::from_str(text).map_err(|error| BuildError::Malformed { method, reason: error.to_string() })
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
                Fault::Busy(reason)
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
            let fault = if error.status == 429 { Fault::Busy } else { Fault::Away };
            fault(format!("HTTP status {}", error.status))
        }
        RpcError::Transport(error) => Fault::Away(proofmill_http::in_one_line(&error)),
        RpcError::DeserError { err, .. } => Fault::Malformed(err.to_string()),
        error => Fault::Malformed(proofmill_http::in_one_line(&error)),
    }
}
