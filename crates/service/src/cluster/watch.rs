//! How far the cluster is, and what a proof took there.

use crate::{Progress, ProofCost, Work};
use proofmill_primitives::Instructions;
use proofmill_wire::operator::ProofProgress;
use std::time::Duration;

/// Passes on how far the cluster is.
pub(super) struct Watch<'a> {
    work: &'a Work,
}

impl<'a> Watch<'a> {
    pub(super) const fn new(work: &'a Work) -> Self {
        Self { work }
    }

    pub(super) fn see(&self, progress: &ProofProgress) {
        let (done, total) = progress.tasks();
        // A controller runs as long as its proof, and does nothing once the tasks are known.
        let running =
            progress.kinds.iter().any(|kind| kind.running > 0 && (total == 0 || kind.kind != "Controller"));
        self.work.stands(Progress { done, total, running }, &progress.diagnosis);
    }
}

pub(super) fn cost(progress: &ProofProgress) -> ProofCost {
    let segments = progress.kinds.iter().find(|kind| kind.kind == "ProveShard").map(|kind| kind.succeeded);
    // Not the time for which it waited for a worker.
    let begun = progress.begun_at_ms.max(progress.created_at_ms);
    ProofCost {
        instructions: (progress.instructions > 0).then_some(Instructions(progress.instructions)),
        segments,
        took: Duration::from_millis(progress.ended_at_ms.saturating_sub(begun)),
    }
}
