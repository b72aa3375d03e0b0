//! Answers on disk, so that a second build of a range asks the node next to nothing.
//!
//! An entry belongs to a chain id, a block hash and a request: a reorg has other hashes, so it never finds the entries
//! of the blocks that it replaced. Each entry begins with a checksum; one that does not fit is ignored.

use alloy_primitives::{B256, keccak256};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

#[derive(Debug, Default)]
pub(crate) struct Cache {
    folder: Option<PathBuf>,
    write_failed: AtomicBool,
    temporary: AtomicU64,
}

impl Cache {
    pub(crate) fn new(folder: Option<&Path>, chain_id: u64) -> Self {
        Self { folder: folder.map(|folder| folder.join(chain_id.to_string())), ..Self::default() }
    }

    pub(crate) fn get(&self, block: B256, request: &str) -> Option<String> {
        let path = self.path(block, request)?;
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a cache entry cannot be read and is ignored");
                return None;
            }
        };
        let text = bytes
            .split_at_checked(32)
            .filter(|(sum, text)| *sum == checksum(request, text))
            .and_then(|(_, text)| String::from_utf8(text.to_vec()).ok());
        if text.is_none() {
            tracing::warn!(path = %path.display(), "a cache entry is corrupted and is ignored");
        }
        text
    }

    /// Keeps an answer. A failure costs only the next build's time, so it is told once and otherwise ignored.
    pub(crate) fn put(&self, block: B256, request: &str, text: &str) {
        let Some(path) = self.path(block, request) else { return };
        if let Err(error) = self.write(&path, request, text)
            && !self.write_failed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(path = %path.display(), %error, "the cache cannot be written; going on without it");
        }
    }

    fn write(&self, path: &Path, request: &str, text: &str) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        // Written beside its place and moved there, so that nobody reads half an entry.
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let beside = path.with_extension(format!("{}-{number}.tmp", std::process::id()));
        fs::write(&beside, [&checksum(request, text.as_bytes())[..], text.as_bytes()].concat())?;
        fs::rename(&beside, path).inspect_err(|_| drop(fs::remove_file(&beside)))
    }

    fn path(&self, block: B256, request: &str) -> Option<PathBuf> {
        let name = alloy_primitives::hex::encode(&keccak256(request)[..16]);
        Some(self.folder.as_ref()?.join(block.to_string()).join(name))
    }
}

fn checksum(request: &str, text: &[u8]) -> B256 {
    keccak256([request.as_bytes(), &[0], text].concat())
}
