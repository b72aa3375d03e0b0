//! The rules of settlement around a simulated L1: rivals that verify first, reorgs, checkpoints that are given up, gas above the
//! limit, transactions that are not included or included later, pauses, signatures that are not taken, verifiers that refuse a
//! proof once, a few times or for ever, and restarts in the middle of a call. Every call is compared with what L1 wants of one; in
//! the end every batch is verified, or the first that is not has a proof that is refused for ever.
//!
//! A failure prints the seed; `SIMULATION_SEED=<seed> cargo test -p proofmill-proof-coordinator --test settling` replays it.
//! `SIMULATION_COUNT` sets how many seeds there are.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod stories;
mod world;

use world::World;

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same everywhere.
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`.
    pub(crate) const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    pub(crate) const fn percent(&mut self, chance: u64) -> bool {
        self.next() % 100 < chance
    }
}

macro_rules! story {
    ($($field:ident),* $(,)?) => {
        /// What happened, to see that the runs are not trivial.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Story {
            $(pub(crate) $field: u64,)*
        }

        impl Story {
            fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }

            fn counts(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field),)*]
            }
        }
    };
}

story! {
    together, alone, settled, quoted, settled_before, one_by_one, again, discarded, rivals, reorgs, prunes, restarts,
    refused_again, refusals_remembered, recovered, not_attested, ended, all_settled, stands_still,
}

fn run(seed: u64) -> Story {
    let mut world = World::new(Rng(seed));
    world.live();
    world.story
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn every_batch_is_settled_in_order_and_only_a_refused_proof_is_deleted() {
    if let Some(seed) = setting("SIMULATION_SEED") {
        println!("{:#?}", run(seed));
        return;
    }
    let count = setting("SIMULATION_COUNT").unwrap_or(3_000);
    let mut total = Story::default();
    for seed in 0..count {
        let ran = std::panic::catch_unwind(|| run(seed));
        total.add(&ran.unwrap_or_else(|_| panic!("SIMULATION_SEED={seed} replays this")));
    }
    println!("{total:#?}");
    if count >= 3_000 {
        for (what, times) in total.counts() {
            assert!(times > 20, "only {times} times {what} in {count} runs");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_story() {
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
