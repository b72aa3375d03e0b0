//! Where a block stands on L1: checkpoints, slots and epochs.

use crate::BlockRange;
use alloy_primitives::B256;
use core::{fmt, num::NonZeroU64};
use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $word:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The one after it.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// The one before it, if there is one.
            pub const fn before(self) -> Option<Self> {
                match self.0.checked_sub(1) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($word, " {}"), self.0)
            }
        }
    };
}

number! {
    /// The number of a checkpoint on the rollup's contract. 0 is the genesis, which is not proven; the first is 1.
    CheckpointNumber, "checkpoint"
}
number! {
    /// An L1-defined unit of time, counted from the rollup's genesis. At most one checkpoint lands in it.
    Slot, "slot"
}
number! {
    /// A fixed number of slots, counted from the rollup's genesis: what one epoch proof covers.
    Epoch, "epoch"
}

/// How slots and epochs follow from time: constants of the rollup's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotClock {
    /// When slot 0 begins, in Unix seconds of L1 time.
    pub genesis: u64,
    /// The length of a slot in seconds.
    pub slot_seconds: NonZeroU64,
    /// The length of an epoch in slots.
    pub epoch_slots: NonZeroU64,
    /// The proof submission window: for how many epochs after its own end an epoch's proof is accepted.
    pub window_epochs: NonZeroU64,
}

impl SlotClock {
    /// The slot at a time of L1; slot 0 before the genesis.
    pub const fn slot_at(&self, unix_seconds: u64) -> Slot {
        Slot(unix_seconds.saturating_sub(self.genesis) / self.slot_seconds.get())
    }

    /// The epoch of a slot.
    pub const fn epoch_of(&self, slot: Slot) -> Epoch {
        Epoch(slot.0 / self.epoch_slots.get())
    }

    /// The first slot of an epoch.
    pub const fn first_slot(&self, epoch: Epoch) -> Slot {
        Slot(epoch.0.saturating_mul(self.epoch_slots.get()))
    }

    /// When an epoch has ended, in Unix seconds of L1 time: from then on no checkpoint lands in it.
    pub const fn ends_at(&self, epoch: Epoch) -> u64 {
        let slots = epoch.0.saturating_add(1).saturating_mul(self.epoch_slots.get());
        self.genesis.saturating_add(slots.saturating_mul(self.slot_seconds.get()))
    }

    /// When the proof submission window of an epoch closes, in Unix seconds of L1 time: from then on its proof is refused.
    pub const fn deadline(&self, epoch: Epoch) -> u64 {
        self.ends_at(Epoch(epoch.0.saturating_add(self.window_epochs.get())))
    }
}

/// A contiguous range of L2 blocks, as its proposer committed to it on L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Its number on the rollup's contract.
    pub number: CheckpointNumber,
    /// The slot that it landed in.
    pub slot: Slot,
    /// Its blocks.
    pub blocks: BlockRange,
    /// Hash of the block before its first.
    pub parent_hash: B256,
    /// Hash of its last block.
    pub last_hash: B256,
    /// State root after its last block.
    pub state_root: B256,
    /// Time of its last block, in Unix seconds.
    pub last_timestamp: u64,
    /// The rollup's commitment to all checkpoints before it.
    pub parent_commitment: B256,
    /// The rollup's commitment to all checkpoints up to it.
    pub commitment: B256,
}

impl Checkpoint {
    /// What tells this checkpoint from another with the same number: a branch of a reorg has another state root.
    pub const fn id(&self) -> CheckpointId {
        CheckpointId {
            number: self.number,
            slot: self.slot,
            state_root: self.state_root,
            last_hash: self.last_hash,
            commitment: self.commitment,
        }
    }
}

/// The identity of a checkpoint's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CheckpointId {
    /// Its number.
    pub number: CheckpointNumber,
    /// Its slot.
    pub slot: Slot,
    /// State root after its last block.
    pub state_root: B256,
    /// Hash of its last block: two branches may end in one state.
    pub last_hash: B256,
    /// The rollup's commitment up to it: what else it claims, and what it follows on.
    pub commitment: B256,
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn clock() -> SlotClock {
        let (Some(slot_seconds), Some(epoch_slots), Some(window_epochs)) =
            (NonZeroU64::new(12), NonZeroU64::new(4), NonZeroU64::new(2))
        else {
            panic!("not zero")
        };
        SlotClock { genesis: 1_000, slot_seconds, epoch_slots, window_epochs }
    }

    #[test]
    fn slots_and_epochs_follow_from_time() {
        let clock = clock();
        assert_eq!(clock.slot_at(0), Slot(0));
        assert_eq!(clock.slot_at(1_011), Slot(0));
        assert_eq!(clock.slot_at(1_012), Slot(1));
        assert_eq!(clock.epoch_of(Slot(3)), Epoch(0));
        assert_eq!(clock.epoch_of(Slot(4)), Epoch(1));
        assert_eq!(clock.first_slot(Epoch(2)), Slot(8));
    }

    #[test]
    fn the_window_closes_whole_epochs_after_the_epoch() {
        let clock = clock();
        assert_eq!(clock.ends_at(Epoch(0)), 1_048);
        assert_eq!(clock.deadline(Epoch(0)), 1_048 + 2 * 48);
        assert_eq!(clock.deadline(Epoch(u64::MAX)), u64::MAX);
    }
}
