//! What sessions go by: the checkpoints that stand, and what L1 shows.

use super::{Config, L1View, SettledEpochs, checkpoints::CheckpointStore};
use proofmill_primitives::{CheckpointNumber, Epoch, SlotClock};

/// How far the chain is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Horizon<'a> {
    pub(crate) store: &'a CheckpointStore,
    pub(crate) l1: Option<&'a L1View>,
    pub(crate) high_water: Option<Epoch>,
}

impl Horizon<'_> {
    pub(crate) fn has_expired(&self, epoch: Epoch) -> bool {
        self.high_water.is_some_and(|expired| epoch <= expired)
    }

    pub(crate) fn proven(&self) -> CheckpointNumber {
        self.l1.map_or(CheckpointNumber(0), |l1| l1.proven)
    }

    /// The first epoch that has expired and is not proven: L1 takes no proof of what follows on it.
    pub(crate) fn expired_unproven(&self) -> Option<Epoch> {
        let unproven = self.store.iter().find(|prover| prover.checkpoint.number > self.proven())?;
        Some(unproven.epoch).filter(|epoch| self.has_expired(*epoch))
    }

    /// Up to which checkpoint nothing is done any more, because the settings leave alone what others have settled.
    pub(crate) fn left_alone(&self, config: &Config) -> CheckpointNumber {
        match config.settled {
            SettledEpochs::Skip => self.settled_through(&config.clock),
            SettledEpochs::Prove | SettledEpochs::Submit => CheckpointNumber(0),
        }
    }

    /// The last checkpoint of the last epoch that is complete and settled on L1; 0 where none is.
    fn settled_through(&self, clock: &SlotClock) -> CheckpointNumber {
        let last = |epoch| self.store.of(epoch).next_back().map(|last| last.checkpoint.number);
        let epochs = self.store.epochs().take_while(|epoch| last(*epoch) <= Some(self.proven()));
        epochs.filter(|epoch| self.is_complete(clock, *epoch)).filter_map(last).last().unwrap_or_default()
    }

    /// Whether everything that L1 has is here.
    pub(crate) fn caught_up(&self) -> bool {
        self.l1.is_some_and(|l1| self.store.tip() >= Some(l1.pending))
    }

    /// Whether an epoch is complete on L1 and wholly present: a later one has begun here, or its time is over and nothing
    /// that L1 has is missing. What is here of an epoch always begins with its first checkpoint.
    pub(crate) fn is_complete(&self, clock: &SlotClock, epoch: Epoch) -> bool {
        let later = self.store.iter().next_back().is_some_and(|newest| newest.epoch > epoch);
        later || (self.caught_up() && self.l1.is_some_and(|l1| l1.time.0 >= clock.ends_at(epoch)))
    }
}
