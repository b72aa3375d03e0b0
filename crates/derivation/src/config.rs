//! What a chain's nodes derive it by.

use crate::codec::{Reader, Writer};
use crate::error::DerivationError;
use alloc::vec::Vec;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Address, B256, keccak256};
use proofmill_stateless::{BlobActivation, OpActivation, OpFork, OpRules};

/// What a chain's nodes derive it by: `rollup.json`, and L1's schedule of blob parameters.
///
/// Its [hash](Self::hash) is the `rollupConfigHash` of a proof, so it holds all that derivation and execution go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollupConfig {
    /// The rules of execution, with the chain's id, the time between blocks, and when each fork begins.
    pub rules: OpRules,
    /// EIP-155 chain id of L1.
    pub l1_chain_id: u64,
    /// L1's blob parameters, in order of time: the L1 attributes say L1's blob base fee.
    pub l1_blobs: Vec<BlobActivation>,
    /// Number of the L1 block with which the chain begins.
    pub l1_genesis: u64,
    /// Time of the chain's first block, in seconds since 1970.
    pub l2_genesis_time: u64,
    /// A batch is of no use that is included so many L1 blocks after the one that it builds on.
    pub seq_window_size: u64,
    /// Where batches are sent.
    pub batch_inbox: Address,
    /// `OptimismPortal`, whose logs are deposits.
    pub deposit_contract: Address,
    /// `SystemConfig`, whose logs change the configuration.
    pub system_config: Address,
}

/// Counts the versions of the encoding.
const VERSION: u32 = 1;

impl RollupConfig {
    /// Errors with what cannot be derived by.
    pub fn check(&self) -> Result<(), DerivationError> {
        self.rules.check().map_err(DerivationError::Rules)?;
        let in_order = |pair: &[BlobActivation]| pair[0].timestamp <= pair[1].timestamp;
        if self.l1_blobs.is_empty() || !self.l1_blobs.windows(2).all(in_order) {
            return Err(DerivationError::BlobSchedule);
        }
        if self.seq_window_size == 0 {
            return Err(DerivationError::SequenceWindow);
        }
        Ok(())
    }

    /// L1's blob parameters at a time; none before its Cancun.
    pub(crate) fn l1_blobs_at(&self, timestamp: u64) -> Option<BlobParams> {
        self.l1_blobs.iter().rev().find(|entry| entry.timestamp <= timestamp).map(|entry| entry.params)
    }

    /// The fork at a time of L2; forks before Holocene are not derived.
    pub(crate) fn fork_at(&self, timestamp: u64) -> Result<OpFork, DerivationError> {
        let fork = self.rules.fork_at(timestamp).filter(|fork| *fork >= OpFork::Holocene);
        fork.ok_or(DerivationError::BeforeHolocene { timestamp })
    }

    /// keccak256 of the encoding: what a proof says of the configuration.
    pub fn hash(&self) -> B256 {
        let mut out = Writer::default();
        self.encode(&mut out);
        keccak256(out.finish())
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        out.u32(VERSION);
        out.u64(self.rules.chain_id);
        out.u64(self.rules.block_time);
        out.u32(self.rules.max_change_denominator);
        out.u32(self.rules.elasticity);
        out.u32(self.rules.forks.len() as u32);
        for fork in &self.rules.forks {
            out.u32(fork.fork as u32);
            out.u64(fork.timestamp);
        }
        out.u64(self.l1_chain_id);
        out.u32(self.l1_blobs.len() as u32);
        for entry in &self.l1_blobs {
            let BlobParams {
                target_blob_count,
                max_blob_count,
                update_fraction,
                min_blob_fee,
                max_blobs_per_tx,
                blob_base_cost,
            } = entry.params;
            out.u64(entry.timestamp);
            out.u64(target_blob_count);
            out.u64(max_blob_count);
            out.u128(update_fraction);
            out.u128(min_blob_fee);
            out.u64(max_blobs_per_tx);
            out.u64(blob_base_cost);
        }
        out.u64(self.l1_genesis);
        out.u64(self.l2_genesis_time);
        out.u64(self.seq_window_size);
        out.raw(self.batch_inbox.as_slice());
        out.raw(self.deposit_contract.as_slice());
        out.raw(self.system_config.as_slice());
    }

    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Self, DerivationError> {
        let version = input.u32()?;
        if version != VERSION {
            return Err(DerivationError::Encoding { what: "a rollup configuration of this version" });
        }
        let (chain_id, block_time) = (input.u64()?, input.u64()?);
        let (max_change_denominator, elasticity) = (input.u32()?, input.u32()?);
        let mut forks = Vec::new();
        for _ in 0..input.count(12)? {
            let tag = input.u32()?;
            let known = OpFork::ALL.into_iter().find(|fork| *fork as u32 == tag);
            let fork = known.ok_or(DerivationError::Encoding { what: "a fork" })?;
            forks.push(OpActivation { fork, timestamp: input.u64()? });
        }
        let rules = OpRules { chain_id, block_time, forks, max_change_denominator, elasticity };
        let l1_chain_id = input.u64()?;
        let mut l1_blobs = Vec::new();
        for _ in 0..input.count(72)? {
            let timestamp = input.u64()?;
            let params = BlobParams {
                target_blob_count: input.u64()?,
                max_blob_count: input.u64()?,
                update_fraction: input.u128()?,
                min_blob_fee: input.u128()?,
                max_blobs_per_tx: input.u64()?,
                blob_base_cost: input.u64()?,
            };
            l1_blobs.push(BlobActivation { timestamp, params });
        }
        Ok(Self {
            rules,
            l1_chain_id,
            l1_blobs,
            l1_genesis: input.u64()?,
            l2_genesis_time: input.u64()?,
            seq_window_size: input.u64()?,
            batch_inbox: input.fixed::<20>()?.into(),
            deposit_contract: input.fixed::<20>()?.into(),
            system_config: input.fixed::<20>()?.into(),
        })
    }
}
