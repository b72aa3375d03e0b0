//! Epoch sessions: the effort to prove one epoch, or the part of it that is there.

use super::{
    Change, EpochSpec, Estimate, ProofLevel, Receipt, Time,
    checkpoints::CheckpointStore,
    event::number,
    prover::{CheckpointProver, Instance},
    top_tree::TopTree,
    turn::Turn,
};
use alloy_primitives::B256;
use proofmill_primitives::{Checkpoint, CheckpointNumber, Epoch, ProverType, Slot, SlotClock};
use serde::{Deserialize, Serialize};
use std::{fmt, ops::RangeInclusive};

number! {
    /// A session. Never used twice in a run of the node.
    SessionId
}

/// How much of an epoch a session proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionKind {
    /// All of it. Opened when the epoch is complete on L1.
    Full,
    /// What was there when somebody asked.
    Partial,
}

impl SessionKind {
    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
        }
    }
}

impl fmt::Display for SessionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a session is to prove: the checkpoints of an epoch from its first slot to a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionSpec {
    /// The epoch.
    pub epoch: Epoch,
    /// All of it, or not.
    pub kind: SessionKind,
    /// The epoch's first slot.
    pub from: Slot,
    /// The last slot of the epoch, or for a partial session the slot of the last checkpoint when it was asked for.
    pub to: Slot,
}

impl SessionSpec {
    /// All of an epoch.
    pub const fn full(clock: &SlotClock, epoch: Epoch) -> Self {
        let from = clock.first_slot(epoch);
        let to = Slot(from.0.saturating_add(clock.epoch_slots.get() - 1));
        Self { epoch, kind: SessionKind::Full, from, to }
    }

    /// An epoch up to a slot.
    pub const fn partial(clock: &SlotClock, epoch: Epoch, to: Slot) -> Self {
        Self { epoch, kind: SessionKind::Partial, from: clock.first_slot(epoch), to }
    }

    /// Its slots.
    pub const fn slots(&self) -> RangeInclusive<Slot> {
        self.from..=self.to
    }
}

/// Where a session stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    /// Made, and nothing asked for yet.
    Initialized,
    /// Range proofs are missing.
    AwaitingCheckpoints,
    /// All range proofs are there; an epoch proof is missing.
    AwaitingRoot,
    /// A candidate waits to be published, or is being published.
    Publishing,
    /// L1 has the proof.
    Completed {
        /// The submission; absent where an earlier one had come through unnoticed.
        receipt: Option<Receipt>,
    },
    /// It has its proof, which L1 would accept; the settings say that nothing is sent.
    Unsent(Estimate),
    /// L1 has more already.
    Superseded {
        /// The proven tip.
        proven: CheckpointNumber,
    },
    /// It had stopped, and the window of its epoch closed before it came back.
    Failed {
        /// Why it had stopped.
        cause: String,
    },
    /// It cannot go on now. Another session for the same is opened when it can.
    Stopped {
        /// Whose fault it is.
        by: StoppedBy,
        /// Why.
        cause: String,
    },
    /// The window of its epoch closed.
    TimedOut,
    /// Not wanted any more.
    Cancelled {
        /// Why.
        why: Cancelled,
    },
}

/// What stopped a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoppedBy {
    /// A checkpoint prover under it. The next session opens when that has come back.
    Checkpoint {
        /// Which checkpoint.
        number: CheckpointNumber,
    },
    /// Its own aggregation or submission.
    Itself {
        /// When the next session opens.
        until: Time,
    },
}

/// Why a session was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cancelled {
    /// Its checkpoints were pruned or replaced, or others came in its slots.
    Moved,
    /// The node stops.
    Stopping,
}

/// The name of [`SessionState::Stopped`].
const STOPPED: &str = "stopped";

impl SessionState {
    /// Whether something is still to be done for it.
    pub const fn is_live(&self) -> bool {
        self.is_proving() || matches!(self, Self::Publishing)
    }

    /// Whether its proof is not made yet.
    pub const fn is_proving(&self) -> bool {
        matches!(self, Self::Initialized | Self::AwaitingCheckpoints | Self::AwaitingRoot)
    }

    /// Whether another session for the same content would come to the same end, so that none is opened.
    const fn is_verdict(&self) -> bool {
        matches!(
            self,
            Self::Completed { .. }
                | Self::Unsent(_)
                | Self::Superseded { .. }
                | Self::Failed { .. }
                | Self::TimedOut
        )
    }

    /// The names of the states from which a session still comes into others by itself, and of stopped.
    pub const LIVE: [&'static str; 5] = [
        Self::Initialized.name(),
        Self::AwaitingCheckpoints.name(),
        Self::AwaitingRoot.name(),
        Self::Publishing.name(),
        STOPPED,
    ];

    /// The name in logs, metrics and tables.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Initialized => "initialized",
            Self::AwaitingCheckpoints => "awaiting checkpoints",
            Self::AwaitingRoot => "awaiting root",
            Self::Publishing => "publishing",
            Self::Completed { .. } => "completed",
            Self::Unsent(_) => "unsent",
            Self::Superseded { .. } => "superseded",
            Self::Failed { .. } => "failed",
            Self::Stopped { .. } => STOPPED,
            Self::TimedOut => "timed out",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

/// One checkpoint of a session, as it was when the session was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) instance: Instance,
}

impl Member {
    const fn of(prover: &CheckpointProver) -> Self {
        Self { checkpoint: prover.checkpoint, instance: prover.instance }
    }
}

/// What a session's proof is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its first checkpoint.
    pub first: CheckpointNumber,
    /// Its last.
    pub last: CheckpointNumber,
    /// Their blocks, and where each of them ends.
    pub spec: EpochSpec,
    /// State root after the last block.
    pub state_root: B256,
}

/// Whether an ended session keeps another one for the same content from being opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Stands,
    /// L1 lost what was published.
    Lifted,
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) spec: SessionSpec,
    pub(crate) members: Vec<Member>,
    pub(crate) span: Span,
    pub(crate) tree: TopTree,
    pub(crate) state: SessionState,
    /// When it came into each state, this one last.
    pub(crate) history: Vec<(Time, SessionState)>,
    pub(crate) standing: Standing,
}

impl Session {
    /// A session over what stands in its slots; nothing where nothing does.
    pub(crate) fn new(
        turn: &mut Turn<'_>,
        id: SessionId,
        spec: SessionSpec,
        store: &CheckpointStore,
    ) -> Option<Self> {
        let members: Vec<_> = store.within(spec.slots()).map(Member::of).collect();
        let (first, last) = (&members.first()?.checkpoint, &members.last()?.checkpoint);
        let span = Span {
            first: first.number,
            last: last.number,
            spec: EpochSpec::spanning(first, last)?,
            state_root: last.state_root,
        };
        let tree = TopTree::new(turn.now, &turn.desk.config.provers);
        let (state, standing) = (SessionState::Initialized, Standing::Stands);
        let mut session = Self { id, spec, members, span, tree, state, history: Vec::new(), standing };
        session.enter(turn, SessionState::Initialized);
        Some(session)
    }

    /// Whether what stands in its slots is what it was made for.
    pub(crate) fn is_current(&self, store: &CheckpointStore) -> bool {
        // An instance is of one content, and of one prover for it.
        let here = store.within(self.spec.slots()).map(|prover| prover.instance);
        here.eq(self.members.iter().map(|member| member.instance))
    }

    /// Whether it proves, proved or failed to prove what a new session for this content would.
    pub(crate) fn speaks_for(&self, spec: &SessionSpec, store: &CheckpointStore) -> bool {
        self.spec == *spec && (self.is_last_word(store) || (self.state.is_live() && self.is_current(store)))
    }

    /// Whether it ended in a way that keeps its content from being proven again.
    pub(crate) fn is_last_word(&self, store: &CheckpointStore) -> bool {
        self.state.is_verdict() && self.standing == Standing::Stands && self.is_current(store)
    }

    /// The checkpoint prover under it that failed, if one did.
    pub(crate) fn failed_under<'s>(&self, store: &'s CheckpointStore) -> Option<&'s CheckpointProver> {
        store.within(self.spec.slots()).find(|prover| prover.failure().is_some())
    }

    /// Goes into a state, if it is not in it, and says so.
    pub(crate) fn enter(&mut self, turn: &mut Turn<'_>, state: SessionState) {
        if !self.history.is_empty() && self.state == state {
            return;
        }
        self.state = state.clone();
        self.history.push((turn.now, state.clone()));
        turn.report(Change::Session { session: self.id, spec: self.spec, state });
    }

    /// What is told of its epoch proof of one type, which is removed.
    pub(crate) const fn discarded(&self, prover: ProverType, cause: String) -> Change {
        let (epoch, level) = (self.spec.epoch, ProofLevel::Epoch);
        Change::ProofDiscarded { epoch, prover, level, range: self.span.spec.range, cause }
    }

    /// When it came into its present state.
    pub(crate) fn since(&self) -> Time {
        self.history.last().map_or(Time::default(), |(at, _)| *at)
    }
}
