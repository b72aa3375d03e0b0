//! Two chains that do as they are told.

use super::super::{
    core::StreamCore,
    tips::BlockRef,
    view::{L1View, View},
};
use crate::{BlockHead, ContractTips};
use alloy_primitives::B256;
use proofmill_primitives::{BlockRange, Checkpoint, CheckpointNumber, SlotClock};
use std::collections::BTreeMap;

pub(super) const GENESIS_BLOCK: u64 = 3;
/// How many L1 blocks behind the head are final.
pub(super) const FINAL_DEPTH: usize = 6;

#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Nothing,
    /// As many blocks as there are, up to this number.
    Propose {
        blocks: u64,
    },
    /// A hash that L2 does not have.
    ProposeLie,
    Prove {
        checkpoints: u64,
    },
    /// So long passes that what is unproven is pruned by the next proposal.
    PassWindow,
}

#[derive(Clone, Debug)]
pub(super) struct L1Block {
    pub(super) hash: B256,
    pub(super) time: u64,
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) proven: usize,
}

pub(super) struct World {
    pub(super) clock: SlotClock,
    pub(super) l1: Vec<L1Block>,
    /// Hashes of L2 by number.
    pub(super) l2: Vec<B256>,
    pub(super) hashes: u64,
}

impl World {
    pub(super) fn new() -> Self {
        let three = 3.try_into().unwrap();
        let clock = SlotClock {
            genesis: 1_000,
            slot_seconds: 10.try_into().unwrap(),
            epoch_slots: three,
            window_epochs: 1.try_into().unwrap(),
        };
        let mut world = Self { clock, l1: Vec::new(), l2: Vec::new(), hashes: 0 };
        let hash = world.hash();
        world.l1.push(L1Block { hash, time: 1_000, checkpoints: Vec::new(), proven: 0 });
        world.grow_l2(GENESIS_BLOCK + 1);
        world
    }

    pub(super) fn genesis(&self) -> BlockRef {
        BlockRef { number: GENESIS_BLOCK, hash: self.l2[GENESIS_BLOCK as usize] }
    }

    pub(super) fn hash(&mut self) -> B256 {
        self.hashes += 1;
        B256::from(alloy_primitives::U256::from(self.hashes))
    }

    pub(super) fn grow_l2(&mut self, count: u64) {
        for _ in 0..count {
            let hash = self.hash();
            self.l2.push(hash);
        }
    }

    pub(super) fn mine(&mut self, call: Call) {
        let hash = self.hash();
        let mut block = L1Block { hash, ..self.l1.last().unwrap().clone() };
        block.time += match call {
            Call::PassWindow => 200,
            _ => 10,
        };
        let slot = self.clock.slot_at(block.time);
        if let Call::Propose { .. } | Call::ProposeLie = call {
            let due = block.checkpoints.get(block.proven).is_some_and(|checkpoint| {
                block.time >= self.clock.deadline(self.clock.epoch_of(checkpoint.slot))
            });
            if due {
                block.checkpoints.truncate(block.proven);
            }
            let last = block.checkpoints.last();
            let first = last.map_or(GENESIS_BLOCK, |last| last.blocks.last()) + 1;
            let parent_hash = last.map_or(self.l2[GENESIS_BLOCK as usize], |last| last.last_hash);
            let honest = self.l2.get(first as usize - 1) == Some(&parent_hash);
            let end = match call {
                Call::Propose { blocks } if honest => (first + blocks - 1).min(self.l2.len() as u64 - 1),
                _ => first,
            };
            let last_hash = match call {
                Call::Propose { .. } if honest => self.l2.get(end as usize).copied(),
                _ => Some(self.hash()),
            };
            if let (Ok(blocks), Some(last_hash)) = (BlockRange::new(first, end), last_hash)
                && (honest || matches!(call, Call::ProposeLie))
                && last.is_none_or(|last| last.slot < slot)
            {
                let number = CheckpointNumber(block.checkpoints.len() as u64 + 1);
                let state_root = last_hash;
                block.checkpoints.push(Checkpoint {
                    number,
                    slot,
                    blocks,
                    parent_hash,
                    last_hash,
                    state_root,
                    last_timestamp: end,
                    parent_commitment: last.map_or(B256::ZERO, |last| last.commitment),
                    commitment: self.hash(),
                });
            }
        }
        if let Call::Prove { checkpoints } = call {
            block.proven = (block.proven + checkpoints as usize).min(block.checkpoints.len());
        }
        self.l1.push(block);
    }

    pub(super) fn reorg_l1(&mut self, depth: usize) {
        let depth = depth.min(FINAL_DEPTH).min(self.l1.len() - 1);
        self.l1.truncate(self.l1.len() - depth);
        (0..=depth)
            .for_each(|at| self.mine(if at == 1 { Call::Propose { blocks: 2 } } else { Call::Nothing }));
    }

    pub(super) fn reorg_l2(&mut self, depth: usize) {
        let depth = depth.min(self.l2.len() - GENESIS_BLOCK as usize - 1);
        self.l2.truncate(self.l2.len() - depth);
        self.grow_l2(depth as u64);
    }

    pub(super) fn shorten_l2(&mut self, depth: usize) {
        let depth = depth.min(self.l2.len() - GENESIS_BLOCK as usize - 1);
        self.l2.truncate(self.l2.len() - depth);
        self.grow_l2(depth.min(1) as u64);
    }

    pub(super) fn view(&self, core: &StreamCore, lag: usize) -> View {
        let at = self.l1.len().saturating_sub(1 + lag);
        let block = &self.l1[at];
        let head = |number: usize, hash: B256, parent_hash: B256, timestamp| BlockHead {
            number: number as u64,
            hash,
            parent_hash,
            state_root: B256::ZERO,
            timestamp,
        };
        let parent = |hashes: Option<B256>| hashes.unwrap_or_default();
        let tips = ContractTips {
            proven: CheckpointNumber(block.proven as u64),
            pending: CheckpointNumber(block.checkpoints.len() as u64),
        };
        let first = core.first_to_read(tips).0 as usize;
        let last = self.l2.len() - 1;
        View {
            l1: L1View {
                head: head(at, block.hash, parent(at.checked_sub(1).map(|at| self.l1[at].hash)), block.time),
                tips,
                checkpoints: block.checkpoints.iter().skip(first - 1).copied().collect(),
                finalized: at.checked_sub(FINAL_DEPTH).map(|at| CheckpointNumber(self.l1[at].proven as u64)),
            },
            l1_hashes: BTreeMap::new(),
            l2: Some(head(last, self.l2[last], self.l2[last - 1], 0)),
            l2_hashes: BTreeMap::new(),
        }
    }
}
