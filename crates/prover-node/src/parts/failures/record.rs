//! What a record of a failure holds.

use crate::{
    parts::Statement,
    rules::{Failure, ProofLevel, RangeSpec, Time},
};
use bytes::Bytes;
use proofmill_artifacts::ContentKey;
use proofmill_primitives::{Checkpoint, ProgramVersion, ProofMode, ProverType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A failure with all that is needed to look into it, and to prove it again without any node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FailureRecord {
    /// The release that made it.
    pub release: String,
    /// What every proof of the rollup says.
    pub statement: Statement,
    /// The programs that were to be proven.
    pub programs: BTreeMap<ProverType, ProgramPair>,
    /// How far L1 wants the epoch proof of each type to be carried. Records of earlier releases do not tell, nor those of batches, which have
    /// none.
    #[serde(default)]
    pub epoch_modes: BTreeMap<ProverType, ProofMode>,
    /// What went wrong.
    pub subject: Subject,
    /// The files beside it.
    pub files: Vec<RecordFile>,
    /// What should be among them, and why it is not.
    pub missing: Vec<MissingFile>,
}

/// The two programs of a prover type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramPair {
    /// Proves a range of blocks.
    pub range: ProgramVersion,
    /// Aggregates range proofs.
    pub aggregation: ProgramVersion,
}

/// What a record is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A checkpoint that its blocks refute, or an epoch whose window closed without a proof.
    Failure(Failure),
    /// A proof that did not hold, or was refused: the evidence.
    BadProof(BadProof),
}

impl Subject {
    /// When.
    pub const fn at(&self) -> Time {
        match self {
            Self::Failure(failure) => failure.at,
            Self::BadProof(bad) => bad.at,
        }
    }

    /// Why.
    pub fn cause(&self) -> &str {
        match self {
            Self::Failure(failure) => &failure.cause,
            Self::BadProof(bad) => &bad.cause,
        }
    }
}

/// A proof that did not hold, or was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadProof {
    /// What it was of.
    pub level: ProofLevel,
    /// What made it.
    pub prover: ProverType,
    /// Of which blocks.
    pub range: RangeSpec,
    /// The checkpoint that they are, where the proof is of a whole one.
    #[serde(default)]
    pub checkpoint: Option<Checkpoint>,
    /// What refused it, and why.
    pub cause: String,
    /// When.
    pub at: Time,
    /// The proof, in the encoding of its service.
    #[serde(skip)]
    pub proof: Bytes,
}

/// A file of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordFile {
    /// Its name: a plain one.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// A hash of its content; records of earlier releases have none.
    #[serde(default)]
    pub hash: Option<String>,
    /// What is in it.
    pub holds: Holds,
}

/// What a record says of a content.
pub(super) fn hash_of(content: &[u8]) -> String {
    ContentKey::of(&[b"file of a record", content]).to_string()
}

impl RecordFile {
    /// Whether its name is one that a record gives: it leads to nowhere else.
    pub(super) fn has_a_plain_name(&self) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let name = self.name.as_str();
        !name.is_empty() && !name.starts_with('.') && name != super::RECORD && name.bytes().all(plain)
    }
}

/// What a file of a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// The range program's input.
    Input {
        /// For these blocks.
        range: RangeSpec,
    },
    /// A range proof, as `proofmill verify` takes it.
    RangeProof {
        /// What made it.
        prover: ProverType,
        /// Of these blocks.
        range: RangeSpec,
    },
    /// The bad proof that the record is about.
    BadProof,
}

/// A file that a record lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingFile {
    /// For these blocks.
    pub range: RangeSpec,
    /// Why it is not there.
    pub cause: String,
}

/// A file with its content, on its way into a record.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub holds: Holds,
    /// The content.
    pub content: Bytes,
}

impl NewFile {
    /// The range program's input.
    pub fn input(range: RangeSpec, content: Bytes) -> Self {
        Self { name: format!("{}.input", range.blocks), holds: Holds::Input { range }, content }
    }

    /// A range proof.
    pub fn range_proof(prover: ProverType, range: RangeSpec, content: Bytes) -> Self {
        let name = format!("{}-{prover}.proof", range.blocks);
        Self { name, holds: Holds::RangeProof { prover, range }, content }
    }

    /// The bad proof.
    pub fn bad_proof(content: Bytes) -> Self {
        Self { name: "bad.proof".into(), holds: Holds::BadProof, content }
    }

    /// As the record names it.
    pub fn described(&self) -> RecordFile {
        let (bytes, hash) = (self.content.len() as u64, Some(hash_of(&self.content)));
        RecordFile { name: self.name.clone(), bytes, hash, holds: self.holds }
    }
}
