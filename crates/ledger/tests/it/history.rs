//! What went wrong with a task is kept with it, also by whoever has the ledger next.

use crate::{
    engines::{each, server},
    records::{proof, task},
};
use proofmill_ledger::{Batch, Change, Ledger, TaskRecord, TaskRecordState, Timestamp};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, sqlite::SqliteConnectOptions};

fn waits(history: Option<&str>) -> TaskRecordState {
    TaskRecordState::Pending { retries: 1, history: history.map(str::to_owned), last_failure: None }
}

fn runs(history: Option<&str>) -> TaskRecordState {
    let history = history.map(str::to_owned);
    TaskRecordState::Running { worker: "w".into(), since: Timestamp::from_millis(7), retries: 2, history }
}

fn inserted(id: &str, state: TaskRecordState) -> Change {
    Change::TaskInserted(Box::new(TaskRecord { state, ..task(id, "p") }))
}

fn changed(id: &str, state: TaskRecordState) -> Change {
    Change::TaskStateChanged { task: id.into(), state }
}

async fn commit(ledger: &Ledger, changes: Vec<Change>) {
    ledger.commit(Batch::from(changes)).await.unwrap();
}

async fn states(ledger: &Ledger) -> Vec<TaskRecordState> {
    ledger.load_live().await.unwrap().tasks.into_iter().map(|task| task.state).collect()
}

/// Of several tasks in one batch, each has its own; and it is gone when its task has ended.
#[tokio::test]
async fn what_went_wrong_with_a_task_is_kept_while_it_waits_and_while_it_runs() {
    each(async |ledger| {
        let new = vec![
            Change::ProofInserted(Box::new(proof("p"))),
            inserted("a", waits(Some("one"))),
            inserted("b", runs(Some("two"))),
            inserted("c", waits(None)),
        ];
        commit(&ledger, new).await;
        assert_eq!(states(&ledger).await, [waits(Some("one")), runs(Some("two")), waits(None)]);
        let then = vec![changed("a", runs(Some("one"))), changed("b", TaskRecordState::Succeeded)];
        commit(&ledger, then).await;
        commit(&ledger, vec![changed("c", waits(Some("three")))]).await;
        let expected = [runs(Some("one")), TaskRecordState::Succeeded, waits(Some("three"))];
        assert_eq!(states(&ledger).await, expected);
        commit(&ledger, vec![changed("a", runs(None))]).await;
        assert_eq!(states(&ledger).await.first(), Some(&runs(None)));
    })
    .await;
}

/// Of an earlier version's tasks it is known how often they were tried, and no more.
#[tokio::test]
async fn a_database_from_before_histories_were_kept_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let ledger = Ledger::open(&path).await.unwrap();
    let old = || {
        vec![
            Change::ProofInserted(Box::new(proof("p"))),
            inserted("a", waits(None)),
            inserted("b", runs(None)),
        ]
    };
    commit(&ledger, old()).await;
    ledger.close().await;
    let mut connection = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    let before = "ALTER TABLE tasks DROP COLUMN history; ALTER TABLE proofs DROP COLUMN plan; \
                  ALTER TABLE refusals DROP COLUMN remains; PRAGMA user_version = 4";
    sqlx::raw_sql(before).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    is_up_to_date(&Ledger::open(&path).await.unwrap()).await;

    let Some(server) = server() else { return };
    let ledger = Ledger::open_postgres(&server.url(), "earlier").await.unwrap();
    commit(&ledger, old()).await;
    ledger.close().await;
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    let before = "ALTER TABLE earlier.tasks DROP COLUMN history; ALTER TABLE earlier.proofs DROP COLUMN plan; \
                  ALTER TABLE earlier.refusals DROP COLUMN remains; UPDATE earlier.owner SET schema = 2";
    sqlx::raw_sql(AssertSqlSafe(before.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    is_up_to_date(&Ledger::open_postgres(&server.url(), "earlier").await.unwrap()).await;
}

async fn is_up_to_date(ledger: &Ledger) {
    assert_eq!(states(ledger).await, [waits(None), runs(None)]);
    commit(ledger, vec![changed("a", waits(Some("one")))]).await;
    assert_eq!(states(ledger).await, [waits(Some("one")), runs(None)]);
}
