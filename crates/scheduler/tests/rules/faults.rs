//! Faults that are not the task's own cost it nothing; the measured failures of a review, each by its name.

use crate::scene::{Scene, assigned, failure};
use proofmill_fault::{At, Code};
use proofmill_primitives::{ProverType, TaskId, TaskKind, Weight, WorkerKind};
use proofmill_scheduler::{Action, Event, TaskState, WorkerSpec};
use std::collections::BTreeSet;

fn workers(count: usize) -> Scene {
    let mut scene = Scene::new();
    for at in 0..count {
        scene.worker(&format!("w{at}"), WorkerKind::All, 8);
    }
    scene
}

fn built(scene: &mut Scene, id: &str, build: &str) {
    let (id, max_weight, provers) = (id.into(), Weight::gb(8), vec![ProverType::Exec]);
    let kind = WorkerKind::All;
    let (dialects, build) = (vec![], build.into());
    scene.tell(Event::WorkerOpened(WorkerSpec { id, kind, max_weight, provers, dialects, build }));
}

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

/// The owner stood still between the decision and the sending; what workers said meanwhile is about before.
#[test]
fn a2_a_stall_of_the_owner_takes_no_task_away() {
    let mut scene = workers(2);
    let proof = Scene::spec("p", "p/root", TaskKind::ProveShard);
    let spec = proofmill_scheduler::ProofSpec {
        id: "p".into(),
        prover: ProverType::Exec,
        requester: String::new(),
        deadline: None,
    };
    // Given out, and not sent for 20 s.
    let now = scene.time();
    let given = scene.scheduler.handle(now, Event::ProofCreated { proof: spec, root: proof }).unwrap();
    let (worker, task) = assigned(&given)[0];
    let (worker, task) = (worker.clone(), task.clone());
    let beats: Vec<_> = (1..=6)
        .map(|beat| {
            scene.now = now.as_millis() + beat * 3_000;
            scene.time()
        })
        .collect();
    scene.now = now.as_millis() + 20_000;
    let sent = Event::Sent { tasks: vec![(worker.clone(), task.clone())] };
    for received in &beats[..3] {
        // Some were handled before it was sent,
        let active = vec![];
        assert_eq!(scene.tell(Event::Heartbeat { worker: worker.clone(), active, received: *received }), []);
    }
    scene.tell(sent);
    for received in beats {
        // and some after.
        let active = vec![];
        assert_eq!(scene.tell(Event::Heartbeat { worker: worker.clone(), active, received }), []);
        scene.now += 1_000;
    }
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some(worker.as_str()), 0));
}

/// A thousand workers leave at once, and a thousand others are there: nobody is given work to a broken stream.
#[test]
fn a27_no_task_goes_to_a_broken_stream_and_no_loss_is_a_try() {
    let mut scene = workers(1_000);
    for at in 0..1_000 {
        let worker = format!("w{at}").as_str().into();
        scene.tell(Event::StreamBroken { worker });
    }
    for at in 0..1_000 {
        scene.worker(&format!("fresh{at}"), WorkerKind::All, 8);
    }
    scene.proof("p", TaskKind::Controller);
    for at in 0..16 {
        scene.task("p", &format!("t{at}"), TaskKind::ProveShard);
    }
    let on_fresh = |scene: &Scene, id: &str| scene.at(id).is_some_and(|at| at.starts_with("fresh"));
    assert!((0..16).all(|at| on_fresh(&scene, &format!("t{at}"))) && on_fresh(&scene, "p/root"));
    let fresh: Vec<_> = (0..1_000).map(|at| format!("fresh{at}")).collect();
    let fresh: Vec<_> = fresh.iter().map(String::as_str).collect();
    let actions = scene.pass(40, &fresh);
    let lost = actions.iter().filter(|action| matches!(action, Action::WorkerLost { .. }));
    assert_eq!(lost.count(), 1_000);
    assert!((0..16).all(|at| scene.retries(&format!("t{at}")) == 0));
}

/// Spot machines are taken away one after the other under a long controller.
#[test]
fn a7_four_evictions_under_one_controller_are_no_try() {
    let mut scene = workers(5);
    scene.proof("p", TaskKind::Controller);
    for _ in 0..4 {
        let worker = scene.at("p/root").unwrap().to_owned();
        scene.tell(Event::WorkerGone { worker: worker.as_str().into() });
        assert_eq!(scene.retries("p/root"), 0);
    }
    assert!(scene.at("p/root").is_some());
}

/// As many as there are, under a controller whose proof goes on; a shard that takes its workers down is another thing.
#[test]
fn evictions_under_a_controller_are_forgotten_while_its_proof_goes_on() {
    let mut scene = workers(0);
    let mut at = 0;
    let mut fresh = |scene: &mut Scene| {
        at += 1;
        scene.worker(&format!("fresh{at}"), WorkerKind::All, 8);
    };
    fresh(&mut scene);
    scene.proof("p", TaskKind::Controller);
    for round in 0..20 {
        let shard = format!("t{round}");
        scene.task("p", &shard, TaskKind::ProveShard);
        scene.done("anybody", &shard);
        let worker = scene.at("p/root").unwrap().to_owned();
        let gone = scene.tell(Event::WorkerGone { worker: worker.as_str().into() });
        assert_eq!(failure(gone, "p"), None, "{round}");
        fresh(&mut scene);
        assert_eq!(scene.retries("p/root"), 0, "{round}");
    }
    // The controller stays; one shard takes its worker down again and again, while others are done.
    scene.worker("stays", WorkerKind::Cpu, 8);
    let worker = scene.at("p/root").unwrap().to_owned();
    scene.tell(Event::WorkerGone { worker: worker.as_str().into() });
    assert_eq!(scene.at("p/root"), Some("stays"));
    scene.task("p", "poison", TaskKind::ProveShard);
    let given_up = (0..20).any(|round| {
        fresh(&mut scene);
        let shard = format!("more{round}");
        scene.task("p", &shard, TaskKind::ProveShard);
        scene.pass(20, &["stays"]);
        scene.done("anybody", &shard);
        let Some(worker) = scene.at("poison").map(str::to_owned) else { return false };
        failure(scene.tell(Event::WorkerGone { worker: worker.as_str().into() }), "p").is_some()
    });
    assert!(given_up);
}

/// A worker hands back what nobody withdrew, at once and for ever.
#[test]
fn what_is_handed_back_for_nobodys_fault_is_no_hot_loop() {
    for code in [Code::Withdrawn, Code::Late, Code::PutBack, Code::Other(At::Nobody)] {
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
        scene.pass(2, &["a", "b", "large"]);
        assert_eq!(scene.at("p/root"), Some("large"), "{code}");
        // Where none is larger, at least another one.
        scene.faults("large", "p/root", code);
        scene.pass(6, &["a", "b", "large"]);
        assert_eq!(scene.at("p/root"), Some("b"), "{code}");
    }
}

#[test]
fn a_task_that_takes_every_worker_down_fails_its_proof() {
    let mut scene = workers(12);
    scene.proof("p", TaskKind::ProveShard);
    let mut down = 0;
    let cause = loop {
        if let Some(worker) = scene.at("p/root").map(str::to_owned) {
            down += 1;
            if let Some(cause) =
                failure(scene.tell(Event::WorkerGone { worker: worker.as_str().into() }), "p")
            {
                break cause;
            }
        }
        let alive: Vec<_> = scene.scheduler.workers().map(|worker| worker.spec.id.clone()).collect();
        let alive: Vec<_> = alive.iter().map(|id| id.as_str()).collect();
        scene.pass(1, &alive);
    };
    assert!(cause.contains("was lost"), "{cause}");
    assert!((7..12).contains(&down), "{down}");
}

/// A stream that breaks right after a task was given into it: the task is on the new stream at once.
#[test]
fn e3_a_worker_that_opens_its_stream_again_is_sent_what_it_should_hold() {
    let mut scene = workers(1);
    scene.proof("p", TaskKind::Controller);
    scene.tell(Event::StreamBroken { worker: "w0".into() });
    let again = scene.worker("w0", WorkerKind::All, 8);
    assert_eq!(assigned(again), [(&"w0".into(), &TaskId::from("p/root"))]);
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some("w0"), 0));
}

/// The network is away for less than a worker needs to be declared dead: it keeps what it has.
#[test]
fn e6c_a_network_that_is_away_for_some_seconds_costs_nothing() {
    for away in [3, 5, 10, 25] {
        let mut scene = workers(2);
        scene.proof("p", TaskKind::Controller);
        let worker = scene.at("p/root").unwrap().to_owned();
        scene.tell(Event::StreamBroken { worker: worker.as_str().into() });
        let other = if worker == "w0" { "w1" } else { "w0" };
        scene.pass(away, &[other]);
        scene.worker(&worker, WorkerKind::All, 8);
        scene.heartbeat(&worker, &["p/root"]);
        assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some(worker.as_str()), 0), "{away} s");
    }
    let mut scene = workers(2);
    scene.proof("p", TaskKind::Controller);
    let worker = scene.at("p/root").unwrap().to_owned();
    let other = if worker == "w0" { "w1" } else { "w0" };
    scene.tell(Event::StreamBroken { worker: worker.as_str().into() });
    scene.pass(40, &[other]);
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some(other), 0));
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
