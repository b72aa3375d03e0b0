//! A worker reads what all its tasks need once.

use crate::noise;
use bytes::Bytes;
use proofmill_artifacts::{
    ArtifactError, ArtifactKind, ArtifactStore, Cached, ContentKey, FsArtifacts, Reply, forwarded,
};
use proofmill_primitives::ArtifactId;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A store that counts the bytes that are read.
#[derive(Debug)]
struct Counting {
    store: FsArtifacts,
    bytes: AtomicU64,
}

impl ArtifactStore for Counting {
    fn get<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Bytes> {
        Box::pin(async move {
            let bytes = self.store.get(id, kind).await?;
            self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            Ok(bytes)
        })
    }

    forwarded!(put, exists, delete, upkeep);
}

fn counting(folder: &tempfile::TempDir) -> Arc<Counting> {
    Arc::new(Counting { store: FsArtifacts::open(folder.path()).unwrap(), bytes: AtomicU64::new(0) })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_many_segments_are_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let below = counting(&folder);
    let store = Arc::new(Cached::new(below.clone(), 10_000_000));
    let program = store.put_content(ArtifactKind::Program, noise(1, 1_000_000)).await.unwrap();
    let input = store.put_content(ArtifactKind::Stdin, noise(2, 2_000_000)).await.unwrap();
    let plan = ContentKey::of(&[b"plan"]).artifact();
    store.put(&plan, ArtifactKind::Intermediate, noise(3, 500_000)).await.unwrap();
    let before = below.bytes.load(Ordering::Relaxed);
    let mut segments = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (store, program, input, plan) = (store.clone(), program.clone(), input.clone(), plan.clone());
        segments.spawn(async move {
            assert!(store.get(&program, ArtifactKind::Program).await.unwrap() == noise(1, 1_000_000));
            assert!(store.get(&input, ArtifactKind::Stdin).await.unwrap() == noise(2, 2_000_000));
            assert!(store.get(&plan, ArtifactKind::Intermediate).await.unwrap() == noise(3, 500_000));
        });
    }
    while let Some(done) = segments.join_next().await {
        done.unwrap();
    }
    assert_eq!(below.bytes.load(Ordering::Relaxed) - before, 3_500_000);
}

#[tokio::test]
async fn what_was_removed_elsewhere_is_not_given_out() {
    let folder = tempfile::tempdir().unwrap();
    let below = counting(&folder);
    let store = Cached::new(below.clone(), 1_000_000);
    let id = ContentKey::of(&[b"part"]).artifact();
    let kind = ArtifactKind::Intermediate;
    store.put(&id, kind, "wrong".into()).await.unwrap();
    assert_eq!(store.get(&id, kind).await.unwrap(), "wrong");
    below.delete(&id, kind).await.unwrap();
    assert!(matches!(store.get(&id, kind).await, Err(ArtifactError::Missing { .. })));
    below.put(&id, kind, "right".into()).await.unwrap();
    assert_eq!(store.get(&id, kind).await.unwrap(), "right");
}

#[tokio::test]
async fn the_bytes_in_memory_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let below = counting(&folder);
    let store = Cached::new(below.clone(), 250_000);
    let mut names = Vec::new();
    for seed in 0..5 {
        names.push(below.put_content(ArtifactKind::Stdin, noise(seed, 100_000)).await.unwrap());
    }
    let read = async |index: usize| {
        let before = below.bytes.load(Ordering::Relaxed);
        store.get(&names[index], ArtifactKind::Stdin).await.unwrap();
        below.bytes.load(Ordering::Relaxed) - before
    };
    for index in 0..5 {
        assert_eq!(read(index).await, 100_000);
    }
    // The last two are kept; the others went.
    assert_eq!((read(4).await, read(3).await, read(0).await), (0, 0, 100_000));
    assert_eq!((read(3).await, read(4).await), (0, 100_000));
    // One that has no room at all leaves the others where they are.
    let large = below.put_content(ArtifactKind::Stdin, noise(5, 250_001)).await.unwrap();
    store.get(&large, ArtifactKind::Stdin).await.unwrap();
    assert_eq!((read(3).await, read(4).await), (0, 0));
}
