//! The node as it runs: real stores in folders, tokio's clock paused, and chains, L1 and provers in this process.
#![expect(clippy::unwrap_used, reason = "tests")]

mod bad;
mod chain;
mod faults;
mod life;
mod pruning;
mod scene;
mod service;
mod stores;
