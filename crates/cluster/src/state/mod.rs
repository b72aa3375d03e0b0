//! The state of the cluster, and how the scheduler's actions become records, messages and answers. Everything here is
//! plain code over plain data: the [owner](crate::owner) makes it durable and releases what it sends.

mod proofs;
mod subscribers;
mod workers;

pub(crate) use workers::Process;

use crate::{
    ClusterConfig, convert,
    entry::Entry,
    error::{brief, status},
    metrics,
    owner::Release,
    queue::Sink,
    streams::{self, Channel, Subscriber, WorkerLink},
};
use proofmill_fault::{At, Code, Fault};
use proofmill_ledger::{Batch, Change, ProofStatus, ProofUpdate, Timestamp};
use proofmill_primitives::{ArtifactId, Dialect, ProofId, TaskId, TaskKind, WorkerId};
use proofmill_scheduler::{Action, Event, ProofState, Scheduler, TaskSpec, TaskState};
use proofmill_wire::{
    header,
    worker::{CancelTask, ServerHeartbeat, ServerMessage, WorkerTask, server_message},
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};
use tonic::Status;

/// After so many ticks the fleet's gauges are set anew.
const METERED: u32 = 4;

/// The most bytes of public values that are kept of ended proofs, for all of them together: whoever watched one was told with its end.
const ENDED_VALUES: usize = 4 * convert::MAX_PUBLIC_VALUES;

/// What tells a controller's task apart from the others of its proof.
type OutputKey = (TaskKind, Vec<ArtifactId>, Option<String>);

/// Everything that the cluster knows.
pub(crate) struct State {
    pub(crate) config: ClusterConfig,
    pub(crate) scheduler: Scheduler,
    pub(crate) proofs: BTreeMap<ProofId, Entry>,
    /// Ended proofs that are still in `proofs`, oldest first.
    ended: VecDeque<ProofId>,
    workers: BTreeMap<WorkerId, WorkerLink>,
    subscribers: BTreeMap<String, Subscriber>,
    channels: BTreeMap<TaskId, Channel>,
    /// Outputs of the tasks that wait or run, so that a controller that starts over finds those it had created.
    by_output: BTreeMap<ProofId, BTreeMap<OutputKey, TaskId>>,
    /// Whether workers came or went since it was last looked whether every wrap has a worker.
    fleet_changed: bool,
    pub(crate) total_tasks: u64,
    sessions: u64,
    last_heartbeat: Timestamp,
    pub(crate) started: Timestamp,
    ticks: u32,
    /// Tasks that leave with the releases.
    leaving: Vec<(WorkerId, TaskId)>,
    batch: Batch,
    releases: Vec<Release>,
}

impl State {
    /// Goes on from what is durable.
    pub(crate) fn restore(config: ClusterConfig, live: proofmill_ledger::Live) -> Self {
        let now = Timestamp::now();
        let specs =
            live.proofs.iter().map(|record| (convert::proof_spec(record), convert::time(record.created_at)));
        let tasks: Vec<_> = live.tasks.into_iter().map(convert::task_of_record).collect();
        let mut by_output: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (spec, _) in tasks.iter().filter(|(spec, state)| is_found(spec, state)) {
            by_output
                .entry(spec.proof.clone())
                .or_default()
                .extend(output_key(spec).map(|key| (key, spec.id.clone())));
        }
        let scheduler = Scheduler::restore(
            config.scheduler,
            convert::time(now),
            specs.collect::<Vec<_>>(),
            tasks.iter().cloned(),
        );
        let mut proofs: BTreeMap<_, _> =
            live.proofs.into_iter().map(|record| (record.id.clone(), Entry::new(record))).collect();
        let (mut channels, mut releases) = (BTreeMap::<TaskId, Channel>::new(), Vec::new());
        for (task, payload) in live.messages {
            if let Some((spec, state)) = scheduler.task(&task) {
                let channel = channels.entry(task).or_insert_with(|| Channel::new(spec.proof.clone()));
                channel.remember(payload);
                if has_ended(state) {
                    channel.end(&mut releases);
                }
            }
        }
        let mut batch = Batch::new();
        for (id, entry) in &mut proofs {
            if let Some(counts) = scheduler.progress(id) {
                entry.count(counts, entry.record.created_at);
            }
            // Of other workers, maybe. It is found out anew.
            if entry.record.diagnosis.take().is_some() {
                batch.push(Change::ProofDiagnosed { proof: id.clone(), diagnosis: None });
            }
        }
        Self {
            config,
            scheduler,
            proofs,
            ended: VecDeque::new(),
            workers: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            channels,
            by_output,
            fleet_changed: false,
            total_tasks: tasks.len() as u64,
            sessions: 0,
            last_heartbeat: now,
            started: now,
            ticks: 0,
            leaving: Vec::new(),
            batch,
            releases,
        }
    }

    /// What must be made durable, and what to do then.
    pub(crate) fn take_outputs(&mut self) -> (Batch, Vec<Release>) {
        (std::mem::take(&mut self.batch), std::mem::take(&mut self.releases))
    }

    /// What was to be sent has been sent.
    pub(crate) fn released(&mut self) {
        let tasks = std::mem::take(&mut self.leaving);
        if !tasks.is_empty() {
            drop(self.feed(Event::Sent { tasks }));
        }
    }

    /// Time passes.
    pub(crate) fn tick(&mut self) {
        drop(self.feed(Event::Tick));
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(METERED) {
            metrics::fleet(&self.scheduler.stats(), &self.scheduler.tasks_by_kind());
        }
        let Self { subscribers, releases, .. } = self;
        for subscriber in subscribers.values_mut() {
            subscriber.repeat(Instant::now(), streams::REPEAT_AFTER, releases);
        }
        let now = Timestamp::now();
        let due = u64::try_from(self.config.server_heartbeat.as_millis()).unwrap_or(u64::MAX);
        // Also where the clock was set back.
        if now < self.last_heartbeat || now.as_millis() - self.last_heartbeat.as_millis() >= due {
            self.last_heartbeat = now;
            for link in self.workers.values() {
                let beat = server_message::Message::ServerHeartbeat(ServerHeartbeat {});
                // What waits to be read says as much.
                if link.sink.is_idle() {
                    link.sink.send(ServerMessage { message: Some(beat) });
                }
            }
            let moment = Instant::now();
            self.subscribers.retain(|_, subscriber| !subscriber.is_over(moment));
            self.subscribers.values_mut().for_each(Subscriber::heartbeat);
        }
    }

    /// Lets the scheduler know, and does what follows.
    fn feed(&mut self, event: Event) -> Result<(), Status> {
        let now = convert::time(Timestamp::now());
        let actions = self.scheduler.handle(now, event).map_err(|refused| status(&refused))?;
        for action in actions {
            self.carry_out(action);
        }
        if std::mem::take(&mut self.fleet_changed) {
            self.foresee_wraps();
        }
        Ok(())
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::TaskAdded(spec) => {
                self.total_tasks += 1;
                if let Some(key) = output_key(&spec) {
                    self.by_output.entry(spec.proof.clone()).or_default().insert(key, spec.id.clone());
                }
                self.update_counts(&spec.proof);
                self.batch.push(Change::TaskInserted(Box::new(convert::task_record(spec))));
            }
            Action::Assign { worker, task } => {
                let message = WorkerTask {
                    task_id: task.id.to_string(),
                    metadata: task.metadata.clone(),
                    data: Some(convert::task_data(&task)),
                };
                self.send_worker(&worker, server_message::Message::NewTask(message));
                self.leaving.push((worker, task.id));
            }
            Action::Withdraw { worker, proof, task } => {
                let message = CancelTask { proof_id: proof.to_string(), task_id: task.to_string() };
                self.send_worker(&worker, server_message::Message::CancelTask(message));
            }
            Action::TaskChanged { proof, task, state } => self.task_changed(&proof, task, state),
            Action::ProofChanged { proof, state } => self.proof_changed(&proof, state),
            Action::Diagnosed { proof, diagnosis } => {
                let diagnosis = diagnosis.map(|diagnosis| diagnosis.to_string());
                match &diagnosis {
                    Some(text) => tracing::warn!(%proof, diagnosis = text, "cannot go on"),
                    None => tracing::info!(%proof, "goes on"),
                }
                if let Some(entry) = self.proofs.get_mut(&proof) {
                    entry.stuck = diagnosis;
                }
                self.tell_diagnosis(&proof);
            }
            Action::WorkerLost { worker, tasks } => {
                let link = self.workers.remove(&worker);
                if let Some(link) = link.as_ref().filter(|link| !link.draining || !tasks.is_empty()) {
                    let kinds = tasks.iter().filter_map(|task| self.scheduler.task(task));
                    metrics::worker_lost(link.kind, kinds.map(|(spec, _)| spec.kind));
                }
                if link.is_some_and(|link| link.draining) && tasks.is_empty() {
                    tracing::info!(%worker, "a worker left");
                } else {
                    tracing::warn!(%worker, tasks = tasks.len(), "lost a worker: its tasks go to others");
                }
                self.fleet_changed = true;
            }
        }
    }

    fn task_changed(&mut self, proof: &ProofId, task: TaskId, state: TaskState) {
        self.show_change(proof, &task, &state);
        match &state {
            TaskState::Pending { last_failure: Some(fault), .. } if is_told(fault.code) => {
                if let Some(kind) = self.scheduler.task(&task).map(|(spec, _)| spec.kind) {
                    self.given_back(proof, &task, kind, fault);
                }
            }
            TaskState::Running { .. } | TaskState::Pending { last_failure: None, .. } => {}
            _ => self.taken_up(proof, &task, matches!(state, TaskState::Succeeded)),
        }
        // Whoever has it now says what it waits for.
        if self.proofs.get_mut(proof).is_some_and(|entry| entry.waits(&task, None)) {
            self.tell_diagnosis(proof);
        }
        if has_ended(&state) {
            self.task_ended(proof, &task, &state);
        }
        self.update_counts(proof);
        // Where the proof has ended by now its tasks are forgotten in this very batch.
        if self.scheduler.proof(proof).is_some() {
            let state = convert::task_record_state(state);
            self.batch.push(Change::TaskStateChanged { task, state });
        }
    }

    /// In the metrics and in the log.
    fn show_change(&self, proof: &ProofId, task: &TaskId, state: &TaskState) {
        // The tasks of a proof that has ended are forgotten; its end is counted by itself.
        if let Some((spec, _)) = self.scheduler.task(task) {
            match state {
                TaskState::Pending { last_failure: Some(fault), .. } => {
                    metrics::task_fault(spec.kind, fault.code)
                }
                TaskState::Running { since, .. } => {
                    let queued = self.scheduler.queued(task).unwrap_or(*since);
                    metrics::task_waited(spec.kind, since.since(queued));
                }
                _ => {}
            }
        }
        match state {
            TaskState::Pending { last_failure: Some(Fault { code: Code::PutBack, text }), .. } => {
                tracing::info!(%proof, %task, cause = text, "task put back");
            }
            TaskState::Pending { history, last_failure: Some(Fault { code, text }) } => {
                tracing::warn!(%proof, %task, tries = history.tries(), fault = %code, cause = text, "task to be tried again");
            }
            TaskState::Failed { fault: Fault { code, text } } => {
                tracing::error!(event = "task_failed", %proof, %task, fault = %code, cause = text, "task given up");
            }
            _ => {}
        }
    }

    fn task_ended(&mut self, proof: &ProofId, task: &TaskId, state: &TaskState) {
        let status = convert::task_status(state);
        for subscriber in self.subscribers.values_mut().filter(|subscriber| subscriber.proof == *proof) {
            if subscriber.waiting.remove(task).is_some() {
                subscriber.result(task, status, &mut self.releases);
            }
        }
        if let Some(channel) = self.channels.get_mut(task) {
            channel.end(&mut self.releases);
        }
        // Whoever asks for the same outputs now has found that they are not there: it is made again.
        let ended = self.scheduler.task(task).filter(|(spec, _)| !is_found(spec, state));
        let key = ended.and_then(|(spec, _)| output_key(spec));
        if let (Some(key), Some(tasks)) = (key, self.by_output.get_mut(proof))
            && tasks.get(&key) == Some(task)
        {
            tasks.remove(&key);
        }
    }

    fn proof_changed(&mut self, proof: &ProofId, state: ProofState) {
        let (status, fault) = match state {
            ProofState::Active => return,
            ProofState::Completed => (ProofStatus::Completed, None),
            ProofState::Failed { fault } => (ProofStatus::Failed, Some(fault)),
            ProofState::Cancelled => (ProofStatus::Cancelled, None),
        };
        match &fault {
            Some(Fault { code, text }) => {
                let event = if *code == Code::Late { "proof_timed_out" } else { "proof_failed" };
                tracing::error!(event, %proof, fault = %code, cause = text, "the proof failed");
            }
            None => tracing::info!(%proof, ?status, "the proof ended"),
        }
        let at = Timestamp::now();
        if let Some(entry) = self.proofs.get_mut(proof) {
            let took = (status == ProofStatus::Completed).then(|| at.since(entry.record.created_at));
            metrics::proof_ended(entry.record.prover, status, fault.as_ref().map(|fault| fault.code), took);
            entry.end(status, fault.as_ref(), at);
            self.ended.push_back(proof.clone());
        }
        let failure_cause = fault.as_ref().map(Fault::encode);
        let update = ProofUpdate { status: Some(status), failure_cause, ..ProofUpdate::default() };
        self.batch.push(Change::ProofUpdated { proof: proof.clone(), update: Box::new(update), at });
        self.batch.push(Change::TasksForgotten { proof: proof.clone() });
        let Self { subscribers, channels, releases, .. } = self;
        subscribers.retain(|_, subscriber| {
            if subscriber.proof != *proof || !subscriber.has_named {
                return true;
            }
            subscriber.proof_ended(status == ProofStatus::Completed, releases);
            // Whose stream breaks meanwhile hears it when it is back.
            subscriber.is_owed()
        });
        channels.retain(|_, channel| {
            let stays = channel.proof != *proof;
            if !stays {
                channel.end(releases);
            }
            stays
        });
        self.by_output.remove(proof);
        self.forget_oldest();
    }

    /// Keeps no more of ended proofs than is allowed.
    fn forget_oldest(&mut self) {
        while self.ended.len() > self.config.remember_ended {
            if let Some(oldest) = self.ended.pop_front() {
                self.proofs.remove(&oldest);
            }
        }
        let mut left = ENDED_VALUES;
        for ended in self.ended.iter().rev() {
            let Some(entry) = self.proofs.get_mut(ended) else { continue };
            match left.checked_sub(entry.public_values()) {
                Some(rest) => left = rest,
                None => entry.forget_public_values(),
            }
        }
    }

    fn update_counts(&mut self, proof: &ProofId) {
        if let (Some(entry), Some(counts)) = (self.proofs.get_mut(proof), self.scheduler.progress(proof)) {
            entry.count(counts, Timestamp::now());
            entry.touch();
        }
    }

    fn send_worker(&mut self, worker: &WorkerId, message: server_message::Message) {
        if let Some(link) = self.workers.get(worker) {
            let sink: Sink<ServerMessage> = link.sink.clone();
            // A worker that is gone does not hear it; the scheduler finds out by its silence.
            self.releases.push(Box::new(move || sink.send(ServerMessage { message: Some(message) })));
        }
    }
}

/// Whether who waits is told why a task came back: it may go on like that for as long as nobody does something about it.
fn is_told(code: Code) -> bool {
    matches!(code, Code::NotSetUp | Code::Unfit | Code::TooSmall) || code.at() == At::Store
}

/// `None` for a task without outputs: nothing tells it apart.
fn output_key(spec: &TaskSpec) -> Option<OutputKey> {
    (!spec.outputs.is_empty()).then(|| (spec.kind, spec.outputs.clone(), repeated(spec)))
}

/// How often a task was done in vain, where it is found once it is done.
fn repeated(spec: &TaskSpec) -> Option<String> {
    if spec.dialect != Some(Dialect::Sp1Cluster) {
        return None;
    }
    serde_json::from_str::<BTreeMap<String, String>>(&spec.metadata).ok()?.remove(header::REPEATED)
}

/// Whether a task is found by its outputs by who asks for them anew. One of the SP1 cluster's layout also once it is done: its
/// messages are there, and a controller that starts over goes on from them.
fn is_found(spec: &TaskSpec, state: &TaskState) -> bool {
    !has_ended(state) || *state == TaskState::Succeeded && spec.dialect == Some(Dialect::Sp1Cluster)
}

const fn has_ended(state: &TaskState) -> bool {
    matches!(state, TaskState::Succeeded | TaskState::Failed { .. })
}

pub(crate) fn new_task_id() -> TaskId {
    TaskId::new(format!("task-{}", uuid::Uuid::now_v7()))
}

pub(crate) fn no_such_proof(proof: &ProofId) -> Status {
    Status::not_found(brief(format!("there is no proof {proof}")))
}
