//! The aggregation program for OP Stack chains on OpenVM.
//!
//! Input: two byte strings. The first as `proofmill_program::op::aggregation::encode_input` makes it; the second, which the
//! backend adds, has 32 bytes for each range, in the same order: the commitment to the range's proof. Reveals the 32
//! bytes of `PublicValues::commitment`. Panics, so that there is no proof, when a proof is not one of the range program
//! with these public values, or when the ranges do not fit together or onto L1.
#![no_main]
#![no_std]

// Gives `alloy_primitives::keccak256` the machine's instructions.
use proofmill_openvm_crypto as _;

use proofmill_program::{PublicValues, op::aggregation};

openvm::entry!(main);

fn main() {
    let input = openvm::io::read_vec();
    let (by, ranges) = match aggregation::decode_input(&input) {
        Ok(read) => read,
        Err(error) => panic!("{error}"),
    };
    proofmill_openvm_proofs::verify(by.range_key, ranges.iter().map(PublicValues::commitment));
    match aggregation::fold(&by, &ranges) {
        Ok(values) => openvm::io::reveal_bytes32(values.commitment().0),
        Err(error) => panic!("{error}"),
    }
}
