//! What operators live through, with real processes, a real Redis and an S3 server: each scenario alone by name, in a minute or two.
//!
//! Stores and networks are away for a few seconds here; `SCENARIO_AWAY=60` (as `make test-long` has it) makes that longer.
//! What a scenario needs and this machine lacks (`redis-server`, root, `ip netns`) is said, and the scenario is skipped.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clusters;
mod house;
#[path = "../cli/logs.rs"]
mod logs;
mod machines;
#[path = "../cli/process.rs"]
#[allow(dead_code, reason = "shared with the other tests of the binary")]
mod process;
mod stores;

use std::time::Duration;

/// For how long a store or a network is away.
fn away() -> Duration {
    let seconds = std::env::var("SCENARIO_AWAY").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(8))
}
