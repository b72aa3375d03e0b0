//! The rules of a chain of the OP Stack, as data: which fork holds when. `proofmill-optimism` executes by them.

use crate::Fork;
use crate::codec::{Reader, Writer};
use crate::error::DecodeError;
use alloc::{string::String, vec::Vec};
use core::fmt;

/// A fork of the OP Stack whose rules of execution `proofmill-optimism` has in full.
///
/// Delta, and the changes of derivation alone (Pectra's blob schedule), change nothing here. Lagoon is not final,
/// so it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum OpFork {
    /// Shanghai; receipts of deposits with nonce and version.
    Canyon = 1,
    /// Cancun without blobs; L1's blob base fee in the data fee.
    Ecotone = 2,
    /// P256VERIFY; the data fee by FastLZ.
    Fjord = 3,
    /// A limit for the input of the pairing on bn254.
    Granite = 4,
    /// The base fee's parameters in the extra data.
    Holocene = 5,
    /// Prague without requests; the message passer's root in the header; the operator fee.
    Isthmus = 6,
    /// A minimum base fee; the footprint of data availability in the header.
    Jovian = 7,
    /// Osaka but for its limit of a block's size; another limit for the pairing on bn254.
    Karst = 8,
}

impl OpFork {
    /// Every fork, oldest first.
    pub const ALL: [Self; 8] = [
        Self::Canyon,
        Self::Ecotone,
        Self::Fjord,
        Self::Granite,
        Self::Holocene,
        Self::Isthmus,
        Self::Jovian,
        Self::Karst,
    ];

    /// The name as configuration files begin it: `canyon_time` in `rollup.json`, `canyonTime` in `genesis.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Canyon => "canyon",
            Self::Ecotone => "ecotone",
            Self::Fjord => "fjord",
            Self::Granite => "granite",
            Self::Holocene => "holocene",
            Self::Isthmus => "isthmus",
            Self::Jovian => "jovian",
            Self::Karst => "karst",
        }
    }

    /// The fork of Ethereum whose EVM it has.
    ///
    /// Karst: specifications, pull request 904 (Osaka's EIPs 7823, 7825, 7883, 7939, 7951), and the proposal of
    /// upgrade 19b to Optimism's governance, which lists the same.
    ///
    /// ```
    /// use proofmill_stateless::{Fork, OpFork};
    /// assert_eq!(OpFork::Holocene.ethereum(), Fork::Cancun);
    /// ```
    pub const fn ethereum(self) -> Fork {
        match self {
            Self::Canyon => Fork::Shanghai,
            Self::Ecotone | Self::Fjord | Self::Granite | Self::Holocene => Fork::Cancun,
            Self::Isthmus | Self::Jovian => Fork::Prague,
            Self::Karst => Fork::Osaka,
        }
    }
}

impl fmt::Display for OpFork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The first block time, in seconds since 1970, at which a fork's rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpActivation {
    /// The fork.
    pub fork: OpFork,
    /// Its first timestamp, in seconds since 1970.
    pub timestamp: u64,
}

/// The rules of execution of one OP Stack chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpRules {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The time between a block and the next, in seconds.
    pub block_time: u64,
    /// Fork activations, oldest first; begins with Canyon.
    pub forks: Vec<OpActivation>,
    /// A block before Holocene may move the base fee by at most one part in this many. From Holocene on headers say
    /// it.
    pub max_change_denominator: u32,
    /// The gas limit is this many times the gas target, before Holocene.
    pub elasticity: u32,
}

impl OpRules {
    /// Rules with every fork up to and including `fork` active from genesis, and the usual parameters: a block
    /// every 2 s, 250 and 6 for the base fee.
    ///
    /// ```
    /// use proofmill_stateless::{OpFork, OpRules};
    /// assert_eq!(OpRules::for_fork(901, OpFork::Isthmus).fork_at(0), Some(OpFork::Isthmus));
    /// ```
    pub fn for_fork(chain_id: u64, fork: OpFork) -> Self {
        let forks = OpFork::ALL.into_iter().filter(|known| *known <= fork);
        let forks = forks.map(|fork| OpActivation { fork, timestamp: 0 }).collect();
        Self { chain_id, block_time: 2, forks, max_change_denominator: 250, elasticity: 6 }
    }

    /// The newest fork that is active at a block time; `None` before Canyon.
    pub fn fork_at(&self, timestamp: u64) -> Option<OpFork> {
        self.forks.iter().rev().find(|entry| entry.timestamp <= timestamp).map(|entry| entry.fork)
    }

    /// Checks that the forks are complete and in order, and that the parameters can be computed with.
    pub fn check(&self) -> Result<(), OpRulesError> {
        if self.forks.first().map(|entry| entry.fork) != Some(OpFork::Canyon) {
            return Err(OpRulesError::CanyonMissing);
        }
        for pair in self.forks.windows(2) {
            if pair[0].fork as u32 + 1 != pair[1].fork as u32 || pair[0].timestamp > pair[1].timestamp {
                return Err(OpRulesError::ForkOrder { fork: pair[1].fork });
            }
        }
        if self.block_time == 0 {
            return Err(OpRulesError::BlockTime);
        }
        if self.max_change_denominator == 0 || self.elasticity == 0 {
            return Err(OpRulesError::BaseFeeParams);
        }
        Ok(())
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        out.u64(self.block_time);
        out.u32(self.max_change_denominator);
        out.u32(self.elasticity);
        out.u32(self.forks.len() as u32);
        for entry in &self.forks {
            out.u32(entry.fork as u32);
            out.u64(entry.timestamp);
        }
    }

    pub(crate) fn decode(chain_id: u64, input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let block_time = input.u64()?;
        let max_change_denominator = input.u32()?;
        let elasticity = input.u32()?;
        let count = input.count(12)?;
        let mut forks = Vec::with_capacity(count);
        for _ in 0..count {
            let tag = input.u32()?;
            let known = OpFork::ALL.into_iter().find(|fork| *fork as u32 == tag);
            let fork = known.ok_or(DecodeError::UnknownTag { what: "fork of the OP Stack", tag })?;
            forks.push(OpActivation { fork, timestamp: input.u64()? });
        }
        Ok(Self { chain_id, block_time, forks, max_change_denominator, elasticity })
    }
}

/// Rules that cannot be executed by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpRulesError {
    /// The chain schedules a fork that this version does not know.
    #[error(
        "the chain schedules a fork by `{key}`, whose rules this version does not have; use a version that does"
    )]
    UnknownFork {
        /// The key of the configuration.
        key: String,
    },
    /// The rollup configuration says something that this version does not know.
    #[error(
        "the rollup configuration has `{key}`, which is not known here and may be a rule of the chain's own; use a version that knows it"
    )]
    UnknownKey {
        /// The key of the configuration.
        key: String,
    },
    /// The chain has no Canyon time.
    #[error("the chain has no activation time of Canyon; blocks before Canyon cannot be proven")]
    CanyonMissing,
    /// A fork is left out, twice there, or earlier than the one before it.
    #[error(
        "the activation of {fork} is not in order: forks follow on each other without a gap, by their times"
    )]
    ForkOrder {
        /// The fork that is out of order.
        fork: OpFork,
    },
    /// Blocks of no time.
    #[error("the time between blocks must be 1 second at least")]
    BlockTime,
    /// Parameters of zero.
    #[error("the base fee's change denominator and elasticity must not be 0")]
    BaseFeeParams,
    /// A fork of Ethereum is not scheduled with that of the OP Stack that brings it.
    #[error("`{key}` is {got}, but it comes with `{with}`, which is {expected}: both must be the same")]
    ForkOfEthereum {
        /// The key of Ethereum's fork.
        key: &'static str,
        /// What it says.
        got: String,
        /// The key of the OP Stack's fork.
        with: String,
        /// What that says.
        expected: String,
    },
    /// A value is missing, or of another kind.
    #[error("`{key}` of the {file} is missing or no {kind}; take the file as the chain's node writes it")]
    Value {
        /// Which file.
        file: &'static str,
        /// The key.
        key: String,
        /// What the value has to be.
        kind: &'static str,
    },
    /// The file is no JSON.
    #[error("the {file} is not valid JSON: {reason}")]
    Json {
        /// Which file.
        file: &'static str,
        /// What the parser says.
        reason: String,
    },
}
