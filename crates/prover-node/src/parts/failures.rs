//! The failure store: what failed, with all that is needed to look into it.

use crate::{
    NodeError,
    rules::{Failed, Failure, ProofLevel, RangeSpec, Time},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_artifacts::ContentKey;
use proofmill_primitives::ProverType;
use serde::{Deserialize, Serialize};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// The name of a record. It follows from what failed, so that the same failure is kept once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FailureId(String);

impl FailureId {
    /// Of a failure: its epoch, what failed, and a hash of the content that it failed on.
    pub fn of(failure: &Failure) -> Self {
        let what = match &failure.what {
            Failed::Checkpoint { prover, range } => format!("{prover} {range}"),
            Failed::Session { spec, .. } => format!("{} {}-{}", spec.kind, spec.from, spec.to),
        };
        let mut parts = vec![what.into_bytes()];
        for checkpoint in &failure.checkpoints {
            parts.push([checkpoint.last_hash, checkpoint.state_root].concat());
            parts.push(checkpoint.slot.0.to_le_bytes().to_vec());
        }
        let key = ContentKey::of(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>()).to_string();
        let name = match &failure.what {
            Failed::Checkpoint { .. } => {
                let number = failure.checkpoints.first().map_or(0, |checkpoint| checkpoint.number.0);
                format!("checkpoint-{number}")
            }
            Failed::Session { spec, .. } => format!("{}-session", spec.kind),
        };
        Self(format!("epoch-{}-{name}-{}", failure.epoch, key.get(..12).unwrap_or(&key)))
    }

    /// Of a bad proof: what it was of, and a hash of its bytes.
    pub fn of_proof(bad: &BadProof) -> Self {
        let BadProof { level, prover, range, proof, .. } = bad;
        let key = ContentKey::of(&[proof]).to_string();
        let key = key.get(..12).unwrap_or(&key);
        Self(format!("bad-{}-{prover}-{}-{key}", level.name(), range.blocks))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FailureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A failure with the files that belong to it.
#[derive(Clone, Debug)]
pub struct FailureRecord {
    /// What failed, why, and what was reported before.
    pub failure: Failure,
    /// Inputs of the range program, proofs: names and contents. Names are plain file names.
    pub files: Vec<(String, Bytes)>,
}

/// A proof that did not hold, or was refused: the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadProof {
    /// What it was of.
    pub level: ProofLevel,
    /// What made it.
    pub prover: ProverType,
    /// Of which blocks.
    pub range: RangeSpec,
    /// What refused it, and why.
    pub cause: String,
    /// When.
    pub at: Time,
    /// The proof, in the encoding of its service.
    #[serde(skip)]
    pub proof: Bytes,
    /// What it was said to say, ABI-encoded.
    #[serde(skip)]
    pub values: Bytes,
}

/// Whether a record is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was written.
    New,
    /// It was there.
    Already,
}

/// A place for records of failures.
pub trait FailureStore: fmt::Debug + Send + Sync {
    /// Keeps a record, unless one of the same failure is there.
    ///
    /// # Errors
    ///
    /// [`NodeError::FailureStore`] where the store cannot be used.
    fn keep(&self, record: FailureRecord) -> BoxFuture<'_, Result<Kept, NodeError>>;

    /// Keeps a bad proof, unless the same bytes are there.
    ///
    /// # Errors
    ///
    /// [`NodeError::FailureStore`] where the store cannot be used.
    fn keep_bad(&self, bad: BadProof) -> BoxFuture<'_, Result<Kept, NodeError>>;
}

/// Records in a folder: one folder for each, with `failure.json` and the files. A bad proof has one, too, with `bad.json`,
/// `proof` and `values`.
#[derive(Clone, Debug)]
pub struct FsFailures {
    folder: PathBuf,
}

impl FsFailures {
    /// A store in this folder, which is created with the first record.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The records that are there.
    ///
    /// # Errors
    ///
    /// [`NodeError::FailureStore`] where the folder cannot be read.
    pub fn list(&self) -> Result<Vec<FailureId>, NodeError> {
        let failed = |source| self.failed("read", &self.folder, source);
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut ids = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                ids.push(FailureId(name));
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// Where a record is.
    pub fn path(&self, id: &FailureId) -> PathBuf {
        self.folder.join(&id.0)
    }

    fn write(
        &self,
        id: &FailureId,
        described: (&str, &impl Serialize),
        files: &[(String, Bytes)],
    ) -> Result<Kept, NodeError> {
        let target = self.path(id);
        if target.exists() {
            return Ok(Kept::Already);
        }
        // Written beside, and moved when it is whole.
        let beside = self.folder.join(format!(".{id}-{}", std::process::id()));
        match fs::remove_dir_all(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.failed("clear", &beside, error));
            }
            _ => {}
        }
        fs::create_dir_all(&beside).map_err(|error| self.failed("create", &beside, error))?;
        let (name, what) = described;
        let json = serde_json::to_vec_pretty(what)
            .map_err(|error| self.failed("write", &beside, io::Error::other(error)))?;
        let described = [(name, json.as_slice())].into_iter();
        let files = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_ref()));
        for (name, bytes) in described.chain(files) {
            let plain = Path::new(name).file_name().unwrap_or_default();
            let path = beside.join(plain);
            let written = fs::write(&path, bytes).and_then(|()| fs::File::open(&path)?.sync_all());
            written.map_err(|error| self.failed("write", &path, error))?;
        }
        fs::rename(&beside, &target).map_err(|error| self.failed("move the record to", &target, error))?;
        Ok(Kept::New)
    }

    /// Where blocking is allowed.
    async fn writing(
        &self,
        write: impl FnOnce(&Self) -> Result<Kept, NodeError> + Send + 'static,
    ) -> Result<Kept, NodeError> {
        let (store, path) = (self.clone(), self.folder.clone());
        let written = tokio::task::spawn_blocking(move || write(&store)).await;
        written.unwrap_or_else(|broken| {
            let source = io::Error::other(broken);
            Err(NodeError::FailureStore { doing: "write to", path, source })
        })
    }

    fn failed(&self, doing: &'static str, path: &Path, source: io::Error) -> NodeError {
        NodeError::FailureStore { doing, path: path.to_path_buf(), source }
    }
}

impl FailureStore for FsFailures {
    fn keep(&self, record: FailureRecord) -> BoxFuture<'_, Result<Kept, NodeError>> {
        Box::pin(self.writing(move |store| {
            let FailureRecord { failure, files } = record;
            store.write(&FailureId::of(&failure), ("failure.json", &failure), &files)
        }))
    }

    fn keep_bad(&self, bad: BadProof) -> BoxFuture<'_, Result<Kept, NodeError>> {
        Box::pin(self.writing(move |store| {
            let files = [("proof".to_owned(), bad.proof.clone()), ("values".to_owned(), bad.values.clone())];
            store.write(&FailureId::of_proof(&bad), ("bad.json", &bad), &files)
        }))
    }
}
