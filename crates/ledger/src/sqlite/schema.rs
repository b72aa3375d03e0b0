//! The tables, and how an older database comes to have them.

use super::failed;
use crate::LedgerError;
use sqlx::{Connection, Row, SqliteConnection};
use std::path::Path;

/// What marks a database as ours (`PMLG`).
const APPLICATION_ID: i64 = 0x504d_4c47;

/// Schema versions in order: the script at index `n` brings a database of version `n` to `n + 1`. Never change one that
/// was released; add another.
const MIGRATIONS: [&str; 6] = [
    include_str!("1.sql"),
    include_str!("2.sql"),
    include_str!("3.sql"),
    include_str!("4.sql"),
    include_str!("5.sql"),
    include_str!("6.sql"),
];

/// The newest version.
const NEWEST: i64 = MIGRATIONS.len() as i64;

/// Finds out whether the database is one of ours, or empty, without changing it; its version.
pub(super) async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<i64, LedgerError> {
    let foreign = |reason: String| LedgerError::Foreign { path: path.to_path_buf(), reason };
    let doing = "read its version";
    let number = async |connection: &mut SqliteConnection, sql: &'static str| -> Result<i64, LedgerError> {
        let row = sqlx::query(sql).fetch_one(connection).await.map_err(failed(path, doing))?;
        row.try_get::<i64, _>(0).map_err(failed(path, doing))
    };
    let application = number(connection, "PRAGMA application_id").await?;
    let version = number(connection, "PRAGMA user_version").await?;
    let tables = number(connection, "SELECT count(*) FROM sqlite_schema").await?;
    match (application, version, tables) {
        (0, 0, 0) => Ok(0),
        (APPLICATION_ID, version, _) if version > NEWEST => {
            Err(LedgerError::Newer { path: path.to_path_buf(), found: version, known: NEWEST })
        }
        (APPLICATION_ID, version, _) if version >= 1 => Ok(version),
        _ => Err(foreign("it is an SQLite database of another application".to_owned())),
    }
}

/// Looks for damage in the whole file. A ledger is small: some hundred megabytes take a second.
pub(super) async fn check_integrity(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), LedgerError> {
    let doing = "check the database";
    let row =
        sqlx::query("PRAGMA quick_check(1)").fetch_one(connection).await.map_err(failed(path, doing))?;
    match row.try_get::<String, _>(0).map_err(failed(path, doing))? {
        verdict if verdict == "ok" => Ok(()),
        detail => Err(LedgerError::Damaged { path: path.to_path_buf(), detail }),
    }
}

/// Brings a database of `version` to the newest, in one transaction per step.
pub(super) async fn migrate(
    connection: &mut SqliteConnection,
    version: i64,
    path: &Path,
) -> Result<(), LedgerError> {
    let doing = "create or upgrade its tables";
    let failed = || failed(path, doing);
    for (from, script) in (0i64..).zip(MIGRATIONS).skip_while(|(from, _)| *from < version) {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        sqlx::raw_sql(script).execute(&mut *transaction).await.map_err(failed())?;
        // A pragma takes no parameters.
        let stamp = format!("PRAGMA user_version = {}; PRAGMA application_id = {APPLICATION_ID}", from + 1);
        sqlx::raw_sql(sqlx::AssertSqlSafe(stamp)).execute(&mut *transaction).await.map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        tracing::info!(ledger = %path.display(), version = from + 1, "brought the ledger to a newer schema");
    }
    Ok(())
}
