//! Clients, controllers, workers and a network that lose and repeat things, around one scheduler.

use crate::{
    Rng, Story,
    check::{self, Ledger},
};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{Dialect, ProofId, ProverType, TaskId, TaskKind, Weight, WorkerId, WorkerKind};
use proofmill_scheduler::{
    Action, Config, Event, Policy, ProofSpec, ProofState, Refused, Scheduler, TaskSpec, TaskState, Time,
    WorkerSpec,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

/// A worker process as it really is.
pub(crate) struct Process {
    pub(crate) spec: WorkerSpec,
    pub(crate) linked: bool,
    /// Whether the present coordinator knows it.
    pub(crate) open: bool,
    pub(crate) draining: bool,
    /// It cannot reach the artifact store.
    pub(crate) store_away: bool,
    pub(crate) holds: BTreeSet<TaskId>,
    /// Finished, but the coordinator was not reached.
    pub(crate) unsent: Vec<TaskId>,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) story: Story,
    pub(crate) config: Config,
    pub(crate) scheduler: Scheduler,
    pub(crate) ledger: Ledger,
    pub(crate) now: u64,
    pub(crate) processes: BTreeMap<WorkerId, Process>,
    pub(crate) born: u64,
    pub(crate) calm: bool,
    /// The owner stands still: what was decided leaves later.
    pub(crate) stalled: bool,
    pub(crate) outbox: Vec<Action>,
    /// When it was restarted the last time with proofs that went on.
    pub(crate) gathering: Option<Time>,
}

/// The ways in which tasks are written in this world.
const DIALECTS: [Dialect; 3] = [Dialect::Own(1), Dialect::Own(2), Dialect::Sp1Cluster];

/// As its controller speaks; first tasks are for any worker.
fn dialect_of(proof: &ProofId, kind: TaskKind) -> Option<Dialect> {
    let number: usize = proof.as_str().bytes().map(usize::from).sum();
    (kind != TaskKind::Controller).then(|| DIALECTS[number % DIALECTS.len()])
}

impl World {
    pub(crate) fn new(rng: Rng, policy: Policy) -> Self {
        let config = Config { policy, task_timeout: Duration::from_secs(300), ..Config::default() };
        Self {
            rng,
            story: Story::default(),
            config,
            scheduler: Scheduler::new(config),
            ledger: Ledger::default(),
            now: 1_000_000,
            processes: BTreeMap::new(),
            born: 0,
            calm: false,
            stalled: false,
            outbox: Vec::new(),
            gathering: None,
        }
    }

    pub(crate) fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    /// Hands an event over, carries out what follows, and checks everything.
    pub(crate) fn tell(&mut self, event: Event) -> Result<(), Refused> {
        self.story.events += 1;
        if let Event::ProofCreated { proof, .. } = &event {
            self.ledger.asked = Some((proof.clone(), self.time()));
        }
        if matches!(event, Event::Tick) {
            self.ledger.ticked(self.time(), &self.config);
        }
        let before = self.story.events.is_multiple_of(16).then(|| format!("{:?}", self.scheduler));
        let actions = match self.scheduler.handle(self.time(), event.clone()) {
            Ok(actions) => actions,
            Err(refused) => {
                self.story.refused += 1;
                if let Some(before) = before {
                    assert_eq!(before, format!("{:?}", self.scheduler), "refused {event:?} but changed");
                }
                return Err(refused);
            }
        };
        let resent = self.resent(&event, &actions);
        for action in &actions {
            self.ledger.apply(self.time(), action, &self.config);
            self.carry_out(action);
            let mut hasher = DefaultHasher::new();
            (self.story.digest, format!("{action:?}")).hash(&mut hasher);
            self.story.digest = hasher.finish();
        }
        self.story.actions += actions.len() as u64;
        assert_eq!(resent, [], "sent again to a worker that has it");
        Self::check_handed_back(&event, &actions);
        check::check(&self.scheduler, &self.ledger);
        self.check_batch(&actions);
        let sent = actions.iter().filter_map(|action| match action {
            Action::Assign { worker, task } => Some((worker.clone(), task.id.clone())),
            _ => None,
        });
        let tasks: Vec<_> = sent.collect();
        if !self.stalled && !tasks.is_empty() {
            self.sent(tasks);
        }
        Ok(())
    }

    pub(crate) fn sent(&mut self, tasks: Vec<(WorkerId, TaskId)>) {
        let told = self.scheduler.handle(self.time(), Event::Sent { tasks });
        assert_eq!(told, Ok(vec![]));
    }

    /// What a heartbeat takes from a worker, or sends it again, although the worker has it.
    fn resent(&self, event: &Event, actions: &[Action]) -> Vec<TaskId> {
        let Event::Heartbeat { worker, .. } = event else { return vec![] };
        let Some(process) = self.processes.get(worker).filter(|process| process.linked) else {
            return vec![];
        };
        let runs_there = |task: &TaskId| {
            let state = self.ledger.task(task).map(|(_, state)| state);
            matches!(state, Some(TaskState::Running { worker: at, .. }) if at == worker)
        };
        let tasks = actions.iter().filter_map(|action| match action {
            Action::Assign { task, .. } => Some(&task.id),
            Action::TaskChanged {
                task, state: TaskState::Pending { last_failure: Some(fault), .. }, ..
            } => (fault.code == Code::NotDelivered).then_some(task),
            _ => None,
        });
        tasks.filter(|task| process.holds.contains(*task) && runs_there(task)).cloned().collect()
    }

    /// Whatever a worker says: what it hands back it is not given again in the same moment, or the two would go on like that.
    fn check_handed_back(event: &Event, actions: &[Action]) {
        let Event::TaskFailed { worker, task, .. } = event else { return };
        let again = |action: &Action| matches!(action, Action::Assign { worker: at, task: given } if at == worker && given.id == *task);
        assert!(!actions.iter().any(again), "{task} goes back to {worker} at once");
    }

    /// Nobody's word that a proof cannot be made counts before all that were there may have come back.
    fn check_ended(&self, fault: &Fault) {
        let gathers = |since: Time| self.time().since(since) <= self.config.heartbeat_timeout;
        let early = fault.code == Code::Unsupported && self.gathering.is_some_and(gathers);
        assert!(!early, "given up right after a restart: {fault:?}");
    }

    fn check_batch(&self, actions: &[Action]) {
        let present: BTreeMap<_, _> =
            self.scheduler.workers().map(|worker| (worker.spec.id.clone(), worker)).collect();
        for action in actions {
            match action {
                Action::Assign { worker, task } => {
                    let Some(worker) = present.get(worker) else { continue };
                    let given = |action: &Action| matches!(action, Action::TaskChanged { task: id, .. } if *id == task.id);
                    assert!(worker.connected, "{task:?} goes to a broken stream: {worker:?}");
                    // What is sent again may be too much for a worker that came back smaller.
                    if !actions.iter().any(given) {
                        continue;
                    }
                    assert!(!worker.paused, "{task:?} goes to {worker:?}");
                    assert!(worker.current <= worker.spec.max_weight, "{task:?} overloads {worker:?}");
                    assert!(
                        worker.spec.kind.can(task.kind.needs()) && !worker.draining,
                        "{task:?} on {worker:?}"
                    );
                    let prover = self.ledger.proofs[&task.proof].0.prover;
                    assert!(worker.spec.provers.contains(&prover), "{task:?} on {worker:?}");
                    let speaks = |dialect| worker.spec.dialects.contains(&dialect);
                    assert!(task.dialect.is_none_or(speaks), "{task:?} on {worker:?}");
                }
                Action::Withdraw { worker, .. } => {
                    assert!(present.contains_key(worker), "nobody to tell: {action:?}")
                }
                Action::WorkerLost { worker, .. } => {
                    assert!(!present.contains_key(worker), "{worker} is still there")
                }
                _ => {}
            }
        }
    }

    pub(crate) fn carry_out(&mut self, action: &Action) {
        if self.stalled && matches!(action, Action::Assign { .. } | Action::Withdraw { .. }) {
            self.outbox.push(action.clone());
            return;
        }
        match action {
            Action::Assign { worker, task } => {
                let lost = !self.calm && self.rng.percent(4);
                if let Some(process) = self.processes.get_mut(worker)
                    && process.linked
                    && !lost
                {
                    process.holds.insert(task.id.clone());
                }
            }
            Action::Withdraw { worker, task, .. } => {
                let lost = !self.calm && self.rng.percent(4);
                if let Some(process) = self.processes.get_mut(worker)
                    && process.linked
                    && !lost
                {
                    process.holds.remove(task);
                }
            }
            Action::ProofChanged { state, .. } => match state {
                ProofState::Completed => self.story.completed += 1,
                ProofState::Failed { fault } => {
                    self.check_ended(fault);
                    self.story.failed += 1;
                    self.story.missing += u64::from(fault.code == Code::Missing);
                }
                ProofState::Active | ProofState::Cancelled => {}
            },
            Action::TaskChanged { state: TaskState::Pending { last_failure: Some(fault), .. }, .. } => {
                self.story.put_back += u64::from(fault.code == Code::PutBack);
                self.story.unfit += u64::from(fault.code == Code::Unfit);
                self.story.store_away += u64::from(fault.code == Code::StoreAway);
            }
            Action::WorkerLost { .. } => self.story.lost += 1,
            Action::Diagnosed { .. } => self.story.diagnosed += 1,
            Action::TaskChanged { .. } | Action::TaskAdded(_) => {}
        }
    }

    /// One thing that happens while anything may.
    pub(crate) fn step(&mut self) {
        match self.rng.below(100) {
            0..6 => self.ask(),
            6..12 => self.start_worker(),
            12..30 => self.tick(),
            30..45 => self.heartbeats(),
            45..62 => self.finish_something(),
            62..78 => self.controllers(),
            78..81 => self.crash(),
            81..85 => self.toggle_link(),
            85..87 => self.drain(),
            87..89 => self.fail_something(),
            89 => self.kill(),
            90..92 => self.restart(),
            92..94 => self.resize(),
            94 => self.jump(),
            95 => self.cancel(),
            96 => self.move_deadline(),
            97 => self.stall(),
            98 => self.toggle_store(),
            _ => self.babble(),
        }
    }

    /// From now on nothing breaks and time goes on evenly: everything must come to its end, also beside one worker that never
    /// reaches the store again.
    pub(crate) fn calm(&mut self) {
        self.calm = true;
        if self.rng.percent(30)
            && let Some(id) = self.some_process()
        {
            self.processes.get_mut(&id).unwrap().store_away = true;
        }
        let mut one_may = true;
        for id in self.processes.keys().cloned().collect::<Vec<_>>() {
            let process = self.processes.get_mut(&id).unwrap();
            process.linked = true;
            process.store_away = process.store_away && std::mem::take(&mut one_may);
            if process.draining {
                self.processes.remove(&id);
                self.tell(Event::WorkerGone { worker: id }).unwrap();
            }
        }
        // Just enough for the largest wrap beside its controller.
        let provers = ProverType::ALL.to_vec();
        let spec = WorkerSpec {
            id: "rescue".into(),
            kind: WorkerKind::All,
            max_weight: Weight::gb(36),
            provers,
            dialects: DIALECTS.to_vec(),
            build: String::new(),
        };
        self.open(spec);
        let began = self.now;
        while self.scheduler.proofs().next().is_some() {
            self.now += 5_000;
            self.tell(Event::Tick).unwrap();
            self.heartbeats();
            self.controllers();
            for _ in 0..6 {
                self.finish_something();
            }
            let waiting = || format!("{:?}", self.ledger.live_tasks().collect::<Vec<_>>());
            assert!(self.now - began < 15_000_000, "no end in sight: {}", waiting());
        }
        // All was given back.
        for _ in 0..3 {
            self.now += 5_000;
            self.heartbeats();
        }
        assert!(
            self.scheduler.workers().all(|worker| worker.current == Weight::ZERO && worker.tasks.is_empty())
        );
        assert!(
            self.processes.values().all(|process| process.holds.is_empty()),
            "somebody works on what has ended"
        );
    }

    pub(crate) fn ask(&mut self) {
        if self.scheduler.proofs().count() >= 5 {
            return;
        }
        self.born += 1;
        let id = ProofId::new(format!("p{:03}", self.born));
        let prover = *self.rng.pick(&ProverType::ALL).unwrap();
        let requester = format!("r{}", self.rng.below(3));
        let deadline = self.rng.percent(30).then(|| Time::from_millis(self.now + self.rng.below(400_000)));
        let root = self.task(&id, "root", TaskKind::Controller, 4, &requester);
        let proof = ProofSpec { id, prover, requester, deadline };
        self.tell(Event::ProofCreated { proof, root }).unwrap();
    }

    pub(crate) fn task(
        &self,
        proof: &ProofId,
        name: &str,
        kind: TaskKind,
        weight: u32,
        requester: &str,
    ) -> TaskSpec {
        TaskSpec {
            id: TaskId::new(format!("{proof}-{name}")),
            proof: proof.clone(),
            kind,
            weight: Weight::gb(weight),
            parent: None,
            inputs: vec![],
            outputs: vec![],
            dialect: dialect_of(proof, kind),
            metadata: String::new(),
            requester: requester.to_owned(),
        }
    }

    pub(crate) fn open(&mut self, spec: WorkerSpec) {
        let id = spec.id.clone();
        self.tell(Event::WorkerOpened(spec.clone())).unwrap();
        let process = self.processes.entry(id).or_insert(Process {
            spec: spec.clone(),
            linked: true,
            open: true,
            draining: false,
            store_away: false,
            holds: BTreeSet::new(),
            unsent: Vec::new(),
        });
        (process.spec, process.open) = (spec, true);
    }

    /// A new worker, or one whose id was used before: it starts with nothing.
    fn start_worker(&mut self) {
        if self.processes.len() >= 5 {
            return;
        }
        let id = WorkerId::new(format!("w{}", self.rng.below(8)));
        if self.processes.contains_key(&id) {
            return;
        }
        let kind =
            *self.rng.pick(&[WorkerKind::Cpu, WorkerKind::Gpu, WorkerKind::All, WorkerKind::All]).unwrap();
        let max_weight = Weight::gb(*self.rng.pick(&[4, 8, 8, 12, 16, 24, 36, 40]).unwrap());
        let provers = match self.rng.below(4) {
            0 => vec![ProverType::Exec],
            1 => vec![ProverType::OpenVm, ProverType::OpenVm],
            _ => ProverType::ALL.to_vec(),
        };
        let build = (*self.rng.pick(&["", "", "1", "2"]).unwrap()).to_owned();
        // A fleet that is being upgraded, with stock nodes beside it.
        let dialects = match self.rng.below(4) {
            0 => vec![DIALECTS[0]],
            1 => vec![DIALECTS[1]],
            2 => vec![DIALECTS[2], DIALECTS[1]],
            _ => DIALECTS.to_vec(),
        };
        // A node of the SP1 cluster does not say that it begins.
        if self.rng.percent(70) {
            self.tell(Event::WorkerReplaced { worker: id.clone() }).unwrap();
        }
        self.open(WorkerSpec { id, kind, max_weight, provers, dialects, build });
    }

    fn tick(&mut self) {
        self.now += 200 + self.rng.below(9_000);
        self.tell(Event::Tick).unwrap();
    }

    fn heartbeats(&mut self) {
        for id in self.processes.keys().cloned().collect::<Vec<_>>() {
            let process = &self.processes[&id];
            if !process.linked {
                self.lives(id);
                continue;
            }
            let mut active: Vec<_> = process.holds.iter().cloned().collect();
            active.extend(active.first().cloned());
            let spec = process.spec.clone();
            let received = self.time();
            let beat = |active| Event::Heartbeat { worker: id.clone(), active, received };
            if !process.open || self.tell(beat(active)).is_err() {
                self.open(spec);
                let active = self.processes[&id].holds.iter().cloned().collect();
                self.tell(beat(active)).unwrap();
                if self.processes[&id].draining {
                    self.tell(Event::WorkerDraining { worker: id.clone() }).unwrap();
                }
            }
            // What a coordinator owes its workers after a restart: tasks that nobody knows any more are to be stopped.
            let scheduler = &self.scheduler;
            self.processes.get_mut(&id).unwrap().holds.retain(|task| scheduler.task(task).is_some());
            for task in std::mem::take(&mut self.processes.get_mut(&id).unwrap().unsent) {
                self.complete(&id, &task);
            }
            let process = &self.processes[&id];
            if process.draining && process.holds.is_empty() && self.rng.percent(50) {
                self.processes.remove(&id);
                self.tell(Event::WorkerGone { worker: id.clone() }).unwrap();
                self.tell(Event::WorkerGone { worker: id }).unwrap();
            }
        }
    }
}
