//! What nobody uses is removed, and nothing else.

use proofmill_artifacts::{ArtifactKind, ArtifactStore, FsArtifacts, Removed};
use proofmill_primitives::ArtifactId;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Every file of the store.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Makes every file of the store as old as this.
fn age(folder: &Path, age: Duration) {
    for path in files(folder) {
        File::open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }
}

async fn names(store: &FsArtifacts) -> BTreeSet<String> {
    store.list().await.unwrap().into_iter().map(|stored| format!("{}/{}", stored.kind, stored.id)).collect()
}

fn in_use(names: &[&str]) -> Arc<BTreeSet<ArtifactId>> {
    Arc::new(names.iter().copied().map(ArtifactId::new).collect())
}

#[tokio::test]
async fn what_was_not_used_for_long_is_removed_and_finished_proofs_stay() {
    let folder = tempfile::tempdir().unwrap();
    let store = FsArtifacts::open(folder.path()).unwrap();
    for kind in ArtifactKind::ALL {
        store.put(&"old".into(), kind, "12345".into()).await.unwrap();
    }
    age(folder.path(), 2 * HOUR);
    store.put(&"new".into(), ArtifactKind::Stdin, "new".into()).await.unwrap();
    assert_eq!(store.remove_unused(3 * HOUR, in_use(&[])).await.unwrap(), Removed::default());
    let removed = store.remove_unused(HOUR, in_use(&[])).await.unwrap();
    assert_eq!(removed.blobs, 5);
    // With its header and id.
    assert_eq!(removed.bytes, 5 * (46 + 3 + 5));
    assert_eq!(names(&store).await, ["proof/old", "stdin/new"].map(String::from).into());
}

#[tokio::test]
async fn what_is_read_asked_for_or_stored_again_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = FsArtifacts::open(folder.path()).unwrap();
    let kind = ArtifactKind::Intermediate;
    for name in ["read", "asked-for", "stored-again", "kept-alive", "in-use", "unused"] {
        store.put(&name.into(), kind, name.to_owned().into()).await.unwrap();
    }
    let by_content = store.put_content(ArtifactKind::Program, "elf".into()).await.unwrap();
    age(folder.path(), 2 * HOUR);
    store.get(&"read".into(), kind).await.unwrap();
    assert!(store.exists(&"asked-for".into(), kind).await.unwrap());
    store.put(&"stored-again".into(), kind, "again".into()).await.unwrap();
    store.put_content(ArtifactKind::Program, "elf".into()).await.unwrap();
    store.keep_alive(in_use(&["kept-alive", "nowhere"])).await.unwrap();
    assert_eq!(store.remove_unused(HOUR, in_use(&["in-use"])).await.unwrap().blobs, 1);
    let left = ["read", "asked-for", "stored-again", "kept-alive", "in-use"]
        .map(|name| format!("intermediate/{name}"));
    let left: BTreeSet<_> = left.into_iter().chain([format!("program/{by_content}")]).collect();
    assert_eq!(names(&store).await, left);
}

/// Two clusters keep their artifacts in one folder, by mistake or not, and neither knows what the other one needs.
#[tokio::test]
async fn what_one_cluster_needs_another_one_does_not_remove() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = [(); 2].map(|()| FsArtifacts::open(folder.path()).unwrap());
    let kind = ArtifactKind::Stdin;
    for name in ["needed", "unused"] {
        one.put(&name.into(), kind, name.to_owned().into()).await.unwrap();
    }
    // It waits for a worker, for longer than anything is kept that nobody uses.
    for _ in 0..3 {
        let names_before = names(&one).await;
        age(folder.path(), HOUR * 3 / 4);
        assert_eq!(one.remove_unused(HOUR, in_use(&["needed"])).await.unwrap(), Removed::default());
        assert_eq!(names(&one).await, names_before);
        // As much later again.
        for entry in files(folder.path()) {
            let file = File::open(entry).unwrap();
            let used = file.metadata().unwrap().modified().unwrap();
            file.set_modified(used - HOUR * 3 / 4).unwrap();
        }
        other.remove_unused(HOUR, in_use(&[])).await.unwrap();
        assert_eq!(names(&one).await, ["stdin/needed"].map(String::from).into());
    }
}

#[tokio::test]
async fn a_damaged_one_is_removed_with_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = FsArtifacts::open(folder.path()).unwrap();
    let stray = folder.path().join("stdin/ab");
    fs::create_dir_all(&stray).unwrap();
    fs::write(stray.join("stray"), "no artifact").unwrap();
    assert_eq!(store.remove_unused(HOUR, in_use(&[])).await.unwrap().blobs, 0);
    age(folder.path(), 2 * HOUR);
    assert_eq!(store.remove_unused(HOUR, in_use(&[])).await.unwrap().blobs, 1);
    assert!(!stray.join("stray").exists());
}
