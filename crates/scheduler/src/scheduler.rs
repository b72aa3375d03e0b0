//! The scheduler's state, and the events that come from clients and tasks.

use crate::{
    Action, Config, Event, ProofSpec, ProofState, Refused, TaskSpec, TaskState, Time,
    proof::{Ended, Proof, Task},
    queue::Queues,
    workers::WorkerSet,
};
use proofmill_fault::{Code, Fault, History};
use proofmill_primitives::{ProofId, TaskId, WorkerId};
use std::collections::{BTreeMap, BTreeSet};

/// Which task runs on which worker. See the crate's documentation.
#[derive(Clone, Debug)]
pub struct Scheduler {
    pub(crate) config: Config,
    pub(crate) workers: WorkerSet,
    pub(crate) queues: Queues,
    pub(crate) proofs: BTreeMap<ProofId, Proof>,
    pub(crate) tasks: BTreeMap<TaskId, Task>,
    pub(crate) ended: Ended,
    /// What the running GPU tasks of each requester weigh.
    pub(crate) shares: BTreeMap<String, u64>,
    /// Running tasks that may run too long, by when they started.
    pub(crate) timed: BTreeSet<(Time, TaskId)>,
    pub(crate) deadlines: BTreeSet<(Time, ProofId)>,
    /// Waiting tasks that are not given out before a moment.
    pub(crate) delayed: BTreeSet<(Time, TaskId)>,
    /// Tasks that a worker is kept free for.
    pub(crate) reserved: BTreeMap<TaskId, WorkerId>,
    /// Proofs that a restart found with a failed task: they fail at the next event.
    pub(crate) doomed: Vec<(ProofId, Fault)>,
    /// The last number given to a proof or a task.
    pub(crate) last_number: u64,
    pub(crate) last_tick: Option<Time>,
    /// Silence of a worker, how long it takes for a task, and for how long something is missing, count from here on: before, nobody was
    /// listening.
    pub(crate) listening_since: Time,
    /// Since when the workers that were there before a restart may come back.
    pub(crate) gathering_since: Option<Time>,
    pub(crate) pending_work: PendingWork,
}

/// What an event leaves to be done at its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingWork {
    /// A task came to wait or room came free since the last look for matches.
    pub(crate) rematch: bool,
    pub(crate) fleet: Fleet,
    /// Proofs whose waiting tasks changed, or what those hold that wait for others.
    pub(crate) proofs: BTreeSet<ProofId>,
}

/// How the set of workers changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fleet {
    #[default]
    Same,
    /// Only for the better: nothing that could run cannot any more.
    Grew,
    Changed,
}

impl Scheduler {
    /// A scheduler that knows of nothing.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            workers: WorkerSet::new(config.controller_headroom),
            queues: Queues::default(),
            proofs: BTreeMap::new(),
            tasks: BTreeMap::new(),
            ended: Ended::default(),
            shares: BTreeMap::new(),
            timed: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            delayed: BTreeSet::new(),
            reserved: BTreeMap::new(),
            doomed: Vec::new(),
            last_number: 0,
            last_tick: None,
            listening_since: Time::default(),
            gathering_since: None,
            pending_work: PendingWork::default(),
        }
    }

    /// What it was made with.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Takes in what happened at `now` and says what follows from it, to be carried out in order.
    ///
    /// What was done already is no error and has no consequences: a task completed twice, a failure from a worker that
    /// no longer has the task, a worker gone twice, a result for a proof that has ended.
    ///
    /// A worker that names a task in a heartbeat which ran elsewhere or whose proof ended is told to stop. Only of tasks
    /// that ended before a [restart](Scheduler::restore) nothing is known here: where [`Scheduler::task`] knows no task of
    /// that id after the heartbeat, the caller tells the worker itself.
    ///
    /// # Errors
    ///
    /// [`Refused`] where the event makes no sense in the present state. Nothing has changed then.
    pub fn handle(&mut self, now: Time, event: Event) -> Result<Vec<Action>, Refused> {
        let mut actions = Vec::new();
        match event {
            Event::WorkerOpened(spec) => self.worker_opened(now, spec, &mut actions)?,
            Event::Heartbeat { worker, active, received } => {
                self.heartbeat(now, &worker, active, received, &mut actions)?;
            }
            Event::Sent { tasks } => self.sent(now, &tasks),
            Event::StreamBroken { worker } => self.stream_broken(now, &worker, &mut actions),
            Event::WorkerBack { worker } => self.workers.come_back(&worker, now),
            Event::WorkerDraining { worker } => self.worker_draining(&worker)?,
            Event::WorkerGone { worker } => self.worker_lost(now, &worker, "its process ended", &mut actions),
            Event::WorkerReplaced { worker } => self.worker_replaced(now, &worker, &mut actions),
            Event::ProofCreated { proof, root } => self.proof_created(now, proof, root, &mut actions)?,
            Event::TaskCreated(spec) => self.task_created(now, spec, &mut actions)?,
            Event::TaskCompleted { worker, task } => {
                self.task_completed(now, &worker, &task, &mut actions)?
            }
            Event::TaskFailed { worker, task, fault } => {
                self.task_failed(now, &worker, &task, fault, &mut actions)?;
            }
            Event::ProofCompleted { proof } => {
                self.proof_ended(&proof, ProofState::Completed, &mut actions)?
            }
            Event::ProofFailed { proof, fault } => {
                self.proof_ended(&proof, ProofState::Failed { fault }, &mut actions)?;
            }
            Event::DeadlineMoved { proof, deadline } => self.deadline_moved(&proof, deadline)?,
            Event::ProofCancelled { proof } => {
                self.proof_ended(&proof, ProofState::Cancelled, &mut actions)?
            }
            Event::Tick => self.tick(now, &mut actions),
        }
        for (proof, fault) in std::mem::take(&mut self.doomed) {
            self.end_proof(&proof, ProofState::Failed { fault }, &mut actions);
        }
        self.assign(now, &mut actions);
        self.diagnose(&mut actions);
        Ok(actions)
    }

    pub(crate) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn proof_created(
        &mut self,
        now: Time,
        proof: ProofSpec,
        root: TaskSpec,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        if self.proofs.contains_key(&proof.id) {
            return Err(Refused::ProofExists(proof.id));
        }
        if root.proof != proof.id {
            return Err(Refused::NoSuchProof(root.proof));
        }
        if self.tasks.contains_key(&root.id) {
            return Err(Refused::TaskExists(root.id));
        }
        let (id, deadline) = (proof.id.clone(), proof.deadline);
        self.add_proof(proof, now);
        actions.push(Action::ProofChanged { proof: id.clone(), state: ProofState::Active });
        self.task_created(now, root, actions)?;
        if deadline.is_some_and(|deadline| deadline <= now) {
            let text = "its deadline had passed when it was asked for; ask again with a later one";
            let fault = Fault::new(Code::Late, text);
            self.end_proof(&id, ProofState::Failed { fault }, actions);
        }
        Ok(())
    }

    pub(crate) fn add_proof(&mut self, spec: ProofSpec, created: Time) {
        let number = self.next_number();
        if let Some(deadline) = spec.deadline {
            self.deadlines.insert((deadline, spec.id.clone()));
        }
        self.proofs.insert(spec.id.clone(), Proof::new(spec, created, number));
    }

    /// A deadline that has passed takes effect at the next tick.
    fn deadline_moved(&mut self, id: &ProofId, deadline: Time) -> Result<(), Refused> {
        let before = self.turn(id);
        let Some(proof) = self.proofs.get_mut(id) else { return Err(Refused::NoSuchProof(id.clone())) };
        if let Some(old) = proof.spec.deadline.replace(deadline) {
            self.deadlines.remove(&(old, id.clone()));
        }
        self.deadlines.insert((deadline, id.clone()));
        self.moved_from(id, before);
        Ok(())
    }

    fn task_created(&mut self, now: Time, spec: TaskSpec, actions: &mut Vec<Action>) -> Result<(), Refused> {
        if !self.proofs.contains_key(&spec.proof) {
            return Err(Refused::NoSuchProof(spec.proof));
        }
        if self.tasks.contains_key(&spec.id) {
            return Err(Refused::TaskExists(spec.id));
        }
        actions.push(Action::TaskAdded(spec.clone()));
        self.add_task(now, spec, TaskState::Pending { history: History::default(), last_failure: None });
        Ok(())
    }

    /// The caller has checked that the proof is there and the task is not.
    pub(crate) fn add_task(&mut self, now: Time, spec: TaskSpec, state: TaskState) {
        let number = self.next_number();
        let Some(proof) = self.proofs.get_mut(&spec.proof) else { return };
        proof.tasks.push(spec.id.clone());
        let id = spec.id.clone();
        let mut task = Task::new(spec, proof, number, now);
        if let TaskState::Pending { history, .. } | TaskState::Running { history, .. } = &state {
            task.avoid.workers = history.failed_on().iter().map(|id| WorkerId::new(id.as_str())).collect();
            task.history = history.clone();
        }
        // What runs already was sent by whoever was here before.
        task.delivery = task.delivery.sent();
        self.tasks.insert(id.clone(), task);
        self.enter(&id, state);
    }

    fn task_completed(
        &mut self,
        now: Time,
        worker: &WorkerId,
        id: &TaskId,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let Some(task) = self.tasks.get(id) else { return self.ended_task(id) };
        if task.state == TaskState::Succeeded {
            return Ok(());
        }
        let holder = task.worker().cloned();
        self.set_state(now, id, TaskState::Succeeded, actions);
        match holder {
            Some(holder) if holder == *worker => self.workers.works(worker),
            Some(holder) => self.withdraw(&holder, id, actions),
            None => {}
        }
        Ok(())
    }

    fn task_failed(
        &mut self,
        now: Time,
        worker: &WorkerId,
        id: &TaskId,
        fault: Fault,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let Some(task) = self.tasks.get(id) else { return self.ended_task(id) };
        if task.worker() != Some(worker) {
            return Ok(());
        }
        // What a worker that leaves in good order gives back does not count against the task.
        let leaves = self.workers.present(worker).is_none_or(|worker| worker.draining);
        let code = match fault.code {
            // An older build lacks what a newer one has, which may not be back yet.
            Code::Unsupported if self.is_gathering(now) || self.has_another_build(id, worker) => Code::Unfit,
            code if leaves && !code.is_final() => Code::Stopping,
            // These two are given out again at once. Only the scheduler puts back; and a worker that stops, but is not known to leave
            // yet, could be given the same task again and again.
            Code::PutBack | Code::Stopping => Code::Withdrawn,
            code => code,
        };
        // The loss of the process before this one is told of once more, with its cause: it counts as that.
        if code.is_of_memory()
            && let Some(task) = self.tasks.get_mut(id).filter(|task| task.outlived)
        {
            task.history.found();
        }
        self.give_back(now, id, Fault { code, ..fault }, actions);
        Ok(())
    }

    /// A task that is not there: no error where its proof ended lately.
    fn ended_task(&self, id: &TaskId) -> Result<(), Refused> {
        self.ended.proof_of(id).map(|_| ()).ok_or_else(|| Refused::NoSuchTask(id.clone()))
    }

    fn proof_ended(
        &mut self,
        id: &ProofId,
        state: ProofState,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        if !self.proofs.contains_key(id) {
            return Err(Refused::NoSuchProof(id.clone()));
        }
        self.end_proof(id, state, actions);
        Ok(())
    }
}
