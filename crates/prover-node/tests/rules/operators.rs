//! What operators decide: delays, rivals' epochs, requests that outlive the process, and why an epoch has no session.

use crate::scene::{EXEC, Scene, cannot_execute, cause, checkpoint, clock, number, receipt, unavailable};
use proofmill_primitives::{CheckpointNumber, Epoch};
use proofmill_prover_node::rules::{
    Action, Config, Estimate, Event, Hindrance, JobError, L1Time, L1View, NodeState, Problem, PublishOutcome,
    Refused, SessionState, SettledEpochs, Time,
};
use std::time::Duration;

fn config(settled: SettledEpochs) -> Config {
    Config { settled, ..Config::new(clock(), [EXEC]) }
}

fn waits(scene: &Scene, epoch: u64) -> Option<Hindrance> {
    let snapshot = scene.node.snapshot();
    snapshot.epochs.into_iter().find(|status| status.epoch == Epoch(epoch)).unwrap().waits
}

#[test]
fn a_complete_epoch_waits_for_late_events() {
    let proving_delay = Duration::from_secs(10);
    let mut scene = Scene::with(Config { proving_delay, ..Config::new(clock(), [EXEC]) });
    scene.lands(checkpoint(1, 1));
    assert_eq!(waits(&scene, 0), None, "it runs");
    scene.slot(4);
    let Some(Hindrance::Delayed { until }) = waits(&scene, 0) else { panic!("{:?}", waits(&scene, 0)) };
    assert_eq!(scene.sessions().len(), 0);
    scene.wait(9_000);
    assert_eq!(scene.sessions().len(), 0);
    scene.wait(1_000);
    assert_eq!(scene.sessions(), ["awaiting checkpoints"]);
    assert!(Time::from_millis(scene.now) >= until);
    assert_eq!(waits(&scene, 0), None);
}

#[test]
fn a_delay_leaves_most_of_the_window() {
    let proving_delay = Duration::from_secs(1_000);
    let mut scene = Scene::with(Config { proving_delay, ..Config::new(clock(), [EXEC]) });
    scene.lands(checkpoint(1, 1));
    scene.slot(4);
    // The window is of 96 s.
    scene.wait(24_000);
    assert_eq!(scene.sessions(), ["awaiting checkpoints"]);
}

/// An epoch of two checkpoints, which a rival settles while the first range is being proven.
fn settled_by_a_rival(settled: SettledEpochs) -> Scene {
    let mut scene = Scene::with(config(settled));
    scene.lands(checkpoint(1, 1));
    scene.lands(checkpoint(2, 2));
    scene.slot(4);
    assert_eq!(scene.jobs.len(), 2);
    scene.proven(2);
    scene
}

#[test]
fn c6_a_settled_epoch_is_left_alone() {
    let mut scene = settled_by_a_rival(SettledEpochs::Skip);
    assert_eq!(scene.sessions(), ["superseded"]);
    assert_eq!(scene.jobs, [], "what was under way is withdrawn");
    scene.wait(60_000);
    assert_eq!(scene.sessions().len(), 1);
    // A reorg of L1 takes the rival's proof away.
    scene.proven(0);
    assert_eq!(scene.jobs.len(), 2);
    scene.wait(60_000);
    scene.settle();
    assert_eq!(scene.l1.proven, number(2));
    assert_eq!(scene.sessions().last(), Some(&"completed"));
}

#[test]
fn what_held_up_an_epoch_is_no_problem_once_others_have_settled_it() {
    let mut scene = Scene::with(config(SettledEpochs::Skip));
    scene.lands(checkpoint(1, 1));
    scene.lands(checkpoint(2, 2));
    scene.answer_at(0, Err(unavailable()));
    scene.answer_at(0, Err(JobError::BadProof { cause: cause() }));
    scene.slot(4);
    let problems = scene.problems();
    assert_eq!(problems.lines().filter(|line| line.contains(&cause())).count(), 2, "{problems}");
    scene.proven(2);
    assert!(!scene.problems().contains(&cause()), "{}", scene.problems());
    // A reorg of L1 takes the rival's proof away.
    scene.proven(0);
    assert!(scene.problems().contains(&cause()));
    // A session that stopped.
    let mut scene = Scene::with(config(SettledEpochs::Skip));
    scene.lands(checkpoint(1, 1));
    scene.slot(4);
    scene.answer_at(0, Ok(()));
    scene.answer_at(0, Err(cannot_execute()));
    assert!(scene.problems().contains(&cause()));
    scene.proven(1);
    assert!(!scene.problems().contains(&cause()), "{}", scene.problems());
}

#[test]
fn c6_a_settled_epoch_is_proven_and_not_submitted_where_that_is_wanted() {
    let mut scene = settled_by_a_rival(SettledEpochs::Prove);
    assert_eq!(scene.sessions(), ["awaiting checkpoints"]);
    scene.prove_all();
    assert_eq!(scene.sessions(), ["superseded"]);
    assert_eq!(scene.tip, None, "nothing is published");
}

#[test]
fn c6_a_settled_epoch_is_submitted_where_that_is_wanted() {
    let mut scene = settled_by_a_rival(SettledEpochs::Submit);
    scene.settle();
    assert_eq!(scene.sessions(), ["completed"]);
}

#[test]
fn a_part_that_a_rival_proved_leaves_the_epoch_to_be_proven() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 1));
    scene.lands(checkpoint(2, 2));
    scene.slot(4);
    scene.proven(1);
    assert_eq!(scene.jobs.len(), 2, "the whole epoch is proven from its first checkpoint on");
    scene.settle();
    assert_eq!(scene.sessions(), ["completed"]);
}

#[test]
fn a_retry_of_what_has_not_stopped_is_refused_with_the_reason() {
    let epoch = Epoch(0);
    let retry = |scene: &mut Scene| scene.try_tell(Event::Retry { epoch });
    let mut scene = Scene::with(config(SettledEpochs::Skip));
    assert_eq!(retry(&mut scene), Err(Refused::NoCheckpoints { epoch }));
    scene.lands(checkpoint(1, 0));
    scene.lands(checkpoint(2, 1));
    assert_eq!(retry(&mut scene), Err(Refused::NothingStopped { epoch }));
    scene.answer_at(0, Err(JobError::Refuted { cause: cause() }));
    scene.slot(4);
    assert_eq!(retry(&mut scene), Ok(()));
    assert_eq!(retry(&mut scene), Err(Refused::NothingStopped { epoch }), "it is tried already");
    // Another settles it, and then a checkpoint of it fails that nobody needs any more.
    scene.answer_at(0, Err(JobError::Refuted { cause: cause() }));
    scene.proven(2);
    let jobs = scene.jobs.clone();
    assert_eq!(retry(&mut scene), Err(Refused::AlreadyProven { epoch, through: number(2) }));
    assert_eq!(scene.jobs, jobs, "nothing is begun");
    // And one that this node settled.
    let mut scene = Scene::with(config(SettledEpochs::Submit));
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.settle();
    assert_eq!(retry(&mut scene), Err(Refused::AlreadyProven { epoch, through: number(1) }));
}

#[test]
fn nothing_is_sent_where_the_settings_say_so() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 1));
    scene.slot(4);
    scene.prove_all();
    scene.read_tip();
    let estimate = Estimate { gas: 120_000, fee: 7 };
    scene.publish_ends(PublishOutcome::Unsent(estimate));
    assert_eq!(scene.session(1), SessionState::Unsent(estimate));
    scene.wait(120_000);
    assert_eq!(scene.sessions().len(), 1, "it is not proven again");
}

#[test]
fn c7_what_operators_asked_for_survives_a_restart() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.start_proof(0).unwrap();
    let kept = |scene: &Scene| {
        scene.last.iter().find_map(|action| match action {
            Action::KeepRequests { wanted } => Some(wanted.clone()),
            _ => None,
        })
    };
    let wanted = kept(&scene).expect("it is kept");
    assert_eq!(wanted.len(), 1);
    // Another process.
    let mut again = Scene::new();
    again.node = NodeState::new(Config::new(clock(), [EXEC])).wanting(wanted);
    again.l1 = scene.l1;
    again.tell(Event::Began { l1: again.l1 });
    again.tell(Event::Checkpointed(checkpoint(1, 0)));
    assert_eq!(again.sessions(), ["awaiting checkpoints"], "it goes on by itself");
    again.settle();
    assert_eq!(kept(&again), Some(vec![]), "it is done");
    assert_eq!(again.l1.proven, number(1));
}

#[test]
fn c8_nothing_is_begun_above_an_epoch_that_expired_unproven() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 1));
    scene.lands(checkpoint(2, 5));
    scene.slot(8);
    // The first epoch's window closes; the second one's is open for another epoch.
    scene.slot(13);
    assert_eq!(scene.node.high_water(), Some(Epoch(0)));
    let last = scene.node.snapshot().sessions.last().map(|session| session.spec.epoch);
    assert_eq!(last, Some(Epoch(1)), "it was begun before");
    scene.lands(checkpoint(3, 13));
    scene.slot(16);
    assert_eq!(waits(&scene, 3), Some(Hindrance::Behind { expired: Epoch(0) }));
    assert_eq!(scene.start_proof(3), Err(Refused::Behind { epoch: Epoch(3), expired: Epoch(0) }));
    // What L1 gives up is proposed again, and proven.
    scene.prune(0);
    scene.lands(checkpoint(1, 16));
    scene.slot(20);
    scene.settle();
    assert_eq!(scene.l1.proven, number(1));
}

#[test]
fn c9_a_chain_that_is_read_anew_withdraws_nothing_that_is_still_wanted() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.lands(checkpoint(2, 1));
    let jobs = scene.jobs.clone();
    let l1 = scene.l1;
    scene.tell(Event::Began { l1 });
    assert_eq!(scene.start_proof(0), Err(Refused::NotBegun), "nothing is known yet");
    scene.tell(Event::Checkpointed(checkpoint(1, 0)));
    // Answers to what was asked before count.
    scene.answer_at(0, Ok(()));
    scene.tell(Event::Checkpointed(checkpoint(2, 1)));
    assert_eq!(scene.jobs, jobs[1..], "nothing was asked for again");
    scene.slot(4);
    scene.settle();
    assert_eq!(scene.l1.proven, number(2));
}

#[test]
fn c9_what_does_not_come_again_is_withdrawn() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.lands(checkpoint(2, 1));
    // L1 has lost the second.
    scene.l1.pending = number(1);
    let l1 = scene.l1;
    scene.tell(Event::Began { l1 });
    scene.tell(Event::Checkpointed(checkpoint(1, 0)));
    assert_eq!(scene.ranges(), [(EXEC, 1, 10)]);
    // A chain that is not told to its end.
    scene.l1.pending = number(9);
    let l1 = scene.l1;
    scene.tell(Event::Began { l1 });
    assert_eq!(scene.jobs.len(), 1);
    scene.wait(61_000);
    assert_eq!(scene.jobs, []);
}

#[test]
fn c9_sessions_go_on_while_the_chain_is_read_anew() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 1));
    scene.slot(4);
    scene.prove_all();
    scene.read_tip();
    assert_eq!(scene.sessions(), ["publishing"]);
    let l1 = scene.l1;
    scene.tell(Event::Began { l1 });
    assert_eq!(scene.sessions(), ["publishing"]);
    scene.tell(Event::Checkpointed(checkpoint(1, 1)));
    scene.publish_ends(PublishOutcome::Published(receipt()));
    assert_eq!(scene.sessions(), ["completed"]);
}

#[test]
fn c10_proofs_are_released_when_no_reorg_can_ask_for_them() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.settle();
    let released =
        |scene: &Scene| scene.last.iter().any(|action| matches!(action, Action::Release { through: 10 }));
    scene.slot(13);
    assert_eq!(scene.node.high_water(), Some(Epoch(0)));
    assert!(!released(&scene), "a reorg may take the proof away");
    scene.tell(Event::Finalized { checkpoint: number(1) });
    assert!(released(&scene));
}

#[test]
fn c10_an_l1_without_final_blocks_is_given_another_window() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.settle();
    let released = |scene: &Scene| scene.last.iter().any(|action| matches!(action, Action::Release { .. }));
    scene.slot(13);
    assert!(!released(&scene));
    scene.slot(20);
    assert_eq!(scene.node.high_water(), Some(Epoch(2)));
    assert!(released(&scene));
}

#[test]
fn c5_an_l1_block_of_the_future_expires_nothing() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 1));
    // The scene's clock is at 1,000 s.
    let l1 = L1View { time: L1Time(10_000), ..scene.l1 };
    scene.tell(Event::L1Seen(l1));
    assert_eq!(scene.node.high_water(), None);
    assert!(scene.problems().contains("ahead of this machine's clock"), "{}", scene.problems());
    scene.tell(Event::L1Seen(scene.l1));
    assert!(!scene.problems().contains("ahead"), "{}", scene.problems());
    scene.settle();
    scene.slot(4);
    scene.settle();
    assert_eq!(scene.l1.proven, CheckpointNumber(1));
}

#[test]
fn c5_an_l1_block_of_the_future_ends_no_proof_that_waits_for_its_turn() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 1));
    scene.slot(4);
    scene.prove_all();
    assert_eq!(scene.sessions(), ["publishing"]);
    scene.tell(Event::L1Seen(L1View { time: L1Time(10_000), ..scene.l1 }));
    assert_eq!(scene.sessions(), ["publishing"]);
    scene.tell(Event::L1Seen(scene.l1));
    scene.settle();
    assert_eq!((scene.sessions(), scene.l1.proven), (vec!["completed"], CheckpointNumber(1)));
}

#[test]
fn c11_it_is_said_why_an_epoch_has_no_session() {
    let mut scene = Scene::at_most(1);
    scene.lands(checkpoint(1, 1));
    scene.l1.pending = number(2);
    scene.slot(4);
    assert_eq!(waits(&scene, 0), Some(Hindrance::Incomplete));
    scene.lands(checkpoint(2, 5));
    assert_eq!(waits(&scene, 0), None, "its session is open");
    scene.slot(8);
    assert_eq!(waits(&scene, 1), Some(Hindrance::NoRoom { live: 1 }));
    scene.settle();
    assert_eq!(scene.sessions(), ["completed", "completed"]);
}

/// It may have been ahead when the node started, and the node's times never go back.
#[test]
fn l1_is_not_said_to_be_old_where_the_clock_was_put_back() {
    let mut scene = Scene::new();
    let is_old = |scene: &Scene| {
        let problems = scene.node.snapshot().problems;
        problems.iter().any(|problem| matches!(problem, Problem::L1Old { .. }))
    };
    // L1's newest block is of 0 s, and this node's time is 1,000 s.
    assert!(is_old(&scene));
    for (ahead, old) in [(800, true), (900, false), (0, true)] {
        scene.node.clock_is_ahead(Duration::from_secs(ahead));
        assert_eq!(is_old(&scene), old, "{ahead} s ahead");
    }
}
