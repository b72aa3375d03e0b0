//! What was acknowledged is there after the process was killed.

use crate::records::{proof, task};
use proofmill_ledger::{Batch, Change, Ledger, ProofFilter};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

const FOLDER: &str = "PROOFMILL_TEST_CRASH_FOLDER";
const LIFE: &str = "PROOFMILL_TEST_CRASH_LIFE";
const TASKS: usize = 3;

/// Not a test of its own: the process that [`acknowledged_work_survives_kill`] kills. Four committers at once, each
/// printing an id when its batch is durable.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "started by another test"]
async fn committer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let life = std::env::var(LIFE).unwrap();
    let ledger = Ledger::open(&PathBuf::from(folder).join("ledger.sqlite")).await.unwrap();
    let committers: Vec<_> = (0..4)
        .map(|committer| {
            let (ledger, life) = (ledger.clone(), life.clone());
            tokio::spawn(async move {
                for number in 0u64.. {
                    let id = format!("{life}-{committer}-{number}");
                    let mut batch = Batch::from(vec![Change::ProofInserted(Box::new(proof(&id)))]);
                    batch.extend(
                        (0..TASKS).map(|n| Change::TaskInserted(Box::new(task(&format!("{id}-{n}"), &id)))),
                    );
                    ledger.commit(batch).await.unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "durable {id}").unwrap();
                    out.flush().unwrap();
                }
            })
        })
        .collect();
    for committer in committers {
        committer.await.unwrap();
    }
}

fn start(folder: &Path, life: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["crash::committer", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(LIFE, life.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn acknowledged_work_survives_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    let mut life = 0usize;
    // Eight at least; on a busy machine as many more as it takes to show something.
    while life < 8 || (acknowledged.len() <= 50 && life < 100) {
        let mut child = start(folder.path(), life);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reader = std::thread::spawn(move || {
            let mut ids = Vec::new();
            for line in lines.map_while(Result::ok) {
                // The test harness prints before and after, also on the same line.
                if let Some((_, id)) = line.split_once("durable ") {
                    ids.push(id.to_owned());
                }
            }
            ids
        });
        // Some are killed while they open the database, the others anywhere.
        std::thread::sleep(Duration::from_millis([5, 20, 60, 150, 300][life % 5] + 13 * life as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(reader.join().unwrap());

        let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).await.unwrap();
        let kept = ledger.list(&ProofFilter::default()).await.unwrap();
        let kept: BTreeSet<String> = kept.into_iter().map(|proof| proof.id.into()).collect();
        let lost: Vec<_> = acknowledged.difference(&kept).collect();
        assert!(lost.is_empty(), "{} acknowledged, lost: {lost:?}", acknowledged.len());
        // Batches are whole, acknowledged or not.
        assert_eq!(ledger.load_live().await.unwrap().tasks.len(), kept.len() * TASKS);
        ledger.close().await;
        life += 1;
    }
    assert!(
        acknowledged.len() > 50,
        "only {} commits were acknowledged: this shows little",
        acknowledged.len()
    );
    println!("{} acknowledged commits, {life} kills, none lost", acknowledged.len());
}
