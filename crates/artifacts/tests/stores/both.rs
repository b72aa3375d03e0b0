//! What every store promises.

use crate::{noise, redis_server, redis_store, s3_options, s3_store};
use bytes::Bytes;
use proofmill_artifacts::{
    ArtifactError, ArtifactKind, ArtifactStore, FsArtifacts, RedisArtifacts, RedisOptions, S3Artifacts,
    S3Options,
};
use proofmill_fault::{Code, Fault};
use proofmill_localstore::LocalS3;
use proofmill_primitives::ArtifactId;
use std::{collections::BTreeSet, sync::Arc};

const KINDS: [ArtifactKind; 6] = ArtifactKind::ALL;

/// `large` is more than one piece of the store.
async fn keeps_its_promises(store: Arc<dyn ArtifactStore>, large: usize) {
    // Each kind, small and large, replaced, removed.
    for kind in KINDS {
        for (name, length) in [("empty", 0), ("small", 1000), ("large", large)] {
            let id = ArtifactId::new(format!("{name}-{kind}"));
            let missing = store.get(&id, kind).await;
            assert!(matches!(missing, Err(ArtifactError::Missing { .. })), "{missing:?}");
            assert!(!store.exists(&id, kind).await.unwrap());
            for bytes in [noise(1, length), noise(2, length / 2), noise(3, length)] {
                store.put(&id, kind, bytes.clone()).await.unwrap();
                assert!(store.exists(&id, kind).await.unwrap());
                assert!(store.get(&id, kind).await.unwrap() == bytes, "{id}");
            }
            store.delete(&id, kind).await.unwrap();
            store.delete(&id, kind).await.unwrap();
            assert!(!store.exists(&id, kind).await.unwrap());
        }
    }
    // Names that follow from content, and another blob in the place of one.
    let id = store.put_content(ArtifactKind::Stdin, "input".into()).await.unwrap();
    assert_eq!(store.put_content(ArtifactKind::Stdin, "input".into()).await.unwrap(), id);
    store.put(&id, ArtifactKind::Stdin, "another".into()).await.unwrap();
    let foreign = store.get(&id, ArtifactKind::Stdin).await;
    assert!(matches!(foreign, Err(ArtifactError::Damaged { .. })), "{foreign:?}");
    store.put_content(ArtifactKind::Stdin, "input".into()).await.unwrap();
    assert_eq!(store.get(&id, ArtifactKind::Stdin).await.unwrap(), "input");
    // Names of every sort.
    let names = ["..", "a/b", "a//b", "/a", "%2E%2E", "a%2Fb", "\n", "é", "*", "a b", "x:chunks"];
    for name in names {
        store.put(&name.into(), ArtifactKind::Proof, Bytes::copy_from_slice(name.as_bytes())).await.unwrap();
    }
    for name in names {
        assert_eq!(store.get(&name.into(), ArtifactKind::Proof).await.unwrap(), name);
        store.delete(&name.into(), ArtifactKind::Proof).await.unwrap();
    }
    for name in ["", &"x".repeat(1025)] {
        let put = store.put(&name.into(), ArtifactKind::Proof, Bytes::new()).await;
        assert!(matches!(put, Err(ArtifactError::BadId { .. })), "{put:?}");
    }
    many_at_once(&store, large).await;
}

/// Several write the same name and others read it: each sees one whole blob or none.
async fn many_at_once(store: &Arc<dyn ArtifactStore>, large: usize) {
    let id = ArtifactId::new("contended");
    let written: Arc<BTreeSet<Bytes>> = Arc::new((0..4).map(|seed| noise(seed, large)).collect());
    let mut tasks = tokio::task::JoinSet::new();
    for bytes in written.iter().cloned() {
        let (store, id) = (store.clone(), id.clone());
        tasks.spawn(async move { store.put(&id, ArtifactKind::Intermediate, bytes).await.unwrap() });
    }
    for _ in 0..4 {
        let (store, id, written) = (store.clone(), id.clone(), written.clone());
        tasks.spawn(async move {
            match store.get(&id, ArtifactKind::Intermediate).await {
                Ok(bytes) => assert!(written.contains(&bytes)),
                // Not there yet; or replaced twice while it was read in pieces: read again by whoever needs it.
                Err(ArtifactError::Missing { .. } | ArtifactError::Damaged { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert!(written.contains(&store.get(&id, ArtifactKind::Intermediate).await.unwrap()));
    let mut many = tokio::task::JoinSet::new();
    for number in 0..100_u64 {
        let store = store.clone();
        many.spawn(async move {
            let id = ArtifactId::new(format!("part-{number}"));
            store.put(&id, ArtifactKind::Intermediate, noise(number, 10_000)).await.unwrap();
            assert!(store.get(&id, ArtifactKind::Intermediate).await.unwrap() == noise(number, 10_000));
        });
    }
    while let Some(done) = many.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_its_promises() {
    let Some(server) = redis_server(&["--maxmemory", "500mb"]) else { return };
    keeps_its_promises(Arc::new(redis_store(&server, 100_000)), 1_000_001).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_its_promises() {
    let server = LocalS3::start().unwrap();
    keeps_its_promises(Arc::new(s3_store(&server)), (11 << 20) + 1).await;
}

const LIMIT: u64 = 100_000;

/// What is neither taken nor given. `whole` is the same store without that limit: a client with other settings.
async fn keeps_to_its_limit(whole: Arc<dyn ArtifactStore>, limited: Arc<dyn ArtifactStore>) {
    for (kind, code) in [
        (ArtifactKind::Program, Code::Malformed),
        (ArtifactKind::Stdin, Code::Malformed),
        (ArtifactKind::PrivateStdin, Code::Malformed),
        (ArtifactKind::Intermediate, Code::NotSetUp),
        (ArtifactKind::Exchanged, Code::NotSetUp),
        (ArtifactKind::Proof, Code::NotSetUp),
    ] {
        let refused = |answer: Result<(), ArtifactError>, least: u64| {
            let error = answer.unwrap_err();
            let ArtifactError::TooLarge { size, limit: LIMIT, .. } = error else { panic!("{kind}: {error}") };
            assert!(size >= least, "{kind}: {size}");
            let said = error.to_string();
            assert!(said.contains("100000") && said.contains("--artifact-limit"), "{said}");
            assert_eq!(Fault::from(error).code, code, "{kind}");
        };
        let exact: Bytes = vec![0; 100_000].into();
        let id = ArtifactId::new(format!("limited-{kind}"));
        limited.put(&id, kind, exact.clone()).await.unwrap();
        assert_eq!(limited.get(&id, kind).await.unwrap(), exact);
        for length in [100_001, 300_000, 50_000_000] {
            let over: Bytes = vec![0; length].into();
            refused(limited.put(&id, kind, over.clone()).await, length as u64);
            assert_eq!(limited.get(&id, kind).await.unwrap(), exact, "nothing was stored");
            // A few kilobytes where it lies.
            whole.put(&id, kind, over).await.unwrap();
            refused(limited.get(&id, kind).await.map(drop), LIMIT + 1);
            limited.put(&id, kind, exact.clone()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_to_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let whole = FsArtifacts::open(folder.path()).unwrap();
    keeps_to_its_limit(Arc::new(whole.clone()), Arc::new(whole.with_limit(LIMIT))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_to_its_limit() {
    let Some(server) = redis_server(&[]) else { return };
    for piece in [1000, 1 << 20] {
        let options = RedisOptions { piece, limit: LIMIT, ..RedisOptions::new(vec![server.url()]) };
        let limited = RedisArtifacts::new(&options).unwrap();
        keeps_to_its_limit(Arc::new(redis_store(&server, piece)), Arc::new(limited)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_to_its_limit() {
    let server = LocalS3::start().unwrap();
    let limited = S3Artifacts::new(&S3Options { limit: LIMIT, ..s3_options(&server) }).unwrap();
    keeps_to_its_limit(Arc::new(s3_store(&server)), Arc::new(limited)).await;
}
