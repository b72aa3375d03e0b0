//! The `body` of a finished SP1 proof: the program's verifying key, and the proof as SP1 knows it.

use crate::{guard, stdin};
use alloy_primitives::B256;
use proofmill_backends::BackendError;
use proofmill_primitives::{ProgramVersion, ProofMode};
use serde::{Deserialize, Serialize};
use slop_algebra::PrimeField32;
use sp1_hypercube::{HashableKey, SP1VerifyingKey, air::SP1CorePublicValues};
use sp1_primitives::{
    SP1Field,
    io::{blake3_hash, sha256_hash},
};
use sp1_recursion_executor::RecursionPublicValues;
use sp1_verifier::SP1Proof;
use std::borrow::Borrow;

/// A proof needs the program's key beside it: a verifier checks the proof against the key, and the key against the
/// program version that it expects.
#[derive(Serialize, Deserialize)]
pub(crate) struct Body {
    pub(crate) vk: SP1VerifyingKey,
    pub(crate) proof: SP1Proof,
}

impl Body {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, BackendError> {
        bincode::serialize(self).map_err(|error| guard::prover("encoding a proof", error))
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        stdin::read(bytes)
    }

    /// How far the proof was carried.
    pub(crate) fn mode(&self) -> ProofMode {
        match self.proof {
            SP1Proof::Core(_) => ProofMode::Core,
            SP1Proof::Compressed(_) => ProofMode::Compressed,
            SP1Proof::Plonk(_) => ProofMode::Plonk,
            SP1Proof::Groth16(_) => ProofMode::Groth16,
        }
    }

    /// The digest of the public values that the proof itself states.
    pub(crate) fn committed_digest(&self) -> Result<Vec<u8>, String> {
        let words = match &self.proof {
            SP1Proof::Core(shards) => {
                let shard = shards.last().ok_or("it has no shards")?;
                guard::catch(|| {
                    let values: &SP1CorePublicValues<SP1Field> = shard.public_values.as_slice().borrow();
                    values.committed_value_digest
                })?
            }
            SP1Proof::Compressed(proof) => guard::catch(|| {
                let values: &RecursionPublicValues<SP1Field> = proof.proof.public_values.as_slice().borrow();
                values.committed_value_digest
            })?,
            other => return Err(format!("this backend makes no {other} proofs")),
        };
        words
            .iter()
            .flatten()
            .map(|byte| {
                u8::try_from(byte.as_canonical_u32())
                    .map_err(|_| "its digest is not made of bytes".to_owned())
            })
            .collect()
    }

    /// Whether the program verified proofs that this proof does not prove to hold. A program only notes what it verifies;
    /// that there are such proofs is checked where its own is compressed, and nowhere before.
    pub(crate) fn leaves_proofs_open(&self) -> Result<bool, String> {
        let SP1Proof::Core(shards) = &self.proof else { return Ok(false) };
        let shard = shards.last().ok_or("it has no shards")?;
        guard::catch(|| {
            let values: &SP1CorePublicValues<SP1Field> = shard.public_values.as_slice().borrow();
            values.deferred_proofs_digest.iter().any(|limb| limb.as_canonical_u32() != 0)
        })
    }

    /// Whether the proof commits to these public values. A program hashes them with SHA-256 or with BLAKE3.
    pub(crate) fn commits_to(&self, public_values: &[u8]) -> Result<bool, String> {
        let digest = self.committed_digest()?;
        Ok(digest == sha256_hash(public_values) || digest == blake3_hash(public_values))
    }
}

/// The program version as verifier contracts take it: the hash of the verifying key.
pub(crate) fn version_of(vk: &SP1VerifyingKey) -> Result<ProgramVersion, String> {
    // Not `bytes32_raw`, which panics where the hash begins with a zero byte.
    let hash = guard::catch(|| vk.bytes32())?;
    hash.parse::<B256>().map(ProgramVersion).map_err(|error| format!("SP1's key hash {hash}: {error}"))
}
