//! Requests to one chain: the pool of its endpoints, with this crate's errors.

use crate::BuildError;
use alloy_primitives::B256;
use proofmill_endpoints::{ConnectError, Failure, FaultKind, Need, NoAnswer, Pool, ReadError};
use serde::de::DeserializeOwned;
use serde_json::{Value, value::RawValue};

#[derive(Debug)]
pub(crate) struct Rpc {
    pool: Pool,
}

/// The block that a request is about, for its errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub(crate) block: u64,
    pub(crate) hash: B256,
}

impl About {
    /// An endpoint must have its state.
    pub(crate) const fn state(self) -> Need {
        Need::State(self.block)
    }
}

impl Rpc {
    pub(crate) const fn over(pool: Pool) -> Self {
        Self { pool }
    }

    pub(crate) const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The number of the newest block.
    pub(crate) async fn head(&self) -> Result<u64, BuildError> {
        let head = self.pool.head().await;
        head.map(|header| header.number).map_err(|none| Fault::from(none).error("eth_getBlockByNumber", None))
    }

    /// The answer, read.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        need: Need,
        method: &'static str,
        params: Value,
    ) -> Result<T, BuildError> {
        self.read(need, method, params, None, |answer| parse(method, answer)).await
    }

    /// What `read` makes of the answer, of whichever endpoint has one that it takes. `about` is the block that the request
    /// names.
    pub(crate) async fn read<T>(
        &self,
        need: Need,
        method: &'static str,
        params: Value,
        about: Option<About>,
        read: impl FnMut(&str) -> Result<T, BuildError>,
    ) -> Result<T, BuildError> {
        self.tried(need, method, params, read).await.map_err(|unread| match unread {
            Unread::Rejected(error) => error,
            Unread::Fault(fault) => fault.error(method, about),
        })
    }

    /// As [`read`](Self::read), for callers that may ask in another way.
    pub(crate) async fn tried<T>(
        &self,
        need: Need,
        method: &'static str,
        params: Value,
        mut read: impl FnMut(&str) -> Result<T, BuildError>,
    ) -> Result<T, Unread> {
        let read = |answer: &RawValue| read(answer.get());
        self.pool.read(need, method, params, read).await.map_err(|error| match error {
            ReadError::Rejected(error) => Unread::Rejected(error),
            ReadError::NoAnswer(none) => Unread::Fault(none.into()),
        })
    }
}

/// An endpoint is of another chain than is wanted, or none answers.
pub(crate) fn not_connected(error: ConnectError) -> BuildError {
    match error {
        ConnectError::WrongChain { endpoint, expected, got } => {
            BuildError::ChainId { endpoint, expected, got }
        }
        ConnectError::Unreachable(failure) => {
            let method = failure.method;
            Fault::from(NoAnswer(failure)).error(method, None)
        }
    }
}

/// The endpoints, which answer, are of another chain than is wanted.
pub(crate) fn other_chain(expected: u64, got: u64) -> BuildError {
    BuildError::ChainId { endpoint: "the node".to_owned(), expected, got }
}

/// Why there is nothing that could be read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// No answer holds: what is wrong with the last.
    Rejected(BuildError),
    Fault(Fault),
}

/// Why a request has no answer, by what it is about.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// No endpoint answers.
    Away(Box<Failure>),
    MethodMissing,
    /// The state is gone.
    NoHistory(String),
    /// The block is gone (EIP-4444).
    Expired(String),
    UnknownBlock(String),
    TooLarge(String),
    Refused(String),
}

impl From<NoAnswer> for Fault {
    fn from(NoAnswer(failure): NoAnswer) -> Self {
        let reason = failure.reason();
        match failure.verdict().map(|fault| fault.kind) {
            None | Some(FaultKind::OtherChain) => Self::Away(failure),
            Some(FaultKind::NoMethod) => Self::MethodMissing,
            Some(FaultKind::NoState) => Self::NoHistory(reason),
            Some(FaultKind::NoHistory) => Self::Expired(reason),
            Some(FaultKind::UnknownBlock) => Self::UnknownBlock(reason),
            Some(FaultKind::TooLarge) => Self::TooLarge(reason),
            Some(_) => Self::Refused(reason),
        }
    }
}

impl Fault {
    pub(crate) fn error(self, method: &'static str, about: Option<About>) -> BuildError {
        match (self, about) {
            (Self::Away(failure), _) => BuildError::Unreachable {
                method,
                endpoints: failure.endpoints(),
                attempts: failure.attempts,
                reason: failure.reason(),
                remedy: failure.advice(),
            },
            (Self::MethodMissing, _) => BuildError::MethodMissing { method },
            (Self::TooLarge(reason), _) => BuildError::TooLarge { method, reason },
            (Self::NoHistory(reason), Some(about)) => BuildError::NoHistory { block: about.block, reason },
            (Self::Expired(reason), Some(about)) => BuildError::Expired { block: about.block, reason },
            (Self::UnknownBlock(reason), Some(About { block, hash })) => {
                BuildError::BlockGone { block, hash, reason }
            }
            (Self::UnknownBlock(reason), None) => {
                let reason = format!("{reason}; wait until the node has the block, or name another node");
                BuildError::Refused { method, reason, passes: true }
            }
            (Self::Refused(reason) | Self::NoHistory(reason) | Self::Expired(reason), _) => {
                BuildError::Refused { method, reason, passes: false }
            }
        }
    }
}

pub(crate) fn parse<T: DeserializeOwned>(method: &'static str, text: &str) -> Result<T, BuildError> {
    serde_json::from_str(text).map_err(|error| BuildError::Malformed { method, reason: error.to_string() })
}
