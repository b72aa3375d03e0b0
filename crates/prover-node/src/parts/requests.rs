//! What operators asked for, kept over restarts.

use crate::{NodeError, rules::SessionSpec};
use futures::future::BoxFuture;
use proofmill_client::files;
use std::{fmt, fs, io, path::PathBuf};

/// A place for what operators asked for and is not done.
pub trait RequestStore: fmt::Debug + Send + Sync {
    /// What was kept last; nothing where nothing was.
    ///
    /// # Errors
    ///
    /// [`NodeError::RequestStore`] where it cannot be read.
    fn wanted(&self) -> Result<Vec<SessionSpec>, NodeError>;

    /// Keeps these partial sessions, and forgets the others.
    ///
    /// # Errors
    ///
    /// [`NodeError::RequestStore`] where it cannot be written.
    fn keep(&self, wanted: Vec<SessionSpec>) -> BoxFuture<'_, Result<(), NodeError>>;
}

/// Requests in one file of JSON, written whole or not at all.
#[derive(Clone, Debug)]
pub struct FsRequests {
    path: PathBuf,
}

impl FsRequests {
    /// In this file, which is made with the first request.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> NodeError {
        NodeError::RequestStore { doing, path: self.path.clone(), source }
    }
}

impl RequestStore for FsRequests {
    fn wanted(&self) -> Result<Vec<SessionSpec>, NodeError> {
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| self.failed("understand", io::Error::other(error))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.failed("read", error)),
        }
    }

    fn keep(&self, wanted: Vec<SessionSpec>) -> BoxFuture<'_, Result<(), NodeError>> {
        let path = self.path.clone();
        Box::pin(async move {
            let write = move || files::save(&path, &serde_json::to_vec_pretty(&wanted)?);
            let written = tokio::task::spawn_blocking(write).await;
            let written = written.map_err(io::Error::other).and_then(|written| written);
            written.map_err(|error| self.failed("write", error))
        })
    }
}
