//! Gives revm and alloy what a zkVM accelerates, and software for the rest.
//!
//! A guest describes its zkVM as an [`Accelerator`] and calls [`install`] once, before anything else.
#![no_std]

extern crate alloc;

mod fields;

pub use fields::{Fields, Moduli, OnFields, OnWide, Software};

use alloc::{sync::Arc, vec::Vec};
use alloy_consensus::crypto::{RecoveryError, backend::CryptoProvider};
use alloy_primitives::{Address, keccak256};
use core::{fmt, marker::PhantomData};
use revm_precompile::{
    Crypto, DefaultCrypto, PrecompileHalt,
    bls12_381::{G1Point, G1PointScalar, G2Point, G2PointScalar},
};

/// What a zkVM does faster than software. What is not overridden is software.
pub trait Accelerator: Send + Sync + 'static {
    /// Whether [`recover`](Self::recover) is there; software recovers signatures otherwise.
    const RECOVERS: bool;

    /// The pairing curves, P-256 and modular powers: [`OnFields`], or [`Software`].
    type Fields: Fields;

    /// SHA-256.
    fn sha256(input: &[u8]) -> [u8; 32] {
        DefaultCrypto.sha256(input)
    }

    /// The public key (x then y, big-endian) that signed `digest`, or `None` when no key can have. `recovery_id` is 0 to 3.
    fn recover(digest: &[u8; 32], r: &[u8; 32], s: &[u8; 32], recovery_id: u8) -> Option<[u8; 64]>;
}

/// Makes revm's precompiles and alloy's signature recovery use the accelerator. A second call changes nothing.
pub fn install<A: Accelerator>() {
    revm_precompile::install_crypto(Accelerated::<A>(PhantomData));
    if A::RECOVERS {
        // An error means that a provider is already there.
        let _ = alloy_consensus::crypto::install_default_provider(Arc::new(Accelerated::<A>(PhantomData)));
    }
}

struct Accelerated<A>(PhantomData<A>);

impl<A> fmt::Debug for Accelerated<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accelerated")
    }
}

// Every method stands here although most only call the default: the default is linked in any case, and a trait's
// provided method would be compiled into a second copy, which was a quarter of the program.
impl<A: Accelerator> Crypto for Accelerated<A> {
    fn sha256(&self, input: &[u8]) -> [u8; 32] {
        A::sha256(input)
    }

    fn secp256k1_ecrecover(&self, sig: &[u8; 64], recid: u8, msg: &[u8; 32]) -> Result<[u8; 32], PrecompileHalt> {
        if !A::RECOVERS {
            return DefaultCrypto.secp256k1_ecrecover(sig, recid, msg);
        }
        let key = recover::<A>(sig, recid, msg).ok_or(PrecompileHalt::Secp256k1RecoverFailed)?;
        let mut word = keccak256(key);
        word[..12].fill(0);
        Ok(word.0)
    }

    fn ripemd160(&self, input: &[u8]) -> [u8; 32] {
        DefaultCrypto.ripemd160(input)
    }

    fn bn254_g1_add(&self, p1: &[u8], p2: &[u8]) -> Result<[u8; 64], PrecompileHalt> {
        A::Fields::bn254_g1_add(p1, p2)
    }

    fn bn254_g1_mul(&self, point: &[u8], scalar: &[u8]) -> Result<[u8; 64], PrecompileHalt> {
        A::Fields::bn254_g1_mul(point, scalar)
    }

    fn bn254_pairing_check(&self, pairs: &[(&[u8], &[u8])]) -> Result<bool, PrecompileHalt> {
        A::Fields::bn254_pairing_check(pairs)
    }

    fn modexp(&self, base: &[u8], exp: &[u8], modulus: &[u8]) -> Result<Vec<u8>, PrecompileHalt> {
        A::Fields::modexp(base, exp, modulus)
    }

    fn blake2_compress(&self, rounds: u32, h: &mut [u64; 8], m: &[u64; 16], t: &[u64; 2], f: bool) {
        DefaultCrypto.blake2_compress(rounds, h, m, t, f);
    }

    fn secp256r1_verify_signature(&self, msg: &[u8; 32], sig: &[u8; 64], pk: &[u8; 64]) -> bool {
        A::Fields::secp256r1_verify_signature(msg, sig, pk)
    }

    fn verify_kzg_proof(
        &self,
        z: &[u8; 32],
        y: &[u8; 32],
        commitment: &[u8; 48],
        proof: &[u8; 48],
    ) -> Result<(), PrecompileHalt> {
        A::Fields::verify_kzg_proof(z, y, commitment, proof)
    }

    fn bls12_381_g1_add(&self, a: G1Point, b: G1Point) -> Result<[u8; 96], PrecompileHalt> {
        A::Fields::bls12_381_g1_add(a, b)
    }

    fn bls12_381_g1_msm(
        &self,
        pairs: &mut dyn Iterator<Item = Result<G1PointScalar, PrecompileHalt>>,
    ) -> Result<[u8; 96], PrecompileHalt> {
        A::Fields::bls12_381_g1_msm(pairs)
    }

    fn bls12_381_g2_add(&self, a: G2Point, b: G2Point) -> Result<[u8; 192], PrecompileHalt> {
        A::Fields::bls12_381_g2_add(a, b)
    }

    fn bls12_381_g2_msm(
        &self,
        pairs: &mut dyn Iterator<Item = Result<G2PointScalar, PrecompileHalt>>,
    ) -> Result<[u8; 192], PrecompileHalt> {
        A::Fields::bls12_381_g2_msm(pairs)
    }

    fn bls12_381_pairing_check(&self, pairs: &[(G1Point, G2Point)]) -> Result<bool, PrecompileHalt> {
        A::Fields::bls12_381_pairing_check(pairs)
    }

    fn bls12_381_fp_to_g1(&self, fp: &[u8; 48]) -> Result<[u8; 96], PrecompileHalt> {
        A::Fields::bls12_381_fp_to_g1(fp)
    }

    fn bls12_381_fp2_to_g2(&self, fp2: ([u8; 48], [u8; 48])) -> Result<[u8; 192], PrecompileHalt> {
        A::Fields::bls12_381_fp2_to_g2(fp2)
    }
}

impl<A: Accelerator> CryptoProvider for Accelerated<A> {
    fn recover_signer_unchecked(&self, sig: &[u8; 65], msg: &[u8; 32]) -> Result<Address, RecoveryError> {
        let (signature, id) = sig.split_first_chunk().ok_or_else(RecoveryError::new)?;
        let key = recover::<A>(signature, id[0], msg).ok_or_else(RecoveryError::new)?;
        Ok(Address::from_raw_public_key(&key))
    }

    fn verify_and_compute_signer_unchecked(
        &self,
        pubkey: &[u8; 65],
        sig: &[u8; 64],
        msg: &[u8; 32],
    ) -> Result<Address, RecoveryError> {
        // A signature fits at most four keys, and recovering finds them.
        for id in 0..4 {
            if recover::<A>(sig, id, msg).is_some_and(|key| pubkey[0] == 4 && key == pubkey[1..]) {
                return Ok(Address::from_raw_public_key(&pubkey[1..]));
            }
        }
        Err(RecoveryError::new())
    }
}

fn recover<A: Accelerator>(sig: &[u8; 64], id: u8, msg: &[u8; 32]) -> Option<[u8; 64]> {
    A::recover(msg, sig.first_chunk()?, sig.last_chunk()?, id)
}
