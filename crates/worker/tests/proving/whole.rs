//! Proofs that nothing goes wrong with.

use crate::{backend::Slow, harness::Site};
use proofmill_artifacts::ArtifactKind;
use proofmill_primitives::{ProofMode, WorkerKind};
use proofmill_wire::operator::ProofPhase;

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_make_a_proof() {
    let site = Site::new(Slow::new(50).holding(0..7)).await;
    let _workers = [site.worker("a", WorkerKind::All, 3), site.worker("b", WorkerKind::All, 3)];
    site.request("p", 7, 2).await;
    site.until("there is more under way than one has room for", || site.backend.begun() > 3).await;
    site.backend.let_go();
    let (progress, proof) = site.proof("p", 7).await;
    assert_eq!(proof.mode, ProofMode::Compressed);
    assert_eq!(site.backend.proven(), Slow::once(7));
    assert_eq!(progress.instructions, 700);
    assert_eq!(progress.public_values, b"7");
    let kinds: Vec<_> =
        progress.kinds.iter().map(|kind| (kind.kind.as_str(), kind.planned, kind.succeeded)).collect();
    let expected =
        [("Controller", 1, 1), ("ProveShard", 7, 7), ("RecursionReduce", 6, 6), ("ShrinkWrap", 1, 1)];
    assert_eq!(kinds, expected);
    assert_eq!(progress.workers.len(), 2, "both took part");
    assert_eq!(progress.workers.iter().map(|worker| worker.tasks).sum::<u32>(), 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mode_and_size() {
    let site = Site::new(Slow::new(1)).await;
    let _worker = site.worker("w", WorkerKind::All, 4);
    for (mode, wire) in [(ProofMode::Core, 1), (ProofMode::Compressed, 2)] {
        for segments in [1, 2, 5] {
            let id = format!("{mode}-{segments}");
            site.request(&id, segments, wire).await;
            assert_eq!(site.proof(&id, segments).await.1.mode, mode);
        }
    }
    site.request("execute", 5, 0).await;
    let progress = site.ended("execute").await;
    assert_eq!((progress.phase(), progress.instructions), (ProofPhase::Completed, 500));
    site.request("wrap", 5, 3).await;
    let progress = site.ended("wrap").await;
    assert_eq!(progress.phase(), ProofPhase::Failed);
    assert!(progress.cause.contains("circuit files"), "{}", progress.cause);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_proven_for_another_request_is_reused() {
    let site = Site::new(Slow::new(1)).await;
    let _worker = site.worker("w", WorkerKind::All, 4);
    site.request("first", 4, 2).await;
    site.proof("first", 4).await;
    site.request("second", 4, 2).await;
    site.proof("second", 4).await;
    // Another mode shares the segments.
    site.request("core", 4, 1).await;
    assert_eq!(site.proof("core", 4).await.1.mode, ProofMode::Core);
    assert_eq!(site.backend.proven(), Slow::once(4));
    assert_eq!(*site.backend.plans.lock().unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_input_is_found() {
    let site = Site::new(Slow::new(1)).await;
    let _worker = site.worker("w", WorkerKind::All, 4);
    site.request_with("p", 3, 2, ArtifactKind::PrivateStdin).await.unwrap();
    site.proof("p", 3).await;
}

/// A program that verifies the same proof several times: what is equal is made once, for all that need it.
#[tokio::test(flavor = "multi_thread")]
async fn equal_parts_are_made_once() {
    let site = Site::new(Slow::new(200).alike()).await;
    let _worker = site.worker("w", WorkerKind::All, 3);
    site.request("p", 4, 2).await;
    let progress = site.ended("p").await;
    assert_eq!(progress.phase(), ProofPhase::Completed, "{}", progress.cause);
    assert_eq!(site.backend.proven().values().sum::<u32>(), 1);
}
