//! Proofs that no coordinator took before their prover was stopped: kept in its folder, for the next one that is started there.

use crate::rules::{BatchId, ProofLevel};
use alloy_primitives::hex;
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

    /// Keeps it in a folder.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub(super) fn keep(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let BatchId { level, content, .. } = &self.batch;
        let file = folder.join(format!("{}-{}-{}", self.prover, level.name(), hex::encode(content)));
        // Whole or not at all.
        let partial = file.with_extension("partial");
        fs::write(&partial, self.encode())?;
        fs::rename(&partial, &file)
    }

    /// Those of a folder that this prover type and one of these coordinators are for. Their files go: what is not taken now is kept
    /// again.
    pub(super) fn take(folder: &Path, prover: ProverType, coordinators: &[String]) -> Vec<Self> {
        let read = |path: PathBuf| {
            let unsent = Self::decode(&fs::read(&path).ok()?)?;
            let is_whole = path.extension().is_none();
            let is_for = unsent.prover == prover && coordinators.contains(&unsent.coordinator);
            (is_whole && is_for && fs::remove_file(&path).is_ok()).then_some(unsent)
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
    fn what_was_not_taken_is_found_by_the_next_prover_of_its_type() {
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
        let (first, second) = (unsent(1, "http://a:1"), unsent(2, "http://b:1"));
        first.keep(folder.path()).unwrap();
        second.keep(folder.path()).unwrap();
        fs::write(folder.path().join("other"), "something else\n").unwrap();
        let take = |prover, coordinator: &str| Unsent::take(folder.path(), prover, &[coordinator.to_owned()]);
        assert_eq!(take(ProverType::Sp1, "http://a:1"), []);
        assert_eq!(take(ProverType::Exec, "http://a:1"), [first]);
        assert_eq!(take(ProverType::Exec, "http://a:1"), []);
        assert_eq!(take(ProverType::Exec, "http://b:1"), [second]);
        assert_eq!(Unsent::take(&folder.path().join("none"), ProverType::Exec, &[]), []);
        assert_eq!(Unsent::decode(b"proofmill-unsent-1 exec range"), None);
    }
}
