//! What settlement counts, where the process has a recorder of metrics.

use crate::rules::{Call, CallReceipt, Discard, Why};
use metrics::{counter, describe_counter, describe_gauge, gauge};

const CALLS: &str = "proofmill_settle_calls_total";
const BATCHES: &str = "proofmill_settle_batches_total";
const GAS: &str = "proofmill_settle_gas_total";
const FEE: &str = "proofmill_settle_fee_eth_total";
const REFUSED: &str = "proofmill_settle_proofs_refused_total";
const SETTLED: &str = "proofmill_settle_settled_batch";
const OPEN: &str = "proofmill_settle_open_batches";
const READY: &str = "proofmill_settle_ready_batches";

pub(super) fn describe() {
    describe_counter!(CALLS, "Calls of verifyBatches, by how they ended.");
    describe_counter!(BATCHES, "Batches that this process settled.");
    describe_counter!(GAS, "Gas of L1 that settling them used.");
    describe_counter!(FEE, "What that cost, in ether.");
    describe_counter!(REFUSED, "Proofs that L1 or its attestors refused, by prover type.");
    describe_gauge!(SETTLED, "The last batch that is settled.");
    describe_gauge!(OPEN, "Batches on L1 that are not settled.");
    describe_gauge!(READY, "Of those, the ones that have every proof and could go now.");
}

pub(super) fn settled(call: &Call, receipt: &CallReceipt) {
    counter!(CALLS, "outcome" => "settled").increment(1);
    counter!(BATCHES).increment(call.batches());
    counter!(GAS).increment(receipt.gas_used);
    // A counter of whole numbers would be of gwei; a gauge that only grows is read the same.
    gauge!(FEE).increment(receipt.fee as f64 / 1e18);
}

pub(super) fn unsent() {
    counter!(CALLS, "outcome" => "unsent").increment(1);
}

pub(super) fn failed(why: Why) {
    counter!(CALLS, "outcome" => why.name()).increment(1);
}

pub(super) fn refused(discard: &Discard) {
    counter!(REFUSED, "prover" => discard.prover.name()).increment(1);
}

pub(super) fn standing(settled: u64, open: usize, ready: usize) {
    gauge!(SETTLED).set(settled as f64);
    gauge!(OPEN).set(open as f64);
    gauge!(READY).set(ready as f64);
}
