//! Files on disk, written whole or not at all; and which of them are proofs.

use crate::{CheckpointProof, EpochProof, OpAggregationProof, OpRangeProof};
use proofmill_backends::{Proof, ProofDecodeError};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// First bytes of a file that say whether it has a proof.
const MAGIC: u64 = 8;

/// Writes a file, and the folders above it. It is there after a power cut, or what was there before is.
///
/// # Errors
///
/// The disk cannot be written.
pub fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let beside = beside(path);
    let written = write_through(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What there is of it is of no use; the error of the write is what counts.
        drop(fs::remove_file(&beside));
    }
    written?;
    File::open(folder)?.sync_all()
}

/// Where a file is written before it takes its place: another name for each write, since two writers may be at work on one file, or
/// on two that differ by their extension alone.
fn beside(path: &Path) -> PathBuf {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let number = WRITES.fetch_add(1, Ordering::Relaxed);
    path.with_extension(format!("{}-{number}.tmp", std::process::id()))
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Reads the file of a proof. Where it begins otherwise that alone is read: it may be of any length.
///
/// # Errors
///
/// It cannot be read.
pub fn read_proof(path: &Path) -> io::Result<Vec<u8>> {
    let (mut file, mut bytes) = (File::open(path)?, Vec::new());
    Read::by_ref(&mut file).take(MAGIC).read_to_end(&mut bytes)?;
    if begins_as_a_proof(&bytes) {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn begins_as_a_proof(bytes: &[u8]) -> bool {
    CheckpointProof::is(bytes)
        || EpochProof::is(bytes)
        || OpRangeProof::is(bytes)
        || OpAggregationProof::is(bytes)
        || !matches!(Proof::decode(bytes), Err(ProofDecodeError::NotAProof))
}

/// Whether a file is a proof by a prover that proves. What proves nothing must not take its place.
pub fn holds_a_proof(path: &Path) -> bool {
    let Ok(bytes) = read_proof(path) else { return false };
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn writers_do_not_get_into_each_others_way() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["range.proof", "range.cause"].map(|name| folder.path().join(name));
        assert_ne!(beside(&one), beside(&other));
        assert_ne!(beside(&one), beside(&one));
        let bytes = |nth: u8| vec![nth; 20_000];
        std::thread::scope(|scope| {
            for nth in 0..8_u8 {
                for path in [&one, &other] {
                    scope.spawn(move || save(path, &bytes(nth)).unwrap());
                }
            }
        });
        for path in [&one, &other] {
            let saved = fs::read(path).unwrap();
            assert!((0..8).any(|nth| saved == bytes(nth)), "a file is whole");
        }
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2, "nothing is left beside them");
    }
}
