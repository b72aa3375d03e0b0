//! What a task's metadata say, and in which dialect.
//!
//! On the wire they are a JSON map from names to texts, the one form that nodes of the SP1 cluster read too: such a node that is
//! given one of our tasks must not come to harm by it. Our own tasks name their [`Dialect`]; one that names none is written as
//! the SP1 cluster's controllers do.

use crate::failure::TaskFailure;
use proofmill_artifacts::ArtifactKind;
use proofmill_backends::{Backend, Node};
use proofmill_primitives::{Dialect, ProofMode, ProverType, TaskKind, UnknownName};
use proofmill_wire::header;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The layout of our own tasks: metadata, inputs, outputs, plans and names of results. To be raised whenever one changes.
const LAYOUT: u32 = 2;

const PROVER: &str = "prover";
const STDIN_PRIVATE: &str = "stdin_private";
const STEP: &str = "step";

/// What a task's metadata say.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    pub(crate) dialect: Dialect,
    /// A task of the SP1 cluster's own clients carries `{}`: no prover type is SP1.
    pub(crate) prover: ProverType,
    /// Whether the program's input is one that must not leave the cluster: it is stored as another kind then.
    pub(crate) stdin_private: bool,
    /// Nothing in first tasks, and in those of the SP1 cluster's controllers.
    pub(crate) step: Option<Step>,
    /// How often the step was left undone before.
    pub(crate) repeated: u32,
}

/// What a task that a controller of ours created is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Inputs: program, input, plan. Output: the segment's proof, or the verification of a proof in the input.
    Segment {
        index: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cycle_limit: Option<u64>,
    },
    /// Inputs: program, then the proofs of the node's children. Output: the node's proof.
    Reduce { node: Node },
    /// Inputs: program, input, plan, the root (or all segments). Output: the finished proof.
    Finish { mode: ProofMode },
}

/// The dialect of this build's own tasks of a prover type. `build` is what is said to tell builds apart beyond their version.
pub(crate) fn own_dialect(backend: &dyn Backend, build: &str) -> Dialect {
    let mut hash = blake3::Hasher::new();
    let parts = [build.as_bytes(), backend.prover_type().name().as_bytes(), &backend.circuits()];
    for part in [&LAYOUT.to_le_bytes()[..]].into_iter().chain(parts) {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let number = hash.finalize().as_bytes().first_chunk().copied().map_or(0, u64::from_le_bytes);
    Dialect::Own(number)
}

impl Metadata {
    /// What the metadata of a task say.
    pub(crate) fn parse(kind: TaskKind, text: &str) -> Result<Self, TaskFailure> {
        let text = if text.is_empty() { "{}" } else { text };
        let unfit = |what: String| TaskFailure::unfit(format!("the task's metadata cannot be read: {what}"));
        let map: BTreeMap<String, String> =
            serde_json::from_str(text).map_err(|error| unfit(error.to_string()))?;
        let unknown = |error: UnknownName| unfit(error.to_string());
        let prover = map.get(PROVER).map_or(Ok(ProverType::Sp1), |name| name.parse()).map_err(unknown)?;
        let dialect =
            map.get(header::DIALECT).map_or(Ok(Dialect::Sp1Cluster), |name| name.parse()).map_err(unknown)?;
        let step = map.get(STEP).map(|step| serde_json::from_str(step)).transpose();
        let step = step.map_err(|error| unfit(format!("{kind}: {error}")))?;
        let repeated = map.get(header::REPEATED).map_or(Ok(0), |number| number.parse::<u32>());
        Ok(Self {
            dialect,
            prover,
            stdin_private: map.get(STDIN_PRIVATE).is_some_and(|private| private == "true"),
            step,
            repeated: repeated.map_err(|error| unfit(error.to_string()))?,
        })
    }

    /// Those of one of our own tasks.
    pub(crate) fn write(&self) -> Result<String, TaskFailure> {
        let defect = |error: serde_json::Error| {
            TaskFailure::defect(format!("a task's metadata cannot be written down: {error}"))
        };
        let mut map = BTreeMap::from([
            (header::DIALECT, self.dialect.to_string()),
            (PROVER, self.prover.name().to_owned()),
        ]);
        if let Some(step) = &self.step {
            map.insert(STEP, serde_json::to_string(step).map_err(defect)?);
        }
        if self.stdin_private {
            map.insert(STDIN_PRIVATE, "true".to_owned());
        }
        if self.repeated > 0 {
            map.insert(header::REPEATED, self.repeated.to_string());
        }
        serde_json::to_string(&map).map_err(defect)
    }

    pub(crate) fn input_kind(&self) -> ArtifactKind {
        input_kind(self.stdin_private)
    }
}

/// How a program's input is stored.
pub(crate) const fn input_kind(private: bool) -> ArtifactKind {
    if private { ArtifactKind::PrivateStdin } else { ArtifactKind::Stdin }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proofmill_backends::Registry;
    use std::collections::HashMap;

    #[test]
    fn metadata_are_a_map_of_texts_and_read_as_they_were_written() {
        let node = Node { layer: 3, children: vec![proofmill_backends::Child::Segment(7)] };
        for step in [
            None,
            Some(Step::Segment { index: 7, cycle_limit: Some(u64::MAX) }),
            Some(Step::Reduce { node }),
            Some(Step::Finish { mode: ProofMode::Compressed }),
        ] {
            let metadata = Metadata {
                dialect: Dialect::Own(9),
                prover: ProverType::OpenVm,
                stdin_private: step.is_some(),
                repeated: u32::from(step.is_some()),
                step,
            };
            let text = metadata.write().unwrap();
            // As a node of the SP1 cluster reads it.
            serde_json::from_str::<HashMap<String, String>>(&text).unwrap();
            let read = Metadata::parse(TaskKind::ProveShard, &text).unwrap();
            assert_eq!(format!("{read:?}"), format!("{metadata:?}"));
        }
    }

    #[test]
    fn what_a_stock_controller_writes_is_its_dialect_and_the_rest_is_for_others() {
        for stock in
            ["", "{}", r#"{"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}"#]
        {
            let read = Metadata::parse(TaskKind::ProveShard, stock).unwrap();
            assert_eq!((read.dialect, read.prover), (Dialect::Sp1Cluster, ProverType::Sp1));
            assert!(read.step.is_none());
        }
        for bad in
            [r#"{"prover":"exec","step":{"segment":{"index":1}}}"#, r#"{"proofmill":"x"}"#, "[]", "null"]
        {
            let failure = Metadata::parse(TaskKind::ProveShard, bad).unwrap_err();
            assert_eq!(failure.0.code, proofmill_fault::Code::Unfit, "{bad}");
        }
    }

    #[test]
    fn another_build_speaks_another_dialect() {
        let exec = Registry::compiled_in().get(ProverType::Exec).unwrap();
        let dialect = |build| own_dialect(&*exec, build);
        assert_eq!(dialect("1"), dialect("1"));
        assert_ne!(dialect("1"), dialect("2"));
        assert_ne!(dialect("1"), Dialect::UNNAMED);
    }
}
