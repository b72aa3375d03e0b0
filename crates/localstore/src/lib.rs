//! Servers that keep things, as tests and benches run them: a real `redis-server` and a real Postgres from this machine, each in a
//! folder of its own, and an S3 server in a runtime of its own that checks signatures and keeps its objects in a folder. All can
//! be stopped and started again with what they keep. Where one cannot be had, a test says so with [`skipped`].

mod postgres;
mod redis;
mod s3;

pub use postgres::LocalPostgres;
pub use redis::LocalRedis;
pub use s3::{LocalS3, S3_KEYS};

use std::{
    fmt,
    io::{self, Write},
    net::TcpListener,
};

/// Says that a test does nothing on this machine, and why: on a line of its own, and past what the test runner keeps to itself of
/// tests that pass.
pub fn skipped(why: impl fmt::Display) {
    // There may be the name of the test on the line.
    let line = format!("\nskipped: {why}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}

/// A port that nobody listens on.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
