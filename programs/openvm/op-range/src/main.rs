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
    match range::run_seeded::<Blobs>(&input, |hash| proofmill_openvm_crypto::seed(&hash.0)) {
        Ok(values) => openvm::io::reveal_bytes32(values.commitment().0),
        Err(error) => panic!("{error}"),
    }
}

#[cfg(not(feature = "curves"))]
use proofmill_program::op::Arkworks as Blobs;

/// Checks blobs on what the zkVM has for curves and fields.
#[cfg(feature = "curves")]
struct Blobs;

#[cfg(feature = "curves")]
impl proofmill_program::op::Kzg for Blobs {
    fn verify(z: &[u8; 32], blobs: &[proofmill_program::op::ScaledBlob<'_>], proof: &[u8; 48]) -> bool {
        proofmill_openvm_crypto::verify_blobs(z, blobs, proof)
    }
}
