//! Files that are written for people: whole or not at all.

use proofmill_backends::Proof;
use proofmill_client::{CheckpointProof, EpochProof};
use std::{fs, io, path::Path};

/// Writes a file, and the folders above it.
pub(crate) fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}

/// Whether a file is a proof by a prover that proves. What proves nothing must not take its place.
pub(crate) fn holds_a_proof(path: &Path) -> bool {
    let Ok(bytes) = fs::read(path) else { return false };
    let proof = if CheckpointProof::is(&bytes) {
        CheckpointProof::decode(&bytes).map(|there| there.proof).ok()
    } else if EpochProof::is(&bytes) {
        EpochProof::decode(&bytes).map(|there| there.proof).ok()
    } else {
        Proof::decode(&bytes).ok()
    };
    proof.is_some_and(|proof| proof.prover.proves())
}
