//! What becomes of a range that is not proven at the first try.

use crate::scene::{Asked, EXEC, Scene, cannot_execute, cause, checkpoint, failed, unavailable};
use alloy_primitives::B256;
use proofmill_prover_node::rules::{
    Change, CheckpointState, Event, JobError, JobNote, PieceState, Progress, SplitPoint,
};

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

#[test]
fn a_single_block_that_cannot_be_proven_fails_the_checkpoint_with_the_cause() {
    let mut scene = Scene::two_types();
    let mut single = checkpoint(1, 0);
    single.blocks = proofmill_primitives::BlockRange::new(10, 10).unwrap();
    scene.lands(single);
    fail(&mut scene, cannot_execute());
    assert_eq!(scene.uploads(), 1);
    assert!(scene.reported(|change| matches!(change, Change::CheckpointFailed { .. })));
    assert!(matches!(scene.checkpoint_state(1), CheckpointState::Failed { prover: EXEC, .. }));
    // The other type's work is for nothing.
    assert_eq!(scene.jobs, []);
    assert!(
        scene.problems().contains(&cause()) && scene.problems().contains("retry"),
        "{}",
        scene.problems()
    );
}

#[test]
fn a_checkpoint_that_lies_fails_without_another_try() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    fail(&mut scene, JobError::Refuted { cause: cause() });
    assert!(matches!(scene.checkpoint_state(1), CheckpointState::Failed { .. }));
    assert_eq!(scene.jobs, []);
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
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
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
        scene.wait(30_000);
        assert!(matches!(scene.jobs[..], [Asked::Split(_, 5)]));
    }
    // A place outside the range is none.
    let job = first(&scene).job();
    scene.jobs.clear();
    scene.tell(Event::RangeSplit { job, split: SplitPoint { at: 10, hash: B256::ZERO } });
    scene.wait(30_000);
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
