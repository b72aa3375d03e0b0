//! Blobs in a folder.

mod name;
mod temp;
mod unused;

use crate::{
    ArtifactError, ArtifactKind, DEFAULT_LIMIT, Removed, Reply,
    frame::{self, Header},
    raw::{Look, Peers, RawStore, most, within},
};
use bytes::Bytes;
use proofmill_primitives::ArtifactId;
use rustix::io::Errno;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use temp::TempFile;

/// Blobs in a folder, which any number of processes may use at the same time.
///
/// ```text
/// <kind>/<2 digits of the id's hash>/<id, escaped>    one blob: header (length, checksum, id), then its bytes
/// tmp/                                                blobs being written; each is locked by its writer
/// ```
///
/// A blob's time of change is when it was last used.
#[derive(Clone, Debug)]
pub struct FsArtifacts {
    root: Arc<PathBuf>,
    limit: u64,
}

/// What [`FsArtifacts::list`] says of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub id: ArtifactId,
    /// What it is.
    pub kind: ArtifactKind,
    /// How many bytes were stored.
    pub length: u64,
}

impl FsArtifacts {
    /// Opens the store in a folder, creates it where it is missing, and removes what writers that crashed left behind.
    /// Does file I/O on the calling thread.
    pub fn open(root: &Path) -> Result<Self, ArtifactError> {
        fs::create_dir_all(root).map_err(io_error("create the artifact folder", root))?;
        let root = fs::canonicalize(root).map_err(io_error("open the artifact folder", root))?;
        for folder in ArtifactKind::ALL.map(ArtifactKind::name).into_iter().chain([temp::FOLDER]) {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).map_err(io_error("create the folder", &folder))?;
        }
        sync_folder(&root).map_err(io_error("flush the folder", &root))?;
        let swept = temp::sweep(&root).map_err(io_error("clean up the folder", &root.join(temp::FOLDER)))?;
        if swept > 0 {
            tracing::info!(swept, folder = %root.display(), "removed artifacts that were not written to their end");
        }
        Ok(Self { root: Arc::new(root), limit: DEFAULT_LIMIT })
    }

    /// The same where a blob may have at most so many bytes.
    #[must_use]
    pub fn with_limit(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// The folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every blob, in no particular order. Files that are no blob, or a damaged one, are left out with a warning.
    pub async fn list(&self) -> Result<Vec<Stored>, ArtifactError> {
        let root = Arc::clone(&self.root);
        blocking(move || list(&root)).await
    }
}

impl RawStore for FsArtifacts {
    fn peers(&self) -> Peers {
        Peers::None
    }

    fn limit(&self) -> u64 {
        self.limit
    }

    fn write<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind, parts: Vec<Bytes>) -> Reply<'a, ()> {
        let (root, id) = (Arc::clone(&self.root), id.clone());
        Box::pin(blocking(move || write(&root, &id, kind, &parts)))
    }

    fn read<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Bytes> {
        let (root, id, limit) = (Arc::clone(&self.root), id.clone(), self.limit);
        Box::pin(blocking(move || read(&root, &id, kind, limit)))
    }

    fn look<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Option<Look>> {
        let (root, id) = (Arc::clone(&self.root), id.clone());
        Box::pin(blocking(move || look(&root, &id, kind)))
    }

    fn remove<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, ()> {
        let (root, id) = (Arc::clone(&self.root), id.clone());
        Box::pin(blocking(move || delete(&root, &id, kind)))
    }

    fn sweep<'a>(&'a self, unused_for: Duration, in_use: Arc<BTreeSet<ArtifactId>>) -> Reply<'a, Removed> {
        let root = Arc::clone(&self.root);
        Box::pin(blocking(move || unused::remove(&root, unused_for, &in_use)))
    }

    /// Nothing expires by itself, but is removed when nobody has used it for long.
    fn renew<'a>(&'a self, ids: Arc<BTreeSet<ArtifactId>>) -> Reply<'a, ()> {
        let root = Arc::clone(&self.root);
        Box::pin(blocking(move || unused::mark_all(&root, &ids)))
    }
}

/// Runs file I/O where it does not hold up other futures. Once begun it runs to its end, even when nobody waits any more.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArtifactError> + Send + 'static,
) -> Result<T, ArtifactError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(error) => Err(ArtifactError::Io {
                doing: "use the artifact folder",
                path: PathBuf::new(),
                source: io::Error::other(error),
            }),
        },
    }
}

fn write(root: &Path, id: &ArtifactId, kind: ArtifactKind, parts: &[Bytes]) -> Result<(), ArtifactError> {
    let target = name::path(root, id, kind)?;
    let failed = |doing, path: &Path, source: io::Error| {
        let full = matches!(Errno::from_io_error(&source), Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG));
        if !full {
            return io_error(doing, path)(source);
        }
        let available =
            rustix::fs::statvfs(root).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
        let needed = parts.iter().map(Bytes::len).sum::<usize>() as u64;
        ArtifactError::NoSpace { id: id.clone(), place: root.display().to_string(), needed, available }
    };
    let mut temp = TempFile::create(root)
        .map_err(|error| failed("create a file in", &root.join(temp::FOLDER), error))?;
    temp.write(parts).map_err(|error| failed("write", temp.path(), error))?;
    let folder = target.parent().unwrap_or(root).to_path_buf();
    if !folder.is_dir() {
        let made = fs::create_dir_all(&folder).and_then(|()| sync_folder(folder.parent().unwrap_or(root)));
        made.map_err(|error| failed("create the folder", &folder, error))?;
    }
    temp.persist(&target).map_err(|error| failed("move a finished file to", &target, error))?;
    sync_folder(&folder).map_err(|error| failed("flush the folder", &folder, error))
}

fn read(root: &Path, id: &ArtifactId, kind: ArtifactKind, limit: u64) -> Result<Bytes, ArtifactError> {
    let path = name::path(root, id, kind)?;
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ArtifactError::Missing { id: id.clone(), kind });
        }
        Err(error) => return Err(io_error("open", &path)(error)),
    };
    let length = file.metadata().map_err(io_error("read", &path))?.len();
    if length > most(limit) {
        within(limit, id, kind, length)?;
    }
    let mut bytes = Vec::new();
    match file.read_to_end(&mut bytes) {
        Ok(_) => {}
        // A sector that cannot be read is damage; making the blob again writes it elsewhere.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::IO) => {
            let detail = format!("its file cannot be read: {error}");
            return Err(ArtifactError::Damaged { id: id.clone(), kind, detail });
        }
        Err(error) => return Err(io_error("read", &path)(error)),
    }
    unused::mark_used(&file);
    Ok(bytes.into())
}

fn look(root: &Path, id: &ArtifactId, kind: ArtifactKind) -> Result<Option<Look>, ArtifactError> {
    let path = name::path(root, id, kind)?;
    match File::open(&path).and_then(|mut file| Ok((read_start(&mut file)?, file))) {
        Ok((Some((bytes, length)), file)) => {
            unused::mark_used(&file);
            Ok(Some(Look::Start { bytes: bytes.into(), length }))
        }
        Ok((None, _)) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", &path)(error)),
    }
}

fn delete(root: &Path, id: &ArtifactId, kind: ArtifactKind) -> Result<(), ArtifactError> {
    let path = name::path(root, id, kind)?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("delete", &path)(error)),
        _ => Ok(()),
    }
}

fn list(root: &Path) -> Result<Vec<Stored>, ArtifactError> {
    let mut stored = Vec::new();
    for kind in ArtifactKind::ALL {
        for path in files(root, kind)? {
            match File::open(&path).and_then(|mut file| read_header(&mut file)) {
                Ok(Some(Header { id, length })) => stored.push(Stored { id, kind, length }),
                // Deleted since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Ok(None) => tracing::warn!(path = %path.display(), "not an artifact, or a damaged one"),
                Err(error) => tracing::warn!(path = %path.display(), %error, "cannot read an artifact"),
            }
        }
    }
    Ok(stored)
}

/// What lies where blobs of a kind do.
fn files(root: &Path, kind: ArtifactKind) -> Result<Vec<PathBuf>, ArtifactError> {
    let mut files = Vec::new();
    let folder = root.join(kind.name());
    for group in fs::read_dir(&folder).map_err(io_error("read the folder", &folder))? {
        let group = group.map_err(io_error("read the folder", &folder))?.path();
        if !group.is_dir() {
            continue;
        }
        for file in fs::read_dir(&group).map_err(io_error("read the folder", &group))? {
            files.push(file.map_err(io_error("read the folder", &group))?.path());
        }
    }
    Ok(files)
}

/// The header of a blob, or nothing where it is not whole.
fn read_header(file: &mut File) -> io::Result<Option<Header>> {
    Ok(read_start(file)?.and_then(|(start, length)| frame::header(&start, length)))
}

/// How a file begins and how long it is; nothing where it is no file.
fn read_start(file: &mut File) -> io::Result<Option<(Vec<u8>, u64)>> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok(None);
    }
    let mut start = Vec::with_capacity(frame::MAX_HEADER);
    Read::take(file, frame::MAX_HEADER as u64).read_to_end(&mut start)?;
    Ok(Some((start, meta.len())))
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArtifactError {
    let path = path.to_path_buf();
    move |source| ArtifactError::Io { doing, path, source }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
