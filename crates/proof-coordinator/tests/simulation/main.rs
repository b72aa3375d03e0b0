//! Ten pulling provers of three types around the rules of one coordinator, in simulated time: crashes and restarts of both
//! sides, clocks that jump, storage that fails, answers that are lost, provers that are slow, fail, lie or are of another
//! version. Every outcome is compared with the specification, and every assignment with a model of who holds what.
//!
//! A failure prints the seed; `SIMULATION_SEED=<seed> cargo test -p proofmill-proof-coordinator --test simulation` replays it.
//! `SIMULATION_COUNT` sets how many seeds there are.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod calls;
mod coordinator;
mod model;
mod provers;
mod world;

use proofmill_simulation::{Rng, story};
use world::World;

story! {
    events, assigned, assigned_again, taken_back, not_asked_for, not_built_in, mismatch_of_batch, mismatch_of_input,
    no_work, already_proven, no_input, paused, store_away, starting, busy, stored, dropped, garbage_refused, unknown_batch,
    late_but_stored, given_back, set_aside, given_up, coordinator_crashes, clock_jumps, prover_crashes, answers_lost, left, not_durable,
    restored, settled,
}

fn run(seed: u64, told: bool) -> Story {
    let mut world = World::new(Rng::new(seed), told);
    world.live();
    world.story
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn every_batch_is_settled_and_none_is_held_twice() {
    if let Some(seed) = setting("SIMULATION_SEED") {
        println!("{:#?}", run(seed, true));
        return;
    }
    let count = setting("SIMULATION_COUNT").unwrap_or(5_000);
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get) as u64;
    let runs: Vec<_> = (0..threads)
        .map(|thread| {
            std::thread::spawn(move || {
                let mut total = Story::default();
                for seed in (thread..count).step_by(threads as usize) {
                    let ran = std::panic::catch_unwind(|| run(seed, false));
                    total.add(&ran.unwrap_or_else(|_| panic!("SIMULATION_SEED={seed} replays this")));
                }
                total
            })
        })
        .collect();
    let mut total = Story::default();
    for run in runs {
        total.add(&run.join().unwrap());
    }
    println!("{total:#?}");
    if count >= 5_000 {
        for (what, times) in total.counts() {
            assert!(times > 20, "only {times} times {what} in {count} runs");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_story() {
    for seed in 0..5 {
        assert_eq!(run(seed, true), run(seed, true), "seed {seed}");
    }
}
