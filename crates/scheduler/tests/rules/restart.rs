//! The coordinator was restarted.

use crate::scene::{Scene, assigned, failure};
use proofmill_fault::{Code, Fault, History};
use proofmill_primitives::{ProverType, TaskKind, WorkerKind};
use proofmill_scheduler::{Action, Config, Event, ProofSpec, Scheduler, TaskState, Time};

/// A proof with a task that ran on `a`, one that waited after a failure, and one that was done.
fn restarted() -> Scene {
    let mut scene = Scene::new();
    let proof =
        ProofSpec { id: "p".into(), prover: ProverType::Exec, requester: String::new(), deadline: None };
    let since = Time::from_millis(scene.now - 60_000);
    let states = [
        ("ran", TaskState::Running { worker: "a".into(), since, history: History::of_tries(1) }),
        (
            "waits",
            TaskState::Pending {
                history: History::of_tries(2),
                last_failure: Some(Fault::new(Code::ProverFailed, "x")),
            },
        ),
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

/// What was finished meanwhile could not be handed in: that nobody was there for so long is not held against it.
#[test]
fn a_task_may_run_for_as_long_again_after_a_restart() {
    let mut scene = restarted();
    scene.now += 7 * 3_600_000;
    scene.restart();
    scene.worker("a", WorkerKind::Gpu, 8);
    scene.pass(10, &["a"]);
    assert_eq!((scene.at("ran"), scene.retries("ran")), (Some("a"), 1));
    let limit = scene.scheduler.config().task_timeout;
    scene.pass(limit.as_secs(), &["a"]);
    assert_eq!(scene.retries("ran"), 2, "it hangs");
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

/// It goes elsewhere where there is an elsewhere, though that is not free yet.
#[test]
fn where_a_task_failed_is_known_after_a_restart() {
    let mut scene = Scene::new();
    scene.worker("a", WorkerKind::Gpu, 4);
    scene.proof("p", TaskKind::ProveShard);
    scene.worker("b", WorkerKind::Gpu, 4);
    scene.proof("q", TaskKind::ProveShard);
    scene.fails("a", "p/root");
    scene.restart();
    scene.worker("b", WorkerKind::Gpu, 4);
    scene.worker("a", WorkerKind::Gpu, 4);
    scene.pass(2, &["a", "b"]);
    assert_eq!((scene.at("p/root"), scene.at("q/root")), (None, Some("b")));
    scene.done("b", "q/root");
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some("b"), 1));
}

/// What was done before the restart is no sign that the proof of a controller goes on after it.
#[test]
fn a_controller_that_takes_workers_down_is_given_up_over_restarts() {
    let mut scene = Scene::new();
    scene.worker("shards", WorkerKind::Gpu, 8);
    scene.proof("p", TaskKind::Controller);
    scene.task("p", "x", TaskKind::ProveShard);
    scene.done("shards", "x");
    let mut failed = None;
    for round in 0..40 {
        let worker = format!("w{round}");
        scene.worker(&worker, WorkerKind::Cpu, 8);
        scene.pass(1, &[worker.as_str()]);
        let gone = Event::WorkerGone { worker: worker.as_str().into() };
        failed = failed.or(failure(scene.tell(gone), "p"));
        scene.restart();
    }
    assert!(failed.is_some_and(|cause| cause.contains("was lost")));
}

/// It is not forgotten either that its proof went on between two evictions of both.
#[test]
fn a_controller_outlives_evictions_with_the_coordinator_while_its_proof_goes_on() {
    let mut scene = Scene::new();
    scene.worker("w", WorkerKind::All, 12);
    scene.proof("p", TaskKind::Controller);
    for round in 0..30 {
        let shard = format!("x{round}");
        scene.task("p", &shard, TaskKind::ProveShard);
        scene.done("w", &shard);
        scene.restart();
        assert_eq!(failure(scene.tell(Event::WorkerReplaced { worker: "w".into() }), "p"), None);
        scene.worker("w", WorkerKind::All, 12);
        assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some("w"), 0), "{round}");
    }
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

/// Workers come back one after the other: that none but one is there yet is no reason to believe that one.
#[test]
fn a_verdict_without_a_reason_right_after_a_restart_waits_for_a_second_worker() {
    let mut scene = Scene::new();
    for worker in ["a", "b"] {
        scene.worker(worker, WorkerKind::Gpu, 8);
    }
    scene.proof("p", TaskKind::ProveShard);
    let first = scene.at("p/root").unwrap().to_owned();
    let second = if first == "a" { "b" } else { "a" };
    scene.restart();
    scene.worker(&first, WorkerKind::Gpu, 8);
    assert_eq!(failure(scene.faults(&first, "p/root", Code::Dismissed), "p"), None);
    scene.worker(second, WorkerKind::Gpu, 8);
    scene.pass(2, &["a", "b"]);
    assert_eq!(scene.at("p/root"), Some(second));
    assert!(failure(scene.faults(second, "p/root", Code::Dismissed), "p").is_some());
}

#[test]
fn a_verdict_without_a_reason_is_believed_where_nobody_else_comes_back() {
    let mut scene = Scene::new();
    scene.worker("a", WorkerKind::Gpu, 8);
    scene.proof("p", TaskKind::ProveShard);
    scene.restart();
    scene.worker("a", WorkerKind::Gpu, 8);
    scene.pass(31, &["a"]);
    assert!(failure(scene.faults("a", "p/root", Code::Dismissed), "p").is_some());
}
