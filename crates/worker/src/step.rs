//! One step of a plan: a segment, a fold, the finished proof.

use crate::{
    bench::{Bench, blocking},
    failure::TaskFailure,
    metadata::{Metadata, Step},
    task::Task,
};
use bytes::Bytes;
use proofmill_artifacts::ArtifactKind;
use proofmill_backends::{BackendError, Job, Plan};
use proofmill_primitives::{ArtifactId, Instructions};

/// Does one step of a plan, unless its output is there already.
///
/// Where something that an earlier step made is missing, damaged or wrong, another try here cannot help: the step comes
/// back without an output. The controller looks for that, and has made again what is missing.
pub(crate) async fn run(bench: &Bench, task: &Task) -> Result<(), TaskFailure> {
    let Metadata { dialect, prover, step, .. } = &task.metadata;
    let step = step.clone().filter(|_| bench.dialect(*prover).is_ok_and(|own| own == *dialect));
    let step = step.ok_or_else(|| {
        TaskFailure::unfit(format!("this worker does not speak {dialect}, as the {} task does", task.kind))
    })?;
    let output = task.output()?;
    if bench.made(output).await?.is_some() {
        tracing::info!(task = %task.id, kind = %task.kind, %output, "its result is there already: reused");
        return Ok(());
    }
    let made_of = step.made_of();
    let lost = match make(bench, task, step).await {
        Ok(Some(result)) => {
            return bench.keep(output, ArtifactKind::Intermediate, result.into()).await;
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
        bench.remove(id).await?;
    }
    Ok(())
}

/// The step's output, or nothing where it lacks what earlier steps have made.
async fn make(bench: &Bench, task: &Task, step: Step) -> Result<Option<Vec<u8>>, Trouble> {
    let backend = bench.registry.get(task.metadata.prover)?;
    let program = bench.get(task.input(0, "program")?, ArtifactKind::Program).await?;
    let made_of = step.made_of();
    // Of a whole execution; a node needs only what it folds.
    let whole = async || -> Result<Option<(Bytes, Plan)>, TaskFailure> {
        let input = bench.get(task.input(1, "program input")?, task.metadata.input_kind()).await?;
        let plan = bench.made(task.input(2, "plan")?).await?;
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
        Err(BackendError::NotSetUp { prover, cause }) => {
            let cause = with_part(cause, task.inputs.get(made_of.parts..).unwrap_or_default());
            Err(BackendError::NotSetUp { prover, cause }.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Names the one part that this worker is not set up for. Where no worker will be any more, it is to be removed by hand, and is made again.
fn with_part(cause: String, parts: &[ArtifactId]) -> String {
    match parts {
        [part] => format!("{cause} (the task reads the artifact {part})"),
        _ => cause,
    }
}

async fn all_made(
    bench: &Bench,
    ids: impl Iterator<Item = &ArtifactId>,
) -> Result<Option<Vec<Vec<u8>>>, TaskFailure> {
    let mut all = Vec::new();
    for id in ids {
        match bench.made(id).await? {
            Some(bytes) => all.push(bytes.to_vec()),
            None => return Ok(None),
        }
    }
    Ok(Some(all))
}

pub(crate) fn decode_plan(bytes: &[u8]) -> Result<Plan, TaskFailure> {
    bitcode::deserialize(bytes).map_err(|error| {
        TaskFailure::unfit(format!("the plan was written by another version and cannot be read: {error}"))
    })
}
