//! A file system without space. The test runs once more inside a mount namespace of its own, on a small tmpfs.

use crate::records::proof;
use proofmill_ledger::{Batch, Change, Ledger, LedgerError, ProofFilter};
use proofmill_localstore::skipped;
use std::{fs, path::PathBuf, process::Command};

const FOLDER: &str = "PROOFMILL_TEST_SMALL_DISK";

fn insert(number: u32) -> Batch {
    let mut record = proof(&format!("{number:05}"));
    record.metadata = "x".repeat(20_000);
    Batch::from(vec![Change::ProofInserted(Box::new(record))])
}

/// Not a test of its own: what [`a_full_disk_is_named_and_nothing_is_lost`] runs on the small file system.
#[tokio::test]
#[ignore = "started by another test"]
async fn on_a_small_disk() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = PathBuf::from(folder);
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
    let folder = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=6m tmpfs \"$0\" || exit 77; exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", mount])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["disk_full::on_a_small_disk", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return skipped(format!("cannot run unshare ({error})")),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    if !text.contains("on_a_small_disk") {
        let cause = String::from_utf8_lossy(&output.stderr);
        return skipped(format!("cannot mount a tmpfs here: {}", cause.trim()));
    }
    assert!(
        output.status.success() && text.contains("full after"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
