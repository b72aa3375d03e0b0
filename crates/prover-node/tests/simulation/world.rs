//! Everything around the rules: chains, provers, the proof store, L1, an operator and a clock.

use crate::{
    Rng, Story,
    chains::{self, L1, L2, Stream, clock},
    check::Ledger,
    provers::{Job, ProofStore, answers},
};
use proofmill_primitives::{Epoch, ProverType};
use proofmill_prover_node::rules::{
    Action, Candidate, CandidateEnd, Change, Config, Event, JobId, NodeState, Origin, Pass, Refused,
    SessionKind, SessionSpec, SessionState, SettledEpochs, Started, Time,
};
use std::{
    collections::{BTreeMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    num::NonZeroUsize,
    time::Duration,
};

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) story: Story,
    pub(crate) now: u64,
    pub(crate) l1: L1,
    pub(crate) l2: L2,
    pub(crate) stream: Stream,
    pub(crate) node: NodeState,
    pub(crate) ledger: Ledger,
    pub(crate) store: ProofStore,
    pub(crate) jobs: BTreeMap<JobId, Job>,
    /// What goes to the node in a moment.
    pub(crate) inbox: VecDeque<Event>,
    pub(crate) reading: Option<Pass>,
    pub(crate) publishing: Option<(Pass, Candidate)>,
    pub(crate) pruning: Option<Pass>,
    pub(crate) calm: bool,
    /// What outlives the process of what operators asked for.
    pub(crate) kept: Vec<SessionSpec>,
}

/// What is not proven in time is pruned so long after.
const SILENCE: u64 = 8;

fn config(settled: SettledEpochs, prunes: bool) -> Config {
    Config {
        settled,
        prune_after: prunes.then_some(Duration::from_secs(SILENCE)),
        proving_delay: Duration::from_secs(3),
        max_pending_jobs: NonZeroUsize::new(2).unwrap(),
        max_range_jobs: NonZeroUsize::new(4).unwrap(),
        unconfirmed_after: Duration::from_secs(30),
        remembered_sessions: 8,
        ..Config::new(clock(), [ProverType::Exec, ProverType::OpenVm])
    }
}

impl World {
    pub(crate) fn new(mut rng: Rng) -> Self {
        let mut l2 = L2::new(&mut rng);
        l2.grow(&mut rng, 4);
        let l1 = L1 {
            time: chains::GENESIS + 1,
            checkpoints: Vec::new(),
            proven: Default::default(),
            recorded: BTreeMap::new(),
            proposer_waits: rng.percent(50),
            before: None,
        };
        // Where the proposer waits for others, this node is all there is.
        let prunes = l1.proposer_waits || rng.percent(50);
        let settled = *rng.pick(&SettledEpochs::ALL).unwrap();
        let mut world = Self {
            now: l1.time * 1_000,
            stream: Stream::begin(&l1),
            l1,
            l2,
            rng,
            story: Story::default(),
            node: NodeState::new(config(settled, prunes)),
            ledger: Ledger::new(config(settled, prunes)),
            store: ProofStore::default(),
            jobs: BTreeMap::new(),
            inbox: VecDeque::new(),
            reading: None,
            publishing: None,
            pruning: None,
            calm: false,
            kept: Vec::new(),
        };
        world.resume();
        world
    }

    pub(crate) fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    /// Hands an event over, carries out what follows, and checks everything.
    pub(crate) fn tell(&mut self, event: Event) -> Result<(), Refused> {
        self.story.events += 1;
        let before = self.story.events.is_multiple_of(32).then(|| format!("{:?}", self.node));
        let now = self.time();
        match self.node.handle(now, event.clone()) {
            Ok(actions) => {
                self.carry_out(actions);
                Ok(())
            }
            Err(refused) => {
                self.story.refused += 1;
                if let Some(before) = before {
                    assert_eq!(before, format!("{:?}", self.node), "refused {event:?} but changed");
                }
                Err(refused)
            }
        }
    }

    pub(crate) fn ask(&mut self, epoch: Epoch) {
        let (before, now) = (format!("{:?}", self.node), self.time());
        match self.node.start_proof(now, epoch) {
            Ok((started, actions)) => {
                self.story.joined += u64::from(matches!(started, Started::Joined(_)));
                self.ledger.asked(epoch);
                self.carry_out(actions);
            }
            Err(_) => {
                self.story.refused += 1;
                assert_eq!(before, format!("{:?}", self.node));
            }
        }
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        self.story.actions += actions.len() as u64;
        for action in actions {
            let mut hasher = DefaultHasher::new();
            (self.story.digest, format!("{action:?}")).hash(&mut hasher);
            self.story.digest = hasher.finish();
            match action {
                Action::Prove { job, prover, checkpoint, range, .. } => {
                    self.start(job, Job::Range { prover, range });
                    assert!(self.stream.told.contains(&checkpoint), "proves what does not stand");
                }
                Action::FindSplit { job, prover, range, at } => {
                    self.start(job, Job::Split { prover, range, at });
                }
                Action::Aggregate { job, prover, span, ranges, checkpoints } => {
                    self.start(job, Job::Root { prover, span, ranges, checkpoints });
                }
                Action::KeepRequests { wanted } => self.kept = wanted,
                Action::KeepSplit { prover, range, split } => self.store.keep_split(prover, range, split),
                Action::Cancel { job } => self.cancel(job),
                Action::ReadTip { pass } => {
                    self.check_idle();
                    self.reading = Some(pass);
                }
                Action::Prune { pass } => {
                    self.check_idle();
                    self.check_overdue();
                    self.pruning = Some(pass);
                }
                Action::Publish { pass, candidate } => {
                    self.check_idle();
                    self.ledger.check_candidate(&candidate, &self.stream);
                    self.check_turn(&candidate);
                    self.publishing = Some((pass, candidate));
                }
                Action::Release { through } => self.release(through),
                Action::Upload(failure) => {
                    self.story.uploads += 1;
                    self.ledger.uploaded(&failure);
                }
                Action::Report(change) => self.note(change),
            }
        }
        let running = |prover: ProverType| {
            let of_type = |job: &&Job| matches!(job, Job::Range { prover: of, .. } | Job::Split { prover: of, .. } if *of == prover);
            self.jobs.values().filter(of_type).count()
        };
        for prover in [ProverType::Exec, ProverType::OpenVm] {
            assert!(running(prover) <= self.node.config().max_range_jobs.get(), "too many jobs");
        }
        self.ledger.check(&self.node, &self.stream);
        if self.story.events.is_multiple_of(4) {
            let (mut again, now) = (self.node.clone(), self.time());
            let more = again.handle(now, Event::Tick).unwrap();
            assert_eq!(more, [], "the same state twice gives more to do");
        }
    }

    /// No other pass is on.
    fn check_idle(&self) {
        let on = (self.reading, self.publishing.is_some(), self.pruning);
        assert_eq!(on, (None, false, None), "two passes");
    }

    /// The settings let the node prune, and everybody else had time to.
    fn check_overdue(&self) {
        let seen = self.node.snapshot().l1.unwrap();
        assert!(self.node.config().prune_after.is_some());
        assert!(seen.time.0 >= seen.closes.expect("something unproven").0 + SILENCE, "too soon: {seen:?}");
    }

    /// It is this candidate's turn: no longer one of its epoch waits, and none of an earlier epoch that L1 would take.
    fn check_turn(&self, candidate: &Candidate) {
        let snapshot = self.node.snapshot();
        let proven = snapshot.l1.unwrap().proven;
        assert!(candidate.span.first <= proven.next(), "L1 would refuse it");
        let may_be_second =
            candidate.kind == SessionKind::Full && self.node.config().settled == SettledEpochs::Submit;
        assert!(may_be_second || candidate.span.last > proven, "it is superseded");
        for other in &snapshot.candidates {
            let length = other.span.last;
            if other.epoch == candidate.epoch {
                assert!(length <= candidate.span.last, "a longer one waits");
            } else if other.epoch < candidate.epoch && other.span.first <= proven.next() {
                // Only one that waits after a try that came to nothing is passed over, with the shorter ones of its epoch.
                let of_it = snapshot.candidates.iter().filter(|one| one.epoch == other.epoch);
                let longest = of_it.max_by_key(|one| one.span.last).unwrap();
                assert!(longest.not_before > self.time(), "an earlier epoch waits");
            }
        }
    }

    fn note(&mut self, change: Change) {
        let story = &mut self.story;
        match &change {
            Change::CheckpointAdded { .. } => story.checkpoints += 1,
            Change::Pruned { removed, .. } => story.pruned += *removed as u64,
            Change::Expired { .. } => story.expired += 1,
            Change::RangeProven { origin: Origin::Reused, .. } => story.ranges_reused += 1,
            Change::RangeSplit { .. } => story.splits += 1,
            Change::CheckpointStopped { .. } => story.ranges_given_up += 1,
            Change::CheckpointResumed { .. } => story.resumed += 1,
            Change::EpochMissed { .. } => story.missed += 1,
            Change::RootProven { origin: Origin::Reused, .. } => story.roots_reused += 1,
            Change::Candidate { end: CandidateEnd::Withdrawn, .. } => story.withdrawn += 1,
            Change::PublishDelayed { .. } => story.delayed += 1,
            Change::Session { state, spec, .. } => match state {
                SessionState::Completed { .. } => {
                    story.completed += 1;
                    story.partial_completed += u64::from(spec.kind == SessionKind::Partial);
                }
                SessionState::Superseded { .. } => story.superseded += 1,
                SessionState::Failed { .. } => story.failed += 1,
                SessionState::Stopped { .. } => story.stopped += 1,
                SessionState::TimedOut => story.timed_out += 1,
                SessionState::Cancelled { .. } => story.cancelled += 1,
                _ => {}
            },
            _ => {}
        }
        self.ledger.note(&change, &self.stream, &self.l1, self.time());
    }

    /// Begins anew, as a stream does after a restart.
    pub(crate) fn resume(&mut self) {
        self.stream = Stream::begin(&self.l1);
        self.ledger.moved();
        let l1 = self.l1.view();
        self.tell(Event::Began { l1 }).unwrap();
    }

    /// One thing that happens while anything may.
    pub(crate) fn step(&mut self) {
        match self.rng.below(100) {
            0..16 => self.pass_time(),
            16..22 => {
                let blocks = 1 + self.rng.below(4);
                self.l2.grow(&mut self.rng, blocks);
            }
            22..32 => self.propose(),
            32..50 => self.tell_chain(),
            50..72 => self.run_job(),
            72..80 => self.answer_something(),
            80..86 => self.read_tip(),
            86..91 => self.publish(),
            91 => self.ask_for_something(),
            92..94 => self.prune(),
            _ => self.fault(),
        }
    }

    fn pass_time(&mut self) {
        let most = if self.calm { 6_000 } else { 15_000 };
        self.now += 200 + self.rng.below(most);
        self.l1.time = self.now / 1_000;
        match self.rng.below(10) {
            0 if !self.calm => self.tell(Event::L1Lost { cause: "no answer".into() }).unwrap(),
            1..3 if !self.calm => {}
            _ => {
                let view = self.l1.view();
                self.tell(Event::L1Seen(view)).unwrap();
            }
        }
        self.tell(Event::Tick).unwrap();
    }

    fn propose(&mut self) {
        let blocks = 1 + self.rng.below(6);
        self.l1.propose(&mut self.l2, blocks);
    }

    pub(crate) fn tell_chain(&mut self) {
        let Some(event) = self.stream.next(&self.l1, &self.l2) else { return };
        match self.tell_moved(event.clone()) {
            Ok(()) => {
                if !self.calm && self.rng.percent(5) {
                    self.tell(event).unwrap();
                }
            }
            Err(refused) => {
                assert!(matches!(refused, Refused::BelowBase { .. }), "{refused}");
                self.story.resyncs += 1;
                self.resume();
            }
        }
    }

    /// Tells an event of the chain and takes note of it before what follows is looked at.
    fn tell_moved(&mut self, event: Event) -> Result<(), Refused> {
        if let Event::Pruned { .. } = &event {
            self.ledger.moved();
        }
        self.stream.ack(&event);
        self.tell(event)
    }

    fn ask_for_something(&mut self) {
        let newest = self.stream.told.last().map_or(Epoch(0), |last| clock().epoch_of(last.slot));
        let epoch = Epoch(newest.0.saturating_sub(self.rng.below(2)));
        self.ask(epoch);
    }

    pub(crate) fn answer_something(&mut self) {
        if self.inbox.is_empty() {
            return;
        }
        let at = self.rng.below(self.inbox.len() as u64) as usize;
        let event = self.inbox.remove(at).unwrap();
        self.jobs.retain(|id, _| !answers(&event, *id));
        self.tell(event).unwrap();
    }

    /// From now on nothing breaks and an operator looks after what failed: the chain must settle.
    pub(crate) fn calm(&mut self) {
        self.calm = true;
        let began = self.now;
        let enough = self.l2.head() + 6;
        while self.l2.head() < enough {
            self.l2.grow(&mut self.rng, 2);
        }
        loop {
            self.pass_time();
            self.propose();
            while self.stream.next(&self.l1, &self.l2).is_some() {
                self.tell_chain();
            }
            self.retry();
            for _ in 0..12 {
                self.run_job();
                self.answer_something();
                self.read_tip();
                self.publish();
                self.prune();
            }
            let all = self.l1.checkpoints.last().is_some_and(|last| last.blocks.last() == self.l2.head());
            let settled = all && self.l1.proven == self.l1.pending();
            if settled && self.ledger.none_live() {
                break;
            }
            assert!(self.now - began < 3_000_000, "no end in sight:\n{}", self.picture());
        }
        assert!(self.l1.checkpoints.iter().all(|checkpoint| self.l2.has(checkpoint)), "the wrong chain");
        self.check_idle();
        // Everything that ended is let go once its time has passed.
        self.now += 1_000 * chains::SLOT * 4 * 4;
        self.l1.time = self.now / 1_000;
        let view = self.l1.view();
        self.tell(Event::L1Seen(view)).unwrap();
        while !self.inbox.is_empty() {
            self.answer_something();
        }
        assert_eq!(self.node.snapshot().checkpoints, []);
        assert!(self.jobs.is_empty(), "jobs for nothing: {:?}", self.jobs);
        assert_eq!(self.store.count_through(self.l2.head()), 0, "proofs are kept for nothing");
    }

    /// The state in a few lines.
    fn picture(&self) -> String {
        let snapshot = self.node.snapshot();
        let mut lines = vec![format!("L1 {:?}, node {:?}", self.l1.view(), snapshot.l1)];
        for checkpoint in &self.l1.checkpoints {
            let epoch = clock().epoch_of(checkpoint.slot);
            let told = self.stream.told.contains(checkpoint);
            lines.push(format!(
                "{:?} {epoch:?} {:?} blocks {} told {told}",
                checkpoint.number, checkpoint.slot, checkpoint.blocks
            ));
        }
        for status in &snapshot.checkpoints {
            lines.push(format!("{:?} {:?} {:?}", status.checkpoint.number, status.epoch, status.state));
        }
        for session in &snapshot.sessions {
            let span = (session.span.first, session.span.last);
            lines.push(format!("session {} {:?} {span:?}: {:?}", session.id, session.spec, session.state));
        }
        lines.push(format!("{:?} {:?}", snapshot.publishing, snapshot.candidates));
        lines.join("\n")
    }
}
