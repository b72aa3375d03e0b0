//! What the scheduler remembers of a proof and of a task, and of those that have ended.

use crate::{
    Counts, Diagnosis, ProofSpec, TaskSpec, TaskState, Time,
    queue::{Avoid, LineKey, TaskTurn},
    want::{Lane, Sort, Want, gb},
    worker::Load,
};
use proofmill_fault::{Code, History};
use proofmill_primitives::{ProofId, ProverType, TaskId, TaskKind, WorkerId};
use std::collections::{BTreeMap, VecDeque};

#[derive(Clone, Debug)]
pub(crate) struct Proof {
    pub(crate) spec: ProofSpec,
    pub(crate) created: Time,
    /// In the order of creation.
    pub(crate) number: u64,
    pub(crate) tasks: Vec<TaskId>,
    pub(crate) counts: BTreeMap<TaskKind, Counts>,
    /// How many tasks wait of each sort: what a diagnosis has to look at.
    pub(crate) waiting: BTreeMap<Sort, usize>,
    /// What those of its running tasks weigh that wait for others of it (controllers, executions), by worker.
    pub(crate) held: BTreeMap<WorkerId, u64>,
    /// What its running CPU tasks weigh.
    pub(crate) running_cpu: u64,
    /// What its running GPU tasks weigh.
    pub(crate) running_gpu: u64,
    pub(crate) diagnosis: Option<Diagnosis>,
}

impl Proof {
    pub(crate) fn new(spec: ProofSpec, created: Time, number: u64) -> Self {
        Self {
            spec,
            created,
            number,
            tasks: Vec::new(),
            counts: BTreeMap::new(),
            waiting: BTreeMap::new(),
            held: BTreeMap::new(),
            running_cpu: 0,
            running_gpu: 0,
            diagnosis: None,
        }
    }

    /// How many of its tasks are done.
    pub(crate) fn done(&self) -> u64 {
        self.counts.values().map(|counts| counts.succeeded as u64).sum()
    }
}

/// How far a task is on its way to its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It has not left yet.
    Due,
    /// It was sent.
    Sent,
    /// The worker did not name it, and it is sent a second time.
    DueAgain,
    /// It was sent a second time.
    SentAgain,
}

impl Delivery {
    /// It has left.
    pub(crate) const fn sent(self) -> Self {
        match self {
            Self::Due | Self::Sent => Self::Sent,
            Self::DueAgain | Self::SentAgain => Self::SentAgain,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) spec: TaskSpec,
    pub(crate) state: TaskState,
    pub(crate) prover: ProverType,
    /// In the order of creation.
    pub(crate) number: u64,
    pub(crate) proof_number: u64,
    /// Where it was tried and failed. Changes only while it does not wait.
    pub(crate) avoid: Avoid,
    /// What went wrong with it. Whether it is suspected, and so runs beside no other work (`worker.rs` says why), changes only while
    /// it does not wait.
    pub(crate) history: History,
    /// While it waits: not given out before.
    pub(crate) not_before: Option<Time>,
    /// Since when it waits.
    pub(crate) queued: Time,
    /// Since when it is first in line and sees others go before it.
    pub(crate) overtaken: Option<Time>,
    /// When its worker was last known to have it, or it was sent there.
    pub(crate) confirmed: Time,
    /// How it is on its way to its worker.
    pub(crate) delivery: Delivery,
    /// From whom it was taken because the worker was silent, or silent about it.
    pub(crate) lost_by: Option<WorkerId>,
    /// While it runs: the process before the one that has it was lost with it, which counted as a loss. This one may know why.
    pub(crate) outlived: bool,
}

impl Task {
    pub(crate) fn new(spec: TaskSpec, proof: &Proof, number: u64, now: Time) -> Self {
        Self {
            spec,
            state: TaskState::Pending { history: History::default(), last_failure: None },
            prover: proof.spec.prover,
            number,
            proof_number: proof.number,
            avoid: Avoid::default(),
            history: History::default(),
            not_before: None,
            queued: now,
            overtaken: None,
            confirmed: now,
            delivery: Delivery::Due,
            lost_by: None,
            outlived: false,
        }
    }

    /// `None` for a mark, which nobody is given.
    pub(crate) fn want(&self) -> Option<Want> {
        Want::new(self.prover, self.sort()).map(|want| Want { apart: self.history.is_suspected(), ..want })
    }

    pub(crate) const fn sort(&self) -> Sort {
        let TaskSpec { kind, weight, dialect, .. } = self.spec;
        Sort { kind, weight, dialect }
    }

    pub(crate) fn load(&self) -> Load {
        let TaskSpec { kind, weight, .. } = self.spec;
        let apart = self.history.is_suspected();
        Load { weight: gb(weight), lane: Lane::of(kind), apart }
    }

    pub(crate) fn line(&self) -> Option<LineKey> {
        let avoided = Some((self.proof_number, self.avoid.clone())).filter(|(_, avoid)| !avoid.is_empty());
        Some(LineKey { want: self.want()?, avoided })
    }

    /// Notes a fault of its worker that other tasks there may be to blame for. A worker that was killed for memory is known to have
    /// done too much; one that was lost may have been taken away, which says something only when it happens again and again. What
    /// waits for others would have to do so beside them, and is never suspected.
    pub(crate) fn suspect(&mut self, code: Code, free_losses: u32) {
        let lost = code == Code::WorkerLost && self.history.losses() > free_losses / 2;
        if (lost || code == Code::KilledAmongOthers) && !Lane::of(self.spec.kind).waits() {
            self.history.suspect();
        }
    }

    /// The clock went back: nothing of it is to wait for what it showed before.
    pub(crate) fn forget_future(&mut self, now: Time) {
        self.confirmed = self.confirmed.min(now);
        self.queued = self.queued.min(now);
        self.overtaken = self.overtaken.map(|since| since.min(now));
    }

    /// Whether it is to be given out now.
    pub(crate) const fn is_in_line(&self) -> bool {
        matches!(self.state, TaskState::Pending { .. }) && self.not_before.is_none()
    }

    pub(crate) const fn turn(&self) -> TaskTurn {
        TaskTurn::new(self.spec.kind, self.number)
    }

    /// Since when it runs, where it does.
    pub(crate) const fn running_since(&self) -> Option<Time> {
        match &self.state {
            TaskState::Running { since, .. } => Some(*since),
            _ => None,
        }
    }

    /// Its worker, where it runs.
    pub(crate) const fn worker(&self) -> Option<&WorkerId> {
        match &self.state {
            TaskState::Running { worker, .. } => Some(worker),
            _ => None,
        }
    }
}

/// The tasks of proofs that ended lately, so that a worker that still has one can be told to stop, and its late result
/// is no error. Bounded: the oldest are forgotten.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ended {
    proofs: BTreeMap<TaskId, ProofId>,
    order: VecDeque<TaskId>,
}

impl Ended {
    /// Some ten MB; a few of the largest proofs, or hours of small ones.
    const CAPACITY: usize = 65_536;

    pub(crate) fn insert(&mut self, task: TaskId, proof: ProofId) {
        if self.proofs.insert(task.clone(), proof).is_none() {
            self.order.push_back(task);
        }
        while self.order.len() > Self::CAPACITY {
            if let Some(oldest) = self.order.pop_front() {
                self.proofs.remove(&oldest);
            }
        }
    }

    pub(crate) fn proof_of(&self, task: &TaskId) -> Option<&ProofId> {
        self.proofs.get(task)
    }
}
