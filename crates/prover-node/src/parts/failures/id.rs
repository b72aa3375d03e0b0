//! Names of records.

use super::{BadProof, Subject};
use crate::rules::{Failed, Failure};
use proofmill_artifacts::ContentKey;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of a record. It follows from what failed, so that the same failure is kept once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FailureId(String);

impl FailureId {
    /// A name that an operator gave. Only what a record can be called is one.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (!text.is_empty() && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    /// Of what a record is about.
    pub fn of(subject: &Subject) -> Self {
        match subject {
            Subject::Failure(failure) => Self::of_failure(failure),
            Subject::BadProof(bad) => Self::of_proof(bad),
        }
    }

    /// Of a failure: its epoch, what failed, and a hash of the content that it failed on. A window that closed is one failure, whatever is
    /// known of it: after a restart that is less.
    pub fn of_failure(failure: &Failure) -> Self {
        let (what, name) = match &failure.what {
            Failed::Checkpoint { prover, range } if !failure.missed => {
                let holds = |blocks: proofmill_primitives::BlockRange| blocks.first() <= range.blocks.first();
                let of_it = failure.checkpoints.iter().rev().find(|checkpoint| holds(checkpoint.blocks));
                let number = of_it.map_or(0, |checkpoint| checkpoint.number.0);
                (format!("{prover} {range}"), format!("checkpoint-{number}"))
            }
            Failed::Checkpoint { .. } | Failed::Session { .. } => ("window".to_owned(), "missed".to_owned()),
        };
        let mut parts = vec![what.into_bytes()];
        for checkpoint in &failure.checkpoints {
            parts.push([checkpoint.last_hash, checkpoint.state_root].concat());
            parts.push(checkpoint.slot.0.to_le_bytes().to_vec());
        }
        let key = ContentKey::of(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>()).to_string();
        Self(format!("epoch-{}-{name}-{}", failure.epoch, short(&key)))
    }

    /// Of a bad proof: what it was of, and a hash of its bytes.
    pub fn of_proof(bad: &BadProof) -> Self {
        let BadProof { level, prover, range, proof, .. } = bad;
        let key = ContentKey::of(&[proof]).to_string();
        Self(format!("bad-{}-{prover}-{}-{}", level.name(), range.blocks, short(&key)))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn short(key: &str) -> &str {
    key.get(..12).unwrap_or(key)
}

impl fmt::Display for FailureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
