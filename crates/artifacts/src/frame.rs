//! How a blob is written: a header that says what follows, and the bytes.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | `PMA1` |
//! | 4 | 2 | length of the id, little-endian |
//! | 6 | 8 | length of the content, little-endian |
//! | 14 | 32 | BLAKE3 of kind, id and content, each with its length |
//! | 46 | | the id, then the content |

use crate::{ArtifactKind, MAX_ID_LENGTH};
use proofmill_primitives::ArtifactId;

const MAGIC: &[u8; 4] = b"PMA1";
const FIXED: usize = 46;

/// The most that a header can take, with its id.
pub(crate) const MAX_HEADER: usize = FIXED + MAX_ID_LENGTH;

/// What is wrong with a blob.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("it has {0} bytes, less than a header")]
    NoHeader(usize),
    #[error("it does not begin like an artifact")]
    NotAnArtifact,
    #[error("it has {found} bytes, but its header promises {promised}")]
    Length { found: u64, promised: u64 },
    #[error("it is the artifact {0:?}")]
    Misplaced(String),
    #[error("its checksum does not match")]
    Checksum,
}

/// What a header says.
pub(crate) struct Header {
    pub(crate) id: ArtifactId,
    pub(crate) length: u64,
}

/// The header for a blob. The id must be of a length that is allowed.
pub(crate) fn encode(id: &ArtifactId, kind: ArtifactKind, content: &[u8]) -> Vec<u8> {
    let id_bytes = id.as_str().as_bytes();
    let mut header = Vec::with_capacity(FIXED + id_bytes.len());
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&(id_bytes.len() as u16).to_le_bytes());
    header.extend_from_slice(&(content.len() as u64).to_le_bytes());
    header.extend_from_slice(&checksum(id, kind, content));
    header.extend_from_slice(id_bytes);
    header
}

/// Checks a whole blob; where its content begins.
pub(crate) fn verify(blob: &[u8], id: &ArtifactId, kind: ArtifactKind) -> Result<usize, Problem> {
    let (found, content, sum) = split(blob, blob.len() as u64)?;
    if found != id.as_str().as_bytes() {
        return Err(Problem::Misplaced(String::from_utf8_lossy(found).into_owned()));
    }
    let bytes = blob.get(content..).unwrap_or_default();
    if checksum(id, kind, bytes) != sum { Err(Problem::Checksum) } else { Ok(content) }
}

/// What the beginning of a blob says that has `length_in_all` bytes with its header, where it is as long as that.
pub(crate) fn header(start: &[u8], length_in_all: u64) -> Option<Header> {
    let (id, content, _) = split(start, length_in_all).ok()?;
    let id = ArtifactId::new(std::str::from_utf8(id).ok()?);
    Some(Header { id, length: length_in_all - content as u64 })
}

/// The id, where the content begins, and the checksum.
fn split(start: &[u8], length_in_all: u64) -> Result<(&[u8], usize, [u8; 32]), Problem> {
    let short = || Problem::NoHeader(start.len());
    let (magic, rest) = start.split_first_chunk::<4>().ok_or_else(short)?;
    if magic != MAGIC {
        return Err(Problem::NotAnArtifact);
    }
    let (id_length, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
    let (content_length, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
    let (sum, rest) = rest.split_first_chunk::<32>().ok_or_else(short)?;
    let id_length = usize::from(u16::from_le_bytes(*id_length));
    let content = FIXED + id_length;
    let promised = u64::from_le_bytes(*content_length).saturating_add(content as u64);
    if promised != length_in_all {
        return Err(Problem::Length { found: length_in_all, promised });
    }
    let id = rest.get(..id_length).ok_or_else(short)?;
    Ok((id, content, *sum))
}

fn checksum(id: &ArtifactId, kind: ArtifactKind, content: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in [kind.name().as_bytes(), id.as_str().as_bytes(), content] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}
