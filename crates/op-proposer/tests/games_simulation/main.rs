//! Many histories of dispute games, for the rules of who creates and of who challenges them. `SIMULATION_COUNT` sets how many.

#![allow(clippy::unwrap_used)]

mod arena;
mod challenger;
mod proposer;

/// Runs many histories. Each kind of thing is met often enough to mean something.
fn many<Story: Default>(
    run: fn(u64) -> Story,
    add: fn(&mut Story, &Story),
    counts: fn(&Story) -> Vec<(&'static str, u64)>,
) {
    let seeds: u64 = std::env::var("SIMULATION_COUNT").map_or(150, |count| count.parse().unwrap());
    let mut total = Story::default();
    for seed in 0..seeds {
        add(&mut total, &run(seed));
    }
    for (what, count) in counts(&total) {
        assert!(count * 20 > seeds, "{what}: {count}");
    }
}
