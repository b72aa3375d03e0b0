//! Random clusters, clients, faults and restarts, with every invariant checked after every event.
//!
//! A failure prints the seed; `SIMULATION_SEED=<seed> cargo test -p proofmill-scheduler --test simulation` replays it.
//! `SIMULATION_COUNT` sets how many seeds each policy gets; a third of ten thousand where nothing is said.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod check;
mod faults;
mod work;
mod world;

use proofmill_scheduler::Policy;
use proofmill_simulation::{Rng, story};
use world::World;

story! {
    events, actions, completed, failed, restarts, refused, lost, put_back, diagnosed, stalls, unfit, store_away, missing, killed,
    streamless,
}

fn run(seed: u64, policy: Policy) -> Story {
    let mut world = World::new(Rng::new(seed), policy);
    let steps = 40 + world.rng.below(200);
    for _ in 0..steps {
        world.step();
    }
    world.calm();
    world.story
}

fn simulate(policy: Policy) {
    let seeds = match std::env::var("SIMULATION_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("SIMULATION_SEED is a number");
            seed..seed + 1
        }
        Err(_) => {
            let count = std::env::var("SIMULATION_COUNT").ok().and_then(|count| count.parse().ok());
            0..count.unwrap_or(3_334)
        }
    };
    let many = seeds.end - seeds.start > 500;
    let mut total = Story::default();
    for seed in seeds {
        let story = std::panic::catch_unwind(|| run(seed, policy)).unwrap_or_else(|panic| {
            eprintln!("policy {policy}, replay with SIMULATION_SEED={seed}");
            std::panic::resume_unwind(panic)
        });
        total.add(&story);
    }
    println!("{policy}: {total:?}");
    if many {
        // The runs must reach what they are there to test.
        for (what, count) in total.counts() {
            assert!(count > 10, "only {count} {what} in all runs");
        }
    }
}

#[test]
fn fifo_holds_under_faults() {
    simulate(Policy::Fifo);
}

#[test]
fn balanced_holds_under_faults() {
    simulate(Policy::Balanced);
}

#[test]
fn deadline_holds_under_faults() {
    simulate(Policy::Deadline);
}

#[test]
fn the_same_seed_gives_the_same_story() {
    for seed in 0..20 {
        assert_eq!(run(seed, Policy::Balanced), run(seed, Policy::Balanced), "seed {seed}");
    }
}
