//! What is to be sent, and what became of it.

use crate::AccountKeys;
use std::{
    fmt,
    num::{NonZeroU32, NonZeroU64},
    str::FromStr,
    time::Duration,
};

/// How many transactions wait at most in a node's mempool, where nothing else is known: ethrex's and reth's default.
const MEMPOOL_LIMIT: NonZeroU64 = NonZeroU64::MIN.saturating_add(9_999);

/// What the transactions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoadKind {
    /// Plain transfers of ether between the accounts.
    EthTransfers,
    /// Transfers of a token that is deployed first.
    Erc20,
    /// Calls that compute 2,000 rounds of a Fibonacci sequence.
    Fibonacci,
    /// Calls that each fill 50 storage slots that were empty.
    IoHeavy,
    /// Transactions of every sort: creations, destructions, precompiles, delegations, reverts and others, at random.
    Mixed,
}

/// The name of a load kind that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of load {0:?}: use eth-transfers, erc20, fibonacci, io-heavy or mixed")]
pub struct UnknownLoadKind(String);

impl LoadKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::EthTransfers, Self::Erc20, Self::Fibonacci, Self::IoHeavy, Self::Mixed];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EthTransfers => "eth-transfers",
            Self::Erc20 => "erc20",
            Self::Fibonacci => "fibonacci",
            Self::IoHeavy => "io-heavy",
            Self::Mixed => "mixed",
        }
    }
}

impl fmt::Display for LoadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LoadKind {
    type Err = UnknownLoadKind;

    fn from_str(name: &str) -> Result<Self, UnknownLoadKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| UnknownLoadKind(name.to_owned()))
    }
}

/// How often the plan is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounds {
    /// Once.
    Once,
    /// Again and again, until the run is cancelled.
    Endless,
}

/// What [`run`](crate::run) is to send.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    pub(crate) kind: LoadKind,
    pub(crate) accounts: u32,
    pub(crate) transactions_per_account: u32,
    pub(crate) rounds: Rounds,
    pub(crate) seed: u64,
    pub(crate) chain_id: Option<u64>,
    pub(crate) concurrency: usize,
    pub(crate) stall_timeout: Duration,
    pub(crate) mempool_limit: NonZeroU64,
    /// None: they are derived from the seed.
    pub(crate) keys: Option<AccountKeys>,
}

impl LoadPlan {
    /// How many transactions each account sends where nobody says it.
    pub const TRANSACTIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(49);

    /// Ten accounts that send fifty transactions each, once.
    pub const fn new(kind: LoadKind) -> Self {
        Self {
            kind,
            accounts: 10,
            transactions_per_account: Self::TRANSACTIONS.get(),
            rounds: Rounds::Once,
            seed: 0,
            chain_id: None,
            concurrency: 16,
            stall_timeout: Duration::from_secs(90),
            mempool_limit: MEMPOOL_LIMIT,
            keys: None,
        }
    }

    /// How many accounts send, where they are derived.
    #[must_use]
    pub const fn accounts(mut self, accounts: u32) -> Self {
        self.accounts = accounts;
        self
    }

    /// How many transactions each account sends in a round.
    #[must_use]
    pub const fn transactions_per_account(mut self, transactions: u32) -> Self {
        self.transactions_per_account = transactions;
        self
    }

    /// How often the plan is carried out.
    #[must_use]
    pub const fn rounds(mut self, rounds: Rounds) -> Self {
        self.rounds = rounds;
        self
    }

    /// What the accounts are derived from: two loads on one node at the same time need different seeds.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The chain that the load is meant for: any other is refused.
    #[must_use]
    pub const fn chain_id(mut self, chain_id: u64) -> Self {
        self.chain_id = Some(chain_id);
        self
    }

    /// Accounts of one's own, in place of derived ones: all of them send.
    #[must_use]
    pub fn keys(mut self, keys: AccountKeys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// How many transactions the node's mempool takes: a round that comes near it is warned of. 10,000 by default.
    #[must_use]
    pub const fn mempool_limit(mut self, transactions: NonZeroU64) -> Self {
        self.mempool_limit = transactions;
        self
    }

    /// How many requests are under way at once; at least 1.
    #[must_use]
    pub const fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = if requests == 0 { 1 } else { requests };
        self
    }

    /// How long nothing may be included before the run fails; 90 s by default.
    #[must_use]
    pub const fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.stall_timeout = timeout;
        self
    }
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Deploying the contract and funding the accounts.
    Preparing,
    /// Handing transactions to the node.
    Sending,
    /// Waiting until they are in blocks.
    Including,
    /// Reading what became of them.
    Counting,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preparing => "preparing",
            Self::Sending => "sending",
            Self::Including => "waiting for inclusion",
            Self::Counting => "counting",
        })
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The round, from 1.
    pub round: u64,
    /// What is being done.
    pub phase: Phase,
    /// Transactions done in this phase.
    pub done: u64,
    /// Transactions in this phase.
    pub total: u64,
}

/// What became of a run's transactions; those of its preparation are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoadReport {
    /// Handed to the node.
    pub sent: u64,
    /// In a block, successful.
    pub included: u64,
    /// In a block, reverted: some of the mixed kind mean to.
    pub failed: u64,
    /// The first block with one of them.
    pub first_block: Option<u64>,
    /// The last block with one of them.
    pub last_block: Option<u64>,
    /// Gas that they used.
    pub gas: u64,
    /// From the first transaction sent to the last one known to be included, in seconds, over all rounds.
    pub seconds: f64,
}
