//! What becomes of a range that is not proven at the first try.

use crate::scene::{Asked, EXEC, Scene, cannot_execute, cause, checkpoint, clock, failed, unavailable};
use alloy_primitives::B256;
use proofmill_primitives::{Epoch, Instructions};
use proofmill_prover_node::rules::{
    Action, Change, CheckpointState, Config, CostRules, Event, Executed, JobError, JobNote, Origin,
    PieceState, Progress, ProofCost, ProofLevel, RangeDone, RootError, SplitPoint,
};
use std::{num::NonZeroU64, time::Duration};

fn first(scene: &Scene) -> Asked {
    scene.jobs[0].clone()
}

fn fail(scene: &mut Scene, error: JobError) {
    let asked = first(scene);
    scene.answer(&asked, Err(error));
}

fn split(scene: &mut Scene, at: u64) {
    let job = first(scene).job();
    scene.jobs.remove(0);
    scene.tell(Event::RangeSplit { job, split: SplitPoint { at, hash: B256::repeat_byte(at as u8) } });
}

#[test]
fn a_range_that_fails_is_tried_again_and_then_split() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    fail(&mut scene, failed());
    assert_eq!(scene.jobs, [], "not at once: what was wrong with the prover may pass");
    scene.wait(8_000);
    assert_eq!(scene.ranges(), [(EXEC, 1, 10)]);
    fail(&mut scene, failed());
    assert!(matches!(scene.jobs[..], [Asked::Split(_, 5)]));
    split(&mut scene, 5);
    assert_eq!(scene.ranges(), [(EXEC, 1, 5), (EXEC, 6, 10)]);
    scene.prove_all();
    assert!(matches!(scene.checkpoint_state(1), CheckpointState::Proven { .. }));
}

#[test]
fn a_range_that_cannot_be_executed_is_split_at_once_and_again() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    fail(&mut scene, cannot_execute());
    split(&mut scene, 5);
    fail(&mut scene, cannot_execute());
    // The other half goes on meanwhile.
    let at = scene.jobs.iter().position(|asked| matches!(asked, Asked::Split(_, 2))).unwrap();
    let job = scene.jobs.remove(at).job();
    scene.tell(Event::RangeSplit { job, split: SplitPoint { at: 2, hash: B256::repeat_byte(2) } });
    scene.prove_all();
    let track = scene.node.snapshot().checkpoints[0].tracks[&EXEC].clone();
    let blocks: Vec<_> = track.pieces.iter().map(|piece| piece.range.blocks.to_string()).collect();
    assert_eq!(blocks, ["1-2", "3-5", "6-10"]);
    // The session aggregates the parts in order.
    scene.slot(4);
    assert!(matches!(&scene.jobs[..], [Asked::Root(_, EXEC, ranges)] if ranges.len() == 3));
}

#[test]
fn a_split_decided_before_a_restart_is_taken_up() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    split(&mut scene, 3);
    assert_eq!(scene.ranges(), [(EXEC, 1, 3), (EXEC, 4, 10)]);
}

fn kept_splits(scene: &Scene) -> Vec<u64> {
    let kept = |action: &Action| match action {
        Action::KeepSplit { split, .. } => Some(split.at),
        _ => None,
    };
    scene.last.iter().filter_map(kept).collect()
}

/// After a fault of the cluster every range would be proven block by block for ever.
#[test]
fn c4_a_split_is_kept_only_once_a_part_is_proven() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    fail(&mut scene, cannot_execute());
    split(&mut scene, 5);
    assert_eq!(kept_splits(&scene), [] as [u64; 0]);
    fail(&mut scene, cannot_execute());
    let at = scene.jobs.iter().position(|asked| matches!(asked, Asked::Split(_, 2))).unwrap();
    let job = scene.jobs.remove(at).job();
    scene.tell(Event::RangeSplit { job, split: SplitPoint { at: 2, hash: B256::repeat_byte(2) } });
    assert_eq!(kept_splits(&scene), [] as [u64; 0]);
    let quarter = scene
        .jobs
        .iter()
        .find(|asked| matches!(asked, Asked::Range(_, _, range) if range.blocks.last() == 2));
    scene.answer(&quarter.unwrap().clone(), Ok(()));
    assert_eq!(kept_splits(&scene), [5, 2], "both that led to it");
    let asked = first(&scene);
    scene.answer(&asked, Ok(()));
    assert_eq!(kept_splits(&scene), [] as [u64; 0], "once");
}

#[test]
fn c1_a_single_block_that_cannot_be_proven_stops_the_checkpoint_which_comes_back() {
    let mut scene = Scene::two_types();
    let mut single = checkpoint(1, 0);
    single.blocks = proofmill_primitives::BlockRange::new(10, 10).unwrap();
    scene.lands(single);
    fail(&mut scene, cannot_execute());
    assert_eq!(scene.uploads(), 0, "it is no verdict");
    assert!(scene.reported(|change| matches!(change, Change::CheckpointStopped { .. })));
    assert!(matches!(scene.checkpoint_state(1), CheckpointState::Stopped { prover: EXEC, .. }));
    // The other type's work is for nothing.
    assert_eq!(scene.jobs, []);
    let problems = scene.problems();
    assert!(problems.contains(&cause()) && problems.contains("again now and then"), "{problems}");
    // By itself, after pauses that grow.
    scene.wait(8_000);
    assert_eq!(scene.jobs, []);
    scene.wait(8_000);
    assert!(scene.reported(|change| matches!(change, Change::CheckpointResumed { .. })));
    fail(&mut scene, cannot_execute());
    scene.wait(16_000);
    assert_eq!(scene.jobs, []);
    scene.wait(16_000);
    scene.slot(4);
    scene.settle();
    assert_eq!(scene.sessions(), ["completed"]);
}

#[test]
fn a_checkpoint_that_lies_fails_without_another_try() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    fail(&mut scene, JobError::Refuted { cause: cause() });
    assert!(matches!(scene.checkpoint_state(1), CheckpointState::Failed { .. }));
    assert_eq!(scene.jobs, []);
    let problems = scene.problems();
    assert!(problems.contains("again only when an operator asks to retry epoch 0"), "{problems}");
}

#[test]
fn a_service_that_is_away_is_asked_again_later_and_costs_no_try() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    let mut waits = vec![];
    for _ in 0..8 {
        fail(&mut scene, unavailable());
        assert_eq!(scene.ranges(), []);
        assert!(scene.problems().contains(&cause()));
        let mut waited = 0;
        while scene.ranges().is_empty() {
            scene.wait(499);
            waited += 500;
        }
        waits.push(waited);
    }
    for (waited, rule) in waits.iter().zip([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]) {
        assert!((rule * 3 / 4..=rule * 5 / 4 + 500).contains(waited), "{waits:?}");
    }
    scene.prove_all();
    assert!(matches!(scene.checkpoint_state(1), CheckpointState::Proven { .. }));
    assert_eq!(scene.problems().lines().filter(|line| line.contains(&cause())).count(), 0);
}

#[test]
fn a_split_that_is_not_found_is_looked_for_again() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    fail(&mut scene, cannot_execute());
    for error in [unavailable(), failed(), JobError::Cancelled] {
        let asked = first(&scene);
        scene.answer(&asked, Err(error));
        assert_eq!(scene.jobs, []);
        scene.wait(40_000);
        assert!(matches!(scene.jobs[..], [Asked::Split(_, 5)]));
    }
    // A place outside the range is none.
    let job = first(&scene).job();
    scene.jobs.clear();
    scene.tell(Event::RangeSplit { job, split: SplitPoint { at: 10, hash: B256::ZERO } });
    scene.wait(40_000);
    assert!(matches!(scene.jobs[..], [Asked::Split(_, 5)]));
}

#[test]
fn an_operator_may_have_a_failed_checkpoint_tried_again() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    fail(&mut scene, JobError::Refuted { cause: cause() });
    scene.slot(4);
    assert_eq!(scene.sessions(), [] as [&str; 0], "nothing is built over a failed checkpoint");
    scene.tell(Event::Retry { epoch: proofmill_primitives::Epoch(0) });
    scene.settle();
    assert_eq!(scene.sessions(), ["completed"]);
}

#[test]
fn a_prover_says_how_far_it_is() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    let job = first(&scene).job();
    let progress = Progress { done: 3, total: 8, running: true };
    scene.tell(Event::JobNoted { job, note: JobNote::Progress(progress) });
    scene.tell(Event::JobNoted { job, note: JobNote::HeldUp { cause: "the disk is full".into() } });
    let piece = scene.node.snapshot().checkpoints[0].tracks[&EXEC].pieces[0].clone();
    assert_eq!(piece.state, PieceState::Proving { job, progress: Some(progress) });
    assert!(scene.problems().contains("the disk is full"));
    let progress = Progress { done: 4, total: 8, running: false };
    scene.tell(Event::JobNoted { job, note: JobNote::Progress(progress) });
    assert!(!scene.problems().contains("the disk is full"));
}

/// The aggregation finds one of the range proofs that it was given bad.
fn bad_part(scene: &mut Scene, of: usize) {
    let Some(Asked::Root(job, _, ranges)) = scene.jobs.pop() else { panic!("{:?}", scene.jobs) };
    let error = RootError::BadPart { range: ranges[of], cause: cause() };
    scene.tell(Event::RootEnded { job, result: Err(error) });
}

#[test]
fn a_bad_stored_proof_of_a_range_is_made_anew_once_and_then_its_checkpoint_stops() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.lands(checkpoint(2, 1));
    scene.prove_all();
    scene.slot(4);
    bad_part(&mut scene, 1);
    let discarded =
        |change: &Change| matches!(change, Change::ProofDiscarded { level: ProofLevel::Range, .. });
    assert!(scene.reported(discarded) && scene.problems().contains(&cause()));
    assert_eq!(scene.ranges(), [(EXEC, 11, 20)], "only the bad one");
    assert_eq!(scene.sessions(), ["awaiting checkpoints"]);
    let asked = first(&scene);
    scene.answer(&asked, Ok(()));
    assert_eq!(scene.roots(), [(EXEC, 1, 20)]);
    bad_part(&mut scene, 1);
    assert!(scene.reported(discarded));
    let CheckpointState::Stopped { cause: said, .. } = scene.checkpoint_state(2) else { panic!() };
    assert!(said.contains("made anew") && said.contains(&cause()), "{said}");
    assert!(matches!(scene.checkpoint_state(1), CheckpointState::Proven { .. }));
    assert_eq!((scene.sessions(), scene.uploads()), (vec!["stopped"], 0));
    scene.tell(Event::Retry { epoch: Epoch(0) });
    scene.settle();
    assert_eq!(scene.sessions(), ["stopped", "completed"]);
}

#[test]
fn what_was_found_bad_and_is_being_made_anew_is_said() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    let job = first(&scene).job();
    scene.tell(Event::JobNoted { job, note: JobNote::Discarded { cause: cause() } });
    let discarded =
        |change: &Change| matches!(change, Change::ProofDiscarded { level: ProofLevel::Range, .. });
    assert!(scene.reported(discarded) && scene.problems().contains(&cause()));
    scene.prove_all();
    assert!(matches!(scene.checkpoint_state(1), CheckpointState::Proven { .. }));
    assert!(!scene.problems().contains(&cause()));
    scene.slot(4);
    let job = first(&scene).job();
    scene.tell(Event::JobNoted { job, note: JobNote::Discarded { cause: cause() } });
    let discarded =
        |change: &Change| matches!(change, Change::ProofDiscarded { level: ProofLevel::Epoch, .. });
    assert!(scene.reported(discarded) && scene.problems().contains(&cause()));
    scene.settle();
    assert_eq!(scene.sessions(), ["completed"]);
}

#[test]
fn a_proof_that_was_made_anew_for_nothing_is_given_up_whole() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    fail(&mut scene, JobError::BadProof { cause: cause() });
    assert!(matches!(scene.checkpoint_state(1), CheckpointState::Stopped { .. }));
    assert_eq!((scene.jobs.len(), scene.uploads()), (0, 0));
}

/// The n-th range that is asked for is proven, and took so many instructions and seconds. It has 1 gas.
fn prove_at(scene: &mut Scene, instructions: u64, seconds: u64) {
    let asked = first(scene);
    scene.jobs.remove(0);
    let cost = ProofCost {
        instructions: Some(Instructions(instructions)),
        segments: None,
        took: Duration::from_secs(seconds),
    };
    let executed = Executed { gas_used: 1_000_000, transactions: 1 };
    let done = RangeDone { executed, proof_bytes: 1, cost, origin: Origin::Made };
    scene.tell(Event::RangeEnded { job: asked.job(), result: Ok(done) });
}

fn limits(scene: &Scene) -> Vec<u64> {
    let limit = |action: &Action| match action {
        Action::Prove { cycle_limit, .. } => Some(cycle_limit.get()),
        _ => None,
    };
    scene.last.iter().filter_map(limit).collect()
}

#[test]
fn a_range_may_take_what_the_window_allows_at_the_speed_of_the_proofs_so_far() {
    let config = Config::new(clock(), [EXEC]);
    let mut scene = Scene::with(config.clone());
    scene.lands(checkpoint(1, 0));
    // Two epochs of 4 slots of 12 s, at an assumed speed that never refuses what is usual.
    assert_eq!(limits(&scene), [1_000_000_000]);
    prove_at(&mut scene, 900_000_000, 20);
    scene.lands(checkpoint(2, 1));
    assert_eq!(limits(&scene), [45_000_000 * 10 * 96]);
    assert_eq!(scene.node.snapshot().cycle_limits[&EXEC].get(), 45_000_000 * 10 * 96);
    let cost = CostRules { cycle_limit: NonZeroU64::new(7), ..config.cost };
    let mut scene = Scene::with(Config { cost, ..config });
    scene.lands(checkpoint(1, 0));
    assert_eq!(limits(&scene), [7]);
}

#[test]
fn a_range_that_costs_much_for_its_gas_is_warned_of() {
    let costly = |change: &Change| matches!(change, Change::RangeCostly { per_gas: 61, warn_above: 60, .. });
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    prove_at(&mut scene, 60_000_000, 20);
    assert!(!scene.reported(|change| matches!(change, Change::RangeCostly { .. })));
    assert!(scene.reported(|change| matches!(change, Change::RangeProven { per_gas: Some(60), .. })));
    scene.lands(checkpoint(2, 1));
    prove_at(&mut scene, 60_000_001, 20);
    assert!(scene.reported(costly));
}
