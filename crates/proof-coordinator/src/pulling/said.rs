//! What a prover says of its coordinators: when something changes, with the cause and the remedy.

use crate::rules::Programs;
use alloy_primitives::hex;
use proofmill_primitives::ProverType;
use proofmill_wire::prover::{
    ProverTypeNotNeeded, RetryLater, VersionMismatch, prover_type_not_needed::Reason,
};
use tonic::{Code, Status};

pub(super) fn not_needed(coordinator: &str, prover: ProverType, answer: &ProverTypeNotNeeded) {
    let needed = answer.needed.join(", ");
    let remedy = match answer.reason() {
        Reason::NotBuiltIn => "its release does not know the type: run the same release on both sides",
        _ => "its rollup does not ask for such proofs: give it a prover of a type that it needs",
    };
    tracing::warn!(coordinator, %prover, needed, remedy, "a coordinator does not need this prover's type: going on with the others");
}

pub(super) fn mismatch(coordinator: &str, programs: &Programs, answer: &VersionMismatch) {
    let needed = hex::encode_prefixed(&answer.needed);
    let batch = answer.batch.as_ref().map_or(0, |batch| batch.number);
    tracing::warn!(
        coordinator,
        batch,
        needed,
        range = %programs.range,
        aggregation = %programs.aggregation,
        "a coordinator has work for another program version: run the release that has it; going on with the others"
    );
}

/// A call came to nothing. What speaks another version answers all the same.
pub(super) fn away(coordinator: &str, status: &Status) {
    if status.code() == Code::Unimplemented {
        return other_version(coordinator);
    }
    let cause = status.message();
    tracing::warn!(
        coordinator,
        code = ?status.code(),
        cause,
        "a coordinator does not answer: check that it runs and that --coordinator is its address; going on with the others"
    );
}

/// It does not know the call, or its answer cannot be read.
pub(super) fn other_version(coordinator: &str) {
    tracing::warn!(
        coordinator,
        "a coordinator speaks another version: run the same release on both sides, and check that --coordinator is the \
         --pull-listen of one and not another service's address; going on with the others"
    );
}

pub(super) fn nothing(coordinator: &str, answer: &RetryLater) {
    let reason = answer.reason().as_str_name();
    tracing::debug!(coordinator, reason, "a coordinator has no work now");
}
