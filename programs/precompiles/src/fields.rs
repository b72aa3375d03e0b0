//! What is computed in large fields: on a machine's own, or in software.

use alloc::vec::Vec;
use core::marker::PhantomData;
use proofmill_curves::{Invalid, Prime, Wide, bls12_381, bn254, p256, verify_kzg_proof};
use revm_precompile::{
    Crypto, DefaultCrypto, PrecompileHalt,
    bls12_381::{G1Point, G1PointScalar, G2Point, G2PointScalar},
};

/// What the precompiles of BN254, BLS12-381, KZG proofs, P-256 and modular powers compute, as [`Crypto`] has it.
#[allow(missing_docs, clippy::missing_errors_doc)]
pub trait Fields: Send + Sync + 'static {
    fn bn254_g1_add(p1: &[u8], p2: &[u8]) -> Result<[u8; 64], PrecompileHalt> {
        DefaultCrypto.bn254_g1_add(p1, p2)
    }

    fn bn254_g1_mul(point: &[u8], scalar: &[u8]) -> Result<[u8; 64], PrecompileHalt> {
        DefaultCrypto.bn254_g1_mul(point, scalar)
    }

    fn bn254_pairing_check(pairs: &[(&[u8], &[u8])]) -> Result<bool, PrecompileHalt> {
        DefaultCrypto.bn254_pairing_check(pairs)
    }

    fn secp256r1_verify_signature(digest: &[u8; 32], signature: &[u8; 64], key: &[u8; 64]) -> bool {
        DefaultCrypto.secp256r1_verify_signature(digest, signature, key)
    }

    fn modexp(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Result<Vec<u8>, PrecompileHalt> {
        DefaultCrypto.modexp(base, exponent, modulus)
    }

    fn verify_kzg_proof(
        z: &[u8; 32],
        y: &[u8; 32],
        commitment: &[u8; 48],
        proof: &[u8; 48],
    ) -> Result<(), PrecompileHalt> {
        DefaultCrypto.verify_kzg_proof(z, y, commitment, proof)
    }

    fn bls12_381_g1_add(a: G1Point, b: G1Point) -> Result<[u8; 96], PrecompileHalt> {
        DefaultCrypto.bls12_381_g1_add(a, b)
    }

    fn bls12_381_g1_msm(
        pairs: &mut dyn Iterator<Item = Result<G1PointScalar, PrecompileHalt>>,
    ) -> Result<[u8; 96], PrecompileHalt> {
        DefaultCrypto.bls12_381_g1_msm(pairs)
    }

    fn bls12_381_g2_add(a: G2Point, b: G2Point) -> Result<[u8; 192], PrecompileHalt> {
        DefaultCrypto.bls12_381_g2_add(a, b)
    }

    fn bls12_381_g2_msm(
        pairs: &mut dyn Iterator<Item = Result<G2PointScalar, PrecompileHalt>>,
    ) -> Result<[u8; 192], PrecompileHalt> {
        DefaultCrypto.bls12_381_g2_msm(pairs)
    }

    fn bls12_381_pairing_check(pairs: &[(G1Point, G2Point)]) -> Result<bool, PrecompileHalt> {
        DefaultCrypto.bls12_381_pairing_check(pairs)
    }

    fn bls12_381_fp_to_g1(fp: &[u8; 48]) -> Result<[u8; 96], PrecompileHalt> {
        DefaultCrypto.bls12_381_fp_to_g1(fp)
    }

    fn bls12_381_fp2_to_g2(fp2: ([u8; 48], [u8; 48])) -> Result<[u8; 192], PrecompileHalt> {
        DefaultCrypto.bls12_381_fp2_to_g2(fp2)
    }
}

/// revm's software.
pub struct Software;

impl Fields for Software {}

/// `proofmill-curves` on a machine's coordinate fields of BN254 and BLS12-381, and the [`Moduli`] that have no field there.
pub struct OnFields<N, L, M>(PhantomData<fn() -> (N, L, M)>);

/// P-256 and modular powers, for [`OnFields`].
#[allow(missing_docs)]
pub trait Moduli: Send + Sync + 'static {
    fn secp256r1_verify_signature(digest: &[u8; 32], signature: &[u8; 64], key: &[u8; 64]) -> bool;

    fn modexp(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Vec<u8>;
}

/// Both on a field of 48 bytes.
pub struct OnWide<L>(PhantomData<fn() -> L>);

impl<L: Wide> Moduli for OnWide<L> {
    fn secp256r1_verify_signature(digest: &[u8; 32], signature: &[u8; 64], key: &[u8; 64]) -> bool {
        p256::verify::<L>(digest, signature, key)
    }

    fn modexp(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
        proofmill_curves::modexp::<L>(base, exponent, modulus)
    }
}

fn bn254_halt(invalid: Invalid) -> PrecompileHalt {
    match invalid {
        Invalid::Encoding => PrecompileHalt::Bn254FieldPointNotAMember,
        Invalid::NotOnCurve | Invalid::NotInSubgroup => PrecompileHalt::Bn254AffineGFailedToCreate,
    }
}

fn first_halt(invalid: Invalid) -> PrecompileHalt {
    match invalid {
        Invalid::Encoding => PrecompileHalt::NonCanonicalFp,
        Invalid::NotOnCurve => PrecompileHalt::Bls12381G1NotOnCurve,
        Invalid::NotInSubgroup => PrecompileHalt::Bls12381G1NotInSubgroup,
    }
}

fn second_halt(invalid: Invalid) -> PrecompileHalt {
    match invalid {
        Invalid::Encoding => PrecompileHalt::NonCanonicalFp,
        Invalid::NotOnCurve => PrecompileHalt::Bls12381G2NotOnCurve,
        Invalid::NotInSubgroup => PrecompileHalt::Bls12381G2NotInSubgroup,
    }
}

impl<N: Prime, L: Prime, M: Moduli> Fields for OnFields<N, L, M> {
    fn bn254_g1_add(p1: &[u8], p2: &[u8]) -> Result<[u8; 64], PrecompileHalt> {
        bn254::g1_add::<N>(p1, p2).map_err(bn254_halt)
    }

    fn bn254_g1_mul(point: &[u8], scalar: &[u8]) -> Result<[u8; 64], PrecompileHalt> {
        bn254::g1_mul::<N>(point, scalar).map_err(bn254_halt)
    }

    fn bn254_pairing_check(pairs: &[(&[u8], &[u8])]) -> Result<bool, PrecompileHalt> {
        bn254::pairing_check::<N>(pairs).map_err(bn254_halt)
    }

    fn secp256r1_verify_signature(digest: &[u8; 32], signature: &[u8; 64], key: &[u8; 64]) -> bool {
        M::secp256r1_verify_signature(digest, signature, key)
    }

    fn modexp(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Result<Vec<u8>, PrecompileHalt> {
        Ok(M::modexp(base, exponent, modulus))
    }

    fn verify_kzg_proof(
        z: &[u8; 32],
        y: &[u8; 32],
        commitment: &[u8; 48],
        proof: &[u8; 48],
    ) -> Result<(), PrecompileHalt> {
        if verify_kzg_proof::<L>(z, y, commitment, proof) {
            Ok(())
        } else {
            Err(PrecompileHalt::BlobVerifyKzgProofFailed)
        }
    }

    fn bls12_381_g1_add(a: G1Point, b: G1Point) -> Result<[u8; 96], PrecompileHalt> {
        bls12_381::g1_add::<L>(&a, &b).map_err(first_halt)
    }

    fn bls12_381_g1_msm(
        pairs: &mut dyn Iterator<Item = Result<G1PointScalar, PrecompileHalt>>,
    ) -> Result<[u8; 96], PrecompileHalt> {
        bls12_381::g1_msm::<L, _>(pairs, first_halt)
    }

    fn bls12_381_g2_add(a: G2Point, b: G2Point) -> Result<[u8; 192], PrecompileHalt> {
        bls12_381::g2_add::<L>(&a, &b).map_err(second_halt)
    }

    fn bls12_381_g2_msm(
        pairs: &mut dyn Iterator<Item = Result<G2PointScalar, PrecompileHalt>>,
    ) -> Result<[u8; 192], PrecompileHalt> {
        bls12_381::g2_msm::<L, _>(pairs, second_halt)
    }

    fn bls12_381_pairing_check(pairs: &[(G1Point, G2Point)]) -> Result<bool, PrecompileHalt> {
        bls12_381::pairing_check::<L>(pairs).map_err(first_halt)
    }

    fn bls12_381_fp_to_g1(fp: &[u8; 48]) -> Result<[u8; 96], PrecompileHalt> {
        bls12_381::map_to_g1::<L>(fp).map_err(first_halt)
    }

    fn bls12_381_fp2_to_g2(fp2: ([u8; 48], [u8; 48])) -> Result<[u8; 192], PrecompileHalt> {
        bls12_381::map_to_g2::<L>(&fp2).map_err(second_halt)
    }
}
