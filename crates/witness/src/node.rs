//! The node that is asked.

use crate::{
    BuildError, ChainSource, WitnessSource,
    cache::Cache,
    proof::Forms,
    rpc::{Rpc, not_connected, other_chain},
};
use alloy_primitives::B256;
use proofmill_endpoints::{Pool, PoolOptions};
use proofmill_stateless::ChainSpec;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize},
    time::{Duration, Instant},
};
use url::Url;

/// Which node to ask, and how.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    pub(crate) endpoints: Endpoints,
    pub(crate) chain: ChainSource,
    pub(crate) chain_id: Option<u64>,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) concurrency: usize,
    pub(crate) source: Option<WitnessSource>,
}

#[derive(Clone, Debug)]
pub(crate) enum Endpoints {
    Named(PoolOptions),
    /// Others use them, too.
    Shared(Pool),
}

impl NodeOptions {
    /// A node at one endpoint: 16 requests at once, no cache, and otherwise as [`PoolOptions::new`] says.
    pub fn new(endpoint: Url) -> Self {
        Self::at(PoolOptions::new(endpoint))
    }

    /// A node at these endpoints.
    pub fn at(endpoints: PoolOptions) -> Self {
        Self {
            endpoints: Endpoints::Named(endpoints),
            chain: ChainSource::Detect,
            chain_id: None,
            cache: None,
            concurrency: 16,
            source: None,
        }
    }

    /// A node at endpoints that others use, too.
    pub fn over(endpoints: Pool) -> Self {
        let chain_id = Some(endpoints.chain_id());
        Self {
            endpoints: Endpoints::Shared(endpoints),
            chain: ChainSource::Detect,
            chain_id,
            cache: None,
            concurrency: 16,
            source: None,
        }
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
        let pool = match self.endpoints {
            Endpoints::Named(options) => {
                let options = options.concurrency(self.concurrency);
                Pool::connect("L2", options, self.chain_id).await.map_err(not_connected)?
            }
            Endpoints::Shared(pool) => pool,
        };
        let (rpc, chain_id) = (Rpc::over(pool.clone()), pool.chain_id());
        if let Some(expected) = self.chain_id.filter(|expected| *expected != chain_id) {
            return Err(other_chain(expected, chain_id));
        }
        let chain = self.chain.resolve(&rpc, chain_id).await?;
        let cache = Cache::new(self.cache.as_deref(), chain_id);
        Ok(Node {
            inner: Arc::new(Inner {
                rpc,
                cache,
                chain,
                source: self.source,
                concurrency: self.concurrency.max(1),
                no_execution_witness: Mutex::default(),
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
    /// When the node was found not to serve `debug_executionWitness`.
    no_execution_witness: Mutex<Option<Instant>>,
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

    /// The number of the block with this hash, on the chain that the node follows.
    ///
    /// # Errors
    /// [`BuildError::UnknownHash`]: that chain does not have it, or not any more. Or the node does not answer.
    pub async fn number_of(&self, hash: B256) -> Result<u64, BuildError> {
        self.inner.number_of(hash).await
    }

    /// How many requests were sent to the node so far, retries included.
    pub fn requests(&self) -> u64 {
        self.inner.rpc.pool().requests()
    }
}

/// What a node lacks may be switched on: it is asked again after this.
const REMEMBERED: Duration = Duration::from_secs(300);

impl Inner {
    pub(crate) fn lacks_execution_witness(&self) -> bool {
        let found = *self.no_execution_witness.lock().unwrap_or_else(PoisonError::into_inner);
        found.is_some_and(|found| found.elapsed() < REMEMBERED)
    }

    pub(crate) fn learn_no_execution_witness(&self) {
        *self.no_execution_witness.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(crate) async fn head(&self) -> Result<u64, BuildError> {
        self.rpc.head().await
    }
}
