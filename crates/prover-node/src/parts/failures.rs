//! The failure store: what failed, with all that is needed to look into it.

use crate::{
    NodeError,
    rules::{Failed, Failure},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_artifacts::ContentKey;
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
}

/// Records in a folder: one folder for each, with `failure.json` and the files.
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

    fn write(&self, record: &FailureRecord) -> Result<Kept, NodeError> {
        let id = FailureId::of(&record.failure);
        let target = self.path(&id);
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
        let json = serde_json::to_vec_pretty(&record.failure)
            .map_err(|error| self.failed("write", &beside, io::Error::other(error)))?;
        let described = [("failure.json", json.as_slice())].into_iter();
        let files = record.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_ref()));
        for (name, bytes) in described.chain(files) {
            let plain = Path::new(name).file_name().unwrap_or_default();
            let path = beside.join(plain);
            let written = fs::write(&path, bytes).and_then(|()| fs::File::open(&path)?.sync_all());
            written.map_err(|error| self.failed("write", &path, error))?;
        }
        fs::rename(&beside, &target).map_err(|error| self.failed("move the record to", &target, error))?;
        Ok(Kept::New)
    }

    fn failed(&self, doing: &'static str, path: &Path, source: io::Error) -> NodeError {
        NodeError::FailureStore { doing, path: path.to_path_buf(), source }
    }
}

impl FailureStore for FsFailures {
    fn keep(&self, record: FailureRecord) -> BoxFuture<'_, Result<Kept, NodeError>> {
        let store = self.clone();
        Box::pin(async move {
            let folder = store.folder.clone();
            let written = tokio::task::spawn_blocking(move || store.write(&record)).await;
            written.unwrap_or_else(|broken| {
                let source = io::Error::other(broken);
                Err(NodeError::FailureStore { doing: "write to", path: folder, source })
            })
        })
    }
}
