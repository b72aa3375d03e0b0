//! What an operator sees is bounded, however many proofs there are and whatever they commit to.

use crate::harness::{Running, start, within};
use proofmill_wire::{
    MAX_MESSAGE,
    cluster::ProofRequestCancelRequest,
    operator::{ReportPlanRequest, StatusRequest, StatusResponse, WatchProofRequest},
    worker::WorkerType,
};
use tonic::Code;

async fn page(cluster: &Running, skip: u32, limit: u32) -> StatusResponse {
    cluster.operator.clone().get_status(StatusRequest { skip, limit }).await.unwrap().into_inner()
}

async fn plan(cluster: &Running, proof: &str, public_values: Vec<u8>) {
    let plan =
        ReportPlanRequest { proof_id: proof.to_owned(), instructions: 7, public_values, kinds: Vec::new() };
    cluster.operator.clone().report_plan(plan).await.unwrap();
}

#[tokio::test]
async fn a_status_of_many_proofs_comes_in_pages_without_their_public_values() {
    let cluster = start().await;
    let mut proofs = Vec::new();
    for number in 0..130 {
        let id = format!("p{number}");
        cluster.request(&id, "2").await.unwrap();
        plan(&cluster, &id, vec![7; 64 << 10]).await;
        proofs.push(id);
    }
    let _workers = [
        cluster.worker("w0", WorkerType::All, 8).await,
        cluster.worker("w1", WorkerType::All, 8).await,
        cluster.worker("w2", WorkerType::All, 8).await,
    ];
    // 8 MB of public values; a client that says nothing takes no more than gRPC's usual 4 MB.
    let first = page(&cluster, 0, 0).await;
    assert_eq!((first.proofs.len(), first.workers.len()), (100, 3));
    assert_eq!((first.all_proofs, first.all_workers), (130, 3));
    assert!(first.proofs.iter().all(|proof| proof.public_values.is_empty() && proof.instructions == 7));
    // Every proof is on one page.
    let mut told = Vec::new();
    for skip in (0..130).step_by(50) {
        let page = page(&cluster, skip, 50).await;
        assert!(page.proofs.len() <= 50 && page.workers.len() == if skip == 0 { 3 } else { 0 });
        told.extend(page.proofs.into_iter().map(|proof| proof.proof_id));
    }
    told.sort();
    proofs.sort();
    assert_eq!(told, proofs);
    assert!(page(&cluster, 130, 50).await.proofs.is_empty());
    assert!(page(&cluster, u32::MAX, u32::MAX).await.workers.is_empty());
}

#[tokio::test]
async fn who_watches_a_proof_is_told_its_public_values_once_and_with_the_last_word() {
    let cluster = start().await;
    cluster.request("p", "2").await.unwrap();
    plan(&cluster, "p", b"public".to_vec()).await;
    let watch = WatchProofRequest { proof_id: "p".into() };
    let mut told = cluster.operator.clone().watch_proof(watch).await.unwrap().into_inner();
    assert_eq!(within(told.message()).await.unwrap().unwrap().public_values, b"public");
    // Something changes: a worker takes the first task.
    let mut worker = cluster.worker("w", WorkerType::All, 8).await;
    let root = worker.task().await;
    let next = within(told.message()).await.unwrap().unwrap();
    assert_eq!((next.public_values.as_slice(), next.instructions), (&b""[..], 7));
    worker.complete(&root).await.unwrap();
    worker.complete_proof("p", "").await.unwrap();
    let last = loop {
        let message = within(told.message()).await.unwrap().unwrap();
        if message.ended_at_ms != 0 {
            break message;
        }
    };
    assert_eq!(last.public_values, b"public");
}

/// What programs commit to is bounded: of one by the coordinator's word, of those that have ended by letting the oldest go.
#[tokio::test]
async fn public_values_without_end_are_neither_taken_nor_kept() {
    const MOST: usize = 16 << 20;
    let cluster = start().await;
    let operator = cluster.operator.clone().max_decoding_message_size(MAX_MESSAGE);
    cluster.request("endless", "2").await.unwrap();
    let report = ReportPlanRequest {
        proof_id: "endless".into(),
        public_values: vec![7; MOST + 1],
        ..ReportPlanRequest::default()
    };
    let refused = operator.clone().report_plan(report).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    assert!(refused.message().contains(&MOST.to_string()), "{refused}");
    let ids = ["p0", "p1", "p2", "p3", "p4"];
    for id in ids {
        cluster.request(id, "2").await.unwrap();
        plan(&cluster, id, vec![7; MOST]).await;
        let cancel = ProofRequestCancelRequest { proof_id: id.into() };
        cluster.api.clone().proof_request_cancel(cancel).await.unwrap();
    }
    let mut kept = Vec::new();
    for id in ids {
        let watch = WatchProofRequest { proof_id: id.into() };
        let mut told = operator.clone().watch_proof(watch).await.unwrap().into_inner();
        kept.push(within(told.message()).await.unwrap().unwrap().public_values.len());
    }
    assert_eq!(kept, [0, MOST, MOST, MOST, MOST]);
}
