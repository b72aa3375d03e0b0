//! Whoever has a batch proven tells of it.

use super::{board::Stage, coordinator::Coordinator};
use proofmill_primitives::{CheckpointNumber, ProverType};
use proofmill_service::JobNote;
use tokio_util::sync::CancellationToken;

/// Tells of the proof of a batch for as long as it is wanted. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Telling {
    pub(crate) coordinator: Coordinator,
    pub(crate) number: CheckpointNumber,
    pub(crate) prover: ProverType,
    /// It is not wanted any more: another batch may have its number.
    pub(crate) cancel: CancellationToken,
}

impl Telling {
    /// It is at this stage; with what went wrong, if something did.
    pub(crate) fn tell(&self, stage: Stage, trouble: Option<String>) {
        let inner = &self.coordinator.0;
        let mut state = inner.lock();
        if !self.cancel.is_cancelled() {
            state.board.tell(inner.clock.now(), self.number, self.prover, stage, trouble);
        }
    }

    /// How its job goes.
    pub(crate) fn hear(&self, note: JobNote) {
        let cause = match note {
            JobNote::Progress(_) => None,
            JobNote::HeldUp { cause } | JobNote::Discarded { cause } => Some(cause),
        };
        let mut state = self.coordinator.0.lock();
        if !self.cancel.is_cancelled() {
            state.board.held_up(self.number, self.prover, cause);
        }
    }
}
