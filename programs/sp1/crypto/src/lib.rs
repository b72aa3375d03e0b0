//! The hashes and signatures of a guest on SP1's precompiles: keccak256 for `alloy-primitives`, signature recovery
//! for `alloy-consensus`, and those of the EVM's precompiles that SP1 has something for: SHA-256, the pairing curves, KZG
//! proofs, P-256 and powers modulo 256 bits. Everything else stays the software that those crates bring.
//!
//! A guest calls [`install`] once, before it does anything else.

extern crate alloc;

#[cfg(feature = "curves")]
mod fields;
mod hashes;
#[cfg(feature = "secp256k1")]
mod hints;
#[cfg(feature = "curves")]
mod modexp;
#[cfg(feature = "secp256k1")]
mod numbers;
#[cfg(feature = "curves")]
mod p256;
#[cfg(feature = "secp256k1")]
mod recovery;
#[cfg(feature = "curves")]
mod scalars;

#[cfg(feature = "sha256")]
pub use hashes::sha256;

use proofmill_precompiles::Accelerator;

/// Makes revm, alloy and `keccak256` use the zkVM. A second call changes nothing.
pub fn install() {
    proofmill_precompiles::install::<Sp1>();
}

/// Seeds the hasher of all maps. A second call, or one after the first map was made, stops the guest.
pub fn seed(seed: &[u8; 32]) {
    foldhash::seed(seed);
}

/// [`proofmill_curves::verify_blobs`] on the precompiles of BLS12-381, and on that for products modulo its groups' order.
#[cfg(feature = "curves")]
pub fn verify_blobs(z: &[u8; 32], blobs: &[proofmill_curves::ScaledBlob<'_>], proof: &[u8; 48]) -> bool {
    proofmill_curves::verify_blobs::<fields::Bls12Coord, proofmill_curves::OnScalar<scalars::Scalar>>(z, blobs, proof)
}

struct Sp1;

impl Accelerator for Sp1 {
    const RECOVERS: bool = cfg!(feature = "secp256k1");

    #[cfg(feature = "curves")]
    type Fields = proofmill_precompiles::OnFields<fields::Bn254Coord, fields::Bls12Coord, Moduli>;
    #[cfg(not(feature = "curves"))]
    type Fields = proofmill_precompiles::Software;

    #[cfg(feature = "sha256")]
    fn sha256(input: &[u8]) -> [u8; 32] {
        hashes::sha256(input)
    }

    #[cfg(feature = "secp256k1")]
    fn recover(digest: &[u8; 32], r: &[u8; 32], s: &[u8; 32], recovery_id: u8) -> Option<[u8; 64]> {
        proofmill_secp256k1::recover::<recovery::Precompiles>(digest, r, s, recovery_id)
    }

    // Never called: `RECOVERS` says that it is not there.
    #[cfg(not(feature = "secp256k1"))]
    fn recover(_: &[u8; 32], _: &[u8; 32], _: &[u8; 32], _: u8) -> Option<[u8; 64]> {
        None
    }
}

#[cfg(feature = "curves")]
struct Moduli;

#[cfg(feature = "curves")]
impl proofmill_precompiles::Moduli for Moduli {
    fn secp256r1_verify_signature(digest: &[u8; 32], signature: &[u8; 64], key: &[u8; 64]) -> bool {
        p256::verify(digest, signature, key)
    }

    fn modexp(base: &[u8], exponent: &[u8], modulus: &[u8]) -> alloc::vec::Vec<u8> {
        modexp::modexp(base, exponent, modulus)
    }
}
