//! How full the newest batches are: what a measurement of provers divides by.

use crate::{ChainError, L2, Rollup};
use alloy_primitives::B256;
use proofmill_primitives::{Checkpoint, CheckpointNumber};
use std::{collections::BTreeMap, num::NonZeroU64};

/// How full a batch (a checkpoint) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchFill {
    /// Gas that its blocks used.
    pub gas: u64,
    /// Transactions in its blocks.
    pub transactions: u64,
    /// Blocks: last − first + 1.
    pub blocks: u64,
    last_hash: B256,
}

/// The newest batches of a rollup, read from its contract and from L2.
#[derive(Debug)]
pub struct BatchFills {
    rollup: Rollup,
    l2: L2,
    most: NonZeroU64,
    known: BTreeMap<CheckpointNumber, BatchFill>,
}

impl BatchFills {
    /// Nothing is known yet; never more than `most` batches are.
    pub const fn new(rollup: Rollup, l2: L2, most: NonZeroU64) -> Self {
        Self { rollup, l2, most, known: BTreeMap::new() }
    }

    /// What is known.
    pub const fn known(&self) -> &BTreeMap<CheckpointNumber, BatchFill> {
        &self.known
    }

    /// Reads what is new, and forgets what the contract gave up or replaced, and what is old.
    ///
    /// # Errors
    /// A node does not answer. What was read before that is known.
    pub async fn look(&mut self) -> Result<(), ChainError> {
        let newest = self.rollup.tips().await?.pending;
        self.known.retain(|number, _| *number <= newest);
        while let Some((number, known)) = self.known.last_key_value().map(|(number, known)| (*number, *known))
        {
            let there = self.rollup.checkpoint(number).await?;
            if there.is_some_and(|there| there.last_hash == known.last_hash) {
                break;
            }
            self.known.remove(&number);
        }
        let oldest = newest.0.saturating_sub(self.most.get() - 1).max(1);
        let next = self.known.last_key_value().map_or(oldest, |(number, _)| oldest.max(number.0 + 1));
        for number in (next..=newest.0).map(CheckpointNumber) {
            let Some(checkpoint) = self.rollup.checkpoint(number).await? else { break };
            // L2's node is behind, or follows another branch: it is looked again.
            let Some(fill) = self.read(&checkpoint).await? else { break };
            self.known.insert(number, fill);
        }
        self.known = self.known.split_off(&CheckpointNumber(oldest));
        Ok(())
    }

    async fn read(&self, checkpoint: &Checkpoint) -> Result<Option<BatchFill>, ChainError> {
        let blocks = checkpoint.blocks;
        let (last_hash, count) = (checkpoint.last_hash, blocks.last() - blocks.first() + 1);
        let mut fill = BatchFill { gas: 0, transactions: 0, blocks: count, last_hash };
        let mut hash = None;
        for number in blocks.first()..=blocks.last() {
            let Some(block) = self.l2.fill(number).await? else { return Ok(None) };
            fill.gas = fill.gas.saturating_add(block.gas_used());
            fill.transactions += block.transactions();
            hash = Some(block.hash);
        }
        Ok((hash == Some(last_hash)).then_some(fill))
    }
}
