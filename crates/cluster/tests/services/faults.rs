//! Faults as they come over the wire, and what becomes of the proof. The measured failures of a review have their names.

use crate::harness::{begun, impatient, start, start_with, until};
use proofmill_fault::{Code, Fault};
use proofmill_ledger::ProofStatus;
use proofmill_wire::{operator::ProofPhase, worker::WorkerType};
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
    let beats: Vec<_> = (0..6)
        .map(|beat| {
            let (mut client, id) = (worker.client.clone(), worker.id.clone());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(500 * beat)).await;
                let request =
                    proofmill_wire::worker::HeartbeatRequest { worker_id: id, ..Default::default() };
                client.heartbeat(request).await
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(3)).await;
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
    config.scheduler.reconnect_grace = Duration::from_secs(5);
    let cluster = start_with(config).await;
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    worker.stream = cluster.worker("another", WorkerType::All, 12).await.stream;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(worker.heartbeat(&[]).await.unwrap_err().code(), tonic::Code::NotFound);
}
