//! What can be asked of the scheduler. Nothing here changes it.

use crate::{
    Diagnosis, ProofSpec, Scheduler, TaskSpec, TaskState, Time, WorkerSpec,
    want::{Sort, Want, as_weight},
};
use proofmill_primitives::{Capability, ProofId, ProverType, TaskId, TaskKind, Weight, WorkerId, WorkerKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A registered worker, as the scheduler sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerStatus<'a> {
    /// What it said of itself.
    pub spec: &'a WorkerSpec,
    /// What its tasks weigh together. Above its maximum only where it came back with a smaller one than it had.
    pub current: Weight,
    /// Its tasks, in the order of their ids.
    pub tasks: Vec<&'a TaskId>,
    /// When it was last heard of.
    pub last_heartbeat: Time,
    /// Whether it said that it takes no more tasks.
    pub draining: bool,
    /// Whether it has a stream. Without one it is given nothing.
    pub connected: bool,
    /// Whether it is given nothing new for a while, because it could not use its store.
    pub paused: bool,
    /// Whether it runs a task that is kept apart from other work, and is given nothing else meanwhile.
    pub apart: bool,
    /// The task that this worker is kept free for.
    pub reserved_for: Option<&'a TaskId>,
}

/// The whole cluster in numbers: what `GetStats` answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// CPU tasks that wait for a worker.
    pub cpu_queue: usize,
    /// GPU tasks that wait for a worker.
    pub gpu_queue: usize,
    /// Proofs being made.
    pub active_proofs: usize,
    /// What the running CPU tasks weigh together, in GB.
    pub cpu_current: u64,
    /// The maxima of the workers that take CPU tasks, in GB. A worker of kind `all` counts here and in `gpu_max`.
    pub cpu_max: u64,
    /// What the running GPU tasks weigh together, in GB.
    pub gpu_current: u64,
    /// The maxima of the workers that take GPU tasks, in GB.
    pub gpu_max: u64,
    /// Registered workers that take only CPU tasks.
    pub cpu_workers: usize,
    /// Registered workers that take only GPU tasks.
    pub gpu_workers: usize,
    /// Registered workers that take both.
    pub all_workers: usize,
    /// Registered workers that take no more tasks; they are counted by kind too.
    pub draining_workers: usize,
    /// Tasks of active proofs, in whatever state.
    pub total_tasks: usize,
    /// Tasks that run.
    pub active_tasks: usize,
    /// Active proofs with a task that no present worker could ever take.
    pub diagnosed_proofs: usize,
}

impl Stats {
    /// Registered workers.
    pub const fn workers(&self) -> usize {
        self.cpu_workers + self.gpu_workers + self.all_workers
    }
}

/// How many tasks of one kind are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Wait for a worker.
    pub pending: usize,
    /// Run.
    pub running: usize,
    /// Are done.
    pub succeeded: usize,
}

impl Counts {
    /// All of them.
    pub const fn total(&self) -> usize {
        self.pending + self.running + self.succeeded
    }
}

impl Scheduler {
    /// A task of an active proof and where it stands.
    pub fn task(&self, id: &TaskId) -> Option<(&TaskSpec, &TaskState)> {
        self.tasks.get(id).map(|task| (&task.spec, &task.state))
    }

    /// Since when a task of an active proof waited for a worker the last time, or since the restart after which it still did.
    pub fn queued(&self, id: &TaskId) -> Option<Time> {
        self.tasks.get(id).map(|task| task.queued)
    }

    /// A proof's tasks in the order of their creation; none where the proof is not active.
    pub fn tasks_of(&self, proof: &ProofId) -> impl Iterator<Item = (&TaskSpec, &TaskState)> {
        let ids = self.proofs.get(proof).into_iter().flat_map(|proof| &proof.tasks);
        ids.filter_map(|id| self.task(id))
    }

    /// An active proof and when it was created.
    pub fn proof(&self, id: &ProofId) -> Option<(&ProofSpec, Time)> {
        self.proofs.get(id).map(|proof| (&proof.spec, proof.created))
    }

    /// The active proofs and when each was created, in the order of their ids.
    pub fn proofs(&self) -> impl Iterator<Item = (&ProofSpec, Time)> {
        self.proofs.values().map(|proof| (&proof.spec, proof.created))
    }

    /// The registered workers, in the order of their ids. One that is only known from before a restart and has not
    /// come back yet is not among them.
    pub fn workers(&self) -> impl Iterator<Item = WorkerStatus<'_>> {
        self.workers.iter().filter_map(|(_, worker)| {
            Some(WorkerStatus {
                spec: worker.spec.as_ref()?,
                current: as_weight(worker.memory.held()),
                tasks: worker.tasks.keys().collect(),
                last_heartbeat: worker.last_heartbeat,
                draining: worker.draining,
                connected: worker.broken.is_none(),
                paused: worker.paused.is_some(),
                apart: worker.runs_apart(),
                reserved_for: worker.reserved_for.as_ref(),
            })
        })
    }

    /// Whether a worker holds tasks.
    pub fn is_busy(&self, worker: &WorkerId) -> bool {
        self.workers.get(worker).is_some_and(|worker| !worker.tasks.is_empty())
    }

    /// Counts and weights over everything. Looks at every worker and every proof: for people and metrics, not for a
    /// hot path.
    pub fn stats(&self) -> Stats {
        let mut stats =
            Stats { active_proofs: self.proofs.len(), total_tasks: self.tasks.len(), ..Stats::default() };
        for (_, worker) in self.workers.iter() {
            let Some(spec) = &worker.spec else { continue };
            let max = u64::from(spec.max_weight.as_gb());
            match spec.kind {
                WorkerKind::Cpu => stats.cpu_workers += 1,
                WorkerKind::Gpu => stats.gpu_workers += 1,
                WorkerKind::All => stats.all_workers += 1,
            }
            stats.cpu_max += if spec.kind.can(Capability::Cpu) { max } else { 0 };
            stats.gpu_max += if spec.kind.can(Capability::Gpu) { max } else { 0 };
            stats.draining_workers += usize::from(worker.draining);
        }
        for proof in self.proofs.values() {
            stats.cpu_current += proof.running_cpu;
            stats.gpu_current += proof.running_gpu;
            stats.diagnosed_proofs += usize::from(proof.diagnosis.is_some());
            for (kind, counts) in &proof.counts {
                stats.active_tasks += counts.running;
                match kind.needs() {
                    Capability::Cpu => stats.cpu_queue += counts.pending,
                    Capability::Gpu => stats.gpu_queue += counts.pending,
                    Capability::None => {}
                }
            }
        }
        stats
    }

    /// The tasks of all active proofs by kind; every kind is there. As costly as [`stats`](Self::stats).
    pub fn tasks_by_kind(&self) -> BTreeMap<TaskKind, Counts> {
        let mut all: BTreeMap<_, _> = TaskKind::ALL.map(|kind| (kind, Counts::default())).into();
        for (kind, counts) in self.proofs.values().flat_map(|proof| &proof.counts) {
            let sum = all.entry(*kind).or_default();
            sum.pending += counts.pending;
            sum.running += counts.running;
            sum.succeeded += counts.succeeded;
        }
        all
    }

    /// How far a proof is: its tasks by kind. `None` where it is not active. Costs nothing, so that a client may poll.
    pub fn progress(&self, proof: &ProofId) -> Option<&BTreeMap<TaskKind, Counts>> {
        self.proofs.get(proof).map(|proof| &proof.counts)
    }

    /// What keeps a proof waiting: the first of its kinds of waiting tasks that no present worker could ever take.
    pub fn diagnosis(&self, proof: &ProofId) -> Option<&Diagnosis> {
        self.proofs.get(proof)?.diagnosis.as_ref()
    }

    /// Whether a task could ever run on the workers present, on a worker where its proof's controller already holds
    /// `held` if there is no other. For what a proof's mode will need in the end, asked before the proof is started.
    pub fn foresee(
        &self,
        prover: ProverType,
        kind: TaskKind,
        weight: Weight,
        held: Weight,
    ) -> Option<Diagnosis> {
        let want = Want::new(prover, Sort { kind, weight, dialect: None })?;
        self.workers.foresee(kind, &want, held)
    }
}
