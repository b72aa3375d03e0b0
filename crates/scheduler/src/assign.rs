//! Who gets what, and who cannot be served by anybody.

use crate::{
    Action, Scheduler, Time,
    proof::{Proof, Task},
    queue::{Avoid, LineKey, Turn},
    scheduler::Fleet,
    want::{Sort, Want},
};
use proofmill_primitives::{ProofId, TaskId, WorkerId};

impl Scheduler {
    /// Gives out what can be given out. Each task costs a look at the head of every line and, for each, a search in a
    /// tree of workers.
    pub(crate) fn assign(&mut self, now: Time, actions: &mut Vec<Action>) {
        while std::mem::take(&mut self.pending_work.rematch) {
            while let Some((task, worker)) = self.next_match(now) {
                let Some(started) = self.start(now, &worker, &task, actions) else { break };
                let task = started.spec.clone();
                actions.push(Action::Assign { worker, task });
            }
        }
    }

    fn next_match(&mut self, now: Time) -> Option<(TaskId, WorkerId)> {
        if let Some(found) = self.reserved_match() {
            return Some(found);
        }
        let mut best: Option<(Turn<'_>, &TaskId, &WorkerId)> = None;
        let mut stuck = Vec::new();
        for (key, line) in self.queues.lines() {
            let Some((turn, id)) = line.head() else { continue };
            let Some(task) = self.tasks.get(id) else { continue };
            match self.host(key, task) {
                Some(worker) => match best {
                    Some((first, ..)) if first < turn => {}
                    _ => best = Some((turn, id, worker)),
                },
                None if task.overtaken.is_none() => stuck.push((turn, id, key)),
                None => {}
            }
        }
        let (first, id, worker) = best?;
        let (id, worker) = (id.clone(), worker.clone());
        // Those before it in line that this worker could have served had it been free.
        let host = self.workers.get(&worker)?;
        let overtaken = stuck.into_iter().filter(|(turn, _, key)| *turn < first && host.suits(&key.want));
        for id in overtaken.map(|(_, id, _)| id.clone()).collect::<Vec<_>>() {
            if let Some(task) = self.tasks.get_mut(&id) {
                task.overtaken = Some(now);
            }
        }
        Some((id, worker))
    }

    /// A task that a worker is kept for goes there as soon as it fits, or anywhere else before.
    fn reserved_match(&self) -> Option<(TaskId, WorkerId)> {
        self.reserved.iter().find_map(|(id, kept)| {
            let task = self.tasks.get(id)?;
            let key = task.line()?;
            let fits = || self.workers.get(kept).is_some_and(|host| host.has_room_now(&key.want));
            let host = self.host(&key, task).or_else(|| fits().then_some(kept))?;
            Some((id.clone(), host.clone()))
        })
    }

    /// Who could take the head of a line now.
    fn host(&self, key: &LineKey, task: &Task) -> Option<&WorkerId> {
        self.workers.pick(&key.want, self.avoided(key, task))
    }

    /// The workers that a task must not go to: none where there is no other place for it at all.
    pub(crate) fn avoided<'a>(&self, key: &'a LineKey, task: &Task) -> &'a Avoid {
        let Some((_, avoided)) = &key.avoided else { return Avoid::nobody() };
        let elsewhere = self.proofs.get(&task.spec.proof);
        match elsewhere.is_some_and(|proof| self.workers.possible(&key.want, &proof.held, avoided)) {
            true => avoided,
            false => Avoid::nobody(),
        }
    }

    /// Says what changed in what keeps proofs waiting.
    pub(crate) fn diagnose(&mut self, actions: &mut Vec<Action>) {
        let fleet = std::mem::take(&mut self.pending_work.fleet);
        let mut touched = std::mem::take(&mut self.pending_work.proofs);
        match fleet {
            Fleet::Same => {}
            Fleet::Grew => touched.extend(self.diagnosed().cloned()),
            Fleet::Changed => touched.extend(self.proofs.keys().cloned()),
        }
        for id in touched {
            let Some(proof) = self.proofs.get(&id) else { continue };
            let diagnosis =
                proof.waiting.keys().filter(|sort| self.is_wanted(proof, sort)).find_map(|sort| {
                    let want = Want::new(proof.spec.prover, *sort)?;
                    self.workers.diagnose(sort.kind, &want, &proof.held)
                });
            if let Some(proof) = self.proofs.get_mut(&id)
                && proof.diagnosis != diagnosis
            {
                proof.diagnosis.clone_from(&diagnosis);
                actions.push(Action::Diagnosed { proof: id, diagnosis });
            }
        }
    }

    /// Whether such tasks are of the controller or the execution that runs. Those of an earlier one, which spoke otherwise, are wanted
    /// no more.
    fn is_wanted(&self, proof: &Proof, sort: &Sort) -> bool {
        let written_by = |dialect| self.workers.speaks(proof.held.keys(), dialect);
        proof.held.is_empty() || sort.dialect.is_none_or(written_by)
    }

    fn diagnosed(&self) -> impl Iterator<Item = &ProofId> {
        self.proofs.iter().filter(|(_, proof)| proof.diagnosis.is_some()).map(|(id, _)| id)
    }
}
