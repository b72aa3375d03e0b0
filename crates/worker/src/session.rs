//! A worker's life: register, take tasks, say that it lives, come back after a broken connection, drain.

use crate::{
    WorkerConfig, WorkerError,
    bench::Bench,
    client::{ANSWER, CoordinatorClient, is_answer, jittered},
    given::{Came, Given},
    killed::Killed,
    memory, metrics,
    patient::Waits,
};
use proofmill_artifacts::ArtifactStore;
use proofmill_backends::Registry;
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{Dialect, ProofId, TaskId, TaskKind, Weight, WorkerKind};
use proofmill_wire::{
    header, within,
    worker::{OpenRequest, ServerMessage, WorkerTask, WorkerType, server_message::Message},
};
use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::{Code as StatusCode, Request, Status, Streaming};

/// The coordinator says something at least every few seconds; silent longer than this, the stream is opened again.
const SILENCE: Duration = Duration::from_secs(20);
/// The longest wait between two tries to reach the coordinator: short against the time that it gives a worker to come back.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// How long a worker that is told to stop while it registers waits for the answer.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// Works until `stop`, then finishes the tasks it holds and leaves.
///
/// # Errors
/// See [`WorkerError`]: all of them are about this worker's settings. A coordinator that is away is waited for.
pub async fn run(
    config: WorkerConfig,
    registry: Registry,
    artifacts: Arc<dyn ArtifactStore>,
    stop: CancellationToken,
) -> Result<(), WorkerError> {
    metrics::describe();
    let max_weight = memory::max_weight(config.max_weight)?;
    let client = CoordinatorClient::new(config.id.clone(), &config.coordinator)?;
    let (build, segment_memory) = (config.build.clone(), config.segment_memory);
    let bench = Bench {
        client,
        artifacts,
        registry,
        build,
        segment_memory,
        waits: Waits::default(),
        seen: Arc::default(),
    };
    let mut dialects = Vec::new();
    for prover in &config.provers {
        dialects.push(bench.dialect(*prover)?);
        if bench.registry.get(*prover)?.cluster_tasks().is_some() {
            dialects.push(Dialect::Sp1Cluster);
        }
    }
    let room = Arc::new(Semaphore::new(max_weight.as_gb() as usize));
    let killed = Killed::new(&config);
    let session = Session {
        config,
        killed,
        incarnation: uuid::Uuid::new_v4().to_string(),
        dialects,
        max_weight,
        bench,
        room,
        held: BTreeMap::new(),
        running: JoinSet::new(),
        registered: false,
        stopping: false,
    };
    session.live(stop).await
}

struct Session {
    config: WorkerConfig,
    /// What it noted, and what it did when it was killed.
    killed: Killed,
    /// Tells this process from another worker of the same name.
    incarnation: String,
    /// How tasks may be written that it can do.
    dialects: Vec<Dialect>,
    max_weight: Weight,
    bench: Bench,
    /// One permit for each GB. The coordinator does not give out more than there is, but a task that it took back
    /// still holds its memory until the prover returns.
    room: Arc<Semaphore>,
    held: BTreeMap<TaskId, Held>,
    running: JoinSet<(TaskId, Came)>,
    /// Whether a coordinator has ever taken it: before, it can hold nothing.
    registered: bool,
    stopping: bool,
}

/// When the coordinator was heard last, and when that was looked at.
struct Heard {
    last: Instant,
    looked: Instant,
}

impl Heard {
    const fn at(now: Instant) -> Self {
        Self { last: now, looked: now }
    }

    /// Whether it has been silent for too long, where that is looked at so often. A look that comes late means that this process was
    /// stopped: what was said meanwhile is still to be read, and who comes back for nothing may lose its tasks on the way.
    fn is_too_long_ago(&mut self, now: Instant, every: Duration) -> bool {
        let looked = std::mem::replace(&mut self.looked, now);
        if now.saturating_duration_since(looked) > every.saturating_add(SILENCE / 2) {
            self.last = now;
        }
        now.saturating_duration_since(self.last) > SILENCE
    }
}

struct Held {
    proof: ProofId,
    kind: Option<TaskKind>,
    weight: Weight,
    withdrawn: CancellationToken,
    /// Whether the try is over and came to nothing, though the coordinator may not have taken note yet. Until then a task
    /// that comes again is a repetition: after a broken stream the coordinator sends what a worker should hold once more.
    over: Arc<AtomicBool>,
    /// The task was given here again after that.
    again: Option<WorkerTask>,
    waits: Waits,
}

enum Ended {
    /// And why.
    Broken(String),
    Stopped,
}

impl Ended {
    fn broken(status: &Status) -> Self {
        Self::Broken(match status.message() {
            "" => format!("{:?}", status.code()),
            said => said.to_owned(),
        })
    }
}

impl Session {
    async fn live(mut self, stop: CancellationToken) -> Result<(), WorkerError> {
        let mut wait = Duration::from_millis(200);
        let mut told = false;
        let mut last = None;
        while !stop.is_cancelled() {
            let Some(opened) = self.register(&stop).await else { break };
            match opened {
                Ok(mut stream) => {
                    let WorkerConfig { id, coordinator, kind, provers, .. } = &self.config;
                    tracing::info!(%id, coordinator, %kind, ?provers, max_weight = %self.max_weight, "registered");
                    (wait, told) = (Duration::from_millis(200), false);
                    self.registered = true;
                    let Ended::Broken(cause) = self.serve(&mut stream, &stop).await else {
                        last = Some(stream);
                        break;
                    };
                    tracing::warn!(
                        coordinator = self.config.coordinator,
                        cause,
                        "lost the coordinator: coming back to it"
                    );
                }
                // It may be this one before a restart, whose connection is not found broken yet; so it is waited for.
                Err(status) if status.code() == StatusCode::AlreadyExists => {
                    if !told {
                        tracing::warn!(id = %self.config.id, cause = status.message(), "waiting for the name to be free");
                        told = true;
                    }
                }
                // What a first call is told of its arguments stays so; anything else may pass, be it said by a proxy.
                Err(status)
                    if self.registered || !is_answer(&status) || status.code() == StatusCode::NotFound =>
                {
                    if !told {
                        tracing::warn!(
                            coordinator = self.config.coordinator,
                            cause = status.message(),
                            "the coordinator cannot be reached: waiting for it"
                        );
                        told = true;
                    }
                }
                Err(status) => {
                    return Err(WorkerError::Refused {
                        address: self.config.coordinator,
                        cause: status.message().to_owned(),
                    });
                }
            }
            self.pause(jittered(wait), &stop).await;
            wait = (wait * 2).min(LAST_WAIT);
        }
        self.drain(last).await;
        Ok(())
    }

    /// What becomes of its stream of tasks; nothing where the worker is told to stop meanwhile. The coordinator may have taken it by
    /// then, and given it tasks. One whose call breaks off it waits for, with all of them; one that leaves by its stream it does not.
    async fn register(&self, stop: &CancellationToken) -> Option<Result<Streaming<ServerMessage>, Status>> {
        let mut opening = pin!(self.open());
        if let Some(opened) = stop.run_until_cancelled(opening.as_mut()).await {
            return Some(opened);
        }
        tokio::time::timeout(LAST_ANSWER, opening).await.ok().filter(Result::is_ok)
    }

    async fn open(&self) -> Result<Streaming<ServerMessage>, Status> {
        let kind = match self.config.kind {
            WorkerKind::Cpu => WorkerType::Cpu,
            WorkerKind::Gpu => WorkerType::Gpu,
            WorkerKind::All => WorkerType::All,
        };
        let mut request = Request::new(OpenRequest {
            worker_id: self.config.id.to_string(),
            worker_type: kind.into(),
            max_weight: self.max_weight.as_gb(),
            version: self.config.build.clone(),
            ..OpenRequest::default()
        });
        header::set_provers(&mut request, &self.config.provers);
        header::set_incarnation(&mut request, &self.incarnation);
        if !self.registered {
            header::set_fresh(&mut request);
        }
        header::set_dialects(&mut request, &self.dialects);
        let mut client = self.bench.client.tasks();
        // One that is stuck, but whose connection lives, would never say so.
        within(ANSWER, client.open(request)).await.map(tonic::Response::into_inner)
    }

    /// Takes tasks until the stream breaks or the worker is told to stop.
    async fn serve(&mut self, stream: &mut Streaming<ServerMessage>, stop: &CancellationToken) -> Ended {
        let mut heartbeat = tokio::time::interval(self.config.heartbeat);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Beside the messages: a slow answer must not hold up a task.
        let mut beats = JoinSet::new();
        let mut heard = Heard::at(Instant::now());
        loop {
            tokio::select! {
                message = stream.message() => match message {
                    Ok(Some(message)) => {
                        heard.last = Instant::now();
                        self.take(message);
                    }
                    Ok(None) => return Ended::Broken("it ended the stream of tasks".to_owned()),
                    // It may say what to do.
                    Err(status) => return Ended::broken(&status),
                },
                Some(over) = self.running.join_next() => self.forget(over.ok()),
                _ = heartbeat.tick() => {
                    if heard.is_too_long_ago(Instant::now(), self.config.heartbeat) {
                        return Ended::Broken(format!("it said nothing for {} s", SILENCE.as_secs()));
                    }
                    if beats.is_empty() {
                        beats.spawn(self.beat());
                    }
                }
                Some(beat) = beats.join_next() => match beat {
                    // It was restarted and does not know us: register again.
                    Ok(Err(status)) if status.code() == StatusCode::NotFound => {
                        return Ended::broken(&status);
                    }
                    Ok(Err(status)) => tracing::debug!(%status, "a heartbeat did not arrive"),
                    Ok(Ok(())) | Err(_) => {}
                },
                () = stop.cancelled() => return Ended::Stopped,
            }
        }
    }

    /// Says that the worker lives, what it holds, and what of that waits.
    fn beat(&self) -> impl Future<Output = Result<(), Status>> + Send + use<> {
        metrics::memory();
        let held = self.held.iter().map(|(task, held)| (held.proof.clone(), task.clone())).collect();
        let waiting = self.held.iter().filter_map(|(task, held)| Some((task.clone(), held.waits.text()?)));
        let weight = self.held.values().map(|held| held.weight).sum();
        self.bench.client.clone().heartbeat(held, waiting.collect(), weight)
    }

    fn take(&mut self, message: ServerMessage) {
        match message.message {
            Some(Message::NewTask(task)) => self.start(task),
            Some(Message::CancelTask(cancel)) => self.withdraw(&cancel.task_id.into()),
            Some(Message::ServerHeartbeat(_)) | None => {}
        }
    }

    fn start(&mut self, message: WorkerTask) {
        let id = TaskId::from(message.task_id.as_str());
        let proof = ProofId::from(message.data.as_ref().map_or("", |data| &data.proof_id));
        if let Some(held) = self.held.get_mut(&id) {
            if held.over.load(Ordering::Acquire) || held.withdrawn.is_cancelled() {
                held.again = Some(message);
            }
            return;
        }
        if self.stopping {
            return self.hand_back(proof, id);
        }
        let weight = Weight::gb(message.data.as_ref().map_or(0, |data| data.weight));
        let withdrawn = CancellationToken::new();
        let kind = message.data.as_ref().and_then(|data| TaskKind::from_wire(data.task_type));
        let over = Arc::new(AtomicBool::new(false));
        let bench = self.bench.for_task(&withdrawn);
        let held = Held {
            proof: proof.clone(),
            kind,
            weight,
            withdrawn: withdrawn.clone(),
            over: over.clone(),
            again: None,
            waits: bench.waits.clone(),
        };
        self.held.insert(id.clone(), held);
        let blamed = self.killed.blames(&id, kind, weight, self.max_weight);
        self.note();
        let (room, max_weight) = (self.room.clone(), self.max_weight);
        let given = Given { bench, proof, id, weight, message, room, max_weight, blamed, withdrawn, over };
        self.running.spawn(given.run());
    }

    fn withdraw(&mut self, task: &TaskId) {
        if let Some(held) = self.held.get_mut(task) {
            tracing::info!(%task, "withdrawn by the coordinator");
            held.again = None;
            held.withdrawn.cancel();
        }
    }

    fn forget(&mut self, over: Option<(TaskId, Came)>) {
        let Some((id, came)) = over else { return };
        let again = self.held.remove(&id).and_then(|held| held.again);
        self.note();
        if let Some(again) = again.filter(|_| came == Came::ToNothing) {
            self.start(again);
        }
    }

    /// Controllers do little themselves: whoever kills a worker for its memory does it for the other tasks, where there are any.
    fn note(&self) {
        let is_controller = |held: &Held| held.kind == Some(TaskKind::Controller);
        let works = self.held.values().any(|held| !is_controller(held));
        let tasks = self.held.iter().filter(|(_, held)| is_controller(held) != works);
        self.killed.note(tasks.map(|(task, _)| task));
    }

    /// Gives a task to somebody else, if the coordinator is there to be told.
    fn hand_back(&mut self, proof: ProofId, task: TaskId) {
        let client = self.bench.client.clone();
        self.running.spawn(async move {
            let never = CancellationToken::new();
            let stopping = Fault::new(Code::Stopping, "its worker is stopping");
            let handed_back = client.fail_task(&proof, &task, &stopping, &never);
            drop(tokio::time::timeout(Duration::from_secs(5), handed_back).await);
            (task, Came::ToNothing)
        });
    }

    /// Waits, collecting what ends meanwhile.
    async fn pause(&mut self, wait: Duration, stop: &CancellationToken) {
        let until = tokio::time::sleep(wait);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => return,
                () = stop.cancelled() => return,
                Some(over) = self.running.join_next() => self.forget(over.ok()),
            }
        }
    }

    /// Takes no more tasks and finishes those it holds. Controllers do little themselves and wait for others, maybe
    /// for this very worker: they are handed back. The stream stays open: a worker that closes it counts as gone.
    async fn drain(mut self, mut stream: Option<Streaming<ServerMessage>>) {
        self.stopping = true;
        let mut closed = self.bench.client.close().await.is_ok();
        if !closed && !self.held.is_empty() {
            tracing::warn!("the coordinator is away: what this worker holds is handed in when it is back");
        }
        let controllers = self.held.iter().filter(|(_, held)| held.kind == Some(TaskKind::Controller));
        let controllers: Vec<_> =
            controllers.map(|(task, held)| (held.proof.clone(), task.clone())).collect();
        for (proof, task) in controllers {
            self.withdraw(&task);
            self.hand_back(proof, task);
        }
        if !self.held.is_empty() {
            tracing::info!(
                tasks = self.held.len(),
                "finishing the tasks at hand; stop again to leave them to others"
            );
        }
        let mut heartbeat = tokio::time::interval(self.config.heartbeat);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.running.is_empty() {
            tokio::select! {
                Some(over) = self.running.join_next() => self.forget(over.ok()),
                message = next(&mut stream) => match message {
                    Some(message) => self.take(message),
                    None => stream = None,
                },
                _ = heartbeat.tick() => {
                    if stream.is_none() {
                        stream = self.come_back().await;
                        closed = stream.is_some();
                        continue;
                    }
                    // Until it has heard so, it gives what is handed back to this worker again.
                    if !closed {
                        closed = self.bench.client.close().await.is_ok();
                    }
                    if self.beat().await.is_err_and(|status| status.code() == StatusCode::NotFound) {
                        stream = None;
                    }
                }
            }
        }
    }

    /// The coordinator was restarted while this worker drains: it must know whose tasks these are, and that it is not
    /// to give it more.
    async fn come_back(&self) -> Option<Streaming<ServerMessage>> {
        let opened = tokio::time::timeout(Duration::from_secs(5), self.open()).await;
        let stream = opened.ok()?.ok()?;
        self.bench.client.close().await.ok()?;
        Some(stream)
    }
}

/// The next message of a stream that is there; `None` where it has broken.
async fn next(stream: &mut Option<Streaming<ServerMessage>>) -> Option<ServerMessage> {
    match stream {
        Some(stream) => stream.message().await.ok().flatten(),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::scripted::{coordinator, serve};
    use futures::channel::mpsc::{self, UnboundedSender};
    use proofmill_artifacts::FsArtifacts;
    use proofmill_backends::ExecBackend;
    use proofmill_primitives::ProverType;
    use proofmill_wire::worker::{
        AckSubRequest, CancelProofRequest, CloseRequest, CompleteProofRequest, CompleteTaskRequest,
        CreateDummyProofRequest, CreateProofRequest, CreateProofResponse, CreateTaskRequest,
        CreateTaskResponse, FailProofRequest, FailTaskRequest, GetStatsResponse, GetTaskStatusesRequest,
        GetTaskStatusesResponse, HeartbeatRequest, MessageStreamResponse, OpenSubRequest,
        SendTaskMessageRequest, ServerSubMessage, SubscribeTaskMessagesRequest, UpdateSubRequest,
    };
    use std::sync::Mutex;
    use tokio::sync::Notify;
    use tonic::{Response, codegen::BoxStream};

    /// A coordinator that takes its time, as where its ledger is slow.
    #[derive(Default)]
    struct Slow {
        /// A worker registers.
        asked: Notify,
        /// It is taken.
        answers: Notify,
        /// What it is sent its tasks by.
        tasks: Mutex<Option<UnboundedSender<Result<ServerMessage, Status>>>>,
        /// Of each call to close: whether the worker had its stream.
        closed: Mutex<Vec<bool>>,
    }

    coordinator! {
        Slow {
            async fn open(&self, _: Request<OpenRequest>) -> Result<Response<Self::OpenStream>, Status> {
                self.asked.notify_one();
                self.answers.notified().await;
                let (tasks, stream) = mpsc::unbounded();
                *self.tasks.lock().unwrap() = Some(tasks);
                Ok(Response::new(Box::pin(stream)))
            }

            async fn close(&self, _: Request<CloseRequest>) -> Result<Response<()>, Status> {
                let has_stream = self.tasks.lock().unwrap().as_ref().is_some_and(|tasks| !tasks.is_closed());
                self.closed.lock().unwrap().push(has_stream);
                Ok(Response::new(()))
            }
        }
        heartbeat(HeartbeatRequest) -> ();
        complete_task(CompleteTaskRequest) -> ();
        fail_task(FailTaskRequest) -> ();
        create_task(CreateTaskRequest) -> CreateTaskResponse;
        get_task_statuses(GetTaskStatusesRequest) -> GetTaskStatusesResponse;
        complete_proof(CompleteProofRequest) -> ();
        fail_proof(FailProofRequest) -> ();
        create_proof(CreateProofRequest) -> CreateProofResponse;
        create_dummy_proof(CreateDummyProofRequest) -> ();
        cancel_proof(CancelProofRequest) -> ();
        open_sub(OpenSubRequest) -> BoxStream<ServerSubMessage>;
        update_sub(UpdateSubRequest) -> ();
        ack_sub(AckSubRequest) -> ();
        healthcheck(()) -> ();
        get_stats(()) -> GetStatsResponse;
        subscribe_task_messages(SubscribeTaskMessagesRequest) -> BoxStream<MessageStreamResponse>;
        send_task_message(SendTaskMessageRequest) -> ();
    }

    /// Otherwise its stream is taken for a broken one, and what it was given goes to others only when it has not come back for long.
    #[tokio::test]
    async fn a_worker_that_is_told_to_stop_while_it_registers_leaves_in_good_order() {
        let slow = Arc::new(Slow::default());
        let address = serve(Arc::clone(&slow)).await;
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Arc::new(FsArtifacts::open(folder.path()).unwrap());
        let config = WorkerConfig {
            id: "w".into(),
            coordinator: address,
            kind: WorkerKind::All,
            max_weight: Some(Weight::gb(1)),
            provers: vec![ProverType::Exec],
            segment_memory: Weight::gb(1),
            heartbeat: Duration::from_secs(1),
            build: crate::BUILD.into(),
            note: None,
            killed: Vec::new(),
        };
        let registry = Registry::default().with(Arc::new(ExecBackend::default()));
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(config, registry, artifacts, stop.clone()));
        slow.asked.notified().await;
        stop.cancel();
        // The answer is on its way for longer.
        tokio::task::yield_now().await;
        slow.answers.notify_one();
        running.await.unwrap().unwrap();
        assert_eq!(*slow.closed.lock().unwrap(), [true]);
    }

    #[test]
    fn a_process_that_was_stopped_does_not_take_its_coordinator_for_silent() {
        let (every, began) = (Duration::from_secs(3), Instant::now());
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut heard = Heard::at(began);
        // It stood still for a minute, and then again.
        for seconds in [3, 63, 66, 126] {
            assert!(!heard.is_too_long_ago(after(seconds), every), "{seconds}");
        }
        // From then on nothing is said.
        for seconds in (129..=146).step_by(3) {
            assert!(!heard.is_too_long_ago(after(seconds), every), "{seconds}");
        }
        assert!(heard.is_too_long_ago(after(147), every));
        heard.last = after(148);
        assert!(!heard.is_too_long_ago(after(150), every));
    }
}
