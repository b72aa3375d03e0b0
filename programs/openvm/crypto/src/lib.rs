//! The hashes and signatures of a guest on OpenVM's instructions: keccak256 for `alloy-primitives`, signature
//! recovery for `alloy-consensus` and for the EVM's precompile, the pairing curves and modular powers.
//! The other precompiles are software: what their instructions would save them, they would cost every proof (see the
//! backend's `machine.rs`).
//!
//! A guest calls [`install`] once, before it does anything else. The virtual machine must be configured with the
//! keccak, modular and elliptic curve extensions, and with the moduli and curves of `init.rs` and `element.rs` at their places.
#![no_std]

extern crate alloc;

mod hashes;
mod memory;
#[cfg(feature = "curves")]
mod fields;
#[cfg(feature = "secp256k1")]
mod element;
#[cfg(feature = "secp256k1")]
mod init;
#[cfg(feature = "secp256k1")]
mod recovery;

use proofmill_precompiles::Accelerator;

/// Makes revm, alloy and `keccak256` use the zkVM. A second call changes nothing.
pub fn install() {
    proofmill_precompiles::install::<OpenVm>();
}

/// Seeds the hasher of all maps. A second call, or one after the first map was made, stops the guest.
pub fn seed(seed: &[u8; 32]) {
    foldhash::seed(seed);
}

/// [`proofmill_curves::verify_blobs`] on the instructions of BLS12-381's base field.
#[cfg(feature = "curves")]
pub fn verify_blobs(
    z: &[u8; 32],
    blobs: &[proofmill_curves::ScaledBlob<'_>],
    proof: &[u8; 48],
) -> bool {
    use fields::Bls12Coord;
    proofmill_curves::verify_blobs::<Bls12Coord, proofmill_curves::OnWide<Bls12Coord>>(z, blobs, proof)
}

struct OpenVm;

impl Accelerator for OpenVm {
    const RECOVERS: bool = cfg!(feature = "secp256k1");

    #[cfg(feature = "curves")]
    type Fields = proofmill_precompiles::OnFields<
        fields::Bn254Coord,
        fields::Bls12Coord,
        proofmill_precompiles::OnWide<fields::Bls12Coord>,
    >;
    #[cfg(not(feature = "curves"))]
    type Fields = proofmill_precompiles::Software;

    #[cfg(feature = "secp256k1")]
    fn recover(digest: &[u8; 32], r: &[u8; 32], s: &[u8; 32], recovery_id: u8) -> Option<[u8; 64]> {
        proofmill_secp256k1::recover::<recovery::Instructions>(digest, r, s, recovery_id)
    }

    // Never called: `RECOVERS` says that it is not there.
    #[cfg(not(feature = "secp256k1"))]
    fn recover(_: &[u8; 32], _: &[u8; 32], _: &[u8; 32], _: u8) -> Option<[u8; 64]> {
        None
    }
}
