//! A file system without space. The test runs once more inside a mount namespace of its own, on a small tmpfs.

use bytes::Bytes;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore, FsArtifacts};
use proofmill_localstore::skipped;
use std::{fs, path::PathBuf, process::Command};

const FOLDER: &str = "PROOFMILL_TEST_SMALL_DISK";
const KIND: ArtifactKind = ArtifactKind::Proof;

/// Not a test of its own: what [`a_full_disk_is_named_and_nothing_is_lost`] runs on the small file system.
#[tokio::test]
#[ignore = "started by another test"]
async fn on_a_small_disk() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = FsArtifacts::open(&PathBuf::from(folder)).unwrap();
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
    let folder = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=1m tmpfs \"$0\" || exit 77; exec \"$@\"";
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
        output.status.success() && text.contains("\nfull"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
