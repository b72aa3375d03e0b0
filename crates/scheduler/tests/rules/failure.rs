//! Retries, silence, timeouts and late results.

use crate::scene::{Scene, assigned, failure, withdraw};
use proofmill_fault::Code;
use proofmill_primitives::{ProverType, TaskKind, WorkerKind};
use proofmill_scheduler::{Action, Config, Event, ProofSpec, Refused, TaskState, Time};
use std::time::Duration;

fn two_workers() -> Scene {
    let mut scene = Scene::new();
    scene.worker("a", WorkerKind::Gpu, 8);
    scene.worker("b", WorkerKind::Gpu, 8);
    scene.proof("p", TaskKind::ProveShard);
    assert_eq!(scene.at("p/root"), Some("a"));
    scene
}

#[test]
fn a_failed_task_is_tried_elsewhere_and_at_most_three_times_again() {
    let mut scene = two_workers();
    scene.fails("a", "p/root");
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (None, 1), "it is not given out at once");
    scene.pass(2, &["a", "b"]);
    assert_eq!(scene.at("p/root"), Some("b"));
    // Everybody failed it: it may go anywhere again, after four times as long.
    scene.fails("b", "p/root");
    scene.pass(2, &["a", "b"]);
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (None, 2));
    scene.pass(4, &["a", "b"]);
    let worker = scene.at("p/root").unwrap().to_owned();
    scene.fails(&worker, "p/root");
    scene.pass(21, &["a", "b"]);
    let worker = scene.at("p/root").unwrap().to_owned();
    let cause = failure(scene.fails(&worker, "p/root"), "p").unwrap();
    assert!(cause.contains("4 times") && cause.contains("out of luck"), "{cause}");
    assert_eq!(scene.scheduler.proofs().count(), 0);
    assert_eq!((scene.weight("a"), scene.weight("b")), (0, 0));
}

#[test]
fn a_failed_task_waits_for_a_busy_worker_rather_than_going_back() {
    let mut scene = two_workers();
    scene.task("p", "x", TaskKind::ProveShard);
    scene.task("p", "y", TaskKind::ProveShard);
    scene.task("p", "z", TaskKind::ProveShard);
    assert_eq!((scene.weight("a"), scene.weight("b")), (8, 8));
    scene.fails("a", "p/root");
    scene.pass(2, &["a", "b"]);
    assert_eq!((scene.at("p/root"), scene.weight("a")), (None, 4));
    let busy = scene.held("b")[0].clone();
    scene.done("b", busy.as_str());
    assert_eq!(scene.at("p/root"), Some("b"));
}

#[test]
fn a_fatal_failure_fails_the_proof_and_withdraws_the_rest() {
    let mut scene = two_workers();
    scene.task("p", "other", TaskKind::ProveShard);
    let actions = scene.faults("a", "p/root", Code::Malformed);
    assert!(failure(actions, "p").unwrap().contains("out of luck"));
    assert!(actions.contains(&withdraw("b", "p", "other")));
    assert_eq!((scene.weight("a"), scene.weight("b")), (0, 0));
}

#[test]
fn a_silent_worker_is_dead_after_the_timeout_and_not_before() {
    let mut scene = two_workers();
    scene.pass(30, &["b"]);
    assert_eq!(scene.at("p/root"), Some("a"));
    let actions = scene.pass(1, &["b"]);
    let lost = Action::WorkerLost { worker: "a".into(), tasks: vec!["p/root".into()] };
    assert!(actions.contains(&lost));
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some("b"), 0), "a lost worker is no try");
}

#[test]
fn a_late_success_completes_the_task_and_withdraws_the_copy() {
    let mut scene = two_workers();
    scene.pass(31, &["b"]);
    assert_eq!((scene.at("p/root"), scene.weight("b")), (Some("b"), 4));
    let actions = scene.done("a", "p/root");
    assert!(actions.contains(&withdraw("b", "p", "p/root")));
    assert_eq!((scene.state("p/root"), scene.weight("b")), (&TaskState::Succeeded, 0));
    // And again, from both.
    assert!(scene.done("a", "p/root").is_empty());
    assert!(scene.done("b", "p/root").is_empty());
    assert_eq!(scene.weight("b"), 0);
}

#[test]
fn a_late_failure_changes_nothing() {
    let mut scene = two_workers();
    scene.pass(31, &["b"]);
    assert!(scene.fails("a", "p/root").is_empty());
    assert_eq!((scene.at("p/root"), scene.weight("b")), (Some("b"), 4));
}

#[test]
fn a_worker_that_was_only_silent_keeps_what_nobody_else_took() {
    let mut scene = Scene::new();
    scene.worker("a", WorkerKind::Gpu, 8);
    scene.proof("p", TaskKind::ProveShard);
    scene.pass(31, &[]);
    assert_eq!(scene.retries("p/root"), 0);
    scene.tell(Event::WorkerGone { worker: "a".into() });
    // It comes back too small to be given anything new, but it has the task and goes on.
    scene.task("p", "other", TaskKind::SetupVkey);
    scene.worker("a", WorkerKind::Gpu, 5);
    let held = scene.held("a");
    assert_eq!(held.len(), 2, "{held:?}");
    scene.heartbeat("a", &["p/root", "other"]);
    assert_eq!(scene.at("p/root"), Some("a"));
}

#[test]
fn a_worker_that_names_what_runs_elsewhere_is_told_to_stop() {
    let mut scene = two_workers();
    scene.pass(31, &["b"]);
    scene.worker("a", WorkerKind::Gpu, 8);
    assert!(scene.heartbeat("a", &["p/root"]).contains(&withdraw("a", "p", "p/root")));
    scene.tell(Event::ProofCancelled { proof: "p".into() });
    assert!(scene.heartbeat("b", &["p/root"]).contains(&withdraw("b", "p", "p/root")));
}

#[test]
fn a_task_that_never_arrived_is_sent_once_more_and_then_given_to_another() {
    let mut scene = two_workers();
    scene.now += 9_000;
    assert!(scene.heartbeat("a", &[]).is_empty());
    scene.now += 1_001;
    assert_eq!(assigned(scene.heartbeat("a", &[])), [(&"a".into(), &"p/root".into())]);
    scene.now += 10_000;
    assert!(scene.heartbeat("a", &[]).is_empty());
    scene.now += 1;
    scene.heartbeat("a", &[]);
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (None, 0));
    scene.pass(2, &["b"]);
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some("b"), 0));
}

#[test]
fn a_task_that_runs_too_long_is_withdrawn_and_tried_elsewhere() {
    let mut scene = Scene::with(Config { task_timeout: Duration::from_secs(60), ..Config::default() });
    scene.worker("a", WorkerKind::Gpu, 8);
    scene.worker("b", WorkerKind::Gpu, 4);
    scene.proof("p", TaskKind::ProveShard);
    scene.pass(60, &["a", "b"]);
    assert_eq!(scene.at("p/root"), Some("a"));
    let actions = scene.pass(1, &["a", "b"]);
    assert!(actions.contains(&withdraw("a", "p", "p/root")));
    scene.pass(2, &["a", "b"]);
    assert_eq!((scene.at("p/root"), scene.weight("a")), (Some("b"), 0));
    // The last try that takes too long fails the proof, and the worker is told.
    let actions = scene.pass(61 * 3 + 5 + 20, &["a", "b"]);
    assert!(failure(&actions, "p").unwrap().contains("longer than 60 s"));
    assert_eq!(actions.iter().filter(|action| matches!(action, Action::Withdraw { .. })).count(), 3);
}

#[test]
fn a_controller_waits_as_long_as_the_others_work() {
    let mut scene = Scene::with(Config { task_timeout: Duration::from_secs(60), ..Config::default() });
    scene.worker("a", WorkerKind::All, 8);
    scene.worker("b", WorkerKind::All, 8);
    scene.proof("p", TaskKind::Controller);
    let actions = scene.pass(61 * 5, &["a", "b"]);
    assert!(actions.is_empty(), "{actions:?}");
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some("a"), 0));
}

#[test]
fn a_proof_fails_at_its_deadline_with_what_kept_it() {
    let mut scene = Scene::new();
    let deadline = Some(Time::from_millis(scene.now + 60_000));
    let spec = ProofSpec { id: "p".into(), prover: ProverType::Exec, requester: String::new(), deadline };
    scene.proof_of(spec.clone(), TaskKind::Controller);
    assert_eq!(failure(&scene.pass(59, &[]), "p"), None);
    let cause = failure(&scene.pass(1, &[]), "p").unwrap();
    assert!(
        cause.contains("60 s") && cause.contains("0 of 1") && cause.contains("none of the 0 workers"),
        "{cause}"
    );
    // One that is too late from the beginning is not begun.
    assert!(failure(scene.proof_of(spec, TaskKind::Controller), "p").is_some());
}

#[test]
fn another_deadline_takes_the_place_of_the_first() {
    let mut scene = Scene::new();
    let start = scene.now;
    let at = |seconds: u64| Time::from_millis(start + seconds * 1000);
    let moved = |seconds| Event::DeadlineMoved { proof: "p".into(), deadline: at(seconds) };
    let deadline = Some(at(60));
    let spec = ProofSpec { id: "p".into(), prover: ProverType::Exec, requester: String::new(), deadline };
    scene.proof_of(spec, TaskKind::Controller);
    scene.tell(moved(90));
    assert_eq!(failure(&scene.pass(80, &[]), "p"), None);
    scene.tell(moved(85));
    assert!(failure(&scene.pass(5, &[]), "p").unwrap().contains("85 s"));
    let late = scene.scheduler.handle(at(200), moved(300));
    assert_eq!(late, Err(Refused::NoSuchProof("p".into())));
}

#[test]
fn when_the_coordinator_was_stopped_no_worker_is_blamed() {
    // Also for longer than a task may run: a machine that slept did nothing meanwhile.
    for hours in [1, 7] {
        let mut scene = two_workers();
        scene.pass(2, &["a", "b"]);
        scene.now += hours * 3_600_000;
        assert!(scene.tell(Event::Tick).is_empty());
        scene.pass(25, &["b"]);
        assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some("a"), 0));
        scene.pass(6, &["b"]);
        assert_eq!(scene.at("p/root"), Some("b"));
    }
}

#[test]
fn when_the_clock_goes_back_silence_still_counts() {
    let mut scene = two_workers();
    scene.pass(2, &["a", "b"]);
    scene.now -= 500_000;
    scene.tell(Event::Tick);
    assert_eq!(scene.at("p/root"), Some("a"));
    scene.pass(31, &["b"]);
    assert_eq!(scene.at("p/root"), Some("b"));
}
