//! Chains that run, and what is derived and proven of them. Each takes anvil (`make setup`).
#![expect(clippy::unwrap_used, reason = "a test's panic says which test")]

mod chain;
mod common;
mod derived;
mod kinds;
mod reorg;
