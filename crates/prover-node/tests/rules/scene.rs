//! Words to tell a scene with. Epochs have 4 slots of 12 s, a window of 2 epochs, and one prover type unless said
//! otherwise. Checkpoint n has blocks 10n-9 to 10n.

use alloy_primitives::B256;
use proofmill_chain::PruneCause;
use proofmill_primitives::{BlockRange, Checkpoint, CheckpointNumber, Epoch, ProverType, Slot, SlotClock};
use proofmill_prover_node::rules::{
    Action, Candidate, Change, CheckpointState, Config, Event, Executed, JobError, JobId, L1Time, L1View,
    NodeState, Origin, Pass, ProofCost, PublishOutcome, RangeDone, RangeSpec, Receipt, Refused, RootDone,
    RootError, SessionId, SessionState, Started, Time,
};
use std::num::{NonZeroU64, NonZeroUsize};

pub(crate) const EXEC: ProverType = ProverType::Exec;
pub(crate) const OPENVM: ProverType = ProverType::OpenVm;

pub(crate) fn clock() -> SlotClock {
    let some = |number| NonZeroU64::new(number).unwrap();
    SlotClock { genesis: 0, slot_seconds: some(12), epoch_slots: some(4), window_epochs: some(2) }
}

pub(crate) const fn number(number: u64) -> CheckpointNumber {
    CheckpointNumber(number)
}

fn hash(branch: u8, block: u64) -> B256 {
    let mut hash = B256::repeat_byte(branch);
    hash[..8].copy_from_slice(&block.to_be_bytes());
    hash
}

/// Checkpoint `n` of a branch in a slot. Branches differ from the blocks of checkpoint `n` on.
pub(crate) fn branch(branch: u8, n: u64, slot: u64) -> Checkpoint {
    Checkpoint {
        number: number(n),
        slot: Slot(slot),
        blocks: BlockRange::new(10 * n - 9, 10 * n).unwrap(),
        parent_hash: hash(0, 10 * n - 10),
        last_hash: hash(branch, 10 * n),
        state_root: !hash(branch, 10 * n),
        last_timestamp: 10 * n,
        parent_commitment: hash(0, n - 1),
        commitment: hash(branch, n),
    }
}

pub(crate) fn checkpoint(n: u64, slot: u64) -> Checkpoint {
    branch(0, n, slot)
}

pub(crate) fn receipt() -> Receipt {
    Receipt { transaction: B256::repeat_byte(9), block: 1, gas_used: 2, fee: 3 }
}

pub(crate) fn cause() -> String {
    "bad luck".into()
}

pub(crate) struct Scene {
    pub(crate) node: NodeState,
    pub(crate) now: u64,
    pub(crate) l1: L1View,
    pub(crate) last: Vec<Action>,
    /// Under way, oldest first.
    pub(crate) jobs: Vec<Asked>,
    pub(crate) tip: Option<Pass>,
    pub(crate) publish: Option<(Pass, Candidate)>,
    /// Prunes that were asked for.
    pub(crate) prunes: Vec<Pass>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Range(JobId, ProverType, RangeSpec),
    Split(JobId, u64),
    Root(JobId, ProverType, Vec<RangeSpec>),
}

impl Asked {
    pub(crate) const fn job(&self) -> JobId {
        match self {
            Self::Range(job, ..) | Self::Split(job, _) | Self::Root(job, ..) => *job,
        }
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(Config::new(clock(), [EXEC]))
    }

    pub(crate) fn two_types() -> Self {
        Self::with(Config::new(clock(), [EXEC, OPENVM]))
    }

    pub(crate) fn at_most(pending: usize) -> Self {
        let max_pending_jobs = NonZeroUsize::new(pending).unwrap();
        Self::with(Config { max_pending_jobs, ..Config::new(clock(), [EXEC]) })
    }

    pub(crate) fn with(config: Config) -> Self {
        let l1 = L1View { time: L1Time(0), pending: number(0), proven: number(0), paused: 0, closes: None };
        let (node, now) = (NodeState::new(config), 1_000_000);
        let (last, jobs, prunes) = (vec![], vec![], vec![]);
        let mut scene = Self { node, now, l1, last, jobs, tip: None, publish: None, prunes };
        scene.tell(Event::Began { l1 });
        scene
    }

    pub(crate) fn try_tell(&mut self, event: Event) -> Result<(), Refused> {
        self.now += 1;
        self.last = self.node.handle(Time::from_millis(self.now), event)?;
        self.note();
        Ok(())
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.try_tell(event).unwrap();
    }

    fn note(&mut self) {
        for action in &self.last {
            match action.clone() {
                Action::Prove { job, prover, range, .. } => self.jobs.push(Asked::Range(job, prover, range)),
                Action::FindSplit { job, at, .. } => self.jobs.push(Asked::Split(job, at)),
                Action::Aggregate { job, prover, ranges, .. } => {
                    self.jobs.push(Asked::Root(job, prover, ranges));
                }
                Action::Cancel { job } => self.jobs.retain(|asked| asked.job() != job),
                Action::ReadTip { pass } => self.tip = Some(pass),
                Action::Publish { pass, candidate } => self.publish = Some((pass, candidate)),
                Action::Prune { pass } => self.prunes.push(pass),
                Action::Release { .. }
                | Action::Upload(_)
                | Action::Report(_)
                | Action::KeepRequests { .. }
                | Action::KeepSplit { .. } => {}
            }
        }
    }

    /// A checkpoint lands on L1, and is told at once.
    pub(crate) fn lands(&mut self, checkpoint: Checkpoint) {
        self.l1.pending = checkpoint.number;
        self.l1.time = L1Time(self.l1.time.0.max(checkpoint.slot.0 * 12));
        self.tell(Event::L1Seen(self.l1));
        self.tell(Event::Checkpointed(checkpoint));
    }

    pub(crate) fn prune(&mut self, to: u64) {
        self.l1.pending = number(to);
        self.tell(Event::Pruned { to: number(to), cause: PruneCause::L1Reorg });
        self.tell(Event::L1Seen(self.l1));
    }

    /// L1's time is the beginning of a slot.
    pub(crate) fn slot(&mut self, slot: u64) {
        self.l1.time = L1Time(slot * 12);
        self.tell(Event::L1Seen(self.l1));
    }

    pub(crate) fn proven(&mut self, checkpoint: u64) {
        self.l1.proven = number(checkpoint);
        self.tell(Event::Proven { checkpoint: number(checkpoint) });
    }

    pub(crate) fn wait(&mut self, millis: u64) {
        self.now += millis;
        self.tell(Event::Tick);
    }

    /// Answers a job: `Ok` with its proof.
    pub(crate) fn answer(&mut self, asked: &Asked, result: Result<(), JobError>) {
        self.jobs.retain(|other| other != asked);
        let job = asked.job();
        match asked {
            Asked::Root(..) => {
                let done = RootDone { proof_bytes: 1, cost: ProofCost::default(), origin: Origin::Made };
                self.tell(Event::RootEnded { job, result: result.map(|()| done).map_err(RootError::from) });
            }
            Asked::Range(..) | Asked::Split(..) => {
                let done = RangeDone {
                    executed: Executed { gas_used: 1, transactions: 1 },
                    proof_bytes: 1,
                    cost: ProofCost::default(),
                    origin: Origin::Made,
                };
                self.tell(Event::RangeEnded { job, result: result.map(|()| done) });
            }
        }
    }

    /// Answers the job at this place of those that are asked for.
    pub(crate) fn answer_at(&mut self, at: usize, result: Result<(), JobError>) {
        let asked = self.jobs[at].clone();
        self.answer(&asked, result);
    }

    /// Everything that is asked for is proven, until nothing more is.
    pub(crate) fn prove_all(&mut self) {
        while let Some(asked) = self.jobs.first().cloned() {
            self.answer(&asked, Ok(()));
        }
    }

    /// The ranges that are asked for.
    pub(crate) fn ranges(&self) -> Vec<(ProverType, u64, u64)> {
        let range = |asked: &Asked| match asked {
            Asked::Range(_, prover, range) => Some((*prover, range.blocks.first(), range.blocks.last())),
            _ => None,
        };
        self.jobs.iter().filter_map(range).collect()
    }

    /// The aggregations that are asked for: type, first and last block.
    pub(crate) fn roots(&self) -> Vec<(ProverType, u64, u64)> {
        let root = |asked: &Asked| match asked {
            Asked::Root(_, prover, ranges) => {
                Some((*prover, ranges[0].blocks.first(), ranges.last()?.blocks.last()))
            }
            _ => None,
        };
        self.jobs.iter().filter_map(root).collect()
    }

    /// The pass that is on reads the tip.
    pub(crate) fn read_tip(&mut self) {
        let pass = self.tip.take().expect("a pass");
        self.tell(Event::TipRead { pass, tip: Ok(self.l1) });
    }

    /// What is being published: the last checkpoint.
    pub(crate) fn in_flight(&self) -> Option<u64> {
        self.publish.as_ref().map(|(_, candidate)| candidate.span.last.0)
    }

    pub(crate) fn publish_ends(&mut self, outcome: PublishOutcome) {
        let (pass, candidate) = self.publish.take().expect("a publish");
        if matches!(outcome, PublishOutcome::Published(_)) {
            self.l1.proven = self.l1.proven.max(candidate.span.last);
        }
        self.tell(Event::PublishEnded { pass, outcome });
    }

    /// Everything is proven, and published as long as there is something to publish.
    pub(crate) fn settle(&mut self) {
        self.prove_all();
        while self.tip.is_some() {
            self.read_tip();
            if self.publish.is_some() {
                self.publish_ends(PublishOutcome::Published(receipt()));
            }
        }
    }

    pub(crate) fn start_proof(&mut self, epoch: u64) -> Result<Started, Refused> {
        self.now += 1;
        let (started, actions) = self.node.start_proof(Time::from_millis(self.now), Epoch(epoch))?;
        self.last = actions;
        self.note();
        Ok(started)
    }

    /// The states of all sessions, in the order in which they were opened.
    pub(crate) fn sessions(&self) -> Vec<&'static str> {
        self.node.snapshot().sessions.iter().map(|session| session.state.name()).collect()
    }

    pub(crate) fn session(&self, id: u64) -> SessionState {
        let snapshot = self.node.snapshot();
        snapshot.sessions.iter().find(|session| session.id == SessionId(id)).unwrap().state.clone()
    }

    pub(crate) fn checkpoint_state(&self, n: u64) -> CheckpointState {
        let snapshot = self.node.snapshot();
        let status = snapshot.checkpoints.iter().find(|status| status.checkpoint.number == number(n));
        status.unwrap().state.clone()
    }

    pub(crate) fn uploads(&self) -> usize {
        self.last.iter().filter(|action| matches!(action, Action::Upload(_))).count()
    }

    pub(crate) fn reported(&self, wanted: impl Fn(&Change) -> bool) -> bool {
        self.last.iter().any(|action| matches!(action, Action::Report(change) if wanted(change)))
    }

    /// What people are told is wrong.
    pub(crate) fn problems(&self) -> String {
        let problems = self.node.snapshot().problems;
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }
}

/// The n-th job fails so.
pub(crate) fn failed() -> JobError {
    JobError::Failed { cause: cause() }
}

pub(crate) fn cannot_execute() -> JobError {
    JobError::CannotExecute { cause: cause() }
}

pub(crate) fn unavailable() -> JobError {
    JobError::Unavailable { cause: cause() }
}
