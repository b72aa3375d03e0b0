//! What an operator sees of settlement.

use crate::rules::{Call, CallReceipt, Quote};
use alloy_primitives::TxHash;
use proofmill_primitives::CheckpointNumber;
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, time::Duration};

/// Of so many batches it is known what their verification took.
const REMEMBERED: usize = 1_000;

/// A call that L1 took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledCall {
    /// Its first batch.
    pub first: CheckpointNumber,
    /// Its last.
    pub last: CheckpointNumber,
    /// The transaction.
    pub transaction: TxHash,
    /// Gas that it used.
    pub gas: u64,
    /// What it cost, in wei.
    pub fee: u128,
}

/// What a call would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotedCall {
    /// Its first batch.
    pub first: CheckpointNumber,
    /// Its last.
    pub last: CheckpointNumber,
    /// Gas on L1.
    pub gas: u64,
    /// What would be offered for it, in wei.
    pub fee: u128,
}

/// How settlement stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlingStatus {
    /// The last batch that is settled.
    pub settled: CheckpointNumber,
    /// Batches on L1 that are not.
    pub open: usize,
    /// Of those, the ones that have every proof and could go now.
    pub ready: usize,
    /// Proofs that are there and cannot be made ready for L1: their attestors are away, say. An earlier release does not tell it.
    #[serde(default)]
    pub unready: usize,
    /// For how long the one that is tried the longest.
    #[serde(default)]
    pub unready_for: Duration,
    /// The first and the last batch of the call that is under way.
    pub under_way: Option<(CheckpointNumber, CheckpointNumber)>,
    /// The last call of this process.
    pub last: Option<SettledCall>,
    /// In a dry run, what the next call would take.
    pub quote: Option<QuotedCall>,
}

/// What the verification of a batch took, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchGas {
    /// The batch.
    pub number: CheckpointNumber,
    /// Its call's transaction.
    pub transaction: TxHash,
    /// Its share of the gas.
    pub gas: u64,
}

/// What was settled by this process. Bounded.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) last: Option<SettledCall>,
    pub(super) quote: Option<QuotedCall>,
    batches: VecDeque<BatchGas>,
}

impl History {
    pub(super) fn settled(&mut self, call: &Call, receipt: &CallReceipt) {
        let CallReceipt { transaction, gas_used: gas, fee, .. } = *receipt;
        let (first, last) = (call.first, call.last);
        self.last = Some(SettledCall { first, last, transaction, gas, fee });
        self.quote = None;
        for number in first.0..=last.0 {
            let share = gas / call.batches();
            // A reorg may have it settled twice.
            self.batches.retain(|batch| batch.number.0 != number);
            self.batches.push_back(BatchGas { number: CheckpointNumber(number), transaction, gas: share });
        }
        self.batches.drain(..self.batches.len().saturating_sub(REMEMBERED));
    }

    pub(super) fn quoted(&mut self, call: &Call, quote: &Quote) {
        let Quote { gas, fee } = *quote;
        self.quote = Some(QuotedCall { first: call.first, last: call.last, gas, fee });
    }

    pub(super) fn batches(&self) -> Vec<BatchGas> {
        self.batches.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_batches_took_is_kept_of_a_bounded_number() {
        let mut history = History::default();
        for first in (1..=3_000).step_by(3) {
            let call = Call { first: CheckpointNumber(first), last: CheckpointNumber(first + 2) };
            let transaction = TxHash::with_last_byte(first as u8);
            history.settled(&call, &CallReceipt { transaction, block: 1, gas_used: 90, fee: 7 });
        }
        let batches = history.batches();
        assert_eq!(batches.len(), REMEMBERED);
        assert_eq!(
            (batches[0].number.0, batches[REMEMBERED - 1].number.0, batches[0].gas),
            (2_001, 3_000, 30)
        );
        // One that is settled again has one line.
        let again = Call { first: CheckpointNumber(2_500), last: CheckpointNumber(2_500) };
        let transaction = TxHash::repeat_byte(7);
        history.settled(&again, &CallReceipt { transaction, block: 2, gas_used: 50, fee: 7 });
        let of_it: Vec<_> = history.batches().into_iter().filter(|batch| batch.number.0 == 2_500).collect();
        assert_eq!(of_it, [BatchGas { number: CheckpointNumber(2_500), transaction, gas: 50 }]);
        assert_eq!(history.batches().len(), REMEMBERED);
    }
}
