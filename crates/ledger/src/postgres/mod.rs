//! The engine for a server that others keep: Postgres 13 or newer.
//!
//! A ledger has one owner, the process that has it in memory. Its writing connection holds an advisory lock, which the server
//! gives back when that connection ends. So a process whose connection was cut may write again only under the lock, and only
//! while the row of `owner` still has its number: another owner, which came in between, raises it. The same row counts the
//! batches, within the transaction of each, so that one whose answer was lost on the way is known to be kept or not.

#[path = "../statements/read.rs"]
mod read;
mod runs;
mod schema;
#[path = "../statements/write.rs"]
mod write;
mod writer;

use crate::{
    AssignmentRecord, Batch, DatabaseFault, LedgerError, Live, ProofFilter, ProofRecord, RefusalRecord,
    row::escaped as text,
};
use proofmill_primitives::ProofId;
use sqlx::{
    ConnectOptions, PgConnection as Connection, PgPool, Postgres as Engine,
    postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult as Done},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Mutex;
use writer::Writer;

/// Connections for reading.
const READERS: u32 = 4;

/// How long a reader waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// How questions of one moment begin.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A schema of a database.
#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    place: Arc<Place>,
    writer: Arc<Mutex<Writer>>,
    readers: PgPool,
}

/// Where it is, and how to come there. Shown without user and password.
pub(super) struct Place {
    options: PgConnectOptions,
    schema: String,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

impl Place {
    /// Of a URL.
    fn new(url: &str, schema: &str) -> Result<Self, LedgerError> {
        let fault = |fault| LedgerError::Database { database: format!("schema {schema}"), fault };
        // What the parser says may have parts of the URL, and with it the password.
        let options: PgConnectOptions = match url.parse() {
            Ok(options) if url.starts_with("postgres://") || url.starts_with("postgresql://") => options,
            _ => return Err(fault(DatabaseFault::BadUrl)),
        };
        let name = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_';
        // 63 bytes: NAMEDATALEN of Postgres, less one.
        if schema.is_empty() || schema.len() > 63 || !schema.chars().all(name) {
            return Err(fault(DatabaseFault::BadSchema));
        }
        let options = options
            .application_name("proofmill")
            .options([("search_path", schema)])
            .log_statements(tracing::log::LevelFilter::Off);
        Ok(Self { options, schema: schema.to_owned() })
    }

    /// What people are told.
    fn name(&self) -> String {
        let database = self.options.get_database().unwrap_or("postgres");
        let host = self.options.get_host();
        format!("schema {} of database {database} at {host}:{}", self.schema, self.options.get_port())
    }

    fn fault(&self, fault: DatabaseFault) -> LedgerError {
        LedgerError::Database { database: self.name(), fault }
    }

    /// Sorts what the server says into what a caller can act on.
    fn failed(&self, doing: &'static str) -> impl FnOnce(sqlx::Error) -> LedgerError {
        move |source| match fault(&source) {
            Some(fault) => self.fault(fault),
            None => LedgerError::Engine { doing, source },
        }
    }
}

/// What a failure means, where it means something.
fn fault(error: &sqlx::Error) -> Option<DatabaseFault> {
    let detail = error.to_string();
    let database = match error {
        sqlx::Error::Database(database) => database,
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => {
            return Some(DatabaseFault::Damaged { detail });
        }
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut => {
            return Some(DatabaseFault::Away { detail });
        }
        _ => return None,
    };
    // https://www.postgresql.org/docs/current/errcodes-appendix.html
    let code = database.code().unwrap_or_default();
    let detail = database.message().to_owned();
    Some(match &*code {
        "53100" => DatabaseFault::Full { detail },
        "25006" => DatabaseFault::ReadOnly { detail },
        "28000" | "28P01" | "3D000" | "42501" => DatabaseFault::NotAllowed { detail },
        // Connections, what is scarce, and the server's ending.
        _ if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) => DatabaseFault::Away { detail },
        _ => return None,
    })
}

impl Postgres {
    pub(crate) async fn open(url: &str, schema: &str) -> Result<Self, LedgerError> {
        let place = Arc::new(Place::new(url, schema)?);
        let writer = Writer::open(&place).await?;
        let readers = PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(place.options.clone());
        Ok(Self { place, writer: Arc::new(Mutex::new(writer)), readers })
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), LedgerError> {
        if batch.is_empty() {
            return Ok(());
        }
        let (place, writer) = (Arc::clone(&self.place), Arc::clone(&self.writer));
        // To its end, whoever waits: a transaction that was left alone would be the next one's.
        let committed = tokio::spawn(async move { writer.lock().await.commit(&place, batch).await });
        committed.await.unwrap_or_else(|ended| {
            let source = sqlx::Error::Io(std::io::Error::other(ended));
            Err(LedgerError::Engine { doing: "commit a batch", source })
        })
    }

    pub(crate) async fn load_live(&self) -> Result<Live, LedgerError> {
        read::load_live(&self.readers).await.map_err(self.place.failed("load the pending proofs"))
    }

    pub(crate) async fn proof(&self, id: &ProofId) -> Result<Option<ProofRecord>, LedgerError> {
        read::proof(&self.readers, id).await.map_err(self.place.failed("read a proof"))
    }

    pub(crate) async fn list(&self, filter: &ProofFilter) -> Result<Vec<ProofRecord>, LedgerError> {
        read::list(&self.readers, filter).await.map_err(self.place.failed("list proofs"))
    }

    pub(crate) async fn proof_by_content(&self, key: [u8; 32]) -> Result<Option<ProofRecord>, LedgerError> {
        read::proof_by_content(&self.readers, key).await.map_err(self.place.failed("look for a proof"))
    }

    pub(crate) async fn assignments(&self) -> Result<Vec<AssignmentRecord>, LedgerError> {
        read::assignments(&self.readers).await.map_err(self.place.failed("read the assignments"))
    }

    pub(crate) async fn refusals(&self) -> Result<Vec<RefusalRecord>, LedgerError> {
        read::refusals(&self.readers).await.map_err(self.place.failed("read the refusals"))
    }

    pub(crate) fn name(&self) -> String {
        self.place.name()
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.lock().await.close().await;
    }
}
