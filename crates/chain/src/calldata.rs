//! How long a call of `verifyBatches` is. Nodes take no transaction of more than 128 KiB.

use crate::SubmittedProof;
use alloy_primitives::Bytes;

const WORD: u64 = 32;

/// Bytes of a call without its batches: the selector, two numbers, and the place and the count of the batches.
pub const CALL_BYTES: u64 = 4 + 4 * WORD;
/// Bytes of a batch without its proofs: its place, and the place and the count of these.
pub const BATCH_BYTES: u64 = 3 * WORD;

impl SubmittedProof {
    /// The bytes that it takes in a call of [`verify_batches`](crate::Rollup::verify_batches): its two texts, each padded to words, their
    /// lengths and places, and its own place.
    pub fn calldata_bytes(&self) -> u64 {
        let padded = |text: &Bytes| (text.len() as u64).div_ceil(WORD) * WORD;
        padded(&self.public_values) + padded(&self.proof) + 5 * WORD
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::Rollup::{BatchProof, Proof, verifyBatchesCall};
    use alloy_primitives::Address;
    use alloy_sol_types::SolCall;

    #[test]
    fn a_call_is_as_long_as_it_is_said_to_be() {
        for (batches, types) in [(0, 0), (1, 1), (1, 3), (16, 2), (300, 1)] {
            for length in [0, 1, 31, 32, 33, 130] {
                let submitted =
                    SubmittedProof { public_values: vec![7; 352].into(), proof: vec![7; length].into() };
                let SubmittedProof { public_values, proof } = submitted.clone();
                let proof = Proof { publicValues: public_values, proof };
                let batch = BatchProof { proofs: vec![proof; types] };
                let call =
                    verifyBatchesCall { first: 1, prover: Address::ZERO, batches: vec![batch; batches] };
                let (batches, types) = (batches as u64, types as u64);
                let said = CALL_BYTES + batches * (BATCH_BYTES + types * submitted.calldata_bytes());
                assert_eq!(
                    call.abi_encode().len() as u64,
                    said,
                    "{batches} batches of {types}, {length} bytes"
                );
            }
        }
    }
}
