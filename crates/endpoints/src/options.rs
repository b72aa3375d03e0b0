//! Where a chain's endpoints are, and how patiently they are asked.

use proofmill_http::NodeUrl;
use std::time::Duration;
use url::Url;

/// What to do while no endpoint answers at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// An error after the tries that a request has: for commands that somebody waits for.
    #[default]
    Fail,
    /// Wait for one, and say so in the log: for roles that run for months.
    Wait,
}

/// The endpoints of one chain. The first that has the newest head is asked; the others when it fails or lags.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    pub(crate) urls: Vec<NodeUrl>,
    pub(crate) timeout: Duration,
    pub(crate) attempts: usize,
    pub(crate) backoff: Duration,
    pub(crate) patience: Duration,
    pub(crate) concurrency: usize,
    pub(crate) largest_answer: usize,
    pub(crate) start: Start,
    pub(crate) stall: Option<Duration>,
    pub(crate) relay_of: Option<u64>,
}

impl PoolOptions {
    /// One endpoint: 30 s for a request, 5 tries, up to two minutes where it says that it is asked too much, 16 requests at
    /// once, answers up to 256 MB.
    pub fn new(url: Url) -> Self {
        Self {
            urls: vec![url.into()],
            timeout: Duration::from_secs(30),
            attempts: 5,
            backoff: Duration::from_millis(250),
            patience: Duration::from_secs(120),
            concurrency: 16,
            largest_answer: 256 << 20,
            start: Start::Fail,
            stall: None,
            relay_of: None,
        }
    }

    /// Another endpoint of the same chain.
    #[must_use]
    pub fn or(mut self, url: Url) -> Self {
        self.urls.push(url.into());
        self
    }

    /// How long one request may take at one endpoint.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often all endpoints are tried before a request fails; at least once.
    #[must_use]
    pub const fn attempts(mut self, attempts: usize) -> Self {
        self.attempts = attempts;
        self
    }

    /// How long to wait before the second try; each further wait is twice as long, up to 10 s.
    #[must_use]
    pub const fn backoff(mut self, backoff: Duration) -> Self {
        self.backoff = backoff;
        self
    }

    /// How long a request waits for endpoints that say that they are asked too much. These waits are no tries.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How many requests are under way at once at one endpoint, at the most; at least 1. An endpoint that says that these
    /// are too many gets fewer.
    #[must_use]
    pub const fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests;
        self
    }

    /// The largest answer that is read, in bytes.
    #[must_use]
    pub const fn largest_answer(mut self, bytes: usize) -> Self {
        self.largest_answer = bytes;
        self
    }

    /// What to do while no endpoint answers at the start.
    #[must_use]
    pub const fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// After how long without a new block the chain counts as standing still; never, unless this is called.
    #[must_use]
    pub const fn stall(mut self, stall: Duration) -> Self {
        self.stall = Some(stall);
        self
    }

    /// Whether the endpoints are relays, of which no head is asked.
    pub(crate) const fn is_of_relays(&self) -> bool {
        self.relay_of.is_some()
    }

    /// The endpoints are relays of the chain with this id: they take transactions, and may answer nothing else.
    #[must_use]
    pub const fn relay_of(mut self, chain_id: u64) -> Self {
        self.relay_of = Some(chain_id);
        self
    }
}
