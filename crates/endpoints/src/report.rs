//! What an operator sees of a chain's endpoints.

use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// One chain's endpoints at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolReport {
    /// What the chain is called: `L1`, `L2`.
    pub chain: String,
    /// EIP-155 chain id; 0 while it is not known.
    pub chain_id: u64,
    /// The newest block that is followed.
    pub head: Option<u64>,
    /// For how long that is the newest.
    pub head_age: Option<Duration>,
    /// Each endpoint, in the order of the settings.
    pub endpoints: Vec<EndpointReport>,
    /// What is wrong now, the worst first.
    pub troubles: Vec<Trouble>,
}

/// One endpoint at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndpointReport {
    /// Scheme, host and port.
    pub url: String,
    /// How it is.
    pub state: EndpointState,
    /// Whether its head is followed.
    pub followed: bool,
    /// Its newest block.
    pub head: Option<u64>,
    /// How many blocks it is behind the followed head.
    pub lag: u64,
    /// How many of the requests of the last five minutes got no answer, from 0 to 1.
    pub error_rate: f64,
    /// Requests since the start, tries included.
    pub requests: u64,
    /// How many requests it is sent at once, at the most.
    pub concurrency: usize,
    /// What it was found to lack.
    pub lacks: Vec<String>,
}

/// How an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointState {
    /// It was not asked yet.
    Unknown,
    /// It answers.
    Serving,
    /// It is behind the others.
    Lagging {
        /// For how long.
        for_: Duration,
    },
    /// It was asked too much.
    Limited {
        /// When it is asked again.
        again_in: Duration,
        /// What it said.
        said: String,
    },
    /// It gives no answer.
    Away {
        /// For how long.
        for_: Duration,
        /// What was seen.
        said: String,
    },
    /// It does not let us in.
    Denied {
        /// What it said.
        said: String,
    },
    /// It is of another chain.
    OtherChain {
        /// Its chain id.
        got: u64,
    },
    /// It is on another branch.
    OtherBranch {
        /// For how long.
        for_: Duration,
    },
}

/// Something that an operator should know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What it is about: `L1`, or an endpoint.
    pub subject: String,
    /// Whether settlement is held up by it.
    pub holds_up: bool,
    /// For how long.
    pub for_: Duration,
    /// What is wrong, and the remedy.
    pub said: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (for {} s)", self.subject, self.said, self.for_.as_secs())
    }
}

impl fmt::Display for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("not asked yet"),
            Self::Serving => f.write_str("serves"),
            Self::Lagging { for_ } => write!(f, "lags for {} s", for_.as_secs()),
            Self::Limited { again_in, said } => {
                write!(f, "limits requests, asked again in {} s: {said}", again_in.as_secs())
            }
            Self::Away { for_, said } => write!(f, "away for {} s: {said}", for_.as_secs()),
            Self::Denied { said } => write!(f, "denies access: {said}"),
            Self::OtherChain { got } => write!(f, "is on chain {got}: not used"),
            Self::OtherBranch { for_ } => write!(f, "on another branch for {} s: not used", for_.as_secs()),
        }
    }
}

impl EndpointState {
    /// Its name in metrics and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Serving => "serving",
            Self::Lagging { .. } => "lagging",
            Self::Limited { .. } => "limited",
            Self::Away { .. } => "away",
            Self::Denied { .. } => "denied",
            Self::OtherChain { .. } => "other_chain",
            Self::OtherBranch { .. } => "other_branch",
        }
    }
}
