//! What a task in the SP1 cluster's dialect sees of the coordinator and the artifact store.

use crate::{
    bench::Bench,
    client::{CoordinatorClient, NewTask},
    failure::TaskFailure,
    results::{End, Results},
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
    worker::message_stream_response::Message as Said,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// What a stock controller writes: its tasks say all by their kind.
const METADATA: &str = "{}";
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
        let Self { client, proof, cancel, .. } = self.clone();
        let results = Results::new(client, proof, cancel.clone());
        tokio::spawn(tell_ends(results, named, tell, cancel));
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

/// Tells the ends of the tasks that are named on the way.
async fn tell_ends(
    mut results: Results,
    mut named: UnboundedReceiver<TaskId>,
    tell: UnboundedSender<(TaskId, Outcome)>,
    cancel: CancellationToken,
) {
    let mut more = true;
    while more || results.is_waiting() {
        tokio::select! {
            task = named.recv(), if more => match task {
                Some(task) => results.watch(vec![task]).await,
                None => more = false,
            },
            ended = results.next(), if results.is_open() => {
                let Ok((task, end)) = ended else { return };
                let outcome = match end {
                    End::Succeeded => Outcome::Succeeded,
                    End::Failed | End::Unknown => Outcome::Failed,
                };
                if tell.send((task, outcome)).is_err() {
                    return;
                }
            }
            () = tell.closed() => return,
            () = cancel.cancelled() => return,
        }
    }
}
