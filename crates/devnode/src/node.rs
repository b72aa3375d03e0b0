//! The node: its options, its life, and how it makes blocks.

use crate::{
    DevNodeError,
    chain::{Chain, NoState},
    genesis, pool, rpc,
    seal::{SealError, seal},
};
use alloy_genesis::Genesis;
use alloy_primitives::Address;
use proofmill_stateless::{ChainSpec, Fork};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{self, MissedTickBehavior},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

/// How a [`DevNode`] is to be.
#[derive(Clone, Debug)]
pub struct DevNodeOptions {
    chain_id: u64,
    fork: Fork,
    rich: Vec<Address>,
    block_time: Option<Duration>,
    timestamp: Option<u64>,
    port: u16,
    most_waiting: usize,
}

/// A running node, which ends when this is dropped.
#[derive(Debug)]
pub struct DevNode {
    url: Url,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
    stop: DropGuard,
}

/// What requests and the sequencer share.
#[derive(Debug)]
pub(crate) struct Shared {
    chain: RwLock<Chain>,
    /// Held while a block is made.
    making: Mutex<()>,
}

/// Why no block could be made, or taken away.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeError {
    #[error("{0}")]
    Seal(#[from] SealError),
    #[error("the block's time must be after {0}, its parent's")]
    Time(u64),
    #[error(transparent)]
    State(#[from] NoState),
}

impl DevNodeOptions {
    /// A node of a chain with this id by Osaka's rules, on a free port of this machine, which makes a block only when asked.
    pub const fn new(chain_id: u64) -> Self {
        Self {
            chain_id,
            fork: Fork::Osaka,
            rich: Vec::new(),
            block_time: None,
            timestamp: None,
            port: 0,
            most_waiting: pool::MOST,
        }
    }

    /// The newest fork, active from the first block on.
    #[must_use]
    pub const fn fork(mut self, fork: Fork) -> Self {
        self.fork = fork;
        self
    }

    /// The accounts that have 10,000 ether each.
    #[must_use]
    pub fn rich(mut self, accounts: Vec<Address>) -> Self {
        self.rich = accounts;
        self
    }

    /// How often a block is made while there are transactions for one.
    #[must_use]
    pub const fn block_time(mut self, time: Duration) -> Self {
        self.block_time = Some(time);
        self
    }

    /// The time of the genesis block, in seconds since 1970; now unless this is called.
    #[must_use]
    pub const fn timestamp(mut self, seconds: u64) -> Self {
        self.timestamp = Some(seconds);
        self
    }

    /// A fixed port instead of a free one.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// How many transactions may wait for a block; 20,000 unless this is called.
    #[must_use]
    pub const fn mempool_limit(mut self, transactions: usize) -> Self {
        self.most_waiting = transactions;
        self
    }

    /// Starts the node. It listens on this machine alone.
    ///
    /// # Errors
    /// The port is taken, or the chain cannot be: its id is Ethereum's, say.
    pub async fn start(self) -> Result<DevNode, DevNodeError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let genesis = genesis::genesis(self.chain_id, self.fork, self.timestamp.unwrap_or(now), &self.rich);
        let rules = ChainSpec::from_genesis(&genesis.config)?;
        rules.require_rollup()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listen = |source| DevNodeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let url = format!("http://{}", listener.local_addr().map_err(listen)?);
        let url = Url::parse(&url).map_err(|error| listen(std::io::Error::other(error)))?;
        let chain = Chain::new(rules, genesis, self.most_waiting);
        let shared = Arc::new(Shared { chain: RwLock::new(chain), making: Mutex::new(()) });
        let stop = CancellationToken::new();
        if let Some(block_time) = self.block_time {
            tokio::spawn(sequence(Arc::clone(&shared), block_time, stop.clone()));
        }
        let server = tokio::spawn(rpc::serve(listener, rpc::methods(Arc::clone(&shared)), stop.clone()));
        tracing::debug!(%url, "the L2 node listens");
        Ok(DevNode { url, shared, server, stop: stop.drop_guard() })
    }
}

impl DevNode {
    /// Where it answers JSON-RPC over HTTP.
    pub const fn rpc_url(&self) -> &Url {
        &self.url
    }

    /// The chain's rules.
    pub fn rules(&self) -> ChainSpec {
        self.shared.read().rules.clone()
    }

    /// The chain's genesis file, from which other nodes come to the same genesis block.
    pub fn genesis(&self) -> Genesis {
        self.shared.read().genesis.clone()
    }

    /// Whether it still answers.
    pub fn is_running(&self) -> bool {
        !self.server.is_finished()
    }

    /// Ends it. Afterwards nothing listens, and no connection is open.
    pub async fn stop(self) {
        let Self { server, stop, .. } = self;
        drop(stop);
        // It ends in any case, and says itself how.
        let _ = server.await;
    }
}

/// Makes blocks while there are transactions: an idle rollup has nothing to prove.
async fn sequence(shared: Arc<Shared>, block_time: Duration, stop: CancellationToken) {
    let mut beat = time::interval(block_time.max(Duration::from_millis(1)));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = stop.cancelled() => return,
        }
        let shared = Arc::clone(&shared);
        let made = tokio::task::spawn_blocking(move || {
            if shared.read().has_work() { shared.make_block(None) } else { Ok(()) }
        });
        match made.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "no L2 block could be made"),
            Err(error) => tracing::error!(%error, "making an L2 block was cut short"),
        }
    }
}

impl Shared {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Chain> {
        self.chain.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Chain> {
        self.chain.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a block of what waits, of now or of a time in seconds since 1970.
    pub(crate) fn make_block(&self, timestamp: Option<u64>) -> Result<(), MakeError> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let (rules, parent, candidates, next) = {
            let chain = self.read();
            (chain.rules.clone(), chain.head_parent(), chain.candidates(), chain.next_time())
        };
        let timestamp = timestamp.unwrap_or(next);
        if timestamp <= parent.header.timestamp {
            return Err(MakeError::Time(parent.header.timestamp));
        }
        match seal(&rules, &parent, timestamp, candidates.iter().cloned()) {
            Ok(sealing) => {
                let mut chain = self.write();
                chain.push(sealing.block);
                for (hash, reason) in sealing.refused {
                    tracing::warn!(transaction = %hash, reason, "a transaction can be in no block, and is dropped");
                    chain.pool.remove(&hash);
                }
                Ok(())
            }
            Err(error) => {
                // Whichever it is: with all of them gone, the chain goes on.
                let mut chain = self.write();
                for candidate in &candidates {
                    tracing::error!(transaction = %candidate.hash, "dropped with the block that could not be sealed");
                    chain.pool.remove(&candidate.hash);
                }
                Err(error.into())
            }
        }
    }

    /// Goes back to a block.
    pub(crate) fn set_head(&self, number: u64) -> Result<(), MakeError> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.write().set_head(number)?)
    }
}
