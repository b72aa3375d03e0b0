//! So that nothing waits forever: workers kept free for tasks that lighter ones overtake, and tasks that wait for others put
//! back where they block each other.
//!
//! *Overtaken*: a task that is next by the policy but does not fit anywhere sees lighter tasks go before it. After
//! [`Config::reserve_after`](crate::Config) of that, the worker that comes closest is kept free of other tasks until
//! it fits, there or elsewhere.
//!
//! *Blocked*: controllers and executions hold memory while they wait for other tasks (`memory.rs` has the picture), so several
//! proofs can fill a worker with them, and none can ever end. A task that has waited [`Config::reserve_after`](crate::Config) and
//! has no room later, when all work has ended, gets a worker where those of younger proofs, and of proofs that cannot go on
//! anyway, are put back in the queue, without counting a try. The oldest proof's never are: so there is always one that advances.
//!
//! At most one worker is kept in each half of each prover type and dialect, for the oldest proof in need.

use crate::{
    Action, Scheduler, Time,
    want::{Lane, Want},
    worker::{Load, Worker},
};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{TaskId, WorkerId};
use std::{cmp::Reverse, collections::BTreeSet};

/// Why a worker is kept. Of two needs of one task the first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Blocked,
    Overtaken,
}

impl Scheduler {
    /// Decides anew which workers are kept for whom.
    pub(crate) fn reserve(&mut self, now: Time, actions: &mut Vec<Action>) {
        let kept = std::mem::take(&mut self.reserved);
        for worker in kept.values() {
            self.workers.reserve(worker, None);
            self.pending_work.rematch = true;
        }
        let mut served = BTreeSet::new();
        for (_, id, need) in self.needy(now, kept.keys()) {
            let Some(task) = self.tasks.get(&id) else { continue };
            let Some(want) = task.want() else { continue };
            let half = (want.prover, want.dialect, want.capability);
            if served.contains(&half) {
                continue;
            }
            let Some(worker) = self.candidate(&id, &want, need) else { continue };
            served.insert(half);
            self.workers.reserve(&worker, Some(id.clone()));
            self.reserved.insert(id.clone(), worker.clone());
            self.pending_work.rematch = true;
            if need == Need::Blocked {
                self.put_back(now, &id, &want, &worker, actions);
            }
        }
    }

    /// Who needs a worker of its own, the oldest proof first. For whom one was kept until now it is kept on: what was put back for it
    /// would come back at once, while other work there goes on.
    fn needy<'a>(
        &self,
        now: Time,
        kept: impl Iterator<Item = &'a TaskId>,
    ) -> Vec<((u64, u64), TaskId, Need)> {
        let due = |since: Time| now.since(since) >= self.config.reserve_after;
        let mut needy = Vec::new();
        for (key, line) in self.queues.lines() {
            if let Some(id) = line.oldest()
                && let Some(task) = self.tasks.get(id)
                && due(task.queued)
                && !self.workers.any_has_room_later(&key.want, self.avoided(key, task))
            {
                needy.push(((task.proof_number, task.number), id.clone(), Need::Blocked));
            }
            if let Some((_, id)) = line.head()
                && let Some(task) = self.tasks.get(id)
                && task.overtaken.is_some_and(due)
            {
                needy.push(((task.proof_number, task.number), id.clone(), Need::Overtaken));
            }
        }
        for id in kept {
            if let Some(task) = self.tasks.get(id).filter(|task| task.is_in_line()) {
                needy.push(((task.proof_number, task.number), id.clone(), Need::Overtaken));
            }
        }
        needy.sort();
        needy
    }

    /// The worker where it takes least until the task fits. Looks at all of them: this is not on the way of each task,
    /// but happens at most once a tick for each task in need.
    fn candidate(&self, id: &TaskId, want: &Want, need: Need) -> Option<WorkerId> {
        let task = self.tasks.get(id)?;
        let key = task.line()?;
        let avoided = self.avoided(&key, task);
        let put_back = |worker: &Worker| match need {
            Need::Overtaken => Vec::new(),
            Need::Blocked => self.movable(id, worker),
        };
        let workers = self.workers.iter().filter(|(id, worker)| {
            worker.suits(want)
                && worker.broken.is_none()
                && worker.reserved_for.is_none()
                && !self.workers.avoids(avoided, id)
                && worker.has_room_without(want, put_back(worker).into_iter().map(|(_, load)| load))
        });
        let least = |worker: &Worker| {
            (worker.paused.is_some(), worker.in_the_way_of(want), Reverse(worker.memory.free()))
        };
        workers.min_by_key(|(_, worker)| least(worker)).map(|(id, _)| id.clone())
    }

    /// The controllers and executions on a worker that may be put back for a task, those whose loss matters least first: those of
    /// proofs that cannot go on, then of the youngest.
    fn movable(&self, id: &TaskId, worker: &Worker) -> Vec<(TaskId, Load)> {
        let Some(task) = self.tasks.get(id) else { return Vec::new() };
        let lane = Lane::of(task.spec.kind);
        let waiting = worker.tasks.iter().filter(|(_, load)| load.lane.waits());
        let mut movable: Vec<_> = waiting
            .filter_map(|(id, load)| {
                let waiting = self.tasks.get(id)?;
                let proof = self.proofs.get(&waiting.spec.proof)?;
                let goes_on = proof.diagnosis.is_none();
                let other = proof.number != task.proof_number;
                let younger = proof.number > task.proof_number;
                // A controller must not push out another that can go on: both would only have started over.
                let yields = other && (!goes_on || younger && lane != Lane::Controller);
                yields.then(|| ((goes_on, Reverse(waiting.number)), id.clone(), *load))
            })
            .collect();
        movable.sort_by_key(|(loss, ..)| *loss);
        movable.into_iter().map(|(_, id, load)| (id, load)).collect()
    }

    fn put_back(
        &mut self,
        now: Time,
        id: &TaskId,
        want: &Want,
        worker: &WorkerId,
        actions: &mut Vec<Action>,
    ) {
        let Some(task) = self.tasks.get(id) else { return };
        let cause =
            format!("put back so that {} {id} of the proof {} can run", task.spec.kind, task.spec.proof);
        let Some(host) = self.workers.get(worker) else { return };
        for (waiting, _) in self.movable(id, host) {
            if self.workers.get(worker).is_some_and(|host| host.has_room_later(want)) {
                break;
            }
            self.give_back(now, &waiting, Fault::new(Code::PutBack, cause.clone()), actions);
            self.withdraw(worker, &waiting, actions);
        }
    }
}
