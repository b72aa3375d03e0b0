//! The engine for one machine.

#[path = "../statements/read.rs"]
mod read;
mod schema;
#[path = "../statements/write.rs"]
mod write;

use crate::{AssignmentRecord, Batch, LedgerError, Live, ProofFilter, ProofRecord, RefusalRecord};
use proofmill_primitives::ProofId;
use sqlx::{
    Connection as _, Sqlite as Engine, SqliteConnection as Connection, SqlitePool,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteQueryResult as Done,
        SqliteSynchronous,
    },
};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// How long to wait for another process that holds the database: a person's query, or a backup.
const BUSY: Duration = Duration::from_secs(5);

/// Connections for reading. Reads take tens of microseconds; more would only wait for the same cores.
const READERS: u32 = 4;

/// The length of the smallest database: one page of the smallest size. <https://www.sqlite.org/fileformat.html>
const SMALLEST: u64 = 512;

/// How questions of one moment begin.
const SNAPSHOT: &str = "BEGIN";

/// A text as it is stored: SQLite takes all.
const fn text(text: &str) -> &str {
    text
}

/// A database file: one connection writes, some read beside it.
#[derive(Clone, Debug)]
pub(crate) struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
    path: Arc<PathBuf>,
}

impl Sqlite {
    pub(crate) async fn open(path: &Path) -> Result<Self, LedgerError> {
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY).foreign_keys(true);
        // Look before anything is changed: switching on the write-ahead log would already write to the file.
        let length = File::open(path).and_then(|file| file.metadata()).map(|file| file.len());
        let version = match length {
            // SQLite takes a file that is cut off this early for an empty one.
            Ok(length @ 1..SMALLEST) => {
                let reason = format!(
                    "{length} bytes are too few for a database: it was cut off, or is something else"
                );
                return Err(LedgerError::Foreign { path: path.to_path_buf(), reason });
            }
            Ok(_) => {
                let mut probe =
                    Connection::connect_with(&options).await.map_err(failed(path, "open the database"))?;
                let version = schema::check(&mut probe, path).await?;
                schema::check_integrity(&mut probe, path).await?;
                probe.close().await.map_err(failed(path, "close the database"))?;
                version
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => {
                return Err(LedgerError::CannotOpen { path: path.to_path_buf(), detail: error.to_string() });
            }
        };
        // FULL: a commit returns when the log has been flushed to the disk.
        let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        let writer = pool(1)
            .connect_with(options.clone().create_if_missing(true))
            .await
            .map_err(failed(path, "open the database"))?;
        let mut connection = writer.acquire().await.map_err(failed(path, "open the database"))?;
        schema::migrate(&mut connection, version, path).await?;
        drop(connection);
        // SQLite flushes what is in its files; that the new files are in the folder is for us to see to.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| LedgerError::CannotOpen {
            path: path.to_path_buf(),
            detail: format!("cannot flush its folder: {error}"),
        })?;
        let readers =
            pool(READERS).connect_lazy_with(SqliteConnectOptions::pragma(options, "query_only", "ON"));
        Ok(Self { writer, readers, path: Arc::new(path.to_path_buf()) })
    }

    pub(crate) async fn in_memory() -> Result<Self, LedgerError> {
        let path = Path::new(":memory:");
        let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true);
        // Every connection would have a database of its own, so there is one.
        let writer = pool(1).connect_with(options).await.map_err(failed(path, "open the database"))?;
        let mut connection = writer.acquire().await.map_err(failed(path, "open the database"))?;
        schema::migrate(&mut connection, 0, path).await?;
        drop(connection);
        Ok(Self { readers: writer.clone(), writer, path: Arc::new(path.to_path_buf()) })
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), LedgerError> {
        if batch.is_empty() {
            return Ok(());
        }
        let doing = "commit a batch";
        let mut connection = self.writer.acquire().await.map_err(failed(&self.path, doing))?;
        if connection.is_in_transaction() {
            // SQLite itself rolls back when the disk is full, and sqlx then takes the connection to be inside that
            // transaction for ever. A new one is not.
            connection.close().await.map_err(failed(&self.path, doing))?;
            connection = self.writer.acquire().await.map_err(failed(&self.path, doing))?;
        }
        let mut transaction =
            connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed(&self.path, doing))?;
        for (index, change) in batch.changes().iter().enumerate() {
            write::apply(&mut transaction, change).await.map_err(|error| match error {
                write::ApplyError::Refused(reason) => LedgerError::Refused { index, reason },
                write::ApplyError::Engine(error) => failed(&self.path, doing)(error),
            })?;
        }
        transaction.commit().await.map_err(failed(&self.path, doing))
    }

    pub(crate) async fn load_live(&self) -> Result<Live, LedgerError> {
        read::load_live(&self.readers).await.map_err(failed(&self.path, "load the pending proofs"))
    }

    pub(crate) async fn proof(&self, id: &ProofId) -> Result<Option<ProofRecord>, LedgerError> {
        read::proof(&self.readers, id).await.map_err(failed(&self.path, "read a proof"))
    }

    pub(crate) async fn list(&self, filter: &ProofFilter) -> Result<Vec<ProofRecord>, LedgerError> {
        read::list(&self.readers, filter).await.map_err(failed(&self.path, "list proofs"))
    }

    pub(crate) async fn proof_by_content(&self, key: [u8; 32]) -> Result<Option<ProofRecord>, LedgerError> {
        read::proof_by_content(&self.readers, key).await.map_err(failed(&self.path, "look for a proof"))
    }

    pub(crate) async fn assignments(&self) -> Result<Vec<AssignmentRecord>, LedgerError> {
        read::assignments(&self.readers).await.map_err(failed(&self.path, "read the assignments"))
    }

    pub(crate) async fn refusals(&self) -> Result<Vec<RefusalRecord>, LedgerError> {
        read::refusals(&self.readers).await.map_err(failed(&self.path, "read the refusals"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    // Connections to a file do not go stale, and one to memory takes its database with it.
    SqlitePoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Sorts what SQLite says into what a caller can act on.
fn failed(path: &Path, doing: &'static str) -> impl FnOnce(sqlx::Error) -> LedgerError {
    let path = path.to_path_buf();
    move |source| {
        let damaged =
            |error: &sqlx::Error| LedgerError::Damaged { path: path.clone(), detail: error.to_string() };
        let database = match &source {
            sqlx::Error::Database(database) => database,
            // A column that does not hold what it must.
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => return damaged(&source),
            _ => return LedgerError::Engine { doing, source },
        };
        let detail = database.message().to_owned();
        // The low byte of an extended result code is the primary one: https://www.sqlite.org/rescode.html
        let code = database.code().and_then(|code| code.parse::<i32>().ok()).map_or(0, |code| code & 0xff);
        match code {
            5 | 6 => LedgerError::Locked { path, detail },
            8 => LedgerError::ReadOnly { path, detail },
            11 => LedgerError::Damaged { path, detail },
            13 => LedgerError::Full { path, detail },
            14 => LedgerError::CannotOpen { path, detail },
            26 => LedgerError::Foreign { path, reason: format!("{detail}, or its first bytes are damaged") },
            _ => LedgerError::Engine { doing, source },
        }
    }
}
