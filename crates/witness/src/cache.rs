//! Answers on disk, so that a second build of a range asks the node next to nothing.
//!
//! An entry belongs to a chain id, a hash and a request. The hash is a block's, or a code's: a reorg has other hashes,
//! so it never finds the entries of the blocks that it replaced. Each entry begins with a checksum; one that does not
//! fit is ignored.
//!
//! ```text
//! <chain id>/<hash>/<hash of the request>
//! ```
//!
//! The time of change of a hash's folder is when one of its entries was last used. Folders that were not used for
//! [`UNUSED_FOR`] are removed, those of other chains too: at the start, and once an hour while the cache is used.

use alloy_primitives::{B256, hex, keccak256};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

/// How long entries are kept that nobody uses. A range is built again within hours or never: when its proof failed, or
/// its checkpoint came back after a reorg.
const UNUSED_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How often it is looked for such entries.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
/// What was used within this time is not marked again: a build uses a folder hundreds of times.
const PRECISION: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Cache {
    folders: Option<Folders>,
    next_sweep: Mutex<Instant>,
    write_failed: AtomicBool,
    temporary: AtomicU64,
}

#[derive(Debug)]
struct Folders {
    /// Of all chains.
    root: PathBuf,
    chain: PathBuf,
}

impl Cache {
    /// The cache in a folder, if there is one. What is unused in it is removed meanwhile.
    pub(crate) fn new(root: Option<&Path>, chain_id: u64) -> Self {
        let cache = Self::to_be_swept(root, chain_id, Instant::now());
        cache.sweep_if_due();
        cache
    }

    fn to_be_swept(root: Option<&Path>, chain_id: u64, at: Instant) -> Self {
        let chain = |root: &Path| root.join(chain_id.to_string());
        Self {
            folders: root.map(|root| Folders { root: root.to_owned(), chain: chain(root) }),
            next_sweep: Mutex::new(at),
            write_failed: AtomicBool::default(),
            temporary: AtomicU64::default(),
        }
    }

    /// Whether anything is kept.
    pub(crate) const fn is_used(&self) -> bool {
        self.folders.is_some()
    }

    pub(crate) fn get(&self, of: B256, request: &str) -> Option<String> {
        let path = self.path(of, request)?;
        self.sweep_if_due();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a cache entry cannot be read and is ignored");
                return None;
            }
        };
        if let Some(folder) = path.parent() {
            mark_used(folder);
        }
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
    pub(crate) fn put(&self, of: B256, request: &str, text: &str) {
        let Some(path) = self.path(of, request) else { return };
        self.sweep_if_due();
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

    fn path(&self, of: B256, request: &str) -> Option<PathBuf> {
        let name = hex::encode(&keccak256(request)[..16]);
        Some(self.folders.as_ref()?.chain.join(of.to_string()).join(name))
    }

    /// Removes what is unused, on a thread of its own: there may be many folders to look at.
    fn sweep_if_due(&self) {
        let Some(Folders { root, .. }) = &self.folders else { return };
        let now = Instant::now();
        {
            let mut next = self.next_sweep.lock().unwrap_or_else(PoisonError::into_inner);
            if now < *next {
                return;
            }
            *next = now + SWEEP_EVERY;
        }
        let root = root.clone();
        let sweep = move || match remove_unused(&root, UNUSED_FOR) {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed what was not used from the witness cache"),
            Err(error) => {
                tracing::warn!(folder = %root.display(), %error, "the witness cache cannot be looked through");
            }
        };
        if let Err(error) = thread::Builder::new().name("witness-cache-sweep".to_owned()).spawn(sweep) {
            tracing::warn!(%error, "no thread to remove what is unused from the witness cache");
        }
    }
}

/// Remembers that a folder was used. Where this cannot be written, it counts as unused, and is filled again if it is
/// needed once it has been removed.
fn mark_used(folder: &Path) {
    let now = SystemTime::now();
    let marked = || -> io::Result<()> {
        let open = File::open(folder)?;
        match now.duration_since(open.metadata()?.modified()?) {
            Ok(age) if age < PRECISION => Ok(()),
            // Also where the clock was set back.
            _ => open.set_modified(now),
        }
    };
    if let Err(error) = marked() {
        tracing::debug!(folder = %folder.display(), %error, "cannot mark a folder of the cache as used");
    }
}

/// Removes the folders that nobody has used for so long, and says how many. Only what has the name that a cache gives
/// it is touched. Another process may remove the same at the same time.
fn remove_unused(root: &Path, unused_for: Duration) -> io::Result<u64> {
    let Some(limit) = SystemTime::now().checked_sub(unused_for) else { return Ok(0) };
    let mut removed = 0;
    for chain in folders(root, |name| name.parse::<u64>().is_ok())? {
        for folder in folders(&chain, |name| name.parse::<B256>().is_ok())? {
            let remove = || -> io::Result<bool> {
                let unused = fs::metadata(&folder)?.modified()? < limit;
                if unused {
                    fs::remove_dir_all(&folder)?;
                }
                Ok(unused)
            };
            match remove() {
                Ok(done) => removed += u64::from(done),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "cannot remove an unused folder");
                }
            }
        }
    }
    Ok(removed)
}

/// The folders with such a name; none where the folder that they would be in is missing.
fn folders(of: &Path, named: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(of) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.file_name().to_str().is_some_and(&named) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn checksum(request: &str, text: &[u8]) -> B256 {
    keccak256([request.as_bytes(), &[0], text].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tempfile::TempDir;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn age(path: &Path, days: u32) {
        let then = SystemTime::now() - DAY * days;
        File::open(path).unwrap().set_modified(then).unwrap();
    }

    /// The sweep runs on a thread of its own.
    fn until_gone(path: &Path) {
        let begun = Instant::now();
        while path.exists() {
            assert!(begun.elapsed() < Duration::from_secs(300), "{} stays", path.display());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// A cache that is not swept yet, with an entry of block 1, 8 days old, and one of block 2.
    fn scene() -> (TempDir, Cache, [PathBuf; 2]) {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::to_be_swept(Some(root.path()), 5, Instant::now() + SWEEP_EVERY);
        let folders = [1, 2].map(|block| {
            let block = B256::repeat_byte(block);
            cache.put(block, "request", "answer");
            root.path().join("5").join(block.to_string())
        });
        age(&folders[0], 8);
        (root, cache, folders)
    }

    #[test]
    fn what_was_not_used_is_removed_and_nothing_else() {
        let (root, cache, [old, new]) = scene();
        let of_another_chain = root.path().join("77").join(B256::repeat_byte(3).to_string());
        let foreign = [root.path().join("5/notes"), root.path().join("notes").join(B256::ZERO.to_string())];
        for folder in foreign.iter().chain([&of_another_chain]) {
            fs::create_dir_all(folder).unwrap();
            age(folder, 100);
        }
        age(&new, 6);
        assert_eq!(remove_unused(root.path(), UNUSED_FOR).unwrap(), 2);
        assert!(!old.exists() && !of_another_chain.exists());
        assert!(new.exists() && foreign.iter().all(|folder| folder.exists()));
        assert_eq!(cache.get(B256::repeat_byte(1), "request"), None);
        assert_eq!(cache.get(B256::repeat_byte(2), "request").unwrap(), "answer");
        assert_eq!(remove_unused(&root.path().join("missing"), UNUSED_FOR).unwrap(), 0);
    }

    #[test]
    fn what_is_used_stays() {
        let (root, cache, [old, _]) = scene();
        // Of the same block, but there is no such answer.
        assert_eq!(cache.get(B256::repeat_byte(1), "another"), None);
        assert!(fs::metadata(&old).unwrap().modified().unwrap() < SystemTime::now() - DAY);
        assert_eq!(cache.get(B256::repeat_byte(1), "request").unwrap(), "answer");
        assert_eq!(remove_unused(root.path(), UNUSED_FOR).unwrap(), 0);
        age(&old, 8);
        cache.put(B256::repeat_byte(1), "another", "answer");
        assert_eq!(remove_unused(root.path(), UNUSED_FOR).unwrap(), 0);
    }

    #[test]
    fn it_is_swept_when_it_is_opened() {
        let (root, _, [old, new]) = scene();
        let _another = Cache::new(Some(root.path()), 6);
        until_gone(&old);
        assert!(new.exists());
    }

    #[test]
    fn it_is_swept_once_an_hour_while_it_is_used() {
        let uses: [fn(&Cache); 2] = [
            |cache| drop(cache.get(B256::ZERO, "request")),
            |cache| cache.put(B256::ZERO, "request", "answer"),
        ];
        for use_it in uses {
            let (_root, cache, [old, new]) = scene();
            let next = *cache.next_sweep.lock().unwrap();
            assert!(next > Instant::now() + SWEEP_EVERY / 2);
            use_it(&cache);
            assert_eq!(*cache.next_sweep.lock().unwrap(), next, "it is not due");
            *cache.next_sweep.lock().unwrap() = Instant::now();
            use_it(&cache);
            until_gone(&old);
            assert!(new.exists());
            assert!(*cache.next_sweep.lock().unwrap() > Instant::now() + SWEEP_EVERY / 2);
        }
    }
}
