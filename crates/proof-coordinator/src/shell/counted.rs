//! What a coordinator of provers that pull counts, where the process has a recorder of metrics.

use crate::rules::{AskedType, AssignOutcome, Desk, SubmitOutcome};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use proofmill_fault::Fault;
use proofmill_primitives::ProverType;

const BATCHES: &str = "proofmill_pull_batches";
const TAKEN_BACK: &str = "proofmill_pull_batches_taken_back_total";
const GIVEN_BACK: &str = "proofmill_pull_batches_given_back_total";
const ANSWERS: &str = "proofmill_pull_answers_total";
const PROOFS: &str = "proofmill_pull_proofs_total";
const REFUSED: &str = "proofmill_pull_proofs_refused_total";

pub(super) fn describe() {
    describe_gauge!(BATCHES, "Batches that are to be proven, by prover type: waiting or held.");
    describe_counter!(TAKEN_BACK, "Batches that were taken from provers that were late.");
    describe_counter!(GIVEN_BACK, "Batches that provers gave back, by what they failed at.");
    describe_counter!(ANSWERS, "Calls for work, by prover type and what was answered.");
    describe_counter!(PROOFS, "Calls with a proof, by prover type and what was answered.");
    describe_counter!(REFUSED, "Proofs that were refused, by prover type and cause.");
}

/// What lies on the desk now.
pub(super) fn standing(desk: &Desk) {
    for (prover, (waiting, held)) in desk.standing() {
        for (state, batches) in [("waiting", waiting), ("held", held)] {
            gauge!(BATCHES, "prover" => prover.name(), "state" => state).set(batches as f64);
        }
    }
}

pub(super) fn taken_back(prover: ProverType) {
    counter!(TAKEN_BACK, "prover" => prover.name()).increment(1);
}

/// Without a fault its prover was stopped.
pub(super) fn given_back(prover: ProverType, fault: Option<&Fault>) {
    let fault = fault.map_or_else(|| "none".to_owned(), |fault| fault.code.to_string());
    counter!(GIVEN_BACK, "prover" => prover.name(), "fault" => fault).increment(1);
}

pub(super) fn answered(prover: &AskedType, outcome: &AssignOutcome) {
    counter!(ANSWERS, "prover" => name(prover), "outcome" => outcome.name()).increment(1);
}

pub(super) fn handed_in(prover: &AskedType, outcome: &SubmitOutcome) {
    counter!(PROOFS, "prover" => name(prover), "outcome" => outcome.name()).increment(1);
    if let SubmitOutcome::Refused { reason, .. } = outcome {
        counter!(REFUSED, "prover" => name(prover), "cause" => reason.name()).increment(1);
    }
}

/// Whoever invents types has no more than one name of them here.
const fn name(prover: &AskedType) -> &'static str {
    match prover {
        AskedType::Known(prover) => prover.name(),
        AskedType::NotBuiltIn => "other",
    }
}
