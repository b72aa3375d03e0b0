//! Redis and S3, by real servers: what the stores promise, what the SP1 cluster's clients write and read, and what happens when
//! a server is full, wrong or away.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod both;
mod cached;
mod folder;
mod needed;
mod redis;
mod refusals;
mod s3;

use ::redis::{Client, aio::MultiplexedConnection};
use bytes::Bytes;
use proofmill_artifacts::{RedisArtifacts, RedisOptions, S3Artifacts, S3Options};
use proofmill_localstore::{LocalRedis, LocalS3, S3_KEYS, skipped};

/// A server, unless this machine has none.
fn redis_server(options: &[&str]) -> Option<LocalRedis> {
    if !LocalRedis::is_there() {
        skipped("this machine has no redis-server");
        return None;
    }
    Some(LocalRedis::start(options).unwrap())
}

fn redis_store(server: &LocalRedis, piece: usize) -> RedisArtifacts {
    RedisArtifacts::new(&RedisOptions { piece, ..RedisOptions::new(vec![server.url()]) }).unwrap()
}

/// A connection of the client crate itself, as the SP1 cluster's clients have it.
async fn raw(server: &LocalRedis) -> MultiplexedConnection {
    Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

fn s3_options(server: &LocalS3) -> S3Options {
    S3Options {
        endpoint: Some(server.url()),
        keys: Some((S3_KEYS.0.to_owned(), S3_KEYS.1.to_owned())),
        part: 5 << 20,
        ..S3Options::new(LocalS3::BUCKET, "eu-west-1")
    }
}

fn s3_store(server: &LocalS3) -> S3Artifacts {
    S3Artifacts::new(&s3_options(server)).unwrap()
}

/// Bytes that do not pack, other ones for each seed.
fn noise(seed: u64, length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes.into()
}
