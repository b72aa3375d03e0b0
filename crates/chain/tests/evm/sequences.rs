//! Whatever is called by whomever and whenever, the contract does what the model does, and what must hold holds.

use crate::{
    machine::{Machine, Rollup},
    model::{Checkpoint, Model, START, STRANGER},
    step::{ACTORS, Step, step},
};
use alloy_primitives::Address;
use alloy_sol_types::SolInterface;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// How many random sequences there are.
const SEQUENCES: u32 = 10_000;
/// How many calls and waits a sequence has.
const STEPS: std::ops::Range<usize> = 20..44;
/// How many threads run them, each with seeds of its own.
const THREADS: u32 = 4;

/// What is counted of rules, and of calls that propose and prove at once, among the calls.
const RULES: &str = "rules";
const AT_ONCE: &str = "proposed and proven at once";

/// How often each call was accepted, or refused with which error.
type Coverage = Mutex<BTreeMap<(&'static str, String), u64>>;

/// What the contract said at some time, which must stay.
#[derive(Default)]
struct Seen {
    proven: Vec<Rollup::Checkpoint>,
    deadlines: BTreeMap<u64, u64>,
}

#[test]
fn the_contract_is_as_the_model_over_random_sequences() {
    let (coverage, ran) = (Coverage::default(), AtomicU64::new(0));
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let (coverage, ran) = (&coverage, &ran);
            scope.spawn(move || {
                let mut machine = Machine::new(START);
                for actor in ACTORS {
                    machine.fund(actor);
                }
                let rollup = machine.deploy(STRANGER, &Model::new().creation()).unwrap();
                let config = Config {
                    cases: SEQUENCES / THREADS,
                    failure_persistence: None,
                    max_shrink_iters: 5_000,
                    ..Config::default()
                };
                let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed as u8; 32]);
                let mut runner = TestRunner::new_with_rng(config, rng);
                let steps = prop::collection::vec(step(), STEPS);
                let sequence = |steps: Vec<Step>| {
                    ran.fetch_add(1, Ordering::Relaxed);
                    run(machine.fork(), rollup, &steps, coverage)
                };
                if let Err(error) = runner.run(&steps, sequence) {
                    panic!("{error}");
                }
            });
        }
    });
    assert_eq!(ran.into_inner(), u64::from(SEQUENCES));
    everything_was_tried(&coverage.into_inner().unwrap());
}

fn run(
    mut machine: Machine,
    rollup: Address,
    steps: &[Step],
    coverage: &Coverage,
) -> Result<(), TestCaseError> {
    let (mut model, mut seen) = (Model::new(), Seen::default());
    let mut counts: BTreeMap<_, u64> = BTreeMap::new();
    for step in steps {
        let (proven, open) = (model.proven, model.is_open());
        let (expected, outcome) = step.apply(&mut machine, rollup, &mut model);
        let got = outcome.map(drop).map_err(|data| error_name(&data));
        let as_expected = match (&expected, &got) {
            (Ok(()), Ok(())) => true,
            (Err("a bad proof"), Err(name)) => is_of_a_proof(name),
            (Err(expected), Err(got)) => expected == got,
            _ => false,
        };
        prop_assert!(as_expected, "{step:?}: the model says {expected:?}, the contract {got:?}");
        prop_assert!(model.proven == proven || step.is_proof());
        *counts.entry((step.name(), got.err().unwrap_or_default())).or_default() += 1;
        // Of calls that are made together, none is left where one is refused.
        if expected.is_ok() || step.is_together() {
            check(&mut machine, rollup, &model, step, &mut seen)?;
        }
        if step.proposes_and_proves() && model.proven > proven {
            let by = if open { "after a silence" } else { "by the proposer" };
            *counts.entry((AT_ONCE, by.to_owned())).or_default() += 1;
        }
    }
    check_all(&mut machine, rollup, &model)?;
    counts.insert((RULES, "changed".to_owned()), model.rules.len() as u64 - 1);
    let changes = |pair: &[Checkpoint]| matches!(pair, [before, after] if before.rules != after.rules);
    let across = model.checkpoints.windows(2).skip(1).filter(|pair| changes(pair)).count();
    counts.insert((RULES, "changed between live checkpoints".to_owned()), across as u64);
    let mut coverage = coverage.lock().unwrap();
    for (what, count) in counts {
        *coverage.entry(what).or_default() += count;
    }
    Ok(())
}

/// What must hold after every call that was accepted.
fn check(
    machine: &mut Machine,
    rollup: Address,
    model: &Model,
    step: &Step,
    seen: &mut Seen,
) -> Result<(), TestCaseError> {
    let tips = machine.read(rollup, &Rollup::tipsCall {}).unwrap();
    prop_assert!(tips.proven <= tips.pending);
    prop_assert_eq!((tips.proven, tips.pending), (model.proven as u64, model.pending() as u64));
    prop_assert!(tips.proven + 1 >= seen.proven.len() as u64, "proofs are never taken back");
    if !matches!(step, Step::Wait(_)) {
        let list = machine.read(rollup, &Rollup::checkpointsCall { first: 0, last: tips.pending }).unwrap();
        for (stored, checkpoint) in list.iter().zip(&model.checkpoints) {
            prop_assert!(is_same(stored, checkpoint), "{stored:?}, {checkpoint:?}");
        }
        let proven = &list[..=tips.proven as usize];
        prop_assert!(proven.starts_with(&seen.proven), "what is proven stays as it is");
        seen.proven = proven.to_vec();
    }
    // Deadlines are moved by pauses alone.
    if step.is_pause() {
        seen.deadlines.clear();
    }
    let first_unproven = model.checkpoints.get(model.proven + 1).unwrap_or(model.last());
    for epoch in [Model::epoch_of(first_unproven.slot), Model::epoch_of((model.now - START) / 10)] {
        let deadline: u64 = machine.read(rollup, &Rollup::deadlineCall { epoch }).unwrap().to();
        prop_assert_eq!(deadline, model.deadline(epoch), "epoch {}", epoch);
        prop_assert_eq!(*seen.deadlines.entry(epoch).or_insert(deadline), deadline);
    }
    Ok(())
}

/// What can be read at the end.
fn check_all(machine: &mut Machine, rollup: Address, model: &Model) -> Result<(), TestCaseError> {
    let paused = machine.read(rollup, &Rollup::pausedUntilCall {}).unwrap();
    prop_assert_eq!(paused, model.paused_until().unwrap_or(0));
    let open_from: u64 = machine.read(rollup, &Rollup::openFromCall {}).unwrap().to();
    prop_assert_eq!(open_from, model.open_from());
    prop_assert_eq!(machine.read(rollup, &Rollup::ownerCall {}).unwrap(), model.owner);
    prop_assert_eq!(machine.read(rollup, &Rollup::guardianCall {}).unwrap(), model.guardian);
    for epoch in 0..Model::epoch_of((model.now - START) / 10) + 2 {
        let deadline: u64 = machine.read(rollup, &Rollup::deadlineCall { epoch }).unwrap().to();
        prop_assert_eq!(deadline, model.deadline(epoch), "epoch {}", epoch);
    }
    let current = machine.read(rollup, &Rollup::currentRulesCall {}).unwrap();
    prop_assert_eq!(current.index + 1, model.rules.len() as u64);
    for (index, rules) in model.rules.iter().enumerate() {
        let stored = machine.read(rollup, &Rollup::rulesCall { index: index as u64 }).unwrap();
        prop_assert_eq!(stored, rules.to_abi());
    }
    let scheduled = machine.read(rollup, &Rollup::scheduledRulesCall {}).unwrap();
    match &model.scheduled {
        Some((rules, from, _)) => {
            prop_assert_eq!(scheduled.index, model.rules.len() as u64);
            prop_assert_eq!(scheduled.fromCheckpoint, *from);
            prop_assert_eq!(scheduled.rules, rules.to_abi());
        }
        None => prop_assert_eq!(scheduled.index, 0),
    }
    for (number, checkpoint) in model.checkpoints.iter().enumerate() {
        let call = Rollup::rulesOfCall { checkpoint: number as u64 };
        prop_assert_eq!(machine.read(rollup, &call).unwrap(), model.rules[checkpoint.rules].to_abi());
        let proven = machine.read(rollup, &Rollup::provenCheckpointCall { number: number as u64 });
        match proven {
            Ok(stored) => prop_assert!(number <= model.proven && is_same(&stored, checkpoint)),
            Err(data) => prop_assert!(number > model.proven && error_name(&data) == "NotProven"),
        }
        // Every block of it is found.
        let first = number
            .checked_sub(1)
            .map_or(checkpoint.end.last_block, |before| model.checkpoints[before].end.last_block + 1);
        for block in first..=checkpoint.end.last_block {
            let found = machine.read(rollup, &Rollup::checkpointOfCall { number: block }).unwrap();
            prop_assert_eq!(found, number as u64);
        }
    }
    let epochs = |number: usize| Model::epoch_of(model.checkpoints[number].slot);
    for number in 2..model.checkpoints.len() {
        let (before, this) = (&model.checkpoints[number - 1], &model.checkpoints[number]);
        prop_assert!(
            this.rules == before.rules || epochs(number) != epochs(number - 1),
            "one epoch, one set of rules"
        );
    }
    for nowhere in [9, model.last().end.last_block + 1] {
        let data = machine.read(rollup, &Rollup::checkpointOfCall { number: nowhere }).unwrap_err();
        prop_assert_eq!(error_name(&data), "UnknownBlock");
    }
    Ok(())
}

fn is_same(stored: &Rollup::Checkpoint, model: &Checkpoint) -> bool {
    stored.slot == model.slot
        && stored.rules == model.rules as u64
        && stored.lastBlock == model.end.last_block
        && stored.lastHash == model.end.last_hash
        && stored.stateRoot == model.end.state_root
        && stored.lastTimestamp == model.end.last_timestamp
        && stored.commitment == model.commitment
}

fn error_name(data: &[u8]) -> String {
    match Rollup::RollupErrors::abi_decode(data) {
        Ok(error) => format!("{error:?}").split('(').next().unwrap_or_default().to_owned(),
        Err(_) => format!("{data:02x?}"),
    }
}

fn is_of_a_proof(name: &str) -> bool {
    ["StatementMismatch", "ProofRejected", "WrongProofCount", "WrongPublicValuesLength"].contains(&name)
}

/// Each call must have been accepted, and each error met.
fn everything_was_tried(coverage: &BTreeMap<(&'static str, String), u64>) {
    for ((call, error), count) in coverage {
        let outcome = if error.is_empty() { "accepted" } else { error };
        println!("{count:>8} {call}: {outcome}");
    }
    for (of, what, least) in [
        (RULES, "changed", 200),
        (RULES, "changed between live checkpoints", 200),
        (AT_ONCE, "by the proposer", 50),
        (AT_ONCE, "after a silence", 20),
    ] {
        let count = coverage.get(&(of, what.to_owned())).copied().unwrap_or(0);
        assert!(count >= least, "{of} {what}: {count} times");
    }
    let calls = coverage
        .keys()
        .map(|(call, _)| *call)
        .filter(|call| ![RULES, AT_ONCE].contains(call))
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(calls.len(), 14);
    for call in calls {
        assert!(
            coverage.get(&(call, String::new())).is_some_and(|count| *count >= 50),
            "{call} is never accepted"
        );
    }
    for error in [
        "AlreadyScheduled",
        "AlreadySubmitted",
        "ContractPaused",
        "EmptyCheckpoint",
        "InvalidConfig",
        "NoBatches",
        "NotAnEpochStart",
        "NotNextBatch",
        "NotNextBlock",
        "NotOneEpoch",
        "NotPaused",
        "NotTheGuardian",
        "NothingScheduled",
        "NothingToPrune",
        "OwnableUnauthorizedAccount",
        "ParentMismatch",
        "PausedTooRecently",
        "ProofRejected",
        "SlotTaken",
        "StatementMismatch",
        "TimestampAhead",
        "TimestampNotAfter",
        "TimestampStalled",
        "UnknownCheckpoints",
        "UnprovenBefore",
        "WindowClosed",
        "WouldOrphanCheckpoints",
        "WrongProofCount",
        "WrongProposer",
        "WrongPublicValuesLength",
    ] {
        assert!(coverage.keys().any(|(_, met)| met == error), "{error} is never met");
    }
}
