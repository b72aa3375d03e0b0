//! Workers that are lost, streams that break, an owner that stands still: no try, unless it is always under the same task.

use crate::scene::{Scene, assigned, failure, workers};
use proofmill_fault::Code;
use proofmill_primitives::{ProverType, TaskId, TaskKind, WorkerKind};
use proofmill_scheduler::{Action, Event, TaskState};

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

/// Its prover has all threads of a node, for minutes: its stream breaks, and its heartbeats go on.
#[test]
fn who_says_that_it_lives_keeps_what_it_holds_without_a_stream() {
    let mut scene = workers(2);
    scene.proof("p", TaskKind::Controller);
    let worker = scene.at("p/root").unwrap().to_owned();
    let other = if worker == "w0" { "w1" } else { "w0" };
    scene.tell(Event::StreamBroken { worker: worker.as_str().into() });
    scene.pass(300, &["w0", "w1"]);
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some(worker.as_str()), 0));
    // It is given nothing new,
    scene.task("p", "t", TaskKind::ProveShard);
    assert_eq!(scene.at("t"), Some(other));
    scene.done(other, "t");
    // and its silence ends it.
    scene.pass(40, &[other]);
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some(other), 0));
}

/// What was lost with the stream does not stay with a worker that only says that it lives.
#[test]
fn who_lives_without_a_stream_gives_back_what_never_arrived() {
    let mut scene = workers(2);
    scene.proof("p", TaskKind::Controller);
    let worker = scene.at("p/root").unwrap().to_owned();
    let other = if worker == "w0" { "w1" } else { "w0" };
    scene.tell(Event::StreamBroken { worker: worker.as_str().into() });
    let pass = |scene: &mut Scene, seconds| {
        for _ in 0..seconds {
            scene.heartbeat(&worker, &[]);
            scene.pass(1, &[other]);
        }
    };
    pass(&mut scene, 25);
    assert_eq!(scene.at("p/root"), Some(worker.as_str()), "it is sent it again when it comes back");
    pass(&mut scene, 15);
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some(other), 0));
}

/// One that drains is back on another stream: what was lost on its way into the one before is given to others.
#[test]
fn who_drains_and_is_back_gives_back_what_never_arrived() {
    let mut scene = workers(2);
    scene.proof("p", TaskKind::Controller);
    let worker = scene.at("p/root").unwrap().to_owned();
    let other = if worker == "w0" { "w1" } else { "w0" };
    scene.tell(Event::StreamBroken { worker: worker.as_str().into() });
    scene.tell(Event::WorkerDraining { worker: worker.as_str().into() });
    assert_eq!(scene.tell(Event::WorkerBack { worker: worker.as_str().into() }), []);
    scene.pass(5, &[worker.as_str(), other]);
    assert_eq!(scene.at("p/root"), Some(worker.as_str()));
    scene.now += 10_001;
    scene.heartbeat(&worker, &[]);
    scene.pass(20, &[worker.as_str(), other]);
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some(other), 0));
}

/// A container is killed as a whole and is back at once under its name, with the coordinator or without: nobody says what killed it.
#[test]
fn what_takes_one_process_of_a_name_after_the_other_down_is_found() {
    for restarts in [false, true] {
        let mut scene = Scene::new();
        scene.worker("w", WorkerKind::Gpu, 8);
        // The one is poison; the other would be done by now if nothing came between.
        scene.proof("p", TaskKind::ProveShard);
        scene.proof("q", TaskKind::ProveShard);
        let mut rounds = 0;
        loop {
            rounds += 1;
            assert!(rounds < 40, "{:?}", scene.held("w"));
            if restarts {
                scene.restart();
            }
            let cause = failure(scene.tell(Event::WorkerReplaced { worker: "w".into() }), "p");
            scene.worker("w", WorkerKind::Gpu, 8);
            if let Some(cause) = cause {
                assert!(cause.contains("was lost"), "{cause}");
                break;
            }
            scene.pass(20, &["w"]);
            if scene.held("w") == [TaskId::from("q/root")] {
                assert_eq!(scene.retries("q/root"), 0);
                scene.done("w", "q/root");
            }
        }
        scene.pass(20, &["w"]);
        if scene.held("w") == [TaskId::from("q/root")] {
            scene.done("w", "q/root");
        }
        assert_eq!(scene.state("q/root"), &TaskState::Succeeded);
    }
}

/// A new process that knows why the one before it ended is sent what that one held, and says so.
#[test]
fn the_next_process_of_a_name_is_sent_what_the_one_before_held() {
    let mut scene = Scene::new();
    for worker in ["w", "other"] {
        scene.worker(worker, WorkerKind::All, 8);
    }
    scene.proof("p", TaskKind::Controller);
    let worker = scene.at("p/root").unwrap().to_owned();
    scene.tell(Event::WorkerReplaced { worker: worker.as_str().into() });
    let sent = scene.worker(&worker, WorkerKind::All, 8);
    assert!(assigned(sent).contains(&(&worker.as_str().into(), &"p/root".into())));
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some(worker.as_str()), 0));
    // Of one that held nothing nothing follows, nor of one that nobody knows.
    for worker in ["other", "w", "stranger"].into_iter().filter(|name| *name != worker) {
        assert_eq!(scene.tell(Event::WorkerReplaced { worker: worker.into() }), []);
    }
}

/// A process that is told to end, and whose successor comes before its stream is seen to break.
#[test]
fn who_drains_and_is_back_before_anybody_misses_it_was_not_lost() {
    let mut scene = Scene::new();
    scene.worker("w", WorkerKind::Gpu, 8);
    scene.proof("p", TaskKind::ProveShard);
    for _ in 0..40 {
        scene.tell(Event::WorkerDraining { worker: "w".into() });
        assert_eq!(scene.tell(Event::WorkerReplaced { worker: "w".into() }), []);
        let sent = scene.worker("w", WorkerKind::Gpu, 8);
        assert!(assigned(sent).contains(&(&"w".into(), &"p/root".into())));
    }
    assert_eq!((scene.at("p/root"), scene.retries("p/root")), (Some("w"), 0));
}

/// What was never delivered did not count as a loss: that it is there after all takes back none.
#[test]
fn what_was_not_delivered_and_is_found_takes_back_no_loss() {
    let mut scene = workers(3);
    scene.proof("p", TaskKind::ProveShard);
    for losses in 1..=2 {
        let worker = scene.at("p/root").unwrap().to_owned();
        scene.tell(Event::WorkerGone { worker: worker.as_str().into() });
        assert_eq!(scene.history("p/root").losses(), losses);
    }
    let worker = scene.at("p/root").unwrap().to_owned();
    for _ in 0..2 {
        scene.now += 10_001;
        scene.heartbeat(&worker, &[]);
    }
    assert_eq!((scene.at("p/root"), scene.history("p/root").losses()), (None, 2));
    scene.heartbeat(&worker, &["p/root"]);
    assert_eq!((scene.at("p/root"), scene.history("p/root").losses()), (Some(worker.as_str()), 2));
}

/// A new process is sent what the one before it held, and says that this one was killed for memory: one loss, and not two.
#[test]
fn a_kill_that_the_next_process_tells_of_counts_once() {
    let mut scene = Scene::new();
    scene.worker("w", WorkerKind::Gpu, 8);
    for proof in ["p", "q"] {
        scene.proof(proof, TaskKind::ProveShard);
    }
    let replace = |scene: &mut Scene| {
        scene.tell(Event::WorkerReplaced { worker: "w".into() });
        scene.worker("w", WorkerKind::Gpu, 8);
    };
    replace(&mut scene);
    for task in ["p/root", "q/root"] {
        assert_eq!((scene.at(task), scene.history(task).losses()), (Some("w"), 1), "{task}");
        scene.faults("w", task, Code::KilledAmongOthers);
        assert_eq!((scene.at(task), scene.history(task).losses()), (None, 1), "{task}");
    }
    // It runs apart, and is known to be the one: that is a try, and no loss.
    scene.pass(2, &["w"]);
    let alone = scene.held("w");
    assert_eq!(alone.len(), 1);
    let alone = alone[0].as_str();
    replace(&mut scene);
    scene.faults("w", alone, Code::KilledForMemory);
    assert_eq!((scene.history(alone).losses(), scene.retries(alone)), (1, 1));
}
