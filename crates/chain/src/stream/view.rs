//! What was read of the chains, for the core to compare with what it told.

use crate::{BlockHead, ContractTips};
use alloy_primitives::B256;
use proofmill_primitives::{Checkpoint, CheckpointNumber};
use std::collections::BTreeMap;

/// L1 and the rollup's contract, all of it in one block.
#[derive(Clone, Debug)]
pub(crate) struct L1View {
    pub(crate) head: BlockHead,
    pub(crate) tips: ContractTips,
    /// From where [`StreamCore::first_to_read`](super::core::StreamCore::first_to_read) says to the pending tip, without
    /// gaps.
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// The proven tip in the newest final block, where the node knows.
    pub(crate) finalized: Option<CheckpointNumber>,
}

impl L1View {
    pub(crate) fn checkpoint(&self, number: CheckpointNumber) -> Option<&Checkpoint> {
        let first = self.checkpoints.first()?.number;
        let at = usize::try_from(number.0.checked_sub(first.0)?).ok()?;
        self.checkpoints.get(at)
    }
}

/// Both chains. The hashes are looked up only when the core asks for them; none stands for a block that is not there.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) l1: L1View,
    pub(crate) l1_hashes: BTreeMap<u64, Option<B256>>,
    /// None while L2 is away.
    pub(crate) l2: Option<BlockHead>,
    pub(crate) l2_hashes: BTreeMap<u64, Option<B256>>,
}

/// The hash of a block on L1 or L2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// It was not asked for yet.
    Unknown,
    /// The block is not there.
    Missing,
    Is(B256),
}

impl Looked {
    fn up(head: &BlockHead, hashes: &BTreeMap<u64, Option<B256>>, number: u64) -> Self {
        if number == head.number {
            return Self::Is(head.hash);
        }
        if head.number.checked_sub(1) == Some(number) {
            return Self::Is(head.parent_hash);
        }
        match hashes.get(&number) {
            _ if number > head.number => Self::Missing,
            None => Self::Unknown,
            Some(None) => Self::Missing,
            Some(Some(hash)) => Self::Is(*hash),
        }
    }
}

impl View {
    pub(crate) fn l1_hash(&self, number: u64) -> Looked {
        Looked::up(&self.l1.head, &self.l1_hashes, number)
    }

    pub(crate) fn l2_hash(&self, head: &BlockHead, number: u64) -> Looked {
        Looked::up(head, &self.l2_hashes, number)
    }
}
