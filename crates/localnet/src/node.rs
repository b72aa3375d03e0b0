//! A running node.

use crate::{AnvilOptions, LocalnetError, Mining, keeper::Keeper};
use alloy_primitives::{Address, B256};
use rustix::process::Signal;
use std::time::Duration;
use tokio::{sync::mpsc::UnboundedReceiver, time};
use url::Url;

/// How long a node may take to save its state and end.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// An account that the node made rich at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevAccount {
    /// Where it is.
    pub address: Address,
    /// What signs for it. Derived from a phrase that everybody knows: worth nothing outside a local node.
    pub private_key: B256,
}

/// A running anvil, ended when this is dropped.
#[derive(Debug)]
pub struct Anvil {
    rpc_url: Url,
    accounts: Vec<DevAccount>,
    keeper: Keeper,
}

impl AnvilOptions {
    /// Starts the node and waits until it listens.
    ///
    /// Fails when anvil is not installed, ends at once (its last lines are in the error), or does not listen in time.
    pub async fn spawn(self) -> Result<Anvil, LocalnetError> {
        let (program, args) = self.command_line()?;
        let (keeper, mut lines) = Keeper::start(&program, args)?;
        let ready = time::timeout(self.ready_timeout, wait_until_ready(&mut lines)).await;
        match ready {
            Ok(Some(Greeting { rpc_url, accounts })) => {
                tracing::debug!(%rpc_url, pid = keeper.pid(), "anvil listens");
                let node = Anvil { rpc_url, accounts, keeper };
                if !matches!(self.mining, Mining::Every(_)) {
                    node.space_blocks().await?;
                }
                Ok(node)
            }
            // Its output ended, so it is ending.
            Ok(None) => match time::timeout(Duration::from_secs(5), keeper.ended()).await {
                Ok(Some(status)) => {
                    // Not without end: whoever was started by it may have its output still.
                    let _ = time::timeout(Duration::from_secs(5), keeper.was_heard()).await;
                    Err(LocalnetError::Exited { status, tail: keeper.tail() })
                }
                _ => Err(LocalnetError::NotReady { after: self.ready_timeout, tail: keeper.tail() }),
            },
            Err(_) => Err(LocalnetError::NotReady { after: self.ready_timeout, tail: keeper.tail() }),
        }
    }
}

impl Anvil {
    /// Where the node answers JSON-RPC over HTTP.
    pub const fn rpc_url(&self) -> &Url {
        &self.rpc_url
    }

    /// The accounts that the node made rich; none when it loaded a state.
    pub fn accounts(&self) -> &[DevAccount] {
        &self.accounts
    }

    /// The process id of the node.
    pub fn pid(&self) -> u32 {
        self.keeper.pid()
    }

    /// Whether the process is still there.
    pub fn is_running(&self) -> bool {
        self.keeper.is_running()
    }

    /// Makes each block a second younger than the one before. Otherwise anvil gives the same timestamp to the blocks of one
    /// second, which Ethereum forbids, so that they could not be proven.
    async fn space_blocks(&self) -> Result<(), LocalnetError> {
        proofmill_http::rpc_client(self.rpc_url.clone())
            .request::<_, ()>("anvil_setBlockTimestampInterval", [1])
            .await
            .map_err(|error| LocalnetError::Refused { reason: error.to_string() })
    }

    /// Asks the node to end, and waits until it has: it saves its state if
    /// [`dump_state`](AnvilOptions::dump_state) was given. (Dropping the handle kills the node instead.)
    pub async fn stop(self) -> Result<(), LocalnetError> {
        self.keeper.signal(Signal::INT);
        match time::timeout(STOP_TIMEOUT, self.keeper.ended()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(LocalnetError::NotStopped { after: STOP_TIMEOUT }),
        }
    }
}

struct Greeting {
    rpc_url: Url,
    accounts: Vec<DevAccount>,
}

/// Reads what anvil prints at its start: lines `(0) 0x… (10000 ETH)` for accounts, `(0) 0x…` for keys, and at last
/// `Listening on 127.0.0.1:8545`, which tells the port that the system chose.
async fn wait_until_ready(lines: &mut UnboundedReceiver<String>) -> Option<Greeting> {
    let mut addresses: Vec<Address> = Vec::new();
    let mut keys: Vec<B256> = Vec::new();
    while let Some(line) = lines.recv().await {
        if let Some(rpc_url) = line
            .strip_prefix("Listening on ")
            .and_then(|at| at.split_whitespace().next())
            .and_then(|at| Url::parse(&format!("http://{at}")).ok())
        {
            let accounts = addresses
                .into_iter()
                .zip(keys)
                .map(|(address, private_key)| DevAccount { address, private_key })
                .collect();
            return Some(Greeting { rpc_url, accounts });
        }
        let mut words = line.split_whitespace();
        if words.next().is_some_and(|word| word.starts_with('(') && word.ends_with(')'))
            && let Some(word) = words.next()
        {
            if let Ok(key) = word.parse() {
                keys.push(key);
            } else if let Ok(address) = word.trim_matches('"').parse() {
                addresses.push(address);
            }
        }
    }
    None
}
