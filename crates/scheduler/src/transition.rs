//! How tasks and proofs change state. Every index and sum changes here, with the state that it depends on.

use crate::{
    Action, Policy, ProofState, Scheduler, TaskState, Time,
    proof::{Delivery, Proof, Task},
    queue::{Avoid, GroupTurn, ProofTurn},
    want::Lane,
};
use proofmill_fault::{At, Code, Decision, Fault, Jitter};
use proofmill_primitives::{Capability, ProofId, TaskId, WorkerId};
use std::{
    collections::{BTreeSet, btree_map::Entry},
    sync::Arc,
};

impl Scheduler {
    /// Changes a task's state and says so.
    pub(crate) fn set_state(&mut self, now: Time, id: &TaskId, state: TaskState, actions: &mut Vec<Action>) {
        self.leave(id);
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.overtaken = None;
        task.outlived = false;
        match state {
            TaskState::Pending { .. } => task.queued = now,
            TaskState::Running { .. } => {
                task.confirmed = now;
                task.delivery = Delivery::Due;
                task.not_before = None;
                task.lost_by = None;
            }
            TaskState::Succeeded | TaskState::Failed { .. } => {}
        }
        let proof = task.spec.proof.clone();
        actions.push(Action::TaskChanged { proof, task: id.clone(), state: state.clone() });
        self.enter(id, state);
    }

    /// Gives a waiting task to a worker.
    pub(crate) fn start(
        &mut self,
        now: Time,
        worker: &WorkerId,
        id: &TaskId,
        actions: &mut Vec<Action>,
    ) -> Option<&mut Task> {
        let history = self.tasks.get(id)?.history.clone();
        let state = TaskState::Running { worker: worker.clone(), since: now, history };
        self.set_state(now, id, state, actions);
        self.tasks.get_mut(id)
    }

    /// Takes a task that runs from its worker: what follows from the fault is the decision of the policy.
    pub(crate) fn give_back(&mut self, now: Time, id: &TaskId, fault: Fault, actions: &mut Vec<Action>) {
        let Some(worker) = self.tasks.get(id).and_then(|task| task.worker().cloned()) else { return };
        // Others may not be back yet. What takes workers down may take the coordinator with them each time, and would never be given up.
        let gathering = fault.at() == At::Task && self.is_gathering(now);
        let others = gathering || self.has_place(id, &Avoid::worker(&worker));
        let outgrown = if fault.code.is_of_memory() { self.outgrown(id, &worker) } else { None };
        let of_the_store = fault.code.is_of_the_workers_store();
        // Where it is the store itself, every worker is as good; to avoid each that was tried would only make many lines.
        let everywhere = of_the_store && self.workers.most_stumble();
        let build = self.workers.build(&worker).cloned();
        self.look_back(now, id);
        let Some(task) = self.tasks.get_mut(id) else { return };
        let spread = u64::from(task.history.tries() + task.history.waits());
        let jitter = Jitter::of(task.number.rotate_left(32) ^ spread);
        let event = proofmill_fault::Event {
            fault: &fault,
            worker: Some(worker.as_str()),
            now_ms: now.as_millis(),
            others,
            jitter,
        };
        if of_the_store {
            let patience = self.config.patience;
            self.workers.stumble(&worker, |times| now.after(patience.wait(times, jitter)));
        }
        match self.config.patience.decide(&mut task.history, event) {
            Decision::Again { after, elsewhere, counts: _ } => {
                task.not_before = (!after.is_zero()).then(|| now.after(after));
                task.suspect(fault.code, self.config.patience.free_losses);
                let history = task.history.clone();
                if elsewhere && !everywhere {
                    task.avoid.builds.extend(build.filter(|_| fault.code == Code::Unfit));
                    task.avoid.workers.insert(worker.clone());
                    if fault.code.is_of_memory() {
                        task.avoid.memory = outgrown;
                    }
                    // It has been everywhere only where all are there.
                    if !gathering {
                        self.begin_round(id, &worker);
                    }
                }
                self.set_state(now, id, TaskState::Pending { history, last_failure: Some(fault) }, actions);
            }
            Decision::GiveUp => {
                let (kind, tries) = (task.spec.kind, task.history.tries());
                let text = if fault.code.is_final() {
                    format!("{kind} {id} failed on {worker} and another try cannot help: {}", fault.text)
                } else {
                    format!("{kind} {id} failed {tries} times, the last time on {worker}: {}", fault.text)
                };
                self.fail_task(now, id, fault.saying(text), actions);
            }
        }
    }

    /// Brings a task's history up to this moment, before what went wrong now becomes part of it.
    fn look_back(&mut self, now: Time, id: &TaskId) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        // What is lost with the worker of a task that waits for others is not held against it as long as its proof goes on.
        if Lane::of(task.spec.kind).waits() {
            task.history.came_to(self.proofs.get(&task.spec.proof).map_or(0, Proof::done));
        }
        // It ran for so long because it had what it needed.
        if task.running_since().is_some_and(|since| now.since(since) > self.config.patience.missing_for) {
            task.history.advanced();
        }
        // While this machine slept, or the coordinator was away, nobody looked whether it was there again.
        task.history.watched_from(self.listening_since.as_millis());
    }

    /// Where a task has been everywhere, it may go anywhere again but to the worker where it was last, and to builds that do not
    /// understand it: otherwise the worker that is picked first would be the only one that tries it. A smaller worker is better
    /// than that one, too.
    fn begin_round(&mut self, id: &TaskId, last: &WorkerId) {
        let Some(avoid) = self.tasks.get(id).map(|task| task.avoid.clone()) else { return };
        if self.has_place(id, &avoid) {
            return;
        }
        let last = BTreeSet::from([last.clone()]);
        let rounds = [
            Avoid { workers: last.clone(), ..avoid.clone() },
            Avoid { workers: last, memory: None, ..avoid.clone() },
            Avoid { workers: BTreeSet::new(), ..avoid },
        ];
        if let Some(next) = rounds.into_iter().find(|next| self.has_place(id, next))
            && let Some(task) = self.tasks.get_mut(id)
        {
            task.avoid = next;
        }
    }

    /// Whether a task could run on any worker that it does not avoid.
    fn has_place(&self, id: &TaskId, avoid: &Avoid) -> bool {
        let task = self.tasks.get(id);
        let held = task.and_then(|task| self.proofs.get(&task.spec.proof)).map(|proof| &proof.held);
        let want = task.and_then(Task::want);
        want.zip(held).is_some_and(|(want, held)| self.workers.possible(&want, held, avoid))
    }

    /// Whether a worker could run a task that is neither of this one's build, where it says which that is, nor of one that has refused
    /// the task.
    pub(crate) fn has_another_build(&self, id: &TaskId, worker: &WorkerId) -> bool {
        let Some(build) = self.workers.build(worker).cloned() else { return false };
        let refused = self.tasks.get(id).map(|task| task.avoid.builds.clone()).unwrap_or_default();
        let builds = refused.into_iter().chain([build]).collect();
        self.has_place(id, &Avoid { builds, ..Avoid::default() })
    }

    /// How many GB the worker has, where one with more could run the task.
    fn outgrown(&self, id: &TaskId, worker: &WorkerId) -> Option<u64> {
        let memory = self.workers.present(worker)?.memory.max;
        let avoid = Avoid { memory: Some(memory), ..self.tasks.get(id)?.avoid.clone() };
        self.has_place(id, &avoid).then_some(memory)
    }

    /// Lines up the waiting tasks whose pause is over.
    pub(crate) fn wake(&mut self, now: Time) {
        while self.delayed.first().is_some_and(|(due, _)| *due <= now) {
            self.wake_first(now);
        }
    }

    /// The clock went back: nobody waits for what it showed before.
    pub(crate) fn wake_all(&mut self, now: Time) {
        while !self.delayed.is_empty() {
            self.wake_first(now);
        }
    }

    fn wake_first(&mut self, now: Time) {
        let Some((_, id)) = self.delayed.pop_first() else { return };
        if let Some(task) = self.tasks.get_mut(&id) {
            (task.not_before, task.queued) = (None, now);
            self.line_up(&id);
        }
    }

    /// Puts a waiting task in line, or aside where its time has not come.
    fn line_up(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        if let Some(due) = task.not_before {
            self.delayed.insert((due, id.clone()));
            return;
        }
        let Some(line) = task.line() else { return };
        self.pending_work.rematch = true;
        let (task_turn, proof) = (task.turn(), task.spec.proof.clone());
        if let Some((group, proof)) = self.turn(&proof) {
            self.queues.push(line, (group, proof, task_turn), id.clone());
        }
    }

    pub(crate) fn fail_task(&mut self, now: Time, id: &TaskId, fault: Fault, actions: &mut Vec<Action>) {
        let Some(task) = self.tasks.get(id) else { return };
        let proof = task.spec.proof.clone();
        self.set_state(now, id, TaskState::Failed { fault: fault.clone() }, actions);
        self.end_proof(&proof, ProofState::Failed { fault }, actions);
    }

    /// Tells a worker that its work is not wanted, if there is a way to tell it.
    pub(crate) fn withdraw(&self, worker: &WorkerId, id: &TaskId, actions: &mut Vec<Action>) {
        let proof = self.tasks.get(id).map(|task| &task.spec.proof).or_else(|| self.ended.proof_of(id));
        if let Some(proof) = proof.filter(|_| self.workers.present(worker).is_some()) {
            actions.push(Action::Withdraw { worker: worker.clone(), proof: proof.clone(), task: id.clone() });
        }
    }

    /// Ends a proof and forgets it. Nothing happens where it is not active.
    pub(crate) fn end_proof(&mut self, id: &ProofId, state: ProofState, actions: &mut Vec<Action>) {
        let Some(proof) = self.proofs.get(id) else { return };
        actions.push(Action::ProofChanged { proof: id.clone(), state });
        if let Some(deadline) = proof.spec.deadline {
            self.deadlines.remove(&(deadline, id.clone()));
        }
        let tasks = proof.tasks.clone();
        for task in &tasks {
            self.leave(task);
            if let Some(holder) = self.tasks.get(task).and_then(|task| task.worker().cloned()) {
                self.withdraw(&holder, task, actions);
            }
        }
        // Only now: leaving moves the proof's other tasks in the queues.
        for task in tasks {
            self.tasks.remove(&task);
            self.ended.insert(task, id.clone());
        }
        self.proofs.remove(id);
        self.pending_work.proofs.remove(id);
    }

    /// Undoes what [`Scheduler::enter`] did for the state that the task is in.
    pub(crate) fn leave(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let Some(proof) = self.proofs.get_mut(&task.spec.proof) else { return };
        let counts = proof.counts.entry(task.spec.kind).or_default();
        let (capability, load) = (task.spec.kind.needs(), task.load());
        match &task.state {
            TaskState::Pending { .. } => {
                counts.pending -= 1;
                self.pending_work.proofs.insert(task.spec.proof.clone());
                if let Entry::Occupied(mut waiting) = proof.waiting.entry(task.sort()) {
                    *waiting.get_mut() -= 1;
                    if *waiting.get() == 0 {
                        waiting.remove();
                    }
                }
                if let Some(due) = task.not_before {
                    self.delayed.remove(&(due, id.clone()));
                } else if let (Some(line), Some((group, proof))) = (task.line(), self.turn(&task.spec.proof))
                {
                    let turn = task.turn();
                    self.queues.remove(&line, (&group, &proof, &turn));
                }
                if let Some(worker) = self.reserved.remove(id) {
                    self.workers.reserve(&worker, None);
                    self.pending_work.rematch = true;
                }
            }
            TaskState::Running { worker, since, .. } => {
                counts.running -= 1;
                self.workers.release(worker, id);
                self.timed.remove(&(*since, id.clone()));
                self.pending_work.rematch = true;
                if load.lane.waits()
                    && let Entry::Occupied(mut held) = proof.held.entry(worker.clone())
                {
                    *held.get_mut() -= load.weight;
                    if *held.get() == 0 {
                        held.remove();
                    }
                    self.pending_work.proofs.insert(task.spec.proof.clone());
                }
                match capability {
                    Capability::Gpu => {
                        let proof = task.spec.proof.clone();
                        self.reshare(&proof, |weight| *weight -= load.weight);
                    }
                    _ => proof.running_cpu -= load.weight,
                }
            }
            TaskState::Succeeded => counts.succeeded -= 1,
            TaskState::Failed { .. } => {}
        }
    }

    /// Puts a task that has left its state into another one.
    pub(crate) fn enter(&mut self, id: &TaskId, state: TaskState) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let Some(proof) = self.proofs.get_mut(&task.spec.proof) else { return };
        task.state = state;
        let counts = proof.counts.entry(task.spec.kind).or_default();
        let (capability, load) = (task.spec.kind.needs(), task.load());
        match &task.state {
            TaskState::Pending { .. } => {
                counts.pending += 1;
                if task.want().is_none() {
                    return;
                }
                *proof.waiting.entry(task.sort()).or_default() += 1;
                self.pending_work.proofs.insert(task.spec.proof.clone());
                self.line_up(id);
            }
            TaskState::Running { worker, since, .. } => {
                counts.running += 1;
                self.workers.hold(worker, id.clone(), load, task.confirmed);
                if load.lane.waits() {
                    *proof.held.entry(worker.clone()).or_default() += load.weight;
                    self.pending_work.proofs.insert(task.spec.proof.clone());
                } else {
                    self.timed.insert((*since, id.clone()));
                }
                match capability {
                    Capability::Gpu => {
                        let proof = task.spec.proof.clone();
                        self.reshare(&proof, |weight| *weight += load.weight);
                    }
                    _ => proof.running_cpu += load.weight,
                }
            }
            TaskState::Succeeded => counts.succeeded += 1,
            TaskState::Failed { .. } => {}
        }
    }

    /// Where a proof's tasks stand by the policy.
    pub(crate) fn turn(&self, id: &ProofId) -> Option<(GroupTurn, ProofTurn)> {
        let proof = self.proofs.get(id)?;
        let nobody = || GroupTurn { share: 0, requester: Arc::from("") };
        let (group, major) = match self.config.policy {
            Policy::Fifo => (nobody(), 0),
            Policy::Deadline => (nobody(), proof.spec.deadline.map_or(u64::MAX, Time::as_millis)),
            Policy::Balanced => {
                let requester = proof.spec.requester.as_str();
                let share = self.shares.get(requester).copied().unwrap_or(0);
                (GroupTurn { share, requester: Arc::from(requester) }, proof.running_gpu)
            }
        };
        Some((group, ProofTurn { major, number: proof.number }))
    }

    /// Changes what a proof's running GPU tasks weigh, and its place in the queues where the policy goes by that.
    fn reshare(&mut self, id: &ProofId, change: impl Fn(&mut u64)) {
        let balanced = self.config.policy == Policy::Balanced;
        let before = self.turn(id).filter(|_| balanced);
        let Some(proof) = self.proofs.get_mut(id) else { return };
        change(&mut proof.running_gpu);
        match self.shares.entry(proof.spec.requester.clone()) {
            Entry::Occupied(mut share) => {
                change(share.get_mut());
                if *share.get() == 0 {
                    share.remove();
                }
            }
            Entry::Vacant(share) => change(share.insert(0)),
        }
        self.moved_from(id, before);
    }

    /// Brings a proof's waiting tasks from where they stood by the policy to where they stand now.
    pub(crate) fn moved_from(&mut self, id: &ProofId, before: Option<(GroupTurn, ProofTurn)>) {
        if let Some((old_group, old_proof)) = before
            && let Some((group, proof)) = self.turn(id)
        {
            self.queues.move_group(&old_group, &group);
            self.queues.move_proof(&group, &old_proof, proof);
        }
    }
}
