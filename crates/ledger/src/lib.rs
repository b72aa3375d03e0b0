//! The durable state of a cluster: its proof requests, their tasks, and which content has been proven already; and of a proof
//! coordinator: which prover holds which batch, and how often its proofs were refused.
//! [`Ledger`] is the database, [`Batch`] is what it is told, in one transaction per [`Ledger::commit`]; once that returns,
//! the changes survive a crash of the process and of the machine. [`DataDir`] is the folder in which the ledger and
//! everything else of one cluster lies, and sees to it that one process owns it.
//!
//! There are two engines, which differ only in how they are opened: SQLite, in a file of this machine, and Postgres, where a
//! server of the operator's keeps it.
//!
//! ```
//! use proofmill_ledger::{Batch, Change, DataDir, Ledger, ProofStatus, ProofUpdate, Timestamp};
//! # use proofmill_ledger::ProofRecord;
//! # use proofmill_primitives::ProverType;
//! # let request = ProofRecord {
//! #     id: "p1".into(), prover: ProverType::Exec, status: ProofStatus::Pending, requester: vec![], execution: None,
//! #     program: "elf".into(), stdin: "in".into(), stdin_private: false, proof: None, options: None, cycle_limit: None,
//! #     gas_limit: None, deadline: None, handled: false, metadata: String::new(), extra_data: None, scheduled_by: None,
//! #     failure_cause: None, diagnosis: None, plan: None, created_at: Timestamp::now(), updated_at: Timestamp::now(),
//! #     completed_at: None,
//! # };
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! # let folder = tempfile::tempdir()?;
//! let dir = DataDir::open(folder.path())?;
//! let ledger = Ledger::open(&dir.ledger()).await?;
//! let completed = ProofUpdate { status: Some(ProofStatus::Completed), ..Default::default() };
//! ledger
//!     .commit(Batch::from(vec![
//!         Change::ProofInserted(Box::new(request)),
//!         Change::ProofUpdated { proof: "p1".into(), update: Box::new(completed), at: Timestamp::now() },
//!     ]))
//!     .await?;
//! assert_eq!(ledger.proof(&"p1".into()).await?.map(|proof| proof.status), Some(ProofStatus::Completed));
//! assert!(ledger.load_live().await?.proofs.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?; Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![expect(clippy::duplicate_mod, reason = "each engine compiles the statements with its own types")]

mod assignment;
mod change;
pub mod data_dir;
mod error;
mod lock;
mod postgres;
mod record;
mod row;
mod shared;
mod sqlite;
mod time;

pub use assignment::{AssignmentKey, AssignmentRecord, RefusalRecord};
pub use change::{Batch, Change};
pub use data_dir::{DataDir, FreeSpace};
pub use error::{DataDirError, DatabaseFault, LedgerError, Refusal};
pub use lock::{LockError, ProcessLock};
pub use record::{
    Execution, ExecutionFailure, ExecutionStatus, Live, ProofFilter, ProofRecord, ProofStatus, ProofUpdate,
    TaskRecord, TaskRecordState,
};
pub use shared::network_file_system;
pub use time::Timestamp;

use proofmill_primitives::ProofId;
use std::{fmt, path::Path};

/// The durable state. Cheap to clone; clones share the database.
#[derive(Clone, Debug)]
pub struct Ledger {
    engine: Engine,
}

/// Where it is kept.
#[derive(Clone, Debug)]
enum Engine {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Ledger {
    /// Opens the SQLite database at `path`, creates it where there is none, and brings an older one to the newest schema.
    ///
    /// # Errors
    ///
    /// [`Newer`](LedgerError::Newer), [`Foreign`](LedgerError::Foreign), [`Damaged`](LedgerError::Damaged) and
    /// [`CannotOpen`](LedgerError::CannotOpen) say what is wrong with the file, which is then left as it was.
    pub async fn open(path: &Path) -> Result<Self, LedgerError> {
        Ok(Self { engine: Engine::Sqlite(sqlite::Sqlite::open(path).await?) })
    }

    /// Opens a schema of a Postgres database, creates it where there is none, and brings an older one to the newest version. One
    /// process at a time has it.
    ///
    /// # Errors
    ///
    /// [`Database`](LedgerError::Database) says what is wrong with the URL, the server or the schema, which is then left as it was.
    pub async fn open_postgres(url: &str, schema: &str) -> Result<Self, LedgerError> {
        Ok(Self { engine: Engine::Postgres(postgres::Postgres::open(url, schema).await?) })
    }

    /// A ledger that is gone with its last clone. For tests.
    pub async fn in_memory() -> Result<Self, LedgerError> {
        Ok(Self { engine: Engine::Sqlite(sqlite::Sqlite::in_memory().await?) })
    }

    /// Makes the changes of a batch durable, in order and in one transaction: all of them, or none. When this returns
    /// they survive a crash, also of the machine. One transaction costs a flush of the disk (milliseconds), however many
    /// changes it has: put together what can wait for each other.
    ///
    /// # Errors
    ///
    /// [`Refused`](LedgerError::Refused) names the change that does not fit. When the future is dropped before it is
    /// ready the batch is kept as a whole or not at all, but which is not known.
    pub async fn commit(&self, batch: Batch) -> Result<(), LedgerError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.commit(batch).await,
            Engine::Postgres(postgres) => postgres.commit(batch).await,
        }
    }

    /// The pending proofs and their tasks.
    pub async fn load_live(&self) -> Result<Live, LedgerError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.load_live().await,
            Engine::Postgres(postgres) => postgres.load_live().await,
        }
    }

    /// One proof.
    pub async fn proof(&self, id: &ProofId) -> Result<Option<ProofRecord>, LedgerError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.proof(id).await,
            Engine::Postgres(postgres) => postgres.proof(id).await,
        }
    }

    /// The proofs that the filter describes, oldest first.
    pub async fn list(&self, filter: &ProofFilter) -> Result<Vec<ProofRecord>, LedgerError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.list(filter).await,
            Engine::Postgres(postgres) => postgres.list(filter).await,
        }
    }

    /// The completed proof that answers for a content, as [`Change::ContentProven`] said.
    pub async fn proof_by_content(&self, key: [u8; 32]) -> Result<Option<ProofRecord>, LedgerError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.proof_by_content(key).await,
            Engine::Postgres(postgres) => postgres.proof_by_content(key).await,
        }
    }

    /// Every assignment of a batch to a prover that pulls, oldest batch first.
    pub async fn assignments(&self) -> Result<Vec<AssignmentRecord>, LedgerError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.assignments().await,
            Engine::Postgres(postgres) => postgres.assignments().await,
        }
    }

    /// How often the proofs of each batch were refused, oldest batch first.
    pub async fn refusals(&self) -> Result<Vec<RefusalRecord>, LedgerError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.refusals().await,
            Engine::Postgres(postgres) => postgres.refusals().await,
        }
    }

    /// Closes the database in good order, so that the next start finds nothing to recover. A process that ends without
    /// loses nothing.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.close().await,
        }
    }
}

/// Where it is: a file, or a schema of a database. No password is in it.
impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.engine {
            Engine::Sqlite(sqlite) => write!(f, "{}", sqlite.path().display()),
            Engine::Postgres(postgres) => f.write_str(&postgres.name()),
        }
    }
}
