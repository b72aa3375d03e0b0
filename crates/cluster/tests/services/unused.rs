//! What ended proofs were made from goes away; what a proof that goes on needs stays.

use crate::harness::{PATIENCE, impatient, start_with};
use proofmill_artifacts::{ArtifactKind, ArtifactStore};
use proofmill_cluster::ClusterConfig;
use proofmill_primitives::TaskKind;
use proofmill_wire::{cluster::ProofRequestCancelRequest, worker::WorkerType};
use std::time::{Duration, Instant};
use tonic::Code;

#[tokio::test]
async fn artifacts_are_kept_for_a_proof_and_removed_after_it() {
    let retention = Duration::from_secs(6);
    let cluster = start_with(ClusterConfig { artifact_retention: retention, ..impatient() }).await;
    let there = async |id: &str, kind| cluster.artifacts.exists(&id.into(), kind).await.unwrap();
    let gone = async |id: &str, kind| {
        let end = Instant::now() + PATIENCE;
        while there(id, kind).await {
            assert!(Instant::now() < end, "{kind} {id} stays");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let kept = [
        ("program", ArtifactKind::Program),
        ("stdin", ArtifactKind::Stdin),
        ("shard", ArtifactKind::Intermediate),
    ];
    let store = async |blobs: &[(&str, ArtifactKind)]| {
        for (id, kind) in blobs {
            cluster.artifacts.put(&(*id).into(), *kind, (*id).to_owned().into()).await.unwrap();
        }
    };
    store(&[("other", ArtifactKind::Intermediate), ("p-proof", ArtifactKind::Proof)][..]).await;
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    // On a machine that stands still they may be gone before they are named: they are stored again then, and once they are.
    loop {
        store(&kept[..]).await;
        match cluster.request("p", "2").await {
            Ok(()) => break,
            Err(status) => assert_eq!(status.code(), Code::FailedPrecondition, "{status}"),
        }
    }
    let root = worker.task().await;
    worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap();
    store(&kept[..]).await;

    gone("other", ArtifactKind::Intermediate).await;
    tokio::time::sleep(retention).await;
    for (id, kind) in kept {
        assert!(there(id, kind).await, "{kind} {id} is gone");
    }
    let cancel = ProofRequestCancelRequest { proof_id: "p".into() };
    cluster.api.clone().proof_request_cancel(cancel).await.unwrap();
    for (id, kind) in kept {
        gone(id, kind).await;
    }
    assert!(there("p-proof", ArtifactKind::Proof).await, "the finished proof is gone");
}
