//! Executions of the SP1 cluster's layout: they hold their memory until their shards have run, as controllers do.

use crate::scene::{Scene, failure, withdraw};
use proofmill_primitives::{ProverType, TaskKind, Weight, WorkerKind};
use proofmill_scheduler::{Config, Diagnosis, Event, ProofSpec, TaskSpec};
use std::time::Duration;

fn of(proof: &str, id: &str, kind: TaskKind, gb: u32) -> TaskSpec {
    TaskSpec { weight: Weight::gb(gb), ..Scene::spec(proof, id, kind) }
}

/// A worker with these proofs of SP1: a controller, an execution and a shard each, with the weights that our own tasks have.
fn proving(gb: u32, proofs: &[&str]) -> Scene {
    let mut scene = Scene::new();
    scene.worker("w", WorkerKind::All, gb);
    for proof in proofs {
        let spec = ProofSpec {
            id: (*proof).into(),
            prover: ProverType::Exec,
            requester: String::new(),
            deadline: None,
        };
        let root = of(proof, &format!("{proof}/root"), TaskKind::Controller, 1);
        scene.tell(Event::ProofCreated { proof: spec, root });
    }
    for (name, kind, gb) in [("execution", TaskKind::CoreExecute, 1), ("shard", TaskKind::ProveShard, 15)] {
        for proof in proofs {
            scene.tell(Event::TaskCreated(of(proof, &format!("{proof}/{name}"), kind, gb)));
        }
    }
    scene
}

/// Those of two proofs fill a worker on which neither shard has room then.
#[test]
fn executions_that_block_each_other_are_put_back_youngest_first() {
    let mut scene = proving(18, &["a", "b"]);
    assert_eq!((scene.weight("w"), scene.at("a/shard"), scene.at("b/shard")), (4, None, None));
    let actions = scene.pass(31, &["w"]);
    assert!(actions.contains(&withdraw("w", "b", "b/execution")), "{actions:?}");
    assert_eq!((scene.at("a/shard"), scene.at("b/execution")), (Some("w"), None));
    assert_eq!((scene.at("b/root"), scene.retries("b/execution")), (Some("w"), 0), "no more than is needed");
    scene.done("w", "a/shard");
    assert_eq!((scene.at("b/execution"), scene.at("b/shard")), (Some("w"), None));
    scene.done("w", "a/execution");
    assert_eq!(scene.at("b/shard"), Some("w"));
}

/// The worker that is kept for a wrap must not be one where it has to wait for an execution, whose shards get no room meanwhile.
#[test]
fn a_wrap_does_not_wait_for_an_execution_that_its_worker_keeps_waiting() {
    let mut scene = proving(24, &["old"]);
    scene.done("w", "old/shard");
    scene.done("w", "old/execution");
    scene.proof("new", TaskKind::Controller);
    scene.tell(Event::TaskCreated(of("new", "new/execution", TaskKind::CoreExecute, 8)));
    scene.tell(Event::TaskCreated(of("new", "new/x", TaskKind::ProveShard, 4)));
    scene.task("old", "old/wrap", TaskKind::Groth16Wrap);
    assert_eq!((scene.at("new/execution"), scene.at("old/wrap")), (Some("w"), None));
    scene.done("w", "new/x");
    scene.tell(Event::TaskCreated(of("new", "new/y", TaskKind::ProveShard, 4)));
    scene.pass(31, &["w"]);
    assert_eq!((scene.at("old/wrap"), scene.at("new/execution")), (Some("w"), None));
    scene.done("w", "new/y");
    scene.done("w", "old/wrap");
    assert_eq!((scene.at("new/execution"), scene.retries("new/execution")), (Some("w"), 0));
}

/// A shard that has no room beside its own execution will have none: the execution waits for it.
#[test]
fn a_worker_too_small_for_a_shard_beside_its_execution_is_diagnosed() {
    let mut scene = proving(16, &["a"]);
    let diagnosis = Diagnosis::NoWorkerLargeEnough {
        kind: TaskKind::ProveShard,
        needs: Weight::gb(15),
        held: Weight::gb(2),
        largest: Weight::gb(16),
    };
    assert_eq!(scene.scheduler.diagnosis(&"a".into()), Some(&diagnosis));
    scene.done("w", "a/execution");
    assert_eq!((scene.scheduler.diagnosis(&"a".into()), scene.at("a/shard")), (None, Some("w")));
}

#[test]
fn an_execution_waits_as_long_as_its_shards_take() {
    let mut scene = Scene::with(Config { task_timeout: Duration::from_secs(60), ..Config::default() });
    scene.worker("w", WorkerKind::All, 20);
    scene.proof("p", TaskKind::Controller);
    scene.task("p", "execution", TaskKind::CoreExecute);
    let actions = scene.pass(61 * 5, &["w"]);
    assert!(actions.is_empty(), "{actions:?}");
    assert_eq!((scene.at("execution"), scene.retries("execution")), (Some("w"), 0));
}

#[test]
fn evictions_under_an_execution_are_forgotten_while_its_proof_goes_on() {
    let mut scene = Scene::new();
    scene.worker("controls", WorkerKind::Cpu, 4);
    scene.proof("p", TaskKind::Controller);
    scene.task("p", "execution", TaskKind::CoreExecute);
    for round in 0..20 {
        let worker = format!("w{round}");
        scene.worker(&worker, WorkerKind::All, 8);
        assert_eq!((scene.at("execution"), scene.retries("execution")), (Some(worker.as_str()), 0));
        let shard = format!("t{round}");
        scene.task("p", &shard, TaskKind::ProveShard);
        scene.done("anybody", &shard);
        let gone = scene.tell(Event::WorkerGone { worker: worker.as_str().into() });
        assert_eq!(failure(gone, "p"), None, "{round}");
    }
}
