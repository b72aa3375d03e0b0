//! The range program for OP Stack chains on SP1.
//!
//! Input: one byte string, as `proofmill_program::op::range` encodes it. Commits to what
//! `OpStatement::to_bytes` gives. Panics, so that there is no proof, when the blocks are not valid, or not those of L1.
#![no_main]

use proofmill_program::op::range;

sp1_zkvm::entrypoint!(main);

fn main() {
    proofmill_sp1_crypto::install();
    let input = sp1_zkvm::io::read_vec();
    match range::run_seeded(&input, |hash| proofmill_sp1_crypto::seed(&hash.0)) {
        Ok(values) => sp1_zkvm::io::commit_slice(&values.to_bytes()),
        Err(error) => panic!("{error}"),
    }
}
