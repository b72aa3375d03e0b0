//! Faults as they come over the wire, and what becomes of the proof. Failures that were measured once have their names.

use crate::harness::{PATIENCE, begun, data, impatient, start, start_with, until, within};
use proofmill_fault::{Code, Fault};
use proofmill_ledger::ProofStatus;
use proofmill_primitives::TaskKind;
use proofmill_wire::{
    cluster::ProofRequestUpdateRequest,
    header,
    operator::ProofPhase,
    worker::{CreateTaskRequest, FailTaskRequest, TaskData, WorkerType},
};
use sqlx::{Connection, SqliteConnection};
use std::time::{Duration, Instant};

/// A store that is away: more tries than a task has, and the proof goes on.
#[tokio::test]
async fn a1_e6a_a_store_that_is_away_fails_no_proof() {
    let cluster = start().await;
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    cluster.request("p", "2").await.unwrap();
    for _ in 0..6 {
        let root = worker.task().await;
        worker.faults(&root, &Fault::new(Code::StoreAway, "the share is not mounted")).await.unwrap();
    }
    let root = worker.task().await;
    assert_eq!(cluster.progress("p").await.phase(), ProofPhase::Active);
    worker.complete_proof("p", "").await.unwrap();
    worker.complete(&root).await.unwrap();
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Completed.wire());
}

/// What a proof failed of reaches whoever watches it as a code, also when only the ledger remembers it.
#[tokio::test]
async fn the_fault_of_a_proof_is_told_and_kept() {
    let (cluster, worker, root) = begun().await;
    worker.faults(&root, &Fault::new(Code::CycleLimit, "past its limit of 7")).await.unwrap();
    let told = cluster.progress("p").await;
    assert_eq!((told.phase(), told.fault.as_str()), (ProofPhase::Failed, "task/cycle-limit"));
    assert!(told.cause.contains("limit of 7") && !told.cause.contains("task/"), "{}", told.cause);
    let cluster = cluster.restart().await;
    let watched = proofmill_wire::operator::WatchProofRequest { proof_id: "p".into() };
    let mut stream = cluster.operator.clone().watch_proof(watched).await.unwrap().into_inner();
    let kept = stream.message().await.unwrap().unwrap();
    assert_eq!((kept.fault, kept.cause), (told.fault, told.cause));
}

/// What peers say is kept for as long as the proof is: why it failed, and what they have kept with it.
#[tokio::test]
async fn a17_what_peers_say_of_a_proof_is_cut_before_it_is_kept() {
    let (cluster, worker, root) = begun().await;
    let long = "é".repeat(4_000);
    let mut request = tonic::Request::new(FailTaskRequest {
        worker_id: "w".into(),
        proof_id: "p".into(),
        task_id: root.task_id.clone(),
        retryable: true,
    });
    // A peer that does not cut it itself.
    header::set_fault(&mut request, &Fault::new(Code::ProgramFailed, ""));
    let said = tonic::metadata::MetadataValue::from_bytes(long.as_bytes());
    request.metadata_mut().insert_bin("proofmill-cause-bin", said);
    worker.client.clone().fail_task(request).await.unwrap();
    let cause = cluster.progress("p").await.cause;
    assert!(cause.contains("ééé") && cause.contains('…') && cause.len() < 4_000, "{} bytes", cause.len());

    let (cluster, worker, _) = begun().await;
    let asked = |metadata: &str| ProofRequestUpdateRequest {
        proof_id: "p".into(),
        metadata: Some(metadata.to_owned()),
        ..ProofRequestUpdateRequest::default()
    };
    let refused =
        cluster.api.clone().proof_request_update(asked(&"x".repeat((64 << 10) + 1))).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
    cluster.api.clone().proof_request_update(asked(&"x".repeat(64 << 10))).await.unwrap();
    // The proof is made, whatever is said of it.
    worker.complete_proof("p", &"é".repeat(64 << 10)).await.unwrap();
    let kept = cluster.get("p").await.unwrap();
    assert_eq!(kept.proof_status, ProofStatus::Completed.wire());
    let kept = kept.extra_data.unwrap();
    assert!(kept.starts_with('é') && kept.ends_with('…') && kept.len() <= 64 << 10, "{} bytes", kept.len());
}

/// A controller that ends and does not say that its proof is made would leave it waiting for nothing.
#[tokio::test]
async fn a_first_task_that_is_done_before_its_proof_is_tried_again_and_then_fails_it() {
    let (cluster, mut worker, mut root) = begun().await;
    for _ in 0..3 {
        worker.complete(&root).await.unwrap();
        root = worker.task().await;
        assert_eq!(cluster.progress("p").await.phase(), ProofPhase::Active);
    }
    worker.complete(&root).await.unwrap();
    let told = cluster.progress("p").await;
    assert_eq!((told.phase(), told.fault.as_str()), (ProofPhase::Failed, "task/no-result"));
    assert!(told.cause.contains("was not said to be made"), "{}", told.cause);
}

/// A foreign lock on the ledger (a backup) stops the owner for longer than a worker may be silent about a task: nothing
/// that was given out meanwhile is taken away.
#[tokio::test]
async fn e1_a_ledger_that_is_locked_takes_no_task_away() {
    let mut config = impatient();
    config.scheduler.delivery_grace = Duration::from_millis(500);
    let cluster = start_with(config).await;
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    let mut other = cluster.worker("other", WorkerType::Gpu, 12).await;
    let path = cluster.folder.path().join("ledger.sqlite");
    let mut foreign = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut foreign).await.unwrap();
    let begun = Instant::now();
    let (api, request) = (cluster.api.clone(), cluster.request_for("p", "2"));
    let asked = tokio::spawn(async move { api.clone().proof_request_create(request).await });
    // The last one begins well before the lock ends: one that came after the task was sent would have to name it.
    let mut beats = Vec::new();
    for _ in 0..6 {
        let (mut client, worker_id) = (worker.client.clone(), worker.id.clone());
        let request = proofmill_wire::worker::HeartbeatRequest { worker_id, ..Default::default() };
        beats.push(tokio::spawn(async move { client.heartbeat(request).await }));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    sqlx::query("ROLLBACK").execute(&mut foreign).await.unwrap();
    asked.await.unwrap().unwrap();
    for beat in beats {
        beat.await.unwrap().unwrap();
    }
    let root = worker.task().await;
    assert!(begun.elapsed() >= Duration::from_secs(3));
    worker.heartbeat(&[&root]).await.unwrap();
    worker.is_left_alone().await;
    other.is_left_alone().await;
    worker.complete_proof("p", "").await.unwrap();
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Completed.wire());
}

/// While the ledger is away calls wait for it, and what they hold is bounded: the others are refused, and come again.
#[tokio::test]
async fn a13_calls_that_wait_for_a_ledger_that_is_locked_are_bounded() {
    let config = proofmill_cluster::ClusterConfig { most_calls: 4, ..impatient() };
    let cluster = start_with(config).await;
    let path = cluster.folder.path().join("ledger.sqlite");
    let mut foreign = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut foreign).await.unwrap();
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..12 {
        let (api, request) = (cluster.api.clone(), cluster.request_for(&format!("p{number}"), "2"));
        asked.spawn(async move { api.clone().proof_request_create(request).await });
    }
    // None can be answered, and no more than four can wait.
    for _ in 0..8 {
        let refused = within(asked.join_next()).await.unwrap().unwrap().unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused}");
        assert!(refused.message().contains("4 calls wait for its ledger; try again"), "{refused}");
    }
    sqlx::query("ROLLBACK").execute(&mut foreign).await.unwrap();
    while let Some(answered) = within(asked.join_next()).await {
        answered.unwrap().unwrap();
    }
    cluster.request("later", "2").await.unwrap();
    assert_eq!(cluster.stats().await.active_proofs, 5);
}

/// What waits holds what was sent with it: a call that brings much takes the room of many.
#[tokio::test]
async fn a13_large_calls_that_wait_for_a_ledger_that_is_locked_count_for_many() {
    let config = proofmill_cluster::ClusterConfig { most_calls: 4, ..impatient() };
    let cluster = start_with(config).await;
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    cluster.request("p", "2").await.unwrap();
    let root = worker.task().await;
    let path = cluster.folder.path().join("ledger.sqlite");
    let mut foreign = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut foreign).await.unwrap();
    let mut asked = tokio::task::JoinSet::new();
    for output in ["one", "two"] {
        let data = TaskData {
            task_type: TaskKind::ProveShard.wire(),
            inputs: vec!["x".repeat(300 << 10)],
            outputs: vec![output.into()],
            parent_id: Some(root.task_id.clone()),
            ..data(&root).clone()
        };
        let request = CreateTaskRequest { worker_id: "w".into(), data: Some(data) };
        let mut client = worker.client.clone();
        asked.spawn(async move { client.create_task(request).await });
    }
    let refused = within(asked.join_next()).await.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused}");
    sqlx::query("ROLLBACK").execute(&mut foreign).await.unwrap();
    within(asked.join_next()).await.unwrap().unwrap().unwrap();
    cluster.request("later", "2").await.unwrap();
}

/// A rack is taken away while its stream is broken: what is asked for then goes to others, and costs no try.
#[tokio::test]
async fn a27_what_is_asked_for_while_streams_are_broken_goes_to_others() {
    let mut config = impatient();
    config.scheduler.reconnect_grace = Duration::from_secs(2);
    let cluster = start_with(config).await;
    let mut gone = Vec::new();
    for at in 0..8 {
        gone.push(cluster.worker(&format!("gone{at}"), WorkerType::All, 64).await);
    }
    drop(gone);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut fresh = cluster.worker("fresh", WorkerType::All, 12).await;
    cluster.request("p", "2").await.unwrap();
    let root = fresh.task().await;
    until("the others are lost", || async { cluster.stats().await.cpu_workers == 1 }).await;
    fresh.heartbeat(&[&root]).await.unwrap();
    fresh.complete_proof("p", "").await.unwrap();
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Completed.wire());
}

/// A heartbeat on a stream that broke without the worker's knowing makes it come back at once.
#[tokio::test]
async fn a_worker_without_a_stream_is_told_to_open_one() {
    let mut config = impatient();
    // Until then it is not lost.
    config.scheduler.reconnect_grace = PATIENCE;
    let cluster = start_with(config).await;
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    worker.stream = cluster.worker("another", WorkerType::All, 12).await.stream;
    until("a heartbeat to be refused", || async {
        worker.heartbeat(&[]).await.is_err_and(|status| status.code() == tonic::Code::NotFound)
    })
    .await;
}
