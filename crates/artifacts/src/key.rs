//! Names that follow from what is meant.

use proofmill_primitives::ArtifactId;
use std::fmt;

/// How the names of [`ContentKey::artifact`] begin.
const PREFIX: &str = "key-";

/// A hash of what a result follows from (prover, program, input, budget and index for a segment's proof, say). Whoever
/// makes the same thing again arrives at the same key, and so finds the first result.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentKey([u8; 32]);

impl ContentKey {
    /// The key of a list of parts. Every part counts with its length, so that moving a byte from one part to the next
    /// gives another key. Let the first part say what is being named (`b"segment-proof"`).
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher =
            blake3::Hasher::new_derive_key("proofmill content key of a list of parts, version 1");
        hasher.update(&(parts.len() as u64).to_le_bytes());
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The name for the blob that the parts lead to: `key-` and 64 hexadecimal digits.
    pub fn artifact(&self) -> ArtifactId {
        ArtifactId::new(format!("{PREFIX}{self}"))
    }

    /// Whether a blob is called after a key, with something behind it or not: an intermediate result of ours. Peers give theirs
    /// other names.
    pub fn names(id: &str) -> bool {
        id.starts_with(PREFIX)
    }
}

/// The name of a note that a finished proof of these bytes was refused by whoever checked it. Who keeps such a proof looks for
/// the note, of kind [`Intermediate`](crate::ArtifactKind::Intermediate), and does not hand the proof out again.
pub fn refusal_of(proof: &[u8]) -> ArtifactId {
    ContentKey::of(&[b"refused", proof]).artifact()
}

/// The name for a blob of these bytes: `b3-` and the BLAKE3 hash in 64 hexadecimal digits.
pub(crate) fn content_id(bytes: &[u8]) -> ArtifactId {
    ArtifactId::new(format!("b3-{}", blake3::hash(bytes).to_hex()))
}

/// Whether an id is one of [`content_id`], and of other bytes than these.
pub(crate) fn is_other_content(id: &ArtifactId, bytes: &[u8]) -> bool {
    let digest = id.as_str().strip_prefix("b3-").filter(|digest| digest.len() == 64);
    digest.is_some_and(|digest| digest != blake3::hash(bytes).to_hex().as_str())
}

impl From<ContentKey> for [u8; 32] {
    fn from(key: ContentKey) -> Self {
        key.0
    }
}

impl fmt::Display for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentKey({self})")
    }
}
