//! How full the newest batches are: what a measurement of provers divides by.

use crate::{ChainError, L2, Rollup};
use alloy_primitives::B256;
use proofmill_primitives::{Checkpoint, CheckpointNumber};
use std::{collections::BTreeMap, num::NonZeroU64};

/// So many of the newest batches are looked for on an L2 that is behind, before any is known.
const BEHIND: usize = 16;

/// After so many blocks of older batches the rest is left to the next look.
const AT_ONCE: u64 = 1_000;

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
    /// L2 had no blocks before those that are known, when the newest batch came.
    has_no_older: bool,
}

impl BatchFills {
    /// Nothing is known yet; never more than `most` batches are.
    pub const fn new(rollup: Rollup, l2: L2, most: NonZeroU64) -> Self {
        Self { rollup, l2, most, known: BTreeMap::new(), has_no_older: false }
    }

    /// What is known.
    pub const fn known(&self) -> &BTreeMap<CheckpointNumber, BatchFill> {
        &self.known
    }

    /// Reads what is new, and some of what is before that which is known: the newest are known first, and however many blocks batches
    /// have, a node is not asked for all of them at once. Forgets what the contract gave up or replaced, and what is old.
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
        self.known = self.known.split_off(&CheckpointNumber(oldest));
        // Where L2's node is behind, or follows another branch, it is looked again.
        match self.known.last_key_value().map(|(number, _)| number.0) {
            Some(last) => {
                for number in last + 1..=newest.0 {
                    if !self.learn(number).await? {
                        break;
                    }
                    self.has_no_older = false;
                }
            }
            None => {
                self.has_no_older = false;
                for number in (oldest..=newest.0).rev().take(BEHIND) {
                    if self.learn(number).await? {
                        break;
                    }
                }
            }
        }
        let mut read = 0;
        while read < AT_ONCE
            && !self.has_no_older
            && let Some(first) = self.known.first_key_value().map(|(number, _)| number.0)
            && first > oldest
        {
            self.has_no_older = !self.learn(first - 1).await?;
            read += self.known.first_key_value().map_or(0, |(_, first)| first.blocks);
        }
        Ok(())
    }

    /// Whether a batch is known now.
    async fn learn(&mut self, number: u64) -> Result<bool, ChainError> {
        let number = CheckpointNumber(number);
        let Some(checkpoint) = self.rollup.checkpoint(number).await? else { return Ok(false) };
        let Some(fill) = self.read(&checkpoint).await? else { return Ok(false) };
        self.known.insert(number, fill);
        Ok(true)
    }

    async fn read(&self, checkpoint: &Checkpoint) -> Result<Option<BatchFill>, ChainError> {
        let blocks = checkpoint.blocks;
        let (last_hash, count) = (checkpoint.last_hash, blocks.last() - blocks.first() + 1);
        // The last one tells whether the others are worth asking for.
        if self.l2.fill(blocks.last()).await?.is_none_or(|last| last.hash != last_hash) {
            return Ok(None);
        }
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
