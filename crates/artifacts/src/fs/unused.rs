//! What nobody uses any more. Whoever reads a blob, or asks whether it is there, sets its file's time of change.

use super::{files, io_error, name, read_header};
use crate::{ArtifactError, ArtifactKind, Removed};
use proofmill_primitives::ArtifactId;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::Path,
    time::{Duration, SystemTime},
};

/// What was used within this time is not marked again: a client may ask every 50 ms.
const PRECISION: Duration = Duration::from_secs(60);

/// Remembers that a blob was used. Where this cannot be written, the blob counts as unused, and is made again if it is
/// needed once it has been removed.
pub(super) fn mark_used(file: &File) {
    let now = SystemTime::now();
    let marked = || -> io::Result<()> {
        let before = file.metadata()?.modified()?;
        match now.duration_since(before) {
            Ok(age) if age < PRECISION => Ok(()),
            // Also where the clock was set back.
            _ => file.set_modified(now),
        }
    };
    if let Err(error) = marked() {
        tracing::debug!(%error, "cannot mark an artifact as used");
    }
}

/// Remembers the same of blobs by their names, whatever their kind: a name is for one. Names without a blob do no harm.
pub(super) fn mark_all(root: &Path, ids: &BTreeSet<ArtifactId>) -> Result<(), ArtifactError> {
    for id in ids {
        for kind in ArtifactKind::ALL {
            let path = name::path(root, id, kind)?;
            match File::open(&path) {
                Ok(file) => {
                    mark_used(&file);
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io_error("open", &path)(error)),
            }
        }
    }
    Ok(())
}

/// Removes what [`crate::ArtifactStore::remove_unused`] says. A blob that is used between the look at its time and its
/// removal is missing for the next reader, as a lost one is.
pub(super) fn remove(
    root: &Path,
    unused_for: Duration,
    in_use: &BTreeSet<ArtifactId>,
) -> Result<Removed, ArtifactError> {
    let mut removed = Removed::default();
    let before = |age| SystemTime::now().checked_sub(age);
    let (Some(limit), Some(half)) = (before(unused_for), before(unused_for / 2)) else { return Ok(removed) };
    for kind in ArtifactKind::ALL.into_iter().filter(|kind| *kind != ArtifactKind::Proof) {
        for path in files(root, kind)? {
            match remove_one(&path, [limit, half], in_use) {
                Ok(bytes) => {
                    removed.blobs += u64::from(bytes.is_some());
                    removed.bytes += bytes.unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "cannot remove an unused artifact");
                }
            }
        }
    }
    Ok(removed)
}

/// The bytes that were removed, if any. A damaged blob has no id that could be in use. One that is, is marked as used in good time: whoever
/// else looks through this folder, another cluster say, does not know of it.
fn remove_one(
    path: &Path,
    [limit, half]: [SystemTime; 2],
    in_use: &BTreeSet<ArtifactId>,
) -> io::Result<Option<u64>> {
    let mut file = File::open(path)?;
    let meta = file.metadata()?;
    let used = meta.modified()?;
    if !meta.is_file() || used >= half {
        return Ok(None);
    }
    if read_header(&mut file)?.is_some_and(|header| in_use.contains(&header.id)) {
        mark_used(&file);
        return Ok(None);
    }
    if used >= limit {
        return Ok(None);
    }
    fs::remove_file(path)?;
    Ok(Some(meta.len()))
}
