//! What was read of the chains, for the core to compare with what it told.

use super::status::Waiting;
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
    /// L2 was read again. What was looked up holds as long as the chain only grows; what was not there is looked up again,
    /// because the node behind an address may be another one each time, and some lag.
    pub(crate) fn l2_is(&mut self, head: Option<BlockHead>) {
        let grows = match (&self.l2, &head) {
            (Some(before), Some(now)) => now.hash == before.hash || now.parent_hash == before.hash,
            _ => false,
        };
        self.l2_hashes.retain(|_, hash| grows && hash.is_some());
        self.l2 = head;
    }

    /// Nothing is told because of a hash of L2: it is looked up again with the next look. One endpoint may have been on another branch
    /// for a moment, of which the heads show nothing.
    pub(crate) fn doubt(&mut self, waiting: Waiting) {
        if let Waiting::L2Differs { block, .. } = waiting {
            self.l2_hashes.remove(&block);
        }
    }

    pub(crate) fn l1_hash(&self, number: u64) -> Looked {
        Looked::up(&self.l1.head, &self.l1_hashes, number)
    }

    pub(crate) fn l2_hash(&self, head: &BlockHead, number: u64) -> Looked {
        Looked::up(head, &self.l2_hashes, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u64) -> BlockHead {
        let hash = |number| B256::with_last_byte(number);
        let byte = u8::try_from(number).unwrap_or(u8::MAX);
        BlockHead {
            number,
            hash: hash(byte),
            parent_hash: hash(byte.saturating_sub(1)),
            state_root: B256::ZERO,
            timestamp: number,
        }
    }

    fn view(head: BlockHead) -> View {
        let tips = ContractTips { proven: CheckpointNumber(0), pending: CheckpointNumber(0) };
        let l1 = L1View { head, tips, checkpoints: Vec::new(), finalized: None };
        View { l1, l1_hashes: BTreeMap::new(), l2: Some(head), l2_hashes: BTreeMap::new() }
    }

    #[test]
    fn a_block_that_was_not_there_is_looked_up_again() {
        let mut view = view(block(100));
        view.l2_hashes.insert(90, Some(B256::repeat_byte(1)));
        // A node that lags was asked for it.
        view.l2_hashes.insert(95, None);
        assert_eq!(view.l2_hash(&block(100), 95), Looked::Missing);
        view.l2_is(Some(block(101)));
        assert_eq!(view.l2_hash(&block(101), 95), Looked::Unknown);
        assert_eq!(view.l2_hash(&block(101), 90), Looked::Is(B256::repeat_byte(1)));
    }

    #[test]
    fn a_hash_that_holds_up_a_checkpoint_is_looked_up_again() {
        let mut view = view(block(100));
        let (right, other) = (B256::repeat_byte(1), B256::repeat_byte(2));
        view.l2_hashes.extend([(80, Some(right)), (90, Some(other))]);
        let checkpoint = CheckpointNumber(1);
        view.doubt(Waiting::L2Behind { checkpoint, block: 80, head: 100 });
        view.doubt(Waiting::L2Differs { checkpoint, block: 90, expected: right, got: other });
        assert_eq!(view.l2_hash(&block(100), 80), Looked::Is(right));
        assert_eq!(view.l2_hash(&block(100), 90), Looked::Unknown);
    }

    #[test]
    fn what_was_looked_up_is_forgotten_when_the_chain_does_not_just_grow() {
        let other = BlockHead { hash: B256::repeat_byte(7), ..block(100) };
        for now in [Some(block(105)), Some(other), None] {
            let mut view = view(block(100));
            view.l2_hashes.insert(90, Some(B256::repeat_byte(1)));
            view.l2_is(now);
            assert!(view.l2_hashes.is_empty(), "{now:?}");
        }
    }
}
