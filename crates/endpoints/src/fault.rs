//! Why an endpoint has no answer to a request.

use alloy_primitives::Bytes;
use std::{fmt, time::Duration};

/// What kind of fault it is: it decides who is asked next, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FaultKind {
    /// No answer: refused, cut off, timed out, or a gateway answers in the node's place.
    Away,
    /// It was asked too much.
    Limited,
    /// It has no answer now, and does not know why: an internal error, or a race of its own.
    Stumbled,
    /// What it sent is no answer of a JSON-RPC node, or is none to this request.
    Unreadable,
    /// It does not let this client in.
    Denied,
    /// It is of another chain.
    OtherChain,
    /// It does not have the method.
    NoMethod,
    /// It does not have the state of that block, or no longer.
    NoState,
    /// It no longer has that block (EIP-4444), its body or its receipts.
    NoHistory,
    /// It does not know that block, or not yet.
    UnknownBlock,
    /// The request or its answer is larger than it wants.
    TooLarge,
    /// A contract refused the call.
    Reverted,
    /// It refuses the request for what it is.
    Refused,
}

impl FaultKind {
    /// Whether it says something of this endpoint, and nothing of the request.
    pub const fn is_of_endpoint(self) -> bool {
        matches!(
            self,
            Self::Away | Self::Limited | Self::Stumbled | Self::Unreadable | Self::Denied | Self::OtherChain
        )
    }

    /// Whether the same endpoint may answer the same request a moment later.
    pub const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Away
                | Self::Limited
                | Self::Stumbled
                | Self::Unreadable
                | Self::OtherChain
                | Self::UnknownBlock
        )
    }

    /// The highest rank of what another endpoint may have.
    pub(crate) const LACKED: u8 = 3;

    /// How much it says of a request; none where it may pass.
    pub(crate) const fn rank(self) -> Option<u8> {
        match self {
            Self::Reverted => Some(9),
            Self::Refused => Some(8),
            Self::TooLarge => Some(5),
            Self::NoMethod => Some(4),
            Self::NoHistory => Some(3),
            Self::NoState => Some(2),
            Self::UnknownBlock => Some(1),
            // With nobody else, that is the answer.
            Self::Denied => Some(0),
            _ => None,
        }
    }

    /// Whether the endpoint is one of the chain, and only has no answer now.
    pub(crate) const fn may_serve_later(self) -> bool {
        matches!(self, Self::Away | Self::Limited | Self::Stumbled | Self::Unreadable)
    }

    /// Whether it is about the request itself.
    pub(crate) const fn is_of_request(self) -> bool {
        matches!(self, Self::Reverted | Self::Refused)
    }

    /// What it says to the operator, with the remedy.
    pub(crate) const fn advice(self) -> &'static str {
        match self {
            Self::Away => "check the address and that the node runs",
            Self::Limited => {
                "it is asked less; give another endpoint beside it, or a plan with more requests"
            }
            Self::Stumbled => "see the node's own log",
            Self::Unreadable => "check that the address is that of the JSON-RPC service",
            Self::Denied => "check the access key in the address",
            Self::OtherChain => "check the address",
            Self::NoMethod => "use a node that has the method, or enable it there",
            Self::NoState => "use an archive node, or newer blocks",
            Self::NoHistory => "use a node that keeps old blocks",
            Self::UnknownBlock => "wait until the node has the block",
            Self::TooLarge => "raise the node's limit, or take fewer blocks",
            Self::Reverted | Self::Refused => "",
        }
    }
}

/// Why one endpoint has no answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Of which kind.
    pub kind: FaultKind,
    /// What was said or seen, in one line, without access keys.
    pub said: String,
    /// How long the endpoint asks to be left alone.
    pub retry_after: Option<Duration>,
    /// What a contract that refused gave back.
    pub revert: Option<Bytes>,
}

impl Fault {
    /// A fault of this kind, said so.
    pub fn new(kind: FaultKind, said: impl Into<String>) -> Self {
        Self { kind, said: said.into(), retry_after: None, revert: None }
    }

    pub(crate) const fn after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}
