//! Files that are no ledger, or not one for us.

use crate::records::{proof, task};
use proofmill_ledger::{Batch, Change, Ledger, LedgerError, ProofFilter};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use std::{fs, path::Path};

async fn sql(path: &Path, script: &'static str) {
    let mut connection =
        SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap();
    sqlx::raw_sql(script).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn filled(path: &Path) {
    let ledger = Ledger::open(path).await.unwrap();
    let mut batch = Batch::new();
    for number in 0..300 {
        let id = format!("proof-{number}");
        batch.push(Change::ProofInserted(Box::new(proof(&id))));
        batch.push(Change::TaskInserted(Box::new(task(&format!("task-{number}"), &id))));
    }
    ledger.commit(batch).await.unwrap();
    ledger.close().await;
}

/// Opens what must be refused, and checks that it was not touched.
async fn refused(path: &Path) -> LedgerError {
    let before = fs::read(path).unwrap();
    let error = Ledger::open(path).await.unwrap_err();
    assert_eq!(fs::read(path).unwrap(), before, "the file was changed");
    error
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    filled(&path).await;
    sql(&path, "PRAGMA user_version = 99").await;
    let error = refused(&path).await;
    assert!(matches!(error, LedgerError::Newer { found: 99, known: 6, .. }), "{error}");
    assert!(error.to_string().contains("upgrade proofmill"), "{error}");
}

#[tokio::test]
async fn another_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, script) in [
        ("table", "CREATE TABLE notes (text)"),
        ("application", "PRAGMA application_id = 7"),
        ("version", "PRAGMA user_version = 1"),
    ] {
        let path = folder.path().join(name);
        sql(&path, script).await;
        let error = refused(&path).await;
        assert!(matches!(error, LedgerError::Foreign { .. }), "{name}: {error}");
    }
}

#[tokio::test]
async fn another_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    fs::write(&path, "Dear diary, ".repeat(1000)).unwrap();
    let error = refused(&path).await;
    assert!(matches!(error, LedgerError::Foreign { .. }), "{error}");
    let error = Ledger::open(folder.path()).await.unwrap_err();
    assert!(matches!(error, LedgerError::CannotOpen { .. }), "{error}");
    let error = Ledger::open(&folder.path().join("missing/ledger.sqlite")).await.unwrap_err();
    assert!(matches!(error, LedgerError::CannotOpen { .. }), "{error}");
}

#[tokio::test]
async fn an_empty_file_becomes_a_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    fs::write(&path, "").unwrap();
    filled(&path).await;
    assert_eq!(Ledger::open(&path).await.unwrap().load_live().await.unwrap().tasks.len(), 300);
}

/// Wherever a stretch of the file is overwritten, or the file is cut, opening or reading says so, or the damage hit
/// nothing that is in use: never a panic, never a hang, never a record that was not written.
#[tokio::test]
async fn damage_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    filled(&path).await;
    let whole = fs::read(&path).unwrap();
    let expected = Ledger::open(&path).await.unwrap().list(&ProofFilter::default()).await.unwrap();
    let mut damages: Vec<Vec<u8>> = (0..whole.len())
        .step_by(2048)
        .map(|start| {
            let mut bytes = whole.clone();
            let end = bytes.len().min(start + 1024);
            bytes[start..end].fill(0xA5);
            bytes
        })
        .collect();
    damages.extend([1, 50, 99, 2000, whole.len() / 2].map(|length| whole[..length].to_vec()));
    let mut named = 0;
    for (number, bytes) in damages.iter().enumerate() {
        let path = folder.path().join(format!("damaged-{number}.sqlite"));
        fs::write(&path, bytes).unwrap();
        let result = async {
            let ledger = Ledger::open(&path).await?;
            ledger.load_live().await?;
            ledger.list(&ProofFilter::default()).await
        };
        match result.await {
            Err(LedgerError::Damaged { .. } | LedgerError::Foreign { .. } | LedgerError::Newer { .. }) => {
                named += 1
            }
            Err(other) => panic!("damage {number}: {other}"),
            Ok(found) => {
                // Only text can be replaced without SQLite noticing; what is found is as much as there was.
                assert_eq!(found.len(), expected.len(), "damage {number}");
            }
        }
    }
    assert!(named * 2 > damages.len(), "{named} of {} damages were named", damages.len());
    println!("{named} of {} damages were named", damages.len());
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    for (name, script) in [
        ("status", "PRAGMA ignore_check_constraints = ON; UPDATE proofs SET status = 17"),
        ("prover", "UPDATE proofs SET prover = 'abacus'"),
        ("time", "UPDATE proofs SET created_at = -1"),
        ("kind", "UPDATE tasks SET kind = 1000000"),
        ("weight", "UPDATE tasks SET weight = -4"),
        ("state", "PRAGMA ignore_check_constraints = ON; UPDATE tasks SET state = 'tired'"),
        ("cause", "UPDATE tasks SET state = 'failed'"),
        ("worker", "UPDATE tasks SET state = 'running'"),
        ("inputs", "UPDATE tasks SET inputs = '[1]'"),
    ] {
        let path = folder.path().join(name);
        filled(&path).await;
        sql(&path, script).await;
        let load = async { Ledger::open(&path).await?.load_live().await };
        let error = load.await.unwrap_err();
        assert!(matches!(error, LedgerError::Damaged { .. }), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_locked_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let ledger = Ledger::open(&path).await.unwrap();
    let mut other = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let insert = || Batch::from(vec![Change::ProofInserted(Box::new(proof("p")))]);
    let error = ledger.commit(insert()).await.unwrap_err();
    assert!(matches!(error, LedgerError::Locked { .. }), "{error}");
    held.rollback().await.unwrap();
    ledger.commit(insert()).await.unwrap();
}
