//! The tables, and how an older schema comes to have them.

use super::{Connection, Place};
use crate::{DatabaseFault, LedgerError};
use sqlx::{Connection as _, Row};

/// Versions in order: the script at index `n` brings a schema of version `n` to `n + 1`. Never change one that was released; add
/// another.
const MIGRATIONS: [&str; 4] =
    [include_str!("1.sql"), include_str!("2.sql"), include_str!("3.sql"), include_str!("4.sql")];

/// The newest version.
const NEWEST: i64 = MIGRATIONS.len() as i64;

/// Makes the schema where it is missing.
pub(super) async fn create(connection: &mut Connection, place: &Place) -> Result<(), LedgerError> {
    let failed = || place.failed("look for its schema");
    let there = sqlx::query("SELECT 1 FROM pg_namespace WHERE nspname = $1")
        .bind(place.schema.as_str())
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed())?;
    if there.is_none() {
        // A name takes no parameter. Its characters were looked at.
        let create = format!("CREATE SCHEMA IF NOT EXISTS {}", place.schema);
        sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(connection).await.map_err(failed())?;
    }
    Ok(())
}

/// Finds out whether the schema is one of ours, or empty, and brings it to the newest version. For who holds the lock.
pub(super) async fn migrate(connection: &mut Connection, place: &Place) -> Result<(), LedgerError> {
    let failed = || place.failed("create or upgrade its tables");
    let tables = "SELECT count(*) AS tables, count(*) FILTER (WHERE tablename IN ('owner', 'assignments')) AS ours \
                  FROM pg_tables WHERE schemaname = $1";
    let row =
        sqlx::query(tables).bind(place.schema.as_str()).fetch_one(&mut *connection).await.map_err(failed())?;
    let count = |column| row.try_get::<i64, _>(column);
    let version = match (count("tables").map_err(failed())?, count("ours").map_err(failed())?) {
        (0, _) => 0,
        (_, 2) => {
            let row =
                sqlx::query("SELECT schema FROM owner").fetch_one(&mut *connection).await.map_err(failed())?;
            row.try_get(0).map_err(failed())?
        }
        _ => return Err(place.fault(DatabaseFault::Foreign)),
    };
    if version > NEWEST {
        return Err(place.fault(DatabaseFault::Newer { found: version, known: NEWEST }));
    }
    for (from, script) in (0i64..).zip(MIGRATIONS).skip_while(|(from, _)| *from < version) {
        let mut transaction = connection.begin().await.map_err(failed())?;
        sqlx::raw_sql(script).execute(&mut *transaction).await.map_err(failed())?;
        let stamp = sqlx::query("UPDATE owner SET schema = $1").bind(from + 1);
        stamp.execute(&mut *transaction).await.map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        tracing::info!(ledger = %place.name(), version = from + 1, "brought the ledger to a newer schema");
    }
    Ok(())
}
