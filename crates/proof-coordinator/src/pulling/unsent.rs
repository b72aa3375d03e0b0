//! Proofs that no coordinator has answered for yet: kept in their prover's folder until one has, so that a prover that is killed
//! loses none. The next one that is started there hands them in.

use crate::rules::{BatchId, ProofLevel};
use alloy_primitives::hex;
use proofmill_client::files;
use proofmill_primitives::{CheckpointNumber, ProverType};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The first word of a file, and the version of what follows.
const MARK: &str = "proofmill-unsent-1";

/// A proof that is to be handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unsent {
    pub(super) coordinator: String,
    pub(super) prover: ProverType,
    pub(super) batch: BatchId,
    pub(super) proof: Vec<u8>,
}

/// Whether two addresses are of one coordinator.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

impl Unsent {
    /// A line that says of what it is, then the proof.
    fn encode(&self) -> Vec<u8> {
        let Self { coordinator, prover, batch: BatchId { number, level, content }, proof } = self;
        let (level, content) = (level.name(), hex::encode(content));
        let mut file = format!("{MARK} {prover} {level} {} {content} {coordinator}\n", number.0).into_bytes();
        file.extend_from_slice(proof);
        file
    }

    fn decode(file: &[u8]) -> Option<Self> {
        let end = file.iter().position(|byte| *byte == b'\n')?;
        let (line, proof) = file.split_at(end);
        let mut words = std::str::from_utf8(line).ok()?.split(' ');
        if words.next()? != MARK {
            return None;
        }
        let prover = words.next()?.parse().ok()?;
        let level = ProofLevel::parse(words.next()?)?;
        let number = CheckpointNumber(words.next()?.parse().ok()?);
        let content = hex::decode(words.next()?).ok()?.try_into().ok()?;
        let coordinator = words.next()?.to_owned();
        let batch = BatchId { number, level, content };
        Some(Self { coordinator, prover, batch, proof: proof.get(1..)?.to_vec() })
    }

    /// Keeps it in a folder: whole or not at all, and also over a power cut.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub(super) fn keep(&self, folder: &Path) -> io::Result<()> {
        files::save(&self.file(folder), &self.encode())
    }

    /// Removes it from a folder. No error where it is not there.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub(super) fn remove(&self, folder: &Path) -> io::Result<()> {
        match fs::remove_file(self.file(folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Two coordinators may have given the same batch.
    fn file(&self, folder: &Path) -> PathBuf {
        let Self { coordinator, prover, batch: BatchId { level, content, .. }, .. } = self;
        let coordinator = blake3::hash(coordinator.as_bytes()).to_hex();
        folder.join(format!("{prover}-{}-{}-{}", level.name(), hex::encode(content), &coordinator[..8]))
    }

    /// Those of a folder that this prover type and one of these coordinators are for. Their files stay.
    pub(super) fn kept(folder: &Path, prover: ProverType, coordinators: &[String]) -> Vec<Self> {
        let read = |path: PathBuf| {
            let unsent = Self::decode(&fs::read(&path).ok()?)?;
            // One with an extension was not written to its end.
            let is_whole = path.extension().is_none();
            let is_named = coordinators.iter().any(|named| is_same(named, &unsent.coordinator));
            let is_for = unsent.prover == prover && is_named;
            if !is_whole || !is_for {
                return None;
            }
            // An earlier release named it without its coordinator.
            let file = unsent.file(folder);
            (path == file || fs::rename(&path, &file).is_ok()).then_some(unsent)
        };
        let files = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        files.filter_map(|file| read(file.path())).collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_taken_is_found_by_the_next_prover_of_its_type_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let unsent = |number: u64, coordinator: &str| Unsent {
            coordinator: coordinator.to_owned(),
            prover: ProverType::Exec,
            batch: BatchId {
                number: CheckpointNumber(number),
                level: ProofLevel::Epoch,
                content: [number as u8; 32],
            },
            proof: b"a proof\nof two lines".to_vec(),
        };
        // Two coordinators gave the same batch.
        let (first, second) = (unsent(1, "http://a:1"), unsent(1, "http://b:1"));
        first.keep(folder.path()).unwrap();
        second.keep(folder.path()).unwrap();
        fs::write(folder.path().join("other"), "something else\n").unwrap();
        fs::write(folder.path().join("exec-epoch-01.7-0.tmp"), first.encode()).unwrap();
        let kept = |prover, coordinator: &str| Unsent::kept(folder.path(), prover, &[coordinator.to_owned()]);
        assert_eq!(kept(ProverType::Sp1, "http://a:1"), []);
        // As often as it is looked for: whoever found it may be killed before it is handed in.
        for _ in 0..2 {
            assert_eq!(kept(ProverType::Exec, "http://a:1"), std::slice::from_ref(&first));
        }
        // Its address may be written otherwise by then.
        assert_eq!(kept(ProverType::Exec, "http://a:1/"), std::slice::from_ref(&first));
        // As an earlier release named it, too.
        fs::rename(first.file(folder.path()), folder.path().join("exec-epoch-01")).unwrap();
        assert_eq!(kept(ProverType::Exec, "http://a:1"), std::slice::from_ref(&first));
        for _ in 0..2 {
            first.remove(folder.path()).unwrap();
            assert_eq!(kept(ProverType::Exec, "http://a:1"), []);
        }
        assert_eq!(kept(ProverType::Exec, "http://b:1"), [second]);
        assert_eq!(Unsent::kept(&folder.path().join("none"), ProverType::Exec, &[]), []);
        assert_eq!(Unsent::decode(b"proofmill-unsent-1 exec range"), None);
    }
}
