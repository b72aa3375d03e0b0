//! What goes wrong: crashes, broken links, failures, restarts, clocks that jump, and messages that make no sense.

use crate::world::World;
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{ProverType, TaskId, Weight, WorkerId, WorkerKind};
use proofmill_scheduler::{Action, Event, ProofSpec, Scheduler, TaskSpec, Time, WorkerSpec};

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

    /// The system kills a worker for want of memory. The process after it is sent what it held, and hands the work back. The
    /// coordinator may be killed with it, or next.
    pub(crate) fn kill(&mut self) {
        let Some(id) = self.some_process() else { return };
        let process = &self.processes[&id];
        if !process.linked || process.draining {
            return;
        }
        let is_work = |task: &&TaskId| !task.as_str().ends_with("root");
        let work: Vec<_> = process.holds.iter().filter(is_work).cloned().collect();
        let code = match work.len() {
            0 => return,
            1 => Code::KilledForMemory,
            _ => Code::KilledAmongOthers,
        };
        self.story.killed += u64::from(code == Code::KilledAmongOthers);
        let spec = process.spec.clone();
        let process = self.processes.get_mut(&id).unwrap();
        process.holds.clear();
        process.unsent.clear();
        if self.rng.percent(25) {
            self.restart();
        }
        if self.rng.percent(70) {
            self.tell(Event::WorkerReplaced { worker: id.clone() }).unwrap();
        }
        self.open(spec);
        for task in work {
            self.processes.get_mut(&id).unwrap().holds.remove(&task);
            let fault = Fault::new(code, "too much for it");
            self.report(Event::TaskFailed { worker: id.clone(), task: task.clone(), fault }, &task);
        }
        if self.rng.percent(25) {
            self.restart();
        }
    }

    pub(crate) fn toggle_link(&mut self) {
        let Some(worker) = self.some_process() else { return };
        let process = self.processes.get_mut(&worker).unwrap();
        process.linked = !process.linked;
        if !process.open {
            return;
        }
        if !process.linked && self.rng.percent(60) {
            // The coordinator sees it.
            process.open = false;
            self.tell(Event::StreamBroken { worker }).unwrap();
        } else if process.linked && process.draining {
            // A node of the SP1 cluster that stops opens its stream again as often as that breaks.
            self.tell(Event::WorkerBack { worker }).unwrap();
        }
    }

    /// The heartbeats of a node of the SP1 cluster have a connection of their own: some come without a stream. What it has not
    /// reported it still has.
    pub(crate) fn lives(&mut self, worker: WorkerId) {
        if self.rng.percent(50) {
            let process = &self.processes[&worker];
            let active = process.holds.iter().chain(&process.unsent).cloned().collect();
            let received = self.time();
            // One that was given up, or that a new coordinator does not know, is refused.
            if self.tell(Event::Heartbeat { worker, active, received }).is_ok() {
                self.story.streamless += 1;
            }
        }
    }

    /// Mostly one worker loses its way to the artifact store, or finds it again; sometimes all of them do.
    pub(crate) fn toggle_store(&mut self) {
        if self.rng.percent(30) {
            let away = self.rng.percent(50);
            self.processes.values_mut().for_each(|process| process.store_away = away);
        } else if let Some(process) = self.some_process().and_then(|id| self.processes.get_mut(&id)) {
            process.store_away = !process.store_away;
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
            let codes = [
                Code::ProverFailed,
                Code::StoreFull,
                Code::KilledForMemory,
                Code::KilledAmongOthers,
                Code::Dismissed,
                Code::Withdrawn,
                Code::PutBack,
                // It stops, and the coordinator has not heard of that: it may hand back whatever it is given.
                Code::Stopping,
                Code::TooSmall,
                Code::NotSetUp,
                Code::Missing,
            ];
            let mut code = *self.rng.pick(&codes).unwrap();
            if self.rng.percent(15) {
                code = Code::ProgramFailed;
            }
            let fault = Fault::new(code, "bad luck");
            self.report(Event::TaskFailed { worker, task: task.clone(), fault }, &task);
        }
    }

    /// The owner stands still while it makes its decisions durable: what it gave out leaves late, and what workers say
    /// meanwhile is handled late.
    pub(crate) fn stall(&mut self) {
        self.story.stalls += 1;
        self.stalled = true;
        self.happen();
        let mut beats = Vec::new();
        for _ in 0..1 + self.rng.below(4) {
            self.now += 2_000 + self.rng.below(8_000);
            let received = self.time();
            let linked = self.processes.iter().filter(|(_, process)| process.linked && process.open);
            beats.extend(linked.map(|(id, process)| Event::Heartbeat {
                worker: id.clone(),
                active: process.holds.iter().cloned().collect(),
                received,
            }));
        }
        self.stalled = false;
        let mut sent = Vec::new();
        for action in std::mem::take(&mut self.outbox) {
            if let Action::Assign { worker, task } = &action {
                sent.push((worker.clone(), task.id.clone()));
            }
            self.carry_out(&action);
        }
        self.sent(sent);
        // Where many calls have piled up, each group of them is made durable before the next is handled.
        let slow = if self.rng.percent(30) { 8_000 } else { 500 };
        for beat in beats {
            // A worker that was given up meanwhile is refused.
            let _ = self.tell(beat);
            self.now += self.rng.below(slow);
        }
    }

    fn happen(&mut self) {
        for _ in 0..1 + self.rng.below(3) {
            match self.rng.below(3) {
                0 => self.ask(),
                1 => self.finish_something(),
                _ => self.controllers(),
            }
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
        self.gathering = (!proofs.is_empty()).then(|| self.time());
        self.scheduler = Scheduler::restore(self.config, self.time(), proofs, tasks);
        self.ledger.diagnoses.clear();
        self.ledger.forget_ended();
        self.ledger.restarted(self.time());
        for process in self.processes.values_mut() {
            process.open = false;
        }
        self.ledger.not_before.clear();
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
            self.ledger.not_before.clear();
            self.gathering = self.gathering.map(|since| since.min(self.time()));
        }
        self.tell(Event::Tick).unwrap();
    }

    pub(crate) fn cancel(&mut self) {
        let ids: Vec<_> = self.scheduler.proofs().map(|(proof, _)| proof.id.clone()).collect();
        if let Some(proof) = self.rng.pick(&ids).cloned() {
            let event = match self.rng.percent(50) {
                true => Event::ProofCancelled { proof },
                false => {
                    Event::ProofFailed { proof, fault: Fault::new(Code::Rejected, "the client says so") }
                }
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
            1 => Event::TaskFailed { worker, task, fault: Fault::new(Code::ProverFailed, "") },
            2 => Event::TaskCompleted { worker, task: "unheard of".into() },
            3 => Event::TaskCreated(spec),
            4 => Event::Heartbeat { worker: "nobody".into(), active: vec![task], received: self.time() },
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
                dialects: vec![],
                build: String::new(),
            }),
            _ => Event::WorkerDraining { worker: "nobody".into() },
        };
        let _ = self.tell(event);
    }
}
