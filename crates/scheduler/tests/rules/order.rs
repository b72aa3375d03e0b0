//! Who goes first, and that nobody waits forever.

use crate::scene::{Scene, withdraw};
use proofmill_primitives::{ProverType, TaskKind, Weight, WorkerKind};
use proofmill_scheduler::{Config, Event, Policy, ProofSpec, Time};

fn proof(id: &str, requester: &str, deadline: Option<u64>) -> ProofSpec {
    let deadline = deadline.map(Time::from_millis);
    ProofSpec { id: id.into(), prover: ProverType::Exec, requester: requester.into(), deadline }
}

/// The order in which a worker with room for one takes what waits.
fn taken(scene: &mut Scene, gb: u32, count: usize) -> Vec<String> {
    scene.worker("one", WorkerKind::Gpu, gb);
    let mut order = Vec::new();
    for _ in 0..count {
        let task = scene.held("one")[0].clone();
        order.push(task.as_str().to_owned());
        scene.done("one", task.as_str());
    }
    order
}

#[test]
fn fifo_takes_the_oldest_proof_first_and_in_it_what_is_nearest_its_end() {
    let mut scene = Scene::new();
    scene.proof("z", TaskKind::ProveShard);
    scene.proof("a", TaskKind::ProveShard);
    scene.task("z", "z/shard", TaskKind::ProveShard);
    scene.task("z", "z/reduce", TaskKind::RecursionReduce);
    scene.task("a", "a/reduce", TaskKind::RecursionReduce);
    let order = taken(&mut scene, 4, 5);
    assert_eq!(order, ["z/reduce", "z/root", "z/shard", "a/reduce", "a/root"]);
}

#[test]
fn deadline_takes_the_earliest_first_and_those_without_last() {
    let mut scene = Scene::policy(Policy::Deadline);
    let later = scene.now + 100_000;
    scene.proof_of(proof("none", "", None), TaskKind::ProveShard);
    scene.proof_of(proof("late", "", Some(later + 1)), TaskKind::ProveShard);
    scene.proof_of(proof("soon", "", Some(later)), TaskKind::ProveShard);
    assert_eq!(taken(&mut scene, 4, 3), ["soon/root", "late/root", "none/root"]);
}

#[test]
fn a_deadline_that_moves_moves_the_tasks_that_wait() {
    let mut scene = Scene::policy(Policy::Deadline);
    let later = scene.now + 100_000;
    for (id, deadline) in [("first", Some(later)), ("second", Some(later + 1)), ("third", None)] {
        scene.proof_of(proof(id, "", deadline), TaskKind::ProveShard);
    }
    for (id, deadline) in [("third", later - 2), ("first", later + 2)] {
        let deadline = Time::from_millis(deadline);
        scene.tell(Event::DeadlineMoved { proof: id.into(), deadline });
    }
    assert_eq!(taken(&mut scene, 4, 3), ["third/root", "second/root", "first/root"]);
}

#[test]
fn balanced_shares_among_requesters_and_then_among_their_proofs() {
    let mut scene = Scene::policy(Policy::Balanced);
    for id in ["big1", "big2", "big3"] {
        scene.proof_of(proof(id, "big", None), TaskKind::ProveShard);
        for shard in 0..4 {
            scene.task(id, &format!("{id}/{shard}"), TaskKind::ProveShard);
        }
    }
    scene.proof_of(proof("small", "small", None), TaskKind::ProveShard);
    for shard in 0..9 {
        scene.task("small", &format!("small/{shard}"), TaskKind::ProveShard);
    }
    scene.worker("gpu", WorkerKind::Gpu, 48);
    let held = scene.held("gpu");
    let count = |name: &str| held.iter().filter(|id| id.as_str().starts_with(name)).count();
    assert_eq!((count("big"), count("small")), (6, 6));
    assert_eq!((count("big1"), count("big2"), count("big3")), (2, 2, 2));
    // What ends makes its owner the next in turn.
    for id in held.iter().filter(|id| id.as_str().starts_with("small")).take(2) {
        scene.done("gpu", id.as_str());
    }
    let held = scene.held("gpu");
    assert_eq!(held.iter().filter(|id| id.as_str().starts_with("small")).count(), 6);
}

#[test]
fn a_heavy_task_that_lighter_ones_overtake_gets_a_worker_kept_free() {
    let mut scene = Scene::new();
    scene.worker("cpu", WorkerKind::Cpu, 62);
    scene.proof("light", TaskKind::ExecuteOnly);
    scene.proof("heavy", TaskKind::PlonkWrap);
    assert_eq!(scene.at("heavy/root"), None);
    // Every ten seconds a light one ends and another one comes: without the rule this goes on forever.
    let mut finished = "light/root".to_owned();
    for round in 0..20 {
        if scene.at("heavy/root").is_some() {
            assert!((3..6).contains(&round), "round {round}");
            return;
        }
        let next = format!("n{round}/root");
        scene.proof(&format!("n{round}"), TaskKind::ExecuteOnly);
        scene.pass(10, &["cpu"]);
        scene.done("cpu", &finished);
        finished = next;
    }
    panic!("the wrap starved");
}

#[test]
fn a_worker_of_both_kinds_keeps_room_for_what_controllers_wait_for() {
    let mut scene = Scene::new();
    scene.worker("laptop", WorkerKind::All, 8);
    scene.proof("a", TaskKind::Controller);
    scene.proof("b", TaskKind::Controller);
    scene.task("a", "shard", TaskKind::ProveShard);
    assert_eq!(
        (scene.at("a/root"), scene.at("b/root"), scene.at("shard")),
        (Some("laptop"), None, Some("laptop"))
    );
    scene.done("laptop", "shard");
    assert_eq!(scene.at("b/root"), None);
    scene.done("laptop", "a/root");
    assert_eq!(scene.at("b/root"), Some("laptop"));
}

#[test]
fn controllers_that_block_each_other_are_put_back_youngest_first() {
    unblocked(0);
}

/// A clock that was wrong by a day is set right while they wait for each other: they do not wait for that day.
#[test]
fn controllers_that_block_each_other_are_put_back_although_the_clock_went_back() {
    unblocked(86_400_000);
}

fn unblocked(back_ms: u64) {
    let mut scene = Scene::with(Config { controller_headroom: Weight::ZERO, ..Config::default() });
    scene.now += back_ms;
    scene.worker("cpu", WorkerKind::Cpu, 20);
    for id in ["a", "b", "c"] {
        scene.proof(id, TaskKind::Controller);
    }
    for id in ["a", "b", "c"] {
        scene.task(id, &format!("{id}/wrap"), TaskKind::Groth16Wrap);
    }
    assert_eq!((scene.weight("cpu"), scene.at("a/wrap")), (12, None));
    scene.tell(Event::Tick);
    scene.now -= back_ms;
    let actions = scene.pass(31, &["cpu"]);
    assert!(
        actions.contains(&withdraw("cpu", "c", "c/root"))
            && actions.contains(&withdraw("cpu", "b", "b/root"))
    );
    assert_eq!(
        (scene.at("a/root"), scene.at("a/wrap"), scene.at("b/root")),
        (Some("cpu"), Some("cpu"), None)
    );
    assert_eq!(scene.retries("b/root"), 0);
}

#[test]
fn a_proof_that_cannot_go_on_does_not_keep_others_out() {
    let mut scene = Scene::new();
    scene.worker("cpu", WorkerKind::Cpu, 4);
    scene.proof("stuck", TaskKind::Controller);
    scene.task("stuck", "stuck/wrap", TaskKind::PlonkWrap);
    assert!(scene.scheduler.diagnosis(&"stuck".into()).is_some());
    scene.proof("fine", TaskKind::Controller);
    scene.pass(31, &["cpu"]);
    assert_eq!((scene.at("fine/root"), scene.at("stuck/root")), (Some("cpu"), None));
    scene.done("cpu", "fine/root");
    assert_eq!(scene.at("stuck/root"), Some("cpu"));
}
