//! The node that is asked.

use crate::{BuildError, ChainSource, WitnessSource, cache::Cache, proof::Forms, rpc::Rpc};
use alloy_primitives::U64;
use proofmill_http::NodeUrl;
use proofmill_stateless::ChainSpec;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::Duration,
};
use url::Url;

/// Which node to ask, and how.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    pub(crate) endpoints: Vec<NodeUrl>,
    pub(crate) chain: ChainSource,
    pub(crate) chain_id: Option<u64>,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) concurrency: usize,
    pub(crate) timeout: Duration,
    pub(crate) attempts: usize,
    pub(crate) backoff: Duration,
    pub(crate) source: Option<WitnessSource>,
}

impl NodeOptions {
    /// A node at one endpoint: 16 requests at once, 30 s for each, 5 attempts, no cache.
    pub fn new(endpoint: Url) -> Self {
        Self {
            endpoints: vec![endpoint.into()],
            chain: ChainSource::Detect,
            chain_id: None,
            cache: None,
            concurrency: 16,
            timeout: Duration::from_secs(30),
            attempts: 5,
            backoff: Duration::from_millis(250),
            source: None,
        }
    }

    /// Another endpoint of the same chain, asked where the ones before it fail.
    #[must_use]
    pub fn fallback(mut self, endpoint: Url) -> Self {
        self.endpoints.push(endpoint.into());
        self
    }

    /// Where the chain's rules come from.
    #[must_use]
    pub fn chain(mut self, chain: ChainSource) -> Self {
        self.chain = chain;
        self
    }

    /// The chain that the node must be on.
    #[must_use]
    pub const fn chain_id(mut self, chain_id: u64) -> Self {
        self.chain_id = Some(chain_id);
        self
    }

    /// A folder to keep answers in. What was not used for 7 days is removed from it.
    #[must_use]
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// How many requests are under way at once; at least 1.
    #[must_use]
    pub const fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests;
        self
    }

    /// How long one request may take.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often a request that gets no answer is tried; at least once.
    #[must_use]
    pub const fn attempts(mut self, attempts: usize) -> Self {
        self.attempts = attempts;
        self
    }

    /// How long to wait before the second attempt; each further wait is twice as long, up to 10 s.
    #[must_use]
    pub const fn backoff(mut self, backoff: Duration) -> Self {
        self.backoff = backoff;
        self
    }

    /// The only way to build witnesses, instead of the best that the node offers.
    #[must_use]
    pub const fn source(mut self, source: WitnessSource) -> Self {
        self.source = Some(source);
        self
    }

    /// Asks the node for its chain id and finds the chain's rules. An endpoint that is asked later, in place of
    /// another, is used only if it is of the same chain.
    ///
    /// Fails when the node does not answer, is on another chain, or its chain's rules are unknown.
    pub async fn connect(self) -> Result<Node, BuildError> {
        let rpc = Rpc::new(&self.endpoints, self.concurrency, self.timeout, self.attempts, self.backoff);
        let chain_id = rpc.find_chain(self.chain_id).await?;
        let chain = self.chain.resolve(&rpc, chain_id).await?;
        let cache = Cache::new(self.cache.as_deref(), chain_id);
        Ok(Node {
            inner: Arc::new(Inner {
                rpc,
                cache,
                chain,
                source: self.source,
                concurrency: self.concurrency.max(1),
                no_execution_witness: AtomicBool::new(false),
                witness_request: AtomicUsize::new(0),
                forms: Forms::default(),
            }),
        })
    }
}

/// A node that answered and whose chain's rules are known. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) rpc: Rpc,
    pub(crate) cache: Cache,
    pub(crate) chain: ChainSpec,
    pub(crate) source: Option<WitnessSource>,
    pub(crate) concurrency: usize,
    /// The node was found not to serve `debug_executionWitness`.
    pub(crate) no_execution_witness: AtomicBool,
    /// The way in which it serves it.
    pub(crate) witness_request: AtomicUsize,
    /// The form in which it takes requests for proofs and codes.
    pub(crate) forms: Forms,
}

impl Node {
    /// The rules that blocks are executed by.
    pub fn chain(&self) -> &ChainSpec {
        &self.inner.chain
    }

    /// The number of the node's latest block.
    pub async fn head(&self) -> Result<u64, BuildError> {
        self.inner.head().await
    }

    /// How many requests were sent to the node so far, retries included.
    pub fn requests(&self) -> u64 {
        self.inner.rpc.sent()
    }
}

impl Inner {
    pub(crate) async fn head(&self) -> Result<u64, BuildError> {
        let head: U64 = self.rpc.ask("eth_blockNumber", serde_json::json!([]), None).await?;
        Ok(head.to())
    }
}
