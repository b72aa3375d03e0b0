//! What the rules are told, and what they refuse.

use super::{
    JobError, JobNote, L1Time, PruneOutcome, PublishOutcome, RangeDone, RootDone, RootError, SessionId,
    SplitPoint, Time,
};
use proofmill_chain::PruneCause;
use proofmill_primitives::{BlockRange, Checkpoint, CheckpointNumber, Epoch, Slot};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}
pub(crate) use number;

number! {
    /// One piece of work that the rules asked for. Never used twice in a run of the node.
    JobId
}
number! {
    /// One turn of the publishing service: reads the proven tip, then publishes at most one candidate; or prunes.
    Pass
}

/// A block of L1 may be so much younger than this machine's clock says.
const AHEAD: Duration = Duration::from_secs(600);

/// What L1 shows at one of its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct L1View {
    /// The block's timestamp.
    pub time: L1Time,
    /// The newest checkpoint; 0 where there is none.
    pub pending: CheckpointNumber,
    /// The proven tip; 0 where nothing is proven.
    pub proven: CheckpointNumber,
    /// Seconds by which pauses of the rollup make the window of the oldest unproven epoch close later. Those of younger epochs
    /// may close before that, which L1 then says.
    pub paused: u64,
    /// When that window closes, or closed, pauses included; nothing where everything is proven.
    pub closes: Option<L1Time>,
}

impl L1View {
    /// The time that counts for windows: without pauses.
    pub const fn counted(&self) -> L1Time {
        L1Time(self.time.0.saturating_sub(self.paused))
    }

    /// By how much the block's time is ahead of this machine's clock, where that is more than two clocks differ by. Nothing
    /// expires by such a block: what has expired does not come back.
    pub(crate) fn is_ahead_of(&self, now: Time) -> Option<Duration> {
        let ahead = Duration::from_secs(self.time.0).checked_sub(Duration::from_millis(now.as_millis()))?;
        (ahead > AHEAD).then_some(ahead)
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A chain stream begins, at the start or anew. Its first checkpoint, and nothing else, says from where on this node
    /// keeps a record: it is the first of the first epoch that is not fully proven.
    Began {
        /// What L1 shows.
        l1: L1View,
    },
    /// A checkpoint landed. Told again after a failure: the same one twice is one.
    Checkpointed(Checkpoint),
    /// Every checkpoint above `to` is void.
    Pruned {
        /// The last that stands.
        to: CheckpointNumber,
        /// Why.
        cause: PruneCause,
    },
    /// L1's proven tip moved, forward or, by a reorg, back.
    Proven {
        /// Where it is.
        checkpoint: CheckpointNumber,
    },
    /// No reorg takes back the proof up to this checkpoint.
    Finalized {
        /// The finalized proven tip.
        checkpoint: CheckpointNumber,
    },
    /// L2 has new blocks.
    BlocksAdded {
        /// Which.
        blocks: BlockRange,
    },
    /// L1 was looked at.
    L1Seen(L1View),
    /// L1 could not be looked at.
    L1Lost {
        /// Why.
        cause: String,
    },
    /// What keeps chain events from coming changed; nothing when all is well.
    StreamTrouble {
        /// Why, and the remedy.
        cause: Option<String>,
    },
    /// What came of an [`Action::Prove`](super::Action::Prove), or why the split of an
    /// [`Action::FindSplit`](super::Action::FindSplit) was not found.
    RangeEnded {
        /// The work.
        job: JobId,
        /// A proof, which lies in the proof store, or why there is none.
        result: Result<RangeDone, JobError>,
    },
    /// Where a range is to be split: found now, or decided before a restart and found in the proof store.
    RangeSplit {
        /// The work.
        job: JobId,
        /// Where.
        split: SplitPoint,
    },
    /// What came of an [`Action::Aggregate`](super::Action::Aggregate).
    RootEnded {
        /// The work.
        job: JobId,
        /// An epoch proof, which lies in the proof store, or why there is none.
        result: Result<RootDone, RootError>,
    },
    /// A job has come further, or is held up.
    JobNoted {
        /// The work.
        job: JobId,
        /// What is new.
        note: JobNote,
    },
    /// What came of an [`Action::ReadTip`](super::Action::ReadTip).
    TipRead {
        /// For which pass.
        pass: Pass,
        /// What L1 shows now, or why that cannot be known.
        tip: Result<L1View, String>,
    },
    /// What came of an [`Action::Publish`](super::Action::Publish).
    PublishEnded {
        /// Of which pass.
        pass: Pass,
        /// What L1 said.
        outcome: PublishOutcome,
    },
    /// What came of an [`Action::Prune`](super::Action::Prune).
    PruneEnded {
        /// Of which pass.
        pass: Pass,
        /// What L1 said.
        outcome: PruneOutcome,
    },
    /// An operator asks to try the stopped and failed checkpoints and sessions of an epoch again.
    Retry {
        /// Which.
        epoch: Epoch,
    },
    /// Time passed. Due at least once a second.
    Tick,
    /// The node stops: sessions end, nothing new is published. A publish in flight runs to its end.
    StopSessions,
    /// The checkpoint provers end too.
    StopProvers,
}

/// Why an event or a request was not accepted. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refused {
    /// Nothing is known of the chain yet.
    #[error("L1 has not been read yet: try again in a moment")]
    NotBegun,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
    /// Checkpoints were left out.
    #[error("checkpoint {got} came where {expected} was due: the chain stream must begin anew")]
    Gap {
        /// The one that was due.
        expected: CheckpointNumber,
        /// The one that came.
        got: CheckpointNumber,
    },
    /// A checkpoint does not follow on the one before it.
    #[error(
        "checkpoint {number} does not follow on the one before it ({what}): the chain stream must begin anew"
    )]
    Broken {
        /// Which.
        number: CheckpointNumber,
        /// What does not fit.
        what: Link,
    },
    /// Reorged below what is kept here.
    #[error(
        "everything above checkpoint {to} is void, and what is kept here begins at {base}: the chain stream must begin anew"
    )]
    BelowBase {
        /// The last that stands.
        to: CheckpointNumber,
        /// Where the record begins.
        base: CheckpointNumber,
    },
    /// The window has closed.
    #[error("{epoch:?} has expired: L1 no longer accepts its proof")]
    Expired {
        /// Which.
        epoch: Epoch,
    },
    /// An epoch before it has expired unproven.
    #[error(
        "L1 takes no proof of {epoch:?}: {expired:?} before it expired unproven, and what follows becomes void"
    )]
    Behind {
        /// Which.
        epoch: Epoch,
        /// The one that expired.
        expired: Epoch,
    },
    /// There is nothing to prove.
    #[error("{epoch:?} has no checkpoint yet, or none that is not settled: ask again when one has landed")]
    NoCheckpoints {
        /// Which.
        epoch: Epoch,
    },
    /// A checkpoint cannot be proven.
    #[error("checkpoint {checkpoint} could not be proven ({cause}): mend that, then ask to retry the epoch")]
    CheckpointFailed {
        /// Which.
        checkpoint: CheckpointNumber,
        /// Why.
        cause: String,
    },
    /// L1 has the proof.
    #[error("{epoch:?} is proven on L1 up to checkpoint {through}: there is nothing to add")]
    AlreadyProven {
        /// Which.
        epoch: Epoch,
        /// How far.
        through: CheckpointNumber,
    },
    /// There is nothing that would be tried again.
    #[error(
        "nothing of {epoch:?} has stopped or failed: it is being proven, or waits for what `status` says, and what fails on the way is tried \
         again by itself"
    )]
    NothingStopped {
        /// Which.
        epoch: Epoch,
    },
    /// Too much is being proven.
    #[error(
        "{live} sessions are being proven, the most allowed: wait for one to end, or raise max_pending_jobs"
    )]
    TooManySessions {
        /// How many.
        live: usize,
    },
}

/// What two neighbouring checkpoints must agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Link {
    /// Slots go up.
    Slot {
        /// The slot before.
        before: Slot,
    },
    /// Blocks go on without a gap.
    Blocks {
        /// The last block before.
        before: u64,
    },
    /// The parent hash is the hash of the last block before.
    ParentHash,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot { before } => write!(f, "its slot is not after {before:?}"),
            Self::Blocks { before } => write!(f, "its first block does not follow on block {before}"),
            Self::ParentHash => f.write_str("its parent hash is another"),
        }
    }
}

/// The answer to a request for a proof of what there is of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Started {
    /// A session was opened.
    Opened(SessionId),
    /// A session for the same was running.
    Joined(SessionId),
}
