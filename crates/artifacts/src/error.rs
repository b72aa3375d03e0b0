//! What can go wrong.

use crate::ArtifactKind;
use proofmill_primitives::ArtifactId;
use std::{io, path::PathBuf};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// There is no such blob.
    #[error("there is no {kind} artifact {id:?}: it was never stored here, or has been deleted")]
    Missing {
        /// Its name.
        id: ArtifactId,
        /// What it was to be.
        kind: ArtifactKind,
    },
    /// The blob is there, but is not what was stored. Making it again and storing it under the same name mends it.
    #[error(
        "the {kind} artifact {id:?} is damaged ({detail}): run the task that made it once more; if others follow, check the disk"
    )]
    Damaged {
        /// Its name.
        id: ArtifactId,
        /// What it is.
        kind: ArtifactKind,
        /// What is wrong with it.
        detail: String,
    },
    /// No blob can have this name.
    #[error("an artifact cannot be named with {length} bytes: use 1 to {max}")]
    BadId {
        /// How long it is.
        length: usize,
        /// The most that it may be.
        max: usize,
    },
    /// Not enough space. Nothing was stored; what was stored before under the name is still there.
    #[error(
        "no space for the {needed} bytes of artifact {id:?} in {}: {available} bytes are free; free some space, or raise \
         this user's quota or file size limit", path.display()
    )]
    NoSpace {
        /// Its name.
        id: ArtifactId,
        /// The store's folder.
        path: PathBuf,
        /// Bytes to be written.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// The file system refused.
    #[error("cannot {doing} {}: {source}; check that the path is right and that this user may read and write there", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
