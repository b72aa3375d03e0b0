//! The rules of the stream: what was read of the chains in, the next event out. No I/O, no clock.

use super::{
    status::Waiting,
    tips::{BlockRef, StreamTips},
    view::{L1View, Looked, View},
};
use crate::{BlockHead, ChainEvent, ContractTips, PruneCause};
use proofmill_primitives::{BlockRange, Checkpoint, CheckpointNumber, Epoch, SlotClock};

/// Compares what the handler was told with what the chains are, and says what to tell it next.
#[derive(Clone, Debug)]
pub(crate) struct StreamCore {
    clock: SlotClock,
    /// The L2 block that the first checkpoint follows on.
    genesis: BlockRef,
    /// None until L1 was read for the first time.
    tips: Option<StreamTips>,
    offered: Option<Offer>,
}

/// An event that waits to be acknowledged, and what the acknowledgement changes besides.
#[derive(Clone, Debug)]
enum Offer {
    Checkpointed(Checkpoint),
    Pruned {
        to: CheckpointNumber,
        cause: PruneCause,
    },
    /// L1 fell back behind where the stream began, or has something else there: it begins anew.
    Restarted {
        base: CheckpointNumber,
        before: BlockRef,
    },
    Proven {
        checkpoint: CheckpointNumber,
        epoch: Epoch,
    },
    Finalized {
        checkpoint: CheckpointNumber,
    },
    BlocksAdded {
        blocks: BlockRange,
        last: BlockRef,
    },
}

impl Offer {
    fn event(&self) -> ChainEvent {
        match *self {
            Self::Checkpointed(checkpoint) => ChainEvent::Checkpointed(checkpoint),
            Self::Pruned { to, cause } => ChainEvent::Pruned { to, cause },
            Self::Restarted { base, .. } => {
                ChainEvent::Pruned { to: base.before().unwrap_or_default(), cause: PruneCause::L1Reorg }
            }
            Self::Proven { checkpoint, epoch } => ChainEvent::Proven { checkpoint, epoch },
            Self::Finalized { checkpoint } => ChainEvent::Finalized { checkpoint },
            Self::BlocksAdded { blocks, .. } => ChainEvent::BlocksAdded { blocks },
        }
    }
}

/// What to do when there is nothing to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instead {
    /// Look up the hash of this L1 block, then ask again.
    LookUpL1(u64),
    /// Look up the hash of this L2 block, then ask again.
    LookUpL2(u64),
    /// Wait until the chains have moved.
    Wait(Waiting),
}

impl StreamCore {
    pub(crate) const fn new(clock: SlotClock, genesis: BlockRef, tips: Option<StreamTips>) -> Self {
        Self { clock, genesis, tips, offered: None }
    }

    pub(crate) const fn tips(&self) -> Option<&StreamTips> {
        self.tips.as_ref()
    }

    /// Whether an event was told and not acknowledged.
    pub(crate) const fn is_offering(&self) -> bool {
        self.offered.is_some()
    }

    /// The first checkpoint that is needed of a contract with these tips: where the epoch of the proven tip may begin (it
    /// has at most one checkpoint a slot), or where the stream began; and the one before, whose last block is the parent.
    pub(crate) fn first_to_read(&self, contract: ContractTips) -> CheckpointNumber {
        let epoch = contract.proven.0.saturating_sub(self.clock.epoch_slots.get());
        let base = self.tips.as_ref().map_or(epoch, |tips| tips.base.0.saturating_sub(1).min(epoch));
        CheckpointNumber(base.max(1))
    }

    /// What is to be told next, as far as this view goes. It is told until it is acknowledged, or no longer true.
    pub(crate) fn step(&mut self, view: &View) -> Result<ChainEvent, Instead> {
        self.offered = None;
        let offer = self.decide(view)?;
        let event = offer.event();
        self.offered = Some(offer);
        Ok(event)
    }

    /// The handler has done what the offered event asks for.
    pub(crate) fn acknowledge(&mut self) {
        let (Some(offer), Some(tips)) = (self.offered.take(), &mut self.tips) else { return };
        match offer {
            Offer::Checkpointed(checkpoint) => tips.checkpoints.push(checkpoint),
            Offer::Pruned { to, .. } => tips.checkpoints.retain(|checkpoint| checkpoint.number <= to),
            Offer::Restarted { base, before } => {
                tips.checkpoints.clear();
                tips.l2.clear();
                tips.base = base;
                tips.before = before;
            }
            Offer::Proven { checkpoint, .. } => tips.proven = checkpoint,
            Offer::Finalized { checkpoint } => {
                tips.finalized = checkpoint;
                tips.drop_final(&self.clock);
            }
            Offer::BlocksAdded { blocks, last } => tips.add_block(blocks.first(), last),
        }
    }

    /// The next event; or what to do instead.
    fn decide(&mut self, view: &View) -> Result<Offer, Instead> {
        let cause = self.l1_cause(view)?;
        if self.tips.is_none() {
            let base = self.beginning(&view.l1);
            let before = self.block_before(base, &view.l1);
            self.tips = Some(StreamTips::starting_at(base, before));
        }
        if let Some(offer) = self.taken_by_l1(view, cause) {
            return Ok(offer);
        }
        let clock = self.clock;
        let Some(tips) = &mut self.tips else { return Err(Instead::Wait(Waiting::Nothing)) };
        // Everything that this block of L1 took away is told.
        tips.l1 = Some((&view.l1.head).into());
        let tips = &*tips;
        let l2 = view.l2.as_ref();
        if let Some(head) = l2
            && let Some(offer) = pruned_by_l2(tips, view, head)?
        {
            return Ok(offer);
        }
        if view.l1.tips.proven != tips.proven {
            return Ok(proven(&clock, view, view.l1.tips.proven));
        }
        if let Some(checkpoint) = view.l1.finalized.filter(|checkpoint| *checkpoint > tips.finalized) {
            return Ok(Offer::Finalized { checkpoint });
        }
        let Some(head) = l2 else { return Err(Instead::Wait(Waiting::L2Away)) };
        // A node that lags, or a branch that is not as long yet. Either will come this far, but a rollup where nothing
        // happens may stay on a shorter branch for long, so that a checkpoint on it does not wait: its blocks are told.
        let lags = tips.last_block().filter(|seen| *seen > head.number);
        let next = checkpointed(tips, view, head)?;
        match (next, lags) {
            (Next::Wait(Waiting::Nothing), Some(seen)) => {
                return Err(Instead::Wait(Waiting::L2Lags { head: head.number, seen }));
            }
            (Next::Wait(waiting), Some(_)) => return Err(Instead::Wait(waiting)),
            _ => {}
        }
        if let Some(offer) = blocks_added(tips, view, head)? {
            return Ok(offer);
        }
        Err(match next {
            Next::Tell(checkpoint) => return Ok(Offer::Checkpointed(checkpoint)),
            Next::Wait(waiting) => Instead::Wait(waiting),
        })
    }

    /// Why something is gone that was on L1: because it moved to another branch, or by what happened on this one.
    fn l1_cause(&self, view: &View) -> Result<PruneCause, Instead> {
        let Some(seen) = self.tips.as_ref().and_then(|tips| tips.l1) else {
            return Ok(PruneCause::L1Reorg);
        };
        match view.l1_hash(seen.number) {
            // A node that lags, or another branch that is not as long yet. Either will come this far.
            _ if view.l1.head.number < seen.number => {
                Err(Instead::Wait(Waiting::L1Behind { head: view.l1.head.number, seen: seen.number }))
            }
            Looked::Unknown => Err(Instead::LookUpL1(seen.number)),
            Looked::Is(hash) if hash == seen.hash => Ok(PruneCause::WindowClosed),
            Looked::Is(_) | Looked::Missing => Ok(PruneCause::L1Reorg),
        }
    }

    /// Where a stream begins: with the first checkpoint of the first epoch that is not fully proven.
    fn beginning(&self, l1: &L1View) -> CheckpointNumber {
        let proven = l1.tips.proven;
        let epoch_of = |checkpoint: &Checkpoint| self.clock.epoch_of(checkpoint.slot);
        match (l1.checkpoint(proven).map(epoch_of), l1.checkpoint(proven.next()).map(epoch_of)) {
            (None, _) => proven.next(),
            (Some(last), Some(next)) if last != next => proven.next(),
            (Some(last), None) if l1.head.timestamp >= self.clock.ends_at(last) => proven.next(),
            (Some(last), _) => l1
                .checkpoints
                .iter()
                .find(|checkpoint| epoch_of(checkpoint) == last)
                .map_or(proven.next(), |checkpoint| checkpoint.number),
        }
    }

    /// The last block before a checkpoint, as L1 has it.
    fn block_before(&self, checkpoint: CheckpointNumber, l1: &L1View) -> BlockRef {
        let before = checkpoint.before().and_then(|before| l1.checkpoint(before));
        before
            .map_or(self.genesis, |before| BlockRef { number: before.blocks.last(), hash: before.last_hash })
    }

    /// What was told, and is no longer on L1. The proven tip falls back first, so that nothing is pruned that counts as
    /// proven.
    fn taken_by_l1(&self, view: &View, cause: PruneCause) -> Option<Offer> {
        let tips = self.tips.as_ref()?;
        // Without a reorg, where a stream would begin only goes forward.
        let beginning = self.beginning(&view.l1);
        let moved = self.block_before(tips.base, &view.l1) != tips.before;
        let pruned = if beginning < tips.base || moved {
            // No later than before: what was told from there on is void.
            let base = beginning.min(tips.base);
            Some((base, Offer::Restarted { base, before: self.block_before(base, &view.l1) }))
        } else {
            let gone = |checkpoint: &&Checkpoint| view.l1.checkpoint(checkpoint.number) != Some(*checkpoint);
            tips.checkpoints.iter().find(gone).map(|first| {
                let to = first.number.before().unwrap_or_default();
                (first.number, Offer::Pruned { to, cause })
            })
        };
        let stands = pruned.as_ref().and_then(|(first_gone, _)| first_gone.before());
        let stands = stands.map_or(view.l1.tips.proven, |stands| stands.min(view.l1.tips.proven));
        if stands < tips.proven {
            return Some(proven(&self.clock, view, stands));
        }
        pruned.map(|(_, offer)| offer)
    }
}

fn proven(clock: &SlotClock, view: &View, checkpoint: CheckpointNumber) -> Offer {
    // The genesis is in slot 0.
    let slot = view.l1.checkpoint(checkpoint).map(|checkpoint| checkpoint.slot);
    Offer::Proven { checkpoint, epoch: clock.epoch_of(slot.unwrap_or_default()) }
}

/// Unproven checkpoints whose blocks the L2 node no longer has. What is proven stands, whatever L2 says.
fn pruned_by_l2(tips: &StreamTips, view: &View, head: &BlockHead) -> Result<Option<Offer>, Instead> {
    let unproven = tips
        .checkpoints
        .iter()
        .rev()
        .take_while(|checkpoint| checkpoint.number > view.l1.tips.proven)
        // Of those whose blocks a lagging node has not reached nothing can be said.
        .filter(|checkpoint| checkpoint.blocks.last() <= head.number);
    let mut void = None;
    for checkpoint in unproven {
        match view.l2_hash(head, checkpoint.blocks.last()) {
            Looked::Unknown => return Err(Instead::LookUpL2(checkpoint.blocks.last())),
            // Hashes chain: if this one is right, so are those before it.
            Looked::Is(hash) if hash == checkpoint.last_hash => break,
            Looked::Is(_) => void = Some(checkpoint.number),
            Looked::Missing => break,
        }
    }
    Ok(void.map(|first| Offer::Pruned { to: first.before().unwrap_or_default(), cause: PruneCause::L2Reorg }))
}

/// The blocks after those that were told, which are not beyond the head; after a reorg, those after the last one that both branches have.
fn blocks_added(tips: &StreamTips, view: &View, head: &BlockHead) -> Result<Option<Offer>, Instead> {
    let mut known: Vec<BlockRef> = tips.l2.clone();
    known.extend(
        tips.checkpoints
            .iter()
            .map(|checkpoint| BlockRef { number: checkpoint.blocks.last(), hash: checkpoint.last_hash }),
    );
    known.retain(|block| tips.last_block().is_some_and(|last| block.number <= last));
    known.sort_unstable_by_key(|block| std::cmp::Reverse(block.number));
    let mut first = tips.before.number.saturating_add(1);
    for block in known {
        match view.l2_hash(head, block.number) {
            Looked::Unknown => return Err(Instead::LookUpL2(block.number)),
            Looked::Is(hash) if hash == block.hash => {
                first = block.number.saturating_add(1);
                break;
            }
            Looked::Is(_) | Looked::Missing => {}
        }
    }
    let blocks = BlockRange::new(first, head.number).ok();
    Ok(blocks.map(|blocks| Offer::BlocksAdded { blocks, last: head.into() }))
}

#[derive(Clone, Copy, Debug)]
enum Next {
    Tell(Checkpoint),
    Wait(Waiting),
}

/// The checkpoint after those that were told, once the L2 node has its blocks.
fn checkpointed(tips: &StreamTips, view: &View, head: &BlockHead) -> Result<Next, Instead> {
    let next = view.l1.checkpoint(tips.checkpointed().next());
    // With nothing to tell it is worth knowing whether the node has what is proven.
    let Some(checkpoint) = next.or(tips.checkpoints.last()) else { return Ok(Next::Wait(Waiting::Nothing)) };
    let block = checkpoint.blocks.last();
    let behind = Waiting::L2Behind { checkpoint: checkpoint.number, block, head: head.number };
    Ok(match view.l2_hash(head, block) {
        Looked::Unknown => return Err(Instead::LookUpL2(block)),
        Looked::Missing => Next::Wait(behind),
        Looked::Is(got) if got != checkpoint.last_hash => Next::Wait(Waiting::L2Differs {
            checkpoint: checkpoint.number,
            block,
            expected: checkpoint.last_hash,
            got,
        }),
        Looked::Is(_) if next.is_some() => Next::Tell(*checkpoint),
        Looked::Is(_) => Next::Wait(Waiting::Nothing),
    })
}
