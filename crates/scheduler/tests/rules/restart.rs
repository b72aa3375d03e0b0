//! The coordinator was restarted.

use crate::scene::{Scene, assigned, failure};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{ProverType, TaskKind, WorkerKind};
use proofmill_scheduler::{Action, Config, Event, ProofSpec, Scheduler, TaskState, Time};

/// A proof with a task that ran on `a`, one that waited after a failure, and one that was done.
fn restarted() -> Scene {
    let mut scene = Scene::new();
    let proof =
        ProofSpec { id: "p".into(), prover: ProverType::Exec, requester: String::new(), deadline: None };
    let since = Time::from_millis(scene.now - 60_000);
    let states = [
        ("ran", TaskState::Running { worker: "a".into(), since, retries: 1 }),
        ("waits", TaskState::Pending { retries: 2, last_failure: Some(Fault::new(Code::ProverFailed, "x")) }),
        ("done", TaskState::Succeeded),
    ];
    let tasks = states.map(|(id, state)| (Scene::spec("p", id, TaskKind::ProveShard), state));
    let time = scene.time();
    scene.scheduler = Scheduler::restore(Config::default(), time, [(proof, since)], tasks);
    scene
}

#[test]
fn a_worker_that_comes_back_keeps_its_tasks() {
    let mut scene = restarted();
    scene.worker("b", WorkerKind::Gpu, 4);
    assert_eq!((scene.at("ran"), scene.at("waits")), (Some("a"), Some("b")));
    assert_eq!(scene.retries("waits"), 2);
    scene.pass(20, &["b"]);
    scene.worker("a", WorkerKind::Gpu, 8);
    assert_eq!((scene.held("a").len(), scene.weight("a")), (1, 4));
    scene.pass(60, &["a", "b"]);
    assert_eq!((scene.at("ran"), scene.retries("ran")), (Some("a"), 1));
    scene.done("a", "ran");
    assert_eq!(scene.weight("a"), 0);
}

#[test]
fn a_worker_that_does_not_come_back_costs_no_retry() {
    let mut scene = restarted();
    scene.worker("b", WorkerKind::Gpu, 8);
    scene.pass(30, &["b"]);
    assert_eq!(scene.at("ran"), Some("a"));
    let actions = scene.pass(1, &["b"]);
    assert!(actions.contains(&Action::WorkerLost { worker: "a".into(), tasks: vec!["ran".into()] }));
    assert_eq!((scene.at("ran"), scene.retries("ran")), (Some("b"), 1));
}

#[test]
fn a_worker_that_comes_back_without_the_task_is_sent_it_again() {
    let mut scene = restarted();
    let actions = scene.worker("a", WorkerKind::Gpu, 8);
    assert!(assigned(actions).contains(&(&"a".into(), &"ran".into())));
    assert_eq!((scene.at("ran"), scene.retries("ran")), (Some("a"), 1));
}

#[test]
fn a_result_of_a_worker_that_has_not_registered_yet_counts() {
    let mut scene = restarted();
    scene.done("a", "ran");
    assert_eq!(scene.state("ran"), &TaskState::Succeeded);
    scene.worker("a", WorkerKind::Gpu, 4);
    assert_eq!((scene.weight("a"), scene.at("waits")), (4, Some("a")));
}

#[test]
fn a_proof_whose_end_was_cut_off_fails_at_the_next_event() {
    let mut scene = Scene::new();
    let proof =
        ProofSpec { id: "p".into(), prover: ProverType::Exec, requester: String::new(), deadline: None };
    let failed = TaskState::Failed { fault: Fault::new(Code::Malformed, "bad input") };
    let task = (Scene::spec("p", "t", TaskKind::ProveShard), failed);
    let time = scene.time();
    scene.scheduler = Scheduler::restore(Config::default(), time, [(proof, time)], [task]);
    assert_eq!(failure(scene.tell(Event::Tick), "p").unwrap(), "bad input");
    assert_eq!(scene.scheduler.proofs().count(), 0);
}
