//! Stores that are away, from one worker or from all, and what is missing in one.

use crate::scene::{Scene, failure, workers};
use proofmill_fault::Code;
use proofmill_primitives::{TaskKind, WorkerKind};
use proofmill_scheduler::{Event, TaskState};

/// A store that is away for minutes, on every worker: the proof waits, and is made.
#[test]
fn a1_e6a_a_store_that_is_away_costs_no_try() {
    let mut scene = workers(1);
    scene.proof("p", TaskKind::Controller);
    let mut tries = 0;
    for _ in 0..300 {
        if scene.at("p/root").is_some() {
            tries += 1;
            assert_eq!(failure(scene.faults("w0", "p/root", Code::StoreAway), "p"), None);
        }
        scene.pass(1, &["w0"]);
    }
    assert_eq!(scene.retries("p/root"), 0);
    // Not each second: the pauses grow to half a minute.
    assert!((10..20).contains(&tries), "{tries} tries in five minutes");
    scene.pass(40, &["w0"]);
    scene.done("w0", "p/root");
    assert_eq!(scene.state("p/root"), &TaskState::Succeeded);
}

/// One worker has lost its way to the store. It is the emptiest, since it fails all that it is given; each task goes there once.
#[test]
fn one_worker_without_a_store_stops_nobody() {
    for code in [Code::StoreAway, Code::StoreFull] {
        let mut scene = Scene::new();
        scene.worker("broken", WorkerKind::All, 64);
        scene.worker("good", WorkerKind::All, 8);
        scene.proof("p", TaskKind::Controller);
        let shards: Vec<_> = (0..12).map(|at| format!("t{at}")).collect();
        for shard in &shards {
            scene.task("p", shard, TaskKind::ProveShard);
        }
        let (mut failed, mut seconds) = (0, 0);
        while shards.iter().any(|shard| *scene.state(shard) != TaskState::Succeeded) {
            for task in scene.held("broken") {
                failed += 1;
                assert_eq!(failure(scene.faults("broken", task.as_str(), code), "p"), None);
            }
            if let Some(task) = scene.held("good").into_iter().find(|task| task.as_str() != "p/root") {
                scene.done("good", task.as_str());
            }
            scene.pass(1, &["broken", "good"]);
            seconds += 1;
            assert!(seconds < 60, "{failed} failures in a minute");
        }
        assert_eq!(failed, 13, "each task fails there once");
        assert_eq!(scene.at("p/root"), Some("good"));
    }
}

/// After such a fault the worker is given nothing new for a while, longer each time, until it finishes something.
#[test]
fn a_worker_without_a_store_has_a_rest() {
    let mut scene = Scene::new();
    scene.worker("broken", WorkerKind::Gpu, 4);
    scene.worker("good", WorkerKind::Gpu, 4);
    let both = ["broken", "good"];
    scene.proof("p", TaskKind::ProveShard);
    assert_eq!(scene.at("p/root"), Some("broken"));
    scene.faults("broken", "p/root", Code::StoreAway);
    scene.proof("q", TaskKind::ProveShard);
    scene.proof("r", TaskKind::ProveShard);
    assert_eq!(
        (scene.at("q/root"), scene.at("r/root")),
        (Some("good"), None),
        "it is not given to the broken one"
    );
    scene.pass(2, &both);
    // The first has been there, and waits for the other.
    assert_eq!((scene.at("r/root"), scene.at("p/root")), (Some("broken"), None));
    scene.faults("broken", "r/root", Code::StoreAway);
    scene.proof("s", TaskKind::ProveShard);
    scene.pass(1, &both);
    assert_eq!(scene.at("s/root"), None, "the second rest is longer");
    scene.pass(2, &both);
    assert_eq!(scene.at("s/root"), Some("broken"));
    // It finished something: the next rest is short again.
    scene.done("broken", "s/root");
    scene.proof("t", TaskKind::ProveShard);
    assert_eq!(scene.at("t/root"), Some("broken"));
    scene.faults("broken", "t/root", Code::StoreAway);
    scene.pass(2, &both);
    scene.proof("u", TaskKind::ProveShard);
    assert_eq!(scene.at("u/root"), Some("broken"));
    // One that comes back may be mended.
    scene.faults("broken", "u/root", Code::StoreAway);
    scene.worker("broken", WorkerKind::Gpu, 4);
    scene.proof("v", TaskKind::ProveShard);
    assert_eq!(scene.at("v/root"), Some("broken"));
}

/// Where a task was everywhere, it goes rather to a worker that can use its store: else nobody would find out what it lacks.
#[test]
fn what_is_missing_is_found_out_beside_a_worker_without_a_store() {
    let mut scene = Scene::new();
    scene.worker("broken", WorkerKind::Gpu, 64);
    scene.worker("good", WorkerKind::Gpu, 8);
    scene.proof("p", TaskKind::ProveShard);
    let lost = (0..900).any(|_| {
        let code = match scene.at("p/root") {
            Some("broken") => Some(Code::StoreAway),
            at => at.map(|_| Code::Missing),
        };
        let worker = scene.at("p/root").map(str::to_owned);
        if let (Some(worker), Some(code)) = (worker, code)
            && failure(scene.faults(&worker, "p/root", code), "p").is_some()
        {
            return true;
        }
        scene.pass(1, &["broken", "good"]);
        false
    });
    assert!(lost);
}

/// A store that is away for all: nobody is avoided for it, and every task goes on when it is back.
#[test]
fn a_store_that_is_away_for_a_whole_fleet_is_no_workers_fault() {
    let mut scene = workers(40);
    let alive: Vec<_> = (0..40).map(|at| format!("w{at}")).collect();
    let alive: Vec<_> = alive.iter().map(String::as_str).collect();
    scene.proof("p", TaskKind::Controller);
    let tasks: Vec<_> = (0..60).map(|at| format!("t{at}")).collect();
    for task in &tasks {
        scene.task("p", task, TaskKind::ProveShard);
    }
    for _ in 0..120 {
        for task in &tasks {
            if let Some(worker) = scene.at(task).map(str::to_owned) {
                assert_eq!(failure(scene.faults(&worker, task, Code::StoreAway), "p"), None);
            }
        }
        scene.pass(1, &alive);
    }
    scene.pass(80, &alive);
    assert!(tasks.iter().all(|task| scene.at(task).is_some() && scene.retries(task) == 0));
}

/// What a client stored is not there, on a worker that lives and beats: ten minutes, and not for ever.
#[test]
fn what_is_missing_for_ten_minutes_fails_the_proof_whatever_heartbeats_say() {
    let mut scene = workers(1);
    scene.proof("p", TaskKind::Controller);
    let (mut tries, mut seconds) = (0, 0);
    loop {
        if scene.at("p/root").is_some() {
            tries += 1;
            scene.heartbeat("w0", &["p/root"]);
            if failure(scene.faults("w0", "p/root", Code::Missing), "p").is_some() {
                break;
            }
        }
        scene.pass(1, &["w0"]);
        seconds += 1;
        assert!(seconds < 2_000, "{tries} tries");
    }
    assert!((600..=700).contains(&seconds), "{seconds} s");
    assert!((20..40).contains(&tries), "{tries} tries: not each second");
}

/// Everything goes down or to sleep, and is back an hour later, with a share that is mounted last: nobody has missed anything for ten
/// minutes.
#[test]
fn what_is_missing_is_so_for_as_long_as_somebody_was_there_to_see_it() {
    for restarts in [false, true] {
        let mut scene = workers(1);
        scene.proof("p", TaskKind::Controller);
        assert_eq!(failure(scene.faults("w0", "p/root", Code::Missing), "p"), None);
        scene.tell(Event::Tick);
        scene.now += 3_600_000;
        if restarts {
            scene.restart();
            scene.worker("w0", WorkerKind::All, 8);
        }
        scene.tell(Event::Tick);
        let mut seconds = 0;
        loop {
            if scene.at("p/root").is_some()
                && failure(scene.faults("w0", "p/root", Code::Missing), "p").is_some()
            {
                break;
            }
            scene.pass(1, &["w0"]);
            seconds += 1;
            assert!(seconds < 2_000, "restarts: {restarts}");
        }
        assert!((600..=700).contains(&seconds), "restarts: {restarts}, {seconds} s");
    }
}

/// A store that was away when a task began says nothing of what it misses two hours later.
#[test]
fn a_task_that_ran_for_long_had_what_it_needed() {
    let mut scene = workers(2);
    scene.proof("p", TaskKind::Controller);
    let worker = scene.at("p/root").unwrap().to_owned();
    scene.faults(&worker, "p/root", Code::Missing);
    scene.pass(7_200, &["w0", "w1"]);
    let worker = scene.at("p/root").unwrap().to_owned();
    assert_eq!(failure(scene.faults(&worker, "p/root", Code::Missing), "p"), None);
}

/// It was too much for the small one, beside what ran there; but the large one has lost its store.
#[test]
fn a_smaller_worker_is_better_than_a_larger_one_without_a_store() {
    let (mut scene, all) = (workers(1), ["w0", "large"]);
    scene.proof("p", TaskKind::Controller);
    scene.worker("large", WorkerKind::All, 16);
    scene.faults("w0", "p/root", Code::KilledForMemory);
    scene.pass(60, &all);
    assert_eq!(scene.at("p/root"), Some("large"));
    scene.faults("large", "p/root", Code::StoreAway);
    scene.pass(60, &all);
    assert_eq!(scene.at("p/root"), Some("w0"));
}
