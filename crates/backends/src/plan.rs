//! How the proof of one execution is cut into independent parts.

use proofmill_primitives::Instructions;
use serde::{Deserialize, Serialize};

/// The memory that segments are cut for, in MB of the backend's own estimate. Part of a plan's identity: another
/// budget cuts elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SegmentBudget(pub u32);

/// What running a program gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// The bytes that the program committed to.
    pub public_values: Vec<u8>,
    /// How many zkVM instructions it took; 0 for `exec`, which runs none.
    pub instructions: Instructions,
}

/// An execution cut into segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What the execution gave.
    pub execution: Execution,
    /// The segments in the order of execution; at least one.
    pub segments: Vec<Segment>,
}

/// One part of an execution that can be proven on its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// How many instructions it covers.
    pub instructions: Instructions,
    /// What the backend needs to find and prove it.
    pub detail: Vec<u8>,
}

/// One step that folds proofs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Which of the backend's folding programs this step runs; its meaning is the backend's own.
    pub layer: u32,
    /// What it folds, in order.
    pub children: Vec<Child>,
}

/// What a node folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Child {
    /// The proof of the segment with this index.
    Segment(u32),
    /// The output of the node with this index in the tree.
    Node(u32),
}
