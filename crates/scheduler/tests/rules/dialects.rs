//! Fleets of several versions, and of Proofmill's and the SP1 cluster's workers: nobody is given what it does not understand.

use crate::scene::{Scene, assigned};
use proofmill_primitives::{Dialect, ProverType, TaskKind, WorkerKind};
use proofmill_scheduler::{Diagnosis, Event};

const OLD: Dialect = Dialect::Own(1);
const NEW: Dialect = Dialect::Own(2);

#[test]
fn a_task_goes_only_to_who_speaks_as_its_controller_does() {
    let mut scene = Scene::new();
    scene.speaker("stock", WorkerKind::All, &[Dialect::Sp1Cluster]);
    scene.proof("p", TaskKind::Controller);
    assert_eq!(scene.at("p/root"), Some("stock"), "a first task is for anybody");
    scene.task_in("p", "theirs", TaskKind::ProveShard, Dialect::Sp1Cluster);
    assert_eq!(scene.at("theirs"), Some("stock"));
    scene.task_in("p", "ours", TaskKind::ProveShard, NEW);
    scene.speaker("old", WorkerKind::All, &[OLD]);
    scene.speaker("silent", WorkerKind::All, &[]);
    assert_eq!(scene.at("ours"), None);
    scene.speaker("both", WorkerKind::All, &[NEW, Dialect::Sp1Cluster]);
    assert_eq!(scene.at("ours"), Some("both"));
    // Nor is it sent elsewhere when its worker is lost.
    let gone = scene.tell(Event::WorkerGone { worker: "both".into() });
    assert!(assigned(gone).is_empty());
    assert_eq!(scene.at("ours"), None);
}

/// The old workers are stopped one after the other: the proof goes on with those that are there, whatever is left of its first
/// beginning, and nothing of that is told as a reason to wait.
#[test]
fn a_proof_whose_controller_moves_to_a_new_version_starts_over_there() {
    let mut scene = Scene::new();
    scene.speaker("old", WorkerKind::Cpu, &[OLD]);
    scene.proof("p", TaskKind::Controller);
    scene.task_in("p", "first", TaskKind::ProveShard, OLD);
    scene.speaker("new", WorkerKind::All, &[NEW]);
    let (kind, prover) = (TaskKind::ProveShard, ProverType::Exec);
    let waits = Diagnosis::NoWorkerOfDialect { kind, prover, dialect: OLD };
    assert_eq!(scene.scheduler.diagnosis(&"p".into()), Some(&waits));
    let words = waits.to_string();
    assert!(words.contains("proofmill-0000000000000001") && words.contains("stop the worker"), "{words}");
    scene.tell(Event::WorkerGone { worker: "old".into() });
    assert_eq!((scene.at("p/root"), scene.at("first")), (Some("new"), None));
    assert_eq!(scene.scheduler.diagnosis(&"p".into()), None);
    scene.task_in("p", "second", TaskKind::ProveShard, NEW);
    assert_eq!(scene.at("second"), Some("new"));
}

#[test]
fn without_any_worker_of_the_type_the_type_is_named_and_not_the_dialect() {
    let mut scene = Scene::new();
    scene.proof("p", TaskKind::Controller);
    scene.task_in("p", "shard", TaskKind::ProveShard, NEW);
    let diagnosis = scene.scheduler.diagnosis(&"p".into());
    assert!(matches!(diagnosis, Some(Diagnosis::NoWorkerOfType { .. })), "{diagnosis:?}");
}
