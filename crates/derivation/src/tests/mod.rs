//! What derivation makes of an L1 that these tests write, and of real data.
#![expect(clippy::unwrap_used, reason = "tests")]

mod blobs;
mod brotli;
mod codecs;
mod encode;
mod lies;
mod overlap;
mod real;
mod stage;
mod unsure;
mod world;
