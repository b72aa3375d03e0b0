//! Batches that provers hold.

use proofmill_ledger::{AssignmentKey, AssignmentRecord, Batch, Change, Ledger, Timestamp};
use proofmill_primitives::ProverType;

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
