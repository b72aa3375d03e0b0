//! Workers and tasks.

use super::State;
use crate::{entry::Entry, error::brief, queue::Sink, streams::WorkerLink};
use proofmill_fault::{Code, Fault};
use proofmill_ledger::Timestamp;
use proofmill_primitives::{ProofId, TaskId, TaskKind, WorkerId};
use proofmill_scheduler::{Event, TaskSpec, TaskState, WorkerSpec};
use proofmill_wire::worker::{CancelTask, ServerMessage, server_message};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};
use tonic::Status;

/// Which process a worker is.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its own name, where it says one.
    pub(crate) incarnation: Option<String>,
    /// It was never registered before.
    pub(crate) is_fresh: bool,
}

/// Whether a task runs the program, and so may find that it cannot be run. What a stock worker says of another one, it says of
/// itself as much as of the proof.
const fn runs_the_program(kind: TaskKind) -> bool {
    matches!(kind, TaskKind::Controller | TaskKind::CoreExecute | TaskKind::ExecuteOnly)
}

impl State {
    /// Registers a worker and its stream, and writes down under which session. A second one of the same name is refused as long
    /// as the first is there.
    pub(crate) fn open_worker(
        &mut self,
        spec: WorkerSpec,
        process: Process,
        sink: Sink<ServerMessage>,
        session: &AtomicU64,
    ) -> Result<(), Status> {
        let id = spec.id.clone();
        let Process { incarnation, is_fresh } = process;
        // Each would be given, and withdrawn, what the other one holds. One that does not say who it is may be the same.
        let is_another = |link: &&WorkerLink| {
            !link.sink.is_closed()
                && link.incarnation.is_some()
                && incarnation.is_some()
                && link.incarnation != incarnation
        };
        if self.workers.get(&id).is_some_and(|link| is_another(&link)) {
            tracing::warn!(worker = %id, "a second worker of the same name was refused");
            return Err(Status::already_exists(format!(
                "another worker named {id} is connected: give each a name of its own (--id)"
            )));
        }
        // One that did not hear our answer registers once more.
        if is_fresh && self.workers.get(&id).is_none_or(|link| link.incarnation != incarnation) {
            self.feed(Event::WorkerReplaced { worker: id.clone() })?;
        }
        self.sessions += 1;
        let comes_back = |link: &&mut WorkerLink| link.is_leaving_node() && incarnation.is_none();
        if let Some(link) = self.workers.get_mut(&id).filter(comes_back) {
            (link.sink, link.session) = (sink, self.sessions);
            session.store(self.sessions, Ordering::Release);
            tracing::info!(worker = %id, "a worker that takes no more tasks is back");
            return self.feed(Event::WorkerBack { worker: id });
        }
        let link = WorkerLink { session: self.sessions, incarnation, sink, draining: false, kind: spec.kind };
        let before = self.workers.insert(id.clone(), link);
        self.fleet_changed = true;
        if let Err(refused) = self.feed(Event::WorkerOpened(spec.clone())) {
            self.workers.remove(&id);
            self.workers.extend(before.map(|link| (id, link)));
            return Err(refused);
        }
        tracing::info!(worker = %id, kind = %spec.kind, max_weight = %spec.max_weight, provers = ?spec.provers, "a worker registered");
        session.store(self.sessions, Ordering::Release);
        Ok(())
    }

    /// A worker's stream broke, unless another one has taken its place.
    pub(crate) fn worker_left(&mut self, worker: WorkerId, session: u64) {
        if let Some(link) = self.workers.get(&worker).filter(|link| link.session == session) {
            // One that drains ends it when it has done its tasks.
            if !link.draining {
                tracing::warn!(%worker, "a worker's stream broke");
            } else if link.is_leaving_node() && self.scheduler.is_busy(&worker) {
                tracing::info!(%worker, "the stream of a worker broke that takes no more tasks, and holds some");
                return;
            }
            drop(self.feed(Event::StreamBroken { worker }));
        }
    }

    pub(crate) fn close_worker(&mut self, worker: WorkerId) -> Result<(), Status> {
        if let Some(link) = self.workers.get_mut(&worker) {
            link.draining = true;
            tracing::info!(%worker, "a worker takes no more tasks");
            self.fleet_changed = true;
        }
        self.feed(Event::WorkerDraining { worker })
    }

    pub(crate) fn heartbeat(
        &mut self,
        worker: WorkerId,
        active: Vec<(ProofId, TaskId)>,
        waiting: &BTreeMap<TaskId, String>,
        received: Timestamp,
    ) -> Result<(), Status> {
        let text = format!("the worker {worker} has no open stream: open one");
        let no_stream = Status::not_found(brief(text));
        let Some(link) = self.workers.get(&worker) else { return Err(no_stream) };
        // It may not have found out that its stream broke. That it lives is heard all the same.
        let is_connected = !link.sink.is_closed();
        // Tasks that ended before a restart are unknown even to the scheduler: nobody else would ever withdraw them.
        for (proof, task) in &active {
            if self.scheduler.task(task).is_none() {
                let message = CancelTask { proof_id: proof.to_string(), task_id: task.to_string() };
                self.send_worker(&worker, server_message::Message::CancelTask(message));
            }
            self.waits(&worker, task, waiting.get(task).map(String::as_str));
        }
        let active = active.into_iter().map(|(_, task)| task).collect();
        let received = crate::convert::time(received);
        self.feed(Event::Heartbeat { worker, active, received })?;
        if is_connected { Ok(()) } else { Err(no_stream) }
    }

    /// Creates a task, or finds the one of the same proof that is making the same outputs. One that has made them is not
    /// found: whoever asks has looked for them, and they are not there any more.
    pub(crate) fn create_task(&mut self, spec: TaskSpec) -> Result<TaskId, Status> {
        if let Some(key) = super::output_key(&spec)
            && let Some(task) = self.by_output.get(&spec.proof).and_then(|tasks| tasks.get(&key))
        {
            return Ok(task.clone());
        }
        let id = spec.id.clone();
        self.feed(Event::TaskCreated(spec))?;
        Ok(id)
    }

    pub(crate) fn complete_task(
        &mut self,
        worker: WorkerId,
        task: TaskId,
        busy_ms: u64,
        peak_memory_mb: u32,
    ) -> Result<(), Status> {
        if let Some((spec, TaskState::Pending { .. } | TaskState::Running { .. })) =
            self.scheduler.task(&task)
            && let Some(entry) = self.proofs.get_mut(&spec.proof)
        {
            // The first task declares its proof made before it is done: the proof is over by then, or would wait for nobody.
            if matches!(spec.kind, TaskKind::Controller | TaskKind::ExecuteOnly) && spec.parent.is_none() {
                let text =
                    "it was said to be done, and the proof was not said to be made; see the worker's log";
                return self.fail_task(worker, task, Fault::new(Code::NoResult, text));
            }
            entry.account(spec.kind, worker.clone(), busy_ms, peak_memory_mb);
        }
        let proof = self.scheduler.task(&task).map(|(spec, _)| spec.proof.clone());
        self.feed_if_live(Event::TaskCompleted { worker, task })?;
        proof.map_or(Ok(()), |proof| self.end_dummy(proof))
    }

    pub(crate) fn fail_task(&mut self, worker: WorkerId, task: TaskId, fault: Fault) -> Result<(), Status> {
        self.feed_if_live(Event::TaskFailed { worker, task, fault })
    }

    /// A worker gives up a proof, over one of its tasks where it names that. What another try may help it is heard to say of the task
    /// alone.
    pub(crate) fn give_up_proof(
        &mut self,
        worker: WorkerId,
        proof: ProofId,
        task: Option<TaskId>,
        fault: Fault,
        extra_data: Option<String>,
    ) -> Result<(), Status> {
        let known = task.as_ref().and_then(|task| self.scheduler.task(task));
        // Whoever had it from another coordinator, say. A live proof ends over a task of its own alone.
        if task.is_some()
            && known.is_none_or(|(spec, _)| spec.proof != proof)
            && self.scheduler.proof(&proof).is_some()
        {
            return Err(Status::not_found("the proof has no such task, and goes on"));
        }
        // A task that is done, or that this worker has no more, is no reason to give up.
        let is_here =
            |state: &TaskState| matches!(state, TaskState::Running { worker: by, .. } if *by == worker);
        if known.is_some_and(|(_, state)| !is_here(state)) {
            return Ok(());
        }
        let ran = known.is_none_or(|(spec, _)| runs_the_program(spec.kind));
        let code = if fault.code == Code::Dismissed && ran { Code::Rejected } else { fault.code };
        let fault = Fault { code, ..fault };
        let of = known.map(|(spec, _)| spec.proof.clone());
        match task.zip(of) {
            Some((task, of)) if !code.is_final() => {
                self.fail_task(worker, task, fault)?;
                if !self.proofs.get(&of).is_some_and(Entry::is_live) {
                    self.keep_extra_data(&of, extra_data);
                }
                Ok(())
            }
            _ => self.end_proof_with(&proof.clone(), extra_data, Event::ProofFailed { proof, fault }),
        }
    }
}
