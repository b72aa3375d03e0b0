//! The input of an SP1 program: SP1's own `SP1Stdin`, encoded with bincode as clients of the SP1 cluster do.

use crate::{
    body::Body,
    guard::{catch, malformed_input},
};
use bincode::Options;
use proofmill_backends::{BackendError, Job, Proof};
use serde::de::DeserializeOwned;
use sp1_core_machine::io::SP1Stdin;
use sp1_verifier::SP1Proof;

/// Each of `frames` is what one read in the guest returns.
pub(crate) fn encode(frames: &[&[u8]], proofs: &[Proof]) -> Result<Vec<u8>, BackendError> {
    let mut stdin =
        SP1Stdin { buffer: frames.iter().map(|frame| frame.to_vec()).collect(), ..SP1Stdin::default() };
    for (index, proof) in proofs.iter().enumerate() {
        let (proof, vk) = deferred(proof).map_err(|cause| {
            malformed_input(format!("proof {index}, which the program is to verify, {cause}"))
        })?;
        stdin.write_proof(proof, vk.vk);
    }
    bincode::serialize(&stdin).map_err(|error| malformed_input(error.to_string()))
}

/// The input of a job.
pub(crate) fn decode(job: &Job<'_>) -> Result<SP1Stdin, BackendError> {
    read(job.input).map_err(|cause| {
        malformed_input(format!("it is not an `SP1Stdin` encoded with bincode: {cause}; see `encode_input`"))
    })
}

type Compressed =
    sp1_hypercube::SP1RecursionProof<sp1_primitives::SP1GlobalContext, sp1_hypercube::SP1PcsProofInner>;

fn deferred(proof: &Proof) -> Result<(Compressed, sp1_hypercube::SP1VerifyingKey), String> {
    let Body { vk, proof } = Body::decode(&proof.body).map_err(|cause| format!("is damaged: {cause}"))?;
    match proof {
        SP1Proof::Compressed(proof) => Ok((*proof, vk)),
        other => Err(format!("is a {other} proof; only compressed proofs can be verified inside a program")),
    }
}

/// Reads bincode as SP1 writes it, but refuses what is longer or shorter than it says.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let limit = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    catch(|| bincode::DefaultOptions::new().with_fixint_encoding().with_limit(limit).deserialize(bytes))?
        .map_err(|error| error.to_string())
}
