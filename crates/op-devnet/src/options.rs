//! How a chain is to be.

use crate::{OpDevnetError, OpFork, system::SystemConfig};
use alloy_primitives::Address;

/// What L1 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum L1Kind {
    /// anvil, as a child process.
    Anvil,
    /// `proofmill-devnode`, in this process. Blobs take it: the transactions roots of anvil 1.7 commit to their sidecars, which
    /// no block of Ethereum does.
    DevNode,
}

/// What a batch is of (specification: `protocol/derivation.md`, "Batch Format"; `protocol/delta/span-batches.md`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchKind {
    /// Of one block.
    #[default]
    Single,
    /// Of all blocks of the channel.
    Span,
}

/// How a channel is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// zlib.
    #[default]
    Zlib,
    /// Brotli's format with the version byte before it (`protocol/fjord/derivation.md`), in which nothing is compressed.
    Brotli,
}

/// Where frames are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataKind {
    /// In the calldata of transactions.
    #[default]
    Calldata,
    /// In blobs.
    Blobs,
}

/// How an [`OpDevnet`](crate::OpDevnet) is to be; see [`OpDevnetOptions::start`].
#[derive(Clone, Debug)]
pub struct OpDevnetOptions {
    pub(crate) chain_id: u64,
    pub(crate) l1_chain_id: u64,
    pub(crate) fork: OpFork,
    pub(crate) block_time: u64,
    pub(crate) l1: Option<L1Kind>,
    pub(crate) l1_block_time: u64,
    pub(crate) batch_every: u64,
    pub(crate) batch: BatchKind,
    pub(crate) compression: Compression,
    pub(crate) data: DataKind,
    pub(crate) finality_depth: u64,
    pub(crate) port: u16,
    pub(crate) beacon_port: u16,
    pub(crate) rich: Vec<Address>,
    pub(crate) system: SystemConfig,
}

impl Default for OpDevnetOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OpDevnetOptions {
    /// A chain by the rules of Isthmus with a block every 2 s, on an L1 with one every 4 s, whose batches are of one block each, by
    /// zlib, in calldata, posted with every L1 block.
    pub fn new() -> Self {
        Self {
            chain_id: 901,
            l1_chain_id: 31_337,
            fork: OpFork::Isthmus,
            block_time: 2,
            l1: None,
            l1_block_time: 4,
            batch_every: 1,
            batch: BatchKind::default(),
            compression: Compression::default(),
            data: DataKind::default(),
            finality_depth: 0,
            port: 0,
            beacon_port: 0,
            rich: Vec::new(),
            system: SystemConfig::default(),
        }
    }

    /// The chain's id; 901 unless this is called.
    #[must_use]
    pub const fn chain_id(mut self, chain_id: u64) -> Self {
        self.chain_id = chain_id;
        self
    }

    /// The id of L1; 31337 unless this is called.
    #[must_use]
    pub const fn l1_chain_id(mut self, chain_id: u64) -> Self {
        self.l1_chain_id = chain_id;
        self
    }

    /// The fork that is active from the first block on: Isthmus or Jovian.
    #[must_use]
    pub const fn fork(mut self, fork: OpFork) -> Self {
        self.fork = fork;
        self
    }

    /// The time between two blocks, in seconds.
    #[must_use]
    pub const fn block_time(mut self, seconds: u64) -> Self {
        self.block_time = seconds;
        self
    }

    /// What L1 is; anvil unless this is called or batches are in blobs.
    #[must_use]
    pub const fn l1(mut self, kind: L1Kind) -> Self {
        self.l1 = Some(kind);
        self
    }

    /// The time between two blocks of L1, in seconds; not less than that of L2.
    #[must_use]
    pub const fn l1_block_time(mut self, seconds: u64) -> Self {
        self.l1_block_time = seconds;
        self
    }

    /// After how many L1 blocks batches are posted.
    #[must_use]
    pub const fn batch_every(mut self, l1_blocks: u64) -> Self {
        self.batch_every = l1_blocks;
        self
    }

    /// What batches are of.
    #[must_use]
    pub const fn batch(mut self, kind: BatchKind) -> Self {
        self.batch = kind;
        self
    }

    /// How channels are compressed.
    #[must_use]
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Where frames are.
    #[must_use]
    pub const fn data(mut self, kind: DataKind) -> Self {
        self.data = kind;
        self
    }

    /// How many L1 blocks behind the newest one finalized ones are; 0 unless this is called: what is safe is finalized.
    #[must_use]
    pub const fn finality_depth(mut self, l1_blocks: u64) -> Self {
        self.finality_depth = l1_blocks;
        self
    }

    /// A fixed port for JSON-RPC instead of a free one.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// A fixed port for the beacon node's API instead of a free one.
    #[must_use]
    pub const fn beacon_port(mut self, port: u16) -> Self {
        self.beacon_port = port;
        self
    }

    /// Accounts that have 10,000 ether on L2 from the start, beside the development keys.
    #[must_use]
    pub fn rich(mut self, accounts: Vec<Address>) -> Self {
        self.rich = accounts;
        self
    }

    /// The configuration with which the chain begins. Its batcher is replaced by the chain's own.
    #[must_use]
    pub const fn system_config(mut self, system: SystemConfig) -> Self {
        self.system = system;
        self
    }

    /// What L1 is, once all options are known.
    pub(crate) fn check(&self) -> Result<L1Kind, OpDevnetError> {
        let wrong = |reason| Err(OpDevnetError::Options { reason });
        if !matches!(self.fork, OpFork::Isthmus | OpFork::Jovian) {
            return wrong("the fork must be Isthmus or Jovian");
        }
        if self.block_time == 0 || self.batch_every == 0 {
            return wrong("the block time and the number of L1 blocks between batches must be at least 1");
        }
        if self.l1_block_time < self.block_time {
            return wrong("L1's block time must not be below that of L2, which could not follow");
        }
        if self.system.gas_limit < 21_000_000 {
            return wrong("the gas limit must be 21,000,000 at least, so that deposits fit");
        }
        match (self.l1, self.data) {
            (Some(L1Kind::Anvil), DataKind::Blobs) => {
                wrong("anvil's blocks with blobs are not Ethereum's: take `L1Kind::DevNode` for blobs")
            }
            (Some(kind), _) => Ok(kind),
            (None, DataKind::Blobs) => Ok(L1Kind::DevNode),
            (None, DataKind::Calldata) => Ok(L1Kind::Anvil),
        }
    }
}
