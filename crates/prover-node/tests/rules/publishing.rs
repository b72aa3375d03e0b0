//! The publishing service.

use crate::scene::{EXEC, Scene, cause, checkpoint, clock, number, receipt};
use proofmill_chain::PruneCause;
use proofmill_primitives::{Epoch, SlotClock};
use proofmill_prover_node::rules::{
    Action, CandidateEnd, Change, Config, Event, Pass, ProofLevel, PublishOutcome, PublishStep, SessionState,
};

/// One epoch, proven, its candidate queued.
fn ready() -> Scene {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.prove_all();
    assert_eq!(scene.session(1), SessionState::Publishing);
    scene
}

fn flying() -> Scene {
    let mut scene = ready();
    scene.read_tip();
    assert_eq!(scene.in_flight(), Some(1));
    scene
}

#[test]
fn the_tip_is_read_afresh_before_each_publish() {
    let mut scene = ready();
    let pass = scene.tip.unwrap();
    // Nothing is published on what was known before.
    assert_eq!(scene.publish, None);
    scene.wait(60_000);
    assert_eq!((scene.publish.clone(), scene.tip), (None, Some(pass)));
    // An answer to another pass counts for nothing.
    scene.tell(Event::TipRead { pass: Pass(pass.0 + 1), tip: Ok(scene.l1) });
    assert_eq!(scene.publish, None);
    scene.read_tip();
    assert_eq!(scene.in_flight(), Some(1));
}

#[test]
fn content_that_moved_while_the_tip_was_read_is_not_published() {
    let mut scene = ready();
    scene.tell(Event::Pruned { to: number(0), cause: PruneCause::L1Reorg });
    scene.read_tip();
    assert_eq!(scene.publish, None);
    assert_eq!(scene.node.snapshot().publishing, PublishStep::Idle);
}

#[test]
fn a_tip_that_cannot_be_read_is_read_again_after_a_second() {
    let mut scene = ready();
    let pass = scene.tip.take().unwrap();
    scene.tell(Event::TipRead { pass, tip: Err(cause()) });
    assert!(scene.problems().contains(&cause()));
    scene.wait(900);
    assert_eq!(scene.tip, None);
    scene.wait(100);
    scene.read_tip();
    assert_eq!(scene.in_flight(), Some(1));
}

#[test]
fn a_tip_that_could_not_be_read_is_no_problem_when_no_proof_waits_for_it() {
    let mut scene = ready();
    let pass = scene.tip.take().unwrap();
    scene.tell(Event::TipRead { pass, tip: Err(cause()) });
    assert!(scene.problems().contains(&cause()));
    // Another prover was faster.
    scene.proven(1);
    assert_eq!(scene.sessions(), ["superseded"]);
    assert!(!scene.problems().contains(&cause()), "{}", scene.problems());
}

#[test]
fn without_a_publisher_it_is_tried_again_after_about_a_second() {
    for outcome in [PublishOutcome::Unavailable { cause: cause() }, PublishOutcome::Stale { cause: cause() }]
    {
        let mut scene = flying();
        scene.publish_ends(outcome);
        assert_eq!(scene.session(1), SessionState::Publishing);
        assert!(scene.problems().contains(&cause()));
        scene.wait(700);
        assert_eq!(scene.tip, None);
        scene.wait(550);
        scene.settle();
        assert_eq!(scene.sessions(), ["completed"]);
        assert!(!scene.problems().contains(&cause()));
    }
}

#[test]
fn a_publish_that_is_tried_again_and_again_is_told_of_when_something_is_new() {
    let publishing = |change: &Change| matches!(change, Change::Publishing { .. });
    let delayed = |change: &Change| matches!(change, Change::PublishDelayed { .. });
    let unavailable = |cause: &str| PublishOutcome::Unavailable { cause: cause.into() };
    let mut scene = ready();
    scene.read_tip();
    assert!(scene.reported(publishing));
    scene.publish_ends(unavailable("2 attestors are away"));
    assert!(scene.reported(delayed));
    for (cause, is_new) in [
        ("2 attestors are away", false),
        ("2 attestors are away", false),
        ("1 attestor is away", true),
        ("1 attestor is away", false),
    ] {
        scene.wait(8_000);
        scene.read_tip();
        assert!(scene.in_flight().is_some() && !scene.reported(publishing));
        scene.publish_ends(unavailable(cause));
        assert_eq!(scene.reported(delayed), is_new, "{cause}");
        assert!(scene.problems().contains(cause));
    }
    scene.wait(8_000);
    scene.settle();
    assert_eq!(scene.sessions(), ["completed"]);
}

/// Each try has attestors verify a proof, or say that they cannot: they are asked ever less often, and at once when it is new.
#[test]
fn a24_who_cannot_be_had_for_an_hour_is_not_asked_each_second() {
    let clock = SlotClock { window_epochs: 1_000.try_into().unwrap(), ..clock() };
    let mut scene = Scene::with(Config::new(clock, [EXEC]));
    scene.lands(checkpoint(1, 0));
    scene.slot(4);
    scene.prove_all();
    let (began, mut tries, mut longest) = (scene.now, 0, 0);
    let mut last = began;
    while scene.now - began < 3_600_000 {
        if scene.tip.is_some() {
            scene.read_tip();
            longest = longest.max(scene.now - last);
            last = scene.now;
            scene.publish_ends(PublishOutcome::Unavailable { cause: cause() });
            tries += 1;
        }
        scene.wait(250);
    }
    assert!((50..=80).contains(&tries), "{tries} tries in an hour");
    assert!((60_000..=76_000).contains(&longest), "{longest} ms between two");
}

#[test]
fn each_outcome_has_its_end() {
    let ends = [
        (PublishOutcome::Published(receipt()), "completed"),
        (PublishOutcome::AlreadyRecorded, "completed"),
        (PublishOutcome::Superseded, "superseded"),
        (PublishOutcome::WindowClosed, "timed out"),
        (PublishOutcome::Refused { cause: cause() }, "stopped"),
    ];
    for (outcome, end) in ends {
        let mut scene = flying();
        scene.publish_ends(outcome);
        assert_eq!(scene.sessions(), [end]);
        assert_eq!(scene.uploads(), 0);
        scene.wait(8_000);
        assert_eq!((scene.tip, scene.sessions().len()), (None, 1), "{end}");
        // None of them is tried again, but what L1 refuses now it may take later.
        scene.wait(8_000);
        assert_eq!(scene.sessions().len(), if end == "stopped" { 2 } else { 1 }, "{end}");
    }
}

#[test]
fn an_epoch_proof_that_was_lost_is_made_again() {
    let mut scene = flying();
    scene.publish_ends(PublishOutcome::RootLost { prover: crate::scene::EXEC });
    assert_eq!(scene.session(1), SessionState::AwaitingRoot);
    assert_eq!(scene.roots().len(), 1);
    scene.settle();
    assert_eq!(scene.sessions(), ["completed"]);
}

#[test]
fn an_epoch_proof_that_is_lost_again_and_again_is_not_made_in_haste() {
    let mut scene = flying();
    for times in 0..4 {
        scene.publish_ends(PublishOutcome::RootLost { prover: crate::scene::EXEC });
        assert_eq!(scene.roots().len(), usize::from(times == 0), "{times}: only at first at once");
        scene.wait(40_000);
        assert_eq!(scene.roots().len(), 1, "{times}");
        scene.prove_all();
        scene.read_tip();
    }
    scene.publish_ends(PublishOutcome::Published(crate::scene::receipt()));
    assert_eq!(scene.sessions(), ["completed"]);
}

fn bad_proof() -> PublishOutcome {
    PublishOutcome::BadProof { prover: crate::scene::EXEC, cause: cause() }
}

#[test]
fn a_proof_that_l1_rejects_is_made_anew_once() {
    let discarded =
        |change: &Change| matches!(change, Change::ProofDiscarded { level: ProofLevel::Epoch, .. });
    let mut scene = flying();
    scene.publish_ends(bad_proof());
    assert!(scene.reported(discarded) && scene.problems().contains(&cause()));
    assert_eq!((scene.session(1), scene.uploads()), (SessionState::AwaitingRoot, 0));
    assert_eq!(scene.roots().len(), 1);
    scene.settle();
    assert_eq!(scene.sessions(), ["completed"]);

    let mut scene = flying();
    scene.publish_ends(bad_proof());
    scene.prove_all();
    scene.read_tip();
    scene.publish_ends(bad_proof());
    assert!(scene.reported(discarded) && scene.uploads() == 0);
    let SessionState::Stopped { cause: said, .. } = scene.session(1) else {
        panic!("{:?}", scene.session(1))
    };
    assert!(said.contains("refused again") && said.contains(&cause()), "{said}");
    scene.wait(8_000);
    assert_eq!((scene.tip, scene.jobs.len(), scene.sessions().len()), (None, 0, 1));
    // When asked, it begins with a clean slate.
    scene.tell(Event::Retry { epoch: Epoch(0) });
    scene.prove_all();
    scene.read_tip();
    scene.publish_ends(bad_proof());
    scene.settle();
    assert_eq!(scene.sessions(), ["stopped", "completed"]);
    assert_eq!(scene.node.snapshot().discarded.len(), 3);
}

#[test]
fn a_proof_that_is_refused_after_its_session_ended_is_not_made_anew() {
    let mut scene = flying();
    scene.tell(Event::Pruned { to: number(0), cause: PruneCause::L1Reorg });
    scene.publish_ends(bad_proof());
    assert_eq!(scene.sessions(), ["cancelled"]);
    assert_eq!(scene.jobs, []);
}

#[test]
fn withdrawing_removes_only_what_is_queued_and_a_started_publish_runs_to_its_end() {
    let mut scene = ready();
    scene.prune(0);
    let withdrawn =
        |change: &Change| matches!(change, Change::Candidate { end: CandidateEnd::Withdrawn, .. });
    assert_eq!(scene.sessions(), ["cancelled"]);
    assert_eq!(scene.node.snapshot().candidates, []);

    let mut scene = flying();
    scene.tell(Event::Pruned { to: number(0), cause: PruneCause::L1Reorg });
    assert!(!scene.reported(withdrawn));
    assert!(scene.node.is_sending());
    scene.publish_ends(PublishOutcome::Published(receipt()));
    let published =
        |change: &Change| matches!(change, Change::Candidate { end: CandidateEnd::Published { .. }, .. });
    assert!(scene.reported(published));
    assert_eq!(scene.sessions(), ["cancelled"]);

    // If it came to nothing it is not tried again.
    let mut scene = flying();
    scene.tell(Event::Pruned { to: number(0), cause: PruneCause::L1Reorg });
    scene.publish_ends(PublishOutcome::Unavailable { cause: cause() });
    assert!(scene.reported(withdrawn));
    scene.wait(10_000);
    assert_eq!(scene.tip, None);
}

#[test]
fn a_queued_candidate_expires_at_its_deadline() {
    let mut scene = ready();
    scene.read_tip();
    scene.publish_ends(PublishOutcome::Unavailable { cause: cause() });
    // Epoch 0 ends at slot 4; its window of two epochs at slot 12.
    scene.slot(11);
    scene.tip = None;
    assert_eq!(scene.session(1), SessionState::Publishing);
    scene.slot(12);
    let expired = |change: &Change| matches!(change, Change::Candidate { end: CandidateEnd::Expired, .. });
    assert!(scene.reported(expired));
    assert_eq!(scene.session(1), SessionState::TimedOut);
}

#[test]
fn a_publish_in_flight_may_come_through_after_the_deadline() {
    let mut scene = flying();
    scene.slot(12);
    assert_eq!(scene.session(1), SessionState::Publishing);
    scene.publish_ends(PublishOutcome::Published(receipt()));
    assert!(matches!(scene.session(1), SessionState::Completed { .. }));
}

#[test]
fn a_node_that_stops_publishes_nothing_new_and_lets_a_publish_in_flight_end() {
    let mut scene = flying();
    scene.lands(checkpoint(2, 5));
    scene.tell(Event::StopSessions);
    assert_eq!(scene.session(1), SessionState::Publishing);
    assert!(scene.node.is_sending());
    assert_eq!(scene.ranges().len(), 1, "provers end last");
    scene.publish_ends(PublishOutcome::Published(receipt()));
    assert!(!scene.node.is_sending());
    assert_eq!(scene.sessions(), ["completed"]);
    scene.tell(Event::StopProvers);
    assert_eq!(scene.jobs, []);

    let mut scene = ready();
    scene.tell(Event::StopSessions);
    assert_eq!(scene.sessions(), ["cancelled"]);
    assert!(!scene.node.is_sending());
    let pass = scene.tip.unwrap();
    scene.tell(Event::TipRead { pass, tip: Ok(scene.l1) });
    assert!(!scene.last.iter().any(|action| matches!(action, Action::Publish { .. })));
    let refused = scene.try_tell(Event::Checkpointed(checkpoint(2, 5)));
    assert_eq!(refused, Err(proofmill_prover_node::rules::Refused::Stopping));
}
