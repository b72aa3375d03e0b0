//! The aggregation program for OP Stack chains on SP1.
//!
//! Input: one byte string, as `proofmill_program::op::aggregation::encode_input` makes it, and beside it a compressed proof
//! for each range, in the same order. Commits to OP Succinct's `AggregationOutputs`. Panics, so that there is no
//! proof, when a proof is not one of the range program with these public values, or when the ranges do not fit together.
#![no_main]

use proofmill_program::{PublicValues, op::aggregation};

sp1_zkvm::entrypoint!(main);

fn main() {
    let input = sp1_zkvm::io::read_vec();
    let (by, ranges) = match aggregation::decode_input(&input) {
        Ok(read) => read,
        Err(error) => panic!("{error}"),
    };
    proofmill_sp1_proofs::verify(&by.range_key.0, ranges.iter().map(PublicValues::to_bytes));
    match aggregation::fold(&by, &ranges) {
        Ok(values) => sp1_zkvm::io::commit_slice(&values.to_bytes()),
        Err(error) => panic!("{error}"),
    }
}
