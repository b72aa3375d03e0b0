//! What results are called. A name follows from what the result is made of, so that whoever makes it again finds it.

use proofmill_artifacts::ContentKey;
use proofmill_primitives::ArtifactId;
use sp1_prover::SP1_CIRCUIT_VERSION;

/// How the names of shards' records end: they are removed once their shards are proven, for their size.
const RECORD: &str = "-record";

/// Whether somebody who starts over looks for it.
pub(crate) fn is_kept(id: &str) -> bool {
    ContentKey::names(id) && !id.ends_with(RECORD)
}

/// The name of what is made of these parts.
pub(crate) fn name(what: &str, parts: &[&[u8]]) -> ArtifactId {
    let mut key =
        vec![b"sp1-cluster".as_slice(), env!("CARGO_PKG_VERSION").as_bytes(), SP1_CIRCUIT_VERSION.as_bytes()];
    key.push(what.as_bytes());
    key.extend(parts);
    ContentKey::of(&key).artifact()
}

/// The name of a record: it is not kept.
pub(crate) fn record(of: &ArtifactId) -> ArtifactId {
    ArtifactId::new(format!("{of}{RECORD}"))
}
