//! A finished proof as it is stored for its client: as clients of the SP1 cluster read it (`ProofFromNetwork`, encoded with
//! bincode), and behind that what they leave out, the program's key. They do not look past the end of what they read.
//!
//! | bytes | what |
//! |---|---|
//! | as many as it takes | `ProofFromNetwork` |
//! | 8 | `PMSP1VK1` |
//! | 32 | BLAKE3 of all other bytes |
//! | the rest | the verifying key, encoded with bincode |
//!
//! What an SP1 cluster's own controller stores ends with the first row; the key is derived then.

use crate::{
    body::{Body, version_of},
    guard::{catch, prover},
};
use bincode::Options;
use proofmill_backends::{BackendError, Proof};
use proofmill_primitives::ProverType;
use sp1_hypercube::SP1VerifyingKey;
use sp1_primitives::io::SP1PublicValues;
use sp1_prover::SP1_CIRCUIT_VERSION;
use sp1_verifier::ProofFromNetwork;
use std::io::Cursor;

const MAGIC: &[u8; 8] = b"PMSP1VK1";

/// # Errors
/// [`BackendError::InvalidProof`] when the proof is not one that this backend made.
pub(crate) fn pack(proof: &Proof) -> Result<Vec<u8>, BackendError> {
    let Body { vk, proof: inner } = Body::decode(&proof.body).map_err(invalid)?;
    let proof = ProofFromNetwork {
        proof: inner,
        public_values: SP1PublicValues::from(&proof.public_values),
        sp1_version: SP1_CIRCUIT_VERSION.to_owned(),
    };
    let encoded = |error| prover("encoding a proof", error);
    let proof = bincode::serialize(&proof).map_err(encoded)?;
    let vk = bincode::serialize(&vk).map_err(encoded)?;
    Ok([&proof, &MAGIC[..], checksum(&proof, &vk).as_bytes(), &vk].concat())
}

/// `key` derives the program's key, where the proof does not come with it.
pub(crate) fn unpack(
    stored: &[u8],
    key: impl FnOnce() -> Result<SP1VerifyingKey, BackendError>,
) -> Result<Proof, BackendError> {
    let (network, length) = read(stored).map_err(|cause| invalid(format!("it is no SP1 proof: {cause}")))?;
    let vk = match &stored[length..] {
        [] => key()?,
        rest => carried(&stored[..length], rest).map_err(invalid)?,
    };
    let ProofFromNetwork { proof, public_values, .. } = network;
    let program = version_of(&vk).map_err(invalid)?;
    let body = Body { vk, proof };
    Ok(Proof {
        prover: ProverType::Sp1,
        mode: body.mode(),
        program,
        public_values: public_values.to_vec(),
        body: body.encode()?,
    })
}

/// The proof, and how many bytes it takes.
fn read(stored: &[u8]) -> Result<(ProofFromNetwork, usize), String> {
    let limit = stored.len() as u64;
    let mut cursor = Cursor::new(stored);
    let options =
        bincode::DefaultOptions::new().with_fixint_encoding().allow_trailing_bytes().with_limit(limit);
    let proof = catch(|| options.deserialize_from(&mut cursor))?.map_err(|error| error.to_string())?;
    let length = usize::try_from(cursor.position()).map_err(|error| error.to_string())?;
    Ok((proof, length))
}

/// The key behind the proof.
fn carried(proof: &[u8], rest: &[u8]) -> Result<SP1VerifyingKey, String> {
    let rest = rest.strip_prefix(MAGIC).ok_or("something else follows the proof")?;
    let (sum, vk) = rest.split_first_chunk::<32>().ok_or("it is cut off")?;
    if checksum(proof, vk) != *sum {
        return Err("its checksum does not match its bytes".to_owned());
    }
    crate::stdin::read(vk)
}

fn checksum(proof: &[u8], vk: &[u8]) -> blake3::Hash {
    blake3::Hasher::new().update(proof).update(vk).finalize()
}

fn invalid(cause: impl Into<String>) -> BackendError {
    BackendError::InvalidProof { cause: cause.into() }
}
