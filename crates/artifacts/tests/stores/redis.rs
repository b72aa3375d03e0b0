//! Redis: the bytes that the SP1 cluster's clients write and read (`succinctlabs/sp1-cluster` at `9864f8b`,
//! `crates/artifact/src/redis.rs`, whose functions are named), and servers that are full, wrong or away.

use crate::{noise, raw, redis_server, redis_store};
use bytes::Bytes;
use proofmill_artifacts::{
    ArtifactError, ArtifactKind, ArtifactStore, ContentKey, Notice, RedisArtifacts, RedisOptions,
    StoreSettings,
};
use proofmill_localstore::{LocalRedis, skipped};
use proofmill_primitives::ArtifactId;
use redis::{aio::MultiplexedConnection, cmd};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

const SIX_HOURS: i64 = 6 * 3600;

async fn ttl(connection: &mut MultiplexedConnection, key: &str) -> i64 {
    cmd("TTL").arg(key).query_async(connection).await.unwrap()
}

async fn keys(connection: &mut MultiplexedConnection) -> BTreeSet<String> {
    cmd("KEYS").arg("*").query_async(connection).await.unwrap()
}

/// `upload_program`: `bincode::serialize` of a `Vec<u8>` is its length in 8 bytes and its bytes.
fn bincode_of(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

/// `upload_raw`, `upload_inline`: zstd at level 0, one string, 6 hours but for programs.
#[tokio::test]
async fn small_artifacts_of_stock_clients_are_read_and_ours_by_them() {
    let Some(server) = redis_server(&[]) else { return };
    let (store, mut raw) = (redis_store(&server, 32 << 20), raw(&server).await);
    let elf = noise(1, 50_000);
    for (id, kind, written) in [
        ("artifact_01program", ArtifactKind::Program, bincode_of(&elf)),
        ("artifact_01stdin", ArtifactKind::Stdin, elf.to_vec()),
        ("artifact_01proof", ArtifactKind::Proof, elf.to_vec()),
        ("artifact_01shard", ArtifactKind::Exchanged, elf.to_vec()),
    ] {
        let packed = zstd::encode_all(&*written, 0).unwrap();
        let _: () = cmd("SET").arg(id).arg(packed).query_async(&mut raw).await.unwrap();
        assert!(store.exists(&id.into(), kind).await.unwrap());
        assert!(store.get(&id.into(), kind).await.unwrap() == elf, "{id}");
        // And back: `download_raw` is GET and `zstd::decode_all`.
        store.delete(&id.into(), kind).await.unwrap();
        store.put(&id.into(), kind, elf.clone()).await.unwrap();
        let packed: Vec<u8> = cmd("GET").arg(id).query_async(&mut raw).await.unwrap();
        assert!(zstd::decode_all(&*packed).unwrap() == written, "{id}");
        let left = ttl(&mut raw, id).await;
        let expected = if kind == ArtifactKind::Program { -1..=-1 } else { SIX_HOURS - 60..=SIX_HOURS };
        assert!(expected.contains(&left), "{id} expires in {left} s");
    }
}

/// `upload_chunked`, `publish_staged`, `par_download_file`: a hash at `<id>:chunks` with decimal fields and `__n`.
#[tokio::test]
async fn chunked_artifacts_of_stock_clients_are_read_and_ours_by_them() {
    let Some(server) = redis_server(&[]) else { return };
    let (store, mut raw) = (redis_store(&server, 10_000), raw(&server).await);
    let (id, hash) = (ArtifactId::new("artifact_01large"), "artifact_01large:chunks");
    let stdin = noise(2, 95_000);
    // Theirs. They may have other pieces.
    let packed = zstd::encode_all(&*stdin, 0).unwrap();
    let mut set = cmd("HSET");
    set.arg(hash);
    let count = packed.chunks(7000).enumerate().fold(0, |_, (index, piece)| {
        set.arg(index).arg(piece);
        index + 1
    });
    let _: () = set.arg("__n").arg(count).query_async(&mut raw).await.unwrap();
    assert!(store.exists(&id, ArtifactKind::Stdin).await.unwrap());
    assert!(store.get(&id, ArtifactKind::Stdin).await.unwrap() == stdin);
    // Older ones have no `__n`: `par_download_file` counts the fields. OP Succinct uploads a large input so, and then asks for its proof.
    let _: () = cmd("HDEL").arg(hash).arg("__n").query_async(&mut raw).await.unwrap();
    assert!(store.get(&id, ArtifactKind::Stdin).await.unwrap() == stdin);
    for kind in [ArtifactKind::Program, ArtifactKind::Stdin, ArtifactKind::PrivateStdin] {
        assert!(
            store.exists(&id, kind).await.unwrap(),
            "{kind}: whoever uploads it asks for nothing before it is whole"
        );
    }
    for kind in [ArtifactKind::Exchanged, ArtifactKind::Proof, ArtifactKind::Intermediate] {
        assert!(!store.exists(&id, kind).await.unwrap(), "{kind}: it may be half of one");
    }
    // Ours, over theirs.
    store.put(&id, ArtifactKind::Stdin, stdin.clone()).await.unwrap();
    let count: usize = cmd("HGET").arg(hash).arg("__n").query_async(&mut raw).await.unwrap();
    let fields: usize = cmd("HLEN").arg(hash).query_async(&mut raw).await.unwrap();
    assert_eq!((count, fields), (10, 11));
    let mut packed = Vec::new();
    for index in 0..count {
        let piece: Vec<u8> = cmd("HGET").arg(hash).arg(index).query_async(&mut raw).await.unwrap();
        packed.extend(piece);
    }
    assert!(zstd::decode_all(&*packed).unwrap() == stdin);
    assert!((SIX_HOURS - 60..=SIX_HOURS).contains(&ttl(&mut raw, hash).await));
    assert_eq!(keys(&mut raw).await, BTreeSet::from([hash.to_owned()]), "pieces were left behind");
    // Each form takes the place of the other.
    store.put(&id, ArtifactKind::Stdin, "short".into()).await.unwrap();
    assert_eq!(keys(&mut raw).await, BTreeSet::from([id.to_string()]));
    store.put(&id, ArtifactKind::Program, stdin).await.unwrap();
    assert_eq!(keys(&mut raw).await, BTreeSet::from([hash.to_owned()]));
    assert_eq!(ttl(&mut raw, hash).await, -1, "programs do not expire");
}

/// `par_upload_file` of clients up to 2.1.4: each piece expires by itself (`HSETEX`, of Redis 8), 4 hours after it was stored.
#[tokio::test]
async fn pieces_that_expire_by_themselves_are_renewed_and_those_of_programs_never_expire() {
    let Some(server) = redis_server(&[]) else { return };
    let (store, mut raw) = (redis_store(&server, 10_000), raw(&server).await);
    let packed = zstd::encode_all(&*noise(2, 30_000), 0).unwrap();
    for hash in ["stdin:chunks", "program:chunks"] {
        for (index, piece) in packed.chunks(7000).enumerate() {
            let _: () = cmd("HSET").arg(hash).arg(index).arg(piece).query_async(&mut raw).await.unwrap();
        }
    }
    let mut expire = cmd("HEXPIRE");
    expire.arg("stdin:chunks").arg(100).arg("FIELDS").arg(2).arg(0).arg(1);
    if expire.query_async::<Vec<i64>>(&mut raw).await.is_err() {
        // The script that renews must do no harm all the same.
        let live = Arc::new(BTreeSet::from(["stdin".into(), "program".into()]));
        store.keep_alive(live).await.unwrap();
        assert!(store.exists(&"stdin".into(), ArtifactKind::Stdin).await.unwrap());
        return skipped("this redis-server has no HEXPIRE: it is older than 7.4");
    }
    let another = raw.clone();
    let left = async |hash: &str| -> Vec<i64> {
        let mut raw = another.clone();
        cmd("HTTL").arg(hash).arg("FIELDS").arg(2).arg(0).arg(1).query_async(&mut raw).await.unwrap()
    };
    store.keep_alive(Arc::new(BTreeSet::from(["stdin".into(), "program".into()]))).await.unwrap();
    assert!(left("stdin:chunks").await.iter().all(|left| *left > SIX_HOURS - 60));
    assert_eq!(left("program:chunks").await, [-1, -1]);
    let _: Vec<i64> = expire.query_async(&mut raw).await.unwrap();
    assert!(store.exists(&"stdin".into(), ArtifactKind::Stdin).await.unwrap());
    assert!(
        left("stdin:chunks").await.iter().all(|left| *left > SIX_HOURS - 60),
        "who asks is about to use it"
    );
}

/// What is large goes in pieces that their clients put together again, whatever the size of those (`par_download_file`).
#[tokio::test(flavor = "multi_thread")]
async fn what_is_large_is_in_pieces_of_four_megabytes() {
    let Some(server) = redis_server(&[]) else { return };
    let (store, mut raw) = (redis_store(&server, 32 << 20), raw(&server).await);
    let proof = noise(5, (32 << 20) + 1);
    store.put(&"large".into(), ArtifactKind::Proof, proof.clone()).await.unwrap();
    let count: usize = cmd("HGET").arg("large:chunks").arg("__n").query_async(&mut raw).await.unwrap();
    let mut packed = Vec::new();
    for index in 0..count {
        let piece: Vec<u8> = cmd("HGET").arg("large:chunks").arg(index).query_async(&mut raw).await.unwrap();
        assert!(
            piece.len() == 4 << 20 || (index + 1 == count && piece.len() < 4 << 20),
            "{index}: {}",
            piece.len()
        );
        packed.extend(piece);
    }
    assert!(zstd::decode_all(&*packed).unwrap() == proof);
    assert!(store.get(&"large".into(), ArtifactKind::Proof).await.unwrap() == proof);
    // What has no more than 32 MiB is one string.
    store.put(&"large".into(), ArtifactKind::Proof, proof.slice(..8 << 20)).await.unwrap();
    assert_eq!(keys(&mut raw).await, BTreeSet::from(["large".to_owned()]));
}

/// `get_connection_idx`: `fold(h * 16777619 + byte) % nodes`.
#[tokio::test]
async fn ids_are_on_the_node_where_stock_clients_look() {
    let servers: Vec<_> = (0..3).map_while(|_| redis_server(&[])).collect();
    if servers.len() < 3 {
        return;
    }
    let options = RedisOptions::new(servers.iter().map(LocalRedis::url).collect());
    let store = RedisArtifacts::new(&options).unwrap();
    let mut used = BTreeSet::new();
    for number in 0..30 {
        let id = format!("artifact_01jdx{number}");
        store.put(&id.as_str().into(), ArtifactKind::Stdin, "x".into()).await.unwrap();
        let hash = id.bytes().fold(0_usize, |h, byte| h.wrapping_mul(16_777_619).wrapping_add(byte as usize));
        let there: bool =
            cmd("EXISTS").arg(&id).query_async(&mut raw(&servers[hash % 3]).await).await.unwrap();
        assert!(there, "{id}");
        used.insert(hash % 3);
    }
    assert_eq!(used.len(), 3);
}

#[tokio::test]
async fn what_a_live_proof_uses_does_not_expire() {
    let Some(server) = redis_server(&[]) else { return };
    let (store, mut raw) = (redis_store(&server, 1000), raw(&server).await);
    let ids: Vec<ArtifactId> = (0..600).map(|number| ArtifactId::new(format!("part-{number}"))).collect();
    for id in &ids {
        store.put(id, ArtifactKind::Intermediate, "x".into()).await.unwrap();
    }
    let (large, program) = (ArtifactId::new("large"), ArtifactId::new("program"));
    store.put(&large, ArtifactKind::Intermediate, noise(1, 5000)).await.unwrap();
    store.put(&program, ArtifactKind::Program, "elf".into()).await.unwrap();
    let _: () = cmd("SADD").arg("refs:part-0").arg("task").query_async(&mut raw).await.unwrap();
    for key in ["part-0", "part-599", "part-1", "large:chunks", "refs:part-0"] {
        let _: () = cmd("EXPIRE").arg(key).arg(100).query_async(&mut raw).await.unwrap();
    }
    assert_eq!(store.lifetime(), Some(Duration::from_secs(SIX_HOURS as u64)));
    let live = ids.iter().filter(|id| id.as_str() != "part-1");
    let live = live.chain([&large, &program, &"nothing".into()]).cloned().collect();
    store.keep_alive(Arc::new(live)).await.unwrap();
    for key in ["part-0", "part-599", "large:chunks", "refs:part-0"] {
        assert!(ttl(&mut raw, key).await > SIX_HOURS - 60, "{key}");
    }
    assert!(ttl(&mut raw, "part-1").await <= 100, "nobody named it");
    assert_eq!(ttl(&mut raw, "program").await, -1);
    // Whoever asks whether it is there is about to use it.
    assert!(store.exists(&"part-1".into(), ArtifactKind::Intermediate).await.unwrap());
    assert!(ttl(&mut raw, "part-1").await > SIX_HOURS - 60);
}

/// A node that is away for hours must not cost a proof what the others have.
#[tokio::test]
async fn what_other_nodes_have_is_renewed_and_let_go_while_one_is_away() {
    let Some((mut away, there)) = redis_server(&[]).zip(redis_server(&[])) else { return };
    let store = RedisArtifacts::new(&RedisOptions::new(vec![away.url(), there.url()])).unwrap();
    let mut raw = raw(&there).await;
    let ids: BTreeSet<ArtifactId> = (0..20).map(|number| ArtifactId::new(format!("part-{number}"))).collect();
    for id in &ids {
        store.put(id, ArtifactKind::Intermediate, "x".into()).await.unwrap();
    }
    let kept = keys(&mut raw).await;
    assert!(!kept.is_empty() && kept.len() < ids.len(), "{kept:?}");
    for key in &kept {
        let _: () = cmd("EXPIRE").arg(key).arg(100).query_async(&mut raw).await.unwrap();
    }
    away.stop();
    let ids = Arc::new(ids);
    let renewed = store.keep_alive(ids.clone()).await;
    assert!(matches!(renewed, Err(ArtifactError::Away { .. })), "{renewed:?}");
    for key in &kept {
        assert!(ttl(&mut raw, key).await > SIX_HOURS - 60, "{key}");
    }
    let let_go = store.let_expire(ids, Duration::from_secs(600)).await;
    assert!(matches!(let_go, Err(ArtifactError::Away { .. })), "{let_go:?}");
    for key in &kept {
        assert!(ttl(&mut raw, key).await <= 600, "{key}");
    }
}

#[tokio::test]
async fn what_was_cut_changed_or_replaced_is_damaged() {
    let Some(server) = redis_server(&[]) else { return };
    let (store, mut raw) = (redis_store(&server, 1000), raw(&server).await);
    for (kind, length) in
        [(ArtifactKind::Intermediate, 500), (ArtifactKind::Program, 500), (ArtifactKind::Stdin, 500)]
    {
        let id = ArtifactId::new(format!("whole-{kind}"));
        store.put(&id, kind, noise(1, length)).await.unwrap();
        let whole: Vec<u8> = cmd("GET").arg(id.as_str()).query_async(&mut raw).await.unwrap();
        let set = async |bytes: &[u8]| {
            let mut raw = raw.clone();
            let _: () = cmd("SET").arg(id.as_str()).arg(bytes).query_async(&mut raw).await.unwrap();
            matches!(store.get(&id, kind).await, Err(ArtifactError::Damaged { .. }))
        };
        for length in [0, 1, 4, 10, whole.len() / 2, whole.len() - 1] {
            assert!(set(&whole[..length]).await, "{kind} cut to {length}");
        }
        let mut changed = whole.clone();
        changed[100] ^= 1;
        assert!(set(&changed).await, "{kind} changed");
        assert!(set(b"no artifact at all").await);
    }
    // Another blob of ours in its place, and something that is no string.
    let (one, other) = (ContentKey::of(&[b"one"]).artifact(), ContentKey::of(&[b"other"]).artifact());
    store.put(&one, ArtifactKind::Intermediate, "one".into()).await.unwrap();
    let _: () = cmd("RENAME").arg(one.as_str()).arg(other.as_str()).query_async(&mut raw).await.unwrap();
    let foreign = store.get(&other, ArtifactKind::Intermediate).await;
    assert!(matches!(foreign, Err(ArtifactError::Damaged { .. })), "{foreign:?}");
    let _: () = cmd("RPUSH").arg("list").arg("x").query_async(&mut raw).await.unwrap();
    let list = store.get(&"list".into(), ArtifactKind::Proof).await;
    assert!(matches!(list, Err(ArtifactError::Damaged { .. })), "{list:?}");
    // A piece that is gone, and one that is another's.
    store.put(&"large".into(), ArtifactKind::Proof, noise(1, 5000)).await.unwrap();
    let swapped: Vec<u8> = cmd("HGET").arg("large:chunks").arg(1).query_async(&mut raw).await.unwrap();
    let _: () = cmd("HSET").arg("large:chunks").arg(2).arg(swapped).query_async(&mut raw).await.unwrap();
    let read = store.get(&"large".into(), ArtifactKind::Proof).await;
    assert!(matches!(read, Err(ArtifactError::Damaged { .. })), "{read:?}");
    let _: () = cmd("HDEL").arg("large:chunks").arg(3).query_async(&mut raw).await.unwrap();
    let read = store.get(&"large".into(), ArtifactKind::Proof).await;
    assert!(matches!(read, Err(ArtifactError::Damaged { .. })), "{read:?}");
}

/// What is let go expires soon, and what is named again does not.
#[tokio::test]
async fn artifacts_that_are_let_go_expire_sooner_unless_they_are_named_again() {
    let Some(server) = redis_server(&[]) else { return };
    let (store, mut raw) = (redis_store(&server, 10_000), raw(&server).await);
    store.put(&"small".into(), ArtifactKind::Intermediate, noise(1, 100)).await.unwrap();
    store.put(&"large".into(), ArtifactKind::Intermediate, noise(2, 50_000)).await.unwrap();
    store.put(&"program".into(), ArtifactKind::Program, noise(3, 100)).await.unwrap();
    let all: Arc<BTreeSet<ArtifactId>> =
        Arc::new(["small", "large", "program", "none"].map(ArtifactId::from).into());
    for (after, left) in [(600, 600), (60, 60), (3000, 60)] {
        store.let_expire(all.clone(), Duration::from_secs(after)).await.unwrap();
        for key in ["small", "large:chunks"] {
            let found = ttl(&mut raw, key).await;
            assert!((left - 30..=left).contains(&found), "{key} has {found} s left after {after}");
        }
        assert_eq!(ttl(&mut raw, "program").await, -1, "programs stay");
        assert_eq!(ttl(&mut raw, "none").await, -2);
    }
    store.keep_alive(Arc::new(BTreeSet::from(["small".into()]))).await.unwrap();
    assert!(store.exists(&"large".into(), ArtifactKind::Intermediate).await.unwrap());
    for key in ["small", "large:chunks"] {
        assert!((SIX_HOURS - 60..=SIX_HOURS).contains(&ttl(&mut raw, key).await), "{key}");
    }
}

#[tokio::test]
async fn a_server_that_loses_artifacts_is_named() {
    let Some(evicts) = redis_server(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]) else {
        return;
    };
    let notices = redis_store(&evicts, 1000).notices().await.unwrap();
    assert!(matches!(&*notices, [Notice::Evicts { policy, .. }] if policy == "allkeys-lru"), "{notices:?}");
    assert!(notices[0].to_string().contains("maxmemory-policy noeviction"), "{}", notices[0]);
    let unlimited = redis_server(&[]).unwrap();
    let notices = redis_store(&unlimited, 1000).notices().await.unwrap();
    assert!(matches!(&*notices, [Notice::Unlimited { .. }]), "{notices:?}");
    let right = redis_server(&["--maxmemory", "100mb", "--maxmemory-policy", "noeviction"]).unwrap();
    assert_eq!(redis_store(&right, 1000).notices().await.unwrap(), []);
}

#[tokio::test]
async fn a_full_server_says_so_and_loses_nothing() {
    let Some(server) = redis_server(&["--maxmemory", "8mb", "--maxmemory-policy", "noeviction"]) else {
        return;
    };
    let store = redis_store(&server, 500_000);
    store.put(&"first".into(), ArtifactKind::Proof, noise(1, 100_000)).await.unwrap();
    let mut full = None;
    for number in 0..60 {
        let id = ArtifactId::new(format!("more-{number}"));
        let length = if number % 2 == 0 { 300_000 } else { 1_200_000 };
        if let Err(error) = store.put(&id, ArtifactKind::Proof, noise(number, length)).await {
            let read = store.get(&id, ArtifactKind::Proof).await.map(|bytes| bytes.len());
            assert!(matches!(read, Err(ArtifactError::Missing { .. })), "{read:?} after {error}");
            full = Some(error);
        }
    }
    assert!(matches!(full, Some(ArtifactError::NoSpace { .. })), "{full:?}");
    // A full server is still read.
    assert!(store.exists(&"first".into(), ArtifactKind::Proof).await.unwrap());
    assert!(!store.exists(&"none".into(), ArtifactKind::Proof).await.unwrap());
    store.keep_alive(Arc::new(BTreeSet::from(["first".into()]))).await.unwrap();
    store.delete(&"more-0".into(), ArtifactKind::Proof).await.unwrap();
    assert!(store.get(&"first".into(), ArtifactKind::Proof).await.unwrap() == noise(1, 100_000));
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_shown() {
    let Some(server) = redis_server(&[]) else { return };
    let url = format!("redis://:wrong-secret@127.0.0.1:{}/0", server.port());
    let settings = StoreSettings { redis_nodes: vec![url], ..StoreSettings::default() };
    let error = settings.choose().unwrap().unwrap().open().await.unwrap_err();
    assert!(matches!(error, ArtifactError::Refused { .. }), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_is_away_and_then_has_it_all() {
    let Some(mut server) = redis_server(&[]) else { return };
    let store = redis_store(&server, 100_000);
    let (small, large) = (noise(1, 1000), noise(2, 1_000_000));
    store.put(&"small".into(), ArtifactKind::Proof, small.clone()).await.unwrap();
    store.put(&"large".into(), ArtifactKind::Proof, large.clone()).await.unwrap();
    // Cut off in the middle of a write.
    let writing = {
        let store = store.clone();
        let bytes: Bytes = noise(3, 60_000_000);
        tokio::spawn(async move { store.put(&"torn".into(), ArtifactKind::Proof, bytes).await })
    };
    tokio::time::sleep(Duration::from_millis(60)).await;
    server.stop();
    let torn = writing.await.unwrap();
    let start = Instant::now();
    for _ in 0..5 {
        for answer in [
            store.get(&"small".into(), ArtifactKind::Proof).await.map(drop),
            store.exists(&"none".into(), ArtifactKind::Proof).await.map(drop),
            store.put(&"new".into(), ArtifactKind::Proof, small.clone()).await,
        ] {
            assert!(matches!(answer, Err(ArtifactError::Away { .. })), "{answer:?}");
        }
    }
    assert!(
        start.elapsed() < Duration::from_secs(300),
        "who asks waits by its own rules: {:?}",
        start.elapsed()
    );
    server.start_again().unwrap();
    // The connections come back by themselves.
    let until = Instant::now() + Duration::from_secs(300);
    while let Err(error) = store.exists(&"small".into(), ArtifactKind::Proof).await {
        assert!(matches!(error, ArtifactError::Away { .. }) && Instant::now() < until, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Each of them finds out by itself, with a call that says so.
    let get = async |id: &str| loop {
        match store.get(&id.into(), ArtifactKind::Proof).await {
            Err(ArtifactError::Away { .. }) if Instant::now() < until => {}
            answer => return answer,
        }
    };
    assert!(get("small").await.unwrap() == small);
    assert!(get("large").await.unwrap() == large);
    if torn.is_err() {
        let torn = get("torn").await;
        assert!(matches!(torn, Err(ArtifactError::Missing { .. })), "half of a blob has its name");
    }
}
