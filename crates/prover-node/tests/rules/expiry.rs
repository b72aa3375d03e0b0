//! Expiry, and the high-water mark.

use crate::scene::{EXEC, Scene, branch, cause, checkpoint, number};
use proofmill_chain::PruneCause;
use proofmill_primitives::Epoch;
use proofmill_prover_node::{
    parts::FailureId,
    rules::{
        Action, Change, CheckpointState, EpochStage, Event, Failure, JobError, L1Time, L1View,
        PublishOutcome, Refused,
    },
};

/// What is said of an epoch that was missed, if anything is.
fn missed(scene: &Scene, of: u64) -> Option<String> {
    scene.last.iter().find_map(|action| match action {
        Action::Report(Change::EpochMissed { epoch, cause }) if *epoch == Epoch(of) => Some(cause.clone()),
        _ => None,
    })
}

/// The failure that is to be recorded.
fn recorded(scene: &Scene) -> Failure {
    let upload = scene.last.iter().find_map(|action| match action {
        Action::Upload(failure) => Some(failure.clone()),
        _ => None,
    });
    upload.unwrap()
}

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

/// The proof of epoch 0 is being published, and nothing is said of it yet.
fn on_its_way_when_its_window_closes() -> Scene {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.prove_all();
    scene.read_tip();
    scene.slot(12);
    assert_eq!((scene.in_flight(), missed(&scene, 0), scene.uploads()), (Some(1), None, 0));
    scene
}

/// A publish that is under way when the window closes may still come through. Whatever else it comes to, the window was missed.
#[test]
fn a_window_that_closes_while_a_proof_is_on_its_way_is_missed_unless_that_comes_through() {
    for (outcome, said) in [
        (PublishOutcome::Unavailable { cause: cause() }, "its proof could not be published: bad luck"),
        (PublishOutcome::Stale { cause: cause() }, "its proof could not be published: bad luck"),
        (PublishOutcome::Refused { cause: cause() }, "bad luck"),
        (PublishOutcome::BadProof { prover: EXEC, cause: cause() }, "its session was awaiting root"),
        (PublishOutcome::RootLost { prover: EXEC }, "its session was awaiting root"),
        (PublishOutcome::WindowClosed, "its session was publishing"),
    ] {
        let mut scene = on_its_way_when_its_window_closes();
        scene.publish_ends(outcome.clone());
        let cause = missed(&scene, 0).unwrap_or_else(|| panic!("not missed by {outcome:?}"));
        assert!(cause.ends_with(said), "{outcome:?}: {cause}");
        assert_eq!(scene.uploads(), 1, "{outcome:?}");
        scene.slot(13);
        assert_eq!((missed(&scene, 0), scene.uploads()), (None, 0), "{outcome:?}: once");
    }
    let mut scene = on_its_way_when_its_window_closes();
    scene.publish_ends(PublishOutcome::Published(crate::scene::receipt()));
    assert_eq!((missed(&scene, 0), scene.uploads()), (None, 0));
}

#[test]
fn a_window_whose_checkpoints_are_given_up_while_a_proof_is_on_its_way_is_missed_once() {
    let mut scene = on_its_way_when_its_window_closes();
    scene.tell(Event::Pruned { to: number(0), cause: PruneCause::WindowClosed });
    let cause = missed(&scene, 0).unwrap();
    assert!(cause.ends_with("its session was publishing"), "{cause}");
    assert_eq!(scene.uploads(), 1);
    scene.publish_ends(PublishOutcome::WindowClosed);
    assert_eq!((missed(&scene, 0), scene.uploads()), (None, 0));
    // What a reorg takes away may come back, and a stranger's checkpoints are given up while their window is open.
    let mut scene = on_its_way_when_its_window_closes();
    scene.tell(Event::Pruned { to: number(0), cause: PruneCause::L1Reorg });
    assert_eq!((missed(&scene, 0), scene.uploads()), (None, 0));
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.tell(Event::Pruned { to: number(0), cause: PruneCause::WindowClosed });
    assert_eq!((missed(&scene, 0), scene.uploads()), (None, 0));
}

#[test]
fn a_window_that_closed_has_one_record_also_where_a_restart_forgot_what_led_to_it() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.answer_at(0, Err(JobError::BadProof { cause: cause() }));
    scene.slot(12);
    let before = recorded(&scene);
    assert!(before.cause.contains(&cause()), "{}", before.cause);
    let mut scene = Scene::new();
    let l1 = L1View { time: L1Time(12 * 12), pending: number(1), proven: number(0), paused: 0, closes: None };
    scene.l1 = l1;
    scene.tell(Event::Began { l1 });
    scene.tell(Event::Checkpointed(checkpoint(1, 0)));
    let after = recorded(&scene);
    assert_ne!((&before.what, &before.cause), (&after.what, &after.cause));
    assert_eq!(FailureId::of_failure(&before), FailureId::of_failure(&after));
    // That a checkpoint was refuted is another failure, and so is a window that closed on other checkpoints.
    let refuted = Failure { missed: false, ..before.clone() };
    assert_ne!(FailureId::of_failure(&before), FailureId::of_failure(&refuted));
    let others = Failure { checkpoints: vec![branch(7, 1, 0)], ..before.clone() };
    assert_ne!(FailureId::of_failure(&before), FailureId::of_failure(&others));
}

#[test]
fn what_was_missed_is_not_said_again_when_its_checkpoints_are_gone_and_the_chain_cannot_be_followed() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.l1.closes = Some(L1Time(12 * 12));
    scene.slot(12);
    assert!(missed(&scene, 0).is_some());
    scene.tell(Event::Pruned { to: number(0), cause: PruneCause::L2Reorg });
    scene.tell(Event::StreamTrouble { cause: Some("the L2 node is on another branch".to_owned()) });
    scene.wait(6_000);
    assert_eq!((missed(&scene, 0), scene.uploads()), (None, 0));
}

#[test]
fn a_window_that_closed_while_the_node_was_away_is_recorded_when_all_of_its_epoch_is_here() {
    let mut scene = Scene::new();
    let l1 = L1View { time: L1Time(12 * 20), pending: number(3), proven: number(0), paused: 0, closes: None };
    scene.l1 = l1;
    scene.tell(Event::Began { l1 });
    scene.tell(Event::Checkpointed(checkpoint(1, 8)));
    assert_eq!(missed(&scene, 2), None, "more of it may come");
    scene.tell(Event::Checkpointed(checkpoint(2, 9)));
    scene.tell(Event::Checkpointed(checkpoint(3, 17)));
    let cause = missed(&scene, 2).unwrap();
    assert!(cause.ends_with("it had closed before this node saw its checkpoints"), "{cause}");
    assert_eq!(recorded(&scene).checkpoints.len(), 2);
    scene.slot(21);
    assert_eq!((missed(&scene, 2), scene.uploads()), (None, 0));
}

#[test]
fn a_window_that_closes_on_checkpoints_that_never_came_is_missed_and_says_why() {
    let mut scene = Scene::new();
    (scene.l1.pending, scene.l1.closes) = (number(1), Some(L1Time(12 * 12)));
    scene.tell(Event::StreamTrouble { cause: Some("the L2 node is on another branch".to_owned()) });
    scene.wait(6_000);
    scene.slot(11);
    assert_eq!(missed(&scene, 0), None);
    scene.slot(12);
    assert!(missed(&scene, 0).unwrap().ends_with("the L2 node is on another branch"));
    assert_eq!(scene.uploads(), 0, "there is nothing to keep");
    scene.slot(13);
    assert_eq!(missed(&scene, 0), None, "once");
    // What comes after all is kept.
    scene.tell(Event::Checkpointed(checkpoint(1, 0)));
    assert_eq!((missed(&scene, 0), scene.uploads()), (None, 1));
    // While the chain is only read, nothing is missed yet.
    let mut scene = Scene::new();
    (scene.l1.pending, scene.l1.closes) = (number(1), Some(L1Time(12 * 12)));
    scene.slot(12);
    assert_eq!(missed(&scene, 0), None);
}

#[test]
fn what_has_expired_is_not_tried_again_and_that_is_said() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.slot(12);
    let refused = scene.try_tell(Event::Retry { epoch: Epoch(0) });
    assert_eq!(refused, Err(Refused::Expired { epoch: Epoch(0) }));
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
