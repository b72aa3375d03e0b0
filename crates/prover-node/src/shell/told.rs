//! What happened, in the log.

use crate::rules::{
    CandidateEnd, Change, Estimate, Receipt, SessionId, SessionSpec, SessionState, StoppedBy, Time,
};

/// What the records are of, for filters: whoever [shows the changes](crate::NodeHandle::changes) in words of their own need not log them.
pub const CHANGES_TARGET: &str = module_path!();

/// A record of a change.
pub(super) fn told(change: &Change, now: Time) {
    match change {
        Change::CheckpointFailed { id, epoch, cause } => {
            tracing::error!(
                event = "checkpoint_refuted", checkpoint = %id.number, %epoch, cause, "checkpoint refuted"
            );
        }
        Change::CheckpointStopped { id, epoch, cause, until } => {
            let again_in_s = until.since(now).as_secs();
            tracing::error!(
                event = "checkpoint_stopped", checkpoint = %id.number, %epoch, cause, again_in_s,
                "checkpoint stopped"
            );
        }
        Change::RootDelayed { session, epoch, prover, cause } => {
            tracing::warn!(
                event = "proof_failed", level = "epoch", %session, %epoch, %prover, cause,
                "an epoch is not aggregated; trying again"
            );
        }
        Change::EpochMissed { epoch, cause } => {
            tracing::error!(event = "epoch_missed", %epoch, cause, "epoch missed");
        }
        Change::Session { session, spec, state } => self::session(*session, spec, state, now),
        Change::Candidate { session, epoch, end } => match end {
            CandidateEnd::Failed { cause } => {
                tracing::error!(
                    event = "submission_failed", %session, %epoch, cause, "epoch proof refused by L1"
                );
            }
            CandidateEnd::Expired => {
                let cause = "its window closed before it was submitted";
                tracing::error!(
                    event = "submission_timed_out", %session, %epoch, cause, "epoch proof expired"
                );
            }
            end => tracing::debug!(%session, %epoch, ?end, "candidate ended"),
        },
        Change::RangeProven { checkpoint, epoch, prover, range, per_gas, .. } => {
            // Absent where nobody counts instructions.
            let (blocks, per_gas) = (range.blocks, *per_gas);
            tracing::info!(%checkpoint, %epoch, %prover, %blocks, per_gas, "a range is proven");
        }
        Change::RangeCostly { checkpoint, epoch, prover, range, per_gas, warn_above } => {
            let blocks = range.blocks;
            tracing::warn!(
                %checkpoint, %epoch, %prover, %blocks, per_gas, warn_above, "a range costs much for its gas"
            );
        }
        Change::RangeFailed { checkpoint, epoch, prover, range, cause } => {
            let blocks = range.blocks;
            tracing::warn!(
                event = "proof_failed", level = "range", %checkpoint, %epoch, %prover, %blocks, cause,
                "a range is not proven"
            );
        }
        Change::PublishDelayed { epoch, cause, .. } => {
            tracing::warn!(
                event = "submission_failed", %epoch, cause, "a proof could not be published; trying again"
            );
        }
        Change::Pruning { closed } => {
            tracing::warn!(closed = closed.0, "nobody gave up what was not proven in time; pruning it on L1");
        }
        Change::PruneDelayed { cause } => {
            tracing::warn!(cause, "what was not proven in time could not be pruned; trying again");
        }
        Change::PruneEnded { receipt: Some(receipt) } => {
            let (transaction, gas, fee_wei) = (receipt.transaction, receipt.gas_used, receipt.fee);
            tracing::info!(
                event = "epoch_pruned", %transaction, gas, fee_wei, "pruned what was not proven in time"
            );
        }
        Change::Pruned { to, removed, cause } if *removed > 0 => {
            tracing::info!(%to, removed, %cause, "checkpoints became void");
        }
        change => tracing::debug!(?change, "changed"),
    }
}

fn session(session: SessionId, spec: &SessionSpec, state: &SessionState, now: Time) {
    let (epoch, kind, name) = (spec.epoch, spec.kind, state.name());
    match state {
        SessionState::Failed { cause } => {
            tracing::error!(event = "session_failed", %session, %epoch, %kind, state = name, cause, "session");
        }
        SessionState::Stopped { by: StoppedBy::Checkpoint { number }, cause } => {
            tracing::error!(
                event = "session_stopped", %session, %epoch, %kind, state = name, checkpoint = %number, cause, "session"
            );
        }
        SessionState::Stopped { by: StoppedBy::Itself { until }, cause } => {
            let again_in_s = until.since(now).as_secs();
            tracing::error!(
                event = "session_stopped", %session, %epoch, %kind, state = name, again_in_s, cause, "session"
            );
        }
        SessionState::TimedOut => {
            let cause = "the window of its epoch closed";
            tracing::error!(
                event = "session_timed_out", %session, %epoch, %kind, state = name, cause, "session"
            );
        }
        SessionState::Completed { receipt: Some(receipt) } => {
            let Receipt { transaction, block: l1_block, gas_used: gas, fee: fee_wei } = *receipt;
            tracing::info!(
                event = "epoch_settled", %session, %epoch, %kind, state = name, %transaction, l1_block, gas, fee_wei,
                "session"
            );
        }
        // A publish before a crash had come through: its transaction is not known.
        SessionState::Completed { receipt: None } => {
            tracing::info!(event = "epoch_settled", %session, %epoch, %kind, state = name, "session");
        }
        SessionState::Unsent(Estimate { gas, fee }) => {
            tracing::info!(%session, %epoch, %kind, state = name, gas, fee_wei = fee, "session");
        }
        _ => tracing::info!(%session, %epoch, %kind, state = name, "session"),
    }
}
