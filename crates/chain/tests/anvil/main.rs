//! The contracts, the clients and the chain stream on real anvil nodes.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod at_once;
mod attestation;
mod batches;
mod checkpoints;
mod connection;
mod deployment;
mod epochs;
mod fuzz;
mod games;
mod nodes;
mod outputs;
mod pruning;
mod raw;
mod roles;
mod scene;
mod sending;
mod signing;
mod snarks;
mod statements;
mod stream;
