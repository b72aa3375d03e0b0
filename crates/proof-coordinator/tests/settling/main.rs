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

use proofmill_proof_coordinator::rules::{ProofOf, RefusalNote, Refused, Settling};
use proofmill_simulation::{Rng, story};
use std::collections::BTreeMap;
use world::World;

story! {
    together, alone, settled, quoted, settled_before, one_by_one, again, fewer, discarded, rivals, reorgs, prunes, restarts,
    refused_again, refusals_remembered, recovered, not_attested, ended, all_settled, stands_still,
}

/// What is in the ledger, after what the rules have noted.
fn noted(rules: &mut Settling, rows: &mut BTreeMap<ProofOf, Refused>) {
    for note in rules.take_notes() {
        match note {
            RefusalNote::Refused(of, refused) => rows.insert(of, refused),
            RefusalNote::Forgotten(of) => rows.remove(&of),
        };
    }
}

fn run(seed: u64) -> Story {
    let mut world = World::new(Rng::new(seed));
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
