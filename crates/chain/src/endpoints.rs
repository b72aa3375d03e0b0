//! Where a chain's nodes are, and how patiently they are asked.

use proofmill_http::NodeUrl;
use std::time::Duration;
use url::Url;

/// The nodes of one chain. They are equals: the one that answered last is asked first, the others when it fails.
#[derive(Clone, Debug)]
pub struct Endpoints {
    pub(crate) urls: Vec<NodeUrl>,
    pub(crate) timeout: Duration,
    pub(crate) rounds: usize,
    pub(crate) backoff: Duration,
}

impl Endpoints {
    /// One node.
    pub fn new(url: Url) -> Self {
        Self {
            urls: vec![url.into()],
            timeout: Duration::from_secs(20),
            rounds: 4,
            backoff: Duration::from_millis(250),
        }
    }

    /// Another node of the same chain.
    #[must_use]
    pub fn or(mut self, url: Url) -> Self {
        self.urls.push(url.into());
        self
    }

    /// How long one request may take; 20 s by default.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often all nodes are tried before a request fails, at least once; 4 times by default.
    #[must_use]
    pub const fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// How long to wait after the first round that failed, doubled after each further one up to 10 s; 250 ms by default.
    #[must_use]
    pub const fn backoff(mut self, backoff: Duration) -> Self {
        self.backoff = backoff;
        self
    }
}
