//! Words to tell a scene with.

use proofmill_fault::{Code, Fault, History};
use proofmill_primitives::{Dialect, ProofId, ProverType, TaskId, TaskKind, Weight, WorkerId, WorkerKind};
use proofmill_scheduler::{
    Action, Config, Event, Policy, ProofSpec, ProofState, Refused, Scheduler, TaskSpec, TaskState, Time,
    WorkerSpec,
};

pub(crate) struct Scene {
    pub(crate) scheduler: Scheduler,
    pub(crate) now: u64,
    pub(crate) last: Vec<Action>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn policy(policy: Policy) -> Self {
        Self::with(Config { policy, ..Config::default() })
    }

    pub(crate) fn with(config: Config) -> Self {
        Self { scheduler: Scheduler::new(config), now: 1_000_000, last: vec![] }
    }

    pub(crate) fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    pub(crate) fn try_tell(&mut self, event: Event) -> Result<(), Refused> {
        self.last = self.scheduler.handle(self.time(), event)?;
        self.send();
        Ok(())
    }

    /// What is to be sent leaves at once.
    fn send(&mut self) {
        let sent = assigned(&self.last).into_iter().map(|(worker, task)| (worker.clone(), task.clone()));
        let tasks = sent.collect();
        assert_eq!(self.scheduler.handle(self.time(), Event::Sent { tasks }), Ok(vec![]));
    }

    pub(crate) fn tell(&mut self, event: Event) -> &[Action] {
        self.try_tell(event).unwrap();
        &self.last
    }

    pub(crate) fn worker_of(
        &mut self,
        id: &str,
        kind: WorkerKind,
        gb: u32,
        provers: &[ProverType],
    ) -> &[Action] {
        let (id, max_weight, provers, build) = (id.into(), Weight::gb(gb), provers.to_vec(), String::new());
        let dialects = vec![];
        self.tell(Event::WorkerOpened(WorkerSpec { id, kind, max_weight, provers, dialects, build }))
    }

    /// One that speaks these.
    pub(crate) fn speaker(&mut self, id: &str, kind: WorkerKind, dialects: &[Dialect]) -> &[Action] {
        let (id, max_weight, provers) = (id.into(), Weight::gb(16), vec![ProverType::Exec]);
        let (dialects, build) = (dialects.to_vec(), String::new());
        self.tell(Event::WorkerOpened(WorkerSpec { id, kind, max_weight, provers, dialects, build }))
    }

    pub(crate) fn worker(&mut self, id: &str, kind: WorkerKind, gb: u32) -> &[Action] {
        self.worker_of(id, kind, gb, &[ProverType::Exec])
    }

    pub(crate) fn spec(proof: &str, id: &str, kind: TaskKind) -> TaskSpec {
        TaskSpec {
            id: id.into(),
            proof: proof.into(),
            kind,
            weight: if kind == TaskKind::Controller { Weight::gb(4) } else { kind.default_weight() },
            parent: None,
            inputs: vec![],
            outputs: vec![],
            dialect: None,
            metadata: String::new(),
            requester: String::new(),
        }
    }

    pub(crate) fn proof_of(&mut self, proof: ProofSpec, root: TaskKind) -> &[Action] {
        let root = Self::spec(proof.id.as_str(), &format!("{}/root", proof.id), root);
        self.tell(Event::ProofCreated { proof, root })
    }

    /// Its first task is `<id>/root`.
    pub(crate) fn proof(&mut self, id: &str, root: TaskKind) -> &[Action] {
        let spec =
            ProofSpec { id: id.into(), prover: ProverType::Exec, requester: String::new(), deadline: None };
        self.proof_of(spec, root)
    }

    pub(crate) fn task(&mut self, proof: &str, id: &str, kind: TaskKind) -> &[Action] {
        self.tell(Event::TaskCreated(Self::spec(proof, id, kind)))
    }

    /// A task that is written like this.
    pub(crate) fn task_in(&mut self, proof: &str, id: &str, kind: TaskKind, dialect: Dialect) -> &[Action] {
        self.tell(Event::TaskCreated(TaskSpec { dialect: Some(dialect), ..Self::spec(proof, id, kind) }))
    }

    pub(crate) fn done(&mut self, worker: &str, task: &str) -> &[Action] {
        self.tell(Event::TaskCompleted { worker: worker.into(), task: task.into() })
    }

    pub(crate) fn fails(&mut self, worker: &str, task: &str) -> &[Action] {
        self.faults(worker, task, Code::ProverFailed)
    }

    pub(crate) fn faults(&mut self, worker: &str, task: &str, code: Code) -> &[Action] {
        let (worker, task) = (worker.into(), task.into());
        self.tell(Event::TaskFailed { worker, task, fault: Fault::new(code, "out of luck") })
    }

    pub(crate) fn heartbeat(&mut self, worker: &str, active: &[&str]) -> &[Action] {
        let active = active.iter().map(|id| TaskId::from(*id)).collect();
        let received = self.time();
        self.tell(Event::Heartbeat { worker: worker.into(), active, received })
    }

    /// Second by second, with these workers alive and telling the truth.
    pub(crate) fn pass(&mut self, seconds: u64, alive: &[&str]) -> Vec<Action> {
        let mut actions = Vec::new();
        for _ in 0..seconds {
            self.now += 1_000;
            for worker in alive {
                let held: Vec<_> = self.held(worker);
                let held: Vec<_> = held.iter().map(TaskId::as_str).collect();
                self.heartbeat(worker, &held);
                actions.append(&mut self.last);
            }
            self.tell(Event::Tick);
            actions.append(&mut self.last);
        }
        actions
    }

    /// The coordinator is restarted, and knows what its actions made durable. Workers are to be opened again.
    pub(crate) fn restart(&mut self) {
        let proofs = self.scheduler.proofs().map(|(spec, created)| (spec.clone(), created));
        let proofs: Vec<_> = proofs.collect();
        let tasks = proofs.iter().flat_map(|(proof, _)| self.scheduler.tasks_of(&proof.id));
        let tasks: Vec<_> = tasks.map(|(spec, state)| (spec.clone(), state.clone())).collect();
        self.scheduler = Scheduler::restore(*self.scheduler.config(), self.time(), proofs, tasks);
    }

    pub(crate) fn held(&self, worker: &str) -> Vec<TaskId> {
        let status = self.scheduler.workers().find(|status| status.spec.id.as_str() == worker);
        status.map(|status| status.tasks.into_iter().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn weight(&self, worker: &str) -> u32 {
        let status = self.scheduler.workers().find(|status| status.spec.id.as_str() == worker);
        status.unwrap().current.as_gb()
    }

    pub(crate) fn state(&self, task: &str) -> &TaskState {
        self.scheduler.task(&task.into()).unwrap().1
    }

    /// Where the task runs; nothing where it waits.
    pub(crate) fn at(&self, task: &str) -> Option<&str> {
        match self.state(task) {
            TaskState::Running { worker, .. } => Some(worker.as_str()),
            _ => None,
        }
    }

    pub(crate) fn retries(&self, task: &str) -> u32 {
        self.history(task).tries()
    }

    /// Of a task that waits or runs.
    pub(crate) fn history(&self, task: &str) -> &History {
        match self.state(task) {
            TaskState::Running { history, .. } | TaskState::Pending { history, .. } => history,
            other => panic!("{task} is {other:?}"),
        }
    }
}

/// So many workers, `w0` and on, with 8 GB each.
pub(crate) fn workers(count: usize) -> Scene {
    let mut scene = Scene::new();
    for at in 0..count {
        scene.worker(&format!("w{at}"), WorkerKind::All, 8);
    }
    scene
}

pub(crate) fn withdraw(worker: &str, proof: &str, task: &str) -> Action {
    Action::Withdraw { worker: worker.into(), proof: proof.into(), task: task.into() }
}

/// The cause with which the proof failed, if it did.
pub(crate) fn failure(actions: &[Action], proof: &str) -> Option<String> {
    let id = ProofId::from(proof);
    actions.iter().find_map(|action| match action {
        Action::ProofChanged { proof, state: ProofState::Failed { fault } } if *proof == id => {
            Some(fault.text.clone())
        }
        _ => None,
    })
}

pub(crate) fn assigned(actions: &[Action]) -> Vec<(&WorkerId, &TaskId)> {
    let assigned = actions.iter().filter_map(|action| match action {
        Action::Assign { worker, task } => Some((worker, &task.id)),
        _ => None,
    });
    assigned.collect()
}
