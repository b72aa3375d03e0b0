//! What can go wrong.

use proofmill_primitives::{ProofId, TaskId};
use std::{io, path::PathBuf};

/// Why the ledger could not do what was asked. Where a batch was to be committed, nothing of it was kept, unless the
/// variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A later version of Proofmill wrote the database.
    #[error(
        "the ledger {} has schema version {found}, but this version of proofmill knows only versions up to {known}: \
         upgrade proofmill, or use another data directory", path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The file is something else.
    #[error("{} is not a proofmill ledger ({reason}): move it away, or use another data directory", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        reason: String,
    },
    /// The database, or a row in it, does not make sense.
    #[error(
        "the ledger {} is damaged ({detail}): restore it from a backup, or move it away with its -wal and -shm files to \
         start with an empty one; the artifacts stay valid", path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// No space left.
    #[error(
        "no space left for the ledger {} ({detail}): free some space on that file system; what was acknowledged is safe",
        path.display()
    )]
    Full {
        /// The database.
        path: PathBuf,
        /// What the engine said.
        detail: String,
    },
    /// The file or its folder cannot be written.
    #[error("the ledger {} cannot be written ({detail}): give this user write permission to it and to its folder", path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
        /// What the engine said.
        detail: String,
    },
    /// Another process holds the database.
    #[error("the ledger {} is locked by another process ({detail}): stop that process and try again", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
        /// What the engine said.
        detail: String,
    },
    /// The file cannot be opened or created.
    #[error("cannot open the ledger {} ({detail}): check that its folder exists and that this user may use it", path.display())]
    CannotOpen {
        /// The database.
        path: PathBuf,
        /// What the engine said.
        detail: String,
    },
    /// Something is wrong with a Postgres database.
    #[error("the ledger in {database}: {fault}")]
    Database {
        /// Which: its schema, name and address.
        database: String,
        /// What.
        fault: DatabaseFault,
    },
    /// A change does not fit what is there. The caller is at fault, and the same batch will be refused again.
    #[error("change {index} of the batch was refused, and with it the batch: {reason}")]
    Refused {
        /// Which change of the batch, from 0.
        index: usize,
        /// Why.
        #[source]
        reason: Refusal,
    },
    /// The engine failed in another way. Whether a batch was kept is not known where the failure came while its
    /// transaction was being committed.
    #[error("the ledger failed to {doing}: {source}; if it happens again, check the disk and the system log")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// What the engine said.
        source: sqlx::Error,
    },
}

impl LedgerError {
    /// Whether trying again cannot help: what is in memory and what is in the ledger differ, or belong to different owners.
    pub const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. }
                | Self::Damaged { .. }
                | Self::Database {
                    fault: DatabaseFault::Damaged { .. }
                        | DatabaseFault::Superseded
                        | DatabaseFault::Lost { .. },
                    ..
                }
        )
    }
}

/// What can be wrong with a Postgres database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseFault {
    /// The URL cannot be read. It is not shown, for it may have a password.
    #[error("its URL cannot be read: write it as postgres://user:password@host:port/database")]
    BadUrl,
    /// The schema's name cannot be.
    #[error("a schema's name has 1 to 63 lower-case letters, digits and underscores")]
    BadSchema,
    /// It does not answer, or has no connection to spare.
    #[error(
        "it cannot be reached ({detail}): check that Postgres runs there, and that it takes one more connection"
    )]
    Away {
        /// What was heard.
        detail: String,
    },
    /// The user, password, database or rights are not what they must be.
    #[error(
        "it lets nobody in ({detail}): check user, password and database of the URL, and that the user may create a schema there"
    )]
    NotAllowed {
        /// What the server said.
        detail: String,
    },
    /// Another process has it.
    #[error("another process uses it, from {holder}: stop that one, or use another schema or database")]
    Taken {
        /// The address of its machine.
        holder: String,
    },
    /// Another process took it while this one was cut off.
    #[error(
        "another process took it over while this one was cut off: this one must end, and only one may be started"
    )]
    Superseded,
    /// It has less than it acknowledged.
    #[error(
        "it has lost the last {batches} groups of changes that it acknowledged: a backup, or a replica that was behind, took its place. \
         Restart to go on from what it has"
    )]
    Lost {
        /// How many batches.
        batches: i64,
    },
    /// A later version of Proofmill wrote it.
    #[error(
        "its schema has version {found}, but this version of proofmill knows only versions up to {known}: upgrade proofmill, or \
         use another schema"
    )]
    Newer {
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The schema has tables of something else.
    #[error("the schema has tables of another application: use another schema")]
    Foreign,
    /// A row does not make sense.
    #[error(
        "it is damaged ({detail}): restore it from a backup, or drop the schema to start with an empty one; the artifacts stay valid"
    )]
    Damaged {
        /// What is wrong.
        detail: String,
    },
    /// No space left.
    #[error("its server has no space left ({detail}): free some; what was acknowledged is safe")]
    Full {
        /// What the server said.
        detail: String,
    },
    /// The server takes no writes.
    #[error(
        "its server only reads ({detail}): name the primary in the URL (`target_session_attrs` is not obeyed)"
    )]
    ReadOnly {
        /// What the server said.
        detail: String,
    },
}

/// Why a change does not fit what is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A proof of this id exists.
    #[error("the proof {0} exists already")]
    ProofExists(ProofId),
    /// No such proof.
    #[error("there is no proof {0}")]
    NoSuchProof(ProofId),
    /// A task of this id exists.
    #[error("the task {0} exists already")]
    TaskExists(TaskId),
    /// No such task.
    #[error("there is no task {0}, or its proof's tasks were forgotten")]
    NoSuchTask(TaskId),
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process uses it.
    #[error("the data directory {} is in use by {holder}: stop that process, or use another directory", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who, as `pid N`, or `another process` where it does not say.
        holder: String,
    },
    /// Another version of Proofmill wrote it.
    #[error(
        "the data directory {} has format version {found}, but this version of proofmill uses version {known}: use the \
         version of proofmill that wrote it, or another directory", path.display()
    )]
    OtherVersion {
        /// The directory.
        path: PathBuf,
        /// What its `VERSION` file says.
        found: String,
        /// The version used here.
        known: u32,
    },
    /// It holds files of something else.
    #[error(
        "{} is not a proofmill data directory: it has no VERSION file, but holds `{found}`; name an empty or a new directory",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One of the files in it.
        found: String,
    },
    /// Not enough space.
    #[error("{} has {available} bytes free, and {needed} are needed: free some space on that file system", path.display())]
    NoSpace {
        /// The directory.
        path: PathBuf,
        /// Bytes that are free.
        available: u64,
        /// Bytes that are needed.
        needed: u64,
    },
    /// The file system refused.
    #[error("cannot {doing} {}: {source}; check that the path is right and that this user may write there", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
