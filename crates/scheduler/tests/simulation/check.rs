//! What must be true after every event, computed the slow and obvious way from what the actions said.

use proofmill_fault::{At, Code, Fault, History};
use proofmill_primitives::{Capability, ProofId, TaskId, TaskKind, Weight, WorkerId, WorkerKind};
use proofmill_scheduler::{
    Action, Config, Counts, Diagnosis, ProofSpec, ProofState, Scheduler, TaskSpec, TaskState, Time,
    WorkerStatus,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What a coordinator would have made durable: nothing but the actions, applied.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) proofs: BTreeMap<ProofId, (ProofSpec, Time, ProofState)>,
    /// In the order they were added.
    pub(crate) tasks: Vec<(TaskSpec, TaskState)>,
    pub(crate) diagnoses: BTreeMap<ProofId, Diagnosis>,
    /// The proof that the event at hand asks for.
    pub(crate) asked: Option<(ProofSpec, Time)>,
    /// How often each task failed by a fault that may be held against it.
    pub(crate) own: BTreeMap<TaskId, u32>,
    /// Before when a task that failed must not be given out.
    pub(crate) not_before: BTreeMap<TaskId, Time>,
    /// Work that was killed among others, and is to run apart from then on.
    pub(crate) apart: BTreeSet<TaskId>,
    /// Since when each task waits for what its client stored.
    pub(crate) missing_since: BTreeMap<TaskId, Time>,
    /// Since when somebody is there to see what is missing: before, the coordinator was away, or its machine slept.
    watched_from: Time,
    last_tick: Option<Time>,
    /// Where each task is in `tasks`.
    at: BTreeMap<TaskId, usize>,
}

impl Ledger {
    pub(crate) fn task(&self, id: &TaskId) -> Option<&(TaskSpec, TaskState)> {
        self.at.get(id).map(|at| &self.tasks[*at])
    }

    pub(crate) fn active(&self) -> impl Iterator<Item = (&ProofSpec, Time)> {
        let active = self.proofs.values().filter(|(_, _, state)| *state == ProofState::Active);
        active.map(|(spec, created, _)| (spec, *created))
    }

    /// Of active proofs.
    pub(crate) fn live_tasks(&self) -> impl Iterator<Item = &(TaskSpec, TaskState)> {
        self.tasks.iter().filter(|(spec, _)| self.proofs[&spec.proof].2 == ProofState::Active)
    }

    /// Drops what has ended, as a restarted coordinator does not load it.
    pub(crate) fn forget_ended(&mut self) {
        let proofs = &self.proofs;
        self.tasks.retain(|(spec, _)| proofs[&spec.proof].2 == ProofState::Active);
        self.at = self.tasks.iter().enumerate().map(|(at, (spec, _))| (spec.id.clone(), at)).collect();
    }

    /// The coordinator was started again.
    pub(crate) fn restarted(&mut self, now: Time) {
        (self.watched_from, self.last_tick) = (now, None);
    }

    /// Time passes. A tick that comes late, or at an earlier time, says that nobody was there before.
    pub(crate) fn ticked(&mut self, now: Time, config: &Config) {
        if let Some(last) = self.last_tick.replace(now)
            && (now < last || now.since(last) > config.heartbeat_timeout / 2)
        {
            self.watched_from = now;
        }
    }

    /// A task is to be tried again.
    fn came_back(&mut self, now: Time, task: &TaskId, fault: &Fault) {
        let own = matches!(fault.at(), At::Task) || fault.code.is_of_memory();
        if own || fault.code == Code::WorkerLost {
            *self.own.entry(task.clone()).or_default() += 1;
        }
        let paused =
            matches!(fault.at(), At::Store | At::Cluster | At::Chain) || fault.code == Code::Withdrawn;
        if own || paused {
            self.not_before.insert(task.clone(), now.after(Duration::from_millis(750)));
        } else {
            self.not_before.remove(task);
        }
    }

    /// What a client stored may be missing for so long, and no longer. That of a task which ran for long, or failed by itself,
    /// was there; of what heartbeats say nothing follows.
    fn check_missing(
        &mut self,
        now: Time,
        task: &TaskId,
        (fault, ran): (&Fault, Duration),
        given_up: bool,
        config: &Config,
    ) {
        if ran > config.patience.missing_for || fault.at() == At::Task {
            self.missing_since.remove(task);
        }
        if let Some(since) = self.missing_since.get_mut(task) {
            *since = (*since).max(self.watched_from);
        }
        if fault.code.is_of_the_input() {
            let since = self.missing_since.entry(task.clone()).or_insert(now);
            // It is not missing since a moment that the clock showed before it went back.
            *since = (*since).min(now);
            let too_long = now.since(*since) > config.patience.missing_for;
            assert_eq!(given_up, too_long, "{task} misses {fault:?} since {since:?}, now {now:?}");
        }
    }

    /// Only what a task did itself, often enough, or what can never work, fails it.
    fn check_given_up(&self, task: &TaskId, fault: &Fault, config: &Config) {
        let own = self.own.get(task).copied().unwrap_or_default() + 1;
        let word = fault.code.is_of_the_input() || fault.code == Code::Dismissed;
        assert!(
            fault.code.is_final() || word || own >= config.patience.tries,
            "{task} was given up for {fault:?} after {own} faults of its own"
        );
        let blameless = matches!(
            fault.code,
            Code::StoreAway
                | Code::StoreFull
                | Code::ClusterAway
                | Code::Unfit
                | Code::NotSetUp
                | Code::NotDelivered
                | Code::Stopping
                | Code::PutBack
                | Code::Withdrawn
        );
        assert!(!blameless, "{task} was given up for {fault:?}");
    }

    /// Applies one action; refuses those that do not follow from what was before.
    pub(crate) fn apply(&mut self, now: Time, action: &Action, config: &Config) {
        match action {
            Action::TaskAdded(spec) => {
                assert_eq!(
                    self.proofs[&spec.proof].2,
                    ProofState::Active,
                    "a task of an ended proof: {spec:?}"
                );
                let before = self.at.insert(spec.id.clone(), self.tasks.len());
                assert_eq!(before, None, "{} added twice", spec.id);
                self.tasks.push((
                    spec.clone(),
                    TaskState::Pending { history: History::default(), last_failure: None },
                ));
            }
            Action::TaskChanged { proof, task, state } => {
                let (spec, before) = &mut self.tasks[self.at[task]];
                assert_eq!((&spec.proof, &self.proofs[proof].2), (proof, &ProofState::Active));
                let sensible = match (&*before, &state) {
                    (TaskState::Succeeded | TaskState::Failed { .. }, _) => false,
                    (TaskState::Pending { .. }, TaskState::Running { history, .. })
                    | (TaskState::Running { .. }, TaskState::Pending { history, .. }) => {
                        // One broken worker ends no proof where there is another one.
                        history.tries() < config.patience.tries || history.failed_on().len() < 2
                    }
                    (TaskState::Pending { .. } | TaskState::Running { .. }, TaskState::Succeeded) => true,
                    (TaskState::Running { .. }, TaskState::Failed { fault }) => !fault.text.is_empty(),
                    _ => false,
                };
                assert!(sensible, "{task} went from {before:?} to {state:?}");
                let ran = match &*before {
                    TaskState::Running { since, .. } => now.since(*since),
                    _ => Duration::ZERO,
                };
                *before = state.clone();
                match state {
                    TaskState::Pending { last_failure: Some(fault), .. } => {
                        if fault.code == Code::KilledAmongOthers && is_work(spec.kind) {
                            self.apart.insert(task.clone());
                        }
                        self.check_missing(now, task, (fault, ran), false, config);
                        self.came_back(now, task, fault);
                    }
                    TaskState::Failed { fault } => {
                        self.check_missing(now, task, (fault, ran), true, config);
                        self.check_given_up(task, fault, config);
                    }
                    _ => {}
                }
            }
            Action::ProofChanged { proof, state: ProofState::Active } => {
                let (spec, created) = self.asked.take().expect("only a proof that was asked for begins");
                assert_eq!(proof, &spec.id);
                let before = self.proofs.insert(proof.clone(), (spec, created, ProofState::Active));
                assert!(before.is_none(), "{proof} begins twice");
            }
            Action::ProofChanged { proof, state } => {
                let entry = self.proofs.get_mut(proof).expect("only a known proof ends");
                assert_eq!(entry.2, ProofState::Active, "{proof} ends twice");
                entry.2 = state.clone();
                self.diagnoses.remove(proof);
            }
            Action::Assign { worker, task } => {
                let (spec, state) = self.task(&task.id).expect("a known task");
                assert_eq!(spec, task);
                let there = matches!(state, TaskState::Running { worker: at, .. } if at == worker);
                assert!(there, "{} sent to {worker} but {state:?}", task.id);
                if let Some(due) = self.not_before.remove(&task.id) {
                    assert!(now >= due, "{} goes out again at once: {now:?} before {due:?}", task.id);
                }
            }
            Action::Diagnosed { proof, diagnosis } => {
                let before = self.diagnoses.get(proof).cloned();
                assert_ne!(&before, diagnosis, "said again of {proof}");
                match diagnosis {
                    Some(diagnosis) => self.diagnoses.insert(proof.clone(), diagnosis.clone()),
                    None => self.diagnoses.remove(proof),
                };
            }
            Action::Withdraw { worker, proof, task } => {
                let (spec, state) = self.task(task).expect("a known task");
                assert_eq!(&spec.proof, proof);
                let there = matches!(state, TaskState::Running { worker: at, .. } if at == worker);
                let active = self.proofs[proof].2 == ProofState::Active;
                assert!(!(there && active), "{task} taken from {worker}, where it runs");
            }
            Action::WorkerLost { .. } => {}
        }
    }
}

fn is_controller(kind: TaskKind) -> bool {
    matches!(kind, TaskKind::Controller | TaskKind::UtilVkeyMapController)
}

/// Controllers and executions wait for others; all else that is given out is work.
fn is_work(kind: TaskKind) -> bool {
    !is_controller(kind) && kind != TaskKind::CoreExecute
}

fn could(worker: &WorkerStatus<'_>, proof: &ProofSpec, task: &TaskSpec) -> bool {
    let spec = worker.spec;
    !worker.draining
        && spec.kind.can(task.kind.needs())
        && spec.provers.contains(&proof.prover)
        && task.dialect.is_none_or(|dialect| spec.dialects.contains(&dialect))
}

pub(crate) fn check(scheduler: &Scheduler, ledger: &Ledger) {
    check_mirror(scheduler, ledger);
    let held = check_workers(scheduler, ledger);
    check_numbers(scheduler, ledger);
    check_nothing_idle(scheduler, ledger);
    check_diagnoses(scheduler, ledger, &held);
}

/// The scheduler and what it said agree: nothing is lost, nothing changed without a word.
fn check_mirror(scheduler: &Scheduler, ledger: &Ledger) {
    let proofs: Vec<_> = scheduler.proofs().collect();
    assert_eq!(proofs, ledger.active().collect::<Vec<_>>());
    let mut tasks = 0;
    for (spec, state) in ledger.live_tasks() {
        assert_eq!(scheduler.task(&spec.id), Some((spec, state)));
        tasks += 1;
    }
    assert_eq!(scheduler.stats().total_tasks, tasks);
    let listed: usize = proofs.iter().map(|(proof, _)| scheduler.tasks_of(&proof.id).count()).sum();
    assert_eq!(listed, tasks);
    for (proof, _) in proofs {
        assert_eq!(scheduler.diagnosis(&proof.id), ledger.diagnoses.get(&proof.id));
    }
}

type Held = BTreeMap<(ProofId, WorkerId), Weight>;

/// Each worker weighs what its tasks weigh, and each task is where its state says and nowhere else.
fn check_workers(scheduler: &Scheduler, ledger: &Ledger) -> Held {
    let (mut at, mut held) = (BTreeMap::<&WorkerId, Vec<&TaskSpec>>::new(), Held::new());
    for (spec, state) in ledger.live_tasks() {
        if let TaskState::Running { worker, .. } = state {
            assert_ne!(spec.kind.needs(), Capability::None, "a mark runs");
            at.entry(worker).or_default().push(spec);
            if !is_work(spec.kind) {
                let weight = held.entry((spec.proof.clone(), worker.clone())).or_default();
                *weight = *weight + spec.weight;
            }
        }
    }
    for worker in scheduler.workers() {
        let tasks = at.remove(&worker.spec.id).unwrap_or_default();
        assert_eq!(worker.current, tasks.iter().map(|task| task.weight).sum(), "{worker:?}");
        let mut ids: Vec<_> = tasks.iter().map(|task| &task.id).collect();
        ids.sort();
        assert_eq!(worker.tasks, ids);
        let work: Vec<_> = tasks.iter().filter(|task| is_work(task.kind)).collect();
        let apart = work.iter().any(|task| ledger.apart.contains(&task.id));
        assert!(
            !apart || work.len() == 1 && worker.apart,
            "killed together before, and again beside each other: {worker:?}"
        );
        if let Some(task) = worker.reserved_for {
            assert!(matches!(scheduler.task(task), Some((_, TaskState::Pending { .. }))), "kept for nothing");
        }
    }
    held
}

fn check_numbers(scheduler: &Scheduler, ledger: &Ledger) {
    let mut progress = BTreeMap::<&ProofId, BTreeMap<TaskKind, Counts>>::new();
    let (mut queues, mut current) = ((0, 0), (0, 0));
    for (spec, state) in ledger.live_tasks() {
        let counts = progress.entry(&spec.proof).or_default().entry(spec.kind).or_default();
        let cpu = spec.kind.needs() == Capability::Cpu;
        match state {
            TaskState::Pending { .. } => {
                counts.pending += 1;
                match spec.kind.needs() {
                    Capability::Cpu => queues.0 += 1,
                    Capability::Gpu => queues.1 += 1,
                    Capability::None => {}
                }
            }
            TaskState::Running { .. } => {
                counts.running += 1;
                *(if cpu { &mut current.0 } else { &mut current.1 }) += u64::from(spec.weight.as_gb());
            }
            TaskState::Succeeded => counts.succeeded += 1,
            TaskState::Failed { .. } => {}
        }
    }
    let stats = scheduler.stats();
    assert_eq!((stats.cpu_queue, stats.gpu_queue), queues);
    assert_eq!((stats.cpu_current, stats.gpu_current), current);
    assert_eq!(stats.workers(), scheduler.workers().count());
    for (proof, counts) in progress {
        assert_eq!(scheduler.progress(proof), Some(&counts));
    }
}

/// No task waits beside a worker that could take it. One that was tried before may wait for another worker.
fn check_nothing_idle(scheduler: &Scheduler, ledger: &Ledger) {
    let headroom = scheduler.config().controller_headroom;
    for (spec, state) in ledger.live_tasks() {
        let TaskState::Pending { last_failure: None, .. } = state else { continue };
        let (proof, _) = scheduler.proof(&spec.proof).unwrap();
        let may = |worker: &WorkerStatus<'_>| {
            could(worker, proof, spec) && worker.connected && !worker.paused && !worker.apart
        };
        for worker in scheduler.workers().filter(may) {
            let shares = is_controller(spec.kind) && worker.spec.kind == WorkerKind::All;
            let needs = spec.weight + if shares { headroom } else { Weight::ZERO };
            let fits = worker.current + needs <= worker.spec.max_weight;
            assert!(worker.reserved_for.is_some() || !fits, "{spec:?} waits beside {worker:?}");
        }
    }
}

/// Whether a task is of the controller or the execution that runs, if one does: what an earlier one left behind in another dialect is
/// not missed.
fn is_wanted(scheduler: &Scheduler, task: &TaskSpec) -> bool {
    let Some(dialect) = task.dialect else { return true };
    let controllers = scheduler.tasks_of(&task.proof).filter_map(|(spec, state)| match state {
        TaskState::Running { worker, .. } if !is_work(spec.kind) => Some(worker),
        _ => None,
    });
    let controllers: Vec<_> = controllers.collect();
    let speaks = |worker: &WorkerStatus<'_>| worker.spec.dialects.contains(&dialect);
    controllers.is_empty()
        || scheduler.workers().any(|worker| controllers.contains(&&worker.spec.id) && speaks(&worker))
}

/// A proof is diagnosed exactly where one of its waiting tasks fits on no worker, empty but for what of the proof waits for others.
fn check_diagnoses(scheduler: &Scheduler, ledger: &Ledger, held: &Held) {
    for (proof, _) in scheduler.proofs() {
        let mut waiting = scheduler.tasks_of(&proof.id).filter(|(spec, state)| {
            matches!(state, TaskState::Pending { .. })
                && spec.kind.needs() != Capability::None
                && is_wanted(scheduler, spec)
        });
        let stuck = waiting.any(|(spec, _)| {
            !scheduler.workers().any(|worker| {
                let held = held.get(&(proof.id.clone(), worker.spec.id.clone())).copied().unwrap_or_default();
                could(&worker, proof, spec) && spec.weight + held <= worker.spec.max_weight
            })
        });
        assert_eq!(stuck, ledger.diagnoses.contains_key(&proof.id), "{proof:?}");
    }
}
