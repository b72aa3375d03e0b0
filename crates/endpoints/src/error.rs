//! Why a request, or a chain, has no answer.

use crate::{Fault, FaultKind};
use std::fmt;

/// No endpoint has an answer to a request: what each of them said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The JSON-RPC method.
    pub method: &'static str,
    /// Each endpoint (scheme, host and port) with its last fault.
    pub faults: Vec<(String, Fault)>,
    /// How often all of them were tried.
    pub attempts: usize,
}

impl Failure {
    /// What the request comes to, whoever is asked: what is said of the request itself, or what all lack that can serve. None where
    /// one that was away, or may answer later, could still have an answer.
    pub fn verdict(&self) -> Option<&Fault> {
        let faults = || self.faults.iter().map(|(_, fault)| fault);
        let (verdict, rank) =
            faults().filter_map(|fault| Some((fault, fault.kind.rank()?))).max_by_key(|(_, rank)| *rank)?;
        // One that is away may have the state or the block; what is said of a request or of a method holds without it.
        let may_have = rank <= FaultKind::LACKED && faults().any(|fault| fault.kind.may_serve_later());
        (!may_have).then_some(verdict)
    }

    /// All endpoints, for a message.
    pub fn endpoints(&self) -> String {
        self.faults.iter().map(|(url, _)| url.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// What each endpoint said, without the method.
    pub fn reason(&self) -> String {
        match self.faults.as_slice() {
            [(_, only)] => only.said.clone(),
            all => {
                let each: Vec<String> =
                    all.iter().map(|(url, fault)| format!("{url}: {}", fault.said)).collect();
                each.join("; ")
            }
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        let worst = self.verdict().or_else(|| {
            let passing = self.faults.iter().map(|(_, fault)| fault).find(|fault| fault.kind.may_pass());
            passing.or_else(|| self.faults.first().map(|(_, fault)| fault))
        });
        worst.map_or("", |fault| fault.kind.advice())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: no answer from {} after {} tries: {}",
            self.method,
            self.endpoints(),
            self.attempts,
            self.reason()
        )?;
        match self.advice() {
            "" => Ok(()),
            advice => write!(f, "; {advice}"),
        }
    }
}

impl std::error::Error for Failure {}

/// Why something that was asked for is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError<E> {
    /// No endpoint has an answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// The answers do not hold: what is wrong with the last.
    #[error("{0}")]
    Rejected(E),
}

/// No endpoint has an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct NoAnswer(#[from] pub Box<Failure>);

/// Why the endpoints of a chain cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// None of them answers.
    #[error("{0}")]
    Unreachable(Box<Failure>),
    /// One is of another chain.
    #[error("{endpoint} is on chain {got}, but chain {expected} is wanted: check the address")]
    WrongChain {
        /// Scheme, host and port.
        endpoint: String,
        /// The chain id that is wanted.
        expected: u64,
        /// The endpoint's.
        got: u64,
    },
}
