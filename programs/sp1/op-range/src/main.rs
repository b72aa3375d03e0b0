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
    match range::run_seeded::<Blobs>(&input, |hash| proofmill_sp1_crypto::seed(&hash.0)) {
        Ok(values) => sp1_zkvm::io::commit_slice(&values.to_bytes()),
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
        proofmill_sp1_crypto::verify_blobs(z, blobs, proof)
    }
}
