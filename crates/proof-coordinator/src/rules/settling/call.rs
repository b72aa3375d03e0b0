//! A call to L1, and what comes of it.

use alloy_primitives::TxHash;
use proofmill_primitives::{CheckpointNumber, ProverType};
use std::fmt;

/// Consecutive batches that go to L1 in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The first of them.
    pub first: CheckpointNumber,
    /// The last.
    pub last: CheckpointNumber,
}

impl Call {
    /// How many they are.
    pub const fn batches(&self) -> u64 {
        self.last.0.saturating_sub(self.first.0).saturating_add(1)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "batch {}", self.first);
        }
        write!(f, "batches {} to {}", self.first, self.last)
    }
}

/// A transaction that L1 included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallReceipt {
    /// The transaction.
    pub transaction: TxHash,
    /// Number of its L1 block.
    pub block: u64,
    /// Gas that it used.
    pub gas_used: u64,
    /// What it cost, in wei.
    pub fee: u128,
}

/// What a call would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Gas on L1.
    pub gas: u64,
    /// What would be offered for it at present, in wei.
    pub fee: u128,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnded {
    /// L1 has verified the batches.
    Settled(CallReceipt),
    /// Nothing was sent: it was only asked what it would take.
    Unsent(Quote),
    /// It did not do what it was to.
    Failed {
        /// Why.
        why: Why,
        /// The same for people.
        cause: String,
        /// The transaction that failed on L1, if one did: it is paid for all the same.
        spent: Option<CallReceipt>,
    },
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// L1 finds a proof not valid: that of a type, if it says which.
    InvalidProof(Option<ProverType>),
    /// L1 does not take the signatures that stand for a proof: the proof itself was not looked at.
    NotAttested,
    /// Another batch is to be verified next: a rival was first, a reorg took batches away, or a node of L1 lags.
    NotNext {
        /// That one.
        expected: CheckpointNumber,
    },
    /// The time for proofs of the batch is over.
    WindowClosed,
    /// L1 has other checkpoints: a reorg, or they were given up.
    OtherCheckpoints,
    /// The contract is paused.
    Paused,
    /// It takes more gas or bytes than a transaction may have.
    TooLarge,
    /// It was sent and not included, or another transaction took its place.
    NotIncluded,
    /// L1 refuses it for another reason.
    Refused,
    /// No account can pay for all of them.
    TooDear {
        /// For so many of them one could, roughly.
        payable: u64,
    },
    /// It was not made: L1 is away, gas is dearer than the limit, or nobody signs.
    NotMade,
}

impl Why {
    /// Whether one of several batches may be what a call failed for, or that they are several: each goes alone then. A call that was not made,
    /// or that began with another batch than L1 wants, says nothing of its batches.
    pub(super) const fn is_of_several(self) -> bool {
        !matches!(self, Self::NotMade | Self::TooDear { .. } | Self::NotNext { .. })
    }

    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidProof(_) => "invalid proof",
            Self::NotAttested => "not attested",
            Self::NotNext { .. } => "not next",
            Self::WindowClosed => "window closed",
            Self::OtherCheckpoints => "other checkpoints",
            Self::Paused => "paused",
            Self::TooLarge => "too large",
            Self::NotIncluded => "not included",
            Self::Refused => "refused",
            Self::TooDear { .. } => "too dear",
            Self::NotMade => "not made",
        }
    }
}

/// What follows from how a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Its batches are settled.
    Settled(Call, CallReceipt),
    /// Its batches would be.
    Quoted(Call, Quote),
    /// Somebody else has settled the batches up to this one, or an earlier process has.
    SettledBefore(CheckpointNumber),
    /// Its batches go one by one now.
    OneByOne {
        /// The call.
        call: Call,
        /// Why.
        why: Why,
        /// The same for people.
        cause: String,
    },
    /// It is tried again. Where its proofs are [not attested](Why::NotAttested), they are made ready for L1 anew before.
    Again {
        /// The call.
        call: Call,
        /// Why.
        why: Why,
        /// The same for people.
        cause: String,
        /// After so long.
        after: std::time::Duration,
    },
    /// A proof is refused: its evidence is kept, and it is deleted.
    Discard(Discard),
}

/// A proof that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discard {
    /// Of which batch.
    pub number: CheckpointNumber,
    /// Of which type.
    pub prover: ProverType,
    /// Why.
    pub cause: String,
    /// How often one of this batch and type was refused by now.
    pub times: u32,
    /// It is made anew after so long.
    pub after: std::time::Duration,
}
