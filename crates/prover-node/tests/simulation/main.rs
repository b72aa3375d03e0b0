//! Random chains, provers, faults and restarts around the rules, with every invariant checked after every event.
//!
//! A failure prints the seed; `SIMULATION_SEED=<seed> cargo test -p proofmill-prover-node --test simulation` replays it.
//! `SIMULATION_COUNT` sets how many seeds there are.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod chains;
mod check;
mod faults;
mod provers;
mod world;

use proofmill_simulation::{Rng, story};
use world::World;

story! {
    events, actions, refused, restarts, resyncs,
    checkpoints, pruned, expired, l1_reorgs, l2_reorgs, fallbacks, rivals,
    ranges_made, ranges_reused, ranges_lost, ranges_given_up, splits, splits_found, released,
    roots_made, roots_reused, late, resumed, missed,
    completed, partial_completed, superseded, failed, stopped, timed_out, cancelled,
    ranges_discarded, roots_discarded, l1_refusals,
    prunes, prunes_delayed, prunes_overtaken,
    joined, published, recorded, delayed, stale, withdrawn, unconfirmed, uploads,
}

fn run(seed: u64) -> Story {
    let mut world = World::new(Rng::new(seed));
    let steps = 200 + world.rng.below(500);
    for _ in 0..steps {
        world.step();
    }
    world.calm();
    world.story
}

#[test]
fn the_right_chain_settles_whatever_happens() {
    let seeds = match std::env::var("SIMULATION_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("SIMULATION_SEED is a number");
            seed..seed + 1
        }
        Err(_) => {
            let count = std::env::var("SIMULATION_COUNT").ok().and_then(|count| count.parse().ok());
            0..count.unwrap_or(1_000)
        }
    };
    let many = seeds.end - seeds.start > 100;
    let mut total = Story::default();
    for seed in seeds {
        let story = std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|panic| {
            eprintln!("replay with SIMULATION_SEED={seed}");
            std::panic::resume_unwind(panic)
        });
        total.add(&story);
    }
    println!("{total:?}");
    if many {
        // The runs must reach what they are there to test.
        for (what, count) in total.counts() {
            assert!(count > 5, "only {count} {what} in all runs");
        }
        assert!(total.events > 300_000, "only {} events", total.events);
    }
}

#[test]
fn the_same_seed_gives_the_same_story() {
    for seed in 0..5 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
