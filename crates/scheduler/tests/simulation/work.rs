//! The work: what workers finish or cannot do, and the controllers that ask for it.

use crate::world::World;
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{ProofId, TaskId, TaskKind, WorkerId};
use proofmill_scheduler::{Event, Refused, TaskState};

/// What tells the proofs of this world apart.
fn shape(proof: &ProofId) -> u64 {
    proof.as_str().bytes().map(u64::from).sum()
}

impl World {
    /// Two thirds of the proofs were planned by one of two builds, which workers of the other one do not understand; or they cannot make
    /// such a proof, and say that nobody can.
    fn misunderstood(&self, worker: &WorkerId, task: &TaskId) -> Option<Code> {
        let planned = ["", "1", "2"][task.as_str().as_bytes().get(3).copied().map_or(0, usize::from) % 3];
        let build = self.processes[worker].spec.build.as_str();
        let number = task.as_str().bytes().map(u64::from).sum::<u64>();
        let code = if number.is_multiple_of(4) { Code::Unsupported } else { Code::Unfit };
        (!planned.is_empty() && !build.is_empty() && planned != build).then_some(code)
    }

    /// What the client of every ninth proof stored is not there, or no more: no shard can be made.
    fn missing(task: &TaskId) -> Option<Code> {
        let (proof, name) = task.as_str().split_once('-')?;
        let number: u64 = proof.trim_start_matches('p').parse().ok()?;
        (number % 9 == 4 && name.starts_with("shard")).then_some(Code::Missing)
    }

    pub(crate) fn complete(&mut self, worker: &WorkerId, task: &TaskId) {
        let completed = || Event::TaskCompleted { worker: worker.clone(), task: task.clone() };
        self.report(completed(), task);
        if !self.calm && self.rng.percent(10) {
            self.report(completed(), task);
        }
    }

    /// What a worker says of a task is refused only where a restart has left nothing of the task.
    pub(crate) fn report(&mut self, event: Event, task: &TaskId) {
        if let Err(refused) = self.tell(event) {
            assert_eq!(refused, Refused::NoSuchTask(task.clone()));
            assert!(self.ledger.task(task).is_none() && self.story.restarts > 0, "{task} is known");
        }
    }

    /// The shards that a proof has.
    fn shards(proof: &ProofId) -> Vec<String> {
        let shape = shape(proof);
        (0..1 + shape % 4).map(|at| format!("shard{at}")).collect()
    }

    fn is_done(&self, proof: &ProofId, name: &str) -> bool {
        let task = self.scheduler.task(&TaskId::new(format!("{proof}-{name}")));
        matches!(task, Some((_, TaskState::Succeeded)))
    }

    /// An execution whose shards are not all done.
    fn waits(&self, task: &TaskId) -> bool {
        let proof = task.as_str().strip_suffix("-execution").map(ProofId::new);
        proof.is_some_and(|proof| {
            self.scheduler.proof(&proof).is_some()
                && !Self::shards(&proof).iter().all(|shard| self.is_done(&proof, shard))
        })
    }

    /// Some task on some worker that does not wait for others.
    pub(crate) fn some_work(&mut self) -> Option<(WorkerId, TaskId)> {
        let work: Vec<_> = self
            .processes
            .iter()
            .flat_map(|(id, process)| process.holds.iter().map(move |task| (id, task)))
            .collect();
        let is_work = |task: &TaskId| !task.as_str().ends_with("root") && !self.waits(task);
        let work: Vec<_> = work.into_iter().filter(|(_, task)| is_work(task)).collect();
        self.rng.pick(&work).map(|(worker, task)| ((*worker).clone(), (*task).clone()))
    }

    pub(crate) fn finish_something(&mut self) {
        let Some((worker, task)) = self.some_work() else { return };
        let away = self.processes[&worker].store_away.then_some(Code::StoreAway);
        let code = away.or_else(|| self.misunderstood(&worker, &task)).or_else(|| Self::missing(&task));
        let process = self.processes.get_mut(&worker).unwrap();
        if let Some(code) = code {
            if process.linked {
                process.holds.remove(&task);
                let fault = Fault::new(code, "not now, or not here");
                self.report(Event::TaskFailed { worker, task: task.clone(), fault }, &task);
            }
            return;
        }
        process.holds.remove(&task);
        match process.linked {
            true => self.complete(&worker, &task),
            false => process.unsent.push(task),
        }
    }

    /// Every controller that runs somewhere does its next step; a new run of one repeats what it did before.
    pub(crate) fn controllers(&mut self) {
        let processes = self.processes.iter().filter(|(_, process)| process.linked);
        let roots = processes
            .flat_map(|(id, process)| process.holds.iter().map(move |task| (id.clone(), task.clone())));
        let roots: Vec<_> = roots.filter(|(_, task)| task.as_str().ends_with("root")).collect();
        for (worker, root) in roots {
            let process = self.processes.get_mut(&worker).unwrap();
            // One that has just begun reads what its client stored.
            if process.store_away && (self.calm || self.rng.percent(30)) {
                process.holds.remove(&root);
                let fault = Fault::new(Code::StoreAway, "not from here");
                self.report(Event::TaskFailed { worker, task: root.clone(), fault }, &root);
                continue;
            }
            let proof = ProofId::new(root.as_str().trim_end_matches("-root"));
            if self.control(&proof) == Some(()) {
                self.processes.get_mut(&worker).unwrap().holds.remove(&root);
                if self.rng.percent(50) {
                    self.tell(Event::ProofCompleted { proof }).unwrap();
                    self.complete(&worker, &root);
                } else {
                    self.complete(&worker, &root);
                    self.tell(Event::ProofCompleted { proof }).unwrap();
                }
            }
        }
    }

    /// Creates what can be created; something where the proof is done.
    fn control(&mut self, proof: &ProofId) -> Option<()> {
        let (shape, shards) = (shape(proof), Self::shards(proof));
        let executes = shape % 5 == 1;
        if executes {
            self.need(proof, "execution", TaskKind::CoreExecute, 2)?;
        }
        for shard in &shards {
            self.need(proof, shard, TaskKind::ProveShard, 4)?;
        }
        if shape % 3 == 0 {
            // A mark is completed by whoever finds it.
            let mark = TaskId::new(format!("{proof}-mark"));
            self.need(proof, "mark", TaskKind::MarkerDeferredRecord, 0)?;
            self.complete(&"anybody".into(), &mark);
        }
        let done = |world: &Self, name: &str| world.is_done(proof, name).then_some(());
        shards.iter().try_for_each(|shard| done(self, shard))?;
        if executes {
            done(self, "execution")?;
        }
        self.need(proof, "reduce", TaskKind::RecursionReduce, 3)?;
        done(self, "reduce")?;
        let (kind, weight) = [(TaskKind::Groth16Wrap, 14), (TaskKind::PlonkWrap, 32)][(shape % 2) as usize];
        self.need(proof, "wrap", kind, weight)?;
        done(self, "wrap")
    }

    /// `None` where the proof has ended meanwhile.
    fn need(&mut self, proof: &ProofId, name: &str, kind: TaskKind, weight: u32) -> Option<()> {
        let requester = self.scheduler.proof(proof)?.0.requester.clone();
        let spec = self.task(proof, name, kind, weight, &requester);
        match self.tell(Event::TaskCreated(spec)) {
            Ok(()) | Err(Refused::TaskExists(_)) => Some(()),
            Err(other) => panic!("{other}"),
        }
    }
}
