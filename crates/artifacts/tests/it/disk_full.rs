//! A file system without space.

use bytes::Bytes;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore, FsArtifacts};
use proofmill_localstore::{on_small_disk, small_disk};
use std::fs;

const KIND: ArtifactKind = ArtifactKind::Proof;

/// Not a test of its own: what [`a_full_disk_is_named_and_nothing_is_lost`] runs on the small file system.
#[tokio::test]
#[ignore = "started by another test"]
async fn on_a_small_disk() {
    let Some(folder) = small_disk() else { return };
    let store = FsArtifacts::open(&folder).unwrap();
    let old = Bytes::from(vec![1; 100_000]);
    store.put(&"kept".into(), KIND, old.clone()).await.unwrap();
    for (id, length) in [("new", 2 << 20), ("kept", 2 << 20)] {
        let error = store.put(&id.into(), KIND, Bytes::from(vec![2; length])).await.unwrap_err();
        match &error {
            ArtifactError::NoSpace { needed, available, .. } => {
                assert!(*needed >= length as u64 && *available < *needed, "{error}");
            }
            other => panic!("{other:?}"),
        }
        // Nothing is left of it, and what was there is as it was.
        assert_eq!(fs::read_dir(store.root().join("tmp")).unwrap().count(), 0);
    }
    assert_eq!(store.get(&"kept".into(), KIND).await.unwrap(), old);
    assert!(!store.exists(&"new".into(), KIND).await.unwrap());
    store.put(&"small".into(), KIND, Bytes::from_static(b"fits")).await.unwrap();
    println!("\nfull");
}

#[test]
fn a_full_disk_is_named_and_nothing_is_lost() {
    let said = on_small_disk("disk_full::on_a_small_disk", 1).unwrap();
    assert!(said.as_ref().is_none_or(|said| said.contains("\nfull")), "{said:?}");
}
