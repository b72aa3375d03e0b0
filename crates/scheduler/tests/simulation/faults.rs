//! What goes wrong: crashes, broken links, failures, restarts, clocks that jump, and messages that make no sense.

use crate::world::World;
use proofmill_primitives::{ProverType, Weight, WorkerId, WorkerKind};
use proofmill_scheduler::{Event, ProofSpec, Scheduler, TaskSpec, Time, WorkerSpec};

impl World {
    pub(crate) fn some_process(&mut self) -> Option<WorkerId> {
        let ids: Vec<_> = self.processes.keys().cloned().collect();
        self.rng.pick(&ids).cloned()
    }

    /// Sometimes the coordinator learns of it, sometimes only by the silence.
    pub(crate) fn crash(&mut self) {
        let Some(id) = self.some_process() else { return };
        self.processes.remove(&id);
        if self.rng.percent(40) {
            self.tell(Event::WorkerGone { worker: id }).unwrap();
        }
    }

    pub(crate) fn toggle_link(&mut self) {
        if let Some(process) = self.some_process().and_then(|id| self.processes.get_mut(&id)) {
            process.linked = !process.linked;
        }
    }

    pub(crate) fn drain(&mut self) {
        let Some(id) = self.some_process() else { return };
        let process = self.processes.get_mut(&id).unwrap();
        if process.linked && process.open {
            process.draining = true;
            // A worker that the coordinator has given up is refused; its next heartbeat opens it again.
            let _ = self.tell(Event::WorkerDraining { worker: id });
        }
    }

    pub(crate) fn fail_something(&mut self) {
        let Some((worker, task)) = self.some_work() else { return };
        let process = self.processes.get_mut(&worker).unwrap();
        if process.linked {
            process.holds.remove(&task);
            let retryable = self.rng.percent(85);
            let cause = "bad luck".into();
            self.report(Event::TaskFailed { worker, task: task.clone(), retryable, cause }, &task);
        }
    }

    pub(crate) fn restart(&mut self) {
        self.story.restarts += 1;
        self.now += self.rng.below(60_000);
        let proofs = self.ledger.active().map(|(spec, created)| (spec.clone(), created)).collect::<Vec<_>>();
        let mut tasks = self.ledger.live_tasks().cloned().collect::<Vec<_>>();
        if let Some(orphan) = tasks.first().cloned() {
            tasks.push((TaskSpec { proof: "nobody".into(), id: "orphan".into(), ..orphan.0 }, orphan.1));
        }
        self.scheduler = Scheduler::restore(self.config, self.time(), proofs, tasks);
        self.ledger.diagnoses.clear();
        self.ledger.forget_ended();
        for process in self.processes.values_mut() {
            process.open = false;
        }
        self.tell(Event::Tick).unwrap();
    }

    /// A worker comes back with another maximum, below what it holds perhaps.
    pub(crate) fn resize(&mut self) {
        let Some(id) = self.some_process() else { return };
        let max_weight = Weight::gb(1 + self.rng.below(40) as u32);
        let process = &self.processes[&id];
        if process.linked && !process.draining {
            self.open(WorkerSpec { max_weight, ..process.spec.clone() });
        }
    }

    pub(crate) fn jump(&mut self) {
        if self.rng.percent(50) {
            self.now += self.rng.below(600_000);
        } else {
            self.now = self.now.saturating_sub(self.rng.below(600_000));
        }
        self.tell(Event::Tick).unwrap();
    }

    pub(crate) fn cancel(&mut self) {
        let ids: Vec<_> = self.scheduler.proofs().map(|(proof, _)| proof.id.clone()).collect();
        if let Some(proof) = self.rng.pick(&ids).cloned() {
            let event = match self.rng.percent(50) {
                true => Event::ProofCancelled { proof },
                false => Event::ProofFailed { proof, cause: "the client says so".into() },
            };
            self.tell(event).unwrap();
        }
    }

    pub(crate) fn move_deadline(&mut self) {
        let ids: Vec<_> = self.scheduler.proofs().map(|(proof, _)| proof.id.clone()).collect();
        if let Some(proof) = self.rng.pick(&ids).cloned() {
            let deadline = Time::from_millis(self.now + self.rng.below(400_000));
            if let Some((spec, ..)) = self.ledger.proofs.get_mut(&proof) {
                spec.deadline = Some(deadline);
            }
            self.tell(Event::DeadlineMoved { proof, deadline }).unwrap();
        }
    }

    /// Things that make no sense, are late, or are about nothing.
    pub(crate) fn babble(&mut self) {
        let worker = WorkerId::new(format!("w{}", self.rng.below(10)));
        let known: Vec<_> = self.ledger.tasks.iter().map(|(spec, _)| spec.clone()).collect();
        let Some(spec) = self.rng.pick(&known).cloned() else { return };
        let (proof, task) = (spec.proof.clone(), spec.id.clone());
        let event = match self.rng.below(9) {
            0 if !task.as_str().ends_with("root") => Event::TaskCompleted { worker, task },
            1 => Event::TaskFailed { worker, task, retryable: true, cause: String::new() },
            2 => Event::TaskCompleted { worker, task: "unheard of".into() },
            3 => Event::TaskCreated(spec),
            4 => Event::Heartbeat { worker: "nobody".into(), active: vec![task] },
            5 => Event::ProofCompleted { proof: "unheard of".into() },
            6 => {
                let spec = ProofSpec {
                    id: proof,
                    prover: ProverType::Exec,
                    requester: String::new(),
                    deadline: None,
                };
                Event::ProofCreated {
                    root: TaskSpec { proof: "another".into(), ..known[0].clone() },
                    proof: spec,
                }
            }
            7 => Event::WorkerOpened(WorkerSpec {
                id: worker,
                kind: WorkerKind::All,
                max_weight: Weight::ZERO,
                provers: vec![ProverType::Exec],
            }),
            _ => Event::WorkerDraining { worker: "nobody".into() },
        };
        let _ = self.tell(event);
    }
}
