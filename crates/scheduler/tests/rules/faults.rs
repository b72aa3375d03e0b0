//! Faults that a worker tells and that are not the task's own: they cost it nothing. Failures that were measured once have their names,
//! here, in `stores` (stores that are away) and in `losses` (lost workers).

use crate::scene::{Scene, failure, workers};
use proofmill_fault::{At, Code};
use proofmill_primitives::{ProverType, TaskKind, Weight, WorkerKind};
use proofmill_scheduler::{Event, WorkerSpec};
use std::collections::BTreeSet;

fn built(scene: &mut Scene, id: &str, build: &str) {
    let (id, max_weight, provers) = (id.into(), Weight::gb(8), vec![ProverType::Exec]);
    let kind = WorkerKind::All;
    let (dialects, build) = (vec![], build.into());
    scene.tell(Event::WorkerOpened(WorkerSpec { id, kind, max_weight, provers, dialects, build }));
}

/// A worker hands back what nobody withdrew, at once and for ever.
#[test]
fn what_is_handed_back_for_nobodys_fault_is_no_hot_loop() {
    for code in [Code::Withdrawn, Code::Late, Code::PutBack, Code::Stopping, Code::Other(At::Nobody)] {
        let mut scene = workers(1);
        scene.proof("p", TaskKind::Controller);
        let mut tries = 0;
        for _ in 0..300 {
            while scene.at("p/root").is_some() {
                tries += 1;
                assert_eq!(failure(scene.faults("w0", "p/root", code), "p"), None);
                assert!(tries < 20, "{code}");
            }
            scene.pass(1, &["w0"]);
        }
        assert!(tries > 10 && scene.retries("p/root") == 0, "{code}: {tries}");
    }
}

/// A broken node gives up whatever it is given, without a word. Another one is asked, and what that one says counts.
#[test]
fn a_verdict_without_a_reason_needs_two_workers() {
    let both = ["w0", "w1"];
    let mut scene = workers(2);
    scene.proof("p", TaskKind::ProveShard);
    let first = scene.at("p/root").unwrap().to_owned();
    assert_eq!(failure(scene.faults(&first, "p/root", Code::Dismissed), "p"), None);
    scene.pass(2, &both);
    let second = scene.at("p/root").unwrap().to_owned();
    assert_ne!(first, second);
    let cause = failure(scene.faults(&second, "p/root", Code::Dismissed), "p").unwrap();
    assert!(cause.contains("2 times") && cause.contains("out of luck"), "{cause}");
    // Where there is nobody else, it is believed.
    let mut scene = workers(1);
    scene.proof("p", TaskKind::ProveShard);
    assert!(failure(scene.faults("w0", "p/root", Code::Dismissed), "p").is_some());
}

/// Killed for memory: the next one has more of it, even where another one has more room.
#[test]
fn what_was_too_much_for_a_worker_goes_to_a_larger_one() {
    for code in [Code::KilledForMemory, Code::KilledAmongOthers] {
        let mut scene = Scene::new();
        scene.worker("a", WorkerKind::Gpu, 8);
        scene.proof("p", TaskKind::ProveShard);
        scene.worker("large", WorkerKind::Gpu, 16);
        for task in ["x", "y", "z"] {
            scene.task("p", task, TaskKind::ProveShard);
            assert_eq!(scene.at(task), Some("large"));
        }
        scene.worker("b", WorkerKind::Gpu, 8);
        scene.faults("a", "p/root", code);
        // One of several that were killed together runs beside no other work from then on.
        if code == Code::KilledAmongOthers {
            for task in ["x", "y", "z"] {
                scene.done("large", task);
            }
        }
        scene.pass(2, &["a", "b", "large"]);
        assert_eq!(scene.at("p/root"), Some("large"), "{code}");
        // Where none is larger, at least another one.
        scene.faults("large", "p/root", code);
        scene.pass(6, &["a", "b", "large"]);
        assert_eq!(scene.at("p/root"), Some("b"), "{code}");
    }
}

/// Of workers of one build, one has the settings that a task needs: it is found, and no try is lost.
#[test]
fn a_worker_that_is_not_set_up_kills_no_proof() {
    let mut scene = Scene::new();
    let names = ["w0", "w1", "w2", "w3", "w4", "w5"];
    for name in names {
        built(&mut scene, name, "1");
    }
    scene.proof("p", TaskKind::ProveShard);
    let mut asked = BTreeSet::new();
    for _ in 0..600 {
        let Some(worker) = scene.at("p/root").map(str::to_owned) else {
            scene.pass(1, &names);
            continue;
        };
        if asked.len() == names.len() - 1 {
            assert!(!asked.contains(&worker), "{worker} again");
            break;
        }
        assert_eq!(failure(scene.faults(&worker, "p/root", Code::NotSetUp), "p"), None);
        assert!(asked.insert(worker), "another was not asked yet");
    }
    assert_eq!((scene.at("p/root").is_some(), scene.retries("p/root")), (true, 0));
}

/// Nobody can make it for now: it goes from one to the next, and not again and again to the one that is picked first.
#[test]
fn a_task_that_has_been_everywhere_goes_round() {
    let all = ["w0", "w1", "w2"];
    let mut scene = workers(all.len());
    scene.proof("p", TaskKind::Controller);
    let mut tried = Vec::new();
    for _ in 0..600 {
        if let Some(at) = scene.at("p/root").map(str::to_owned) {
            scene.faults(&at, "p/root", Code::NotSetUp);
            tried.push(at);
        }
        scene.pass(1, &all);
    }
    for worker in all {
        assert!(tried.iter().filter(|at| *at == worker).count() > 2, "{tried:?}");
    }
    assert!(tried.windows(2).all(|two| two[0] != two[1]), "{tried:?}");
}

/// Half of the workers are of another version and do not understand the task: it is tried on one of them at most.
#[test]
fn a3_a_mixed_fleet_kills_no_proof() {
    let mut scene = Scene::new();
    for at in 0..6 {
        built(&mut scene, &format!("old{at}"), "1");
    }
    scene.proof("p", TaskKind::ProveShard);
    assert!(scene.at("p/root").unwrap().starts_with("old"));
    for at in 0..6 {
        built(&mut scene, &format!("new{at}"), "2");
    }
    let worker = scene.at("p/root").unwrap().to_owned();
    scene.faults(&worker, "p/root", Code::Unfit);
    scene.pass(2, &[]);
    assert!(scene.at("p/root").unwrap().starts_with("new"));
    assert_eq!(scene.retries("p/root"), 0);
    // Where there is no other build, it waits for one.
    let mut scene = Scene::new();
    built(&mut scene, "old", "1");
    scene.proof("p", TaskKind::ProveShard);
    for _ in 0..600 {
        if scene.at("p/root").is_some() {
            assert_eq!(failure(scene.faults("old", "p/root", Code::Unfit), "p"), None);
        }
        scene.pass(1, &["old"]);
    }
    built(&mut scene, "new", "2");
    scene.pass(40, &["old", "new"]);
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some("new"), 0));
}

/// What an older build does not have is asked of a newer one. Where there is only one build, it is believed at once.
#[test]
fn a_proof_that_one_build_cannot_make_is_asked_of_another() {
    let both = ["old", "new"];
    let mut scene = Scene::new();
    built(&mut scene, "old", "1");
    scene.proof("p", TaskKind::Controller);
    built(&mut scene, "new", "2");
    assert_eq!(failure(scene.faults("old", "p/root", Code::Unsupported), "p"), None);
    scene.pass(2, &both);
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some("new"), 0));
    assert!(failure(scene.faults("new", "p/root", Code::Unsupported), "p").is_some());
    let mut scene = Scene::new();
    for name in both {
        built(&mut scene, name, "1");
    }
    scene.proof("p", TaskKind::Controller);
    let at = scene.at("p/root").unwrap().to_owned();
    assert!(failure(scene.faults(&at, "p/root", Code::Unsupported), "p").is_some());
}

/// The older build is back first after a restart: that the newer one is not there yet is no reason to believe it.
#[test]
fn a_proof_that_one_build_cannot_make_right_after_a_restart_waits_for_another() {
    let both = ["old", "new"];
    let asked = || {
        let mut scene = Scene::new();
        scene.proof("p", TaskKind::Controller);
        scene.restart();
        built(&mut scene, "old", "1");
        assert_eq!(failure(scene.faults("old", "p/root", Code::Unsupported), "p"), None);
        scene
    };
    let mut scene = asked();
    built(&mut scene, "new", "2");
    scene.pass(2, &both);
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some("new"), 0));
    assert_eq!(failure(scene.faults("new", "p/root", Code::Unsupported), "p"), None, "there may be a third");
    // Where nobody else comes back, it is believed.
    let mut scene = asked();
    scene.pass(31, &["old"]);
    assert!(failure(scene.faults("old", "p/root", Code::Unsupported), "p").is_some());
}
