//! What travels between the workers of one proof: proofs of segments, verifications of other proofs, and folds of both.

use super::{Digest, Stark, counts, tree::Layer};
use crate::{
    BackendError,
    proof::{seal, unseal},
};
use openvm_circuit::system::memory::merkle::public_values::UserPublicValuesProof;
use openvm_sdk::{SC, openvm_circuit};
use openvm_stark_backend::codec::{Decode, Encode};
use openvm_verify_stark_host::deferral::DeferralMerkleProofs;
use serde::{Deserialize, Serialize};
use std::io::{Cursor, Error};

const MAGIC: &[u8; 8] = b"PMOVPT02";

/// The proof that the public values are in the last memory of the execution.
pub(super) type PublicValues = UserPublicValuesProof<8, super::F>;

/// The proof that the record of the program's calls for verifications is in its first and its last memory.
pub(super) type Calls = DeferralMerkleProofs<super::F>;

/// What the memory at the end of the execution shows.
pub(super) struct Ends {
    /// What the program committed to.
    pub(super) public_values: PublicValues,
    /// Present where the program verifies proofs.
    pub(super) calls: Option<Calls>,
}

/// What one verification takes in and gives out, as the hook hashes it.
pub(super) type InOut = (Digest, Digest);

/// What made a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// It is the proof of a segment.
    Segment,
    /// It is the verification of a proof.
    Verification,
    /// It was made by a node of this layer.
    Layer(Layer),
}

/// A proof of some consecutive segments or verifications, or of both.
pub(super) struct Part {
    /// BLAKE3 of the program's bytes; zero for verifications, which do not depend on who asks for them.
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
    pub(super) ends: Option<Ends>,
    /// The verifications in it that the hook has not tied to the program's calls yet.
    pub(super) verifications: Vec<InOut>,
}

#[derive(Serialize, Deserialize)]
struct Encoded {
    program: [u8; 32],
    level: EncodedLevel,
    first: u32,
    count: u32,
    stark: Vec<u8>,
    ends: Option<(Vec<u8>, Option<Vec<u8>>)>,
    verifications: Vec<InOut>,
}

#[derive(Serialize, Deserialize)]
enum EncodedLevel {
    Segment,
    Verification,
    Layer(u32),
}

impl Part {
    /// The bytes that travel, with a checksum.
    pub(super) fn encode(&self) -> Result<Vec<u8>, BackendError> {
        let encode = || -> Result<Vec<u8>, Error> {
            bitcode::serialize(&Encoded {
                program: self.program,
                level: match self.level {
                    Level::Segment => EncodedLevel::Segment,
                    Level::Verification => EncodedLevel::Verification,
                    Level::Layer(layer) => EncodedLevel::Layer(layer.into()),
                },
                first: self.first,
                count: self.count,
                stark: self.stark.encode_to_vec()?,
                ends: self.ends.as_ref().map(encode_ends).transpose()?,
                verifications: self.verifications.clone(),
            })
            .map_err(Error::other)
        };
        let body = encode().map_err(|error| super::failed("encoding a part of the proof", error))?;
        Ok(seal(MAGIC, &body))
    }

    /// Reads what [`Part::encode`] wrote. `index` and `name` say which part it is, for the error.
    pub(super) fn decode(bytes: &[u8], index: usize, name: &str) -> Result<Self, BackendError> {
        let malformed = |cause: &str| BackendError::WrongPart { index, cause: format!("{name} {cause}") };
        if !bytes.starts_with(MAGIC) {
            return Err(malformed("is not a part of an OpenVM proof of this version"));
        }
        let body = unseal(MAGIC, bytes).ok_or_else(|| {
            malformed(&format!("is damaged: its checksum does not match its {} bytes", bytes.len()))
        })?;
        let encoded: Encoded = bitcode::deserialize(body).map_err(|error| malformed(&error.to_string()))?;
        let level = match encoded.level {
            EncodedLevel::Segment => Level::Segment,
            EncodedLevel::Verification => Level::Verification,
            EncodedLevel::Layer(number) => Layer::from_number(number)
                .map(Level::Layer)
                .ok_or_else(|| malformed(&format!("was made by a layer {number}, which there is not")))?,
        };
        let ends = encoded.ends.as_ref().map(decode_ends).transpose();
        Ok(Self {
            program: encoded.program,
            level,
            first: encoded.first,
            count: encoded.count,
            stark: whole(&encoded.stark, counts::decode).map_err(|error| malformed(&error.to_string()))?,
            ends: ends.map_err(|error| malformed(&error.to_string()))?,
            verifications: encoded.verifications,
        })
    }
}

/// Checks that `parts` are of this program, that `fits` says so of their level, that they follow each other without a gap,
/// and that none but the last ends the execution.
pub(super) fn check_sequence(
    parts: &[Part],
    program: &[u8; 32],
    fits: impl Fn(Level) -> bool,
) -> Result<(), BackendError> {
    let mut next = parts.first().map_or(0, |part| part.first);
    for (index, part) in parts.iter().enumerate() {
        let cause = if part.program != *program {
            "is of another program".to_owned()
        } else if !fits(part.level) {
            format!("is a {:?}, which does not belong here", part.level)
        } else if part.first != next || part.count == 0 {
            format!("begins with segment {}, not with {next}", part.first)
        } else if index + 1 < parts.len() && part.ends.is_some() {
            "ends the execution but is not the last".to_owned()
        } else {
            next = part.first.saturating_add(part.count);
            continue;
        };
        return Err(BackendError::WrongPart { index, cause: format!("part {index} {cause}") });
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
    whole(body, |reader| {
        let segments =
            (0..usize::decode(reader)?).map(|_| counts::decode(reader)).collect::<Result<_, _>>()?;
        Ok((segments, PublicValues::decode::<SC, _>(reader)?))
    })
}

fn encode_ends(ends: &Ends) -> Result<(Vec<u8>, Option<Vec<u8>>), Error> {
    let mut public_values = Vec::new();
    ends.public_values.encode::<SC, _>(&mut public_values)?;
    let calls = ends.calls.as_ref().map(|calls| {
        let mut out = Vec::new();
        calls.encode(&mut out).map(|()| out)
    });
    Ok((public_values, calls.transpose()?))
}

fn decode_ends((public_values, calls): &(Vec<u8>, Option<Vec<u8>>)) -> Result<Ends, Error> {
    let public_values = whole(public_values, |reader| PublicValues::decode::<SC, _>(reader))?;
    let calls = calls.as_ref().map(|bytes| whole(bytes, |reader| Calls::decode(reader))).transpose()?;
    Ok(Ends { public_values, calls })
}

/// Decodes, and leaves no byte.
fn whole<T>(bytes: &[u8], decode: impl FnOnce(&mut Cursor<&[u8]>) -> Result<T, Error>) -> Result<T, Error> {
    let mut reader = Cursor::new(bytes);
    let decoded = decode(&mut reader)?;
    if reader.position() == bytes.len() as u64 {
        Ok(decoded)
    } else {
        Err(Error::other("bytes follow after its end"))
    }
}
