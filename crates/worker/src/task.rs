//! One task: what its message says, and how each kind is done.

use crate::{
    client::{CoordinatorClient, FIRST_WAIT, LAST_WAIT},
    controller, link,
    metadata::{Metadata, Step, own_dialect},
};
use bytes::Bytes;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore};
use proofmill_backends::{Backend, BackendError, Job, Plan, Registry, SegmentBudget};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{
    ArtifactId, Dialect, Instructions, ProofId, ProverType, TaskId, TaskKind, Weight,
};
use proofmill_wire::worker::WorkerTask;
use serde::{Deserialize, Serialize};
use std::{any::Any, sync::Arc, time::Instant};
use tokio_util::sync::CancellationToken;

/// What a task needs beside its own message.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    pub(crate) client: CoordinatorClient,
    pub(crate) artifacts: Arc<dyn ArtifactStore>,
    pub(crate) registry: Registry,
    /// Which build this is; see [`WorkerConfig::build`](crate::WorkerConfig).
    pub(crate) build: String,
    /// For what memory controllers on this worker cut segments.
    pub(crate) segment_memory: Weight,
}

impl Bench {
    /// The dialect of this worker's own tasks of a prover type.
    pub(crate) fn dialect(&self, prover: ProverType) -> Result<Dialect, BackendError> {
        Ok(own_dialect(&*self.registry.get(prover)?, &self.build))
    }

    /// Stores a result. It is not thrown away because the disk is full: that is waited for, as long as the work is wanted.
    pub(crate) async fn keep(
        &self,
        id: &ArtifactId,
        kind: ArtifactKind,
        result: Bytes,
        cancel: &CancellationToken,
    ) -> Result<(), TaskFailure> {
        let mut wait = FIRST_WAIT;
        let mut told = false;
        loop {
            match self.artifacts.put(id, kind, result.clone()).await {
                Err(error @ ArtifactError::NoSpace { .. }) => {
                    if !told {
                        tracing::error!(%error, "a result waits for space");
                        told = true;
                    }
                }
                stored => return Ok(stored?),
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = cancel.cancelled() => return Err(TaskFailure::withdrawn()),
            }
            wait = (wait * 2).min(LAST_WAIT);
        }
    }
}

/// A task as the worker understands it.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) proof: ProofId,
    pub(crate) kind: TaskKind,
    pub(crate) weight: Weight,
    pub(crate) inputs: Vec<ArtifactId>,
    pub(crate) outputs: Vec<ArtifactId>,
    pub(crate) requester: String,
    pub(crate) metadata: Metadata,
}

/// Why a task was not done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TaskFailure(pub(crate) Fault);

impl TaskFailure {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self(Fault::new(code, text))
    }

    /// What was asked for makes no sense, to any worker.
    pub(crate) fn malformed(text: impl Into<String>) -> Self {
        Self::new(Code::Malformed, text)
    }

    /// This worker does not understand what it is asked; another one may.
    pub(crate) fn unfit(text: impl Into<String>) -> Self {
        Self::new(Code::Unfit, text)
    }

    /// A defect of the prover, or of this program.
    pub(crate) fn defect(text: impl Into<String>) -> Self {
        Self::new(Code::Rejected, text)
    }

    pub(crate) fn withdrawn() -> Self {
        Self::new(Code::Withdrawn, "the work was withdrawn")
    }
}

impl From<BackendError> for TaskFailure {
    fn from(error: BackendError) -> Self {
        let code = match &error {
            BackendError::NotCompiledIn { .. } => Code::Unfit,
            BackendError::MalformedProgram { .. } | BackendError::MalformedInput { .. } => Code::Malformed,
            BackendError::UnsupportedMode { .. } => Code::Unsupported,
            BackendError::GuestFailed { .. } => Code::ProgramFailed,
            BackendError::CycleLimit { .. } => Code::CycleLimit,
            BackendError::WrongProgram { .. } | BackendError::InvalidProof { .. } => Code::BadProof,
            BackendError::MalformedPart { .. }
            | BackendError::WrongPart { .. }
            | BackendError::Prover { .. } => Code::ProverFailed,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ArtifactError> for TaskFailure {
    fn from(error: ArtifactError) -> Self {
        let code = match &error {
            ArtifactError::BadId { .. } => Code::Malformed,
            ArtifactError::NoSpace { .. } => Code::StoreFull,
            ArtifactError::Missing { .. } => Code::Missing,
            ArtifactError::Damaged { .. } => Code::Damaged,
            _ => Code::StoreAway,
        };
        Self::new(code, error.to_string())
    }
}

impl From<tonic::Status> for TaskFailure {
    fn from(status: tonic::Status) -> Self {
        match status.code() {
            // It knows the proof no more.
            tonic::Code::NotFound | tonic::Code::Cancelled => Self::new(Code::Withdrawn, status.message()),
            _ => Self::new(Code::ClusterRefused, format!("the coordinator refused: {}", status.message())),
        }
    }
}

/// What a finished task says about itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) busy_ms: u64,
    pub(crate) peak_memory_mb: u32,
}

impl Task {
    pub(crate) fn parse(message: WorkerTask) -> Result<Self, TaskFailure> {
        let data = message.data.ok_or_else(|| TaskFailure::malformed("the task's message has no data"))?;
        let kind = TaskKind::from_wire(data.task_type).ok_or_else(|| {
            TaskFailure::unfit(format!("this worker does not know the task type {}", data.task_type))
        })?;
        Ok(Self {
            id: message.task_id.into(),
            proof: data.proof_id.into(),
            kind,
            weight: Weight::gb(data.weight),
            inputs: data.inputs.into_iter().map(ArtifactId::from).collect(),
            outputs: data.outputs.into_iter().map(ArtifactId::from).collect(),
            requester: data.requester,
            metadata: Metadata::parse(kind, &data.metadata)?,
        })
    }

    pub(crate) fn input(&self, index: usize, what: &str) -> Result<&ArtifactId, TaskFailure> {
        self.inputs
            .get(index)
            .ok_or_else(|| TaskFailure::malformed(format!("the task names no {what} (input {index})")))
    }

    pub(crate) fn output(&self) -> Result<&ArtifactId, TaskFailure> {
        self.outputs.first().ok_or_else(|| TaskFailure::malformed("the task names no output"))
    }
}

/// Does a task to its end and says how long it took.
pub(crate) async fn run(bench: &Bench, task: &Task, cancel: &CancellationToken) -> Result<Done, TaskFailure> {
    let start = Instant::now();
    let backend = bench.registry.get(task.metadata.prover)?;
    match task.kind {
        _ if link::is_of_cluster(task, &*backend) => link::run(bench, task, &*backend, cancel).await?,
        TaskKind::Controller | TaskKind::ExecuteOnly => controller::run(bench, task, cancel).await?,
        TaskKind::ProveShard
        | TaskKind::RecursionDeferred
        | TaskKind::RecursionReduce
        | TaskKind::ShrinkWrap => step(bench, task, cancel).await?,
        other => {
            return Err(TaskFailure::unfit(format!(
                "{other} tasks are not made by {} here: the circuit files and the prover they need are absent",
                task.metadata.prover
            )));
        }
    }
    let busy_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Done { busy_ms, peak_memory_mb: crate::memory::peak_mb() })
}

/// Does one step of a plan, unless its output is there already.
///
/// Where something that an earlier step made is missing, damaged or wrong, another try here cannot help: the step comes
/// back without an output. The controller looks for that, and has made again what is missing.
async fn step(bench: &Bench, task: &Task, cancel: &CancellationToken) -> Result<(), TaskFailure> {
    let Metadata { dialect, prover, step, .. } = &task.metadata;
    let step = step.clone().filter(|_| bench.dialect(*prover).is_ok_and(|own| own == *dialect));
    let step = step.ok_or_else(|| {
        TaskFailure::unfit(format!("this worker does not speak {dialect}, as the {} task does", task.kind))
    })?;
    let output = task.output()?;
    if made(bench, output).await?.is_some() {
        tracing::info!(task = %task.id, kind = %task.kind, %output, "its result is there already: reused");
        return Ok(());
    }
    let made_of = step.made_of();
    let lost = match make(bench, task, step).await {
        Ok(Some(result)) => {
            return bench.keep(output, ArtifactKind::Intermediate, result.into(), cancel).await;
        }
        Ok(None) => "what it is made of is not there any more",
        Err(Trouble::Failed(failure)) => return Err(failure),
        Err(Trouble::Refused { error, part }) => {
            remove_refused(bench, task, made_of, error, part).await?;
            "what it is made of was wrong, and is removed"
        }
    };
    tracing::warn!(task = %task.id, kind = %task.kind, "left undone: {lost}");
    Ok(())
}

impl Step {
    /// Which of the task's inputs earlier steps have made: the plan, where it is one of them, and parts.
    const fn made_of(&self) -> MadeOf {
        match self {
            Self::Segment { .. } | Self::Finish { .. } => MadeOf { plan: Some(2), parts: 3 },
            Self::Reduce { .. } => MadeOf { plan: None, parts: 1 },
        }
    }
}

/// The places of inputs.
#[derive(Clone, Copy, Debug)]
struct MadeOf {
    plan: Option<usize>,
    /// The first part; the others follow.
    parts: usize,
}

/// Why a step was not done.
enum Trouble {
    Failed(TaskFailure),
    /// The backend refuses what earlier steps have made.
    Refused {
        error: BackendError,
        /// Which part, where it is known.
        part: Option<usize>,
    },
}

impl<T: Into<TaskFailure>> From<T> for Trouble {
    fn from(failure: T) -> Self {
        Self::Failed(failure.into())
    }
}

/// Removes what a step refused, so that nobody takes it for done. What was stored whole can be wrong: the prover that
/// made it had a defect, or its machine.
///
/// The first time that is the part that is known to be wrong; if that did not help, or none is known, all that the step
/// is made of. What was made again and is refused again is a failure with its cause.
async fn remove_refused(
    bench: &Bench,
    task: &Task,
    made_of: MadeOf,
    error: BackendError,
    part: Option<usize>,
) -> Result<(), TaskFailure> {
    let known = part.and_then(|part| task.inputs.get(made_of.parts + part));
    let refused: Vec<&ArtifactId> = match (known, task.metadata.repeated) {
        (Some(part), 0) => vec![part],
        (Some(_), 1) | (None, 0) => {
            let plan = made_of.plan.and_then(|plan| task.inputs.get(plan));
            plan.into_iter().chain(task.inputs.iter().skip(made_of.parts)).collect()
        }
        _ => return Err(error.into()),
    };
    for id in refused {
        tracing::error!(task = %task.id, proof = %task.proof, %id, %error, "removing an artifact that is refused");
        bench.artifacts.delete(id, ArtifactKind::Intermediate).await?;
    }
    Ok(())
}

/// The step's output, or nothing where it lacks what earlier steps have made.
async fn make(bench: &Bench, task: &Task, step: Step) -> Result<Option<Vec<u8>>, Trouble> {
    let backend = bench.registry.get(task.metadata.prover)?;
    let program = get(bench, task.input(0, "program")?, ArtifactKind::Program).await?;
    let made_of = step.made_of();
    // Of a whole execution; a node needs only what it folds.
    let whole = async || -> Result<Option<(Bytes, Plan)>, TaskFailure> {
        let input = get(bench, task.input(1, "program input")?, task.metadata.input_kind()).await?;
        let plan = made(bench, task.input(2, "plan")?).await?;
        plan.map(|plan| Ok((input, decode_plan(&plan)?))).transpose()
    };
    let parts = async || all_made(bench, task.inputs.iter().skip(made_of.parts)).await;
    let result = match step {
        Step::Segment { index, cycle_limit } => {
            let Some((input, plan)) = whole().await? else { return Ok(None) };
            blocking(move || {
                let cycle_limit = cycle_limit.map(Instructions);
                let job = Job { program: &program, input: &input, cycle_limit };
                Ok(backend.prove_segment(&job, &plan, index))
            })
            .await?
        }
        Step::Reduce { node } => {
            let Some(children) = parts().await? else { return Ok(None) };
            blocking(move || Ok(backend.reduce(&program, &node, &children))).await?
        }
        Step::Finish { mode } => {
            let Some((input, plan)) = whole().await? else { return Ok(None) };
            let Some(parts) = parts().await? else { return Ok(None) };
            blocking(move || {
                let job = Job { program: &program, input: &input, cycle_limit: None };
                let finished = backend.finish(&job, &plan, mode, &parts).map(|proof| proof.encode());
                // A proof that its own prover finds to be none, or of something else, was made of what is.
                Ok(finished.map_err(|error| match error {
                    BackendError::InvalidProof { .. } | BackendError::WrongProgram { .. } => {
                        BackendError::MalformedPart { cause: error.to_string() }
                    }
                    error => error,
                }))
            })
            .await?
        }
    };
    match result {
        Ok(result) => Ok(Some(result)),
        Err(error @ BackendError::MalformedPart { .. }) => Err(Trouble::Refused { error, part: None }),
        Err(error @ BackendError::WrongPart { index, .. }) => {
            Err(Trouble::Refused { error, part: Some(index) })
        }
        Err(error) => Err(error.into()),
    }
}

/// What an earlier step made, or nothing where it is missing or damaged. A damaged one is removed, so that nobody takes
/// it for done.
pub(crate) async fn made(bench: &Bench, id: &ArtifactId) -> Result<Option<Bytes>, TaskFailure> {
    match bench.artifacts.get(id, ArtifactKind::Intermediate).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ArtifactError::Missing { .. }) => Ok(None),
        Err(error @ ArtifactError::Damaged { .. }) => {
            tracing::error!(%id, %error, "removing a damaged artifact");
            bench.artifacts.delete(id, ArtifactKind::Intermediate).await?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

async fn all_made(
    bench: &Bench,
    ids: impl Iterator<Item = &ArtifactId>,
) -> Result<Option<Vec<Vec<u8>>>, TaskFailure> {
    let mut all = Vec::new();
    for id in ids {
        match made(bench, id).await? {
            Some(bytes) => all.push(bytes.to_vec()),
            None => return Ok(None),
        }
    }
    Ok(Some(all))
}

/// Fetches what the client stored.
pub(crate) async fn get(bench: &Bench, id: &ArtifactId, kind: ArtifactKind) -> Result<Bytes, TaskFailure> {
    Ok(bench.artifacts.get(id, kind).await?)
}

pub(crate) fn decode_plan(bytes: &[u8]) -> Result<Plan, TaskFailure> {
    bitcode::deserialize(bytes).map_err(|error| {
        TaskFailure::unfit(format!("the plan was written by another version and cannot be read: {error}"))
    })
}

/// Runs CPU-bound work where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackendError> + Send + 'static,
) -> Result<T, TaskFailure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => Ok(outcome?),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => Err(panicked(&*panic)),
            Err(_) => Err(TaskFailure::new(Code::Stopping, "its worker is stopping")),
        },
    }
}

/// A defect of the prover, as a failure that another try may not meet.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> TaskFailure {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    TaskFailure::new(
        Code::ProverFailed,
        format!("the prover panicked: {}", text.unwrap_or("it did not say why")),
    )
}

/// The budget that segments of a controller on this worker are cut for.
pub(crate) fn budget(bench: &Bench, backend: &dyn Backend) -> SegmentBudget {
    backend.budget_for(bench.segment_memory)
}
