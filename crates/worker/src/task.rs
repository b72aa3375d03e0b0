//! A task, as its message says it.

use crate::{failure::TaskFailure, metadata::Metadata};
use proofmill_primitives::{ArtifactId, ProofId, TaskId, TaskKind, Weight};
use proofmill_wire::worker::WorkerTask;

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
