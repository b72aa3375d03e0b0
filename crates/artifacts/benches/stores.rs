//! How fast the stores are, beside the servers that they stand on: `cargo bench -p proofmill-artifacts --bench stores`.
//!
//! Each figure is the median of several rounds, in which the store and the bare server take turns. The bare server is asked by
//! its own client crate, one request at a time, over a socket with the same options and in pieces of the same size, which lie in a hash of
//! Redis as ours do: once with the same bytes (zstd, as all clients of the SP1 cluster send them), once with bytes that are not packed. In
//! a folder, both leave a file that is whole or not there after a power cut. What is left is what this crate adds: length, checksum,
//! cutting, joining. What the checksum alone takes of it is measured, too.
#![expect(clippy::unwrap_used, reason = "a bench")]

use bytes::Bytes;
use proofmill_artifacts::{
    ArtifactKind, ArtifactStore, FsArtifacts, RedisArtifacts, RedisOptions, S3Artifacts, S3Options,
};
use proofmill_localstore::{LocalRedis, LocalS3, S3_KEYS};
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// Bytes of a blob, and how many are written and read in a round.
const SIZES: [(usize, usize); 3] = [(64 << 10, 200), (8 << 20, 8), (80 << 20, 2)];
const ROUNDS: usize = 7;
/// Bytes of a blob above which it goes to Redis in pieces, and of a piece.
const LARGE: usize = 32 << 20;
const PIECE: usize = 4 << 20;

/// Half of it packs, as proofs do not and programs do.
fn blob(length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(b"blob").finalize_xof().fill(&mut bytes[..length / 2]);
    bytes.into()
}

/// What the bare server is sent.
fn sent(bytes: &Bytes, packed: bool, level: i32) -> Bytes {
    if packed { zstd::encode_all(&**bytes, level).unwrap().into() } else { bytes.clone() }
}

/// How long what it gave is, unpacked.
fn unpacked(bytes: &[u8], packed: bool) -> usize {
    if packed { zstd::decode_all(bytes).unwrap().len() } else { bytes.len() }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

/// How many times slower than the bare server; and without the checksum.
fn against(ours: f64, bare: f64, checksum: f64) -> String {
    format!("{:.2} ({:.2})", bare / ours, bare / (ours - checksum).max(f64::MIN_POSITIVE))
}

/// Put and get, in turn with a bare server that is sent the packed bytes (`true`) or those of the blob.
async fn compare<S: ArtifactStore>(
    name: &str,
    store: &S,
    bare_put: impl AsyncFn(usize, &Bytes, bool),
    bare_get: impl AsyncFn(usize, bool) -> usize,
) {
    for (length, count) in SIZES {
        let bytes = blob(length);
        let mut times = [const { Vec::<Duration>::new() }; 7];
        for _ in 0..ROUNDS {
            let mut timed = Instant::now();
            let mut lap = |times: &mut Vec<Duration>| {
                times.push(timed.elapsed());
                timed = Instant::now();
            };
            for number in 0..count {
                let id = format!("ours-{number}").as_str().into();
                store.put(&id, ArtifactKind::Intermediate, bytes.clone()).await.unwrap();
            }
            lap(&mut times[0]);
            for (packed, at) in [(true, 1), (false, 2)] {
                for number in 0..count {
                    bare_put(number, &bytes, packed).await;
                }
                lap(&mut times[at]);
            }
            for number in 0..count {
                let id = format!("ours-{number}").as_str().into();
                assert_eq!(store.get(&id, ArtifactKind::Intermediate).await.unwrap().len(), length);
            }
            lap(&mut times[3]);
            for (packed, at) in [(true, 4), (false, 5)] {
                for number in 0..count {
                    assert_eq!(bare_get(number, packed).await, length);
                }
                lap(&mut times[at]);
            }
            for _ in 0..count {
                std::hint::black_box(blake3::hash(&bytes));
            }
            lap(&mut times[6]);
        }
        let [put, packed_put, plain_put, get, packed_get, plain_get, checksum] = times.map(median);
        let speed = |seconds: f64| (length * count) as f64 / seconds / 1e6;
        println!(
            "| {name} | {} KB | {:.0} | {:.0} | {} | {:.0} | {} | {:.0} | {:.0} | {} | {:.0} | {} | {:.0} |",
            length >> 10,
            speed(put),
            speed(packed_put),
            against(put, packed_put, checksum),
            speed(plain_put),
            against(put, plain_put, checksum),
            speed(get),
            speed(packed_get),
            against(get, packed_get, checksum),
            speed(plain_get),
            against(get, plain_get, checksum),
            speed(checksum),
        );
    }
}

async fn redis() {
    use redis::{IntoConnectionInfo, cmd, io::tcp::TcpSettings};
    let server = LocalRedis::start(&["--appendonly", "no"]).unwrap();
    let tcp = TcpSettings::default().set_nodelay(true);
    let info = server.url().into_connection_info().unwrap().set_tcp_settings(tcp);
    let client = redis::Client::open(info).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let store = RedisArtifacts::new(&RedisOptions::new(vec![server.url()])).unwrap();
    // Whether what was put last is in pieces.
    let in_pieces = Cell::new(false);
    let put = async |number: usize, bytes: &Bytes, packed: bool| {
        let sent = sent(bytes, packed, 0);
        let mut connection = connection.clone();
        let key = format!("bare-{packed}-{number}");
        if bytes.len() <= LARGE {
            in_pieces.set(false);
            let set = cmd("SET").arg(key).arg(&*sent).arg("EX").arg(3600).query_async(&mut connection).await;
            let _: () = set.unwrap();
            return;
        }
        let key = format!("{key}:pieces");
        in_pieces.set(true);
        for (index, piece) in sent.chunks(PIECE).enumerate() {
            let set = cmd("HSET").arg(&key).arg(index).arg(piece).query_async(&mut connection).await;
            let _: () = set.unwrap();
        }
        let expire = cmd("EXPIRE").arg(&key).arg(3600).query_async(&mut connection).await;
        let _: () = expire.unwrap();
    };
    let get = async |number: usize, packed: bool| {
        let mut connection = connection.clone();
        let key = format!("bare-{packed}-{number}");
        if !in_pieces.get() {
            let got: Vec<u8> = cmd("GET").arg(key).query_async(&mut connection).await.unwrap();
            return unpacked(&got, packed);
        }
        let key = format!("{key}:pieces");
        let count: usize = cmd("HLEN").arg(&key).query_async(&mut connection).await.unwrap();
        let mut all = Vec::new();
        for piece in 0..count {
            let got: Vec<u8> = cmd("HGET").arg(&key).arg(piece).query_async(&mut connection).await.unwrap();
            all.extend(got);
        }
        unpacked(&all, packed)
    };
    compare("Redis", &store, put, get).await;
}

async fn s3() {
    use object_store::{ObjectStoreExt, aws::AmazonS3Builder, path::Path};
    let server = LocalS3::start().unwrap();
    proofmill_http::use_ring();
    let bare = AmazonS3Builder::new()
        .with_endpoint(server.url())
        .with_allow_http(true)
        .with_bucket_name(LocalS3::BUCKET)
        .with_region("us-east-1")
        .with_access_key_id(S3_KEYS.0)
        .with_secret_access_key(S3_KEYS.1)
        .build()
        .unwrap();
    let store = S3Artifacts::new(&S3Options {
        endpoint: Some(server.url()),
        keys: Some((S3_KEYS.0.to_owned(), S3_KEYS.1.to_owned())),
        ..S3Options::new(LocalS3::BUCKET, "us-east-1")
    })
    .unwrap();
    let path = |number: usize, packed: bool| Path::from(format!("bare-{packed}/{number}"));
    let put = async |number: usize, bytes: &Bytes, packed: bool| {
        bare.put(&path(number, packed), sent(bytes, packed, 3).into()).await.unwrap();
    };
    let get = async |number: usize, packed: bool| {
        unpacked(&bare.get(&path(number, packed)).await.unwrap().bytes().await.unwrap(), packed)
    };
    compare("S3", &store, put, get).await;
}

/// Nothing is packed in a folder: both columns are the same.
async fn folder() {
    let (ours, bare) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = FsArtifacts::open(ours.path()).unwrap();
    let put = async |number: usize, bytes: &Bytes, _: bool| {
        let (folder, bytes) = (bare.path().to_owned(), bytes.clone());
        let written = tokio::task::spawn_blocking(move || {
            let partial = folder.join("partial");
            let file = std::fs::File::create(&partial)?;
            std::io::Write::write_all(&mut &file, &bytes)?;
            file.sync_all()?;
            std::fs::rename(&partial, folder.join(number.to_string()))?;
            std::fs::File::open(folder)?.sync_all()
        });
        written.await.unwrap().unwrap();
    };
    let get = async |number: usize, _: bool| {
        tokio::fs::read(bare.path().join(number.to_string())).await.unwrap().len()
    };
    compare("folder", &store, put, get).await;
}

#[tokio::main]
async fn main() {
    println!("MB/s, medians of {ROUNDS} rounds; in brackets the ratio without what the checksum takes");
    println!(
        "| store | blob | put | bare, packed | ratio | bare | ratio | get | bare, packed | ratio | bare | ratio | BLAKE3 |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    folder().await;
    s3().await;
    if LocalRedis::is_there() {
        redis().await;
    }
}
