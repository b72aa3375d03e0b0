//! What workers and the clock do: registration, heartbeats, silence, timeouts and deadlines.

use crate::{
    Action, ProofState, Refused, Scheduler, TaskState, Time, WorkerSpec, proof::Delivery, scheduler::Fleet,
    want::Lane,
};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{TaskId, Weight, WorkerId};
use std::{collections::BTreeSet, time::Duration};

impl Scheduler {
    pub(crate) fn worker_opened(
        &mut self,
        now: Time,
        spec: WorkerSpec,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        if spec.max_weight == Weight::ZERO || spec.provers.is_empty() {
            let provers = spec.provers.len();
            return Err(Refused::UselessWorker { worker: spec.id, max_weight: spec.max_weight, provers });
        }
        let id = spec.id.clone();
        let known = self.workers.get(&id);
        let fleet = match known.map(|worker| (worker.draining, &worker.spec)) {
            None => Fleet::Grew,
            Some((false, Some(before))) if *before == spec => Fleet::Same,
            Some(_) => Fleet::Changed,
        };
        // What it should hold may have been lost with its stream, or with its process: it is sent again.
        let held: Vec<_> = known.into_iter().flat_map(|worker| worker.tasks.keys().cloned()).collect();
        for task in held {
            self.send_again(now, &id, &task, Delivery::Due, actions);
        }
        self.workers.open(spec, now);
        self.pending_work.rematch = true;
        self.pending_work.fleet = self.pending_work.fleet.max(fleet);
        Ok(())
    }

    fn send_again(
        &mut self,
        now: Time,
        worker: &WorkerId,
        id: &TaskId,
        delivery: Delivery,
        actions: &mut Vec<Action>,
    ) {
        if let Some(task) = self.tasks.get_mut(id) {
            (task.confirmed, task.delivery) = (now, delivery);
            actions.push(Action::Assign { worker: worker.clone(), task: task.spec.clone() });
        }
    }

    /// Tasks have left: their workers can name them from now on.
    pub(crate) fn sent(&mut self, now: Time, tasks: &[(WorkerId, TaskId)]) {
        for (worker, id) in tasks {
            if let Some(task) = self.tasks.get_mut(id).filter(|task| task.worker() == Some(worker)) {
                (task.confirmed, task.delivery) = (now, task.delivery.sent());
            }
        }
    }

    /// It is given nothing more, and has a while to come back.
    pub(crate) fn stream_broken(&mut self, now: Time, id: &WorkerId, actions: &mut Vec<Action>) {
        match self.workers.present(id) {
            Some(worker) if worker.draining => self.worker_lost(now, id, "it left", actions),
            Some(_) => {
                self.unreserve(id);
                self.workers.break_off(id, now);
            }
            None => {}
        }
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
        received: Time,
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
        // Who comes back to its stream is sent all of it again. Who only says that it lives would keep for ever what it never had.
        let comes_back =
            |since: Time| now.since(since.max(self.listening_since)) <= self.config.reconnect_grace;
        let Some(holder) = self.workers.get(id).filter(|holder| !holder.broken.is_some_and(comes_back))
        else {
            return Ok(());
        };
        let is_recent = |task: &TaskId| {
            let task = self.tasks.get(task);
            task.is_none_or(|task| received.since(task.confirmed) <= self.config.delivery_grace)
        };
        let missing = holder.tasks.keys().filter(|task| !active.contains(*task) && !is_recent(task));
        for task in missing.cloned().collect::<Vec<_>>() {
            self.missed(now, id, &task, actions);
        }
        Ok(())
    }

    /// A worker says that it has the task.
    fn confirm(&mut self, now: Time, worker: &WorkerId, id: &TaskId, actions: &mut Vec<Action>) {
        let Some(task) = self.tasks.get_mut(id) else { return self.withdraw(worker, id, actions) };
        if task.worker() == Some(worker) {
            (task.confirmed, task.delivery) = (now, task.delivery.sent());
            return;
        }
        // It was silent for too long and the task still waits: it goes on where it is, and the try did not fail.
        if let (TaskState::Pending { last_failure, .. }, Some(lost_by)) = (&task.state, &task.lost_by)
            && let Some(want) = task.want()
            && lost_by == worker
            && self.workers.present(worker).is_some_and(|host| {
                host.may_keep(&want) && host.memory.free().is_some_and(|free| free >= want.weight)
            })
        {
            // What was never delivered, or was left in good order, did not count as a loss.
            if last_failure.as_ref().is_some_and(|fault| fault.code == Code::WorkerLost) {
                task.history.found();
            }
            if let Some(task) = self.start(now, worker, id, actions) {
                task.avoid.workers.remove(worker);
                task.delivery = task.delivery.sent();
            }
            return;
        }
        self.withdraw(worker, id, actions);
    }

    /// A worker says nothing of a task that it should have by now: it is sent once more, then taken away.
    fn missed(&mut self, now: Time, worker: &WorkerId, id: &TaskId, actions: &mut Vec<Action>) {
        let (Some(task), Some(holder)) = (self.tasks.get(id), self.workers.get(worker)) else { return };
        match task.delivery {
            // It cannot know of it.
            Delivery::Due | Delivery::DueAgain => {}
            Delivery::Sent if !holder.draining && holder.broken.is_none() => {
                self.send_again(now, worker, id, Delivery::DueAgain, actions);
            }
            Delivery::Sent | Delivery::SentAgain => {
                let grace = words(self.config.delivery_grace);
                let text = format!("{worker} was sent it, and has not had it for more than {grace}");
                self.give_back(now, id, Fault::new(Code::NotDelivered, text), actions);
                self.remember_loss(id, worker);
            }
        }
    }

    fn remember_loss(&mut self, id: &TaskId, worker: &WorkerId) {
        if let Some(task) = self.tasks.get_mut(id) {
            task.lost_by = Some(worker.clone());
        }
    }

    /// Takes everything from a worker and forgets it. Nothing happens where it is not known.
    pub(crate) fn worker_lost(&mut self, now: Time, id: &WorkerId, cause: &str, actions: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(id) else { return };
        let tasks: Vec<_> = worker.tasks.keys().cloned().collect();
        // A draining one leaves in good order.
        let code = if worker.draining { Code::Stopping } else { Code::WorkerLost };
        actions.push(Action::WorkerLost { worker: id.clone(), tasks: tasks.clone() });
        self.unreserve(id);
        self.workers.leave(id);
        for task in tasks {
            self.give_back(now, &task, Fault::new(code, format!("{id} was lost: {cause}")), actions);
            self.remember_loss(&task, id);
        }
        self.workers.remove(id);
        self.pending_work.rematch = true;
        self.pending_work.fleet = Fleet::Changed;
    }

    /// Nobody was told of the end of the process before, or has waited for it. That is a loss of all that it held, as any other:
    /// otherwise what takes one process after the other down would be sent to the next one for ever. A draining one was told to end.
    pub(crate) fn worker_replaced(&mut self, now: Time, id: &WorkerId, actions: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(id).filter(|worker| !worker.draining) else { return };
        let tasks: Vec<_> = worker.tasks.keys().cloned().collect();
        for task in &tasks {
            let text = format!("{id} was lost: its process ended, and another one began");
            self.give_back(now, task, Fault::new(Code::WorkerLost, text), actions);
        }
        for task in &tasks {
            self.keep(now, id, task, actions);
        }
    }

    /// Leaves a task with the worker that it was just taken from, where it need not wait and may run beside what is there.
    fn keep(&mut self, now: Time, worker: &WorkerId, id: &TaskId, actions: &mut Vec<Action>) {
        let Some(task) = self.tasks.get(id).filter(|task| task.is_in_line()) else { return };
        let (Some(want), Some(host)) = (task.want(), self.workers.get(worker)) else { return };
        if host.may_keep(&want)
            && let Some(task) = self.start(now, worker, id, actions)
        {
            task.outlived = true;
        }
    }

    fn unreserve(&mut self, id: &WorkerId) {
        if let Some(task) = self.workers.get(id).and_then(|worker| worker.reserved_for.clone()) {
            self.reserved.remove(&task);
            self.workers.reserve(id, None);
        }
    }

    pub(crate) fn tick(&mut self, now: Time, actions: &mut Vec<Action>) {
        self.watch_clock(now);
        self.wake(now);
        self.pending_work.rematch |= self.workers.wake(now);
        self.lose_silent_workers(now, actions);
        self.stop_long_tasks(now, actions);
        self.fail_late_proofs(now, actions);
        self.let_leave(now, actions);
        // First what can go: a worker is kept only for who is left over.
        self.assign(now, actions);
        self.reserve(now, actions);
    }

    /// A tick that comes late means that the coordinator was stopped, not that every worker was silent.
    fn watch_clock(&mut self, now: Time) {
        if let Some(last) = self.last_tick.replace(now) {
            if now < last {
                self.listening_since = now;
                self.gathering_since = self.gathering_since.map(|since| since.min(now));
                self.workers.forget_future(now);
                self.tasks.values_mut().for_each(|task| task.forget_future(now));
                self.wake_all(now);
            } else if now.since(last) > self.config.heartbeat_timeout / 2 {
                self.listening_since = now;
            }
        }
    }

    fn lose_silent_workers(&mut self, now: Time, actions: &mut Vec<Action>) {
        let timeout = self.config.heartbeat_timeout;
        let grace = self.config.reconnect_grace;
        let since = |moment: Time| now.since(moment.max(self.listening_since));
        let dead = self.workers.iter().filter_map(|(id, worker)| {
            if since(worker.last_heartbeat) > timeout {
                return Some((id, format!("no heartbeat for {}", words(now.since(worker.last_heartbeat)))));
            }
            // A node whose prover has all its threads does not come back to its stream before that lets go of one; its heartbeats,
            // which have a thread of their own, say that it lives and what it goes on with.
            let broken = worker.broken?;
            let silent = since(broken.max(worker.last_heartbeat)) > grace;
            let away = words(now.since(broken));
            silent.then(|| (id, format!("its stream broke, and it did not come back for {away}")))
        });
        // All at once, before anything is given out again.
        let dead: Vec<_> = dead.map(|(id, cause)| (id.clone(), cause)).collect();
        for (id, cause) in dead {
            self.worker_lost(now, &id, &cause, actions);
        }
    }

    fn stop_long_tasks(&mut self, now: Time, actions: &mut Vec<Action>) {
        while let Some((since, id)) = self.timed.first().cloned() {
            // What it finished while nobody was listening could not be handed in; and a machine that slept did nothing.
            if now.since(since.max(self.listening_since)) <= self.config.task_timeout {
                break;
            }
            let Some(worker) = self.tasks.get(&id).and_then(|task| task.worker().cloned()) else { break };
            let text = format!("ran on {worker} for longer than {}", words(self.config.task_timeout));
            self.give_back(now, &id, Fault::new(Code::TooLong, text), actions);
            self.withdraw(&worker, &id, actions);
        }
    }

    /// Takes executions from workers that leave where nobody else can do the shards that they wait for: they would never be done with
    /// them. Their controllers they hand back themselves.
    fn let_leave(&mut self, now: Time, actions: &mut Vec<Action>) {
        let is_stuck = |task: &TaskId| {
            let proof = self.tasks.get(task).and_then(|task| self.proofs.get(&task.spec.proof));
            proof.is_some_and(|proof| proof.diagnosis.is_some())
        };
        let leaving = self.workers.iter().filter(|(_, worker)| worker.draining);
        let held =
            leaving.flat_map(|(id, worker)| worker.tasks.iter().map(move |(task, load)| (id, task, load)));
        let in_vain = held.filter(|(_, task, load)| load.lane == Lane::Execution && is_stuck(task));
        let in_vain: Vec<_> = in_vain.map(|(id, task, _)| (id.clone(), task.clone())).collect();
        for (worker, task) in in_vain {
            let text = format!("{worker} leaves, and nobody else can do what it waits for");
            self.give_back(now, &task, Fault::new(Code::Stopping, text), actions);
            self.withdraw(&worker, &task, actions);
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
            let text = format!(
                "its deadline passed {allowed} after it was created, with {done} of {known} known tasks done{why}; \
                 allow it more time or add workers"
            );
            let fault = Fault::new(Code::Late, text);
            self.end_proof(&id, ProofState::Failed { fault }, actions);
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
