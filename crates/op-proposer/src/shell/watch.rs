//! How far a proof is, for the log.

use proofmill_wire::operator::ProofProgress;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// So often it is said how far a proof is.
const EVERY: Duration = Duration::from_secs(60);

/// Says now and then how far a proof is, and at once what it waits for.
pub(super) struct Watch<T> {
    of: T,
    said: Instant,
    diagnosis: String,
}

impl<T: fmt::Display> Watch<T> {
    pub(super) fn new(of: T) -> Self {
        Self { of, said: Instant::now(), diagnosis: String::new() }
    }

    pub(super) fn see(&mut self, progress: &ProofProgress) {
        let of = &self.of;
        if progress.diagnosis != self.diagnosis {
            self.diagnosis.clone_from(&progress.diagnosis);
            if !self.diagnosis.is_empty() {
                tracing::warn!(%of, cause = self.diagnosis, "a proof waits");
            }
        }
        if self.said.elapsed() < EVERY {
            return;
        }
        self.said = Instant::now();
        let (done, known) = progress.tasks();
        tracing::info!(%of, done, known, "proving");
    }
}
