//! Tasks that were too much for this worker: the system killed it for want of memory while it did them.

use crate::WorkerConfig;
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{TaskId, TaskKind, Weight};
use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

/// For so long after the start the coordinator may send again what the worker held. Later, such a task is given anew.
const SENT_AGAIN_WITHIN: Duration = Duration::from_secs(60);

/// What the process before this one did, and the note that this one keeps.
pub(crate) struct Killed {
    tasks: BTreeSet<TaskId>,
    /// Whether it did more than one task: which of them was too much is not known then.
    several: bool,
    until: Instant,
    note: Option<PathBuf>,
}

impl Killed {
    pub(crate) fn new(config: &WorkerConfig) -> Self {
        let tasks: BTreeSet<_> = config.killed.iter().cloned().collect();
        let several = tasks.len() > 1;
        Self { tasks, several, until: Instant::now() + SENT_AGAIN_WITHIN, note: config.note.clone() }
    }

    /// The fault to hand a task back with, if it is one of those. Each is handed back once. A controller may have run its program, or
    /// waited for others: that it was alone is not held against it at once.
    pub(crate) fn blames(
        &mut self,
        task: &TaskId,
        kind: Option<TaskKind>,
        weight: Weight,
        has: Weight,
    ) -> Option<Fault> {
        if !self.tasks.remove(task) || Instant::now() > self.until {
            return None;
        }
        let (code, what) = match (self.several, kind) {
            (true, _) => (Code::KilledAmongOthers, "this task and others"),
            (false, Some(TaskKind::Controller)) => (Code::KilledAmongOthers, "this task"),
            (false, _) => (Code::KilledForMemory, "this task"),
        };
        let text = format!(
            "the system killed its worker for want of memory (exit 137) while it did {what}; the task weighs {weight}, and the \
             worker takes tasks of {has} together: give it more memory, or let it take less (--max-weight)"
        );
        Some(Fault::new(code, text))
    }

    /// Notes what the worker does now. Without the note nobody is blamed, so it is not worth more than a word.
    pub(crate) fn note<'a>(&self, tasks: impl Iterator<Item = &'a TaskId>) {
        let Some(path) = &self.note else { return };
        let tasks: Vec<_> = tasks.collect();
        let written = serde_json::to_vec(&tasks).map(|json| fs::write(path, json));
        if let Ok(Err(error)) = written {
            tracing::debug!(path = %path.display(), %error, "the note of tasks cannot be written");
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_primitives::WorkerKind;

    fn killed(note: Option<PathBuf>) -> Killed {
        killed_over(&["too-much"], note)
    }

    fn killed_over(tasks: &[&str], note: Option<PathBuf>) -> Killed {
        Killed::new(&WorkerConfig {
            id: "w".into(),
            coordinator: String::new(),
            kind: WorkerKind::All,
            max_weight: None,
            provers: Vec::new(),
            segment_memory: Weight::gb(1),
            heartbeat: Duration::from_secs(3),
            build: String::new(),
            note,
            killed: tasks.iter().map(|task| (*task).into()).collect(),
        })
    }

    #[test]
    fn what_a_worker_was_killed_over_is_handed_back_once() {
        let mut killed = killed(None);
        let (weight, has) = (Weight::gb(3), Weight::gb(6));
        let shard = Some(TaskKind::ProveShard);
        assert_eq!(killed.blames(&"another".into(), shard, weight, has), None);
        let fault = killed.blames(&"too-much".into(), shard, weight, has).unwrap();
        assert_eq!(fault.code, Code::KilledForMemory);
        assert!(fault.text.contains("exit 137") && fault.text.contains("--max-weight"), "{fault}");
        assert_eq!(killed.blames(&"too-much".into(), shard, weight, has), None, "it is given here anew");
    }

    /// It may have run its program, which no other worker has the memory for either; or it waited, and something else was too much.
    #[test]
    fn a_controller_that_was_alone_is_not_blamed_at_once() {
        let fault =
            killed(None).blames(&"too-much".into(), Some(TaskKind::Controller), Weight::gb(1), Weight::gb(6));
        assert_eq!(fault.unwrap().code, Code::KilledAmongOthers);
    }

    /// One of several was too much: none of them is blamed alone.
    #[test]
    fn what_a_worker_was_killed_over_among_others_is_handed_back_as_such() {
        let mut killed = killed_over(&["one", "other"], None);
        for task in ["one", "other"] {
            let fault = killed.blames(&task.into(), None, Weight::gb(3), Weight::gb(6)).unwrap();
            assert_eq!(fault.code, Code::KilledAmongOthers, "{task}");
        }
    }

    #[test]
    fn what_comes_long_after_the_start_is_given_anew() {
        let mut killed = killed(None);
        killed.until = Instant::now().checked_sub(Duration::from_millis(1)).unwrap();
        assert_eq!(killed.blames(&"too-much".into(), None, Weight::gb(1), Weight::gb(1)), None);
    }

    #[test]
    fn the_note_is_what_the_next_process_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note.json");
        let (first, second) = (TaskId::from("a"), TaskId::from("b"));
        killed(Some(path.clone())).note([&first, &second].into_iter());
        let noted: Vec<TaskId> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(noted, [first, second]);
        // A folder that is not there stops no worker.
        killed(Some(folder.path().join("no/such"))).note(std::iter::empty());
    }
}
