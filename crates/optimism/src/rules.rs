//! What the rules of one OP Stack chain are.

use crate::{error::OpRulesError, fork::OpFork};
use alloc::vec::Vec;
use alloy_primitives::{B256, keccak256};

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
    /// use proofmill_optimism::{OpFork, OpRules};
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

    /// The deterministic binary form: `PMOP`, then little-endian words.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = b"PMOP".to_vec();
        out.extend(self.chain_id.to_le_bytes());
        out.extend(self.block_time.to_le_bytes());
        out.extend(self.max_change_denominator.to_le_bytes());
        out.extend(self.elasticity.to_le_bytes());
        for entry in &self.forks {
            out.extend((entry.fork as u32).to_le_bytes());
            out.extend(entry.timestamp.to_le_bytes());
        }
        out
    }

    /// keccak256 of the encoding: what a verifier compares to know under which rules blocks were checked.
    pub fn hash(&self) -> B256 {
        keccak256(self.encode())
    }
}
