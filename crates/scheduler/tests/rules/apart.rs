//! Tasks that were killed together for memory run apart from other work afterwards, so that only the guilty one loses tries.

use crate::scene::{Scene, failure};
use proofmill_fault::Code;
use proofmill_primitives::{TaskKind, WorkerKind};
use proofmill_scheduler::{Event, TaskState};
use std::collections::BTreeMap;

fn workers(names: &[&str], gb: u32) -> Scene {
    let mut scene = Scene::new();
    for name in names {
        scene.worker(name, WorkerKind::Gpu, gb);
    }
    scene
}

/// The system kills the worker for want of memory, with all that it does. Why the proof `p` failed, if it did.
fn kill(scene: &mut Scene, worker: &str) -> Option<String> {
    let held = scene.held(worker);
    let code = if held.len() > 1 { Code::KilledAmongOthers } else { Code::KilledForMemory };
    let mut failed = None;
    for task in held {
        failed = failed.or(failure(scene.faults(worker, task.as_str(), code), "p"));
    }
    failed
}

fn is_done(scene: &Scene, task: &str) -> bool {
    scene.scheduler.task(&task.into()).is_none_or(|(_, state)| *state == TaskState::Succeeded)
}

/// One task is too much for whatever worker it is on, and takes it down every five seconds; the others take twelve.
#[test]
fn of_tasks_that_were_killed_together_the_guilty_one_alone_loses_tries() {
    for names in [&["w0"][..], &["w0", "w1"], &["w0", "w1", "w2"]] {
        let mut scene = workers(names, 16);
        scene.proof("p", TaskKind::ProveShard);
        let innocent: Vec<_> = (0..3 * names.len()).map(|at| format!("q{at}")).collect();
        for proof in &innocent {
            scene.proof(proof, TaskKind::ProveShard);
        }
        let (mut cause, mut kills) = (None, 0);
        let mut since = BTreeMap::new();
        for second in 0..600 {
            scene.pass(1, names);
            for worker in names {
                let held = scene.held(worker);
                if second % 5 == 4 && held.contains(&"p/root".into()) {
                    kills += 1;
                    cause = cause.or(kill(&mut scene, worker));
                }
                let held = scene.held(worker);
                since.retain(|(at, task), _| at != worker || held.contains(task));
                for task in held.into_iter().filter(|task| task.as_str() != "p/root") {
                    let began = *since.entry(((*worker).to_owned(), task.clone())).or_insert(second);
                    assert_eq!(scene.retries(task.as_str()), 0, "{task}");
                    if second - began >= 12 {
                        scene.done(worker, task.as_str());
                    }
                }
            }
        }
        assert!(cause.is_some_and(|cause| cause.contains("failed")), "{names:?}");
        assert!((4..=6).contains(&kills), "{kills} kills on {names:?}");
        assert!(innocent.iter().all(|proof| is_done(&scene, &format!("{proof}/root"))), "{names:?}");
    }
}

/// While one runs apart, its worker is given nothing else, and is said to; afterwards work runs together again.
#[test]
fn a_worker_with_a_suspect_is_given_nothing_else() {
    let mut scene = workers(&["w0"], 16);
    scene.proof("p", TaskKind::ProveShard);
    scene.task("p", "x", TaskKind::ProveShard);
    kill(&mut scene, "w0");
    scene.pass(2, &["w0"]);
    let apart = |scene: &Scene| scene.scheduler.workers().next().is_some_and(|worker| worker.apart);
    assert_eq!((scene.held("w0").len(), apart(&scene)), (1, true));
    scene.proof("q", TaskKind::ProveShard);
    scene.proof("r", TaskKind::ProveShard);
    scene.pass(5, &["w0"]);
    assert_eq!(scene.held("w0").len(), 1, "beside a suspect");
    for _ in 0..2 {
        let held = scene.held("w0");
        assert!(held.len() == 1 && ["p/root", "x"].contains(&held[0].as_str()), "{held:?}");
        scene.done("w0", held[0].as_str());
        scene.pass(1, &["w0"]);
    }
    assert_eq!((scene.held("w0").len(), apart(&scene)), (2, false), "q and r");
    // On a larger worker it runs apart, too.
    kill(&mut scene, "w0");
    scene.worker("large", WorkerKind::Gpu, 64);
    scene.pass(2, &["w0", "large"]);
    assert_eq!(scene.held("large").len(), 1);
}

/// Lighter work goes on and on beside it: after a while a worker is kept free for the suspect.
#[test]
fn a_suspect_is_not_passed_over_for_ever() {
    let mut scene = workers(&["w0"], 16);
    scene.proof("p", TaskKind::ProveShard);
    scene.task("p", "x", TaskKind::ProveShard);
    kill(&mut scene, "w0");
    scene.proof("q", TaskKind::ProveShard);
    scene.proof("r", TaskKind::ProveShard);
    let mut seconds = 0;
    while !(is_done(&scene, "p/root") && is_done(&scene, "x")) {
        // One more comes for each that ends, and two of them always run.
        scene.proof(&format!("q{seconds}"), TaskKind::ProveShard);
        scene.pass(4, &["w0"]);
        seconds += 4;
        if let Some(task) = scene.held("w0").first().cloned() {
            scene.done("w0", task.as_str());
        }
        assert!(seconds < 300, "{:?}", scene.held("w0"));
    }
}

/// Controllers wait for others: one may be where its shards run apart, and nothing blocks for ever.
#[test]
fn suspects_run_one_after_the_other_beside_their_controller() {
    let mut scene = Scene::new();
    scene.worker("w0", WorkerKind::All, 12);
    scene.proof("p", TaskKind::Controller);
    for shard in ["x", "y"] {
        scene.task("p", shard, TaskKind::ProveShard);
    }
    for shard in ["x", "y"] {
        scene.faults("w0", shard, Code::KilledAmongOthers);
    }
    for _ in 0..2 {
        scene.pass(3, &["w0"]);
        let shards: Vec<_> = scene.held("w0").into_iter().filter(|task| task.as_str() != "p/root").collect();
        assert_eq!((shards.len(), scene.at("p/root")), (1, Some("w0")), "{shards:?}");
        scene.done("w0", shards[0].as_str());
    }
    assert!(is_done(&scene, "x") && is_done(&scene, "y"));
}

/// An execution waits for the marks of its shards: neither may keep the other from its only worker.
#[test]
fn a_suspect_runs_beside_the_execution_that_waits_for_it() {
    let mut scene = Scene::new();
    scene.worker("w0", WorkerKind::All, 20);
    scene.proof("p", TaskKind::Controller);
    scene.task("p", "execution", TaskKind::CoreExecute);
    scene.faults("w0", "execution", Code::KilledAmongOthers);
    scene.pass(3, &["w0"]);
    scene.task("p", "x", TaskKind::ProveShard);
    assert_eq!((scene.at("execution"), scene.at("x")), (Some("w0"), Some("w0")));
    scene.faults("w0", "x", Code::KilledAmongOthers);
    scene.task("p", "y", TaskKind::ProveShard);
    scene.done("w0", "y");
    scene.pass(3, &["w0"]);
    assert_eq!((scene.at("execution"), scene.at("x")), (Some("w0"), Some("w0")));
    // Other work still waits for its end.
    scene.task("p", "z", TaskKind::ProveShard);
    scene.pass(3, &["w0"]);
    assert_eq!(scene.at("z"), None);
    scene.done("w0", "x");
    assert_eq!(scene.at("z"), Some("w0"));
}

/// It was there beside the suspect all the time, and would only have started over.
#[test]
fn a_controller_that_is_found_again_stays_beside_a_suspect() {
    let mut scene = Scene::new();
    scene.worker("w0", WorkerKind::All, 12);
    scene.proof("p", TaskKind::Controller);
    scene.task("p", "x", TaskKind::ProveShard);
    scene.faults("w0", "x", Code::KilledAmongOthers);
    scene.pass(3, &["w0"]);
    // The worker says nothing of its controller for so long that it is taken away.
    for _ in 0..2 {
        scene.now += 10_001;
        scene.heartbeat("w0", &["x"]);
    }
    assert_eq!((scene.at("p/root"), scene.at("x")), (None, Some("w0")));
    scene.heartbeat("w0", &["p/root", "x"]);
    assert_eq!((scene.at("p/root"), scene.at("x")), (Some("w0"), Some("w0")));
}

/// How much memory is free on a worker says nothing of when a suspect may go there.
#[test]
fn a_suspect_is_kept_the_worker_that_has_least_to_finish() {
    let mut scene = workers(&["c"], 4);
    scene.proof("p", TaskKind::ProveShard);
    for (worker, gb) in [("a", 64), ("b", 8)] {
        scene.worker(worker, WorkerKind::Gpu, gb);
        for at in 0..gb / 4 {
            scene.proof(&format!("{worker}{at}"), TaskKind::ProveShard);
        }
    }
    scene.faults("c", "p/root", Code::KilledAmongOthers);
    scene.pass(2, &["a", "b", "c"]);
    // It is too large for `c`, where others go before it.
    scene.proof("q", TaskKind::ProveShard);
    assert_eq!((scene.held("a").len(), scene.held("b").len(), scene.at("q/root")), (16, 2, Some("c")));
    scene.pass(31, &["a", "b", "c"]);
    scene.proof("r", TaskKind::ProveShard);
    for task in ["b0/root", "b1/root"] {
        scene.done("b", task);
    }
    assert_eq!((scene.at("p/root"), scene.at("r/root")), (Some("b"), None));
}

/// Both are on one machine, and the system kills the one and the other: which tasks were killed together is in the ledger.
#[test]
fn the_guilty_one_is_found_though_the_coordinator_goes_down_with_its_worker() {
    let mut scene = workers(&["w0"], 16);
    scene.proof("p", TaskKind::ProveShard);
    scene.proof("q", TaskKind::ProveShard);
    let restart = |scene: &mut Scene| {
        scene.restart();
        scene.worker("w0", WorkerKind::Gpu, 16);
    };
    // What is too much for the worker is `p/root`: wherever that runs the system kills both.
    let mut kills = 0;
    loop {
        let held = scene.held("w0");
        assert!(held.contains(&"p/root".into()) && kills < 20, "{kills} kills, {held:?}");
        kills += 1;
        let cause = kill(&mut scene, "w0");
        restart(&mut scene);
        if cause.is_some() {
            break;
        }
        assert_eq!(scene.held("w0").len(), 1, "beside a suspect");
        // And once more while it runs.
        restart(&mut scene);
        scene.pass(40, &["w0"]);
        assert_eq!(scene.held("w0").len(), 1, "beside a suspect");
        // Where the other one has its turn it is done, and has lost no try.
        if scene.held("w0") == ["q/root".into()] {
            assert_eq!(scene.retries("q/root"), 0, "it was taken for the guilty one");
            scene.done("w0", "q/root");
        }
    }
    assert_eq!(kills, 5, "once together with the other, and four tries");
    assert_eq!(scene.state("q/root"), &TaskState::Succeeded);
}

/// Nobody says what killed the worker (a container goes as a whole): what is lost again and again with others runs apart as well,
/// also where the coordinator is lost each time.
#[test]
fn what_is_lost_with_others_again_and_again_runs_apart() {
    for restarts in [false, true] {
        lose_again_and_again(restarts);
    }
}

fn lose_again_and_again(restarts: bool) {
    let mut scene = workers(&[], 8);
    scene.proof("p", TaskKind::ProveShard);
    scene.proof("q", TaskKind::ProveShard);
    let (mut cause, mut left) = (None, 0);
    for round in 0..40 {
        let worker = format!("w{round}");
        scene.worker(&worker, WorkerKind::Gpu, 8);
        scene.pass(20, &[worker.as_str()]);
        // The one is poison; the other would be done by now if nothing came between.
        let held = scene.held(&worker);
        if !held.contains(&"p/root".into()) && held.contains(&"q/root".into()) {
            assert_eq!(scene.retries("q/root"), 0);
            scene.done(&worker, "q/root");
            left += 1;
        }
        cause = cause.or(failure(scene.tell(Event::WorkerGone { worker: worker.as_str().into() }), "p"));
        if restarts {
            scene.restart();
        }
    }
    assert!(cause.is_some_and(|cause| cause.contains("was lost")));
    assert!(left == 1 && is_done(&scene, "q/root"));
}
