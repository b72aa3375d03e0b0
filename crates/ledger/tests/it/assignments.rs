//! Batches that provers hold, and whose proofs were refused.

use crate::engines::{each, server};
use proofmill_ledger::{AssignmentKey, AssignmentRecord, Batch, Change, Ledger, RefusalRecord, Timestamp};
use proofmill_primitives::ProverType;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, sqlite::SqliteConnectOptions};

fn record(number: u64, prover: ProverType, holder: &str) -> AssignmentRecord {
    let key = AssignmentKey { number, level: "range".to_owned(), content: [7; 32], prover };
    AssignmentRecord { key, holder: holder.to_owned(), since: Timestamp::from_millis(number * 1_000) }
}

async fn commit(ledger: &Ledger, changes: Vec<Change>) {
    ledger.commit(Batch::from(changes)).await.unwrap();
}

#[tokio::test]
async fn assignments_survive_and_have_one_holder_for_each_batch_and_type() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let ledger = Ledger::open(&path).await.unwrap();
    let of = |record: &AssignmentRecord| Change::BatchAssigned(Box::new(record.clone()));
    let (first, second) = (record(1, ProverType::Exec, "one"), record(2, ProverType::Exec, "two"));
    let other_type = record(1, ProverType::Sp1, "three");
    commit(&ledger, vec![of(&second), of(&first), of(&other_type)]).await;
    drop(ledger);
    let ledger = Ledger::open(&path).await.unwrap();
    assert_eq!(ledger.assignments().await.unwrap(), [first.clone(), other_type.clone(), second.clone()]);
    // The next holder takes the place of the one before.
    let taken = AssignmentRecord { holder: "four".to_owned(), ..first.clone() };
    let ended = |record: &AssignmentRecord| Change::AssignmentEnded(Box::new(record.key.clone()));
    commit(&ledger, vec![of(&taken), ended(&second), ended(&second)]).await;
    assert_eq!(ledger.assignments().await.unwrap(), [taken, other_type]);
}

fn refusal(number: u64, times: u32) -> RefusalRecord {
    let AssignmentRecord { key, since, .. } = record(number, ProverType::Exec, "");
    let remains = (times > 1).then_some([9; 32]);
    RefusalRecord { key, times, cause: "an opening".to_owned(), again_at: since, remains }
}

fn refused(record: &RefusalRecord) -> Change {
    Change::ProofRefused(Box::new(record.clone()))
}

#[tokio::test]
async fn refusals_are_counted_for_each_batch_and_type_and_forgotten() {
    each(async |ledger| {
        commit(&ledger, vec![refused(&refusal(2, 1)), refused(&refusal(1, 1))]).await;
        commit(&ledger, vec![refused(&refusal(2, 2))]).await;
        assert_eq!(ledger.refusals().await.unwrap(), [refusal(1, 1), refusal(2, 2)]);
        let forgotten = Change::RefusalForgotten(Box::new(refusal(1, 1).key));
        commit(&ledger, vec![forgotten.clone(), forgotten]).await;
        assert_eq!(ledger.refusals().await.unwrap(), [refusal(2, 2)]);
    })
    .await;
}

/// Of the schema before refusals were kept, with a row.
const HELD: &str =
    "INSERT INTO assignments (number, level, content, prover, holder, since) VALUES (1, 'range', ";

#[tokio::test]
async fn a_database_from_before_refusals_were_kept_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let old = [
        include_str!("../../src/sqlite/1.sql"),
        include_str!("../../src/sqlite/2.sql"),
        include_str!("../../src/sqlite/3.sql"),
        HELD,
        "zeroblob(32), 'exec', 'one', 1000); PRAGMA user_version = 3; PRAGMA application_id = 1347243079",
    ];
    let mut connection =
        SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(old.concat())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    is_up_to_date(&Ledger::open(&path).await.unwrap()).await;

    let Some(server) = server() else { return };
    let old = [
        "CREATE SCHEMA earlier; SET search_path TO earlier;",
        include_str!("../../src/postgres/1.sql"),
        HELD,
        "decode(repeat('00', 32), 'hex'), 'exec', 'one', 1000); UPDATE owner SET schema = 1",
    ];
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(old.concat())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    is_up_to_date(&Ledger::open_postgres(&server.url(), "earlier").await.unwrap()).await;
}

async fn is_up_to_date(ledger: &Ledger) {
    let held = ledger.assignments().await.unwrap();
    assert_eq!(held.iter().map(|held| held.holder.as_str()).collect::<Vec<_>>(), ["one"]);
    commit(ledger, vec![refused(&refusal(1, 1))]).await;
    assert_eq!(ledger.refusals().await.unwrap(), [refusal(1, 1)]);
}
