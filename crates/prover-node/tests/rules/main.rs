//! Each rule by itself, in short scenes.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod checkpoints;
mod expiry;
mod operators;
mod partial;
mod pruning;
mod publishing;
mod ranges;
mod scene;
mod sessions;
