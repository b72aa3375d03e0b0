//! Which workers can take a task, and what is said where none can.

use crate::scene::{Scene, assigned, withdraw};
use proofmill_primitives::{ProverType, TaskKind, Weight, WorkerKind};
use proofmill_scheduler::{Action, Diagnosis, Event, ProofSpec, Refused, TaskSpec, TaskState, WorkerSpec};

#[test]
fn a_worker_takes_no_more_than_its_maximum() {
    let mut scene = Scene::new();
    scene.worker("gpu", WorkerKind::Gpu, 10);
    scene.proof("p", TaskKind::ProveShard);
    scene.task("p", "b", TaskKind::ProveShard);
    scene.task("p", "c", TaskKind::ProveShard);
    assert_eq!((scene.at("p/root"), scene.at("b"), scene.at("c")), (Some("gpu"), Some("gpu"), None));
    assert_eq!(scene.weight("gpu"), 8);
    scene.done("gpu", "b");
    assert_eq!((scene.at("c"), scene.weight("gpu")), (Some("gpu"), 8));
}

#[test]
fn cpu_tasks_go_to_cpu_workers_and_gpu_tasks_to_gpu_workers() {
    let mut scene = Scene::new();
    scene.worker("gpu", WorkerKind::Gpu, 24);
    scene.worker("cpu", WorkerKind::Cpu, 24);
    scene.worker("all", WorkerKind::All, 64);
    scene.proof("p", TaskKind::Controller);
    scene.task("p", "shard", TaskKind::ProveShard);
    // The one that can do both is left free while the others have room.
    assert_eq!((scene.at("p/root"), scene.at("shard")), (Some("cpu"), Some("gpu")));
    scene.task("p", "plonk", TaskKind::PlonkWrap);
    assert_eq!(scene.at("plonk"), Some("all"));
}

#[test]
fn work_is_spread_over_equal_workers() {
    let mut scene = Scene::new();
    for worker in ["a", "b", "c"] {
        scene.worker(worker, WorkerKind::Gpu, 24);
    }
    scene.proof("p", TaskKind::ProveShard);
    scene.task("p", "2", TaskKind::ProveShard);
    scene.task("p", "3", TaskKind::ProveShard);
    assert_eq!((scene.weight("a"), scene.weight("b"), scene.weight("c")), (4, 4, 4));
}

#[test]
fn a_prover_type_goes_only_to_workers_that_speak_it() {
    let mut scene = Scene::new();
    scene.worker_of("exec", WorkerKind::All, 64, &[ProverType::Exec]);
    let spec =
        ProofSpec { id: "p".into(), prover: ProverType::OpenVm, requester: String::new(), deadline: None };
    let actions = scene.proof_of(spec, TaskKind::Controller);
    let missing =
        Diagnosis::NoWorkerOfType { kind: TaskKind::Controller, prover: ProverType::OpenVm, workers: 1 };
    assert!(actions.contains(&Action::Diagnosed { proof: "p".into(), diagnosis: Some(missing) }));
    let actions = scene.worker_of("both", WorkerKind::All, 8, &[ProverType::Exec, ProverType::OpenVm]);
    assert!(actions.contains(&Action::Diagnosed { proof: "p".into(), diagnosis: None }));
    assert_eq!(scene.at("p/root"), Some("both"));
}

#[test]
fn no_worker_at_all_is_diagnosed_at_once() {
    let mut scene = Scene::new();
    scene.proof("p", TaskKind::Controller);
    let none = Diagnosis::NoWorkerOfType { kind: TaskKind::Controller, prover: ProverType::Exec, workers: 0 };
    assert_eq!(scene.scheduler.diagnosis(&"p".into()), Some(&none));
    // Said once, not at each event.
    assert!(scene.tell(Event::Tick).is_empty());
}

#[test]
fn a_worker_of_the_wrong_half_is_diagnosed() {
    let mut scene = Scene::new();
    scene.worker("gpu", WorkerKind::Gpu, 24);
    scene.proof("p", TaskKind::Controller);
    let diagnosis = scene.scheduler.diagnosis(&"p".into()).unwrap();
    let (kind, prover) = (TaskKind::Controller, ProverType::Exec);
    assert_eq!(*diagnosis, Diagnosis::NoWorkerOfKind { kind, prover, needs: WorkerKind::Cpu });
}

#[test]
fn a_wrap_beside_its_own_controller_needs_room_for_both() {
    let mut scene = Scene::new();
    scene.worker("cpu", WorkerKind::Cpu, 62);
    scene.proof("p", TaskKind::Controller);
    scene.task("p", "wrap", TaskKind::PlonkWrap);
    let diagnosis = |held, largest| Diagnosis::NoWorkerLargeEnough {
        kind: TaskKind::PlonkWrap,
        needs: Weight::gb(60),
        held: Weight::gb(held),
        largest: Weight::gb(largest),
    };
    assert_eq!(scene.scheduler.diagnosis(&"p".into()), Some(&diagnosis(4, 62)));
    let words = diagnosis(4, 62).to_string();
    assert!(words.contains("60 GB") && words.contains("4 GB") && words.contains("62 GB"), "{words}");
    // Another worker that has no controller of the proof is large enough with 60.
    scene.worker("second", WorkerKind::Cpu, 60);
    assert_eq!((scene.scheduler.diagnosis(&"p".into()), scene.at("wrap")), (None, Some("second")));
    // One that goes away takes the remedy with it.
    scene.tell(Event::WorkerGone { worker: "second".into() });
    assert_eq!(scene.scheduler.diagnosis(&"p".into()), Some(&diagnosis(4, 62)));
}

#[test]
fn what_a_mode_will_need_can_be_asked_before() {
    let mut scene = Scene::new();
    scene.worker("cpu", WorkerKind::Cpu, 34);
    let ask = |scene: &Scene, gb| {
        scene.scheduler.foresee(ProverType::Exec, TaskKind::PlonkWrap, Weight::gb(gb), Weight::gb(4))
    };
    let Some(Diagnosis::NoWorkerLargeEnough { held, .. }) = ask(&scene, 32) else { panic!() };
    assert_eq!(held, Weight::gb(4));
    assert_eq!(ask(&scene, 30), None);
    let Some(Diagnosis::NoWorkerLargeEnough { held, .. }) = ask(&scene, 35) else { panic!() };
    assert_eq!(held, Weight::ZERO);
    scene.worker("other", WorkerKind::All, 32);
    assert_eq!(ask(&scene, 32), None);
}

#[test]
fn a_worker_that_comes_back_smaller_takes_nothing_until_it_fits_again() {
    let mut scene = Scene::new();
    scene.worker("gpu", WorkerKind::Gpu, 12);
    scene.proof("p", TaskKind::ProveShard);
    scene.task("p", "b", TaskKind::ProveShard);
    scene.task("p", "c", TaskKind::ProveShard);
    scene.worker("gpu", WorkerKind::Gpu, 6);
    scene.task("p", "d", TaskKind::SetupVkey);
    assert_eq!((scene.weight("gpu"), scene.at("d")), (12, None));
    scene.done("gpu", "b");
    assert_eq!((scene.weight("gpu"), scene.at("d")), (8, None));
    scene.done("gpu", "c");
    assert_eq!((scene.weight("gpu"), scene.at("d")), (5, Some("gpu")));
}

#[test]
fn a_draining_worker_finishes_but_takes_nothing() {
    let mut scene = Scene::new();
    scene.worker("a", WorkerKind::Gpu, 24);
    scene.proof("p", TaskKind::ProveShard);
    scene.task("p", "b", TaskKind::ProveShard);
    scene.tell(Event::WorkerDraining { worker: "a".into() });
    scene.task("p", "c", TaskKind::ProveShard);
    assert_eq!((scene.at("b"), scene.at("c")), (Some("a"), None));
    assert!(scene.scheduler.diagnosis(&"p".into()).is_some());
    scene.worker("b", WorkerKind::Gpu, 24);
    assert_eq!(scene.at("c"), Some("b"));
    scene.done("a", "p/root");
    // What it hands back is not held against the task.
    scene.fails("a", "b");
    assert_eq!((scene.at("b"), scene.retries("b")), (Some("b"), 0));
}

/// An execution ends when its shards do. The only worker that could make them leaves: it is not kept for ever.
#[test]
fn who_leaves_does_not_wait_for_what_nobody_else_can_do() {
    let mut scene = Scene::new();
    scene.worker("w", WorkerKind::All, 40);
    scene.proof("p", TaskKind::Controller);
    scene.task("p", "execution", TaskKind::CoreExecute);
    scene.task("p", "begun", TaskKind::ProveShard);
    scene.tell(Event::WorkerDraining { worker: "w".into() });
    scene.pass(2, &["w"]);
    assert_eq!(scene.at("execution"), Some("w"), "all shards are under way");
    scene.task("p", "next", TaskKind::ProveShard);
    let actions = scene.pass(2, &["w"]);
    assert!(actions.contains(&withdraw("w", "p", "execution")), "{actions:?}");
    assert_eq!((scene.at("execution"), scene.at("begun")), (None, Some("w")));
    scene.worker("comes", WorkerKind::All, 40);
    scene.pass(2, &["w", "comes"]);
    assert_eq!((scene.at("execution"), scene.at("next")), (Some("comes"), Some("comes")));
    assert_eq!(scene.retries("execution"), 0);
    // Where somebody else makes them, it ends by itself.
    let mut scene = Scene::new();
    scene.worker("w", WorkerKind::All, 40);
    scene.proof("p", TaskKind::Controller);
    scene.task("p", "execution", TaskKind::CoreExecute);
    scene.worker("other", WorkerKind::Gpu, 8);
    scene.tell(Event::WorkerDraining { worker: "w".into() });
    for shard in ["a", "b", "c"] {
        scene.task("p", shard, TaskKind::ProveShard);
    }
    scene.pass(5, &["w", "other"]);
    assert_eq!((scene.at("execution"), scene.at("c")), (Some("w"), None));
}

#[test]
fn marks_are_never_given_out_and_anybody_completes_them() {
    let mut scene = Scene::new();
    scene.worker("all", WorkerKind::All, 64);
    scene.proof("p", TaskKind::Controller);
    let actions = scene.task("p", "mark", TaskKind::MarkerDeferredRecord);
    assert!(assigned(actions).is_empty());
    assert_eq!(scene.scheduler.stats().cpu_queue + scene.scheduler.stats().gpu_queue, 0);
    assert_eq!(scene.scheduler.diagnosis(&"p".into()), None);
    scene.done("a client", "mark");
    assert_eq!(scene.state("mark"), &TaskState::Succeeded);
}

#[test]
fn a_worker_that_could_take_nothing_is_refused() {
    let mut scene = Scene::new();
    for (gb, provers) in [(0, vec![ProverType::Exec]), (8, vec![])] {
        let spec = WorkerSpec {
            id: "w".into(),
            kind: WorkerKind::All,
            max_weight: Weight::gb(gb),
            provers,
            dialects: vec![],
            build: String::new(),
        };
        let refused = scene.try_tell(Event::WorkerOpened(spec)).unwrap_err();
        assert!(matches!(refused, Refused::UselessWorker { .. }));
    }
    assert_eq!(scene.scheduler.workers().count(), 0);
}

/// A task that needs nearly all of a worker, beside a controller of another proof whose work goes on there: that controller is put back
/// once, and not again and again for as long as the work takes.
#[test]
fn a_controller_that_is_put_back_stays_back_until_what_it_was_put_back_for_runs() {
    let mut scene = Scene::new();
    scene.worker("w", WorkerKind::All, 20);
    let of =
        |proof: &str, id: &str, kind, gb| TaskSpec { weight: Weight::gb(gb), ..Scene::spec(proof, id, kind) };
    for proof in ["a", "b"] {
        let spec = ProofSpec {
            id: proof.into(),
            prover: ProverType::Exec,
            requester: String::new(),
            deadline: None,
        };
        let root = of(proof, &format!("{proof}/root"), TaskKind::Controller, 1);
        scene.tell(Event::ProofCreated { proof: spec, root });
    }
    scene.tell(Event::TaskCreated(of("b", "b/work", TaskKind::ProveShard, 4)));
    scene.tell(Event::TaskCreated(of("a", "a/wrap", TaskKind::PlonkWrap, 19)));
    assert_eq!(
        (scene.at("a/root"), scene.at("b/root"), scene.at("b/work")),
        (Some("w"), Some("w"), Some("w"))
    );
    let actions = scene.pass(300, &["w"]);
    let given = assigned(&actions);
    assert!(given.is_empty(), "nothing can be given out: {given:?}");
    assert_eq!((scene.at("b/root"), scene.at("b/work"), scene.at("a/wrap")), (None, Some("w"), None));
    scene.done("w", "b/work");
    assert_eq!(scene.at("a/wrap"), Some("w"));
    scene.pass(60, &["w"]);
    assert_eq!(scene.at("b/root"), None);
    scene.done("w", "a/wrap");
    assert_eq!((scene.at("b/root"), scene.retries("b/root")), (Some("w"), 0));
}
