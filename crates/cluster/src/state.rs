//! The state of the cluster, and how the scheduler's actions become records, messages and answers. Everything here is
//! plain code over plain data: the [owner](crate::owner) makes it durable and releases what it sends.

use crate::{
    ClusterConfig, convert,
    entry::Entry,
    error::status,
    owner::{Handle, Release},
    streams::{Channel, Sink, Subscriber, WorkerLink},
};
use proofmill_ledger::{Batch, Change, Execution, ExecutionStatus, ProofRecord, ProofStatus, ProofUpdate, Timestamp};
use proofmill_primitives::{ArtifactId, ProofId, ProofMode, TaskId, TaskKind, Weight, WorkerId};
use proofmill_scheduler::{Action, Event, ProofState, Scheduler, TaskSpec, TaskState, WorkerSpec};
use proofmill_wire::{
    operator::ReportPlanRequest,
    worker::{
        CancelTask, MessageStreamResponse, ServerHeartbeat, ServerMessage, ServerSubMessage, WorkerTask, server_message,
    },
};
use std::collections::{BTreeMap, VecDeque};
use tonic::Status;

/// Everything that the cluster knows.
pub(crate) struct State {
    pub(crate) config: ClusterConfig,
    pub(crate) scheduler: Scheduler,
    pub(crate) proofs: BTreeMap<ProofId, Entry>,
    /// Ended proofs that are still in `proofs`, oldest first.
    ended: VecDeque<ProofId>,
    pub(crate) workers: BTreeMap<WorkerId, WorkerLink>,
    pub(crate) subscribers: BTreeMap<String, Subscriber>,
    channels: BTreeMap<TaskId, Channel>,
    /// Outputs of live tasks, so that a controller that starts over finds the tasks it had created.
    by_output: BTreeMap<(ProofId, TaskKind, Vec<ArtifactId>), TaskId>,
    pub(crate) total_tasks: u64,
    sessions: u64,
    last_heartbeat: Timestamp,
    pub(crate) started: Timestamp,
    handle: Handle,
    batch: Batch,
    releases: Vec<Release>,
}

impl State {
    /// Goes on from what is durable.
    pub(crate) fn restore(config: ClusterConfig, live: proofmill_ledger::Live, handle: Handle) -> Self {
        let now = Timestamp::now();
        let specs = live.proofs.iter().map(|record| (convert::proof_spec(record), convert::time(record.created_at)));
        let tasks: Vec<_> = live.tasks.into_iter().map(convert::task_of_record).collect();
        let by_output = tasks.iter().map(|(spec, _)| (output_key(spec), spec.id.clone())).collect();
        let scheduler =
            Scheduler::restore(config.scheduler, convert::time(now), specs.collect::<Vec<_>>(), tasks.iter().cloned());
        let mut proofs: BTreeMap<_, _> =
            live.proofs.into_iter().map(|record| (record.id.clone(), Entry::new(record))).collect();
        for (id, entry) in &mut proofs {
            entry.counts = scheduler.progress(id).cloned().unwrap_or_default();
        }
        Self {
            config,
            scheduler,
            proofs,
            ended: VecDeque::new(),
            workers: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            channels: BTreeMap::new(),
            by_output,
            total_tasks: tasks.len() as u64,
            sessions: 0,
            last_heartbeat: now,
            started: now,
            handle,
            batch: Batch::new(),
            releases: Vec::new(),
        }
    }

    /// What must be made durable, and what to do then.
    pub(crate) fn take_outputs(&mut self) -> (Batch, Vec<Release>) {
        (std::mem::take(&mut self.batch), std::mem::take(&mut self.releases))
    }

    /// Time passes.
    pub(crate) fn tick(&mut self) {
        drop(self.feed(Event::Tick));
        let now = Timestamp::now();
        let due = u64::try_from(self.config.server_heartbeat.as_millis()).unwrap_or(u64::MAX);
        if now.as_millis().saturating_sub(self.last_heartbeat.as_millis()) >= due {
            self.last_heartbeat = now;
            for link in self.workers.values() {
                let beat = server_message::Message::ServerHeartbeat(ServerHeartbeat {});
                drop(link.sink.send(Ok(ServerMessage { message: Some(beat) })));
            }
            self.subscribers.values_mut().for_each(Subscriber::heartbeat);
            // Subscribers are tied to their proofs: those that are gone are kept until their proof ends.
        }
    }

    /// Lets the scheduler know, and does what follows.
    fn feed(&mut self, event: Event) -> Result<(), Status> {
        let now = convert::time(Timestamp::now());
        let actions = self.scheduler.handle(now, event).map_err(|refused| status(&refused))?;
        for action in actions {
            self.carry_out(action);
        }
        Ok(())
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::TaskAdded(spec) => {
                self.total_tasks += 1;
                self.by_output.insert(output_key(&spec), spec.id.clone());
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
                    entry.record.diagnosis.clone_from(&diagnosis);
                    entry.touch();
                }
                self.batch.push(Change::ProofDiagnosed { proof, diagnosis });
            }
            Action::WorkerLost { worker, tasks } => {
                tracing::warn!(%worker, tasks = tasks.len(), "lost a worker: its tasks go to others");
                self.workers.remove(&worker);
            }
        }
    }

    fn task_changed(&mut self, proof: &ProofId, task: TaskId, state: TaskState) {
        match &state {
            TaskState::Pending { retries, last_failure: Some(cause) } if *retries > 0 => {
                tracing::warn!(%proof, %task, retries, cause, "waits for another try");
            }
            TaskState::Failed { cause } => tracing::error!(%proof, %task, cause, "gave up a task"),
            _ => {}
        }
        if matches!(state, TaskState::Succeeded | TaskState::Failed { .. }) {
            let status = convert::task_status(&state);
            for subscriber in self.subscribers.values_mut().filter(|subscriber| subscriber.proof == *proof) {
                if subscriber.waiting.remove(&task) {
                    // Told before it is durable: hearing of it twice, or hearing it again after a crash, does no harm.
                    subscriber.result(&task, status);
                }
            }
            if let Some(channel) = self.channels.remove(&task) {
                channel.end();
            }
        }
        self.update_counts(proof);
        // Where the proof has ended by now its tasks are forgotten in this very batch.
        if self.scheduler.proof(proof).is_some() {
            let state = convert::task_record_state(state);
            self.batch.push(Change::TaskStateChanged { task, state });
        }
    }

    fn proof_changed(&mut self, proof: &ProofId, state: ProofState) {
        let (status, cause) = match state {
            ProofState::Active => return,
            ProofState::Completed => (ProofStatus::Completed, None),
            ProofState::Failed { cause } => (ProofStatus::Failed, Some(cause)),
            ProofState::Cancelled => (ProofStatus::Cancelled, None),
        };
        match &cause {
            Some(cause) => tracing::error!(%proof, cause, "the proof failed"),
            None => tracing::info!(%proof, ?status, "the proof ended"),
        }
        let at = Timestamp::now();
        if let Some(entry) = self.proofs.get_mut(proof) {
            entry.record.status = status;
            entry.record.failure_cause.clone_from(&cause);
            entry.record.diagnosis = None;
            entry.record.completed_at = Some(at);
            entry.record.updated_at = at;
            if status == ProofStatus::Completed {
                entry.close();
            }
            entry.touch();
            self.ended.push_back(proof.clone());
        }
        let update = ProofUpdate { status: Some(status), failure_cause: cause, ..ProofUpdate::default() };
        self.batch.push(Change::ProofUpdated { proof: proof.clone(), update: Box::new(update), at });
        self.batch.push(Change::TasksForgotten { proof: proof.clone() });
        self.subscribers.retain(|_, subscriber| {
            let stays = subscriber.proof != *proof;
            if !stays {
                subscriber.end();
            }
            stays
        });
        self.by_output.retain(|(of, ..), _| of != proof);
        while self.ended.len() > self.config.remember_ended {
            if let Some(oldest) = self.ended.pop_front() {
                self.proofs.remove(&oldest);
            }
        }
    }

    fn update_counts(&mut self, proof: &ProofId) {
        if let (Some(entry), Some(counts)) = (self.proofs.get_mut(proof), self.scheduler.progress(proof)) {
            entry.counts.clone_from(counts);
            entry.touch();
        }
    }

    fn send_worker(&mut self, worker: &WorkerId, message: server_message::Message) {
        if let Some(link) = self.workers.get(worker) {
            let sink = link.sink.clone();
            // A worker that is gone does not hear it; the scheduler finds out by its silence.
            self.releases.push(Box::new(move || drop(sink.send(Ok(ServerMessage { message: Some(message) })))));
        }
    }
}

/// What tells a controller's task apart from the others of its proof.
fn output_key(spec: &TaskSpec) -> (ProofId, TaskKind, Vec<ArtifactId>) {
    (spec.proof.clone(), spec.kind, spec.outputs.clone())
}

/// Requests for proofs.
impl State {
    /// Takes a request and creates its first task. The same request again changes nothing.
    pub(crate) fn create_proof(&mut self, record: ProofRecord) -> Result<TaskId, Status> {
        let (spec, mode) = (convert::proof_spec(&record), record.options.clone());
        let root = TaskSpec {
            id: new_task_id(),
            proof: record.id.clone(),
            kind: if mode.as_ref().is_some_and(|mode| mode.as_str() == "0") {
                TaskKind::ExecuteOnly
            } else {
                TaskKind::Controller
            },
            weight: self.config.controller_weight(record.prover),
            parent: None,
            inputs: convert::root_inputs(&record),
            outputs: record.proof.clone().into_iter().collect(),
            metadata: convert::root_metadata(record.prover),
            requester: spec.requester.clone(),
        };
        self.create_proof_with(record, root)
    }

    pub(crate) fn create_proof_with(&mut self, record: ProofRecord, root: TaskSpec) -> Result<TaskId, Status> {
        let spec = convert::proof_spec(&record);
        if self.proofs.contains_key(&record.id) {
            return Err(Status::already_exists(format!("the proof {} exists already", record.id)));
        }
        let (id, task, prover) = (record.id.clone(), root.id.clone(), record.prover);
        tracing::info!(proof = %id, %prover, mode = ?record.options.as_ref().map(ToString::to_string), "a proof is asked for");
        // First in the batch: its tasks refer to it.
        self.batch.push(Change::ProofInserted(Box::new(record.clone())));
        self.proofs.insert(id.clone(), Entry::new(record));
        if let Err(refused) = self.feed(Event::ProofCreated { proof: spec, root }) {
            // The scheduler knew it although we did not: it cannot, since both learn of proofs here alone.
            self.proofs.remove(&id);
            return Err(refused);
        }
        self.foresee_wrap(&id);
        Ok(task)
    }

    /// Says at once when no worker present could ever take the wrap that the proof will end with.
    fn foresee_wrap(&mut self, proof: &ProofId) {
        let Some(entry) = self.proofs.get_mut(proof) else { return };
        let kind = match entry.mode() {
            Some(ProofMode::Plonk) => TaskKind::PlonkWrap,
            Some(ProofMode::Groth16) => TaskKind::Groth16Wrap,
            _ => return,
        };
        let prover = entry.record.prover;
        let held = self.config.controller_weight(prover);
        if let Some(diagnosis) = self.scheduler.foresee(prover, kind, kind.default_weight(), held) {
            let text = diagnosis.to_string();
            tracing::warn!(%proof, diagnosis = text, "cannot be finished by the workers present");
            entry.record.diagnosis = Some(text.clone());
            entry.touch();
            self.batch.push(Change::ProofDiagnosed { proof: proof.clone(), diagnosis: Some(text) });
        }
    }

    pub(crate) fn end_proof(&mut self, event: Event) -> Result<(), Status> {
        match self.feed(event) {
            // It has ended before: saying so again does no harm.
            Err(status) if status.code() == tonic::Code::NotFound => Ok(()),
            outcome => outcome,
        }
    }

    /// What a client may change of a request.
    pub(crate) fn update_proof(&mut self, proof: &ProofId, update: ProofUpdate) -> Result<(), Status> {
        let entry = self.proofs.get_mut(proof).ok_or_else(|| no_such_proof(proof))?;
        let record = &mut entry.record;
        let ProofUpdate { execution, deadline, handled, metadata, extra_data, .. } = update.clone();
        record.execution = execution.or(record.execution.take());
        record.deadline = deadline.or(record.deadline);
        record.handled = handled.unwrap_or(record.handled);
        record.metadata = metadata.unwrap_or(std::mem::take(&mut record.metadata));
        record.extra_data = extra_data.or(record.extra_data.take());
        let at = Timestamp::now();
        record.updated_at = at;
        entry.touch();
        let stored = ProofUpdate { status: None, ..update };
        self.batch.push(Change::ProofUpdated { proof: proof.clone(), update: Box::new(stored), at });
        Ok(())
    }

    /// A controller tells what its proof will take.
    pub(crate) fn plan(&mut self, request: ReportPlanRequest) -> Result<(), Status> {
        let proof = ProofId::from(request.proof_id);
        let entry = self.proofs.get_mut(&proof).ok_or_else(|| no_such_proof(&proof))?;
        entry.plan(request.instructions, request.public_values, &request.kinds);
        let execution = Execution {
            status: ExecutionStatus::Executed,
            failure: None,
            cycles: request.instructions,
            gas: 0,
            public_values_hash: Vec::new(),
        };
        self.update_proof(&proof, ProofUpdate { execution: Some(execution), ..ProofUpdate::default() })
    }
}

/// Workers and tasks.
impl State {
    /// Registers a worker and its stream.
    pub(crate) fn open_worker(&mut self, spec: WorkerSpec, sink: Sink<ServerMessage>) -> Result<u64, Status> {
        let id = spec.id.clone();
        self.sessions += 1;
        let session = self.sessions;
        let link = WorkerLink { session, sink, draining: false };
        let before = self.workers.insert(id.clone(), link);
        tracing::info!(worker = %id, kind = %spec.kind, max_weight = %spec.max_weight, provers = ?spec.provers, "a worker registered");
        if let Err(refused) = self.feed(Event::WorkerOpened(spec)) {
            self.workers.remove(&id);
            self.workers.extend(before.map(|link| (id, link)));
            return Err(refused);
        }
        Ok(session)
    }

    /// A worker's stream broke: it has a moment to come back.
    pub(crate) fn worker_left(&mut self, worker: WorkerId, session: u64) {
        let Some(link) = self.workers.get(&worker) else { return };
        if link.session != session {
            return;
        }
        let grace = if link.draining { std::time::Duration::ZERO } else { self.config.reconnect_grace };
        let handle = self.handle.clone();
        tokio::spawn(async move {
            tokio::time::sleep(grace).await;
            handle.tell(move |state| {
                if state.workers.get(&worker).is_some_and(|link| link.session == session) {
                    drop(state.feed(Event::WorkerGone { worker }));
                }
            });
        });
    }

    pub(crate) fn close_worker(&mut self, worker: WorkerId) -> Result<(), Status> {
        if let Some(link) = self.workers.get_mut(&worker) {
            link.draining = true;
        }
        tracing::info!(%worker, "a worker takes no more tasks");
        self.feed(Event::WorkerDraining { worker })
    }

    pub(crate) fn heartbeat(&mut self, worker: WorkerId, active: Vec<(ProofId, TaskId)>) -> Result<(), Status> {
        if !self.workers.contains_key(&worker) {
            return Err(Status::not_found(format!("the worker {worker} has no open stream")));
        }
        // Tasks that ended before a restart are unknown even to the scheduler: nobody else would ever withdraw them.
        for (proof, task) in active.iter().filter(|(_, task)| self.scheduler.task(task).is_none()) {
            let message = CancelTask { proof_id: proof.to_string(), task_id: task.to_string() };
            self.send_worker(&worker, server_message::Message::CancelTask(message));
        }
        let active = active.into_iter().map(|(_, task)| task).collect();
        self.feed(Event::Heartbeat { worker, active })
    }

    /// Creates a task, or finds the one of the same proof that makes the same outputs.
    pub(crate) fn create_task(&mut self, spec: TaskSpec) -> Result<TaskId, Status> {
        if !spec.outputs.is_empty()
            && let Some(task) = self.by_output.get(&output_key(&spec))
            && self.scheduler.task(task).is_some_and(|(_, state)| !matches!(state, TaskState::Failed { .. }))
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
        let known = self.scheduler.task(&task).map(|(spec, state)| {
            (spec.proof.clone(), spec.kind, matches!(state, TaskState::Succeeded | TaskState::Failed { .. }))
        });
        if let Some((proof, kind, false)) = known
            && let Some(entry) = self.proofs.get_mut(&proof)
        {
            entry.account(kind, worker.clone(), busy_ms, peak_memory_mb);
        }
        self.end_proof(Event::TaskCompleted { worker, task })
    }

    pub(crate) fn fail_task(
        &mut self,
        worker: WorkerId,
        task: TaskId,
        retryable: bool,
        cause: String,
    ) -> Result<(), Status> {
        self.end_proof(Event::TaskFailed { worker, task, retryable, cause })
    }

    pub(crate) fn open_subscriber(
        &mut self,
        id: String,
        proof: ProofId,
        tasks: Vec<TaskId>,
        sink: Sink<ServerSubMessage>,
    ) {
        let subscriber =
            self.subscribers.entry(id.clone()).or_insert_with(|| Subscriber::new(proof.clone(), sink.clone()));
        subscriber.reopen(sink);
        subscriber.heartbeat();
        if self.scheduler.proof(&proof).is_none() {
            subscriber.end();
            self.subscribers.remove(&id);
            return;
        }
        self.subscribe(&id, tasks);
    }

    pub(crate) fn update_subscriber(&mut self, id: &str, tasks: Vec<TaskId>) -> Result<(), Status> {
        if !self.subscribers.contains_key(id) {
            return Err(Status::not_found(format!("there is no subscriber {id}: open its stream again")));
        }
        self.subscribe(id, tasks);
        Ok(())
    }

    fn subscribe(&mut self, id: &str, tasks: Vec<TaskId>) {
        let Some(subscriber) = self.subscribers.get_mut(id) else { return };
        for task in tasks {
            match self.scheduler.task(&task) {
                None => subscriber.unknown(&task),
                Some((_, state @ (TaskState::Succeeded | TaskState::Failed { .. }))) => {
                    subscriber.result(&task, convert::task_status(state));
                }
                Some(_) => drop(subscriber.waiting.insert(task)),
            }
        }
    }

    pub(crate) fn acknowledge(&mut self, subscriber: &str, message: &str) {
        if let Some(subscriber) = self.subscribers.get_mut(subscriber) {
            subscriber.acknowledge(message);
        }
    }

    pub(crate) fn live_subscribers(&self) -> usize {
        self.subscribers.values().filter(|subscriber| !subscriber.is_gone()).count()
    }

    pub(crate) fn write_channel(&mut self, task: TaskId, payload: Vec<u8>) -> Result<(), Status> {
        self.channel(task)?.write(payload);
        Ok(())
    }

    pub(crate) fn read_channel(
        &mut self,
        task: TaskId,
        start: u64,
        reader: Sink<MessageStreamResponse>,
    ) -> Result<(), Status> {
        self.channel(task)?.read(start, reader);
        Ok(())
    }

    fn channel(&mut self, task: TaskId) -> Result<&mut Channel, Status> {
        match self.scheduler.task(&task) {
            Some((_, TaskState::Pending { .. } | TaskState::Running { .. })) => Ok(self.channels.entry(task).or_default()),
            _ => Err(Status::not_found(format!("there is no live task {task}"))),
        }
    }

    /// Checks a weight against what a worker could ever have.
    pub(crate) fn check_weight(weight: Weight) -> Result<(), Status> {
        const MOST: Weight = Weight::gb(1 << 20);
        if weight > MOST {
            return Err(Status::invalid_argument(format!("a task of {weight} is impossible: weights are in GB")));
        }
        Ok(())
    }
}

pub(crate) fn new_task_id() -> TaskId {
    TaskId::new(format!("task-{}", uuid::Uuid::now_v7()))
}

pub(crate) fn no_such_proof(proof: &ProofId) -> Status {
    Status::not_found(format!("there is no proof {proof}"))
}
