//! S3: the bytes that the SP1 cluster's clients write and read (`succinctlabs/sp1-cluster` at `9864f8b`,
//! `crates/artifact/src/s3.rs`, whose functions are named), and servers that are wrong or away.

use crate::{noise, s3_options, s3_store};
use proofmill_artifacts::{
    ArtifactError, ArtifactKind, ArtifactStore, ContentKey, S3Artifacts, S3Options, StoreChoice,
};
use proofmill_localstore::LocalS3;
use proofmill_primitives::ArtifactId;
use std::{
    collections::BTreeSet,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

/// `get_s3_key_from_id`, `upload_raw` (zstd at level 3), `upload_program` (`bincode` of a `Vec<u8>`).
#[tokio::test]
async fn artifacts_of_stock_clients_are_read_and_ours_by_them() {
    let server = LocalS3::start().unwrap();
    let store = s3_store(&server);
    for (length, part) in [(50_000, "small"), (11 << 20, "in-parts")] {
        let elf = noise(1, length);
        let program = [&(elf.len() as u64).to_le_bytes(), &*elf].concat();
        for (kind, key, written) in [
            (ArtifactKind::Program, format!("programs/artifact_{part}"), program),
            (ArtifactKind::Stdin, format!("stdins/artifact_{part}"), elf.to_vec()),
            (ArtifactKind::Exchanged, format!("artifacts/artifact_{part}"), elf.to_vec()),
            (ArtifactKind::PrivateStdin, format!("private-stdins/artifact_{part}"), elf.to_vec()),
            (ArtifactKind::Proof, format!("proofs/artifact_{part}"), elf.to_vec()),
        ] {
            let id = ArtifactId::new(format!("artifact_{part}"));
            fs::create_dir_all(server.file(&key).parent().unwrap()).unwrap();
            fs::write(server.file(&key), zstd::encode_all(&*written, 3).unwrap()).unwrap();
            assert!(store.exists(&id, kind).await.unwrap());
            assert!(store.get(&id, kind).await.unwrap() == elf, "{key}");
            store.delete(&id, kind).await.unwrap();
            assert!(!server.file(&key).exists());
            store.put(&id, kind, elf.clone()).await.unwrap();
            let packed = fs::read(server.file(&key)).unwrap();
            assert!(zstd::decode_all(&*packed).unwrap() == written, "{key}");
        }
    }
}

#[tokio::test]
async fn what_was_cut_changed_or_replaced_is_damaged() {
    let server = LocalS3::start().unwrap();
    let store = s3_store(&server);
    for (kind, folder) in [(ArtifactKind::Intermediate, "artifacts"), (ArtifactKind::Stdin, "stdins")] {
        store.put(&"whole".into(), kind, noise(1, 5000)).await.unwrap();
        let file = server.file(&format!("{folder}/whole"));
        let whole = fs::read(&file).unwrap();
        let mut changed = whole.clone();
        changed[2000] ^= 1;
        let half = &whole[..whole.len() / 2];
        for bytes in [&[][..], half, &whole[..whole.len() - 1], &changed, b"no artifact at all"] {
            fs::write(&file, bytes).unwrap();
            let read = store.get(&"whole".into(), kind).await;
            assert!(matches!(read, Err(ArtifactError::Damaged { .. })), "{kind}, {}: {read:?}", bytes.len());
        }
    }
    let (one, other) = (ContentKey::of(&[b"one"]).artifact(), ContentKey::of(&[b"other"]).artifact());
    store.put(&one, ArtifactKind::Intermediate, "one".into()).await.unwrap();
    fs::copy(server.file(&format!("artifacts/{one}")), server.file(&format!("artifacts/{other}"))).unwrap();
    let foreign = store.get(&other, ArtifactKind::Intermediate).await;
    assert!(matches!(foreign, Err(ArtifactError::Damaged { .. })), "{foreign:?}");
}

#[tokio::test]
async fn wrong_keys_and_buckets_are_refused_with_the_remedy() {
    let server = LocalS3::start().unwrap();
    let keys = Some(("key-of-this-test".to_owned(), "wrong-secret".to_owned()));
    let unknown = Some(("who".to_owned(), "wrong-secret".to_owned()));
    let endpoint = s3_options(&server).endpoint;
    for (options, remedy) in [
        (S3Options { keys, ..s3_options(&server) }, "AWS_ACCESS_KEY_ID"),
        (S3Options { keys: unknown, ..s3_options(&server) }, "AWS_ACCESS_KEY_ID"),
        (
            S3Options { endpoint, keys: s3_options(&server).keys, ..S3Options::new("other", "r") },
            "--s3-bucket",
        ),
    ] {
        let opened = StoreChoice::S3(options.clone()).open().await.unwrap_err();
        assert!(matches!(opened, ArtifactError::Refused { .. }), "{opened}");
        assert!(opened.to_string().contains(remedy), "{opened}");
        assert!(!opened.to_string().contains("wrong-secret"), "{opened}");
        let store = S3Artifacts::new(&options).unwrap();
        // This server says of a bucket that is not there only that the blob is not, and makes it; AWS names the bucket.
        if remedy != "--s3-bucket" {
            let put = store.put(&"x".into(), ArtifactKind::Proof, "x".into()).await;
            assert!(matches!(put, Err(ArtifactError::Refused { .. })), "{put:?}");
            let get = store.get(&"x".into(), ArtifactKind::Proof).await;
            assert!(matches!(get, Err(ArtifactError::Refused { .. })), "{get:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_for_five_seconds_is_away_and_then_back() {
    let mut server = LocalS3::start().unwrap();
    let store = s3_store(&server);
    let bytes = noise(1, 11 << 20);
    store.put(&"kept".into(), ArtifactKind::Proof, bytes.clone()).await.unwrap();
    server.stop();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        for answer in [
            store.get(&"kept".into(), ArtifactKind::Proof).await.map(drop),
            store.exists(&"none".into(), ArtifactKind::Proof).await.map(drop),
            store.put(&"new".into(), ArtifactKind::Proof, bytes.clone()).await,
        ] {
            assert!(matches!(answer, Err(ArtifactError::Away { .. })), "{answer:?}");
        }
    }
    assert!(
        start.elapsed() < Duration::from_secs(300),
        "who asks waits by its own rules: {:?}",
        start.elapsed()
    );
    // One that is away is opened all the same.
    StoreChoice::S3(s3_options(&server)).open().await.unwrap();
    server.start_again().unwrap();
    assert!(store.get(&"kept".into(), ArtifactKind::Proof).await.unwrap() == bytes);
    assert!(!store.exists(&"new".into(), ArtifactKind::Proof).await.unwrap());
    store.put(&"new".into(), ArtifactKind::Proof, bytes.clone()).await.unwrap();
}

#[tokio::test]
async fn only_old_intermediate_results_of_ours_are_removed() {
    let server = LocalS3::start().unwrap();
    let store = s3_store(&server);
    let names = ["old", "used"].map(|name| ContentKey::of(&[name.as_bytes()]).artifact());
    let theirs = ArtifactId::new("artifact_01theirs");
    for id in names.iter().chain([&theirs]) {
        store.put(id, ArtifactKind::Intermediate, "x".into()).await.unwrap();
        store.put(id, ArtifactKind::Proof, "x".into()).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let [old, used] = names;
    let in_use = Arc::new(BTreeSet::from([used.clone()]));
    assert_eq!(store.remove_unused(Duration::from_secs(3600), in_use.clone()).await.unwrap().blobs, 0);
    assert_eq!(store.remove_unused(Duration::from_secs(1), in_use).await.unwrap().blobs, 1);
    assert!(!store.exists(&old, ArtifactKind::Intermediate).await.unwrap());
    for (id, kind) in [
        (&used, ArtifactKind::Intermediate),
        (&theirs, ArtifactKind::Intermediate),
        (&old, ArtifactKind::Proof),
    ] {
        assert!(store.exists(id, kind).await.unwrap(), "{id} {kind}");
    }
}
