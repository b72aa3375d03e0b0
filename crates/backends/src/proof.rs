//! A finished proof and its file format.

use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};
use serde::{Deserialize, Serialize};

/// First bytes of every encoded proof.
const MAGIC: &[u8; 8] = b"PMPROOF1";
/// Bytes of the BLAKE3 checksum that follows the magic.
const CHECKSUM: usize = 32;

/// A finished proof: who made it, of which program, and what the program committed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// What made it.
    pub prover: ProverType,
    /// How far it was carried.
    pub mode: ProofMode,
    /// The program it is of.
    pub program: ProgramVersion,
    /// The bytes that the program committed to.
    pub public_values: Vec<u8>,
    /// The proof in the backend's own encoding; empty for `exec`.
    pub body: Vec<u8>,
}

/// Why bytes are not a proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofDecodeError {
    /// The bytes begin otherwise.
    #[error("this is not a Proofmill proof: it does not begin with `PMPROOF1`")]
    NotAProof,
    /// The checksum does not match: truncated, padded or altered on its way.
    #[error("the proof file is damaged: its checksum does not match its {bytes} bytes; fetch it again")]
    Damaged {
        /// The length found.
        bytes: usize,
    },
    /// The checksum holds but the content is not a proof of this version.
    #[error("the proof file was written by another version: {0}")]
    Unreadable(String),
}

impl Proof {
    /// The file format: magic, BLAKE3 of the rest, the rest.
    pub fn encode(&self) -> Vec<u8> {
        seal(MAGIC, &bitcode::serialize(self).unwrap_or_default())
    }

    /// Reads what [`Proof::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofDecodeError> {
        if !bytes.starts_with(MAGIC) {
            return Err(ProofDecodeError::NotAProof);
        }
        let body = unseal(MAGIC, bytes).ok_or(ProofDecodeError::Damaged { bytes: bytes.len() })?;
        bitcode::deserialize(body).map_err(|error| ProofDecodeError::Unreadable(error.to_string()))
    }
}

/// Puts the magic and a checksum before `body`.
pub(crate) fn seal(magic: &[u8; 8], body: &[u8]) -> Vec<u8> {
    [magic.as_slice(), blake3::hash(body).as_bytes(), body].concat()
}

/// The body that [`seal`] was given, if every byte of it is still there.
pub(crate) fn unseal<'a>(magic: &[u8; 8], bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (checksum, body) = bytes.strip_prefix(magic)?.split_at_checked(CHECKSUM)?;
    (blake3::hash(body).as_bytes() == checksum).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;

    fn proof() -> Proof {
        Proof {
            prover: ProverType::Exec,
            mode: ProofMode::Compressed,
            program: ProgramVersion(B256::repeat_byte(7)),
            public_values: vec![1, 2, 3],
            body: vec![9; 100],
        }
    }

    #[test]
    fn a_proof_survives_its_file() {
        assert_eq!(Proof::decode(&proof().encode()), Ok(proof()));
    }

    #[test]
    fn any_change_to_the_file_is_noticed() {
        let bytes = proof().encode();
        for i in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[i] ^= 1;
            assert!(Proof::decode(&bad).is_err(), "byte {i}");
            assert!(Proof::decode(&bytes[..i]).is_err(), "cut at {i}");
        }
        assert!(Proof::decode(&[bytes, vec![0]].concat()).is_err());
    }
}
