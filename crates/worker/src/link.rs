//! What a task in the SP1 cluster's dialect sees of the coordinator and the artifact store.

use crate::{
    bench::Bench,
    client::{CoordinatorClient, NewTask},
    failure::TaskFailure,
    task::Task,
};
use futures::FutureExt;
use proofmill_artifacts::ArtifactStore;
use proofmill_backends::{
    Backend,
    tasks::{self, ClusterLink, ClusterTask, Foreseen, Later, Outcome},
};
use proofmill_fault::Fault;
use proofmill_primitives::{Dialect, ProofId, TaskId, TaskKind};
use proofmill_wire::{
    header,
    operator::{PlannedKind, ReportPlanRequest},
    worker::{
        ServerSubMessage, TaskStatus, message_stream_response::Message as Said, server_sub_message::Message,
    },
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

/// What a stock controller writes: its tasks say all by their kind.
const METADATA: &str = "{}";
/// The coordinator says something at least every few seconds; silent longer than this, a stream is opened again.
const SILENCE: Duration = Duration::from_secs(30);
/// A task may say nothing for as long as it likes, and the coordinator says nothing of it meanwhile: after so long, the stream is opened
/// again from where it was, which a coordinator that is stuck does not answer.
const QUIET: Duration = Duration::from_secs(60);
/// The pause before a stream that broke is opened again.
const PAUSE: Duration = Duration::from_millis(300);

/// Whether a task is laid out as the SP1 cluster's, for a prover type that does those.
pub(crate) fn is_of_cluster(task: &Task, backend: &dyn Backend) -> bool {
    // Executions alone are the same for all prover types.
    backend.cluster_tasks().is_some()
        && task.kind != TaskKind::ExecuteOnly
        && task.metadata.dialect == Dialect::Sp1Cluster
}

/// Does such a task.
pub(crate) async fn run(
    bench: &Bench,
    task: &Task,
    backend: &dyn Backend,
    cancel: &CancellationToken,
) -> Result<(), TaskFailure> {
    let Some(tasks) = backend.cluster_tasks() else { return Err(TaskFailure::unfit("not done here")) };
    let given = ClusterTask {
        id: task.id.clone(),
        proof: task.proof.clone(),
        kind: task.kind,
        inputs: task.inputs.clone(),
        outputs: task.outputs.clone(),
        requester: task.requester.clone(),
        repeated: task.metadata.repeated,
    };
    let link = Arc::new(Link::new(bench, task, cancel));
    tokio::select! {
        ended = tasks.run(given, link) => ended.map_err(TaskFailure),
        () = cancel.cancelled() => Err(TaskFailure::withdrawn()),
    }
}

/// The link of one task.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    client: CoordinatorClient,
    artifacts: Arc<dyn ArtifactStore>,
    proof: ProofId,
    task: TaskId,
    cancel: CancellationToken,
}

impl Link {
    pub(crate) fn new(bench: &Bench, task: &Task, cancel: &CancellationToken) -> Self {
        Self {
            client: bench.client.clone(),
            artifacts: bench.artifacts.clone(),
            proof: task.proof.clone(),
            task: task.id.clone(),
            cancel: cancel.clone(),
        }
    }
}

fn fault(status: Status) -> Fault {
    TaskFailure::from(status).0
}

impl ClusterLink for Link {
    fn artifacts(&self) -> Arc<dyn ArtifactStore> {
        self.artifacts.clone()
    }

    fn create(&self, task: tasks::NewTask) -> Later<TaskId> {
        let link = self.clone();
        let tasks::NewTask { kind, weight, inputs, outputs, repeated } = task;
        let metadata = match repeated {
            0 => METADATA.to_owned(),
            _ => format!(r#"{{"{}":"{repeated}"}}"#, header::REPEATED),
        };
        let new = NewTask { kind, weight, inputs, outputs, metadata };
        async move { link.client.create_task(&link.proof, &link.task, &new, &link.cancel).await.map_err(fault) }
            .boxed()
    }

    fn complete(&self, task: TaskId) -> Later<()> {
        let link = self.clone();
        async move {
            let done = link.client.complete_task(&link.proof, &task, METADATA.into(), &link.cancel).await;
            done.map_err(fault)
        }
        .boxed()
    }

    fn results(&self) -> (UnboundedSender<TaskId>, UnboundedReceiver<(TaskId, Outcome)>) {
        let (name, named) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        let sub = format!("sub-{}", uuid::Uuid::new_v4());
        let results = Results { link: self.clone(), sub, waiting: BTreeSet::new(), stream: None, tell };
        tokio::spawn(results.run(named));
        (name, told)
    }

    fn messages(&self, task: TaskId) -> UnboundedReceiver<Vec<u8>> {
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(follow(self.clone(), task, tell));
        told
    }

    fn say(&self, message: Vec<u8>) -> Later<()> {
        let link = self.clone();
        async move { link.client.say(&link.task, message, &link.cancel).await.map_err(fault) }.boxed()
    }

    fn foresee(&self, foreseen: Foreseen) -> Later<()> {
        let link = self.clone();
        let count = |count| u32::try_from(count).unwrap_or(u32::MAX);
        let kinds = foreseen.kinds.iter();
        let report = ReportPlanRequest {
            proof_id: self.proof.to_string(),
            instructions: foreseen.instructions,
            public_values: foreseen.public_values,
            kinds: kinds
                .map(|(kind, of)| PlannedKind { kind: kind.name().into(), count: count(*of), weight: 0 })
                .collect(),
        };
        async move { link.client.report_plan(report, &link.cancel).await.map_err(fault) }.boxed()
    }

    fn complete_proof(&self, report: String) -> Later<()> {
        let link = self.clone();
        async move { link.client.complete_proof(&link.proof, report, &link.cancel).await.map_err(fault) }
            .boxed()
    }
}

/// Passes on the messages of a task, from where it was when a stream broke.
async fn follow(link: Link, task: TaskId, tell: UnboundedSender<Vec<u8>>) {
    let mut passed_on = 0;
    loop {
        let Ok(mut stream) = link.client.messages(&task, passed_on, &link.cancel).await else { return };
        loop {
            let message = tokio::select! {
                message = tokio::time::timeout(QUIET, stream.message()) => message,
                () = tell.closed() => return,
                () = link.cancel.cancelled() => return,
            };
            match message {
                Ok(Ok(Some(message))) => match message.message {
                    Some(Said::Payload(payload)) => {
                        passed_on += 1;
                        if tell.send(payload).is_err() {
                            return;
                        }
                    }
                    Some(Said::EndOfStream(_)) => return,
                    None => {}
                },
                Ok(Ok(None) | Err(_)) | Err(_) => break,
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A subscription that survives a coordinator that goes away.
struct Results {
    link: Link,
    sub: String,
    waiting: BTreeSet<TaskId>,
    stream: Option<Streaming<ServerSubMessage>>,
    tell: UnboundedSender<(TaskId, Outcome)>,
}

impl Results {
    async fn run(mut self, mut named: UnboundedReceiver<TaskId>) {
        let mut more = true;
        while more || !self.waiting.is_empty() {
            if self.stream.is_none() && !self.waiting.is_empty() && !self.open().await {
                return;
            }
            tokio::select! {
                task = named.recv(), if more => match task {
                    Some(task) => self.add(task).await,
                    None => more = false,
                },
                message = next(&mut self.stream) => match message {
                    Some(message) => if !self.take(message).await { return },
                    None => {
                        self.stream = None;
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                () = self.tell.closed() => return,
                () = self.link.cancel.cancelled() => return,
            }
        }
    }

    async fn open(&mut self) -> bool {
        let tasks = self.waiting.iter().map(ToString::to_string).collect();
        let Link { client, proof, cancel, .. } = &self.link;
        self.stream = client.open_sub(&self.sub, proof, tasks, cancel).await.ok();
        self.stream.is_some()
    }

    async fn add(&mut self, task: TaskId) {
        let added = vec![task.to_string()];
        self.waiting.insert(task);
        if self.stream.is_some() && self.link.client.update_sub(&self.sub, added).await.is_err() {
            // Opened again with every task.
            self.stream = None;
        }
    }

    /// Whether there is more to come.
    async fn take(&mut self, message: ServerSubMessage) -> bool {
        let ended = match message.message {
            Some(Message::TaskResult(result)) => match result.task_status() {
                TaskStatus::Succeeded => Some((TaskId::from(result.task_id), Outcome::Succeeded)),
                TaskStatus::FailedFatal => Some((TaskId::from(result.task_id), Outcome::Failed)),
                _ => None,
            },
            Some(Message::UnknownTask(unknown)) => Some((TaskId::from(unknown.task_id), Outcome::Failed)),
            Some(Message::EndOfStream(_)) => return false,
            Some(Message::ServerHeartbeat(_)) => {
                if self.link.client.answer_heartbeat(&self.sub, message.msg_id).await.is_err() {
                    // Opened again with every task.
                    self.stream = None;
                }
                return true;
            }
            None => return true,
        };
        if let Some(ended) = ended.filter(|(task, _)| self.waiting.remove(task))
            && self.tell.send(ended).is_err()
        {
            return false;
        }
        // What is not acknowledged comes again.
        drop(self.link.client.ack(&self.sub, message.msg_id).await);
        true
    }
}

/// The next message of a stream that is there; nothing where it broke or fell silent.
async fn next(stream: &mut Option<Streaming<ServerSubMessage>>) -> Option<ServerSubMessage> {
    match stream {
        Some(stream) => tokio::time::timeout(SILENCE, stream.message()).await.ok()?.ok()?,
        None => std::future::pending().await,
    }
}
