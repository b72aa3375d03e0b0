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
pub(super) const LAST: Duration = Duration::from_secs(3);

/// Hands a proof in until the coordinator says what it thinks of it. Where there is a folder for it, it is kept there until then,
/// whatever becomes of the prover meanwhile.
pub(super) async fn hand_in(
    coordinator: &Calls,
    asker: &Asker,
    unsent: &Unsent,
    timeout: Duration,
    stop: &CancellationToken,
    kept_in: Option<&Path>,
) -> Outcome {
    let kept = kept_in.map(|folder| unsent.keep(folder));
    if let Some(Err(error)) = &kept {
        let (batch, level) = (unsent.batch.number.0, unsent.batch.level.name());
        tracing::warn!(
            batch, level, cause = %error,
            "a proof cannot be kept while it is handed in: it is lost if the prover is killed meanwhile"
        );
    }
    let Some(outcome) = offer(coordinator, asker, unsent, timeout, stop).await else {
        return not_taken(unsent, kept_in);
    };
    // Only now: the coordinator has it, or does not want it.
    if let Some(folder) = kept_in
        && let Err(error) = unsent.remove(folder)
    {
        let folder = folder.display();
        tracing::warn!(%folder, cause = %error, "a proof that was handed in cannot be removed: it is handed in again at the next start");
    }
    outcome
}

/// Offers a proof until the coordinator has answered for it. Nothing where nobody has, in time or before the prover is stopped.
async fn offer(
    coordinator: &Calls,
    asker: &Asker,
    unsent: &Unsent,
    timeout: Duration,
    stop: &CancellationToken,
) -> Option<Outcome> {
    let (batch, level) = (unsent.batch.number.0, unsent.batch.level.name());
    let proves_nothing = !asker.prover.proves();
    let until = Instant::now() + PATIENT_FOR.max(timeout);
    let mut times = 0;
    loop {
        times += 1;
        let answer = tokio::select! {
            answer = coordinator.submit(asker, &unsent.batch, unsent.proof.clone()) => answer,
            () = stopped(stop) => return None,
        };
        let after = match answer.map(|answer| answer.outcome) {
            Ok(Some(Said::Accepted(accepted))) => {
                let dropped = accepted.dropped;
                tracing::info!(batch, level, proves_nothing, dropped, "a proof was handed in");
                return Some(if dropped { Outcome::Dropped } else { Outcome::Accepted });
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
                return Some(Outcome::Refused);
            }
            Ok(Some(Said::ProverTypeNotNeeded(answer))) => {
                said::not_needed(&coordinator.address, asker.prover, &answer);
                return Some(Outcome::Lost);
            }
            Ok(Some(Said::RetryLater(later))) => Duration::from_millis(later.after_ms)
                .clamp(Duration::from_millis(100), Duration::from_secs(120)),
            // Of two releases one comes first: whoever takes its place may understand what is handed in.
            Ok(None) => {
                if times == 1 {
                    said::other_version(&coordinator.address);
                }
                AGAIN.wait(times, jitter())
            }
            Err(status) => {
                if times == 1 {
                    said::away(&coordinator.address, &status);
                }
                AGAIN.wait(times, jitter())
            }
        };
        if stop.is_cancelled() || Instant::now() + after > until {
            return None;
        }
        stop.run_until_cancelled(tokio::time::sleep(after)).await;
    }
}

async fn stopped(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LAST).await;
}

/// Nobody has taken the proof, and it is not offered any more.
fn not_taken(unsent: &Unsent, folder: Option<&Path>) -> Outcome {
    let (batch, level) = (unsent.batch.number.0, unsent.batch.level.name());
    let Some(folder) = folder else {
        tracing::error!(event = "proof_lost", batch, level, "a proof could not be handed in: it is given up");
        return Outcome::Lost;
    };
    // It may be there already. Where it could not be kept before, perhaps it can now.
    match unsent.keep(folder) {
        Ok(()) => {
            let folder = folder.display();
            let coordinator = unsent.coordinator.as_str();
            tracing::warn!(batch, level, coordinator, %folder, "a proof could not be handed in: it is kept, and handed in at the next start, or when its coordinator is back");
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::pulling::scripted::{Scripted, asker, batch};
    use proofmill_primitives::ProverType;
    use std::sync::atomic::AtomicUsize;

    #[tokio::test]
    async fn a_proof_is_offered_until_its_coordinator_is_of_the_same_release() {
        let scripted = Scripted { unreadable: AtomicUsize::new(1), ..Scripted::default() };
        let (_server, address) = scripted.serve().await;
        let (asker, batch) = (asker(), batch(1));
        let unsent = Unsent { coordinator: address.clone(), prover: ProverType::Exec, batch, proof: vec![7] };
        let (coordinator, stop) = (Calls::new(&address).unwrap(), CancellationToken::new());
        let outcome = hand_in(&coordinator, &asker, &unsent, Duration::ZERO, &stop, None).await;
        assert!(matches!(outcome, Outcome::Accepted));
    }
}
