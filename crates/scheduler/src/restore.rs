//! Going on after the coordinator was restarted.

use crate::{Config, ProofSpec, Scheduler, TaskSpec, TaskState, Time};

impl Scheduler {
    /// A scheduler that goes on where one before it stopped, from what was made durable of its
    /// [`Action`](crate::Action)s: the active proofs with the times they were created, and their tasks in the order
    /// they were added.
    ///
    /// A task that was running stays with its worker for [`Config::heartbeat_timeout`] from `now`. If the worker comes
    /// back within that, nothing was lost; otherwise the task is given out again, and that does not count as a retry.
    ///
    /// What went wrong with a task before counts on: one that was killed with others still runs apart. Only its pause does not: what
    /// waits is given out as soon as there is a worker.
    ///
    /// Within that time it is not known who else is there: what a task did wrong on the only worker so far is no reason to give it up.
    ///
    /// Tasks of proofs that are not among `proofs` are left out; of two with one id the first counts. Nothing is given out before the
    /// first event.
    pub fn restore(
        config: Config,
        now: Time,
        proofs: impl IntoIterator<Item = (ProofSpec, Time)>,
        tasks: impl IntoIterator<Item = (TaskSpec, TaskState)>,
    ) -> Self {
        let mut scheduler = Self::new(config);
        scheduler.listening_since = now;
        let mut proofs: Vec<_> = proofs.into_iter().collect();
        scheduler.gathering_since = (!proofs.is_empty()).then_some(now);
        proofs.sort_by_key(|(_, created)| *created);
        for (spec, created) in proofs {
            if !scheduler.proofs.contains_key(&spec.id) {
                scheduler.add_proof(spec, created);
            }
        }
        for (spec, state) in tasks {
            if !scheduler.proofs.contains_key(&spec.proof) || scheduler.tasks.contains_key(&spec.id) {
                continue;
            }
            // The restart came between the end of the task and that of its proof.
            if let TaskState::Failed { fault } = &state {
                scheduler.doomed.push((spec.proof.clone(), fault.clone()));
            }
            scheduler.add_task(now, spec, state);
        }
        scheduler
    }

    /// Whether the coordinator was restarted just now, so that workers may be there that have not come back yet.
    pub(crate) fn is_gathering(&self, now: Time) -> bool {
        self.gathering_since.is_some_and(|since| now.since(since) <= self.config.heartbeat_timeout)
    }
}
