//! The file of a proven checkpoint: what was proven, and the proof of it.

use crate::programs;
use alloy_primitives::B256;
use proofmill_backends::{Proof, ProofDecodeError};
use proofmill_program::{PublicValues, RangePublicValues};

/// First bytes of the file.
const MAGIC: &[u8; 8] = b"PMCHKPT1";
/// Bytes of the statement's length, which follows the magic.
const LENGTH: usize = 4;

/// What was proven of a range of blocks, and the proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointProof {
    /// The range program's public values.
    pub statement: RangePublicValues,
    /// The proof whose public values are the statement, or its hash.
    pub proof: Proof,
}

/// Why bytes are not the proof of a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum ProofFileError {
    /// The bytes begin otherwise.
    #[error("this is not the proof of a checkpoint: it does not begin with `PMCHKPT1`")]
    NotAProof,
    /// It ends too early, or its statement is none.
    #[error("the file of {bytes} bytes is damaged: its statement cannot be read; fetch it again")]
    Damaged {
        /// The length found.
        bytes: usize,
    },
    /// The proof inside cannot be read.
    #[error(transparent)]
    Proof(#[from] ProofDecodeError),
    /// The statement is not what the proof is of.
    #[error(
        "the file says {statement} about its blocks, but its proof is of {proof}: the statement was altered, or belongs to another proof"
    )]
    OtherStatement {
        /// The hash of the statement.
        statement: B256,
        /// The public values of the proof, in hex.
        proof: String,
    },
}

impl CheckpointProof {
    /// The file: magic, length of the statement, the statement in Solidity's ABI, the proof's own file.
    pub fn encode(&self) -> Vec<u8> {
        let statement = self.statement.to_abi();
        // 384 bytes.
        let length = (statement.len() as u32).to_le_bytes();
        [MAGIC.as_slice(), &length, &statement, &self.proof.encode()].concat()
    }

    /// Whether a file is one of these, by its first bytes.
    pub fn is(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// Reads a file, and checks that its statement is what its proof is of; not that the proof holds.
    ///
    /// # Errors
    /// See [`ProofFileError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofFileError> {
        let damaged = || ProofFileError::Damaged { bytes: bytes.len() };
        let rest = bytes.strip_prefix(MAGIC).ok_or(ProofFileError::NotAProof)?;
        let (length, rest) = rest.split_first_chunk::<LENGTH>().ok_or_else(damaged)?;
        let (statement, proof) =
            rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
        let statement = RangePublicValues::from_abi(statement).map_err(|_| damaged())?;
        let proof = Proof::decode(proof)?;
        if !programs::says(&proof.public_values, &statement) {
            return Err(ProofFileError::OtherStatement {
                statement: statement.commitment(),
                proof: alloy_primitives::hex::encode_prefixed(&proof.public_values),
            });
        }
        Ok(Self { statement, proof })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};

    fn file() -> CheckpointProof {
        let statement = RangePublicValues { chainId: 7, firstBlock: 3, lastBlock: 5, ..Default::default() };
        let proof = Proof {
            prover: ProverType::OpenVm,
            mode: ProofMode::Compressed,
            program: ProgramVersion(B256::repeat_byte(1)),
            public_values: statement.commitment().to_vec(),
            body: vec![1, 2, 3],
        };
        CheckpointProof { statement, proof }
    }

    #[test]
    fn it_survives_its_file() {
        assert_eq!(CheckpointProof::decode(&file().encode()).unwrap(), file());
    }

    #[test]
    fn another_statement_is_refused() {
        let mut altered = file();
        altered.statement.lastBlock = 6;
        assert!(matches!(
            CheckpointProof::decode(&altered.encode()),
            Err(ProofFileError::OtherStatement { .. })
        ));
    }

    #[test]
    fn any_change_to_the_file_is_noticed() {
        let bytes = file().encode();
        for i in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[i] ^= 1;
            assert!(CheckpointProof::decode(&bad).is_err(), "byte {i}");
            assert!(CheckpointProof::decode(&bytes[..i]).is_err(), "cut at {i}");
        }
    }
}
