//! Between the messages and the rules.

use super::looks::Given;
use crate::rules::{
    AssignOutcome, BatchId, MismatchOf, NotNeeded, ProofLevel, ProverName, RefusedFor, RetryReason,
    SubmitOutcome, VersionMismatch,
};
use alloy_primitives::B256;
use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProverType};
use proofmill_wire::prover::{
    self, Accepted, Assigned, ProofRefused, ProverTypeNotNeeded, RetryLater, assign_response, proof_refused,
    prover_type_not_needed, retry_later, submit_response, version_mismatch,
};
use std::{collections::BTreeSet, time::Duration};
use tonic::Status;

/// A call that is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadCall {
    /// Something has another length.
    #[error("{0} must have 32 bytes")]
    Length(&'static str),
    /// The level is none.
    #[error("the batch has no level: the peer is of another release")]
    Level,
    /// No batch.
    #[error("no batch is named")]
    NoBatch,
    /// The name is none.
    #[error(transparent)]
    Name(#[from] crate::rules::BadName),
    /// The type is none that this release knows.
    #[error("the prover type is not known here")]
    ProverType,
}

impl From<BadCall> for Status {
    fn from(bad: BadCall) -> Self {
        Self::invalid_argument(bad.to_string())
    }
}

fn hash(what: &'static str, bytes: &[u8]) -> Result<[u8; 32], BadCall> {
    bytes.try_into().map_err(|_| BadCall::Length(what))
}

pub(crate) fn version(what: &'static str, bytes: &[u8]) -> Result<ProgramVersion, BadCall> {
    Ok(ProgramVersion(B256::from(hash(what, bytes)?)))
}

pub(super) fn name(name: &str) -> Result<ProverName, BadCall> {
    Ok(ProverName::new(name)?)
}

/// The batch of a message.
pub(crate) fn heard_batch(batch: Option<prover::BatchId>) -> Result<BatchId, BadCall> {
    let batch = batch.ok_or(BadCall::NoBatch)?;
    let level = match batch.level() {
        prover::Level::Range => ProofLevel::Range,
        prover::Level::Epoch => ProofLevel::Epoch,
        prover::Level::Unspecified => return Err(BadCall::Level),
    };
    let content = hash("the content of a batch", &batch.content)?;
    Ok(BatchId { number: CheckpointNumber(batch.number), level, content })
}

/// A batch as a message.
pub(crate) fn asked_batch(batch: &BatchId) -> prover::BatchId {
    let level = match batch.level {
        ProofLevel::Range => prover::Level::Range,
        ProofLevel::Epoch => prover::Level::Epoch,
    };
    prover::BatchId { number: batch.number.0, level: level.into(), content: batch.content.to_vec() }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn not_needed(why: NotNeeded, needed: &BTreeSet<ProverType>) -> ProverTypeNotNeeded {
    let reason = match why {
        NotNeeded::NotAskedFor => prover_type_not_needed::Reason::NotAskedFor,
        NotNeeded::NotBuiltIn => prover_type_not_needed::Reason::NotBuiltIn,
    };
    let needed = needed.iter().map(|prover| prover.name().to_owned()).collect();
    ProverTypeNotNeeded { reason: reason.into(), needed }
}

fn retry(reason: RetryReason, after: Duration) -> RetryLater {
    let reason = match reason {
        RetryReason::NoWork => retry_later::Reason::NoWork,
        RetryReason::AlreadyProven => retry_later::Reason::AlreadyProven,
        RetryReason::NoInput => retry_later::Reason::NoInput,
        RetryReason::Paused => retry_later::Reason::Paused,
        RetryReason::StoreAway => retry_later::Reason::StoreAway,
        RetryReason::Starting => retry_later::Reason::Starting,
        RetryReason::Busy => retry_later::Reason::Busy,
    };
    RetryLater { reason: reason.into(), after_ms: millis(after) }
}

/// An assignment without what is given is none: the batch was withdrawn in that moment.
pub(super) fn assigned(
    outcome: AssignOutcome,
    given: Option<Given>,
    needed: &BTreeSet<ProverType>,
) -> prover::AssignResponse {
    use assign_response::Outcome;
    let outcome = match (outcome, given) {
        (AssignOutcome::Assigned { batch, timeout }, Some(given)) => Outcome::Assigned(Assigned {
            batch: Some(asked_batch(&batch)),
            input_bytes: given.input_bytes,
            input_hash: given.input_hash.to_vec(),
            cycle_limit: given.cycle_limit.map_or(0, std::num::NonZero::get),
            timeout_ms: millis(timeout),
        }),
        (AssignOutcome::Assigned { .. }, None) => {
            Outcome::RetryLater(retry(RetryReason::NoWork, RetryReason::NoWork.after()))
        }
        (AssignOutcome::ProverTypeNotNeeded(why), _) => Outcome::ProverTypeNotNeeded(not_needed(why, needed)),
        (AssignOutcome::VersionMismatch(VersionMismatch { batch, needed, of }), _) => {
            let of = match of {
                MismatchOf::Batch => version_mismatch::Of::Batch,
                MismatchOf::Input => version_mismatch::Of::Input,
            };
            let (batch, needed) = (Some(asked_batch(&batch)), needed.0.to_vec());
            Outcome::VersionMismatch(prover::VersionMismatch { batch, needed, of: of.into() })
        }
        (AssignOutcome::RetryLater { reason, after }, _) => Outcome::RetryLater(retry(reason, after)),
    };
    prover::AssignResponse { outcome: Some(outcome) }
}

pub(super) fn submitted(outcome: SubmitOutcome, needed: &BTreeSet<ProverType>) -> prover::SubmitResponse {
    use submit_response::Outcome;
    let outcome = match outcome {
        SubmitOutcome::Stored => Outcome::Accepted(Accepted { dropped: false }),
        SubmitOutcome::Dropped => Outcome::Accepted(Accepted { dropped: true }),
        SubmitOutcome::Refused { reason, cause, paused } => {
            let reason = match reason {
                RefusedFor::Unreadable => proof_refused::Reason::Unreadable,
                RefusedFor::OtherProgram => proof_refused::Reason::OtherProgram,
                RefusedFor::OtherStatement => proof_refused::Reason::OtherStatement,
                RefusedFor::DoesNotHold => proof_refused::Reason::DoesNotHold,
                RefusedFor::UnknownBatch => proof_refused::Reason::UnknownBatch,
            };
            Outcome::Refused(ProofRefused { reason: reason.into(), cause, paused_ms: millis(paused) })
        }
        SubmitOutcome::RetryLater { reason, after } => Outcome::RetryLater(retry(reason, after)),
        SubmitOutcome::ProverTypeNotNeeded(why) => Outcome::ProverTypeNotNeeded(not_needed(why, needed)),
    };
    prover::SubmitResponse { outcome: Some(outcome) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_batch_survives_its_message_and_nonsense_does_not() {
        for level in [ProofLevel::Range, ProofLevel::Epoch] {
            let batch = BatchId { number: CheckpointNumber(7), level, content: [3; 32] };
            assert_eq!(heard_batch(Some(asked_batch(&batch))), Ok(batch));
        }
        let batch =
            asked_batch(&BatchId { number: CheckpointNumber(7), level: ProofLevel::Range, content: [3; 32] });
        let short = prover::BatchId { content: vec![1; 31], ..batch.clone() };
        assert_eq!(heard_batch(Some(short)), Err(BadCall::Length("the content of a batch")));
        assert_eq!(heard_batch(Some(prover::BatchId { level: 9, ..batch })), Err(BadCall::Level));
        assert_eq!(heard_batch(None), Err(BadCall::NoBatch));
        assert!(Status::from(version("a", &[1]).unwrap_err()).message().contains("32 bytes"));
    }
}
