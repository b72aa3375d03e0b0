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
    describe_counter!(GAS, "Gas of L1 that settling used, also by transactions that failed.");
    describe_counter!(FEE, "What that cost, in ether.");
    describe_counter!(REFUSED, "Proofs that L1 or its attestors refused, by prover type.");
    describe_gauge!(SETTLED, "The last batch that is settled.");
    describe_gauge!(OPEN, "Batches on L1 that are not settled.");
    describe_gauge!(READY, "Of those, the ones that have every proof and could go now.");
}

pub(super) fn settled(call: &Call, receipt: &CallReceipt) {
    counter!(CALLS, "outcome" => "settled").increment(1);
    counter!(BATCHES).increment(call.batches());
    spent(receipt);
}

/// A transaction is paid for, whatever came of it.
fn spent(receipt: &CallReceipt) {
    counter!(GAS).increment(receipt.gas_used);
    // A counter of whole numbers would be of gwei; a gauge that only grows is read the same.
    gauge!(FEE).increment(receipt.fee as f64 / 1e18);
}

pub(super) fn unsent() {
    counter!(CALLS, "outcome" => "unsent").increment(1);
}

pub(super) fn failed(why: Why, receipt: Option<&CallReceipt>) {
    counter!(CALLS, "outcome" => why.name()).increment(1);
    if let Some(receipt) = receipt {
        spent(receipt);
    }
}

pub(super) fn refused(discard: &Discard) {
    counter!(REFUSED, "prover" => discard.prover.name()).increment(1);
}

pub(super) fn standing(settled: u64, open: usize, ready: usize) {
    gauge!(SETTLED).set(settled as f64);
    gauge!(OPEN).set(open as f64);
    gauge!(READY).set(ready as f64);
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloy_primitives::TxHash;
    use metrics::{
        Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit, with_local_recorder,
    };
    use std::{
        collections::BTreeMap,
        sync::{
            Arc, Mutex,
            atomic::{AtomicU64, Ordering},
        },
    };

    /// What was counted, by name.
    #[derive(Default)]
    struct Counted(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

    impl Counted {
        fn of(&self, name: &str) -> Arc<AtomicU64> {
            Arc::clone(self.0.lock().unwrap().entry(name.to_owned()).or_default())
        }
    }

    impl Recorder for Counted {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.of(key.name()))
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.of(key.name()))
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn what_failed_on_l1_is_paid_for_too() {
        let counted = Counted::default();
        let receipt = |gas_used, fee| CallReceipt { transaction: TxHash::ZERO, block: 1, gas_used, fee };
        let call = Call {
            first: proofmill_primitives::CheckpointNumber(1),
            last: proofmill_primitives::CheckpointNumber(2),
        };
        with_local_recorder(&counted, || {
            settled(&call, &receipt(90_000, 2_000_000_000_000_000));
            failed(Why::NotMade, None);
            failed(Why::NotNext { expected: call.last }, Some(&receipt(30_000, 1_000_000_000_000_000)));
        });
        assert_eq!(counted.of(GAS).load(Ordering::Relaxed), 120_000);
        let fee = f64::from_bits(counted.of(FEE).load(Ordering::Relaxed));
        assert!((fee - 0.003).abs() < 1e-9, "{fee}");
        assert_eq!(counted.of(CALLS).load(Ordering::Relaxed), 3);
        assert_eq!(counted.of(BATCHES).load(Ordering::Relaxed), 2);
    }
}
