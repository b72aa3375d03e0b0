//! Requests to one chain: the pool of its endpoints, with this crate's errors.

use crate::{ChainError, Refusal};
use proofmill_endpoints::{
    ConnectError, Failure, FaultKind, Header, Need, NoAnswer, Pool, PoolOptions, ReadError,
};
use serde::{Serialize, de::DeserializeOwned};

#[derive(Debug)]
pub(crate) struct Rpc {
    pool: Pool,
}

impl Rpc {
    pub(crate) async fn connect(
        name: &'static str,
        options: PoolOptions,
        expected: Option<u64>,
    ) -> Result<Self, ChainError> {
        let pool = Pool::connect(name, options, expected).await.map_err(|error| match error {
            ConnectError::WrongChain { endpoint, expected, got } => {
                ChainError::WrongChain { endpoint, expected, got }
            }
            ConnectError::Unreachable(failure) => of(&failure),
        })?;
        Ok(Self { pool })
    }

    pub(crate) const fn over(pool: Pool) -> Self {
        Self { pool }
    }

    pub(crate) const fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn chain_id(&self) -> u64 {
        self.pool.chain_id()
    }

    /// The newest header.
    pub(crate) async fn head(&self) -> Result<Header, ChainError> {
        self.pool.head().await.map_err(|NoAnswer(failure)| of(&failure))
    }

    /// The answer to a request about the newest block.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: impl Serialize,
    ) -> Result<T, ChainError> {
        self.ask_with(Need::Head, method, params).await
    }

    /// The answer to a request.
    pub(crate) async fn ask_with<T: DeserializeOwned>(
        &self,
        need: Need,
        method: &'static str,
        params: impl Serialize,
    ) -> Result<T, ChainError> {
        self.pool.get(need, method, params).await.map_err(|error| match error {
            ReadError::Rejected(reason) => ChainError::Malformed { method, reason },
            ReadError::NoAnswer(NoAnswer(failure)) => of(&failure),
        })
    }
}

fn of(failure: &Failure) -> ChainError {
    let method = failure.method;
    match failure.verdict() {
        Some(fault) if fault.kind == FaultKind::Reverted => {
            let refusal = match &fault.revert {
                Some(data) => Refusal::decode(data),
                None => Refusal::of_words(&fault.said),
            };
            ChainError::Reverted(refusal.into())
        }
        Some(fault) if fault.kind != FaultKind::OtherChain => {
            ChainError::Refused { method, reason: with_advice(failure), passes: fault.kind.may_pass() }
        }
        _ => ChainError::Unreachable {
            method,
            endpoints: failure.endpoints(),
            attempts: failure.attempts,
            reason: with_advice(failure),
        },
    }
}

fn with_advice(failure: &Failure) -> String {
    match failure.advice() {
        "" => failure.reason(),
        advice => format!("{}; {advice}", failure.reason()),
    }
}
