//! The folder in which one cluster keeps everything.

use crate::{DataDirError, LockError, ProcessLock};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// The format of the data directory that this version reads and writes.
pub const FORMAT_VERSION: u32 = 1;

const VERSION_FILE: &str = "VERSION";
const LOCK_FILE: &str = "LOCK";

/// Distinguishes the drafts of one process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The data directory of one cluster, owned by this process until the value is dropped or the process ends.
///
/// ```text
/// VERSION                            the format, 1
/// LOCK                               held by the owner, and names its process
/// ledger.sqlite                      proofs and tasks
/// artifacts/                         the blobs that tasks exchange
/// <chain id>/proofs/                 finished proofs, for people
/// ```
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Locked; the lock goes when it is closed.
    _lock: ProcessLock,
}

impl DataDir {
    /// Opens the directory, and creates it where it is missing.
    ///
    /// # Errors
    ///
    /// [`InUse`](DataDirError::InUse) where another process has it (or another value in this process),
    /// [`OtherVersion`](DataDirError::OtherVersion) and [`Foreign`](DataDirError::Foreign) where it was not written by
    /// this version; nothing in it is changed then.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        fs::create_dir_all(path).map_err(io_error("create the data directory", path))?;
        let path = fs::canonicalize(path).map_err(io_error("open the data directory", path))?;
        let lock_path = path.join(LOCK_FILE);
        if !lock_path.exists() {
            is_marked(&path)?;
        }
        let mut lock = ProcessLock::take(&lock_path).map_err(|error| match error {
            LockError::Held(by) => in_use(&path, by),
            LockError::Io(source) => io_error("lock", &lock_path)(source),
        })?;
        mark(&path)?;
        lock.sign().map_err(io_error("write the lock file", &lock_path))?;
        Ok(Self { path, _lock: lock })
    }

    /// Marks a directory as one of Proofmill's, for a process that keeps something in it without owning it: a worker or a
    /// prover node may be the first that comes. It is created where it is missing.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), except that it may be in use.
    pub fn mark(path: &Path) -> Result<(), DataDirError> {
        fs::create_dir_all(path).map_err(io_error("create the data directory", path))?;
        let path = fs::canonicalize(path).map_err(io_error("open the data directory", path))?;
        mark(&path)
    }

    /// The directory, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the ledger's database is.
    pub fn ledger(&self) -> PathBuf {
        self.path.join("ledger.sqlite")
    }

    /// The folder of the artifact store.
    pub fn artifacts(&self) -> PathBuf {
        self.path.join("artifacts")
    }

    /// How much space there is.
    pub fn free_space(&self) -> Result<FreeSpace, DataDirError> {
        FreeSpace::of(&self.path)
    }

    /// Checks that there are `needed` bytes of free space.
    pub fn require_free(&self, needed: u64) -> Result<(), DataDirError> {
        let FreeSpace { available, .. } = self.free_space()?;
        if available < needed {
            return Err(DataDirError::NoSpace { path: self.path.clone(), available, needed });
        }
        Ok(())
    }
}

/// The space of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeSpace {
    /// Bytes that this user may still write.
    pub available: u64,
    /// Bytes that it has in all.
    pub total: u64,
}

impl FreeSpace {
    /// That of the file system on which `path` lies.
    pub fn of(path: &Path) -> Result<Self, DataDirError> {
        let stat = rustix::fs::statvfs(path)
            .map_err(|errno| io_error("ask for the free space of", path)(errno.into()))?;
        Ok(Self {
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_path_buf();
    move |source| DataDirError::Io { doing, path, source }
}

fn in_use(path: &Path, by: Option<u32>) -> DataDirError {
    let holder = by.map_or_else(|| "another process".to_owned(), |pid| format!("pid {pid}"));
    DataDirError::InUse { path: path.to_path_buf(), holder }
}

/// Writes the `VERSION` file where it is missing.
fn mark(path: &Path) -> Result<(), DataDirError> {
    if is_marked(path)? {
        return Ok(());
    }
    write_version(path).map_err(io_error("write", &path.join(VERSION_FILE)))
}

/// Whether a directory has its `VERSION` file. One without it must be as good as empty: a mistyped path should not fill
/// somebody's home.
fn is_marked(path: &Path) -> Result<bool, DataDirError> {
    if has_version(path)? {
        return Ok(true);
    }
    let foreign = foreign(path).map_err(io_error("read the data directory", path))?;
    // Another process may have marked it since, and begun to fill it.
    if has_version(path)? {
        return Ok(true);
    }
    match foreign {
        Some(found) => Err(DataDirError::Foreign { path: path.to_path_buf(), found }),
        None => Ok(false),
    }
}

/// Whether there is a `VERSION` file, which then must be of this version.
fn has_version(path: &Path) -> Result<bool, DataDirError> {
    let file = path.join(VERSION_FILE);
    let bytes = match fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io_error("read", &file)(error)),
    };
    let text = String::from_utf8_lossy(&bytes);
    let found = text.trim();
    if found.parse() == Ok(FORMAT_VERSION) {
        return Ok(true);
    }
    // The file may be anything; a message needs only its beginning.
    let found = found.chars().take(40).collect::<String>().escape_debug().to_string();
    Err(DataDirError::OtherVersion { path: path.to_path_buf(), found, known: FORMAT_VERSION })
}

/// Something in a directory that is not ours before it is marked.
fn foreign(path: &Path) -> io::Result<Option<String>> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        // A volume's own folder, marks for tools (`.gitkeep`), and what a first start leaves, also one under way.
        if name != "lost+found" && name != LOCK_FILE && name != VERSION_FILE && !name.starts_with('.') {
            return Ok(Some(name.into_owned()));
        }
    }
    Ok(None)
}

fn write_version(path: &Path) -> io::Result<()> {
    let (draft, file) = create_draft(path)?;
    let moved = fill(file).and_then(|()| fs::rename(&draft, path.join(VERSION_FILE)));
    if moved.is_err() {
        let _ = fs::remove_file(&draft);
    }
    moved?;
    File::open(path)?.sync_all()
}

/// A file of this call alone: many may come at the same time, and in containers that share a directory many have the same
/// process id.
fn create_draft(path: &Path) -> io::Result<(PathBuf, File)> {
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let draft = path.join(format!(".VERSION-{}-{number}", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&draft) {
            Ok(file) => return Ok((draft, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

fn fill(mut draft: File) -> io::Result<()> {
    draft.write_all(format!("{FORMAT_VERSION}\n").as_bytes())?;
    draft.sync_all()
}
