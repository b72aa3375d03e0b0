//! Servers that keep things, as tests and benches run them: a real `redis-server` and a real Postgres from this machine, each in a
//! folder of its own, and an S3 server in a runtime of its own that checks signatures and keeps its objects in a folder. All can
//! be stopped and started again with what they keep. And a file system that is soon full. Where one cannot be had, a test says so with
//! [`skipped`]. What is started by the number of a port gets one from [`free_port`].

mod ports;
mod postgres;
mod redis;
mod s3;
mod small_disk;

pub use ports::free_port;
pub use postgres::LocalPostgres;
pub use proofmill_skipped::skipped;
pub use redis::LocalRedis;
pub use s3::{LocalS3, S3_KEYS};
pub use small_disk::{on_small_disk, small_disk};
