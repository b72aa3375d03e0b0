//! What workers and the clock do: registration, heartbeats, silence, timeouts and deadlines.

use crate::{
    Action, ProofState, Refused, Scheduler, TaskState, Time, WorkerSpec, scheduler::Fleet, transition::Tally,
};
use proofmill_primitives::{TaskId, Weight, WorkerId};
use std::{collections::BTreeSet, time::Duration};

impl Scheduler {
    pub(crate) fn worker_opened(&mut self, now: Time, spec: WorkerSpec) -> Result<(), Refused> {
        if spec.max_weight == Weight::ZERO || spec.provers.is_empty() {
            let provers = spec.provers.len();
            return Err(Refused::UselessWorker { worker: spec.id, max_weight: spec.max_weight, provers });
        }
        let id = spec.id.clone();
        let known = self.workers.get(&id);
        let fleet = match known.map(|worker| (worker.draining, &worker.spec)) {
            None | Some((_, None)) => Fleet::Grew,
            Some((false, Some(before))) if *before == spec => Fleet::Same,
            Some(_) => Fleet::Changed,
        };
        // After a restart the time for its first heartbeat begins here, not when the coordinator came up.
        if known.is_some_and(|worker| worker.spec.is_none()) {
            let tasks: Vec<_> = known.into_iter().flat_map(|worker| worker.tasks.keys().cloned()).collect();
            for id in tasks {
                if let Some(task) = self.tasks.get_mut(&id) {
                    task.confirmed = now;
                }
            }
        }
        self.workers.open(spec, now);
        self.pending_work.rematch = true;
        self.pending_work.fleet = self.pending_work.fleet.max(fleet);
        Ok(())
    }

    pub(crate) fn worker_draining(&mut self, id: &WorkerId) -> Result<(), Refused> {
        if self.workers.present(id).is_none() {
            return Err(Refused::NoSuchWorker(id.clone()));
        }
        self.unreserve(id);
        self.workers.drain(id);
        self.pending_work.rematch = true;
        self.pending_work.fleet = Fleet::Changed;
        Ok(())
    }

    pub(crate) fn heartbeat(
        &mut self,
        now: Time,
        id: &WorkerId,
        active: Vec<TaskId>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        if self.workers.present(id).is_none() {
            return Err(Refused::NoSuchWorker(id.clone()));
        }
        self.workers.heard(id, now);
        let active: BTreeSet<_> = active.into_iter().collect();
        for task in &active {
            self.confirm(now, id, task, actions);
        }
        let held = self.workers.get(id).into_iter().flat_map(|worker| worker.tasks.keys());
        let missing: Vec<_> = held.filter(|task| !active.contains(*task)).cloned().collect();
        for task in missing {
            self.missed(now, id, &task, actions);
        }
        Ok(())
    }

    /// A worker says that it has the task.
    fn confirm(&mut self, now: Time, worker: &WorkerId, id: &TaskId, actions: &mut Vec<Action>) {
        let Some(task) = self.tasks.get_mut(id) else { return self.withdraw(worker, id, actions) };
        if task.worker() == Some(worker) {
            task.confirmed = now;
            task.restored = false;
            return;
        }
        // It was silent for too long and the task still waits: it goes on where it is, and the try did not fail.
        if let (TaskState::Pending { .. }, Some((lost_by, retries))) = (&task.state, &task.lost_by)
            && let Some(want) = task.want()
            && lost_by == worker
            && self
                .workers
                .present(worker)
                .and_then(|worker| worker.free())
                .is_some_and(|free| free >= want.weight)
        {
            let state = TaskState::Running { worker: worker.clone(), since: now, retries: *retries };
            self.set_state(now, id, state, actions);
            if let Some(task) = self.tasks.get_mut(id) {
                task.avoid.remove(worker);
            }
            return;
        }
        self.withdraw(worker, id, actions);
    }

    /// A worker says nothing of a task that it was given.
    fn missed(&mut self, now: Time, worker: &WorkerId, id: &TaskId, actions: &mut Vec<Action>) {
        let Some(task) = self.tasks.get(id) else { return };
        if now.since(task.confirmed) <= self.config.delivery_grace {
            return;
        }
        let tally = if task.restored { Tally::Free } else { self.tally(worker) };
        let before = task.retries();
        let cause = format!("{worker} has not had it for more than {}", words(self.config.delivery_grace));
        self.give_back(now, id, cause, tally, actions);
        self.remember_loss(id, worker, before);
    }

    fn remember_loss(&mut self, id: &TaskId, worker: &WorkerId, retries: u32) {
        if let Some(task) = self.tasks.get_mut(id) {
            task.lost_by = Some((worker.clone(), retries));
        }
    }

    /// Takes everything from a worker and forgets it. Nothing happens where it is not known.
    pub(crate) fn worker_lost(&mut self, now: Time, id: &WorkerId, cause: &str, actions: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(id) else { return };
        let tasks: Vec<_> = worker.tasks.keys().cloned().collect();
        // Also free for one that did not come back after a restart: nobody knows which side was at fault.
        let tally = self.tally(id);
        actions.push(Action::WorkerLost { worker: id.clone(), tasks: tasks.clone() });
        self.unreserve(id);
        self.workers.leave(id);
        for task in tasks {
            let Some(before) = self.tasks.get(&task).map(|task| task.retries()) else { continue };
            self.give_back(now, &task, format!("{id} was lost: {cause}"), tally, actions);
            self.remember_loss(&task, id, before);
        }
        self.workers.remove(id);
        self.pending_work.rematch = true;
        self.pending_work.fleet = Fleet::Changed;
    }

    fn unreserve(&mut self, id: &WorkerId) {
        if let Some(task) = self.workers.get(id).and_then(|worker| worker.reserved_for.clone()) {
            self.reserved.remove(&task);
            self.workers.reserve(id, None);
        }
    }

    pub(crate) fn tick(&mut self, now: Time, actions: &mut Vec<Action>) {
        self.watch_clock(now);
        self.lose_silent_workers(now, actions);
        self.stop_long_tasks(now, actions);
        self.fail_late_proofs(now, actions);
        self.assign(now, actions);
        self.reserve(now, actions);
    }

    /// A tick that comes late means that the coordinator was stopped, not that every worker was silent.
    fn watch_clock(&mut self, now: Time) {
        if let Some(last) = self.last_tick.replace(now) {
            if now < last {
                self.listening_since = now;
                self.workers.forget_future(now);
            } else if now.since(last) > self.config.heartbeat_timeout / 2 {
                self.listening_since = now;
            }
        }
    }

    fn lose_silent_workers(&mut self, now: Time, actions: &mut Vec<Action>) {
        let timeout = self.config.heartbeat_timeout;
        let silent = |heard: Time| now.since(heard.max(self.listening_since)) > timeout;
        let dead: Vec<_> = self.workers.iter().filter(|(_, worker)| silent(worker.last_heartbeat)).collect();
        let dead: Vec<_> = dead.into_iter().map(|(id, worker)| (id.clone(), worker.last_heartbeat)).collect();
        for (id, heard) in dead {
            let cause = format!("no heartbeat for {}", words(now.since(heard)));
            self.worker_lost(now, &id, &cause, actions);
        }
    }

    fn stop_long_tasks(&mut self, now: Time, actions: &mut Vec<Action>) {
        while let Some((since, id)) = self.timed.first().cloned() {
            if now.since(since) <= self.config.task_timeout {
                break;
            }
            let Some(worker) = self.tasks.get(&id).and_then(|task| task.worker().cloned()) else { break };
            let cause = format!("ran on {worker} for longer than {}", words(self.config.task_timeout));
            self.give_back(now, &id, cause, Tally::Counts, actions);
            self.withdraw(&worker, &id, actions);
        }
    }

    fn fail_late_proofs(&mut self, now: Time, actions: &mut Vec<Action>) {
        while let Some((deadline, id)) = self.deadlines.first().cloned() {
            if deadline > now {
                break;
            }
            let Some(proof) = self.proofs.get(&id) else { break };
            let (done, known) = proof
                .counts
                .values()
                .fold((0, 0), |(done, known), counts| (done + counts.succeeded, known + counts.total()));
            let allowed = words(deadline.since(proof.created));
            let why = proof.diagnosis.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
            let cause = format!(
                "its deadline passed {allowed} after it was created, with {done} of {known} known tasks done{why}; \
                 allow it more time or add workers"
            );
            self.end_proof(&id, ProofState::Failed { cause }, actions);
        }
    }
}

/// For people: whole seconds, or milliseconds below one.
fn words(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        seconds => format!("{seconds} s"),
    }
}
