//! The chain as a whole: how it begins, and what can be done with it.

use crate::{
    ConfigChange, DevAccount, L1Kind, OpDevnetError, OpDevnetOptions,
    batcher::Format,
    beacon,
    chain::{Chain, Origin},
    config::{self, Config},
    contracts::{OpDevPortal, OpDevSystemConfig},
    driver::{Driver, Shared, mine},
    genesis::genesis,
    keys::{FIRST_USER, Keys},
    l1::{L1Chain, L1Client},
    rpc,
    send::{Call, Sender},
};
use alloy_consensus::Sealable;
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256};
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::{SolCall, SolValue};
use proofmill_devnode::{DevNode, DevNodeOptions};
use proofmill_localnet::{Anvil, AnvilOptions, Hardfork, Mining};
use proofmill_stateless::{Fork, OpRules};
use serde_json::{Value, json};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

/// How often is looked whether something happened.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a transaction on L1 may take, beside two of its blocks.
const L1_WITHIN: Duration = Duration::from_secs(180);

/// A running chain, which ends when this is dropped.
#[derive(Debug)]
pub struct OpDevnet {
    shared: Arc<Shared>,
    sender: Sender,
    keys: Keys,
    l1_block_time: Duration,
    rpc_url: Url,
    l1_url: Url,
    beacon_url: Url,
    tasks: Vec<JoinHandle<()>>,
    l1: L1Node,
    stop: DropGuard,
}

/// L1's node, as long as the chain is there.
#[derive(Debug)]
enum L1Node {
    Anvil(Anvil),
    DevNode(DevNode),
}

impl L1Node {
    async fn start(kind: L1Kind, options: &OpDevnetOptions, keys: &Keys) -> Result<Self, OpDevnetError> {
        Ok(match kind {
            L1Kind::Anvil => {
                let every = Mining::Every(Duration::from_secs(options.l1_block_time));
                let anvil = AnvilOptions::new().chain_id(options.l1_chain_id).hardfork(Hardfork::Prague);
                Self::Anvil(anvil.mining(every).slots_in_an_epoch(1).spawn().await?)
            }
            L1Kind::DevNode => {
                let rich = keys.all.iter().map(|key| key.address).collect();
                let node = DevNodeOptions::new(options.l1_chain_id).fork(Fork::Prague).rich(rich);
                Self::DevNode(node.start().await?)
            }
        })
    }

    const fn url(&self) -> &Url {
        match self {
            Self::Anvil(node) => node.rpc_url(),
            Self::DevNode(node) => node.rpc_url(),
        }
    }
}

async fn listener(port: u16) -> Result<(TcpListener, Url), OpDevnetError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listen = |source| OpDevnetError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let url = format!("http://{}", listener.local_addr().map_err(listen)?);
    let url = Url::parse(&url).map_err(|error| listen(std::io::Error::other(error)))?;
    Ok((listener, url))
}

impl OpDevnetOptions {
    /// Starts L1, deploys on it, and begins the chain with its newest block. Returns when the nodes answer.
    ///
    /// # Errors
    /// The options contradict each other, a port is taken, or L1's node does not start.
    pub async fn start(self) -> Result<OpDevnet, OpDevnetError> {
        let kind = self.check()?;
        let keys = Keys::well_known()?;
        let node = L1Node::start(kind, &self, &keys).await?;
        let client = L1Client::new(node.url().clone());
        let sender = Sender { client: client.clone(), chain_id: self.l1_chain_id };
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        let l1_block_time = Duration::from_secs(self.l1_block_time);
        let mut tasks = Vec::new();
        if kind == L1Kind::DevNode {
            tasks.push(tokio::spawn(mine(client.clone(), l1_block_time, stop.clone())));
        }
        let [portal, system_config] = deploy(&sender, &keys.owner, l1_block_time).await?;

        let mut first = client.latest().await?;
        first.system = self.system;
        first.system.batcher = keys.batcher.address();
        let mut rules = OpRules::for_fork(self.chain_id, self.fork);
        rules.block_time = self.block_time;
        let rich = keys.all.iter().map(|key| key.address).chain(self.rich.iter().copied());
        let (state, header) = genesis(&rules, self.fork, &first.system, first.timestamp, rich)?;
        let config = Arc::new(Config {
            rules,
            fork: self.fork,
            l1_chain_id: self.l1_chain_id,
            l1_genesis: (first.number, first.hash),
            genesis: header.seal_slow(),
            system: first.system,
            inbox: config::inbox(self.chain_id),
            portal,
            system_config,
        });
        let origin = Origin { number: first.number, hash: first.hash, timestamp: first.timestamp };
        let chain = Chain::new(config, state, origin);
        let l1 = L1Chain::new(first, [portal, system_config]);
        let shared = Arc::new(Shared::new(chain, l1, self.finality_depth));

        let (listener_of_rpc, rpc_url) = listener(self.port).await?;
        let (listener_of_beacon, beacon_url) = listener(self.beacon_port).await?;
        let methods = rpc::methods(Arc::clone(&shared));
        tasks.push(tokio::spawn(proofmill_devnode::jsonrpc::serve(listener_of_rpc, methods, stop.clone())));
        tasks.push(tokio::spawn(beacon::serve(listener_of_beacon, Arc::clone(&shared), stop.clone())));
        let format = Format {
            batch: self.batch,
            compression: self.compression,
            data: self.data,
            every: self.batch_every,
        };
        let driver = Driver {
            shared: Arc::clone(&shared),
            client,
            sender: sender.clone(),
            batcher_key: keys.batcher.clone(),
            format,
        };
        tasks.push(tokio::spawn(driver.run(stop)));
        let l1_url = node.url().clone();
        tracing::debug!(%rpc_url, %l1_url, %beacon_url, "the chain runs");
        Ok(OpDevnet {
            shared,
            sender,
            keys,
            l1_block_time,
            rpc_url,
            l1_url,
            beacon_url,
            tasks,
            l1: node,
            stop: guard,
        })
    }
}

/// Puts the portal and the system configuration on L1.
async fn deploy(
    sender: &Sender,
    owner: &PrivateKeySigner,
    block_time: Duration,
) -> Result<[Address; 2], OpDevnetError> {
    let nonce = sender.client.nonce(owner.address(), "pending").await?;
    let system_config = [&OpDevSystemConfig::BYTECODE[..], &owner.address().abi_encode()].concat();
    let mut hashes = Vec::new();
    for (nonce, input) in (nonce..).zip([OpDevPortal::BYTECODE.clone(), system_config.into()]) {
        let call = Call { to: TxKind::Create, value: U256::ZERO, gas: 3_000_000, input };
        hashes.push(sender.send(owner, nonce, call).await?);
    }
    for hash in hashes {
        sender.succeeded(hash, "the deployment of a contract", L1_WITHIN + 2 * block_time).await?;
    }
    Ok([owner.address().create(nonce), owner.address().create(nonce + 1)])
}

impl OpDevnet {
    /// Where L2's execution node and the rollup's node answer JSON-RPC over HTTP.
    pub const fn rpc_url(&self) -> &Url {
        &self.rpc_url
    }

    /// Where L1's node answers JSON-RPC over HTTP.
    pub const fn l1_url(&self) -> &Url {
        &self.l1_url
    }

    /// Where the beacon API is answered.
    pub const fn beacon_url(&self) -> &Url {
        &self.beacon_url
    }

    /// op-node's `rollup.json`.
    pub fn rollup_config(&self) -> Value {
        self.shared.chain().config.rollup_json()
    }

    /// Development keys that nothing of the chain uses, rich on L1 and L2.
    pub fn users(&self) -> &[DevAccount] {
        &self.keys.all[FIRST_USER..]
    }

    /// Whose deposits [`deposit`](Self::deposit) makes.
    pub const fn depositor(&self) -> Address {
        self.keys.depositor.address()
    }

    /// The portal on L1.
    pub fn portal(&self) -> Address {
        self.shared.chain().config.portal
    }

    /// The system configuration on L1.
    pub fn system_config(&self) -> Address {
        self.shared.chain().config.system_config
    }

    /// Where batches are sent on L1.
    pub fn inbox(&self) -> Address {
        self.shared.chain().config.inbox
    }

    /// The newest block.
    pub fn head(&self) -> u64 {
        self.shared.chain().head().header.number
    }

    /// The newest block that follows from L1.
    pub fn safe(&self) -> u64 {
        self.shared.chain().safe
    }

    /// Deposits from L1, and waits until L1 has it: `mint` wei are sent to the portal, and the [depositor](Self::depositor) sends
    /// `value` of what it has on L2 to an account. The result is the hash of L1's transaction.
    ///
    /// # Errors
    /// The portal refuses it, or L1's node does not answer.
    pub async fn deposit(
        &self,
        to: Address,
        mint: U256,
        value: U256,
        gas_limit: u64,
        data: Bytes,
    ) -> Result<B256, OpDevnetError> {
        let call =
            OpDevPortal::depositTransactionCall { to, value, gasLimit: gas_limit, isCreation: false, data };
        let input = call.abi_encode();
        self.call(&self.keys.depositor, self.portal(), mint, input.into(), "a deposit").await
    }

    /// Changes the configuration on L1, and waits until L1 has it. The result is the hash of L1's transaction.
    ///
    /// # Errors
    /// The contract refuses it, or L1's node does not answer.
    pub async fn configure(&self, change: ConfigChange) -> Result<B256, OpDevnetError> {
        let what = "a change of the configuration";
        self.call(&self.keys.owner, self.system_config(), U256::ZERO, change.call(), what).await
    }

    async fn call(
        &self,
        signer: &PrivateKeySigner,
        to: Address,
        value: U256,
        input: Bytes,
        what: &'static str,
    ) -> Result<B256, OpDevnetError> {
        let nonce = self.sender.client.nonce(signer.address(), "pending").await?;
        let call = Call { to: to.into(), value, gas: 1_000_000 + 40 * input.len() as u64, input };
        let hash = self.sender.send(signer, nonce, call).await?;
        self.sender.succeeded(hash, what, L1_WITHIN + 2 * self.l1_block_time).await?;
        Ok(hash)
    }

    /// Takes the newest blocks of L1 away. L2 goes back to its last block whose L1 block is left.
    ///
    /// # Errors
    /// L1 has not so many blocks since the chain began, or its node does not answer.
    pub async fn rollback_l1(&self, blocks: u64) -> Result<(), OpDevnetError> {
        let client = &self.sender.client;
        if client.latest().await?.number < self.shared.l1().first().number + blocks {
            let reason = "the L1 block with which the chain begins must stay: take fewer away";
            return Err(OpDevnetError::Options { reason });
        }
        match &self.l1 {
            L1Node::Anvil(_) => client.ask::<Value>("anvil_rollback", json!([blocks])).await?,
            L1Node::DevNode(_) => {
                let to = client.latest().await?.number.saturating_sub(blocks);
                client.ask::<Value>("debug_setHead", json!([U64::from(to)])).await?
            }
        };
        Ok(())
    }

    /// Ends the batcher. What it sent may still come to L1.
    pub fn stop_batcher(&self) {
        self.shared.batching.store(false, Ordering::Relaxed);
    }

    /// Begins a new batcher, where there is none. It goes on from what is safe.
    pub fn start_batcher(&self) {
        self.shared.batching.store(true, Ordering::Relaxed);
    }

    /// Waits until there is a block with this number.
    ///
    /// # Errors
    /// [`OpDevnetError::Late`].
    pub async fn wait_for_block(&self, number: u64, within: Duration) -> Result<(), OpDevnetError> {
        self.wait("a block of L2", within, || self.head() >= number).await
    }

    /// Waits until the block with this number follows from L1.
    ///
    /// # Errors
    /// [`OpDevnetError::Late`].
    pub async fn wait_for_safe(&self, number: u64, within: Duration) -> Result<(), OpDevnetError> {
        self.wait("a safe block of L2", within, || self.safe() >= number).await
    }

    async fn wait(
        &self,
        what: &'static str,
        within: Duration,
        happened: impl Fn() -> bool,
    ) -> Result<(), OpDevnetError> {
        let began = Instant::now();
        while !happened() {
            if began.elapsed() > within {
                return Err(OpDevnetError::Late { what, seconds: within.as_secs() });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Ends it. Afterwards nothing listens.
    ///
    /// # Errors
    /// anvil does not end.
    pub async fn stop(self) -> Result<(), OpDevnetError> {
        let Self { tasks, l1, stop, .. } = self;
        drop(stop);
        for task in tasks {
            // Each ends in any case, and says itself how.
            let _ = task.await;
        }
        match l1 {
            L1Node::Anvil(anvil) => anvil.stop().await?,
            L1Node::DevNode(node) => node.stop().await,
        }
        Ok(())
    }
}
