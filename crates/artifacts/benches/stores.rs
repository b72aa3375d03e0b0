//! How fast the stores are, beside the servers that they stand on: `cargo bench -p proofmill-artifacts --bench stores`.
//!
//! Each figure is the median of several rounds, in which the store and the bare server take turns. The bare server is asked by
//! its own client crate, with the same bytes (zstd, as all clients of the SP1 cluster send them) and the same number of
//! requests; what is left is what this crate adds: length, checksum, cutting, joining.
#![expect(clippy::unwrap_used, reason = "a bench")]

use bytes::Bytes;
use proofmill_artifacts::{
    ArtifactKind, ArtifactStore, FsArtifacts, RedisArtifacts, RedisOptions, S3Artifacts, S3Options,
};
use proofmill_localstore::{LocalRedis, LocalS3, S3_KEYS};
use std::time::{Duration, Instant};

/// Bytes of a blob, and how many are written and read in a round.
const SIZES: [(usize, usize); 3] = [(64 << 10, 200), (8 << 20, 8), (80 << 20, 2)];
const ROUNDS: usize = 5;
const PIECE: usize = 32 << 20;

/// Half of it packs, as proofs do not and programs do.
fn blob(length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(b"blob").finalize_xof().fill(&mut bytes[..length / 2]);
    bytes.into()
}

/// Put and get, in turn with a bare server; MB/s of each.
async fn compare<S: ArtifactStore>(
    name: &str,
    store: &S,
    bare_put: impl AsyncFn(usize, &Bytes),
    bare_get: impl AsyncFn(usize) -> usize,
) {
    for (length, count) in SIZES {
        let bytes = blob(length);
        let mut times = [const { Vec::<Duration>::new() }; 4];
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
            for number in 0..count {
                bare_put(number, &bytes).await;
            }
            lap(&mut times[1]);
            for number in 0..count {
                let id = format!("ours-{number}").as_str().into();
                assert_eq!(store.get(&id, ArtifactKind::Intermediate).await.unwrap().len(), length);
            }
            lap(&mut times[2]);
            for number in 0..count {
                assert_eq!(bare_get(number).await, length);
            }
            lap(&mut times[3]);
        }
        let [put, bare_put, get, bare_get] = times.map(|mut times| {
            times.sort();
            (length * count) as f64 / times[ROUNDS / 2].as_secs_f64() / 1e6
        });
        println!(
            "{name:<6} {:>8} KB   put {put:>6.0} MB/s, bare {bare_put:>6.0}: {:.2}   get {get:>6.0} MB/s, bare \
             {bare_get:>6.0}: {:.2}",
            length >> 10,
            put / bare_put,
            get / bare_get
        );
    }
}

async fn redis() {
    use redis::cmd;
    let server = LocalRedis::start(&["--appendonly", "no"]).unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let store = RedisArtifacts::new(&RedisOptions::new(vec![server.url()])).unwrap();
    let put = async |number: usize, bytes: &Bytes| {
        let packed = zstd::encode_all(&**bytes, 0).unwrap();
        let mut connection = connection.clone();
        for (piece, packed) in packed.chunks(PIECE).enumerate() {
            let key = format!("bare-{number}-{piece}");
            let set = cmd("SET").arg(key).arg(packed).arg("EX").arg(3600).query_async(&mut connection).await;
            let _: () = set.unwrap();
        }
    };
    let get = async |number: usize| {
        let mut connection = connection.clone();
        let mut packed = Vec::new();
        for piece in 0.. {
            let got = cmd("GET").arg(format!("bare-{number}-{piece}")).query_async(&mut connection).await;
            let got: Option<Vec<u8>> = got.unwrap();
            let Some(got) = got else { break };
            let is_last = got.len() < PIECE;
            packed.extend(got);
            if is_last {
                break;
            }
        }
        zstd::decode_all(&*packed).unwrap().len()
    };
    compare("redis", &store, put, get).await;
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
    let path = |number: usize| Path::from(format!("bare/{number}"));
    let put = async |number: usize, bytes: &Bytes| {
        let packed = zstd::encode_all(&**bytes, 3).unwrap();
        bare.put(&path(number), packed.into()).await.unwrap();
    };
    let get = async |number: usize| {
        let packed = bare.get(&path(number)).await.unwrap().bytes().await.unwrap();
        zstd::decode_all(&*packed).unwrap().len()
    };
    compare("s3", &store, put, get).await;
}

async fn folder() {
    let (ours, bare) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = FsArtifacts::open(ours.path()).unwrap();
    let put = async |number: usize, bytes: &Bytes| {
        let (to, bytes) = (bare.path().join(number.to_string()), bytes.clone());
        let written = tokio::task::spawn_blocking(move || {
            let file = std::fs::File::create(to)?;
            std::io::Write::write_all(&mut &file, &bytes)?;
            file.sync_all()
        });
        written.await.unwrap().unwrap();
    };
    let get =
        async |number: usize| tokio::fs::read(bare.path().join(number.to_string())).await.unwrap().len();
    compare("folder", &store, put, get).await;
}

#[tokio::main]
async fn main() {
    println!("{ROUNDS} rounds, medians; ours / bare");
    folder().await;
    s3().await;
    if LocalRedis::is_there() {
        redis().await;
    }
}
