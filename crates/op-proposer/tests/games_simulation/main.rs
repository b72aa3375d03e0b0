//! Many histories of dispute games, for the rules of who creates and of who challenges them. `SIMULATION_COUNT` sets how many.

#![allow(clippy::unwrap_used)]

mod arena;
mod challenger;
mod proposer;

/// So many seeds.
fn seeds(otherwise: u64) -> u64 {
    std::env::var("SIMULATION_COUNT").map_or(otherwise, |count| count.parse().unwrap())
}
