//! Witnesses from a real anvil: what comes out agrees with the chain, whatever lies between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

mod agreement;
mod bad_ranges;
mod cache;
mod execution_witness;
mod lies;
mod retries;
mod scene;
mod sound;
