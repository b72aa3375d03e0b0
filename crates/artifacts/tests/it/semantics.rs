//! What the interface promises, case by case.

use bytes::Bytes;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore, ContentKey, FsArtifacts};
use proofmill_primitives::ArtifactId;
use proptest::{collection::vec, prelude::*, sample::select};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
};

#[tokio::test]
async fn it_can_be_used_as_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn ArtifactStore> = Arc::new(FsArtifacts::open(&folder.path().join("a/b")).unwrap());
    let id = store.put_content(ArtifactKind::Program, Bytes::from_static(b"elf")).await.unwrap();
    assert_eq!(store.put_content(ArtifactKind::Program, Bytes::from_static(b"elf")).await.unwrap(), id);
    assert_eq!(store.get(&id, ArtifactKind::Program).await.unwrap(), "elf");
    assert!(store.exists(&id, ArtifactKind::Program).await.unwrap());
    // Each kind has names of its own.
    assert!(!store.exists(&id, ArtifactKind::Proof).await.unwrap());
    store.delete(&id, ArtifactKind::Program).await.unwrap();
    store.delete(&id, ArtifactKind::Program).await.unwrap();
    assert!(matches!(store.get(&id, ArtifactKind::Program).await, Err(ArtifactError::Missing { .. })));
}

#[tokio::test]
async fn hostile_names_stay_in_the_folder() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("store");
    let store = FsArtifacts::open(&root).unwrap();
    let long = "/..".repeat(300);
    let names = [
        "..",
        ".",
        "../../../escaped",
        "/etc/escaped",
        "a/../../escaped",
        "nul\0nul",
        "tmp/x",
        "%2E",
        "\n",
        &long,
    ];
    for name in names {
        let id = ArtifactId::new(name);
        store.put(&id, ArtifactKind::Stdin, Bytes::copy_from_slice(name.as_bytes())).await.unwrap();
        assert_eq!(store.get(&id, ArtifactKind::Stdin).await.unwrap(), name);
    }
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1, "something was written beside the store");
    let listed: BTreeSet<_> = store.list().await.unwrap().into_iter().map(|stored| stored.id).collect();
    assert_eq!(listed, names.into_iter().map(ArtifactId::from).collect());
    for name in ["", &"x".repeat(2000)] {
        let result = store.put(&name.into(), ArtifactKind::Stdin, Bytes::new()).await;
        assert!(matches!(result, Err(ArtifactError::BadId { .. })), "{result:?}");
        assert!(matches!(
            store.get(&name.into(), ArtifactKind::Stdin).await,
            Err(ArtifactError::BadId { .. })
        ));
    }
}

#[test]
fn keys_follow_from_parts_and_their_borders() {
    let key = |parts: &[&[u8]]| ContentKey::of(parts);
    assert_eq!(key(&[b"a", b"b"]), key(&[b"a", b"b"]));
    let all = [
        key(&[]),
        key(&[b""]),
        key(&[b"", b""]),
        key(&[b"ab"]),
        key(&[b"a", b"b"]),
        key(&[b"b", b"a"]),
        key(&[b"", b"ab"]),
        key(&[b"ab", b""]),
    ];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    let id = String::from(key(&[b"ab"]).artifact());
    assert!(id.starts_with("key-") && id.len() == 68, "{id}");
    // Stored names must stay what they are from version to version.
    assert_eq!(key(&[b"segment-proof", b"exec"]).to_string(), PINNED);
}

const PINNED: &str = "5c3633916f150548236a142ca27849111183896bc17f869300704006dc0f8adc";

#[derive(Clone, Debug)]
enum Step {
    Put(String, ArtifactKind, Vec<u8>),
    PutContent(ArtifactKind, Vec<u8>),
    Delete(String, ArtifactKind),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let id = || prop_oneof![3 => select(vec!["a", "A", "a.", "..", "a/b"]).prop_map(str::to_owned), 1 => "\\PC{1,90}"];
    let kind = || select(&ArtifactKind::ALL[..]);
    prop_oneof![
        6 => (id(), kind(), vec(any::<u8>(), 0..300)).prop_map(|(id, kind, bytes)| Step::Put(id, kind, bytes)),
        2 => (kind(), vec(any::<u8>(), 0..2)).prop_map(|(kind, bytes)| Step::PutContent(kind, bytes)),
        2 => (id(), kind()).prop_map(|(id, kind)| Step::Delete(id, kind)),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Against a map in memory.
    #[test]
    fn store_is_a_map(steps in vec(step(), 1..30)) {
        let folder = tempfile::tempdir().unwrap();
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let mut store = FsArtifacts::open(folder.path()).unwrap();
            let mut map = BTreeMap::<(ArtifactId, ArtifactKind), Vec<u8>>::new();
            for step in steps {
                match step {
                    Step::Put(id, kind, bytes) => {
                        store.put(&id.as_str().into(), kind, bytes.clone().into()).await.unwrap();
                        map.insert((id.into(), kind), bytes);
                    }
                    Step::PutContent(kind, bytes) => {
                        let id = store.put_content(kind, bytes.clone().into()).await.unwrap();
                        map.insert((id, kind), bytes);
                    }
                    Step::Delete(id, kind) => {
                        store.delete(&id.as_str().into(), kind).await.unwrap();
                        map.remove(&(id.into(), kind));
                    }
                    Step::Reopen => store = FsArtifacts::open(folder.path()).unwrap(),
                }
            }
            let listed = store.list().await.unwrap();
            let listed: BTreeMap<_, _> =
                listed.into_iter().map(|stored| ((stored.id, stored.kind), stored.length)).collect();
            let expected = map.iter().map(|(key, bytes)| (key.clone(), bytes.len() as u64)).collect();
            assert_eq!(listed, expected);
            for ((id, kind), bytes) in &map {
                assert_eq!(&store.get(id, *kind).await.unwrap(), bytes);
            }
            for kind in ArtifactKind::ALL {
                let id = ArtifactId::from("a");
                let there = map.contains_key(&(id.clone(), kind));
                assert_eq!(store.exists(&id, kind).await.unwrap(), there);
                assert_eq!(matches!(store.get(&id, kind).await, Err(ArtifactError::Missing { .. })), !there);
            }
        });
    }
}
