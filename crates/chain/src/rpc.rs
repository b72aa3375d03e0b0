//! Requests to one chain behind one or several endpoints.

use crate::{ChainError, Endpoints, Refusal};
use alloy_primitives::U64;
use alloy_rpc_client::RpcClient;
use alloy_transport::{RpcError, TransportError, TransportErrorKind};
use backon::{BackoffBuilder, ExponentialBuilder};
use proofmill_http::NodeUrl;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};
use tokio::time;

/// The JSON-RPC error code by which several providers say that there were too many requests (EIP-1474).
const LIMIT_EXCEEDED: i64 = -32005;

/// The method that sends a transaction.
pub(crate) const SEND: &str = "eth_sendRawTransaction";

#[derive(Debug)]
pub(crate) struct Rpc {
    endpoints: Vec<Endpoint>,
    chain_id: u64,
    /// The endpoint that answered last.
    current: AtomicUsize,
    timeout: Duration,
    rounds: usize,
    backoff: Duration,
}

#[derive(Debug)]
struct Endpoint {
    url: NodeUrl,
    client: RpcClient,
    /// Whether it has said that it is of the right chain.
    of_chain: AtomicBool,
}

/// Why one endpoint has no answer.
enum Fault {
    /// Another endpoint, or another try, may help.
    Transient(String),
    /// The node answered that it will not.
    Final(ChainError),
}

impl Rpc {
    /// Asks every endpoint for its chain. One that is away is asked again when it is needed; one of another chain than
    /// `expected`, or than the others, is an error.
    pub(crate) async fn connect(options: Endpoints, expected: Option<u64>) -> Result<Self, ChainError> {
        let endpoints: Vec<Endpoint> = options
            .urls
            .into_iter()
            .map(|url| Endpoint { client: url.client(), url, of_chain: AtomicBool::new(false) })
            .collect();
        let mut rpc = Self {
            endpoints,
            chain_id: expected.unwrap_or_default(),
            current: AtomicUsize::new(0),
            timeout: options.timeout,
            rounds: options.rounds.max(1),
            backoff: options.backoff,
        };
        let mut known = expected;
        let mut away = String::new();
        for (at, wait) in rpc.delays().enumerate() {
            time::sleep(wait).await;
            for endpoint in rpc.endpoints.iter().filter(|endpoint| !endpoint.is_of_chain()) {
                match rpc.chain_of(endpoint).await {
                    Ok(got) if known.is_none_or(|expected| expected == got) => {
                        known = Some(got);
                        endpoint.of_chain.store(true, Ordering::Relaxed);
                    }
                    Ok(got) => {
                        return Err(ChainError::WrongChain {
                            endpoint: endpoint.url.to_string(),
                            expected: known.unwrap_or_default(),
                            got,
                        });
                    }
                    Err(Fault::Transient(reason)) => {
                        tracing::debug!(endpoint = %endpoint.url, reason, round = at, "no answer");
                        away = reason;
                    }
                    Err(Fault::Final(error)) => return Err(error),
                }
            }
            if rpc.endpoints.iter().any(Endpoint::is_of_chain) {
                rpc.chain_id = known.unwrap_or_default();
                return Ok(rpc);
            }
        }
        Err(rpc.unreachable("eth_chainId", away))
    }

    pub(crate) const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The answer to one request, from whichever endpoint gives one. What a node refuses, the others are asked too, except
    /// for transactions: those were refused for what they are.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: impl Serialize,
    ) -> Result<T, ChainError> {
        let params = serde_json::to_value(params)
            .map_err(|error| ChainError::Malformed { method, reason: error.to_string() })?;
        let mut reason = String::new();
        for wait in self.delays() {
            time::sleep(wait).await;
            let mut refused = None;
            let first = self.current.load(Ordering::Relaxed);
            for at in (first..first + self.endpoints.len()).map(|at| at % self.endpoints.len()) {
                match self.attempt(&self.endpoints[at], method, &params).await {
                    Ok(answer) => {
                        self.current.store(at, Ordering::Relaxed);
                        return serde_json::from_value(answer)
                            .map_err(|error| ChainError::Malformed { method, reason: error.to_string() });
                    }
                    Err(Fault::Final(error @ ChainError::Refused { .. })) if method != SEND => {
                        tracing::debug!(endpoint = %self.endpoints[at].url, %error, "asking the others");
                        refused.get_or_insert(error);
                    }
                    Err(Fault::Final(error)) => return Err(error),
                    Err(Fault::Transient(why)) => {
                        tracing::debug!(method, endpoint = %self.endpoints[at].url, why, "no answer");
                        reason = why;
                    }
                }
            }
            if let Some(error) = refused {
                return Err(error);
            }
        }
        Err(self.unreachable(method, reason))
    }

    async fn attempt(
        &self,
        endpoint: &Endpoint,
        method: &'static str,
        params: &serde_json::Value,
    ) -> Result<serde_json::Value, Fault> {
        if !endpoint.is_of_chain() {
            let got = self.chain_of(endpoint).await?;
            if got != self.chain_id {
                // It was away at the start. The others may still do.
                return Err(Fault::Transient(format!("it is on chain {got} instead of {}", self.chain_id)));
            }
            endpoint.of_chain.store(true, Ordering::Relaxed);
        }
        self.request(endpoint, method, params).await
    }

    async fn chain_of(&self, endpoint: &Endpoint) -> Result<u64, Fault> {
        let method = "eth_chainId";
        let answer = self.request(endpoint, method, &serde_json::json!([])).await?;
        let id: U64 = serde_json::from_value(answer)
            .map_err(|error| Fault::Final(ChainError::Malformed { method, reason: error.to_string() }))?;
        Ok(id.to())
    }

    async fn request(
        &self,
        endpoint: &Endpoint,
        method: &'static str,
        params: &serde_json::Value,
    ) -> Result<serde_json::Value, Fault> {
        let request = endpoint.client.request::<_, serde_json::Value>(method, params.clone());
        match time::timeout(self.timeout, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(classify(method, error)),
            Err(_) => Err(Fault::Transient(format!("no answer within {} s", self.timeout.as_secs_f32()))),
        }
    }

    /// How long to wait before each round over the endpoints.
    fn delays(&self) -> impl Iterator<Item = Duration> + use<> {
        let between = ExponentialBuilder::default()
            .with_min_delay(self.backoff)
            .with_max_delay(Duration::from_secs(10))
            .with_max_times(self.rounds - 1)
            .with_jitter()
            .build();
        std::iter::once(Duration::ZERO).chain(between)
    }

    fn unreachable(&self, method: &'static str, reason: String) -> ChainError {
        let endpoints = self.endpoints.iter().map(|endpoint| endpoint.url.to_string()).collect::<Vec<_>>();
        ChainError::Unreachable { method, endpoints: endpoints.join(", "), rounds: self.rounds, reason }
    }
}

impl Endpoint {
    fn is_of_chain(&self) -> bool {
        self.of_chain.load(Ordering::Relaxed)
    }
}

fn classify(method: &'static str, error: TransportError) -> Fault {
    match error {
        RpcError::ErrorResp(refusal) => {
            let said = refusal.message.to_lowercase();
            if let Some(data) = refusal.as_revert_data() {
                return Fault::Final(ChainError::Reverted(Refusal::decode(&data).into()));
            }
            if said.contains("execution reverted") {
                return Fault::Final(ChainError::Reverted(
                    Refusal::Other { data: Default::default() }.into(),
                ));
            }
            let limits = ["rate limit", "too many requests"];
            let reason = format!("{} (code {})", refusal.message, refusal.code);
            if matches!(refusal.code, LIMIT_EXCEEDED | 429) || limits.iter().any(|word| said.contains(word)) {
                Fault::Transient(reason)
            } else {
                Fault::Final(ChainError::Refused { method, reason })
            }
        }
        RpcError::Transport(TransportErrorKind::HttpError(error)) => {
            Fault::Transient(format!("HTTP status {}", error.status))
        }
        RpcError::Transport(error) => Fault::Transient(proofmill_http::in_one_line(&error)),
        error => Fault::Transient(proofmill_http::in_one_line(&error)),
    }
}
