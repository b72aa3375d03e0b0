//! Files on disk, written whole or not at all; and which of them are proofs.

use crate::{CheckpointProof, EpochProof, OpAggregationProof, OpRangeProof, Sp1Snark};
use proofmill_backends::{Proof, ProofDecodeError};
use proofmill_primitives::ProverType;
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// First bytes of a file that say whether it has a proof.
const MAGIC: usize = 8;
/// So many proofs by one prover type stand beside each other at one default place.
const BESIDE: u32 = 1000;

/// Writes a file, and the folders above it. It is there after a power cut, or what was there before is. A device or a pipe is written to
/// as it is: nothing takes its place.
///
/// # Errors
///
/// The disk cannot be written.
pub fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_no_file(path) {
        return File::options().write(true).open(path)?.write_all(bytes);
    }
    put(path, bytes, |written| fs::rename(written, path))
}

/// Saves a file where there is none.
fn save_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, |written| match fs::hard_link(written, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without links.
        Err(_) => fs::rename(written, path),
        Ok(()) => Ok(()),
    })
}

fn put(path: &Path, bytes: &[u8], take_place: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let (beside, draft) = create_beside(path)?;
    let written = write_through(draft, bytes).and_then(|()| take_place(&beside));
    // What is left of it is of no use; the error of the write is what counts.
    drop(fs::remove_file(&beside));
    written?;
    File::open(folder)?.sync_all()
}

/// Saves a proof for which nobody named a place, and returns where it is. Where another proof has the default place it stays: the new one
/// stands beside it, with its type in the name, and a number from the second of that type on. Only one that says the same gives its place,
/// and one that proves nothing.
///
/// # Errors
///
/// The disk cannot be written, or a thousand others are there.
pub fn save_beside(path: &Path, prover: ProverType, bytes: &[u8]) -> io::Result<PathBuf> {
    for place in places(path, prover) {
        let saved = match read_proof(&place) {
            Ok(there) if gives_its_place(&there, bytes) => save(&place, bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => save_new(&place, bytes),
            Err(error) if error.kind() != io::ErrorKind::IsADirectory => Err(error),
            Ok(_) | Err(_) => continue,
        };
        match saved {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            saved => return saved.map(|()| place),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Where a proof by a prover of this type may be that [`save_beside`] was given, the default place first.
pub fn places(path: &Path, prover: ProverType) -> impl Iterator<Item = PathBuf> + use<> {
    let mut stem = path.file_stem().unwrap_or_default().to_owned();
    let of_type = format!("-{prover}");
    if !stem.as_encoded_bytes().ends_with(of_type.as_bytes()) {
        stem.push(of_type);
    }
    let named = {
        let path = path.to_owned();
        move |number: u32| {
            let mut name = stem.clone();
            if number > 1 {
                name.push(format!("-{number}"));
            }
            if let Some(extension) = path.extension() {
                name.push(OsStr::new("."));
                name.push(extension);
            }
            path.with_file_name(name)
        }
    };
    std::iter::once(path.to_owned()).chain((1..=BESIDE).map(named))
}

/// Whether nothing is lost where a proof takes the place of what is there.
fn gives_its_place(there: &[u8], new: &[u8]) -> bool {
    let Some(old) = proof_in(there) else { return false };
    let said = |proof: Proof| Proof { body: Vec::new(), ..proof };
    !old.prover.proves()
        || there.get(..MAGIC) == new.get(..MAGIC) && proof_in(new).map(said) == Some(said(old))
}

/// Tries whether a file can be saved there: what takes hours to make should not find its place closed. The folders above it are made,
/// and what is there stays.
///
/// # Errors
///
/// Nothing can be saved there.
pub fn check_place(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // A pipe is not opened before there is something to write.
    if is_no_file(path) {
        return Ok(());
    }
    fs::create_dir_all(folder_of(path))?;
    let (beside, _) = create_beside(path)?;
    drop(fs::remove_file(&beside));
    Ok(())
}

/// Whether a device, a pipe or a socket is there, as `/dev/stdout` often is.
fn is_no_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where a file is written before it takes its place: another name for each write, since two writers may be at work on one file, or
/// on two that differ by their extension alone.
fn beside(path: &Path) -> PathBuf {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let number = WRITES.fetch_add(1, Ordering::Relaxed);
    path.with_extension(format!("{}-{number}.tmp", std::process::id()))
}

/// Makes that file, where nobody else has one of its name: of processes in containers that share a folder, many have the same id.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    loop {
        let beside = beside(path);
        match File::options().write(true).create_new(true).open(&beside) {
            Ok(file) => return Ok((beside, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

fn write_through(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Reads the file of a proof. Where it begins otherwise that alone is read: it may be of any length.
///
/// # Errors
///
/// It cannot be read.
pub fn read_proof(path: &Path) -> io::Result<Vec<u8>> {
    read(path, 0)
}

/// The same of a proof for L1, which may also be one that SP1's tools left: of what begins otherwise than a proof of ours no more is
/// read than shows that it is [too long](Sp1Snark::LONGEST) for one of those.
///
/// # Errors
///
/// It cannot be read.
pub fn read_for_l1(path: &Path) -> io::Result<Vec<u8>> {
    read(path, Sp1Snark::LONGEST as u64)
}

/// Reads a file, or so many bytes behind its first ones where it does not begin as a proof.
fn read(path: &Path, otherwise: u64) -> io::Result<Vec<u8>> {
    let (mut file, mut bytes) = (File::open(path)?, Vec::new());
    Read::by_ref(&mut file).take(MAGIC as u64).read_to_end(&mut bytes)?;
    let more = if begins_as_a_proof(&bytes) { u64::MAX } else { otherwise };
    file.take(more).read_to_end(&mut bytes)?;
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
    // Who reads a pipe waits for somebody to write.
    !is_no_file(path)
        && read_proof(path).is_ok_and(|bytes| proof_in(&bytes).is_some_and(|proof| proof.prover.proves()))
}

/// The proof in a file of whatever kind.
fn proof_in(bytes: &[u8]) -> Option<Proof> {
    if CheckpointProof::is(bytes) {
        CheckpointProof::decode(bytes).map(|there| there.proof).ok()
    } else if EpochProof::is(bytes) {
        EpochProof::decode(bytes).map(|there| there.proof).ok()
    } else if OpRangeProof::is(bytes) {
        OpRangeProof::decode(bytes).map(|there| there.proof).ok()
    } else if OpAggregationProof::is(bytes) {
        OpAggregationProof::decode(bytes).map(|there| there.proof).ok()
    } else {
        Proof::decode(bytes).ok()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use proofmill_primitives::{ProgramVersion, ProofMode};

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

    /// In another container that shares the folder, a process of the same id is at work on the same file.
    #[test]
    fn what_another_process_of_the_same_id_is_writing_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("3-5.bin");
        // More than all tests of this process write.
        let theirs: Vec<_> = (0..4_000)
            .map(|number| path.with_extension(format!("{}-{number}.tmp", std::process::id())))
            .collect();
        for draft in &theirs {
            fs::write(draft, b"half of a pro").unwrap();
        }
        check_place(&path).unwrap();
        save(&path, b"a proof").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a proof");
        for draft in &theirs {
            assert_eq!(fs::read(draft).unwrap(), b"half of a pro", "{}", draft.display());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), theirs.len() + 1);
    }

    #[test]
    fn a_device_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("report.json");
        std::os::unix::fs::symlink("/dev/null", &device).unwrap();
        check_place(&device).unwrap();
        save(&device, b"figures").unwrap();
        assert_eq!(fs::read_link(&device).unwrap(), Path::new("/dev/null"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_place_is_tried_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (file, below) = (folder.path().join("proof.bin"), folder.path().join("proof.bin/below"));
        check_place(&file).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        save(&file, b"proof").unwrap();
        check_place(&file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"proof");
        // A folder, and a file in place of a folder: nothing can be saved at either.
        for place in [folder.path(), &below] {
            assert!(check_place(place).is_err() && save(place, b"proof").is_err(), "{}", place.display());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    fn proof(prover: ProverType, says: u8, body: u8) -> Vec<u8> {
        let (mode, program) = (ProofMode::Compressed, ProgramVersion(B256::ZERO));
        Proof { prover, mode, program, public_values: vec![says], body: vec![body] }.encode()
    }

    #[test]
    fn a_proof_without_a_named_place_takes_none_from_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("901/proofs/3-5.bin");
        let put = |prover, bytes: &[u8]| {
            let place = save_beside(&path, prover, bytes).unwrap();
            assert_eq!(fs::read(&place).unwrap(), bytes);
            place.file_name().unwrap().to_str().unwrap().to_owned()
        };
        let (openvm, sp1) = (proof(ProverType::OpenVm, 1, 1), proof(ProverType::Sp1, 1, 1));
        // What proves nothing keeps no place.
        assert_eq!(put(ProverType::Exec, &proof(ProverType::Exec, 1, 0)), "3-5.bin");
        assert_eq!(put(ProverType::OpenVm, &openvm), "3-5.bin");
        assert_eq!(put(ProverType::Exec, &proof(ProverType::Exec, 1, 0)), "3-5-exec.bin");
        assert_eq!(put(ProverType::Sp1, &sp1), "3-5-sp1.bin");
        // Of something else, then of the same once more: that is made anew, and no proof is lost.
        assert_eq!(put(ProverType::Sp1, &proof(ProverType::Sp1, 2, 1)), "3-5-sp1-2.bin");
        assert_eq!(put(ProverType::OpenVm, &proof(ProverType::OpenVm, 2, 1)), "3-5-openvm.bin");
        assert_eq!(put(ProverType::Sp1, &proof(ProverType::Sp1, 2, 2)), "3-5-sp1-2.bin");
        assert_eq!(put(ProverType::OpenVm, &proof(ProverType::OpenVm, 1, 2)), "3-5.bin");
        assert_eq!(fs::read(path.with_file_name("3-5-sp1.bin")).unwrap(), sp1);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 5, "nothing is left beside them");
        // A folder is no place, and neither is what cannot be read: it may be a proof of another version.
        let other = path.with_file_name("epoch-3-5-sp1.bin");
        fs::create_dir(&other).unwrap();
        fs::write(other.with_file_name("epoch-3-5-sp1-2.bin"), b"PMEPOCH1").unwrap();
        let place = save_beside(&other, ProverType::Sp1, &sp1).unwrap();
        assert_eq!(place, other.with_file_name("epoch-3-5-sp1-3.bin"));
    }

    #[test]
    fn provers_that_end_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guest.proof");
        std::thread::scope(|scope| {
            for says in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    save_beside(path, ProverType::Sp1, &proof(ProverType::Sp1, says, 0)).unwrap()
                });
            }
        });
        let mut said: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|file| proof_in(&fs::read(file.unwrap().path()).unwrap()).unwrap().public_values[0])
            .collect();
        said.sort_unstable();
        assert_eq!(said, (0..8).collect::<Vec<_>>());
    }
}
