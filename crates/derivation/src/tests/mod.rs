//! What derivation makes of an L1 that these tests write, and of real data.
#![expect(clippy::unwrap_used, reason = "tests")]

mod encode;
mod stage;
mod world;
