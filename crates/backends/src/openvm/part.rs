//! What travels between the workers of one proof: segment proofs and folded proofs.

use super::Stark;
use crate::{
    BackendError,
    proof::{seal, unseal},
};
use openvm_circuit::system::memory::merkle::public_values::UserPublicValuesProof;
use openvm_sdk::{SC, openvm_circuit};
use openvm_stark_backend::codec::{Decode, Encode};
use serde::{Deserialize, Serialize};
use std::io::{Cursor, Error};

const MAGIC: &[u8; 8] = b"PMOVPT01";

/// The proof that the public values are in the last memory of the execution.
pub(super) type PublicValues = UserPublicValuesProof<8, super::F>;

/// Where a part stands in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Level {
    /// It is the proof of a segment.
    Segment,
    /// It was made by a node of this layer.
    Layer(u32),
}

/// A proof of some consecutive segments.
pub(super) struct Part {
    /// BLAKE3 of the program's bytes.
    pub(super) program: [u8; 32],
    /// What made it.
    pub(super) level: Level,
    /// The first segment that it proves.
    pub(super) first: u32,
    /// How many segments it proves.
    pub(super) count: u32,
    /// The proof.
    pub(super) stark: Stark,
    /// Present where it proves the last segment.
    pub(super) public_values: Option<PublicValues>,
}

#[derive(Serialize, Deserialize)]
struct Encoded {
    program: [u8; 32],
    level: Level,
    first: u32,
    count: u32,
    stark: Vec<u8>,
    public_values: Option<Vec<u8>>,
}

impl Part {
    /// The bytes that travel, with a checksum.
    pub(super) fn encode(&self) -> Result<Vec<u8>, BackendError> {
        let encode = || -> Result<Vec<u8>, Error> {
            let public_values = self.public_values.as_ref().map(encode_public_values).transpose()?;
            bitcode::serialize(&Encoded {
                program: self.program,
                level: self.level,
                first: self.first,
                count: self.count,
                stark: self.stark.encode_to_vec()?,
                public_values,
            })
            .map_err(Error::other)
        };
        let body = encode().map_err(|error| super::failed("encoding a part of the proof", error))?;
        Ok(seal(MAGIC, &body))
    }

    /// Reads what [`Part::encode`] wrote. `name` says which part it is, for the error.
    pub(super) fn decode(bytes: &[u8], name: &str) -> Result<Self, BackendError> {
        let malformed = |cause: &str| BackendError::MalformedPart { cause: format!("{name} {cause}") };
        if !bytes.starts_with(MAGIC) {
            return Err(malformed("is not a part of an OpenVM proof of this version"));
        }
        let body = unseal(MAGIC, bytes).ok_or_else(|| {
            malformed(&format!("is damaged: its checksum does not match its {} bytes", bytes.len()))
        })?;
        let encoded: Encoded = bitcode::deserialize(body).map_err(|error| malformed(&error.to_string()))?;
        let public_values = encoded.public_values.as_deref().map(decode_public_values).transpose();
        Ok(Self {
            program: encoded.program,
            level: encoded.level,
            first: encoded.first,
            count: encoded.count,
            stark: Stark::decode_from_bytes(&encoded.stark).map_err(|error| malformed(&error.to_string()))?,
            public_values: public_values.map_err(|error| malformed(&error.to_string()))?,
        })
    }
}

/// Checks that `parts` are of this program and level, follow each other without a gap, and that exactly those that end
/// the execution carry public values.
pub(super) fn check_sequence(parts: &[Part], program: &[u8; 32], level: Level) -> Result<(), BackendError> {
    let mut next = parts.first().map_or(0, |part| part.first);
    for (index, part) in parts.iter().enumerate() {
        let cause = if part.program != *program {
            "is of another program".to_owned()
        } else if part.level != level {
            format!("is a {:?}, not a {level:?}", part.level)
        } else if part.first != next || part.count == 0 {
            format!("begins with segment {}, not with {next}", part.first)
        } else if index + 1 < parts.len() && part.public_values.is_some() {
            "ends the execution but is not the last".to_owned()
        } else {
            next = part.first.saturating_add(part.count);
            continue;
        };
        return Err(BackendError::MalformedPart { cause: format!("part {index} {cause}") });
    }
    Ok(())
}

/// The content of a `core` proof: all segments.
pub(super) fn encode_core(segments: &[Stark], public_values: &PublicValues) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    segments.len().encode(&mut out)?;
    for segment in segments {
        segment.encode(&mut out)?;
    }
    public_values.encode::<SC, _>(&mut out)?;
    Ok(out)
}

/// Reads what [`encode_core`] wrote.
pub(super) fn decode_core(body: &[u8]) -> Result<(Vec<Stark>, PublicValues), Error> {
    let mut reader = Cursor::new(body);
    let segments = Vec::<Stark>::decode(&mut reader)?;
    let public_values = PublicValues::decode::<SC, _>(&mut reader)?;
    if reader.position() != body.len() as u64 {
        return Err(Error::other("bytes follow after its end"));
    }
    Ok((segments, public_values))
}

fn encode_public_values(public_values: &PublicValues) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    public_values.encode::<SC, _>(&mut out)?;
    Ok(out)
}

fn decode_public_values(bytes: &[u8]) -> Result<PublicValues, Error> {
    let mut reader = Cursor::new(bytes);
    let public_values = PublicValues::decode::<SC, _>(&mut reader)?;
    if reader.position() != bytes.len() as u64 {
        return Err(Error::other("bytes follow after its public values"));
    }
    Ok(public_values)
}
