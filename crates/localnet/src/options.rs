//! How a node is to be started.

use crate::{LocalnetError, locate_anvil};
use std::{fmt, path::PathBuf, time::Duration};

/// The rules that a node executes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hardfork {
    /// Withdrawals, `PUSH0`.
    Shanghai,
    /// Blobs, transient storage.
    Cancun,
    /// EIP-7702 authorizations, BLS12-381, requests.
    Prague,
    /// P-256, `CLZ`, a cap on a transaction's gas.
    Osaka,
}

impl Hardfork {
    /// Every hardfork that a local node can be started with, oldest first.
    pub const ALL: [Self; 4] = [Self::Shanghai, Self::Cancun, Self::Prague, Self::Osaka];

    /// The name, in lower case, that nodes know it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shanghai => "shanghai",
            Self::Cancun => "cancun",
            Self::Prague => "prague",
            Self::Osaka => "osaka",
        }
    }
}

impl fmt::Display for Hardfork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// When a node makes blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mining {
    /// One block for each transaction, at once.
    EachTransaction,
    /// One block each interval, in whole seconds at least 1.
    Every(Duration),
    /// Only when asked (`evm_mine`, `anvil_mine`).
    OnRequest,
}

/// How an [`Anvil`](crate::Anvil) is to be started; see [`AnvilOptions::spawn`].
#[derive(Clone, Debug)]
pub struct AnvilOptions {
    pub(crate) chain_id: Option<u64>,
    pub(crate) hardfork: Option<Hardfork>,
    pub(crate) mining: Mining,
    pub(crate) accounts: Option<u16>,
    pub(crate) mnemonic: Option<String>,
    pub(crate) gas_limit: Option<u64>,
    pub(crate) slots_in_an_epoch: Option<u64>,
    pub(crate) genesis: Option<PathBuf>,
    pub(crate) genesis_timestamp: Option<u64>,
    pub(crate) load_state: Option<PathBuf>,
    pub(crate) dump_state: Option<PathBuf>,
    pub(crate) port: u16,
    pub(crate) program: Option<PathBuf>,
    pub(crate) ready_timeout: Duration,
}

impl Default for AnvilOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl AnvilOptions {
    /// A node as anvil starts it by default, on a free port.
    pub const fn new() -> Self {
        Self {
            chain_id: None,
            hardfork: None,
            mining: Mining::EachTransaction,
            accounts: None,
            mnemonic: None,
            gas_limit: None,
            slots_in_an_epoch: None,
            genesis: None,
            genesis_timestamp: None,
            load_state: None,
            dump_state: None,
            port: 0,
            program: None,
            ready_timeout: Duration::from_secs(180),
        }
    }

    /// The chain id; anvil's default is 31337.
    #[must_use]
    pub const fn chain_id(mut self, chain_id: u64) -> Self {
        self.chain_id = Some(chain_id);
        self
    }

    /// The rules from the first block on; the newest that anvil knows by default.
    #[must_use]
    pub const fn hardfork(mut self, hardfork: Hardfork) -> Self {
        self.hardfork = Some(hardfork);
        self
    }

    /// When blocks are made; with each transaction by default.
    #[must_use]
    pub const fn mining(mut self, mining: Mining) -> Self {
        self.mining = mining;
        self
    }

    /// How many rich accounts there are; 10 by default.
    #[must_use]
    pub const fn accounts(mut self, accounts: u16) -> Self {
        self.accounts = Some(accounts);
        self
    }

    /// The BIP-39 phrase that the rich accounts are derived from.
    #[must_use]
    pub fn mnemonic(mut self, phrase: impl Into<String>) -> Self {
        self.mnemonic = Some(phrase.into());
        self
    }

    /// The gas limit of a block.
    #[must_use]
    pub const fn gas_limit(mut self, gas: u64) -> Self {
        self.gas_limit = Some(gas);
        self
    }

    /// How many slots an epoch has: the block `2 × slots` behind the head is the finalized one.
    #[must_use]
    pub const fn slots_in_an_epoch(mut self, slots: u64) -> Self {
        self.slots_in_an_epoch = Some(slots);
        self
    }

    /// A geth-style `genesis.json` to start from.
    #[must_use]
    pub fn genesis(mut self, file: impl Into<PathBuf>) -> Self {
        self.genesis = Some(file.into());
        self
    }

    /// The timestamp of the genesis block, in seconds since 1970.
    #[must_use]
    pub const fn genesis_timestamp(mut self, seconds: u64) -> Self {
        self.genesis_timestamp = Some(seconds);
        self
    }

    /// A state that an earlier node dumped.
    #[must_use]
    pub fn load_state(mut self, file: impl Into<PathBuf>) -> Self {
        self.load_state = Some(file.into());
        self
    }

    /// Where the node saves its state when it is ended with [`Anvil::stop`](crate::Anvil::stop), with the states of
    /// all its blocks.
    #[must_use]
    pub fn dump_state(mut self, file: impl Into<PathBuf>) -> Self {
        self.dump_state = Some(file.into());
        self
    }

    /// A fixed port instead of a free one.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The program instead of the one that [`locate_anvil`](crate::locate_anvil) finds.
    #[must_use]
    pub fn program(mut self, file: impl Into<PathBuf>) -> Self {
        self.program = Some(file.into());
        self
    }

    /// How long the node may take until it listens; three minutes by default.
    #[must_use]
    pub const fn ready_timeout(mut self, timeout: Duration) -> Self {
        self.ready_timeout = timeout;
        self
    }

    /// The program and its arguments, for whoever starts it otherwise: it is not a child that ends with this process then.
    ///
    /// # Errors
    /// anvil is not installed.
    pub fn command_line(&self) -> Result<(PathBuf, Vec<String>), LocalnetError> {
        let program = self.program.clone().map_or_else(locate_anvil, Ok)?;
        Ok((program, self.args()))
    }

    pub(crate) fn args(&self) -> Vec<String> {
        let mut args: Vec<String> =
            ["--host", "127.0.0.1", "--color", "never", "--no-request-size-limit", "--port"]
                .map(str::to_owned)
                .into();
        args.push(self.port.to_string());
        let mut push = |flag: &str, value: Option<String>| {
            if let Some(value) = value {
                args.push(flag.to_owned());
                args.push(value);
            }
        };
        let file = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        push("--chain-id", self.chain_id.map(|id| id.to_string()));
        push("--hardfork", self.hardfork.map(|fork| fork.name().to_owned()));
        push("--accounts", self.accounts.map(|n| n.to_string()));
        push("--mnemonic", self.mnemonic.clone());
        push("--gas-limit", self.gas_limit.map(|gas| gas.to_string()));
        push("--slots-in-an-epoch", self.slots_in_an_epoch.map(|slots| slots.to_string()));
        push("--init", file(&self.genesis));
        push("--timestamp", self.genesis_timestamp.map(|seconds| seconds.to_string()));
        push("--load-state", file(&self.load_state));
        push("--dump-state", file(&self.dump_state));
        if self.dump_state.is_some() {
            args.push("--preserve-historical-states".to_owned());
        }
        match self.mining {
            Mining::EachTransaction => {}
            Mining::Every(interval) => {
                args.push("--block-time".to_owned());
                args.push(interval.as_secs().max(1).to_string());
            }
            Mining::OnRequest => args.push("--no-mining".to_owned()),
        }
        args
    }
}
