//! What an operator sees: a copy of the state at one moment.

use super::{
    Candidate, CheckpointState, Config, Entry, Hindrance, L1View, Piece, PieceState, PublishStep, Receipt,
    Root, RootState, SessionId, SessionSpec, SessionState, Span, Time, Track,
    horizon::Horizon,
    node::{Node, NodeState, Phase},
    session::{Session, StoppedBy},
};
use proofmill_primitives::{Checkpoint, CheckpointNumber, Epoch, ProverType};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, num::NonZeroU64, time::Duration};

/// The state of a prover node at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When.
    pub at: Time,
    /// Whether it follows the chain.
    pub phase: NodePhase,
    /// What L1 showed last.
    pub l1: Option<L1View>,
    /// When that was.
    pub l1_seen: Option<Time>,
    /// No reorg takes back the proof up to this checkpoint.
    pub finalized: Option<CheckpointNumber>,
    /// The newest block of L2.
    pub newest_block: Option<u64>,
    /// The last epoch that has expired.
    pub high_water: Option<Epoch>,
    /// Epochs with checkpoints that are not settled.
    pub epochs: Vec<EpochStatus>,
    /// The checkpoints that stand, from the first that is not settled on.
    pub checkpoints: Vec<CheckpointStatus>,
    /// Sessions that live, and those that ended and are remembered, oldest first.
    pub sessions: Vec<SessionStatus>,
    /// Epoch proofs that wait for their turn on L1.
    pub candidates: Vec<Candidate>,
    /// What the publishing service is doing.
    pub publishing: PublishStep,
    /// The proofs that were discarded last: they did not hold, or were refused.
    pub discarded: Vec<Entry>,
    /// The most instructions that a range of each type may take now.
    #[serde(default)]
    pub cycle_limits: BTreeMap<ProverType, NonZeroU64>,
    /// What keeps something from going on, with its cause.
    pub problems: Vec<Problem>,
}

/// Where the node is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodePhase {
    /// L1's state is being read.
    Starting,
    /// It follows the chain.
    Following,
    /// It was told to stop.
    Stopping,
}

/// One epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochStatus {
    /// Which.
    pub epoch: Epoch,
    /// Its first checkpoint here.
    pub first: CheckpointNumber,
    /// Its last so far.
    pub last: CheckpointNumber,
    /// Where it is.
    pub stage: EpochStage,
    /// Why it has no session, where it has ended and should have one.
    pub waits: Option<Hindrance>,
    /// When it ends, in Unix seconds of L1 time.
    pub ends_at: u64,
    /// When its proof submission window closes, in Unix seconds of L1 time.
    pub deadline: u64,
}

/// Where an epoch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EpochStage {
    /// Checkpoints may still land in it.
    Running,
    /// It has ended, and not all that is here of it is proven on L1.
    Ended,
    /// All that is here of it is proven on L1.
    Proven,
    /// Its window closed before it was proven.
    Expired,
}

/// One checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointStatus {
    /// As L1 has it.
    pub checkpoint: Checkpoint,
    /// Its epoch.
    pub epoch: Epoch,
    /// When it was added here.
    pub added: Time,
    /// Where its prover stands.
    pub state: CheckpointState,
    /// The range proofs of each prover type.
    pub tracks: BTreeMap<ProverType, Track>,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Which.
    pub id: SessionId,
    /// What it is to prove.
    pub spec: SessionSpec,
    /// The checkpoints and blocks that is.
    pub span: Span,
    /// Where it stands.
    pub state: SessionState,
    /// When it came into each state, this one last.
    pub history: Vec<(Time, SessionState)>,
    /// The epoch proof of each prover type.
    pub roots: BTreeMap<ProverType, Root>,
}

/// Something that keeps something from going on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// L1 cannot be read.
    #[error("L1 cannot be read, so nothing is published and no epoch is seen to end: {cause}")]
    L1Lost {
        /// Why.
        cause: String,
    },
    /// Nothing is heard of the chain.
    #[error("the chain cannot be followed: {cause}")]
    ChainHeldUp {
        /// Why, and the remedy.
        cause: String,
    },
    /// L1's newest block is old, or this machine's clock is wrong.
    #[error(
        "L1's newest block is {behind_seconds} s older than this machine's clock: L1 has stopped, its node is behind, or \
         the clock here is wrong (deadlines go by L1's time, not by the clock)"
    )]
    L1Old {
        /// By how much.
        behind_seconds: u64,
    },
    /// L1's newest block is of the future.
    #[error(
        "L1's newest block is {ahead_seconds} s ahead of this machine's clock: its node lies, or the clock here is wrong; no \
         epoch expires until that is mended"
    )]
    L1Ahead {
        /// By how much.
        ahead_seconds: u64,
    },
    /// A range proof is held up.
    #[error("blocks of checkpoint {checkpoint} wait for their {prover} proof: {cause}")]
    RangeHeldUp {
        /// Of which checkpoint.
        checkpoint: CheckpointNumber,
        /// Whose proof.
        prover: ProverType,
        /// Why.
        cause: String,
    },
    /// A checkpoint could not be proven.
    #[error(
        "checkpoint {checkpoint} could not be proven ({cause}): its epoch is not settled until that is mended; it is tried again {}when an \
         operator asks to retry {epoch:?}",
        again(*.refuted)
    )]
    CheckpointFailed {
        /// Which.
        checkpoint: CheckpointNumber,
        /// Its epoch.
        epoch: Epoch,
        /// Why.
        cause: String,
        /// Whether its blocks refute it, so that it does not come back by itself.
        #[serde(default)]
        refuted: bool,
    },
    /// An aggregation is held up.
    #[error("{epoch:?} waits for its {prover} proof: {cause}")]
    RootHeldUp {
        /// Of which epoch.
        epoch: Epoch,
        /// Whose proof.
        prover: ProverType,
        /// Why.
        cause: String,
    },
    /// A session stopped, and waits to come back.
    #[error(
        "{epoch:?} could not be proven ({cause}): it is tried again now and then, and at once when an operator asks to retry it"
    )]
    SessionStopped {
        /// Which session.
        session: SessionId,
        /// Its epoch.
        epoch: Epoch,
        /// Why.
        cause: String,
    },
    /// A proof cannot be published now.
    #[error("a finished proof cannot be published now: {cause}")]
    PublishHeldUp {
        /// Why.
        cause: String,
    },
    /// What was not proven in time is still on L1.
    #[error(
        "what was not proven in time cannot be given up on L1 now, so no proof of what follows is taken: {cause}"
    )]
    PruneHeldUp {
        /// Why.
        cause: String,
    },
}

/// When a checkpoint is tried again, besides.
const fn again(refuted: bool) -> &'static str {
    if refuted { "only " } else { "now and then, and at once " }
}

impl Snapshot {
    /// The epochs that this node has settled, as far as it remembers, and what each submission took.
    pub fn published(&self) -> impl Iterator<Item = (Epoch, Receipt)> {
        self.sessions.iter().filter_map(|session| match session.state {
            SessionState::Completed { receipt } => Some((session.spec.epoch, receipt?)),
            _ => None,
        })
    }
}

/// L1's newest block may be so many seconds old.
const OLDEST_L1: u64 = 120;
/// What holds up the stream for less is no problem: an L2 node gets a block a moment later than L1 a checkpoint.
pub(super) const STREAM_PATIENCE: Duration = Duration::from_secs(5);

impl NodeState {
    /// A copy of the state for those who watch.
    pub fn snapshot(&self) -> Snapshot {
        let node = &self.node;
        Snapshot {
            at: node.now,
            phase: match node.phase {
                Phase::Starting => NodePhase::Starting,
                Phase::Following => NodePhase::Following,
                Phase::Stopping | Phase::Stopped => NodePhase::Stopping,
            },
            l1: node.l1,
            l1_seen: node.l1_seen,
            finalized: node.finalized,
            newest_block: node.newest_blocks.map(proofmill_primitives::BlockRange::last),
            high_water: node.high_water,
            epochs: node.store.epochs().filter_map(|epoch| self.epoch(epoch)).collect(),
            checkpoints: checkpoints(node),
            sessions: node.sessions.iter().map(session).collect(),
            candidates: node.publishing.queue.values().cloned().collect(),
            publishing: node.publishing.step.clone(),
            discarded: self.discarded(),
            cycle_limits: self.cycle_limits(),
            problems: problems(node, self.config()),
        }
    }

    fn epoch(&self, epoch: Epoch) -> Option<EpochStatus> {
        let (node, clock) = (&self.node, &self.config().clock);
        let mut of_it = node.store.of(epoch);
        let first = of_it.next()?.checkpoint.number;
        let last = of_it.next_back().map_or(first, |prover| prover.checkpoint.number);
        let l1 = node.l1.as_ref();
        let paused = l1.map_or(0, |l1| l1.paused);
        let (ends_at, deadline) = (clock.ends_at(epoch), clock.deadline(epoch).saturating_add(paused));
        let over = l1.is_some_and(|l1| l1.time.0 >= ends_at) || node.store.tip() > Some(last);
        let stage = if over && l1.is_some_and(|l1| l1.proven >= last) {
            EpochStage::Proven
        } else if node.high_water.is_some_and(|expired| epoch <= expired) {
            EpochStage::Expired
        } else if over {
            EpochStage::Ended
        } else {
            EpochStage::Running
        };
        let waits = match stage {
            EpochStage::Ended if node.phase == Phase::Following => {
                let horizon = Horizon { store: &node.store, l1, high_water: node.high_water };
                node.sessions.why_none((node.now, self.config()), horizon, epoch)
            }
            _ => None,
        };
        Some(EpochStatus { epoch, first, last, stage, waits, ends_at, deadline })
    }
}

fn checkpoints(node: &Node) -> Vec<CheckpointStatus> {
    let status = |prover: &super::prover::CheckpointProver| CheckpointStatus {
        checkpoint: prover.checkpoint,
        epoch: prover.epoch,
        added: prover.added,
        state: prover.state.clone(),
        tracks: prover.tracks.clone(),
    };
    node.store.iter().map(status).collect()
}

fn session(session: &Session) -> SessionStatus {
    SessionStatus {
        id: session.id,
        spec: session.spec,
        span: session.span,
        state: session.state.clone(),
        history: session.history.clone(),
        roots: session.tree.roots.clone(),
    }
}

fn problems(node: &Node, config: &Config) -> Vec<Problem> {
    let horizon = Horizon { store: &node.store, l1: node.l1.as_ref(), high_water: node.high_water };
    let left_alone = horizon.left_alone(config);
    let mut problems = Vec::new();
    problems.extend(node.l1_lost.clone().map(|cause| Problem::L1Lost { cause }));
    if let Some((since, cause)) = &node.stream_trouble
        && node.now.since(*since) >= STREAM_PATIENCE
    {
        problems.push(Problem::ChainHeldUp { cause: cause.clone() });
    }
    if let (Some(l1), Some(seen)) = (node.l1, node.l1_seen) {
        let by_the_clock = Duration::from_millis(seen.as_millis()).saturating_sub(node.clock_ahead);
        let behind_seconds = by_the_clock.as_secs().saturating_sub(l1.time.0);
        if behind_seconds > OLDEST_L1 {
            problems.push(Problem::L1Old { behind_seconds });
        }
        let ahead = l1.is_ahead_of(seen).map(|ahead| ahead.as_secs());
        problems.extend(ahead.map(|ahead_seconds| Problem::L1Ahead { ahead_seconds }));
    }
    for prover in node.store.iter().filter(|prover| prover.checkpoint.number > left_alone) {
        let checkpoint = prover.checkpoint.number;
        if let Some(cause) = prover.failure() {
            let (epoch, cause) = (prover.epoch, cause.to_owned());
            let refuted = matches!(prover.state, CheckpointState::Failed { .. });
            problems.push(Problem::CheckpointFailed { checkpoint, epoch, cause, refuted });
        } else if prover.state == CheckpointState::Proving {
            for (kind, track) in &prover.tracks {
                let causes = track.pieces.iter().filter_map(held_up);
                problems.extend(causes.map(|cause| Problem::RangeHeldUp {
                    checkpoint,
                    prover: *kind,
                    cause,
                }));
            }
        }
    }
    for session in node.sessions.iter() {
        let epoch = session.spec.epoch;
        match &session.state {
            SessionState::Stopped { by: StoppedBy::Itself { .. }, cause }
                if session.span.last > left_alone && node.sessions.waits_to_come_back(session) =>
            {
                problems.push(Problem::SessionStopped { session: session.id, epoch, cause: cause.clone() });
            }
            state if state.is_proving() => {
                for (prover, root) in &session.tree.roots {
                    let waits =
                        matches!(root.state, RootState::Waiting { .. } | RootState::Aggregating { .. });
                    let cause = root.trouble.clone().filter(|_| waits);
                    problems.extend(cause.map(|cause| Problem::RootHeldUp { epoch, prover: *prover, cause }));
                }
            }
            _ => {}
        }
    }
    let queue = &node.publishing.queue;
    let held_up = queue.values().filter_map(|candidate| candidate.trouble.clone());
    // The last one may have been settled by others since.
    let tip = node.publishing.trouble.clone().filter(|_| !queue.is_empty());
    let held_up = tip.into_iter().chain(held_up);
    problems.extend(held_up.map(|cause| Problem::PublishHeldUp { cause }));
    problems.extend(node.publishing.pruning.trouble.clone().map(|cause| Problem::PruneHeldUp { cause }));
    problems
}

fn held_up(piece: &Piece) -> Option<String> {
    match piece.state {
        PieceState::Proven(_) | PieceState::GivenUp => None,
        _ => piece.trouble.clone(),
    }
}
