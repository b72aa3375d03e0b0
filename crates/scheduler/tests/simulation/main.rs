//! Random clusters, clients, faults and restarts, with every invariant checked after every event.
//!
//! A failure prints the seed; `SIMULATION_SEED=<seed> cargo test -p proofmill-scheduler --test simulation` replays it.
//! `SIMULATION_COUNT` sets how many seeds each policy gets; a third of ten thousand where nothing is said.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod check;
mod faults;
mod world;

use proofmill_scheduler::Policy;
use world::World;

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same everywhere.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len() as u64) as usize)
    }
}

/// What happened in one run, to compare two and to see that the runs are not trivial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Story {
    pub(crate) events: u64,
    pub(crate) actions: u64,
    pub(crate) digest: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) restarts: u64,
    pub(crate) refused: u64,
    pub(crate) lost: u64,
    pub(crate) put_back: u64,
    pub(crate) diagnosed: u64,
    pub(crate) stalls: u64,
    pub(crate) unfit: u64,
    pub(crate) store_away: u64,
    pub(crate) longest_end: u64,
}

fn run(seed: u64, policy: Policy) -> Story {
    let mut world = World::new(Rng(seed), policy);
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
    let many = seeds.end - seeds.start > 100;
    let mut total = Story::default();
    for seed in seeds {
        let story = std::panic::catch_unwind(|| run(seed, policy)).unwrap_or_else(|panic| {
            eprintln!("policy {policy}, replay with SIMULATION_SEED={seed}");
            std::panic::resume_unwind(panic)
        });
        total.events += story.events;
        total.actions += story.actions;
        total.completed += story.completed;
        total.failed += story.failed;
        total.restarts += story.restarts;
        total.refused += story.refused;
        total.lost += story.lost;
        total.put_back += story.put_back;
        total.diagnosed += story.diagnosed;
        total.stalls += story.stalls;
        total.unfit += story.unfit;
        total.store_away += story.store_away;
        total.longest_end = total.longest_end.max(story.longest_end);
    }
    println!("{policy}: {total:?}");
    if many {
        // The runs must reach what they are there to test.
        for (what, count) in [
            ("completed", total.completed),
            ("failed", total.failed),
            ("restarts", total.restarts),
            ("refused", total.refused),
            ("lost", total.lost),
            ("put back", total.put_back),
            ("diagnosed", total.diagnosed),
            ("stalls", total.stalls),
            ("unfit", total.unfit),
            ("store away", total.store_away),
        ] {
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
