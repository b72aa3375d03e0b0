//! Full sessions.

use crate::scene::{Asked, EXEC, OPENVM, Scene, branch, cause, checkpoint, failed, number, receipt};
use proofmill_primitives::Epoch;
use proofmill_prover_node::rules::{
    Action, Cancelled, Change, Event, JobError, PublishOutcome, RangeSpec, RootError, SessionState, StoppedBy,
};

#[test]
fn a_full_session_opens_when_its_epoch_is_complete_on_l1_and_wholly_present() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.lands(checkpoint(2, 3));
    assert_eq!(scene.sessions(), [] as [&str; 0], "the epoch still runs");
    // L1 has another checkpoint of the epoch, which has not been told.
    scene.l1.pending = number(3);
    scene.slot(4);
    assert_eq!(scene.sessions(), [] as [&str; 0], "something is missing");
    scene.l1.pending = number(2);
    scene.slot(4);
    assert_eq!(scene.sessions(), ["awaiting checkpoints"]);
}

#[test]
fn a_checkpoint_of_a_later_epoch_shows_that_the_epoch_is_complete() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    // L1's time is not seen.
    scene.tell(Event::Checkpointed(checkpoint(2, 5)));
    assert_eq!(scene.sessions(), ["awaiting checkpoints"]);
}

#[test]
fn a_session_goes_from_its_checkpoints_to_its_root_to_l1() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.lands(checkpoint(2, 1));
    scene.answer_at(0, Ok(()));
    scene.slot(4);
    assert_eq!(scene.session(1), SessionState::AwaitingCheckpoints);
    scene.answer_at(0, Ok(()));
    assert_eq!(scene.session(1), SessionState::AwaitingRoot);
    assert_eq!(scene.roots(), [(EXEC, 1, 20)]);
    scene.answer_at(0, Ok(()));
    assert_eq!(scene.session(1), SessionState::Publishing);
    scene.read_tip();
    assert_eq!(scene.in_flight(), Some(2));
    scene.publish_ends(PublishOutcome::Published(receipt()));
    assert_eq!(scene.session(1), SessionState::Completed { receipt: Some(receipt()) });
    let names: Vec<_> =
        scene.node.snapshot().sessions[0].history.iter().map(|(_, state)| state.name()).collect();
    assert_eq!(names, ["initialized", "awaiting checkpoints", "awaiting root", "publishing", "completed"]);
    // It is not done again.
    scene.wait(1_000);
    assert_eq!((scene.sessions(), scene.last.len()), (vec!["completed"], 0));
}

#[test]
fn each_type_aggregates_as_soon_as_its_own_ranges_are_there() {
    let mut scene = Scene::two_types();
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.answer_at(1, Ok(()));
    assert_eq!(scene.ranges(), [(EXEC, 1, 10)]);
    assert_eq!(scene.roots(), [(OPENVM, 1, 10)]);
    assert_eq!(scene.session(1), SessionState::AwaitingCheckpoints);
    scene.answer_at(1, Ok(()));
    assert_eq!(scene.tip, None, "an epoch needs a proof of each type");
    scene.settle();
    assert_eq!(scene.sessions(), ["completed"]);
}

#[test]
fn epochs_are_proven_side_by_side_and_published_one_after_another() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.lands(checkpoint(2, 4));
    scene.slot(8);
    // The second epoch is ready first: it waits for the first.
    scene.answer_at(1, Ok(()));
    scene.answer_at(1, Ok(()));
    assert_eq!(scene.sessions(), ["awaiting checkpoints", "publishing"]);
    assert_eq!(scene.tip, None);
    scene.prove_all();
    scene.read_tip();
    assert_eq!(scene.in_flight(), Some(1));
    scene.publish_ends(PublishOutcome::Published(receipt()));
    scene.read_tip();
    assert_eq!(scene.in_flight(), Some(2));
}

#[test]
fn a_session_whose_content_moved_is_cancelled_and_rebuilt() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.lands(checkpoint(2, 1));
    scene.slot(4);
    scene.prove_all();
    assert_eq!(scene.session(1), SessionState::Publishing);
    scene.prune(1);
    assert_eq!(scene.session(1), SessionState::Cancelled { why: Cancelled::Moved });
    scene.lands(branch(5, 2, 2));
    scene.slot(4);
    // Both what stayed and what came is in the new one.
    let snapshot = scene.node.snapshot();
    let rebuilt = snapshot.sessions.iter().find(|session| session.state.is_live()).unwrap();
    assert_eq!((rebuilt.span.first, rebuilt.span.last), (number(1), number(2)));
    assert_eq!(rebuilt.span.spec.range.last_hash, branch(5, 2, 2).last_hash);
    assert_eq!(scene.ranges(), [(EXEC, 11, 20)], "what stayed is not proven again");
}

#[test]
fn a_failed_checkpoint_stops_its_sessions_without_a_verdict() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.lands(checkpoint(2, 1));
    scene.slot(4);
    scene.answer_at(0, Err(JobError::Refuted { cause: cause() }));
    assert!(
        matches!(scene.session(1), SessionState::Stopped { by: StoppedBy::Checkpoint { number: by }, .. } if by == number(1))
    );
    assert_eq!(scene.uploads(), 1, "of the checkpoint, not of the session");
    scene.wait(10_000);
    assert_eq!(scene.sessions(), ["stopped"]);
    // A prune was on its way: with other content it goes on.
    scene.prune(0);
    scene.lands(branch(3, 1, 2));
    scene.slot(4);
    scene.settle();
    assert_eq!(scene.sessions(), ["stopped", "completed"]);
}

fn fails_twice(scene: &mut Scene) {
    for _ in 0..2 {
        scene.answer_at(0, Err(failed()));
        assert_eq!(scene.uploads(), 0);
        scene.wait(8_000);
    }
}

/// A fault of a moment is no verdict: what stopped comes back by itself, as long as L1's window is open.
#[test]
fn c1_a_session_that_stopped_comes_back_by_itself() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.answer_at(0, Ok(()));
    fails_twice(&mut scene);
    assert_eq!((scene.sessions(), scene.jobs.len()), (vec!["stopped"], 0));
    assert!(scene.problems().contains("retry") && scene.problems().contains(&cause()));
    scene.wait(8_000);
    assert_eq!(scene.sessions(), ["stopped", "awaiting root"]);
    assert!(!scene.problems().contains("retry"), "{}", scene.problems());
    // The pauses grow.
    fails_twice(&mut scene);
    scene.wait(8_000);
    assert_eq!(scene.sessions(), ["stopped", "stopped"]);
    scene.wait(16_000);
    scene.settle();
    assert_eq!(scene.sessions(), ["stopped", "stopped", "completed"]);
}

#[test]
fn an_operator_has_a_stopped_session_tried_again_at_once() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.answer_at(0, Ok(()));
    for _ in 0..2 {
        scene.wait(8_000);
        scene.answer_at(0, Err(failed()));
    }
    assert_eq!(scene.sessions(), ["stopped"]);
    scene.tell(Event::Retry { epoch: Epoch(0) });
    scene.settle();
    assert_eq!(scene.sessions(), ["stopped", "completed"]);
}

/// The record is made once, when nothing can be done any more.
#[test]
fn c3_a_window_that_closes_without_a_proof_is_recorded_once_with_what_kept_it() {
    let missed = |change: &Change| matches!(change, Change::EpochMissed { epoch: Epoch(0), .. });
    // What stopped has failed.
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.answer_at(0, Ok(()));
    fails_twice(&mut scene);
    scene.slot(12);
    assert!(scene.reported(missed) && scene.uploads() == 1);
    let SessionState::Failed { cause: said } = scene.session(1) else { panic!("{:?}", scene.session(1)) };
    assert!(said.contains(&cause()), "{said}");
    scene.slot(16);
    scene.wait(100_000);
    assert_eq!((scene.sessions(), scene.uploads()), (vec!["failed"], 0));
    // The cluster was slow.
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.slot(12);
    assert!(scene.reported(missed) && scene.uploads() == 1);
    assert_eq!(scene.sessions(), ["timed out"]);
    // A checkpoint stopped under it.
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.answer_at(0, Err(JobError::BadProof { cause: cause() }));
    scene.slot(4);
    scene.slot(12);
    let said = scene.last.iter().find_map(|action| match action {
        Action::Upload(failure) => Some(failure.cause.clone()),
        _ => None,
    });
    assert!(said.unwrap().contains(&cause()));
    // What is proven was not missed.
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.settle();
    scene.slot(12);
    assert!(!scene.reported(missed) && scene.uploads() == 0);
}

#[test]
fn an_aggregation_that_cannot_be_executed_stops_at_once() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.answer_at(0, Ok(()));
    scene.answer_at(0, Err(crate::scene::cannot_execute()));
    assert_eq!(scene.sessions(), ["stopped"]);
}

#[test]
fn an_aggregation_waits_for_a_service_that_is_away() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.answer_at(0, Ok(()));
    for _ in 0..5 {
        scene.answer_at(0, Err(crate::scene::unavailable()));
        assert!(scene.problems().contains(&cause()));
        assert_eq!(scene.jobs, []);
        scene.wait(40_000);
    }
    scene.settle();
    assert_eq!(scene.sessions(), ["completed"]);
}

#[test]
fn a_range_proof_that_was_lost_is_made_again() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.lands(checkpoint(2, 1));
    scene.slot(4);
    let ranges: Vec<_> = scene.jobs.clone();
    ranges.iter().for_each(|asked| scene.answer(asked, Ok(())));
    let Asked::Root(job, ..) = scene.jobs.remove(0) else { panic!() };
    let range = RangeSpec::of(&checkpoint(2, 1));
    scene.tell(Event::RootEnded { job, result: Err(RootError::PartLost { range }) });
    assert_eq!(scene.session(1), SessionState::AwaitingCheckpoints);
    assert_eq!(scene.ranges(), [(EXEC, 11, 20)]);
    scene.settle();
    assert_eq!(scene.sessions(), ["completed"]);
}

/// A disk that gives nothing back: the cluster has the proof still, and gives it again and again.
#[test]
fn a_range_proof_that_is_lost_again_and_again_is_not_made_in_haste() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.answer_at(0, Ok(()));
    let range = RangeSpec::of(&checkpoint(1, 0));
    for times in 0..4 {
        let Asked::Root(job, ..) = scene.jobs.remove(0) else { panic!() };
        scene.tell(Event::RootEnded { job, result: Err(RootError::PartLost { range }) });
        assert_eq!(scene.ranges().len(), usize::from(times == 0), "{times}: only at first at once");
        scene.wait(40_000);
        assert_eq!(scene.ranges(), [(EXEC, 1, 10)], "{times}");
        scene.answer_at(0, Ok(()));
    }
    scene.settle();
    assert_eq!(scene.sessions(), ["completed"]);
}

#[test]
fn only_so_many_sessions_are_proven_at_a_time() {
    let mut scene = Scene::at_most(1);
    for n in 0..3 {
        scene.lands(checkpoint(n + 1, 4 * n));
    }
    // Two epochs are complete.
    assert_eq!(scene.sessions(), ["awaiting checkpoints"]);
    assert_eq!(scene.node.snapshot().sessions[0].spec.epoch, Epoch(0));
    scene.answer_at(0, Ok(()));
    assert_eq!(scene.sessions(), ["awaiting root"]);
    // A finished proof that waits for its turn holds nobody up.
    let root = scene.jobs.iter().find(|asked| matches!(asked, Asked::Root(..))).unwrap().clone();
    scene.answer(&root, Ok(()));
    assert_eq!(scene.sessions(), ["publishing", "awaiting checkpoints"]);
}

#[test]
fn what_l1_lost_after_it_was_published_is_published_again() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.settle();
    assert_eq!(scene.sessions(), ["completed"]);
    scene.l1.proven = number(0);
    scene.slot(4);
    // A node may lag behind the one that took the proof.
    scene.wait(50_000);
    assert_eq!(scene.sessions(), ["completed"]);
    scene.wait(10_000);
    scene.settle();
    assert_eq!(scene.sessions(), ["completed", "completed"]);
}

#[test]
fn reconciling_twice_changes_nothing() {
    let mut scene = Scene::two_types();
    for n in 1..=6 {
        scene.lands(checkpoint(n, 2 * n));
        let before = scene.node.snapshot();
        scene.tell(Event::Tick);
        assert_eq!(scene.last, []);
        let after = scene.node.snapshot();
        assert_eq!((before.sessions, before.checkpoints), (after.sessions, after.checkpoints));
    }
}
