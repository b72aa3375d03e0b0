//! How the proof of one execution is cut into independent parts.

use proofmill_primitives::{Instructions, TaskKind};
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
    /// The segments in the order of execution; at least one. After them the verifications of the proofs that the program
    /// asks for, where that is not done by the program's own instructions, in the order in which it asks.
    pub segments: Vec<Segment>,
}

/// What a segment proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SegmentKind {
    /// Consecutive instructions of the program.
    Execution,
    /// That a proof which the program asks for holds, and what it says. Its [detail](Segment::detail) names that proof
    /// and nothing of the program, so that one made for another program or plan can be used again.
    Verification,
}

impl SegmentKind {
    /// The task that proves such a segment.
    pub fn task(self) -> TaskKind {
        match self {
            Self::Execution => TaskKind::ProveShard,
            Self::Verification => TaskKind::RecursionDeferred,
        }
    }
}

/// One part of an execution that can be proven on its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// What it proves.
    pub kind: SegmentKind,
    /// How many instructions it covers; 0 for a verification.
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
