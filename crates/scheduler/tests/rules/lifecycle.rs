//! Proofs and tasks from their creation to their end, and what is refused on the way.

use crate::scene::{Scene, withdraw};
use proofmill_fault::{Code, Fault, History};
use proofmill_primitives::{ProverType, TaskKind, WorkerKind};
use proofmill_scheduler::{Action, Counts, Event, ProofSpec, ProofState, Refused, TaskState, Time};

#[test]
fn a_new_proof_is_made_durable_before_its_task_is_sent() {
    let mut scene = Scene::new();
    scene.worker("cpu", WorkerKind::Cpu, 8);
    let since = scene.time();
    let root = Scene::spec("p", "p/root", TaskKind::Controller);
    let running = TaskState::Running { worker: "cpu".into(), since, history: History::default() };
    let expected = [
        Action::ProofChanged { proof: "p".into(), state: ProofState::Active },
        Action::TaskAdded(root.clone()),
        Action::TaskChanged { proof: "p".into(), task: "p/root".into(), state: running },
        Action::Assign { worker: "cpu".into(), task: root },
    ];
    assert_eq!(scene.proof("p", TaskKind::Controller), expected);
}

#[test]
fn the_end_of_a_proof_takes_back_what_runs_and_forgets_it() {
    for (event, state) in [
        (Event::ProofCompleted { proof: "p".into() }, ProofState::Completed),
        (Event::ProofCancelled { proof: "p".into() }, ProofState::Cancelled),
        (
            Event::ProofFailed { proof: "p".into(), fault: Fault::new(Code::Rejected, "no") },
            ProofState::Failed { fault: Fault::new(Code::Rejected, "no") },
        ),
    ] {
        let mut scene = Scene::new();
        scene.worker("all", WorkerKind::All, 8);
        scene.proof("p", TaskKind::Controller);
        scene.task("p", "runs", TaskKind::ProveShard);
        scene.task("p", "waits", TaskKind::ProveShard);
        scene.tell(event.clone());
        assert!(scene.last.contains(&Action::ProofChanged { proof: "p".into(), state }));
        assert!(scene.last.contains(&withdraw("all", "p", "runs")));
        assert_eq!((scene.weight("all"), scene.scheduler.stats().total_tasks), (0, 0));
        // What workers still say of it is no error; what would change it is.
        assert!(scene.done("all", "runs").is_empty() && scene.fails("all", "p/root").is_empty());
        assert_eq!(scene.try_tell(event), Err(Refused::NoSuchProof("p".into())));
        let late = Event::TaskCreated(Scene::spec("p", "late", TaskKind::ProveShard));
        assert_eq!(scene.try_tell(late), Err(Refused::NoSuchProof("p".into())));
    }
}

#[test]
fn what_exists_already_or_does_not_exist_is_refused() {
    let mut scene = Scene::new();
    scene.proof("p", TaskKind::Controller);
    let created = |id: &str, root| Event::ProofCreated {
        proof: ProofSpec {
            id: id.into(),
            prover: ProverType::Exec,
            requester: String::new(),
            deadline: None,
        },
        root,
    };
    let root = |proof: &str| Scene::spec(proof, "p/root", TaskKind::Controller);
    assert_eq!(scene.try_tell(created("p", root("p"))), Err(Refused::ProofExists("p".into())));
    assert_eq!(scene.try_tell(created("q", root("q"))), Err(Refused::TaskExists("p/root".into())));
    assert_eq!(scene.try_tell(created("q", root("r"))), Err(Refused::NoSuchProof("r".into())));
    assert_eq!(scene.try_tell(Event::TaskCreated(root("p"))), Err(Refused::TaskExists("p/root".into())));
    let unknown = Event::TaskCompleted { worker: "w".into(), task: "t".into() };
    assert_eq!(scene.try_tell(unknown), Err(Refused::NoSuchTask("t".into())));
    let received = scene.time();
    let nobody = Event::Heartbeat { worker: "w".into(), active: vec![], received };
    assert_eq!(scene.try_tell(nobody), Err(Refused::NoSuchWorker("w".into())));
    let nobody = Event::WorkerDraining { worker: "w".into() };
    assert_eq!(scene.try_tell(nobody), Err(Refused::NoSuchWorker("w".into())));
    assert!(scene.tell(Event::WorkerGone { worker: "w".into() }).is_empty());
    assert_eq!(scene.scheduler.proofs().count(), 1);
}

#[test]
fn numbers_are_those_of_the_cluster() {
    let mut scene = Scene::new();
    scene.worker("gpu", WorkerKind::Gpu, 6);
    scene.worker("all", WorkerKind::All, 4);
    scene.proof("p", TaskKind::Controller);
    for id in ["1", "2", "3"] {
        scene.task("p", id, TaskKind::ProveShard);
    }
    scene.task("p", "wrap", TaskKind::PlonkWrap);
    let stats = scene.scheduler.stats();
    assert_eq!((stats.cpu_queue, stats.gpu_queue), (1, 2));
    assert_eq!((stats.cpu_current, stats.cpu_max, stats.gpu_current, stats.gpu_max), (4, 4, 4, 10));
    assert_eq!((stats.gpu_workers, stats.all_workers, stats.workers()), (1, 1, 2));
    assert_eq!((stats.total_tasks, stats.active_tasks, stats.active_proofs), (5, 2, 1));
    assert_eq!(stats.diagnosed_proofs, 1);
    scene.done("gpu", "1");
    let shards = scene.scheduler.progress(&"p".into()).unwrap()[&TaskKind::ProveShard];
    assert_eq!(shards, Counts { pending: 1, running: 1, succeeded: 1 });
    let tasks: Vec<_> = scene.scheduler.tasks_of(&"p".into()).map(|(spec, _)| spec.id.as_str()).collect();
    assert_eq!(tasks, ["p/root", "1", "2", "3", "wrap"]);
    assert_eq!(scene.scheduler.proof(&"p".into()).unwrap().1, Time::from_millis(scene.now));
}
