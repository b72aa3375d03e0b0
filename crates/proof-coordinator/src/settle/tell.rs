//! The log of settlement.

use super::metrics;
use crate::rules::{Call, CallReceipt, Consequence, Discard};

/// The log of a transaction that failed.
pub(super) fn tell_spent(call: &Call, spent: &CallReceipt) {
    tracing::warn!(
        event = "transaction_failed",
        first = call.first.0,
        last = call.last.0,
        transaction = %spent.transaction,
        l1_block = spent.block,
        gas = spent.gas_used,
        fee_wei = spent.fee,
        "a transaction failed on L1, and is paid for"
    );
}

/// The log of what was decided.
pub(super) fn tell(consequence: &Consequence) {
    match consequence {
        Consequence::Settled(call, receipt) => {
            metrics::settled(call, receipt);
            tracing::info!(
                event = "batches_settled",
                first = call.first.0,
                last = call.last.0,
                transaction = %receipt.transaction,
                l1_block = receipt.block,
                gas = receipt.gas_used,
                gas_per_batch = receipt.gas_used / call.batches(),
                fee_wei = receipt.fee,
                "batches are settled"
            );
        }
        Consequence::Quoted(call, quote) => {
            metrics::unsent();
            let (first, last, gas, fee_wei) = (call.first.0, call.last.0, quote.gas, quote.fee);
            let gas_per_batch = gas / call.batches();
            tracing::info!(
                first,
                last,
                gas,
                gas_per_batch,
                fee_wei,
                "batches would be settled: nothing is sent"
            );
        }
        Consequence::SettledBefore(through) => {
            tracing::info!(
                event = "batches_settled_before",
                through = through.0,
                "batches were settled already, by another prover or before a restart"
            );
        }
        Consequence::OneByOne { call, why, cause } => {
            let (first, last, why) = (call.first.0, call.last.0, why.name());
            tracing::warn!(
                event = "submission_failed",
                first,
                last,
                why,
                cause,
                "batches are not settled together: each goes alone now"
            );
        }
        Consequence::Again { call, why, cause, after } => {
            let (first, last, why, again_in_s) = (call.first.0, call.last.0, why.name(), after.as_secs());
            tracing::warn!(
                event = "submission_failed",
                first,
                last,
                why,
                cause,
                again_in_s,
                "batches are not settled now"
            );
        }
        // Told with its evidence.
        Consequence::Discard(_) => {}
    }
}

/// The log of a proof that is refused.
pub(super) fn tell_refused(discard: &Discard) {
    let Discard { number, prover, cause, times, after } = discard;
    metrics::refused(discard);
    if *times > 1 {
        tracing::error!(
            event = "proof_refused", batch = number.0, %prover, cause, times, again_in_s = after.as_secs(),
            "a batch is not settled: its proof was made anew, and is refused again"
        );
    } else {
        tracing::warn!(
            event = "proof_refused", batch = number.0, %prover, cause,
            "a proof is refused, deleted and made anew"
        );
    }
}
