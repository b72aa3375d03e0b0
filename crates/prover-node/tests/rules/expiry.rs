//! Expiry, and the high-water mark.

use crate::scene::{EXEC, Scene, checkpoint, number};
use proofmill_primitives::Epoch;
use proofmill_prover_node::rules::{Action, CheckpointState, EpochStage, Event, L1Time, L1View};

#[test]
fn an_expired_epoch_is_given_up() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.lands(checkpoint(2, 9));
    assert_eq!(scene.sessions(), ["awaiting checkpoints"]);
    let cancelled = Action::Cancel { job: scene.jobs[0].job() };
    scene.slot(12);
    assert_eq!(scene.node.high_water(), Some(Epoch(0)));
    assert!(scene.last.contains(&cancelled));
    // L1 takes no proof of what follows before it is pruned.
    assert_eq!(scene.sessions(), ["timed out"]);
    assert_eq!(scene.checkpoint_state(1), CheckpointState::Expired);
    // Its proofs stay: the contract prunes it, and its blocks are proposed again.
    assert!(!scene.last.iter().any(|action| matches!(action, Action::Release { .. })));
    assert_eq!(scene.ranges(), [(EXEC, 11, 20)]);
    let stages: Vec<_> = scene.node.snapshot().epochs.iter().map(|epoch| epoch.stage).collect();
    assert_eq!(stages, [EpochStage::Expired, EpochStage::Ended]);
}

#[test]
fn a_pause_of_the_rollup_expires_nothing() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    // The window would close at slot 12, and a pause of five slots has passed.
    scene.l1.paused = 5 * 12;
    scene.slot(16);
    assert_eq!(scene.node.high_water(), None);
    assert_eq!(scene.node.snapshot().epochs[0].deadline, 17 * 12);
    scene.settle();
    assert_eq!(scene.l1.proven, number(1));
    scene.slot(17);
    assert_eq!(scene.node.high_water(), Some(Epoch(0)));
}

#[test]
fn what_is_proven_and_expired_is_forgotten_and_its_proofs_released() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.settle();
    scene.slot(11);
    assert_eq!(scene.node.snapshot().epochs[0].stage, EpochStage::Proven);
    scene.slot(12);
    assert_eq!(scene.node.snapshot().checkpoints, []);
    scene.tell(Event::Finalized { checkpoint: number(1) });
    assert!(scene.last.contains(&Action::Release { through: 10 }));
    // The next one follows on what was forgotten.
    scene.lands(checkpoint(2, 13));
    assert_eq!(scene.ranges(), [(EXEC, 11, 20)]);
}

#[test]
fn an_l1_that_stands_still_is_told_and_decides_nothing() {
    let mut scene = Scene::new();
    scene.now = 120_000;
    scene.slot(0);
    assert_eq!(scene.problems(), "");
    scene.now = 121_000;
    scene.slot(0);
    assert!(scene.problems().contains("121 s older"), "{}", scene.problems());
    // Deadlines go by L1's time.
    scene.now = 100_000_000;
    scene.slot(11);
    assert_eq!(scene.node.high_water(), None);
}

#[test]
fn the_high_water_mark_only_moves_forward() {
    let mut scene = Scene::new();
    scene.slot(20);
    assert_eq!(scene.node.high_water(), Some(Epoch(2)));
    scene.slot(3);
    assert_eq!(scene.node.high_water(), Some(Epoch(2)));
}

#[test]
fn it_is_seeded_from_l1_and_nothing_below_it_is_proven() {
    let mut scene = Scene::new();
    let l1 = L1View { time: L1Time(12 * 20), pending: number(2), proven: number(0), paused: 0, closes: None };
    scene.l1 = l1;
    scene.tell(Event::Began { l1 });
    assert_eq!(scene.node.high_water(), Some(Epoch(2)));
    scene.tell(Event::Checkpointed(checkpoint(1, 8)));
    assert_eq!(scene.checkpoint_state(1), CheckpointState::Expired);
    assert_eq!(scene.jobs, []);
    scene.tell(Event::Checkpointed(checkpoint(2, 17)));
    assert_eq!(scene.ranges(), [(EXEC, 11, 20)]);
}

#[test]
fn an_epoch_that_expired_unproven_is_proven_under_a_later_one() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.prove_all();
    scene.slot(12);
    scene.prune(0);
    scene.lands(checkpoint(1, 12));
    scene.slot(16);
    scene.settle();
    assert_eq!(scene.l1.proven, number(1));
    assert_eq!(scene.sessions().last(), Some(&"completed"));
}
