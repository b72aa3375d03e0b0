//! A file that a process holds locked, and in which it writes its id.

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
};

/// A lock that is held until the value is dropped or the process ends.
#[derive(Debug)]
pub struct ProcessLock(File);

/// Why a lock cannot be taken.
#[derive(Debug)]
pub enum LockError {
    /// Another process holds it (or another value in this one): with this id, where it has written it already.
    Held(Option<u32>),
    /// The file cannot be opened or locked.
    Io(io::Error),
}

impl ProcessLock {
    /// Takes the lock; the file is made where it is missing.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let opened = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        let file = opened.map_err(LockError::Io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(Errno::WOULDBLOCK) => Err(LockError::Held(named(&file))),
            Err(errno) => Err(LockError::Io(errno.into())),
        }
    }

    /// Writes this process's id into the file. Until then it names whoever held it before.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn sign(&mut self) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.write_all(format!("{}\n", std::process::id()).as_bytes())
    }

    /// Who holds a lock, if somebody does: the id that is in the file, where there is one. To look, the lock is held for a
    /// moment.
    ///
    /// # Errors
    /// The file is there and cannot be opened or looked at.
    pub fn holder(path: &Path) -> io::Result<Option<Option<u32>>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(None),
            Err(Errno::WOULDBLOCK) => Ok(Some(named(&file))),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn named(mut file: &File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
