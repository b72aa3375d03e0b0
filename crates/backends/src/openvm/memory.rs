//! How much memory tasks need.

use crate::SegmentBudget;
use proofmill_primitives::{TaskKind, Weight};

/// The memory that a task needs.
pub(super) fn weight(kind: TaskKind, budget: SegmentBudget) -> Weight {
    let _ = budget;
    kind.default_weight()
}

/// The budget for a worker with so much memory.
pub(super) fn budget_for(memory: Weight) -> SegmentBudget {
    let _ = memory;
    SegmentBudget(768)
}
