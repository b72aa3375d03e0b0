//! What is made once and kept in a file: a magic, the hash of what it is made of, the content, BLAKE3 of all before ([`whole`]).
//!
//! A file is found by its name and believed by its first bytes, so that a renamed one, or one of another layout, is not taken for
//! what is wanted. What cannot be used is made again, and that is said. What fails here is this process's disk or folder: another
//! worker may have a better one.

use crate::{
    BackendError,
    openvm::{guard::guard, not_set_up},
};
use openvm_stark_backend::codec::{Decode, Encode};
use proofmill_srs::whole;
use std::{
    fmt::Display,
    fs::{self, File, TryLockError},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    time::Instant,
};

/// First bytes of a file. To be raised with its layout.
const MAGIC: &[u8; 8] = b"PMOVKEY3";
const HEAD: usize = MAGIC.len() + 32;
/// Why a file that is whole cannot be used.
pub(super) const OTHER: &str = "it is another's: of another circuit, another setup, or another release";

/// A file, and what its content must have been made of.
pub(super) struct Kept {
    path: PathBuf,
    head: [u8; HEAD],
}

impl Kept {
    pub(super) fn new(path: PathBuf, made_of: &[u8; 32]) -> Self {
        let mut head = [0; HEAD];
        head[..MAGIC.len()].copy_from_slice(MAGIC);
        head[MAGIC.len()..].copy_from_slice(made_of);
        Self { path, head }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn error(&self, error: impl Display) -> BackendError {
        not_set_up(format!("keeping the keys of the SNARK: {}: {error}", self.path.display()))
    }

    /// Whether the file says that it was made of this. Behind that it may be damaged.
    pub(super) fn is_there(&self) -> bool {
        let mut head = [0; HEAD];
        let read = whole::open(&self.path).and_then(|mut file| file.read_exact(&mut head));
        read.is_ok() && head == self.head
    }

    /// What `take` reads of the file. `None` where there is none, and the cause where it is of no use.
    pub(super) fn read<T>(
        &self,
        take: impl FnOnce(&mut whole::Reader) -> io::Result<T>,
    ) -> Result<Option<T>, String> {
        let read = || {
            whole::read(&self.path, |reader| {
                let mut head = [0; HEAD];
                reader.read_exact(&mut head)?;
                if head != self.head {
                    return Err(io::Error::other(OTHER));
                }
                take(reader)
            })
        };
        // Halo2 panics at what is no key.
        match guard(|cause| self.error(cause), || Ok(read())) {
            Ok(Ok(kept)) => Ok(Some(kept)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Writes what `fill` writes into the file.
    pub(super) fn write(
        &self,
        fill: impl FnOnce(&mut BufWriter<whole::Hashed<&File>>) -> io::Result<()>,
    ) -> Result<(), BackendError> {
        let write = || {
            whole::write(&self.path, |writer| {
                writer.write_all(&self.head)?;
                fill(writer)
            })
        };
        // Halo2 panics at a disk that is full.
        guard(
            |cause| self.error(format!("it cannot be written: {cause}")),
            || write().map_err(|error| self.error(format!("it cannot be written: {error}"))),
        )
    }

    /// Looks for the room that a key will take, and says that it is made now.
    pub(super) fn begin(&self, bytes: u64) -> Result<(), BackendError> {
        let room = whole::room(&self.path).map_err(|error| self.error(error))?;
        if room < bytes {
            let there = if self.path.exists() { "remove the file, which cannot be used, " } else { "" };
            return Err(self.error(format!(
                "the key takes {} GB and the disk has {} GB left: {there}free some, or name another folder",
                bytes.div_ceil(1 << 30),
                room >> 30
            )));
        }
        let file = self.path.display();
        tracing::info!(%file, "making a key of the SNARK, once: this takes minutes");
        Ok(())
    }

    /// Whoever comes while another process makes the key waits for it. What makes it [begins](Self::begin) with room for it.
    pub(super) fn read_or_make<T: Encode + Decode>(
        &self,
        make: impl FnOnce() -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        let file = self.path.display();
        // Whoever only reads needs no lock, and may have a folder that cannot be written.
        match self.read_key() {
            Ok(Some(key)) => return Ok(key),
            Ok(None) => {}
            Err(cause) => {
                tracing::warn!(%file, %cause, "a key of the SNARK cannot be used, and is to be made again");
            }
        }
        let _lock = self.lock()?;
        // Another process may have made it since.
        if let Ok(Some(key)) = self.read_key() {
            return Ok(key);
        }
        let begun = Instant::now();
        let key = make()?;
        let (making_s, writing) = (begun.elapsed().as_secs(), Instant::now());
        match self.write(|writer| key.encode(writer)) {
            Ok(()) => {
                let writing_s = writing.elapsed().as_secs();
                tracing::info!(%file, making_s, writing_s, "a key of the SNARK was made");
            }
            // It is worth minutes, and this proof hours.
            Err(error) => {
                tracing::warn!(%error, making_s, "a key of the SNARK was made for this proof alone: the next one makes it again");
            }
        }
        Ok(key)
    }

    fn read_key<T: Decode>(&self) -> Result<Option<T>, String> {
        let begun = Instant::now();
        let key = self.read(T::decode)?;
        if key.is_some() {
            let seconds = begun.elapsed().as_secs();
            tracing::info!(file = %self.path.display(), seconds, "a key of the SNARK was read");
        }
        Ok(key)
    }

    /// Keeps other processes from making the same, as long as the file is open.
    fn lock(&self) -> Result<File, BackendError> {
        let unwritable = |error: io::Error| {
            self.error(format!(
                "it is to be made, and the folder cannot be written ({error}): name another one"
            ))
        };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(unwritable)?;
        let lock = self.path.with_extension("lock");
        let lock = whole::only_file(&lock).and_then(|()| File::create(&lock)).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let file = self.path.display();
                tracing::info!(%file, "another process makes this key of the SNARK: waiting for it");
                lock.lock().map_err(|error| self.error(error))?;
            }
            Err(TryLockError::Error(error)) => return Err(self.error(error)),
        }
        Ok(lock)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::{
        cell::Cell,
        sync::{
            Barrier,
            atomic::{AtomicU64, Ordering},
        },
        thread,
    };
    use tempfile::TempDir;

    /// Something that is kept like a key.
    #[derive(Debug, PartialEq)]
    struct Number(u64);

    impl Encode for Number {
        fn encode<W: Write>(&self, writer: &mut W) -> io::Result<()> {
            writer.write_all(&self.0.to_le_bytes())
        }
    }

    impl Decode for Number {
        fn decode<R: Read>(reader: &mut R) -> io::Result<Self> {
            let mut bytes = [0; 8];
            reader.read_exact(&mut bytes)?;
            Ok(Self(u64::from_le_bytes(bytes)))
        }
    }

    /// As Halo2's keys: what is strange panics.
    #[derive(Debug)]
    struct Strange;

    impl Encode for Strange {
        fn encode<W: Write>(&self, writer: &mut W) -> io::Result<()> {
            writer.write_all(&[0; 100])?;
            panic!("No space left on device")
        }
    }

    impl Decode for Strange {
        fn decode<R: Read>(_: &mut R) -> io::Result<Self> {
            panic!("no point of the curve")
        }
    }

    fn file(folder: &TempDir, made_of: u8) -> Kept {
        Kept::new(folder.path().join("test.key"), &[made_of; 32])
    }

    fn never<T>() -> Result<T, BackendError> {
        panic!("it is there")
    }

    #[test]
    fn a_key_that_cannot_be_kept_is_used_and_leaves_nothing() {
        let folder = TempDir::new().unwrap();
        let kept = file(&folder, 1);
        kept.read_or_make(|| Ok(Strange)).unwrap();
        assert!(!kept.path.exists());
        assert_eq!(whole::left_over(&kept.path), 0);
        // One that is whole, and none of this version: it is made again, and stays where the new one cannot be kept.
        kept.write(|writer| writer.write_all(&[7; 8])).unwrap();
        kept.read_or_make(|| Ok(Strange)).unwrap();
        assert_eq!(kept.read_or_make(never::<Number>).unwrap(), Number(u64::from_le_bytes([7; 8])));
        // A disk that takes nothing.
        fs::remove_file(&kept.path).unwrap();
        fs::create_dir(folder.path().join("test.key.new")).unwrap();
        assert_eq!(kept.read_or_make(|| Ok(Number(5))).unwrap(), Number(5));
        let error = kept.write(|writer| writer.write_all(&[1])).unwrap_err();
        assert!(matches!(error, BackendError::NotSetUp { .. }), "{error}");
        assert!(error.to_string().contains("test.key"), "{error}");
    }

    #[test]
    fn a_key_is_made_once_and_again_where_it_is_damaged() {
        let folder = TempDir::new().unwrap();
        let (kept, made) = (file(&folder, 1), Cell::new(0));
        let get = || kept.read_or_make(|| Ok(Number(made.replace(made.get() + 1)))).unwrap();
        assert_eq!((get(), get()), (Number(0), Number(0)));
        let bytes = fs::read(&kept.path).unwrap();
        for (times, damaged) in
            [&[][..], &bytes[..20], &[bytes.as_slice(), &[0]].concat()].into_iter().enumerate()
        {
            fs::write(&kept.path, damaged).unwrap();
            assert_eq!(get(), Number(times as u64 + 1));
            assert_eq!(get(), Number(times as u64 + 1));
        }
        let mut changed = fs::read(&kept.path).unwrap();
        changed[HEAD] ^= 1;
        fs::write(&kept.path, changed).unwrap();
        assert!(kept.is_there(), "as far as its first bytes tell");
        assert_eq!(get(), Number(4));
        let there = kept.read_or_make(never::<Number>);
        assert_eq!(there.unwrap(), Number(4));
        fs::remove_file(&kept.path).unwrap();
        let error = kept.read_or_make(|| kept.begin(u64::MAX).map(|()| Number(9))).unwrap_err();
        assert!(error.to_string().contains("name another folder"), "{error}");
        assert!(matches!(error, BackendError::NotSetUp { .. }), "a full disk is this worker's");
    }

    #[test]
    fn of_two_that_want_the_same_key_one_makes_it() {
        let folder = TempDir::new().unwrap();
        let (both, made) = (Barrier::new(2), AtomicU64::new(0));
        let get = || {
            let kept = file(&folder, 1);
            both.wait();
            kept.read_or_make(|| Ok(Number(made.fetch_add(1, Ordering::Relaxed)))).unwrap()
        };
        let got = thread::scope(|scope| [scope.spawn(get), scope.spawn(get)].map(|one| one.join().unwrap()));
        assert_eq!(got, [Number(0), Number(0)]);
    }

    #[test]
    fn what_was_made_of_something_else_is_not_read_whatever_its_name() {
        let folder = TempDir::new().unwrap();
        file(&folder, 1).read_or_make(|| Ok(Number(1))).unwrap();
        let kept = file(&folder, 2);
        assert!(file(&folder, 1).is_there() && !kept.is_there());
        let cause = kept.read(Number::decode).unwrap_err();
        assert!(cause.contains("another's"), "{cause}");
        assert_eq!(kept.read_or_make(|| Ok(Number(2))).unwrap(), Number(2));
        assert_eq!(kept.read(Number::decode), Ok(Some(Number(2))));
        // Of the layout before this one, which had no head.
        whole::write(&kept.path, |writer| writer.write_all(&[7; 48])).unwrap();
        assert!(kept.read(Number::decode).unwrap_err().contains("another's"));
    }

    #[test]
    fn what_must_not_be_made_is_not_made_and_what_is_there_stays() {
        let folder = TempDir::new().unwrap();
        let kept = file(&folder, 1);
        let refused = || kept.read_or_make::<Number>(|| Err(not_set_up("no circuit is known"))).unwrap_err();
        assert!(refused().to_string().contains("no circuit"));
        assert!(!kept.path.exists());
        fs::write(&kept.path, b"damaged").unwrap();
        assert!(refused().to_string().contains("no circuit"));
        assert_eq!(fs::read(&kept.path).unwrap(), b"damaged");
    }

    #[test]
    fn a_key_is_read_where_nothing_can_be_written() {
        let folder = TempDir::new().unwrap();
        let kept = file(&folder, 1);
        kept.write(|writer| Number(3).encode(writer)).unwrap();
        // No lock can be had, as in a folder that is only read.
        fs::create_dir(kept.path.with_extension("lock")).unwrap();
        assert_eq!(kept.read_or_make(never::<Number>).unwrap(), Number(3));
        fs::remove_file(&kept.path).unwrap();
        let error = kept.read_or_make(never::<Number>).unwrap_err();
        assert!(matches!(error, BackendError::NotSetUp { .. }), "{error}");
        assert!(error.to_string().contains("cannot be written"), "{error}");
    }
}
