//! Files on their way: written under a name of their own, and moved when they are whole.

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

/// The folder, in the store's root, in which they are.
pub(super) const FOLDER: &str = "tmp";

/// Distinguishes the files of one process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Distinguishes processes: in containers that share a folder, many have the same id.
static PROCESS: LazyLock<String> = LazyLock::new(|| {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{:x}", std::process::id(), since.as_nanos())
});

/// A file that is being written. It is locked: the lock ends with the process, so that a [`sweep`] by any other process
/// can tell a file that is being written from one that nobody will finish.
pub(super) struct TempFile {
    file: File,
    path: PathBuf,
    moved: bool,
}

impl TempFile {
    pub(super) fn create(root: &Path) -> io::Result<Self> {
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = root.join(FOLDER).join(format!("{}-{number}", *PROCESS));
            let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                // A sweep was faster, and removes the file.
                Err(Errno::WOULDBLOCK) => continue,
                Err(errno) => {
                    let _ = fs::remove_file(&path);
                    return Err(errno.into());
                }
            }
            // A sweep may have come and gone before the lock.
            if file.metadata()?.nlink() > 0 {
                return Ok(Self { file, path, moved: false });
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all of it, to the disk.
    pub(super) fn write(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        for part in parts {
            self.file.write_all(part)?;
        }
        self.file.sync_all()
    }

    /// Gives the file its name; whoever opens that from now on reads this file, whole.
    pub(super) fn persist(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.moved = true;
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.moved {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the files that nobody is writing; how many.
pub(super) fn sweep(root: &Path) -> io::Result<usize> {
    let mut swept = 0;
    for entry in fs::read_dir(root.join(FOLDER))? {
        let path = entry?.path();
        let file = match File::open(&path) {
            Ok(file) => file,
            // Moved or removed since the folder was read, or somebody else's: no reason not to start.
            Err(_) => continue,
        };
        if !file.metadata()?.is_file() || flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        match fs::remove_file(&path) {
            Ok(()) => swept += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(swept)
}
