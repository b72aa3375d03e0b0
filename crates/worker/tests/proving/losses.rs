//! Workers and coordinators that go away in the middle.

use crate::{backend::Slow, harness::Site, way};
use proofmill_primitives::WorkerKind;
use proofmill_wire::operator::{ProofPhase, StatusResponse};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_finishes_what_a_dead_one_began() {
    let site = Site::new(Slow::new(300)).await;
    let _keeps = site.worker("keeps", WorkerKind::All, 3);
    let dies = site.worker("dies", WorkerKind::Gpu, 2);
    site.request("p", 12, 2).await;
    site.until("some are finished, some are under way", || {
        site.backend.proven().len() >= 4 && site.backend.begun() > site.backend.proven().len()
    })
    .await;
    let finished: Vec<_> = (0..12).filter(|segment| site.file_of(*segment).is_some()).collect();
    dies.kill().await;
    site.proof("p", 12).await;
    let proven = site.backend.proven();
    assert!(!finished.is_empty());
    assert!(finished.iter().all(|segment| proven[segment] == 1), "{finished:?}: {proven:?}");
    let twice = proven.values().filter(|times| **times > 1).count();
    assert!(twice <= 2 && proven.values().all(|times| *times <= 2), "at most what it held: {proven:?}");
}

/// Its process is back under its name before anybody misses it, each time: that it is another one is known by its own word.
#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_takes_every_process_of_a_name_down_ends_its_proof() {
    // Nobody gets as far as its end.
    let site = Site::new(Slow::new(1).holding([0])).await;
    let _controls = site.worker("controls", WorkerKind::Cpu, 1);
    let mut proves = site.worker("proves", WorkerKind::Gpu, 1);
    site.request("p", 1, 2).await;
    for begun in 0..30 {
        let progress = tokio::select! {
            progress = site.ended("p") => progress,
            () = site.until("it is begun once more", || site.backend.times_begun(0) > begun) => {
                proves.kill().await;
                proves = site.worker("proves", WorkerKind::Gpu, 1);
                continue;
            }
        };
        assert_eq!(progress.phase(), ProofPhase::Failed);
        assert!(progress.cause.contains("was lost"), "{}", progress.cause);
        return;
    }
    panic!("it is sent to the next process for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_starts_over_repeats_nothing() {
    let site = Site::new(Slow::new(300)).await;
    let controls = site.worker("controls", WorkerKind::Cpu, 1);
    let _proves = site.worker("proves", WorkerKind::Gpu, 2);
    site.request("p", 8, 2).await;
    site.until("some are finished", || site.backend.proven().len() >= 3).await;
    controls.kill().await;
    let _next = site.worker("next", WorkerKind::Cpu, 1);
    site.proof("p", 8).await;
    assert_eq!(site.backend.proven(), Slow::once(8));
    assert_eq!(*site.backend.plans.lock().unwrap(), 1, "the plan is found too");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_handed_in_when_the_coordinator_is_back() {
    // Its last segment is not done before the coordinator is away.
    let mut site = Site::new(Slow::new(300).holding([9])).await;
    let _workers = [site.worker("a", WorkerKind::All, 2), site.worker("b", WorkerKind::All, 2)];
    site.request("p", 10, 2).await;
    site.until("some are finished", || site.backend.proven().len() >= 3).await;
    site.stop_cluster().await;
    site.backend.let_go();
    // Whatever was under way is finished meanwhile.
    tokio::time::sleep(Duration::from_millis(800)).await;
    site.start_cluster().await;
    site.proof("p", 10).await;
    assert_eq!(site.backend.proven(), Slow::once(10));
}

/// Whether a worker leaves, and holds the long segment and nothing else.
fn one_leaves(status: &StatusResponse) -> bool {
    let mut leaving = status.workers.iter().filter(|worker| worker.draining);
    leaving.next().is_some_and(|worker| worker.tasks == ["ProveShard"]) && leaving.next().is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_finishes_what_it_holds() {
    let site = Site::new(Slow::new(100).holding([0])).await;
    let leaves = site.worker("leaves", WorkerKind::All, 3);
    site.request("p", 6, 2).await;
    site.until("it is at the long one", || site.backend.is_at(0)).await;
    let _stays = site.worker("stays", WorkerKind::All, 3);
    site.has_workers(&["leaves", "stays"]).await;
    leaves.stop.cancel();
    // Far longer than a broken stream is waited for.
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert!(!leaves.running.is_finished(), "it did not wait for the long one");
    site.backend.let_go();
    leaves.running.await.unwrap().unwrap();
    let (progress, _) = site.proof("p", 6).await;
    assert_eq!(site.backend.proven(), Slow::once(6));
    assert_eq!(progress.workers.len(), 2);
    site.has_workers(&["stays"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_leaves_outlives_a_restart_of_the_coordinator() {
    let mut site = Site::new(Slow::new(100).holding([0])).await;
    let _controls = site.worker("controls", WorkerKind::Cpu, 1);
    let leaves = site.worker("leaves", WorkerKind::Gpu, 1);
    site.request("p", 3, 2).await;
    site.until("it is at the long one", || site.backend.is_at(0)).await;
    leaves.stop.cancel();
    site.until_status("it leaves", one_leaves).await;
    site.stop_cluster().await;
    site.start_cluster().await;
    site.until_status("it comes back to say so", one_leaves).await;
    site.backend.let_go();
    leaves.running.await.unwrap().unwrap();
    let _next = site.worker("next", WorkerKind::Gpu, 1);
    site.proof("p", 3).await;
    assert_eq!(site.backend.proven(), Slow::once(3));
}

/// That it takes no more tasks is lost on the way: it says so again, and is not given back what it hands back for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_leaves_says_so_until_it_is_heard() {
    let site = Site::new(Slow::new(100).holding([0])).await;
    let by = way::losing(site.address, "/Close", 3).await;
    let leaves = site.worker_by(by, "leaves", WorkerKind::All, 2);
    site.request("p", 3, 2).await;
    site.until("it is at the long one", || site.backend.is_at(0)).await;
    leaves.stop.cancel();
    site.until_status("it is heard, and the controller is handed back", one_leaves).await;
    site.backend.let_go();
    leaves.running.await.unwrap().unwrap();
    let _next = site.worker("next", WorkerKind::All, 3);
    site.proof("p", 3).await;
    assert_eq!(site.backend.proven(), Slow::once(3));
}
