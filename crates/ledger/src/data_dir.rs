//! The folder in which one cluster keeps everything.

use crate::DataDirError;
use proofmill_primitives::BlockRange;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// The format of the data directory that this version reads and writes.
pub const FORMAT_VERSION: u32 = 1;

const VERSION_FILE: &str = "VERSION";
const LOCK_FILE: &str = "LOCK";

/// The data directory of one cluster, owned by this process until the value is dropped or the process ends.
///
/// ```text
/// VERSION                            the format, 1
/// LOCK                               held by the owner, and names its process
/// ledger.sqlite                      proofs and tasks
/// artifacts/                         the blobs that tasks exchange
/// <chain id>/proofs/<a>-<b>.bin      finished proofs of block ranges
/// ```
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Locked; the lock goes when it is closed.
    _lock: File,
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
        if !path.join(VERSION_FILE).exists() && !lock_path.exists() {
            refuse_foreign(&path)?;
        }
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&lock_path)
            .map_err(io_error("open the lock file", &lock_path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(in_use(&path, &mut lock)),
            Err(errno) => return Err(io_error("lock", &lock_path)(errno.into())),
        }
        check_version(&path)?;
        lock.set_len(0)
            .and_then(|()| lock.write_all(format!("{}\n", std::process::id()).as_bytes()))
            .map_err(io_error("write the lock file", &lock_path))?;
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
        check_version(&path)
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

    /// The file for the proof of a range of a chain's blocks; its folder is created.
    pub fn proof_file(&self, chain_id: u64, range: BlockRange) -> Result<PathBuf, DataDirError> {
        let folder = self.path.join(chain_id.to_string()).join("proofs");
        fs::create_dir_all(&folder).map_err(io_error("create the folder", &folder))?;
        Ok(folder.join(format!("{range}.bin")))
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

fn in_use(path: &Path, lock: &mut File) -> DataDirError {
    let mut text = String::new();
    // The holder writes its id just after it has the lock, so the file may be empty for a moment.
    let pid = lock.read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok());
    let holder = pid.map_or_else(|| "another process".to_owned(), |pid| format!("pid {pid}"));
    DataDirError::InUse { path: path.to_path_buf(), holder }
}

/// A directory without a `VERSION` file must be as good as empty: a mistyped path should not fill somebody's home.
fn refuse_foreign(path: &Path) -> Result<(), DataDirError> {
    let entries = fs::read_dir(path).map_err(io_error("read the data directory", path))?;
    for entry in entries {
        let name = entry.map_err(io_error("read the data directory", path))?.file_name();
        let name = name.to_string_lossy();
        // A volume's own folder, marks for tools (`.gitkeep`), and what an interrupted first start left.
        if name != "lost+found" && name != LOCK_FILE && !name.starts_with('.') {
            return Err(DataDirError::Foreign { path: path.to_path_buf(), found: name.into_owned() });
        }
    }
    Ok(())
}

fn check_version(path: &Path) -> Result<(), DataDirError> {
    let file = path.join(VERSION_FILE);
    match fs::read(&file) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let found = text.trim();
            if found.parse() == Ok(FORMAT_VERSION) {
                return Ok(());
            }
            // The file may be anything; a message needs only its beginning.
            let found = found.chars().take(40).collect::<String>().escape_debug().to_string();
            Err(DataDirError::OtherVersion { path: path.to_path_buf(), found, known: FORMAT_VERSION })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            refuse_foreign(path)?;
            write_version(path).map_err(io_error("write", &file))
        }
        Err(error) => Err(io_error("read", &file)(error)),
    }
}

fn write_version(path: &Path) -> io::Result<()> {
    // Of this process alone: two may come at the same time.
    let draft = path.join(format!(".VERSION-{}", std::process::id()));
    let mut file = File::create(&draft)?;
    file.write_all(format!("{FORMAT_VERSION}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path.join(VERSION_FILE))?;
    File::open(path)?.sync_all()
}
