//! The file of a proof of Proofmill's own programs: what was proven, and the proof of it.

use crate::programs;
use alloy_primitives::B256;
use proofmill_backends::{Proof, ProofDecodeError};
use proofmill_primitives::ProverType;
use proofmill_program::{
    AggregationPublicValues, PublicValues, RangePublicValues,
    op::{OpAggregationPublicValues, OpRangePublicValues},
};

/// Bytes of the statement's length, which follows the magic.
const LENGTH: usize = 4;

/// What one of Proofmill's programs proves. The last byte of the magic counts the versions of the statement.
pub trait Statement: PublicValues + Clone + std::fmt::Debug + PartialEq + Send + Sync + 'static {
    /// First bytes of the file of such a proof.
    const MAGIC: &'static [u8; 8];
    /// Whether it joins what other proofs say, so that it is what L1 is shown.
    const JOINS: bool;

    /// The program whose proofs say this.
    fn program(prover: ProverType) -> &'static [u8];

    /// The public values of a proof that says this: in full, or as its hash where the zkVM reveals 32 bytes.
    fn said(&self) -> [Vec<u8>; 2] {
        [self.to_bytes(), self.commitment().to_vec()]
    }
}

impl Statement for RangePublicValues {
    const MAGIC: &'static [u8; 8] = b"PMCHKPT2";
    const JOINS: bool = false;

    fn program(prover: ProverType) -> &'static [u8] {
        programs::range(prover)
    }
}

impl Statement for AggregationPublicValues {
    const MAGIC: &'static [u8; 8] = b"PMEPOCH2";
    const JOINS: bool = true;

    fn program(prover: ProverType) -> &'static [u8] {
        programs::aggregation(prover)
    }
}

impl Statement for OpRangePublicValues {
    const MAGIC: &'static [u8; 8] = b"PMOPRNG1";
    const JOINS: bool = false;

    fn program(prover: ProverType) -> &'static [u8] {
        programs::op_range(prover)
    }
}

impl Statement for OpAggregationPublicValues {
    const MAGIC: &'static [u8; 8] = b"PMOPAGG1";
    const JOINS: bool = true;

    fn program(prover: ProverType) -> &'static [u8] {
        programs::op_aggregation(prover)
    }
}

/// The proof of a range of an OP Stack chain, derived from L1.
pub type OpRangeProof = StatedProof<OpRangePublicValues>;
/// The proof of ranges of an OP Stack chain that follow on each other, for OP Succinct's contracts.
pub type OpAggregationProof = StatedProof<OpAggregationPublicValues>;
/// The proof of a checkpoint.
pub type CheckpointProof = StatedProof<RangePublicValues>;
/// The proof of an epoch.
pub type EpochProof = StatedProof<AggregationPublicValues>;

/// What was proven, and the proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedProof<S> {
    /// The program's public values.
    pub statement: S,
    /// The proof whose public values are the statement, or its hash.
    pub proof: Proof,
}

/// Why bytes are not such a proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofFileError {
    /// The bytes begin otherwise.
    #[error("this is not a file of {expected}: it does not begin with `{}`", String::from_utf8_lossy(*magic))]
    NotAProof {
        /// What it should state.
        expected: &'static str,
        /// How it should begin.
        magic: &'static [u8; 8],
    },
    /// The file of a statement of another version.
    #[error(
        "the file states {expected} of version {}, this release reads version {}: prove it again, or use the release that \
         made it",
        char::from(*got), char::from(magic[7])
    )]
    OtherVersion {
        /// What it states.
        expected: &'static str,
        /// How it should begin.
        magic: &'static [u8; 8],
        /// The version that it says, a digit.
        got: u8,
    },
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
        "the file says {statement}, but its proof is of {proof}: the statement was altered, or belongs to another proof"
    )]
    OtherStatement {
        /// The hash of the statement.
        statement: B256,
        /// The public values of the proof, in hex.
        proof: String,
    },
}

impl<S: Statement> StatedProof<S> {
    /// The file: magic, length of the statement, the statement in Solidity's ABI, the proof's own file.
    pub fn encode(&self) -> Vec<u8> {
        let statement = self.statement.to_bytes();
        // Some hundred bytes.
        let length = (statement.len() as u32).to_le_bytes();
        [S::MAGIC.as_slice(), &length, &statement, &self.proof.encode()].concat()
    }

    /// Whether a file is one of these, of whatever version, by its first bytes.
    pub fn is(bytes: &[u8]) -> bool {
        bytes.starts_with(&S::MAGIC[..7])
    }

    /// Reads a file, and checks that its statement is what its proof is of; not that the proof holds.
    ///
    /// # Errors
    /// See [`ProofFileError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofFileError> {
        let damaged = || ProofFileError::Damaged { bytes: bytes.len() };
        let Some(rest) = bytes.strip_prefix(S::MAGIC) else {
            let (expected, magic) = (S::NAME, S::MAGIC);
            let version = bytes.strip_prefix(&magic[..7]).and_then(<[u8]>::first);
            return Err(match version.filter(|version| version.is_ascii_digit()) {
                Some(&got) => ProofFileError::OtherVersion { expected, magic, got },
                None => ProofFileError::NotAProof { expected, magic },
            });
        };
        let (length, rest) = rest.split_first_chunk::<LENGTH>().ok_or_else(damaged)?;
        let (statement, proof) =
            rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
        let statement = S::from_bytes(statement).map_err(|_| damaged())?;
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
    use proofmill_primitives::{ProgramVersion, ProofMode};

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
    fn the_proof_of_an_epoch_is_not_the_proof_of_a_checkpoint() {
        assert!(matches!(EpochProof::decode(&file().encode()), Err(ProofFileError::NotAProof { .. })));
    }

    #[test]
    fn a_file_of_an_earlier_version_says_so() {
        let mut bytes = file().encode();
        bytes[7] = b'1';
        assert!(CheckpointProof::is(&bytes));
        let error = CheckpointProof::decode(&bytes).unwrap_err();
        assert!(error.to_string().contains("of version 1, this release reads version 2"), "{error}");
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
