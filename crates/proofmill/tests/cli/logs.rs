//! What the logs of workers tell.

use std::{collections::BTreeMap, fs, path::Path};

fn field(line: &str, name: &str) -> Option<String> {
    let at = line.find(&format!(" {name}="))? + name.len() + 2;
    Some(line[at..].split_whitespace().next()?.to_owned())
}

/// How often each result of each proof was made, from the logs of the workers. One whose result was there already is not
/// counted: a rollup that is killed after a result is stored, and before that is recorded, hands its task out again.
pub(crate) fn done(logs: &Path) -> BTreeMap<String, u32> {
    let mut tasks = BTreeMap::new();
    let mut counts = BTreeMap::new();
    for entry in fs::read_dir(logs).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() || !path.file_name().unwrap().to_string_lossy().starts_with("worker") {
            continue;
        }
        for line in fs::read_to_string(path).unwrap().lines() {
            let field = |name: &str| field(line, name);
            let Some(task) = field("task") else { continue };
            if line.contains("reused") {
                tasks.remove(&task);
            }
            let Some(proof) = field("proof") else { continue };
            if line.contains(" started ") {
                let (kind, output) = (field("kind").unwrap(), field("output").unwrap_or_default());
                tasks.insert(task, format!("{proof} {kind} {output}"));
            } else if line.contains(" done ")
                && let Some(what) = tasks.get(&task)
                && !what.contains("Controller")
            {
                *counts.entry(what.clone()).or_insert(0) += 1;
            }
        }
    }
    counts
}

/// A segment that a worker has begun.
#[derive(Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the scenarios ask")]
pub(crate) struct Begun {
    pub(crate) task: String,
    pub(crate) proof: String,
}

/// The segments that a worker has begun and not ended, from its log.
#[allow(dead_code, reason = "the scenarios ask")]
pub(crate) fn under_way(log: &str) -> Vec<Begun> {
    let mut begun = Vec::new();
    for line in log.lines() {
        let Some(task) = field(line, "task") else { continue };
        if line.contains(" started ") && line.contains(" kind=ProveShard ") {
            begun.push(Begun { task, proof: field(line, "proof").unwrap() });
        } else if [" done ", " task failed ", " withdrawn by the coordinator "]
            .iter()
            .any(|end| line.contains(end))
        {
            begun.retain(|one| one.task != task);
        }
    }
    begun
}

/// What was made more than once.
#[allow(dead_code, reason = "the scenarios ask")]
pub(crate) fn made_twice(logs: &Path) -> Vec<String> {
    done(logs).into_iter().filter(|(_, times)| *times > 1).map(|(what, _)| what).collect()
}
