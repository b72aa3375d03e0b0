//! Files on disk, written whole or not at all; and which of them are proofs.

use crate::{CheckpointProof, EpochProof, OpAggregationProof, OpRangeProof};
use proofmill_backends::Proof;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Writes a file, and the folders above it. It is there after a power cut, or what was there before is.
///
/// # Errors
///
/// The disk cannot be written.
pub fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = write_through(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What there is of it is of no use; the error of the write is what counts.
        drop(fs::remove_file(&beside));
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Whether a file is a proof by a prover that proves. What proves nothing must not take its place.
pub fn holds_a_proof(path: &Path) -> bool {
    let Ok(bytes) = fs::read(path) else { return false };
    let proof = if CheckpointProof::is(&bytes) {
        CheckpointProof::decode(&bytes).map(|there| there.proof).ok()
    } else if EpochProof::is(&bytes) {
        EpochProof::decode(&bytes).map(|there| there.proof).ok()
    } else if OpRangeProof::is(&bytes) {
        OpRangeProof::decode(&bytes).map(|there| there.proof).ok()
    } else if OpAggregationProof::is(&bytes) {
        OpAggregationProof::decode(&bytes).map(|there| there.proof).ok()
    } else {
        Proof::decode(&bytes).ok()
    };
    proof.is_some_and(|proof| proof.prover.proves())
}
