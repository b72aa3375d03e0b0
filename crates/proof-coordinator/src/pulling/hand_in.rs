//! Handing a proof in, beside whatever else its prover does.

use super::{
    calls::{Asker, Calls},
    counted::Outcome,
    puller::jitter,
    said,
    unsent::Unsent,
};
use proofmill_fault::Patience;
use proofmill_wire::prover::submit_response::Outcome as Said;
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// The pauses before a proof is handed in again that nobody took.
const AGAIN: Patience = Patience::pauses(Duration::from_secs(1), Duration::from_secs(30));
/// For how long a proof is handed in again at least. The batch of one that comes later is likely proven by another.
const PATIENT_FOR: Duration = Duration::from_secs(900);

/// How long a call may take yet when the prover is told to stop: whoever stops it does not wait for long.
const LAST: Duration = Duration::from_secs(3);

/// Hands a proof in until the coordinator says what it thinks of it. What it has not taken when the prover is told to stop is kept,
/// where there is a folder for it.
pub(super) async fn hand_in(
    coordinator: &Calls,
    asker: &Asker,
    unsent: &Unsent,
    timeout: Duration,
    stop: &CancellationToken,
    kept_in: Option<&Path>,
) -> Outcome {
    let (batch, level) = (unsent.batch.number.0, unsent.batch.level.name());
    let proves_nothing = !asker.prover.proves();
    let until = Instant::now() + PATIENT_FOR.max(timeout);
    let mut times = 0;
    loop {
        times += 1;
        let answer = tokio::select! {
            answer = coordinator.submit(asker, &unsent.batch, unsent.proof.clone()) => answer,
            () = stopped(stop) => return keep(unsent, kept_in),
        };
        let after = match answer.map(|answer| answer.outcome) {
            Ok(Some(Said::Accepted(accepted))) => {
                let dropped = accepted.dropped;
                tracing::info!(batch, level, proves_nothing, dropped, "a proof was handed in");
                return if dropped { Outcome::Dropped } else { Outcome::Accepted };
            }
            Ok(Some(Said::Refused(refused))) => {
                let (reason, cause) = (refused.reason().as_str_name(), refused.cause);
                tracing::error!(
                    event = "proof_refused",
                    batch,
                    level,
                    reason,
                    cause,
                    "a proof was refused: are coordinator and prover of the same release?"
                );
                return Outcome::Refused;
            }
            Ok(Some(Said::ProverTypeNotNeeded(answer))) => {
                said::not_needed(&coordinator.address, asker.prover, &answer);
                return Outcome::Lost;
            }
            Ok(Some(Said::RetryLater(later))) => Duration::from_millis(later.after_ms)
                .clamp(Duration::from_millis(100), Duration::from_secs(120)),
            Ok(None) => {
                said::other_version(&coordinator.address);
                return Outcome::Lost;
            }
            Err(status) => {
                if times == 1 {
                    said::away(&coordinator.address, &status);
                }
                AGAIN.wait(times, jitter())
            }
        };
        if stop.is_cancelled() {
            return keep(unsent, kept_in);
        }
        if Instant::now() + after > until {
            tracing::error!(
                event = "proof_lost",
                batch,
                level,
                times,
                "a proof could not be handed in: it is given up"
            );
            return Outcome::Lost;
        }
        stop.run_until_cancelled(tokio::time::sleep(after)).await;
    }
}

async fn stopped(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LAST).await;
}

/// The prover ends, and nobody has taken the proof.
fn keep(unsent: &Unsent, folder: Option<&Path>) -> Outcome {
    let (batch, level) = (unsent.batch.number.0, unsent.batch.level.name());
    let Some(folder) = folder else {
        tracing::error!(event = "proof_lost", batch, level, "a proof could not be handed in: it is given up");
        return Outcome::Lost;
    };
    match unsent.keep(folder) {
        Ok(()) => {
            let folder = folder.display();
            tracing::warn!(batch, level, %folder, "a proof could not be handed in: it is kept, and handed in at the next start");
            Outcome::Kept
        }
        Err(error) => {
            tracing::error!(
                event = "proof_lost", batch, level, cause = %error,
                "a proof could be neither handed in nor kept: it is given up"
            );
            Outcome::Lost
        }
    }
}
