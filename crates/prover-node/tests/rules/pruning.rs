//! Giving up on L1 what was not proven in time, where nobody else does.

use crate::scene::{EXEC, Scene, cause, checkpoint, clock, number, receipt};
use proofmill_primitives::Epoch;
use proofmill_prover_node::rules::{Action, Change, Config, Event, L1Time, Pass, PruneOutcome, PublishStep};
use std::time::Duration;

/// When the window of the first epoch closes.
const CLOSED: u64 = 12 * 12;

/// A checkpoint of the first epoch that is never proven, and one of the third, whose proof waits.
fn unproven(config: Config) -> Scene {
    let mut scene = Scene::with(config);
    scene.lands(checkpoint(1, 0));
    scene.lands(checkpoint(2, 9));
    scene.l1.closes = Some(L1Time(CLOSED));
    scene
}

fn scene() -> Scene {
    unproven(Config::new(clock(), [EXEC]))
}

fn time(scene: &mut Scene, seconds: u64) {
    scene.l1.time = L1Time(seconds);
    scene.tell(Event::L1Seen(scene.l1));
}

fn ends(scene: &mut Scene, outcome: PruneOutcome) {
    let pass = *scene.prunes.last().expect("a prune");
    scene.tell(Event::PruneEnded { pass, outcome });
}

fn given_up(scene: &mut Scene) {
    (scene.l1.pending, scene.l1.closes) = (number(0), None);
}

#[test]
fn what_nobody_prunes_is_pruned_a_slot_after_its_window_has_closed() {
    let mut scene = scene();
    for seconds in [CLOSED - 1, CLOSED, CLOSED + 11] {
        time(&mut scene, seconds);
        assert_eq!(scene.prunes, [], "{seconds}");
    }
    time(&mut scene, CLOSED + 12);
    assert_eq!(scene.prunes.len(), 1);
    assert!(scene.reported(|change| matches!(change, Change::Pruning { closed: L1Time(CLOSED) })));
    // One at a time, however long it takes.
    for seconds in CLOSED + 13..CLOSED + 100 {
        time(&mut scene, seconds);
        scene.wait(60_000);
    }
    assert_eq!(scene.prunes.len(), 1);
    assert!(scene.node.is_sending());
    ends(&mut scene, PruneOutcome::Pruned(receipt()));
    assert!(scene.reported(|change| *change == Change::PruneEnded { receipt: Some(receipt()) }));
    assert!(!scene.node.is_sending());
    // L1 shows it, and the same blocks are proposed again, and proven.
    given_up(&mut scene);
    scene.prune(0);
    time(&mut scene, 22 * 12);
    scene.lands(checkpoint(1, 22));
    time(&mut scene, 24 * 12);
    scene.settle();
    assert_eq!((scene.prunes.len(), scene.l1.proven), (1, number(1)));
}

#[test]
fn who_prunes_first_is_as_good() {
    let mut scene = scene();
    time(&mut scene, CLOSED + 11);
    given_up(&mut scene);
    time(&mut scene, CLOSED + 100);
    assert_eq!(scene.prunes, []);
    // Or while this one's transaction is under way.
    let mut scene = self::scene();
    time(&mut scene, CLOSED + 12);
    ends(&mut scene, PruneOutcome::NothingDue);
    assert!(scene.reported(|change| *change == Change::PruneEnded { receipt: None }));
    given_up(&mut scene);
    time(&mut scene, CLOSED + 13);
    scene.wait(100_000);
    assert!(!scene.problems().contains("given up"), "{}", scene.problems());
    time(&mut scene, CLOSED + 200);
    assert_eq!(scene.prunes.len(), 1);
}

#[test]
fn it_goes_by_the_settings() {
    let config = || Config::new(clock(), [EXEC]);
    let never = Config { prune_after: None, ..config() };
    let mut scene = unproven(never);
    time(&mut scene, CLOSED + 100_000);
    assert_eq!(scene.prunes, []);
    let later = Config { prune_after: Some(Duration::from_secs(100)), ..config() };
    let mut scene = unproven(later);
    time(&mut scene, CLOSED + 99);
    assert_eq!(scene.prunes, []);
    time(&mut scene, CLOSED + 100);
    assert_eq!(scene.prunes.len(), 1);
}

#[test]
fn a_pause_of_the_rollup_and_a_block_of_the_future_prune_nothing() {
    let mut scene = scene();
    (scene.l1.paused, scene.l1.closes) = (1_000, Some(L1Time(CLOSED + 1_000)));
    time(&mut scene, CLOSED + 1_011);
    assert_eq!(scene.prunes, []);
    scene.now = 500_000;
    time(&mut scene, CLOSED + 1_012);
    assert_eq!(scene.prunes, [], "this machine's clock is far behind that block");
    scene.now = 5_000_000;
    time(&mut scene, CLOSED + 1_012);
    assert_eq!(scene.prunes.len(), 1);
}

#[test]
fn what_keeps_it_from_being_pruned_is_told_and_it_is_tried_again() {
    let mut scene = scene();
    time(&mut scene, CLOSED + 12);
    let unavailable = || PruneOutcome::Unavailable { cause: cause() };
    ends(&mut scene, unavailable());
    assert!(scene.reported(|change| *change == Change::PruneDelayed { cause: cause() }));
    assert!(scene.problems().contains("cannot be given up on L1 now") && scene.problems().contains(&cause()));
    // The pauses grow, to a 16th of the window.
    let mut waited = Vec::new();
    for tries in 2..9 {
        let began = scene.now;
        while scene.prunes.len() < tries {
            scene.wait(100);
            assert!(scene.now - began < 100_000, "not tried again");
        }
        waited.push(scene.now - began);
        ends(&mut scene, unavailable());
        assert!(!scene.reported(|change| matches!(change, Change::PruneDelayed { .. })), "told twice");
    }
    assert!(
        waited[0] <= 1_500 && waited[1] > waited[0] && waited.iter().all(|wait| *wait < 8_000),
        "{waited:?}"
    );
    assert!(waited[6] > 4_000, "{waited:?}");
    given_up(&mut scene);
    time(&mut scene, CLOSED + 1_000);
    assert!(!scene.problems().contains("given up"), "{}", scene.problems());
}

#[test]
fn nothing_else_is_sent_meanwhile() {
    // An epoch that another prover settles up to the tip: its proof waits when the window of the next closes.
    let mut scene = scene();
    time(&mut scene, CLOSED + 12);
    assert_eq!(scene.prunes.len(), 1);
    // A proof that L1 would take now is ready: the rollup moved without this node.
    (scene.l1.proven, scene.l1.closes) = (number(1), Some(L1Time(12 * 20)));
    scene.tell(Event::Proven { checkpoint: number(1) });
    scene.prove_all();
    assert_eq!((scene.tip, scene.in_flight()), (None, None));
    // An answer to another pass means nothing.
    let pass = Pass(scene.prunes[0].0 + 7);
    scene.tell(Event::PruneEnded { pass, outcome: PruneOutcome::NothingDue });
    assert!(scene.node.is_sending() && scene.tip.is_none());
    ends(&mut scene, PruneOutcome::NothingDue);
    time(&mut scene, CLOSED + 13);
    scene.settle();
    assert_eq!(scene.l1.proven, number(2));
    // And nothing is pruned while a proof is being published.
    let mut scene = self::scene();
    scene.proven(1);
    scene.l1.closes = Some(L1Time(12 * 20));
    time(&mut scene, 12 * 12);
    scene.prove_all();
    scene.read_tip();
    assert_eq!(scene.in_flight(), Some(2));
    time(&mut scene, 12 * 21);
    assert_eq!(scene.prunes, []);
    let (pass, _) = scene.publish.take().unwrap();
    let outcome = proofmill_prover_node::rules::PublishOutcome::WindowClosed;
    scene.tell(Event::PublishEnded { pass, outcome });
    assert_eq!(scene.prunes.len(), 1);
}

#[test]
fn a_node_that_stops_waits_for_it_and_begins_none() {
    let mut scene = scene();
    time(&mut scene, CLOSED + 12);
    scene.tell(Event::StopSessions);
    assert!(scene.node.is_sending());
    assert!(matches!(scene.node.snapshot().publishing, PublishStep::Pruning { .. }));
    ends(&mut scene, PruneOutcome::Unavailable { cause: cause() });
    assert!(!scene.node.is_sending());
    scene.wait(100_000);
    assert_eq!(scene.prunes.len(), 1);
    let mut scene = self::scene();
    scene.tell(Event::StopSessions);
    time(&mut scene, CLOSED + 12);
    assert_eq!(scene.prunes, []);
    assert!(!scene.last.iter().any(|action| matches!(action, Action::Prune { .. })));
    assert_eq!(scene.node.high_water(), Some(Epoch(0)));
}
