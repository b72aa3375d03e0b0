//! What can go wrong.

use crate::ArtifactKind;
use proofmill_fault::{Code, Fault};
use proofmill_primitives::ArtifactId;
use std::{borrow::Cow, io, path::PathBuf};

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
        "the {kind} artifact {id:?} is damaged ({detail}): run the task that made it once more; if others follow, check the \
         store's disks"
    )]
    Damaged {
        /// Its name.
        id: ArtifactId,
        /// What it is.
        kind: ArtifactKind,
        /// What is wrong with it.
        detail: String,
    },
    /// The blob has more bytes than an artifact may have here, unpacked. It was not read, or not stored.
    #[error(
        "the {kind} artifact {id:?} has {size} bytes or more, and an artifact may have {limit} here: make the input smaller, or \
         raise --artifact-limit (ARTIFACT_LIMIT_BYTES) for cluster, workers and clients alike"
    )]
    TooLarge {
        /// Its name.
        id: ArtifactId,
        /// What it is.
        kind: ArtifactKind,
        /// Bytes that it has, or is known to have at least.
        size: u64,
        /// Bytes that it may have.
        limit: u64,
    },
    /// No blob can have this name.
    #[error("an artifact cannot be named with {length} bytes: use 1 to {max}")]
    BadId {
        /// How long it is.
        length: usize,
        /// The most that it may be.
        max: usize,
    },
    /// Not enough space. Nothing was stored.
    #[error(
        "no space for the {needed} bytes of artifact {id:?} in {place}: {available} bytes are free; free some space, or raise \
         the limit (quota, file size limit, maxmemory)"
    )]
    NoSpace {
        /// Its name.
        id: ArtifactId,
        /// The store: its folder, or its address.
        place: String,
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
    /// The store does not answer, or says that it cannot answer now. Nothing is said of the blob: ask again later.
    #[error("cannot {doing}: the store {place} is away ({cause}); it is asked again when it is back")]
    Away {
        /// What was being done.
        doing: &'static str,
        /// The store's address, without passwords.
        place: String,
        /// What was seen.
        cause: String,
    },
    /// The store answers, and refuses whatever the blob: a wrong password, key, region or bucket, for example. Asking
    /// again does not help until somebody changes the settings of one side.
    #[error("cannot {doing}: the store {place} refuses ({cause}); {remedy}")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// The store's address, without passwords.
        place: String,
        /// What the store said.
        cause: String,
        /// What to do.
        remedy: Cow<'static, str>,
    },
}

impl ArtifactError {
    /// Whether the store is the cause and not the blob: it is away, full, or refuses. Who asks again later may succeed.
    pub const fn is_of_store(&self) -> bool {
        match self {
            Self::NoSpace { .. } | Self::Io { .. } | Self::Away { .. } | Self::Refused { .. } => true,
            Self::Missing { .. } | Self::Damaged { .. } | Self::TooLarge { .. } | Self::BadId { .. } => false,
        }
    }
}

impl ArtifactError {
    /// Which error it is, in a word that does not change: for metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Damaged { .. } => "damaged",
            Self::TooLarge { .. } => "too-large",
            Self::BadId { .. } => "bad-id",
            Self::NoSpace { .. } => "no-space",
            Self::Io { .. } => "io",
            Self::Away { .. } => "away",
            Self::Refused { .. } => "refused",
        }
    }
}

impl From<ArtifactError> for Fault {
    fn from(error: ArtifactError) -> Self {
        let code = match &error {
            ArtifactError::BadId { .. } => Code::Malformed,
            ArtifactError::TooLarge { kind, .. } => match kind {
                ArtifactKind::Program | ArtifactKind::Stdin | ArtifactKind::PrivateStdin => Code::Malformed,
                // What a worker made: another one may allow it.
                ArtifactKind::Intermediate | ArtifactKind::Exchanged | ArtifactKind::Proof => Code::NotSetUp,
            },
            ArtifactError::NoSpace { .. } => Code::StoreFull,
            ArtifactError::Missing { .. } => Code::Missing,
            ArtifactError::Damaged { .. } => Code::Damaged,
            ArtifactError::Io { .. } | ArtifactError::Away { .. } | ArtifactError::Refused { .. } => {
                Code::StoreAway
            }
        };
        Self::new(code, error.to_string())
    }
}
