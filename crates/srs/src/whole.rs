//! Files that are there whole or not at all, and that end with BLAKE3 of all before.
//!
//! A file is written under another name (its own with `.new` behind it), goes to the disk, and only then gets its own name. A
//! reader takes nothing for granted: what does not match the checksum is an error, whatever was read of it.

use rustix::fs::Access;
use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Take, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Bytes of the checksum.
pub const CHECKSUM: u64 = 32;
/// What the name of a draft has behind that of its file.
const DRAFT: &str = "new";
/// Bytes that are hashed at once.
const BUFFER: usize = 1 << 20;

/// Hashes what passes through.
#[derive(Debug)]
pub struct Hashed<T> {
    inner: T,
    hash: blake3::Hasher,
}

impl<T> Hashed<T> {
    fn new(inner: T) -> Self {
        Self { inner, hash: blake3::Hasher::new() }
    }
}

impl<T: Read> Read for Hashed<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

impl<T: Write> Write for Hashed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes what `fill` writes, and its checksum behind it. A file that was there stays until the new one is whole.
///
/// # Errors
/// `fill` fails, or the disk cannot be written. What was written is removed.
pub fn write(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<Hashed<&File>>) -> io::Result<()>,
) -> io::Result<()> {
    replace(path, |file| {
        let mut writer = BufWriter::with_capacity(BUFFER, Hashed::new(file));
        fill(&mut writer)?;
        writer.flush()?;
        let Hashed { inner, hash } = writer.get_mut();
        inner.write_all(hash.finalize().as_bytes())
    })
}

/// Writes a file as [`write`](self::write) does, but for the checksum.
///
/// # Errors
/// `fill` fails, or the disk cannot be written. What was written is removed.
pub fn replace(path: &Path, fill: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let temporary = beside(path);
    let file = draft(&temporary)?;
    // Also where `fill` panics: gigabytes would stay.
    let mut draft = Draft(Some(&temporary));
    fill(&file).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&temporary, path))?;
    draft.0 = None;
    // Its name goes to the disk, too.
    File::open(folder_of(path))?.sync_all()
}

/// The folder of a file that is named without one is the current one.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes a draft that did not become a file.
struct Draft<'a>(Option<&'a Path>);

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.0 {
            // The error of the write is what counts.
            drop(fs::remove_file(path));
        }
    }
}

/// Opens a file to read it.
///
/// # Errors
/// It cannot be read, or it is [no file](only_file).
pub fn open(path: &Path) -> io::Result<File> {
    only_file(path)?;
    File::open(path)
}

/// Refuses what is there and is no file: whoever opens a pipe waits for its other end, which may never come.
///
/// # Errors
/// A folder, a pipe, a socket or a device is there, or nobody can tell.
pub fn only_file(path: &Path) -> io::Result<()> {
    let there = match fs::metadata(path) {
        Ok(there) => there.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if there.is_file() {
        Ok(())
    } else if there.is_dir() {
        Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder: name a file"))
    } else {
        let cause = "it is a pipe, a socket or a device: name a file, with what it gives in it";
        Err(io::Error::new(io::ErrorKind::InvalidInput, cause))
    }
}

/// Bytes of the draft of a file that somebody left who was killed. Writing the file anew takes them back.
pub fn left_over(path: &Path) -> u64 {
    fs::metadata(beside(path)).map_or(0, |draft| draft.len())
}

/// Bytes that the disk has for what is written into a folder, which need not be there yet.
///
/// # Errors
/// The disk cannot be asked.
pub fn free(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(nearest(folder))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Checks that files can be written into a folder, which need not be there yet: for whoever works for minutes before it writes one.
///
/// # Errors
/// It is no folder, or cannot be written.
pub fn check_writable(folder: &Path) -> io::Result<()> {
    let there = nearest(folder);
    if !there.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("{} is no folder", there.display()),
        ));
    }
    Ok(rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// The folder itself, or the nearest one above that is there.
fn nearest(folder: &Path) -> &Path {
    folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."))
}

/// Bytes that the disk has for a file: what is free, and what [somebody left](left_over) of it who was killed.
///
/// # Errors
/// The disk cannot be asked.
pub fn room(path: &Path) -> io::Result<u64> {
    Ok(free(folder_of(path))?.saturating_add(left_over(path)))
}

/// Removes the drafts in a folder that nobody writes any more, of files with these extensions. Gives which, and their bytes.
pub fn remove_drafts(folder: &Path, extensions: &[&str]) -> Vec<(PathBuf, u64)> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let is_draft = |path: &PathBuf| {
        let of = path.with_extension("");
        path.extension().is_some_and(|extension| extension == DRAFT)
            && of.extension().is_some_and(|extension| extensions.iter().any(|one| extension == *one))
    };
    let remove = |path: PathBuf| {
        only_file(&path).ok()?;
        let file = File::options().write(true).open(&path).ok()?;
        // Whoever writes it holds the lock. Whoever held it until now may have left the name to another.
        file.try_lock().ok()?;
        let bytes = file.metadata().ok()?.len();
        if !is_at(&file, &path).ok()? {
            return None;
        }
        fs::remove_file(&path).ok()?;
        Some((path, bytes))
    };
    files.filter(is_draft).filter_map(remove).collect()
}

/// Where a file is written until it is whole.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(DRAFT);
    PathBuf::from(name)
}

/// An empty file that nobody else writes to while it is open. What somebody left in it who was killed is gone.
fn draft(path: &Path) -> io::Result<File> {
    loop {
        only_file(path)?;
        let file = File::options().write(true).create(true).truncate(false).open(path)?;
        file.lock()?;
        // Whoever held the lock until now has moved the file to its place, or removed it.
        if is_at(&file, path)? {
            file.set_len(0)?;
            return Ok(file);
        }
    }
}

/// Whether an open file is the one that has this name now.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Checks that what [`write`](self::write) has written is whole.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] where it is not. Otherwise what the disk says.
pub fn check(path: &Path) -> io::Result<()> {
    checked(path).map(drop)
}

/// A file whose checksum matches, with the bytes of its content and that checksum.
fn checked(path: &Path) -> io::Result<(File, u64, [u8; CHECKSUM as usize])> {
    let mut file = open(path)?;
    let length = file.metadata()?.len();
    let content = length
        .checked_sub(CHECKSUM)
        .ok_or_else(|| damaged(format!("it has {length} bytes, less than a checksum")))?;
    let mut hashed = BufReader::with_capacity(BUFFER, Hashed::new((&file).take(content)));
    io::copy(&mut hashed, &mut io::sink())?;
    let hash = hashed.into_inner().hash.finalize();
    let mut checksum = [0; CHECKSUM as usize];
    file.read_exact(&mut checksum)?;
    if *hash.as_bytes() != checksum {
        return Err(damaged("its checksum does not match".to_owned()));
    }
    Ok((file, content, checksum))
}

/// What a file is read by.
pub type Reader = BufReader<Hashed<Take<File>>>;

/// Reads what [`write`](self::write) has written: all of it is hashed first, so that `take` sees nothing that is damaged, and once more
/// as `take` reads it, so that nothing counts that somebody has changed in between. `take` is to read all of it but the checksum.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] where the file is not whole: its checksum does not match, or `take` leaves something over.
/// Otherwise what `take` or the disk says.
pub fn read<T>(path: &Path, take: impl FnOnce(&mut Reader) -> io::Result<T>) -> io::Result<T> {
    let (mut file, content, checksum) = checked(path)?;
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::with_capacity(BUFFER, Hashed::new(file.take(content)));
    let taken = take(&mut reader)?;
    let left = io::copy(&mut reader, &mut io::sink())?;
    if left > 0 {
        return Err(damaged(format!("it has {left} bytes more than it should")));
    }
    if *reader.get_ref().hash.finalize().as_bytes() != checksum {
        return Err(damaged("it was written to while it was read".to_owned()));
    }
    Ok(taken)
}

fn damaged(cause: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::thread;
    use tempfile::TempDir;

    fn write_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
        write(path, |writer| writer.write_all(bytes))
    }

    fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
        read(path, |reader| {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map(|_| bytes)
        })
    }

    fn names(folder: &TempDir) -> Vec<String> {
        let files = fs::read_dir(folder.path()).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_is_read_is_what_was_written_with_its_hash_behind_it() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file.key");
        for length in [0, 1, 100, BUFFER, 2 * BUFFER + 7] {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            write_bytes(&path, &bytes).unwrap();
            assert_eq!(read_bytes(&path).unwrap(), bytes);
            let hash = blake3::hash(&bytes);
            assert_eq!(fs::read(&path).unwrap(), [&bytes, hash.as_bytes().as_slice()].concat());
            assert_eq!(names(&folder), ["file.key"]);
        }
        assert_eq!(read_bytes(&folder.path().join("absent")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn whatever_is_changed_cut_or_added_does_not_match() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        write_bytes(&path, b"a few bytes").unwrap();
        let bytes = fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let error = read_bytes(&path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
            assert_eq!(check(&path).unwrap_err().to_string(), error.to_string());
            error.to_string()
        };
        check(&path).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(refused(&changed).contains("does not match"));
            refused(&bytes[..at]);
        }
        refused(&[bytes.as_slice(), &[0]].concat());
        // No reader sees damaged bytes.
        fs::write(&path, &bytes[1..]).unwrap();
        let error = read(&path, |_| -> io::Result<()> { panic!("a strange number") }).unwrap_err();
        assert!(error.to_string().contains("does not match"), "{error}");
        fs::write(&path, &bytes).unwrap();
        let error = read(&path, |_| Err::<(), _>(io::Error::other("a strange number"))).unwrap_err();
        assert!(error.to_string().contains("a strange number"), "{error}");
    }

    #[test]
    fn what_a_reader_leaves_over_or_lacks_is_an_error() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        write_bytes(&path, b"a few bytes").unwrap();
        let take = |length: usize| read(&path, |reader| reader.read_exact(&mut vec![0; length]));
        take(11).unwrap();
        assert!(take(9).unwrap_err().to_string().contains("2 bytes more"));
        assert_eq!(take(12).unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "the checksum is no content");
    }

    #[test]
    fn what_is_changed_between_check_and_use_does_not_count() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        write_bytes(&path, &vec![7; 3 * BUFFER]).unwrap();
        let bytes = fs::read(&path).unwrap();
        for at in [0, BUFFER, bytes.len() - CHECKSUM as usize - 1] {
            fs::write(&path, &bytes).unwrap();
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let error = read(&path, |reader| {
                // In place: the open file is the same one.
                fs::write(&path, &changed)?;
                reader.read_to_end(&mut Vec::new())
            });
            let error = error.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{at}: {error}");
            assert!(error.to_string().contains("while it was read"), "{error}");
        }
        // Another file that takes its name is another file.
        write_bytes(&path, b"the first").unwrap();
        let mut taken = Vec::new();
        read(&path, |reader| {
            write_bytes(&path, b"the second")?;
            reader.read_to_end(&mut taken)
        })
        .unwrap();
        assert_eq!(taken, b"the first");
        assert_eq!(read_bytes(&path).unwrap(), b"the second");
    }

    #[test]
    fn a_write_that_fails_leaves_what_was_there() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        let fail = |path: &Path| {
            write(path, |writer| {
                writer.write_all(b"half of it")?;
                Err(io::Error::other("the cat"))
            })
        };
        assert_eq!(fail(&path).unwrap_err().to_string(), "the cat");
        assert!(names(&folder).is_empty());
        write_bytes(&path, b"the first").unwrap();
        fail(&path).unwrap_err();
        assert_eq!(read_bytes(&path).unwrap(), b"the first");
        assert_eq!(names(&folder), ["file"]);
        // Also where it panics.
        let panics = std::panic::catch_unwind(|| {
            write(&path, |writer| {
                writer.write_all(b"half of it").unwrap();
                panic!("the dog")
            })
        });
        assert!(panics.is_err());
        assert_eq!(read_bytes(&path).unwrap(), b"the first");
        assert_eq!(names(&folder), ["file"]);
        // What somebody left who was killed is neither taken nor in the way.
        fs::write(folder.path().join("file.new"), [7; 1_000]).unwrap();
        assert_eq!(left_over(&path), 1_000);
        write_bytes(&path, b"the second").unwrap();
        assert_eq!(read_bytes(&path).unwrap(), b"the second");
        assert_eq!(names(&folder), ["file"]);
    }

    #[test]
    fn drafts_are_removed_that_nobody_writes() {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["left.key.new", "held.key.new", "other.bin.new", "whole.key", "new"] {
            fs::write(path(name), [7; 1_000]).unwrap();
        }
        let held = File::options().write(true).open(path("held.key.new")).unwrap();
        held.lock().unwrap();
        assert_eq!(remove_drafts(folder.path(), &["srs", "key"]), [(path("left.key.new"), 1_000)]);
        let mut left = names(&folder);
        left.sort_unstable();
        assert_eq!(left, ["held.key.new", "new", "other.bin.new", "whole.key"]);
        drop(held);
        assert_eq!(remove_drafts(folder.path(), &["srs", "key"]), [(path("held.key.new"), 1_000)]);
        assert!(remove_drafts(&path("absent"), &["key"]).is_empty());
        // One that is being written stays, and becomes the file.
        write(&path("file.key"), |writer| {
            assert!(remove_drafts(folder.path(), &["key"]).is_empty());
            writer.write_all(b"all of it")
        })
        .unwrap();
        assert_eq!(read_bytes(&path("file.key")).unwrap(), b"all of it");
    }

    #[test]
    fn what_a_killed_process_left_counts_as_room() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        // A hole takes nothing of the disk.
        File::create(beside(&path)).unwrap().set_len(1 << 42).unwrap();
        assert!(room(&path).unwrap() > free(folder.path()).unwrap() + (1 << 41));
        // A folder that is not there yet will be on the same disk.
        assert!(room(&folder.path().join("absent/too/file")).unwrap() > 0);
    }

    #[test]
    fn where_nothing_can_be_written_is_known_before() {
        let folder = TempDir::new().unwrap();
        for inside in ["", "absent", "absent/too"] {
            check_writable(&folder.path().join(inside)).unwrap();
        }
        fs::write(folder.path().join("file"), b"no folder").unwrap();
        for inside in ["file", "file/inside"] {
            let error = check_writable(&folder.path().join(inside)).unwrap_err();
            assert!(error.to_string().contains("file is no folder"), "{inside}: {error}");
        }
    }

    #[test]
    fn of_many_that_write_at_once_each_is_whole() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        thread::scope(|scope| {
            for number in 0..8_u8 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..20 {
                        write_bytes(path, &vec![number; 10_000 + usize::from(number)]).unwrap();
                        let read = read_bytes(path).unwrap();
                        assert_eq!(read.len(), 10_000 + usize::from(read[0]));
                        assert!(read.iter().all(|byte| *byte == read[0]));
                    }
                });
            }
        });
        assert_eq!(names(&folder), ["file"]);
    }
}
