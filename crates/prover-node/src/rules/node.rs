//! The node's whole state: the long-lived collections, and which event is a call to which of them.

use super::{
    Action, Change, Config, Event, L1View, PublishOutcome, Refused, Started, Time,
    checkpoints::CheckpointStore,
    expiry::expired_through,
    horizon::Horizon,
    publishing::{Publishing, Settled},
    session::SessionSpec,
    sessions::{Missing, SessionManager},
    turn::{Desk, Turn},
};
use proofmill_chain::PruneCause;
use proofmill_primitives::{BlockRange, CheckpointNumber, Epoch, ProverType};
use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU64,
    time::Duration,
};

/// The rules of a prover node, around its whole state. One [`handle`](Self::handle) takes in what happened and says what
/// follows from it.
#[derive(Clone, Debug)]
pub struct NodeState {
    desk: Desk,
    pub(crate) node: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// L1's state has not been read.
    Starting,
    Following,
    /// Sessions have ended, a publish may be in flight.
    Stopping,
    Stopped,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) phase: Phase,
    pub(crate) store: CheckpointStore,
    pub(crate) sessions: SessionManager,
    pub(crate) publishing: Publishing,
    pub(crate) l1: Option<L1View>,
    /// When L1 was last seen.
    pub(crate) l1_seen: Option<Time>,
    /// Why L1 cannot be seen now.
    pub(crate) l1_lost: Option<String>,
    /// The last epoch that has expired. Only moves forward.
    pub(crate) high_water: Option<Epoch>,
    /// The partial sessions that were asked for, as they were kept last.
    pub(crate) kept: BTreeSet<SessionSpec>,
    /// The last epochs whose window closed without a proof, of which a record was made.
    pub(crate) missed: BTreeSet<Epoch>,
    /// The last epoch of which it was said that its window closed although nothing of it was here.
    pub(crate) unseen: Option<Epoch>,
    /// What keeps chain events from coming, and since when something does.
    pub(crate) stream_trouble: Option<(Time, String)>,
    pub(crate) finalized: Option<CheckpointNumber>,
    pub(crate) newest_blocks: Option<BlockRange>,
    /// When an event was last handled.
    pub(crate) now: Time,
    /// By how much that is ahead of this machine's clock, which was put back since.
    pub(crate) clock_ahead: Duration,
}

impl NodeState {
    /// A node that knows nothing yet. The first event that means something to it is [`Event::Began`].
    pub const fn new(config: Config) -> Self {
        Self {
            desk: Desk::new(config),
            node: Node {
                phase: Phase::Starting,
                store: CheckpointStore::new(),
                sessions: SessionManager::new(),
                publishing: Publishing::new(),
                l1: None,
                l1_seen: None,
                l1_lost: None,
                high_water: None,
                kept: BTreeSet::new(),
                missed: BTreeSet::new(),
                unseen: None,
                stream_trouble: None,
                finalized: None,
                newest_blocks: None,
                now: Time::from_millis(0),
                clock_ahead: Duration::ZERO,
            },
        }
    }

    /// With the partial sessions that were asked for before a restart ([`Action::KeepRequests`]).
    #[must_use]
    pub fn wanting(mut self, wanted: impl IntoIterator<Item = SessionSpec>) -> Self {
        self.node.kept.extend(wanted);
        self.node.sessions.want(self.node.kept.iter().copied());
        self
    }

    /// The times that it is told never go back, and are so much ahead of what this machine's clock says: that was put back since. Only how
    /// old L1's newest block is said to be goes by it.
    pub const fn clock_is_ahead(&mut self, by: Duration) {
        self.node.clock_ahead = by;
    }

    /// What it was made with.
    pub const fn config(&self) -> &Config {
        &self.desk.config
    }

    pub(crate) fn discarded(&self) -> Vec<super::Entry> {
        self.desk.discarded.iter().cloned().collect()
    }

    pub(crate) fn cycle_limits(&self) -> BTreeMap<ProverType, NonZeroU64> {
        let provers = self.desk.config.provers.iter();
        provers.map(|prover| (*prover, self.desk.cycle_limit(*prover))).collect()
    }

    /// Takes in what happened at `now` and says what follows from it, to be carried out in order.
    ///
    /// Answers to jobs that were cancelled or answered before have no consequences.
    ///
    /// # Errors
    ///
    /// [`Refused`] where the event makes no sense in the present state. Nothing has changed then.
    pub fn handle(&mut self, now: Time, event: Event) -> Result<Vec<Action>, Refused> {
        let mut turn = Turn { now, desk: &mut self.desk, actions: Vec::new() };
        self.node.take_in(&mut turn, event)?;
        self.node.settle(&mut turn);
        Ok(turn.actions)
    }

    /// A request to prove what there is of an epoch now: from its first slot to the last checkpoint that landed. Where that
    /// is the whole epoch, the answer is its full session.
    ///
    /// # Errors
    ///
    /// [`Refused`] with the reason. Nothing has changed then.
    pub fn start_proof(&mut self, now: Time, epoch: Epoch) -> Result<(Started, Vec<Action>), Refused> {
        self.node.check_following()?;
        if self.node.store.is_landing() {
            return Err(Refused::NotBegun);
        }
        let mut turn = Turn { now, desk: &mut self.desk, actions: Vec::new() };
        let Node { store, l1, high_water, sessions, .. } = &mut self.node;
        let horizon = Horizon { store, l1: l1.as_ref(), high_water: *high_water };
        let started = sessions.start_proof(&mut turn, horizon, epoch)?;
        self.node.settle(&mut turn);
        Ok((started, turn.actions))
    }

    /// Whether a transaction is under way, for which a node that stops waits a while.
    pub const fn is_sending(&self) -> bool {
        self.node.publishing.is_sending()
    }

    /// The last epoch that has expired.
    pub const fn high_water(&self) -> Option<Epoch> {
        self.node.high_water
    }
}

impl Node {
    const fn check_following(&self) -> Result<(), Refused> {
        match self.phase {
            Phase::Following => Ok(()),
            Phase::Starting => Err(Refused::NotBegun),
            Phase::Stopping | Phase::Stopped => Err(Refused::Stopping),
        }
    }

    fn take_in(&mut self, turn: &mut Turn<'_>, event: Event) -> Result<(), Refused> {
        match event {
            Event::Began { l1 } => {
                if matches!(self.phase, Phase::Stopping | Phase::Stopped) {
                    return Err(Refused::Stopping);
                }
                self.phase = Phase::Following;
                self.see_l1(turn, l1);
                self.store.restart(turn.now, l1.pending);
                turn.report(Change::Began);
            }
            Event::Checkpointed(checkpoint) => {
                self.check_following()?;
                self.store.add(turn, checkpoint, self.high_water)?;
            }
            Event::Pruned { to, cause } => {
                self.check_following()?;
                if cause == PruneCause::WindowClosed {
                    self.record_given_up(turn, to);
                }
                self.store.prune(turn, to, cause)?;
            }
            Event::Proven { checkpoint } => {
                self.check_following()?;
                if let Some(l1) = &mut self.l1 {
                    l1.proven = checkpoint;
                }
            }
            Event::Finalized { checkpoint } => self.finalized = Some(checkpoint),
            Event::BlocksAdded { blocks } => self.newest_blocks = Some(blocks),
            Event::L1Seen(view) => self.see_l1(turn, view),
            Event::L1Lost { cause } => self.l1_lost = Some(cause),
            Event::StreamTrouble { cause } => {
                let since = self.stream_trouble.as_ref().map_or(turn.now, |(since, _)| *since);
                self.stream_trouble = cause.map(|cause| (since, cause));
            }
            Event::RangeEnded { job, result } => self.store.range_ended(turn, job, result),
            Event::RangeSplit { job, split } => self.store.range_split(turn, job, split),
            Event::RootEnded { job, result } => {
                let missing = self.sessions.root_ended(turn, job, result, &mut self.publishing);
                if let Some(Missing { prover, range, cause }) = missing {
                    match cause {
                        Some(cause) => self.store.range_discarded(turn, prover, range, &cause),
                        None => self.store.range_lost(turn, prover, range),
                    }
                }
            }
            Event::JobNoted { job, note } => {
                self.store.note(turn, job, note.clone());
                self.sessions.note(turn, job, note);
            }
            Event::TipRead { pass, tip } => {
                self.publishing.tip_read(turn, pass, &tip);
                if let Ok(view) = tip {
                    self.see_l1(turn, view);
                }
            }
            Event::PublishEnded { pass, outcome } => self.publish_ended(turn, pass, outcome),
            Event::PruneEnded { pass, outcome } => self.publishing.prune_ended(turn, pass, outcome),
            Event::Retry { epoch } => {
                self.check_following()?;
                self.retry(turn, epoch)?;
            }
            Event::Tick => {}
            Event::StopSessions => {
                if self.phase != Phase::Stopped {
                    self.phase = Phase::Stopping;
                }
            }
            Event::StopProvers => self.phase = Phase::Stopped,
        }
        Ok(())
    }

    /// What stopped or failed of an epoch is tried again at once. Whoever asks is told where nothing is.
    fn retry(&mut self, turn: &mut Turn<'_>, epoch: Epoch) -> Result<(), Refused> {
        let Self { store, l1, high_water, .. } = &*self;
        let horizon = Horizon { store, l1: l1.as_ref(), high_water: *high_water };
        if horizon.has_expired(epoch) {
            return Err(Refused::Expired { epoch });
        }
        let Some(last) = store.of(epoch).next_back().map(|last| last.checkpoint.number) else {
            return Err(if store.is_landing() {
                Refused::NotBegun
            } else {
                Refused::NoCheckpoints { epoch }
            });
        };
        let (through, left_alone) = (horizon.proven(), horizon.left_alone(&turn.desk.config));
        if last <= left_alone {
            return Err(Refused::AlreadyProven { epoch, through });
        }
        let renewed = self.store.renew_failed(turn, epoch);
        let lifted = self.sessions.lift_stopped(epoch);
        match renewed || lifted {
            true => Ok(()),
            false if last <= through => Err(Refused::AlreadyProven { epoch, through }),
            false => Err(Refused::NothingStopped { epoch }),
        }
    }

    fn see_l1(&mut self, turn: &Turn<'_>, view: L1View) {
        (self.l1, self.l1_seen, self.l1_lost) = (Some(view), Some(turn.now), None);
    }

    fn publish_ended(&mut self, turn: &mut Turn<'_>, pass: super::Pass, outcome: PublishOutcome) {
        let came_through = matches!(outcome, PublishOutcome::Published(_) | PublishOutcome::AlreadyRecorded);
        let ended = self.publishing.ended(turn, pass, outcome, self.l1.as_ref());
        let Some((session, last, settled)) = ended else { return };
        if let (Some(l1), true, Settled::Ended(_)) = (&mut self.l1, came_through, &settled) {
            // The next epoch's turn has come; the next pass reads the tip afresh.
            l1.proven = l1.proven.max(last);
        }
        self.sessions.settled(turn, session, settled, &mut self.publishing);
    }

    /// What is due after any event: everything here may be done any number of times.
    fn settle(&mut self, turn: &mut Turn<'_>) {
        self.now = turn.now;
        self.store.land(turn);
        if !self.store.is_landing() {
            self.expire(turn);
        }
        if let Some(l1) = &self.l1 {
            for (session, end) in self.publishing.sweep(turn, l1) {
                self.sessions.settled(turn, session, Settled::Ended(end), &mut self.publishing);
            }
        }
        match self.phase {
            Phase::Starting => {}
            Phase::Following if self.store.is_landing() => {
                let Self { store, l1, high_water, sessions, publishing, .. } = self;
                let horizon = Horizon { store, l1: l1.as_ref(), high_water: *high_water };
                sessions.reconcile(turn, horizon, publishing);
                store.start_queued(turn, CheckpointNumber(0));
            }
            Phase::Following => self.go_on(turn),
            Phase::Stopping => {
                self.sessions.stop(turn, &mut self.publishing);
                self.publishing.stop();
            }
            Phase::Stopped => {
                self.sessions.stop_all(turn, &mut self.publishing);
                self.publishing.stop();
                self.store.cancel_all(turn);
            }
        }
        if self.phase == Phase::Following && *self.sessions.wanted() != self.kept {
            self.kept.clone_from(self.sessions.wanted());
            let wanted = self.kept.iter().copied().collect();
            turn.actions.push(Action::KeepRequests { wanted });
        }
    }

    fn go_on(&mut self, turn: &mut Turn<'_>) {
        self.store.come_back(turn);
        let Self { store, l1, high_water, sessions, publishing, .. } = self;
        let horizon = Horizon { store, l1: l1.as_ref(), high_water: *high_water };
        sessions.reconcile(turn, horizon, publishing);
        // A session that has its proof makes room for another one.
        while sessions.advance(turn, store, publishing) > 0 {
            sessions.reconcile(turn, horizon, publishing);
        }
        let settled = horizon.left_alone(&turn.desk.config);
        store.rest(turn, settled);
        store.start_queued(turn, settled);
        self.publishing.go_on(turn, self.l1.as_ref());
    }

    /// Moves the high-water mark, and lets go of what is below it.
    fn expire(&mut self, turn: &mut Turn<'_>) {
        let Some(l1) = self.l1 else { return };
        let before = self.high_water;
        if l1.is_ahead_of(turn.now).is_none() {
            self.high_water = before.max(expired_through(&turn.desk.config.clock, l1.counted()));
        }
        let Some(high_water) = self.high_water else { return };
        self.record_missed(turn, high_water, before);
        self.say_unseen(turn, &l1);
        if before < Some(high_water) {
            turn.report(Change::Expired { through: high_water });
        }
        self.store.expire(turn, high_water, l1.proven);
        let window = turn.desk.config.clock.window_epochs.get();
        if let Some(through) = self.store.release(self.finalized, high_water, window) {
            turn.actions.push(Action::Release { through });
        }
    }
}
