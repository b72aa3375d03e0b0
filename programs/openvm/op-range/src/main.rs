//! The range program for OP Stack chains on OpenVM.
//!
//! Input: one byte string, as `proofmill_program::op::range` encodes it. Reveals the 32 bytes of
//! `OpStatement::commitment`. Panics, so that there is no proof, when the blocks are not valid, or not those of L1.
#![no_main]
#![no_std]

use proofmill_program::op::range;

openvm::entry!(main);

fn main() {
    proofmill_openvm_crypto::install();
    let input = openvm::io::read_vec();
    match range::run_seeded(&input, |hash| proofmill_openvm_crypto::seed(&hash.0)) {
        Ok(values) => openvm::io::reveal_bytes32(values.commitment().0),
        Err(error) => panic!("{error}"),
    }
}
