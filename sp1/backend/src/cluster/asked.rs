//! The tasks that a controller asked for, and how they ended.

use super::weight;
use proofmill_backends::tasks::{ClusterLink, NewTask, Outcome};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{ArtifactId, TaskId, TaskKind};
use std::{collections::HashMap, sync::Arc};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// The tasks that were asked for, and how they ended.
pub(super) struct Tasks {
    pub(super) link: Arc<dyn ClusterLink>,
    watch: UnboundedSender<TaskId>,
    ends: UnboundedReceiver<(TaskId, Outcome)>,
    ended: HashMap<TaskId, Outcome>,
    /// How often what was lost is made again.
    pub(super) repeated: u32,
}

impl Tasks {
    pub(super) fn new(link: Arc<dyn ClusterLink>) -> Self {
        let (watch, ends) = link.results();
        Self { link, watch, ends, ended: HashMap::new(), repeated: 0 }
    }

    pub(super) async fn ask(
        &self,
        kind: TaskKind,
        inputs: Vec<ArtifactId>,
        output: ArtifactId,
    ) -> Result<TaskId, Fault> {
        let (weight, outputs, repeated) = (weight(kind), vec![output], self.repeated);
        let task = self.link.create(NewTask { kind, weight, inputs, outputs, repeated }).await?;
        self.watch(task.clone())?;
        Ok(task)
    }

    pub(super) fn watch(&self, task: TaskId) -> Result<(), Fault> {
        self.watch.send(task).map_err(|_| over())
    }

    /// Takes the next end.
    pub(super) async fn next(&mut self) -> Result<(), Fault> {
        let (task, outcome) = self.ends.recv().await.ok_or_else(over)?;
        if outcome == Outcome::Failed {
            let text = format!("the task {task} failed; the coordinator's log says why");
            return Err(Fault::new(Code::ProverFailed, text));
        }
        self.ended.insert(task, outcome);
        Ok(())
    }

    pub(super) fn done<'a>(&self, tasks: impl IntoIterator<Item = &'a TaskId>) -> bool {
        tasks.into_iter().all(|task| self.ended.contains_key(task))
    }

    pub(super) async fn wait(&mut self, tasks: &[TaskId]) -> Result<(), Fault> {
        while !self.done(tasks) {
            self.next().await?;
        }
        Ok(())
    }
}

/// The stream of ends is over before they are all there.
fn over() -> Fault {
    Fault::new(Code::Withdrawn, "the proof has ended")
}
