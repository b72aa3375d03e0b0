//! A file system without space.

use crate::records::proof;
use proofmill_ledger::{Batch, Change, Ledger, LedgerError, ProofFilter};
use proofmill_localstore::{on_small_disk, small_disk};
use std::fs;

fn insert(number: u32) -> Batch {
    let mut record = proof(&format!("{number:05}"));
    record.metadata = "x".repeat(20_000);
    Batch::from(vec![Change::ProofInserted(Box::new(record))])
}

/// Not a test of its own: what [`a_full_disk_is_named_and_nothing_is_lost`] runs on the small file system.
#[tokio::test]
#[ignore = "started by another test"]
async fn on_a_small_disk() {
    let Some(folder) = small_disk() else { return };
    let filler = folder.join("filler");
    let ledger = Ledger::open(&folder.join("ledger.sqlite")).await.unwrap();
    fs::write(&filler, vec![0; 2 << 20]).unwrap();
    let mut durable = 0;
    let error = loop {
        match ledger.commit(insert(durable)).await {
            Ok(()) => durable += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LedgerError::Full { .. }), "{error:?}");
    assert!(durable > 10, "{durable}");
    // What was acknowledged can be read while it is full, and work goes on when there is space.
    assert_eq!(ledger.list(&ProofFilter::default()).await.unwrap().len(), durable as usize);
    fs::remove_file(&filler).unwrap();
    ledger.commit(insert(durable)).await.unwrap();
    drop(ledger);
    let ledger = Ledger::open(&folder.join("ledger.sqlite")).await.unwrap();
    assert_eq!(ledger.list(&ProofFilter::default()).await.unwrap().len(), durable as usize + 1);
    println!("\nfull after {durable} commits");
}

#[test]
fn a_full_disk_is_named_and_nothing_is_lost() {
    let said = on_small_disk("disk_full::on_a_small_disk", 6).unwrap();
    assert!(said.as_ref().is_none_or(|said| said.contains("full after")), "{said:?}");
}
