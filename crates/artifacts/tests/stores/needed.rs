//! Who needs an artifact: the sets that the SP1 cluster's client keeps in Redis (`add_ref`, `remove_ref` of
//! `crates/artifact/src/redis.rs`), and the stores where its clients keep none.

use crate::{noise, raw, redis_server, redis_store, s3_store};
use proofmill_artifacts::{
    ArtifactKind, ArtifactStore, Cached, ContentKey, FsArtifacts, RedisArtifacts, RedisOptions,
};
use proofmill_localstore::{LocalRedis, LocalS3};
use proofmill_primitives::ArtifactId;
use redis::{aio::MultiplexedConnection, cmd};
use std::{
    collections::BTreeSet,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

const KIND: ArtifactKind = ArtifactKind::Exchanged;

/// The SP1 cluster's client, command by command.
struct Stock(MultiplexedConnection);

impl Stock {
    async fn of(server: &LocalRedis) -> Self {
        Self(raw(server).await)
    }

    async fn add_ref(&mut self, id: &str, holder: &str) {
        let key = format!("refs:{id}");
        let _: () = cmd("SADD").arg(&key).arg(holder).query_async(&mut self.0).await.unwrap();
        let _: () = cmd("EXPIRE").arg(&key).arg(6 * 3600).query_async(&mut self.0).await.unwrap();
    }

    async fn remove_ref(&mut self, id: &str, holder: &str) -> bool {
        let key = format!("refs:{id}");
        let _: () = cmd("SREM").arg(&key).arg(holder).query_async(&mut self.0).await.unwrap();
        let left: i64 = cmd("SCARD").arg(&key).query_async(&mut self.0).await.unwrap();
        if left <= 0 {
            let _: () = cmd("DEL").arg(&key).query_async(&mut self.0).await.unwrap();
            let blob = [id.to_owned(), format!("{id}:chunks")];
            let _: () = cmd("UNLINK").arg(&blob).query_async(&mut self.0).await.unwrap();
        }
        left <= 0
    }

    async fn holders(&mut self, id: &str) -> BTreeSet<String> {
        cmd("SMEMBERS").arg(format!("refs:{id}")).query_async(&mut self.0).await.unwrap()
    }

    async fn ttl(&mut self, key: &str) -> i64 {
        cmd("TTL").arg(key).query_async(&mut self.0).await.unwrap()
    }

    async fn expire(&mut self, key: &str, seconds: i64) {
        let _: () = cmd("EXPIRE").arg(key).arg(seconds).query_async(&mut self.0).await.unwrap();
    }

    async fn keys(&mut self) -> BTreeSet<String> {
        cmd("KEYS").arg("*").query_async(&mut self.0).await.unwrap()
    }
}

/// What `DeferredEvents::append` and `split` of `sp1-prover` note of an artifact that two shards share, and what the shards take back:
/// whichever of them is ours.
#[tokio::test]
async fn an_artifact_goes_with_the_last_who_needs_it_whoever_that_is() {
    let Some(server) = redis_server(&[]) else { return };
    let (store, mut stock) = (redis_store(&server, 10_000), Stock::of(&server).await);
    let shards = ["0_60", "60_100"];
    for ours in 0..8 {
        // One in a string, one in pieces.
        for (name, length) in [("small", 1000), ("large", 50_000)] {
            let id = ArtifactId::new(format!("artifact_{name}"));
            store.put(&id, KIND, noise(ours, length)).await.unwrap();
            let is_ours = |step: u64| ours >> step & 1 == 1;
            for holder in [&["_controller"][..], &shards].concat() {
                match is_ours(0) {
                    true => store.add_ref(&id, holder).await.unwrap(),
                    false => stock.add_ref(id.as_str(), holder).await,
                }
            }
            let all = ["_controller", "0_60", "60_100"].map(str::to_owned);
            assert_eq!(stock.holders(id.as_str()).await, BTreeSet::from(all));
            assert!(stock.ttl(&format!("refs:{id}")).await > 6 * 3600 - 60);
            for (step, holder) in [(0, "_controller"), (1, shards[0]), (2, shards[1])] {
                assert!(
                    store.get(&id, KIND).await.unwrap() == noise(ours, length),
                    "{name}, {ours}, {holder}"
                );
                let removed = match is_ours(step) {
                    true => store.remove_ref(&id, KIND, holder).await.unwrap(),
                    false => stock.remove_ref(id.as_str(), holder).await,
                };
                assert_eq!(removed, step == 2, "{name}, {ours}, {holder}");
            }
            assert!(!store.exists(&id, KIND).await.unwrap());
            assert_eq!(stock.keys().await, BTreeSet::new(), "something was left behind");
        }
    }
}

#[tokio::test]
async fn who_is_no_holder_and_what_is_no_blob() {
    let Some(server) = redis_server(&[]) else { return };
    let (store, mut stock) = (redis_store(&server, 10_000), Stock::of(&server).await);
    let id = ArtifactId::new("artifact_events");
    // Nobody ever said that he needs it: it goes, as with the SP1 cluster's client.
    store.put(&id, KIND, "events".into()).await.unwrap();
    assert!(store.remove_ref(&id, KIND, "0_60").await.unwrap());
    assert!(!store.exists(&id, KIND).await.unwrap());
    // Somebody else does: it stays. The same holder twice is one.
    store.put(&id, KIND, "events".into()).await.unwrap();
    store.add_ref(&id, "0_60").await.unwrap();
    store.add_ref(&id, "0_60").await.unwrap();
    assert!(!store.remove_ref(&id, KIND, "60_100").await.unwrap());
    assert_eq!(store.get(&id, KIND).await.unwrap(), "events");
    // One that is removed and made again under its name is needed by the same ones.
    store.delete(&id, KIND).await.unwrap();
    assert_eq!(stock.holders(id.as_str()).await, BTreeSet::from(["0_60".to_owned()]));
    store.put(&id, KIND, "events, made again".into()).await.unwrap();
    assert!(store.remove_ref(&id, KIND, "0_60").await.unwrap());
    assert_eq!(stock.keys().await, BTreeSet::new());
    // A holder may come before the blob.
    store.add_ref(&id, "0_60").await.unwrap();
    store.put(&id, KIND, "events".into()).await.unwrap();
    assert!(store.remove_ref(&id, KIND, "0_60").await.unwrap());
    assert_eq!(stock.keys().await, BTreeSet::new());
}

/// The set is where the blob is.
#[tokio::test]
async fn holders_are_on_the_node_of_the_blob() {
    let servers: Vec<_> = (0..3).map_while(|_| redis_server(&[])).collect();
    if servers.len() < 3 {
        return;
    }
    let options = RedisOptions::new(servers.iter().map(LocalRedis::url).collect());
    let store = RedisArtifacts::new(&options).unwrap();
    let ids: Vec<_> = (0..30).map(|number| ArtifactId::new(format!("artifact_{number}"))).collect();
    for id in &ids {
        store.put(id, KIND, "x".into()).await.unwrap();
        store.add_ref(id, "shard").await.unwrap();
    }
    let mut used = 0;
    for server in &servers {
        let keys = Stock::of(server).await.keys().await;
        let blobs: BTreeSet<_> = keys.iter().filter(|key| !key.starts_with("refs:")).collect();
        let sets: BTreeSet<_> = keys.iter().filter_map(|key| key.strip_prefix("refs:")).collect();
        assert!(blobs.iter().map(|key| key.as_str()).eq(sets), "{keys:?}");
        used += usize::from(!blobs.is_empty());
    }
    assert_eq!(used, 3);
    for id in &ids {
        assert!(store.remove_ref(id, KIND, "shard").await.unwrap());
    }
    for server in &servers {
        assert_eq!(Stock::of(server).await.keys().await, BTreeSet::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_come_and_go_and_it_goes_once() {
    let Some(server) = redis_server(&[]) else { return };
    let (store, mut stock) = (redis_store(&server, 10_000), Stock::of(&server).await);
    let id = ArtifactId::new("artifact_contended");
    store.put(&id, KIND, noise(1, 30_000)).await.unwrap();
    store.add_ref(&id, "first").await.unwrap();
    let mut shards = tokio::task::JoinSet::new();
    for number in 0..64 {
        let (store, id) = (store.clone(), id.clone());
        shards.spawn(async move {
            let holder = format!("shard-{number}");
            store.add_ref(&id, &holder).await.unwrap();
            assert!(store.get(&id, KIND).await.unwrap() == noise(1, 30_000));
            store.remove_ref(&id, KIND, &holder).await.unwrap()
        });
    }
    while let Some(removed) = shards.join_next().await {
        assert!(!removed.unwrap(), "the first one still needs it");
    }
    for number in 0..64 {
        stock.add_ref(id.as_str(), &format!("shard-{number}")).await;
    }
    assert!(!store.remove_ref(&id, KIND, "first").await.unwrap());
    let mut shards = tokio::task::JoinSet::new();
    for number in 0..64 {
        let (store, id) = (store.clone(), id.clone());
        shards.spawn(async move { store.remove_ref(&id, KIND, &format!("shard-{number}")).await.unwrap() });
    }
    let mut times = 0;
    while let Some(removed) = shards.join_next().await {
        times += u32::from(removed.unwrap());
    }
    assert_eq!(times, 1);
    assert_eq!(stock.keys().await, BTreeSet::new());
}

/// After the end of a proof nobody renews its artifacts: those that somebody never took his hand from go too, with their sets.
#[tokio::test]
async fn after_the_end_of_a_proof_holders_keep_nothing() {
    // Far more than passes here. What is left of it is looked at: a machine that stands still renews nothing.
    const LIFETIME: i64 = 400;
    let Some(server) = redis_server(&[]) else { return };
    let lifetime = Duration::from_secs(LIFETIME as u64);
    let options = RedisOptions { lifetime, piece: 10_000, ..RedisOptions::new(vec![server.url()]) };
    let (store, mut stock) = (RedisArtifacts::new(&options).unwrap(), Stock::of(&server).await);
    let ids = ["small", "large"].map(ArtifactId::new);
    store.put(&ids[0], KIND, noise(1, 1000)).await.unwrap();
    store.put(&ids[1], KIND, noise(1, 30_000)).await.unwrap();
    for id in &ids {
        store.add_ref(id, "_controller").await.unwrap();
    }
    let keys = stock.keys().await;
    assert_eq!(keys.len(), 4, "{keys:?}");
    // Each is renewed with its set as long as its proof goes on.
    for key in &keys {
        stock.expire(key, LIFETIME / 2).await;
    }
    store.keep_alive(Arc::new(BTreeSet::from(ids.clone()))).await.unwrap();
    for key in &keys {
        assert!(stock.ttl(key).await > LIFETIME / 2, "{key}");
    }
    for id in &ids {
        assert!(store.get(id, KIND).await.is_ok());
        assert_eq!(stock.holders(id.as_str()).await.len(), 1);
    }
    // Who says that he needs it needs it for a while, whether or not a task names it.
    for key in &keys {
        stock.expire(key, LIFETIME / 2).await;
    }
    for id in &ids {
        store.add_ref(id, "0_60").await.unwrap();
    }
    for key in &keys {
        assert!(stock.ttl(key).await > LIFETIME / 2, "{key}");
    }
    for id in &ids {
        assert!(store.get(id, KIND).await.is_ok());
        assert_eq!(stock.holders(id.as_str()).await.len(), 2);
    }
    // Nothing else keeps them: their time goes on, and is over.
    for key in &keys {
        stock.expire(key, 1).await;
    }
    let end = Instant::now() + Duration::from_secs(300);
    loop {
        let left = stock.keys().await;
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < end, "{left:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A worker's cache does not show what is gone.
#[tokio::test]
async fn what_its_last_holder_leaves_is_gone_from_the_cache_too() {
    let Some(server) = redis_server(&[]) else { return };
    let store = Cached::new(Arc::new(redis_store(&server, 10_000)), 1_000_000);
    let name = ContentKey::of(&[b"events"]).artifact();
    store.put(&name, ArtifactKind::Stdin, "events".into()).await.unwrap();
    store.add_ref(&name, "0_60").await.unwrap();
    assert_eq!(store.get(&name, ArtifactKind::Stdin).await.unwrap(), "events");
    assert!(store.remove_ref(&name, ArtifactKind::Stdin, "0_60").await.unwrap());
    assert!(store.get(&name, ArtifactKind::Stdin).await.is_err());
}

/// The SP1 cluster's S3 client keeps no sets, and removes nothing by them: what it shares goes by the bucket's rules.
#[tokio::test]
async fn in_s3_and_in_a_folder_nobody_is_noted_and_nothing_removed() {
    let (server, folder) = (LocalS3::start().unwrap(), tempfile::tempdir().unwrap());
    let stores: [Arc<dyn ArtifactStore>; 2] =
        [Arc::new(s3_store(&server)), Arc::new(FsArtifacts::open(folder.path()).unwrap())];
    for store in stores {
        let id = ArtifactId::new("artifact_events");
        store.put(&id, KIND, "events".into()).await.unwrap();
        store.add_ref(&id, "_controller").await.unwrap();
        for holder in ["_controller", "0_60"] {
            assert!(!store.remove_ref(&id, KIND, holder).await.unwrap());
        }
        assert_eq!(store.get(&id, KIND).await.unwrap(), "events");
    }
    let objects: Vec<_> = fs::read_dir(server.file("artifacts")).unwrap().collect();
    assert_eq!(objects.len(), 1, "{objects:?}");
}
