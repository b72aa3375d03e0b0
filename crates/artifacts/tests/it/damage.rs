//! A blob comes back as it was stored, or not at all.

use bytes::Bytes;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore, FsArtifacts};
use std::{
    fs,
    path::{Path, PathBuf},
};

const KIND: ArtifactKind = ArtifactKind::Intermediate;
const CONTENT: &[u8] = b"the proof of segment 17, of which every byte counts";

/// The only file of a kind.
fn file_of(store: &FsArtifacts, kind: ArtifactKind) -> PathBuf {
    let only = |folder: &Path| {
        let mut entries = fs::read_dir(folder).unwrap();
        let entry = entries.next().unwrap().unwrap().path();
        assert!(entries.next().is_none());
        entry
    };
    only(&only(&store.root().join(kind.name())))
}

async fn stored(folder: &Path) -> (FsArtifacts, PathBuf, Vec<u8>) {
    let store = FsArtifacts::open(folder).unwrap();
    store.put(&"17".into(), KIND, Bytes::from_static(CONTENT)).await.unwrap();
    let file = file_of(&store, KIND);
    let bytes = fs::read(&file).unwrap();
    (store, file, bytes)
}

async fn assert_damaged(store: &FsArtifacts, what: &str) {
    match store.get(&"17".into(), KIND).await {
        Err(ArtifactError::Damaged { id, kind: KIND, .. }) => assert_eq!(id, "17".into()),
        other => panic!("{what}: {other:?}"),
    }
}

#[tokio::test]
async fn every_flipped_bit_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (store, file, whole) = stored(folder.path()).await;
    for position in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[position] ^= 1 << bit;
            fs::write(&file, bytes).unwrap();
            assert_damaged(&store, &format!("bit {bit} of byte {position}")).await;
        }
    }
}

#[tokio::test]
async fn every_other_length_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (store, file, whole) = stored(folder.path()).await;
    for length in 0..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        assert_damaged(&store, &format!("cut to {length}")).await;
        assert!(!store.exists(&"17".into(), KIND).await.unwrap(), "cut to {length}");
    }
    for tail in [&b"\0"[..], b"more", &[0; 5000]] {
        fs::write(&file, [&whole, tail].concat()).unwrap();
        assert_damaged(&store, "longer").await;
        assert!(!store.exists(&"17".into(), KIND).await.unwrap());
    }
    assert!(store.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn another_blob_in_its_place_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (store, file, _) = stored(folder.path()).await;
    store.put(&"17".into(), ArtifactKind::Proof, Bytes::from_static(CONTENT)).await.unwrap();
    fs::copy(file_of(&store, ArtifactKind::Proof), &file).unwrap();
    assert_damaged(&store, "the blob of another kind").await;
    store.put(&"18".into(), ArtifactKind::Stdin, Bytes::from_static(CONTENT)).await.unwrap();
    fs::copy(file_of(&store, ArtifactKind::Stdin), &file).unwrap();
    assert_damaged(&store, "the blob of another id").await;
    fs::write(&file, vec![0xff; 100_000]).unwrap();
    assert_damaged(&store, "noise").await;
}

#[tokio::test]
async fn storing_again_mends() {
    let folder = tempfile::tempdir().unwrap();
    let (store, file, whole) = stored(folder.path()).await;
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    store.put(&"17".into(), KIND, Bytes::from_static(CONTENT)).await.unwrap();
    assert_eq!(store.get(&"17".into(), KIND).await.unwrap(), CONTENT);

    // Also what is named by its content, where one would think that it is there already.
    let id = store.put_content(ArtifactKind::Program, Bytes::from_static(CONTENT)).await.unwrap();
    let file = file_of(&store, ArtifactKind::Program);
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(matches!(store.get(&id, ArtifactKind::Program).await, Err(ArtifactError::Damaged { .. })));
    store.put_content(ArtifactKind::Program, Bytes::from_static(CONTENT)).await.unwrap();
    assert_eq!(store.get(&id, ArtifactKind::Program).await.unwrap(), CONTENT);
}

#[tokio::test]
async fn a_file_that_cannot_be_one_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (store, file, _) = stored(folder.path()).await;
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(matches!(store.get(&"17".into(), KIND).await, Err(ArtifactError::Io { .. })));
    assert!(!store.exists(&"17".into(), KIND).await.unwrap());
    let put = store.put(&"17".into(), KIND, Bytes::from_static(CONTENT)).await;
    assert!(matches!(put, Err(ArtifactError::Io { .. })), "{put:?}");
    assert_eq!(fs::read_dir(store.root().join("tmp")).unwrap().count(), 0, "nothing is left behind");
}
