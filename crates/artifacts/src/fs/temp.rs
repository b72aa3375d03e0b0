//! Files on their way: written under a name of their own, and moved when they are whole.

use bytes::Bytes;
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
    time::{Duration, SystemTime},
};

/// The folder, in the store's root, in which they are.
pub(super) const FOLDER: &str = "tmp";

/// Distinguishes the files of one process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Distinguishes machines that share a folder.
static HOST: LazyLock<String> = LazyLock::new(|| {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("h{}", name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_"))
});

/// Distinguishes processes: in containers that share a folder, many have the same id.
static PROCESS: LazyLock<String> = LazyLock::new(|| {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}-{:x}", *HOST, std::process::id(), since.as_nanos())
});

/// A file that nobody has written to for so long is one that nobody will finish, whatever its lock says: some network file
/// systems have no locks, and some have them for each machine alone.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// A file that is being written. It is locked where the file system has locks: the lock ends with the process, so that a
/// [`sweep`] by any other process can tell a file that is being written from one that nobody will finish. Elsewhere its age
/// tells ([`ABANDONED`]).
pub(super) struct TempFile {
    file: File,
    path: PathBuf,
    moved: bool,
}

impl TempFile {
    pub(super) fn create(root: &Path) -> io::Result<Self> {
        Self::create_locked_by(root, |file| flock(file, FlockOperation::NonBlockingLockExclusive))
    }

    fn create_locked_by(root: &Path, lock: impl Fn(&File) -> Result<(), Errno>) -> io::Result<Self> {
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = root.join(FOLDER).join(format!("{}-{number}", *PROCESS));
            let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            match lock(&file) {
                Ok(()) => {}
                // There are no locks.
                Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => {}
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
    pub(super) fn write(&mut self, parts: &[Bytes]) -> io::Result<()> {
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
        // Moved or removed since the folder was read, or somebody else's: no reason not to start. The lock is held until the file is
        // gone: its writer may only be about to take it.
        let Ok(Some(_lock)) = abandoned(&path) else { continue };
        match fs::remove_file(&path) {
            Ok(()) => swept += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(swept)
}

/// A file that nobody is writing, locked where it can be. A lock says something of writers on this machine only, where the file
/// system has it at all. It is asked for on a file that is open for writing, as NFS wants it.
fn abandoned(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().write(true).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok(None);
    }
    let age = SystemTime::now().duration_since(meta.modified()?).unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_ours = !name.starts_with('h') || name.split('-').next() == Some(HOST.as_str());
    let is_free = is_ours && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    Ok((is_free || age > ABANDONED).then_some(file))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn where_there_are_no_locks_files_are_written_all_the_same() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDER);
        fs::create_dir(&folder).unwrap();
        for none in [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS] {
            let mut temp = TempFile::create_locked_by(root.path(), |_| Err(none)).unwrap();
            temp.write(&[Bytes::from_static(b"a "), Bytes::from_static(b"blob")]).unwrap();
            let target = root.path().join("target");
            temp.persist(&target).unwrap();
            assert_eq!(fs::read(&target).unwrap(), b"a blob", "{none}");
        }
        // Any other answer says that something is wrong, and leaves nothing behind.
        let broken = TempFile::create_locked_by(root.path(), |_| Err(Errno::IO));
        assert_eq!(broken.err().and_then(|error| error.raw_os_error()), Some(Errno::IO.raw_os_error()));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }
}
