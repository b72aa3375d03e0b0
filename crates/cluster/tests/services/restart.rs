//! A cluster that is stopped and started again.

use crate::harness::{begun, data, start, until};
use proofmill_fault::{self as fault, Fault};
use proofmill_ledger::ProofStatus;
use proofmill_primitives::TaskKind;
use proofmill_wire::{
    cluster::{ProofRequestCancelRequest, ProofRequestUpdateRequest},
    operator::{ProofPhase, WatchProofRequest},
    worker::{TaskStatus, WorkerType, server_sub_message::Message},
};
use tonic::Code;

#[tokio::test]
async fn what_was_acknowledged_survives() {
    let cluster = start().await;
    let mut worker = cluster.worker("w", WorkerType::All, 4).await;
    cluster.request("runs", "2").await.unwrap();
    cluster.request("waits", "2").await.unwrap();
    cluster.request("cancelled", "2").await.unwrap();
    let cancel = ProofRequestCancelRequest { proof_id: "cancelled".into() };
    cluster.api.clone().proof_request_cancel(cancel).await.unwrap();
    let root = worker.task().await;
    assert_eq!(data(&root).proof_id, "runs");

    let cluster = cluster.restart().await;
    for (id, status) in [
        ("runs", ProofStatus::Pending),
        ("waits", ProofStatus::Pending),
        ("cancelled", ProofStatus::Cancelled),
    ] {
        assert_eq!(cluster.get(id).await.unwrap().proof_status, status.wire(), "{id}");
    }
    assert!(worker.stream.message().await.is_ok_and(|message| message.is_none()), "the old stream has ended");
    // It is not known until it opens its stream again.
    let mut worker = {
        let stale = worker;
        // Its connection may be on its way out yet; over the next one, the cluster says so.
        until("it is told so", || async {
            stale.heartbeat(&[&root]).await.unwrap_err().code() == Code::NotFound
        })
        .await;
        cluster.worker("w", WorkerType::All, 12).await
    };
    worker.heartbeat(&[&root]).await.unwrap();
    assert_eq!(worker.task().await.task_id, root.task_id, "what it should hold is sent again");
    let next = worker.task().await;
    assert_eq!(data(&next).proof_id, "waits", "the other one has room now; its own it keeps");
    worker.heartbeat(&[&root, &next]).await.unwrap();
    worker.is_left_alone().await;
    worker.complete_proof("runs", "").await.unwrap();
    worker.complete_proof("waits", "").await.unwrap();
    for id in ["runs", "waits"] {
        assert_eq!(cluster.get(id).await.unwrap().proof_status, ProofStatus::Completed.wire());
    }
    // The id of an ended request stays taken, also where only the ledger remembers it.
    assert_eq!(cluster.request("cancelled", "2").await.unwrap_err().code(), Code::AlreadyExists);
}

#[tokio::test]
async fn a_controller_and_its_tasks_go_on() {
    let (cluster, mut worker, root) = begun().await;
    let done = worker.create(&root, TaskKind::ProveShard, "done").await.unwrap();
    let first = worker.task().await;
    worker.complete(&first).await.unwrap();
    let runs = worker.create(&root, TaskKind::ProveShard, "runs").await.unwrap();
    let second = worker.task().await;

    let cluster = cluster.restart().await;
    let worker = cluster.worker("w", WorkerType::All, 12).await;
    // Before any heartbeat: a result is a result.
    worker.complete(&second).await.unwrap();
    worker.heartbeat(&[&root]).await.unwrap();
    let mut results = worker.subscribe("sub", "p", &[&done, &runs]).await;
    for expected in [&done, &runs] {
        let Message::TaskResult(result) = results.next().await.1 else { panic!("not a result") };
        assert_eq!((&result.task_id, result.task_status()), (expected, TaskStatus::Succeeded));
    }
    assert_eq!(cluster.stats().await.active_tasks, 1);
}

#[tokio::test]
async fn work_that_was_killed_together_runs_apart_after_a_restart() {
    let (cluster, mut worker, root) = begun().await;
    let mut shards = Vec::new();
    for output in ["one", "two"] {
        worker.create(&root, TaskKind::ProveShard, output).await.unwrap();
        shards.push(worker.task().await);
    }
    for shard in &shards {
        let killed = Fault::new(fault::Code::KilledAmongOthers, "one of them was too much");
        worker.faults(shard, &killed).await.unwrap();
    }
    let cluster = cluster.restart().await;
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    let sent = [worker.task().await.task_id, worker.task().await.task_id];
    assert!(sent.contains(&root.task_id) && sent[0] != sent[1], "{sent:?}");
    worker.is_left_alone().await;
}

#[tokio::test]
async fn a_task_of_a_forgotten_proof_is_withdrawn() {
    let (cluster, worker, root) = begun().await;
    worker.complete_proof("p", "").await.unwrap();
    let cluster = cluster.restart().await;
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    worker.heartbeat(&[&root]).await.unwrap();
    assert_eq!(worker.withdrawn().await, root.task_id);
    worker.complete(&root).await.unwrap();
}

#[tokio::test]
async fn an_ended_proof_can_be_watched_and_marked_as_handled() {
    let (cluster, worker, root) = begun().await;
    worker.fail(&root, false, "no such luck").await.unwrap();
    let cluster = cluster.restart().await;
    let watch = WatchProofRequest { proof_id: "p".into() };
    let mut stream = cluster.operator.clone().watch_proof(watch).await.unwrap().into_inner();
    let progress = stream.message().await.unwrap().unwrap();
    assert_eq!(progress.phase(), ProofPhase::Failed);
    assert!(progress.cause.contains("no such luck"));
    assert!(stream.message().await.unwrap().is_none());
    let handled =
        ProofRequestUpdateRequest { proof_id: "p".into(), handled: Some(true), ..Default::default() };
    cluster.api.clone().proof_request_update(handled).await.unwrap();
    assert!(cluster.get("p").await.unwrap().handled);
    let unknown =
        ProofRequestUpdateRequest { proof_id: "q".into(), handled: Some(true), ..Default::default() };
    assert_eq!(cluster.api.clone().proof_request_update(unknown).await.unwrap_err().code(), Code::NotFound);
    let watch = WatchProofRequest { proof_id: "q".into() };
    assert_eq!(cluster.operator.clone().watch_proof(watch).await.unwrap_err().code(), Code::NotFound);
}
