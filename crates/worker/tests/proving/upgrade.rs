//! Fleets of two builds.

use crate::{
    backend::Slow,
    harness::{PATIENCE, Site},
};
use proofmill_primitives::WorkerKind;
use proofmill_wire::{
    header,
    operator::ProofPhase,
    worker::{OpenRequest, WorkerType, server_message::Message, worker_service_client::WorkerServiceClient},
};
use std::{collections::BTreeSet, time::Duration};
use tonic::{Request, transport::Channel};

/// Old workers are stopped one after the other while new ones are there: no proof fails, and what the old ones do not get to is
/// made by the new ones.
#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_upgrade_costs_no_proof() {
    let site = Site::new(Slow::new(200)).await;
    let old = [site.worker_of("1", "a", WorkerKind::All, 3), site.worker_of("1", "b", WorkerKind::All, 3)];
    site.request("p", 12, 2).await;
    site.request("q", 11, 2).await;
    site.until("some are finished", || site.backend.proven().len() >= 4).await;
    let _new = [site.worker_of("2", "c", WorkerKind::All, 3), site.worker_of("2", "d", WorkerKind::All, 3)];
    for worker in old {
        tokio::time::sleep(Duration::from_millis(300)).await;
        worker.stop.cancel();
        worker.running.await.unwrap().unwrap();
    }
    site.proof("p", 12).await;
    site.proof("q", 11).await;
    assert_eq!(*site.backend.refused.lock().unwrap(), 0, "no build was given what another one made");
}

/// The controller is of the old build: the new worker is given nothing of it, however idle it is.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_understand_a_task_is_not_given_it() {
    let site = Site::new(Slow::new(50)).await;
    let _controls = site.worker_of("1", "controls", WorkerKind::Cpu, 1);
    let _idle = site.worker_of("2", "idle", WorkerKind::Gpu, 8);
    site.request("p", 6, 2).await;
    let diagnosis = async || {
        let status = site.status().await;
        status.proofs.into_iter().find(|proof| proof.proof_id == "p").map(|proof| proof.diagnosis)
    };
    let waited = tokio::time::timeout(PATIENCE, async {
        while !diagnosis().await.is_some_and(|diagnosis| diagnosis.contains("speaks proofmill-")) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.expect("it is said what is missing");
    let _proves = site.worker_of("1", "proves", WorkerKind::Gpu, 2);
    let (progress, _) = site.proof("p", 6).await;
    let took_part: BTreeSet<_> = progress.workers.iter().map(|share| share.worker_id.as_str()).collect();
    assert!(took_part.contains("proves") && !took_part.contains("idle"), "{took_part:?}");
}

/// A node of the SP1 cluster (it says nothing of itself but its size) is given first tasks and what stock controllers make,
/// and one of our tasks never: it would panic and give up the proof.
#[tokio::test(flavor = "multi_thread")]
async fn a_stock_node_beside_ours_is_given_none_of_our_tasks() {
    let site = Site::new(Slow::new(20)).await;
    let channel = Channel::from_shared(format!("http://{}", site.address)).unwrap().connect().await.unwrap();
    let mut client = WorkerServiceClient::new(channel);
    let mut open = Request::new(OpenRequest {
        worker_id: "stock".into(),
        worker_type: WorkerType::Gpu.into(),
        max_weight: 24,
        version: "2.7.2".into(),
        ..OpenRequest::default()
    });
    // Even one that ran our prover type.
    header::set_provers(&mut open, &[proofmill_primitives::ProverType::Exec]);
    header::set_dialects(&mut open, &[proofmill_primitives::Dialect::Sp1Cluster]);
    let mut stream = client.open(open).await.unwrap().into_inner();
    let _ours = site.worker("ours", WorkerKind::All, 3);
    site.request("p", 6, 2).await;
    site.proof("p", 6).await;
    while let Ok(Ok(Some(message))) = tokio::time::timeout(Duration::from_millis(500), stream.message()).await
    {
        assert!(matches!(message.message, Some(Message::ServerHeartbeat(_))), "{message:?}");
    }
}

/// A controller of a build that nobody else is of, and workers of builds from before dialects had names: the proof waits, and
/// says for what; it does not fail.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_waits_for_who_understands_it() {
    let site = Site::new(Slow::new(20)).await;
    let controls = site.worker_of("1", "controls", WorkerKind::Cpu, 1);
    let _others =
        [site.worker_of("2", "c", WorkerKind::Gpu, 3), site.worker_of("3", "d", WorkerKind::Gpu, 3)];
    site.request("p", 4, 2).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let status = site.status().await;
    assert_eq!(status.proofs[0].phase(), ProofPhase::Active, "{}", status.proofs[0].cause);
    assert!(site.backend.proven().is_empty());
    // The controller goes to a build that has provers.
    controls.stop.cancel();
    let _next = site.worker_of("2", "next", WorkerKind::Cpu, 1);
    controls.running.await.unwrap().unwrap();
    site.proof("p", 4).await;
}
