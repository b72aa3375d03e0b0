//! The one connection that writes, and that holds the ledger.

use super::{
    Connection, PATIENCE, Place,
    runs::{self, Run},
    schema,
    write::ApplyError,
};
use crate::{Batch, DatabaseFault, LedgerError};
use sqlx::{ConnectOptions, Connection as _, Row};
use std::time::Duration;

/// How long a batch may take, whose largest are of some hundred statements: a network that swallows everything gives no other sign.
const ANSWER: Duration = Duration::from_secs(60);
/// How often the lock is asked for.
const TRIES: u32 = 20;
/// How long to wait between.
const PAUSE: Duration = Duration::from_millis(250);

/// What the server is told of this connection: to notice within half a minute that the machine at its other end is gone.
const SESSION: &str = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
                       SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0";

/// What our locks are told from those of other applications by (`PMLG`).
macro_rules! class {
    () => {
        "1347243079"
    };
}

/// Who holds the lock of the schema `$1`.
macro_rules! locks {
    () => {
        concat!(
            "(SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid::bigint = ",
            class!(),
            " AND objid::bigint = hashtext($1)::bigint & 4294967295 \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
        )
    };
}

/// Whoever may write.
#[derive(Debug)]
pub(super) struct Writer {
    /// None while it is cut.
    connection: Option<Connection>,
    /// Our number.
    owner: i64,
    /// How many batches are known to be kept.
    commits: i64,
    /// The next one, where its answer was lost.
    uncertain: Option<Batch>,
}

impl Writer {
    /// Takes the ledger.
    pub(super) async fn open(place: &Place) -> Result<Self, LedgerError> {
        let mut connection = connect(place).await?;
        schema::create(&mut connection, place).await?;
        take(&mut connection, place, None).await?;
        schema::migrate(&mut connection, place).await?;
        let failed = || place.failed("take the ledger");
        let row =
            "UPDATE owner SET number = number + 1, backend = pg_backend_pid() RETURNING number, commits";
        let row = sqlx::query(row).fetch_one(&mut connection).await.map_err(failed())?;
        let owner = row.try_get("number").map_err(failed())?;
        let commits = row.try_get("commits").map_err(failed())?;
        Ok(Self { connection: Some(connection), owner, commits, uncertain: None })
    }

    pub(super) async fn commit(&mut self, place: &Place, batch: Batch) -> Result<(), LedgerError> {
        // A server that was restarted while nothing was written shows by the first failure.
        let fresh = self.connection.is_none();
        match self.once(place, &batch).await {
            Err(LedgerError::Database { fault: DatabaseFault::Away { .. }, .. }) if !fresh => {
                self.once(place, &batch).await
            }
            done => done,
        }
    }

    async fn once(&mut self, place: &Place, batch: &Batch) -> Result<(), LedgerError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let (connection, kept) = self.again(place).await?;
                if kept.is_some_and(|kept| kept == *batch) {
                    self.connection = Some(connection);
                    return Ok(());
                }
                connection
            }
        };
        let applied = tokio::time::timeout(ANSWER, self.apply(&mut connection, place, batch)).await;
        let done = applied.unwrap_or_else(|_| {
            let detail = format!("no answer within {} s", ANSWER.as_secs());
            Err(place.fault(DatabaseFault::Away { detail }))
        });
        match &done {
            Ok(()) => self.commits += 1,
            // Rolled back: the connection is as it was.
            Err(LedgerError::Refused { .. }) => {}
            Err(_) => {
                self.uncertain = Some(batch.clone());
                return done;
            }
        }
        self.connection = Some(connection);
        done
    }

    async fn apply(
        &self,
        connection: &mut Connection,
        place: &Place,
        batch: &Batch,
    ) -> Result<(), LedgerError> {
        match self.attempt(connection, place, batch, true).await {
            // Refused again one by one, which says which one it is.
            Err(LedgerError::Refused { .. }) => self.attempt(connection, place, batch, false).await,
            done => done,
        }
    }

    /// One transaction, with or without runs of changes at once.
    async fn attempt(
        &self,
        connection: &mut Connection,
        place: &Place,
        batch: &Batch,
        at_once: bool,
    ) -> Result<(), LedgerError> {
        let failed = || place.failed("commit a batch");
        let mut transaction = connection.begin().await.map_err(failed())?;
        let mut index = 0;
        while let Some(run) = Run::first(&batch.changes()[index..], at_once) {
            match runs::apply(&mut transaction, &run).await {
                Ok(()) => index += run.len(),
                Err(ApplyError::Engine(error)) => return Err(failed()(error)),
                Err(ApplyError::Refused(reason)) => {
                    transaction.rollback().await.map_err(failed())?;
                    return Err(LedgerError::Refused { index, reason });
                }
            }
        }
        let counted =
            sqlx::query("UPDATE owner SET commits = commits + 1 WHERE number = $1 AND commits = $2")
                .bind(self.owner)
                .bind(self.commits)
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
        if counted.rows_affected() != 1 {
            return Err(place.fault(DatabaseFault::Superseded));
        }
        transaction.commit().await.map_err(failed())
    }

    /// Takes the ledger again after the connection was cut, and finds out whether the uncertain batch is kept; that one, if so.
    async fn again(&mut self, place: &Place) -> Result<(Connection, Option<Batch>), LedgerError> {
        let failed = || place.failed("take the ledger again");
        let mut connection = connect(place).await?;
        take(&mut connection, place, Some(self.owner)).await?;
        let commits = commits(&mut connection, place, self.owner).await?;
        let ours = sqlx::query("UPDATE owner SET backend = pg_backend_pid()");
        ours.execute(&mut connection).await.map_err(failed())?;
        let uncertain = self.uncertain.take();
        let kept = match commits - self.commits {
            0 => None,
            1 if uncertain.is_some() => uncertain,
            less if less < 0 => return Err(place.fault(DatabaseFault::Lost { batches: -less })),
            _ => return Err(place.fault(DatabaseFault::Superseded)),
        };
        self.commits = commits;
        tracing::info!(ledger = %place.name(), "writes to the ledger again");
        Ok((connection, kept))
    }

    pub(super) async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Gone either way.
            let _ = connection.close().await;
        }
    }
}

async fn connect(place: &Place) -> Result<Connection, LedgerError> {
    let failed = || place.failed("connect");
    let connecting = tokio::time::timeout(PATIENCE, place.options.connect());
    let mut connection = match connecting.await {
        Ok(connected) => connected.map_err(failed())?,
        Err(_) => {
            let detail = format!("no connection within {} s", PATIENCE.as_secs());
            return Err(place.fault(DatabaseFault::Away { detail }));
        }
    };
    sqlx::raw_sql(SESSION).execute(&mut connection).await.map_err(failed())?;
    Ok(connection)
}

/// Takes the lock. Waits a little for it: the server may not have noticed yet that its holder is gone. One of ours, which was cut
/// from here, is ended there.
async fn take(connection: &mut Connection, place: &Place, owner: Option<i64>) -> Result<(), LedgerError> {
    let failed = || place.failed("lock the ledger");
    for _ in 0..TRIES {
        let ask = concat!("SELECT pg_try_advisory_lock(", class!(), ", hashtext($1))");
        let row = sqlx::query(ask)
            .bind(place.schema.as_str())
            .fetch_one(&mut *connection)
            .await
            .map_err(failed())?;
        if row.try_get(0).map_err(failed())? {
            return Ok(());
        }
        if let Some(owner) = owner {
            commits(connection, place, owner).await?;
            let end = concat!(
                "SELECT pg_terminate_backend(l.pid) FROM ",
                locks!(),
                " l JOIN owner o ON o.backend = l.pid WHERE o.number = $2"
            );
            let end = sqlx::query(end).bind(place.schema.as_str()).bind(owner);
            end.execute(&mut *connection).await.map_err(failed())?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(place.fault(DatabaseFault::Taken { holder: holder(connection, place).await? }))
}

/// How many batches are kept, as long as the ledger is this owner's.
async fn commits(connection: &mut Connection, place: &Place, owner: i64) -> Result<i64, LedgerError> {
    let failed = || place.failed("look whose the ledger is");
    let row = sqlx::query("SELECT commits FROM owner WHERE number = $1").bind(owner);
    match row.fetch_optional(connection).await.map_err(failed())? {
        Some(row) => row.try_get(0).map_err(failed()),
        None => Err(place.fault(DatabaseFault::Superseded)),
    }
}

/// Who holds the lock, for people.
async fn holder(connection: &mut Connection, place: &Place) -> Result<String, LedgerError> {
    let failed = || place.failed("look who holds the ledger");
    let ask = concat!(
        "SELECT coalesce(host(a.client_addr), 'its own machine') FROM ",
        locks!(),
        " l JOIN pg_stat_activity a ON a.pid = l.pid"
    );
    let row =
        sqlx::query(ask).bind(place.schema.as_str()).fetch_optional(connection).await.map_err(failed())?;
    Ok(match row {
        Some(row) => row.try_get(0).map_err(failed())?,
        None => "unknown".to_owned(),
    })
}
