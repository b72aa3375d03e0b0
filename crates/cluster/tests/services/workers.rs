//! Workers that come, go, and are refused.

use crate::harness::{PATIENCE, Running, begun, impatient, next_task, start, start_with, until, within};
use proofmill_ledger::ProofStatus;
use proofmill_primitives::TaskKind;
use proofmill_wire::{
    cluster::ProofRequestUpdateRequest,
    header,
    operator::ProofPhase,
    worker::{CloseRequest, HeartbeatRequest, OpenRequest, ServerMessage, UpdateSubRequest, WorkerType},
};
use std::time::Duration;
use tonic::{Code, Request, Streaming};

#[tokio::test]
async fn a_worker_that_can_take_nothing_is_refused() {
    let cluster = start().await;
    let weightless = cluster.try_worker("w", WorkerType::All, 0).await.err().unwrap();
    assert_eq!(weightless.code(), Code::InvalidArgument, "{weightless}");
    let nameless = cluster.try_worker("", WorkerType::All, 8).await.err().unwrap();
    assert_eq!(nameless.code(), Code::InvalidArgument, "{nameless}");
    let endless = cluster.try_worker(&"w".repeat(1 << 20), WorkerType::All, 8).await.err().unwrap();
    assert_eq!(endless.code(), Code::InvalidArgument, "{endless}");
    assert!(endless.message().contains("1 to 512 bytes"), "{endless}");
    let forged = cluster.try_worker("w\u{2028}w2", WorkerType::All, 8).await.err().unwrap();
    assert_eq!(forged.code(), Code::InvalidArgument, "{forged}");
    assert!(forged.message().contains("no line breaks"), "{forged}");
    let kindless = cluster.try_worker("w", WorkerType::None, 8).await.err().unwrap();
    assert_eq!(kindless.code(), Code::InvalidArgument, "{kindless}");
    assert_eq!(cluster.stats().await.cpu_workers, 0);
}

#[tokio::test]
async fn a_heartbeat_of_a_worker_that_is_not_there_says_so() {
    let cluster = start().await;
    let mut worker = cluster.worker("w", WorkerType::All, 8).await;
    worker.id = "stranger".into();
    assert_eq!(worker.heartbeat(&[]).await.unwrap_err().code(), Code::NotFound);
    let close = CloseRequest { worker_id: "stranger".into() };
    assert_eq!(worker.client.close(close).await.unwrap_err().code(), Code::NotFound);
}

/// It says that it lives, and reads nothing of what it is sent: that does not wait for it without end.
#[tokio::test]
async fn a_worker_that_stopped_reading_is_told_to_come_back_and_misses_nothing() {
    let (cluster, mut worker, root) = begun().await;
    // Each is withdrawn, because nobody knows it.
    let unknown = (0..30).map(|number| format!("{number}-{}", "x".repeat(1 << 20)));
    let beat = HeartbeatRequest {
        worker_id: "w".into(),
        active_task_ids: std::iter::once(root.task_id.clone()).chain(unknown).collect(),
        ..HeartbeatRequest::default()
    };
    let mut refused = None;
    for _ in 0..10 {
        if let Err(status) = worker.client.heartbeat(beat.clone()).await {
            refused = Some(status);
            break;
        }
    }
    assert_eq!(refused.map(|status| status.code()), Some(Code::NotFound), "it is to open a stream");
    let told = loop {
        match within(worker.stream.message()).await {
            Ok(message) => assert!(message.is_some(), "it ended without a word"),
            Err(status) => break status,
        }
    };
    assert_eq!(told.code(), Code::Unavailable, "{told}");
    assert!(told.message().contains("open it again"), "{told}");
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    assert_eq!(worker.task().await.task_id, root.task_id);
}

#[tokio::test]
async fn a_draining_worker_gets_nothing_and_finishes_what_it_has() {
    let (cluster, mut worker, root) = begun().await;
    worker.client.close(CloseRequest { worker_id: "w".into() }).await.unwrap();
    let shard = worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap();
    worker.heartbeat(&[&root]).await.unwrap();
    worker.is_left_alone().await;
    let mut other = cluster.worker("stays", WorkerType::All, 12).await;
    let task = other.task().await;
    assert_eq!(task.task_id, shard);
    other.complete(&task).await.unwrap();
    worker.complete_proof("p", "").await.unwrap();
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Completed.wire());
}

#[tokio::test]
async fn the_tasks_of_a_worker_that_does_not_come_back_go_to_another() {
    let cluster = start().await;
    let mut lost = cluster.worker("lost", WorkerType::All, 8).await;
    cluster.request("p", "2").await.unwrap();
    let root = lost.task().await;
    let mut other = cluster.worker("other", WorkerType::All, 8).await;
    drop(lost);
    let again = other.task().await;
    assert_eq!(again.task_id, root.task_id);
    let stats = cluster.stats().await;
    assert_eq!((stats.cpu_workers, stats.active_tasks, stats.cpu_utilization_current), (1, 1, 4));
}

#[tokio::test]
async fn e3_a_worker_that_comes_back_in_time_keeps_its_tasks_and_is_sent_them_again() {
    let mut config = impatient();
    config.scheduler.reconnect_grace = PATIENCE;
    let cluster = start_with(config).await;
    let mut worker = cluster.worker("w", WorkerType::All, 8).await;
    cluster.request("p", "2").await.unwrap();
    let root = worker.task().await;
    let mut other = cluster.worker("other", WorkerType::All, 8).await;
    drop(worker);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut worker = cluster.worker("w", WorkerType::All, 8).await;
    assert_eq!(worker.task().await.task_id, root.task_id);
    worker.heartbeat(&[&root]).await.unwrap();
    other.is_left_alone().await;
    worker.is_left_alone().await;
    worker.complete_proof("p", "").await.unwrap();
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Completed.wire());
}

/// A refusal travels in a header, of which peers take so much: whatever it names, it arrives as what it is.
#[tokio::test]
async fn a_refusal_that_names_a_megabyte_arrives() {
    let (cluster, mut worker, mut root) = begun().await;
    let long = "é".repeat(1 << 19);
    let mut api = cluster.api.clone();
    let update =
        ProofRequestUpdateRequest { proof_id: long.clone(), handled: Some(true), ..Default::default() };
    let told = api.proof_request_update(update).await.unwrap_err();
    assert_eq!(told.code(), Code::NotFound, "{told}");
    let told = cluster.request("q", &long).await.unwrap_err();
    assert_eq!(told.code(), Code::InvalidArgument, "{told}");
    let update = UpdateSubRequest { sub_id: long.clone(), task_ids: vec![] };
    let told = worker.client.update_sub(update).await.unwrap_err();
    assert_eq!(told.code(), Code::NotFound, "{told}");
    root.data.as_mut().unwrap().proof_id = long.clone();
    let told = worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap_err();
    assert_eq!(told.code(), Code::NotFound, "{told}");
    worker.id = long;
    let told = worker.heartbeat(&[]).await.unwrap_err();
    assert_eq!(told.code(), Code::NotFound, "{told}");
}

/// As a process of ours that begins: it names itself, and was never registered.
async fn begins(cluster: &Running, process: &str) -> Streaming<ServerMessage> {
    loop {
        let mut request = Request::new(OpenRequest {
            worker_id: "w".into(),
            worker_type: WorkerType::All.into(),
            max_weight: 8,
            ..OpenRequest::default()
        });
        header::set_incarnation(&mut request, process);
        header::set_fresh(&mut request);
        match cluster.tasks.clone().open(request).await {
            Ok(stream) => return stream.into_inner(),
            // The stream of the process before is not found broken yet.
            Err(status) => assert_eq!(status.code(), Code::AlreadyExists, "{status}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A container that its task takes down is back under its name before anybody misses it, each time.
#[tokio::test]
async fn a_task_that_takes_every_process_of_a_name_down_is_given_up() {
    let cluster = start().await;
    cluster.request("p", "2").await.unwrap();
    let mut processes = 0;
    while cluster.get("p").await.unwrap().proof_status == ProofStatus::Pending.wire() {
        assert!(processes < 30, "it goes on for ever");
        let mut stream = begins(&cluster, &format!("process {processes}")).await;
        processes += 1;
        // The one after which the proof has failed is sent nothing.
        let failed = || async { cluster.get("p").await.unwrap().proof_status == ProofStatus::Failed.wire() };
        tokio::select! {
            _ = next_task(&mut stream) => {}
            () = until("a task, or the end of the proof", failed) => {}
        }
    }
    assert!(cluster.progress("p").await.cause.contains("was lost"), "{:?}", cluster.progress("p").await);
}

/// A process whose first registrations were not answered in time has lost nothing.
#[tokio::test]
async fn a_process_that_registers_again_and_again_loses_nothing() {
    let cluster = start().await;
    cluster.request("p", "2").await.unwrap();
    let mut stream = begins(&cluster, "the same").await;
    let root = next_task(&mut stream).await;
    for _ in 0..30 {
        stream = begins(&cluster, "the same").await;
        assert_eq!(next_task(&mut stream).await.task_id, root.task_id);
    }
    assert_eq!(cluster.progress("p").await.phase(), ProofPhase::Active);
}

#[tokio::test]
async fn a_result_from_a_worker_that_lost_the_task_counts() {
    let cluster = start().await;
    let mut slow = cluster.worker("slow", WorkerType::All, 8).await;
    cluster.request("p", "2").await.unwrap();
    let root = slow.task().await;
    let shard = slow.create(&root, TaskKind::ProveShard, "shard").await.unwrap();
    let mut task = slow.task().await;
    assert_eq!(task.task_id, shard);
    let mut other = cluster.worker("other", WorkerType::All, 8).await;
    // Its stream breaks, its calls go on.
    slow.stream = cluster.worker("dummy", WorkerType::All, 1).await.stream;
    let mut given = [other.task().await.task_id, other.task().await.task_id];
    given.sort();
    let mut expected = [root.task_id.clone(), shard.clone()];
    expected.sort();
    assert_eq!(given, expected);
    slow.complete(&task).await.unwrap();
    assert_eq!(other.withdrawn().await, shard, "nobody needs it any more");
    // Once more, from the other: nothing is counted twice.
    task.task_id = shard;
    other.complete(&task).await.unwrap();
    let stats = cluster.stats().await;
    assert_eq!((stats.active_tasks, stats.gpu_utilization_current, stats.cpu_utilization_current), (1, 0, 4));
}

#[tokio::test]
async fn a_cluster_stops_although_streams_are_open() {
    let cluster = start().await;
    let mut worker = cluster.worker("w", WorkerType::All, 8).await;
    cluster.request("p", "2").await.unwrap();
    let root = worker.task().await;
    let mut results = worker.subscribe("sub", "p", &[&root.task_id]).await;
    let address = cluster.address;
    let waits = tokio::spawn(async move { results.next().await });
    // With a patience of its own.
    cluster.stop().await.unwrap();
    assert!(waits.await.is_err(), "the subscriber's stream ends");
    assert!(worker.heartbeat(&[&root]).await.is_err());
    until("nobody listens", || async { tokio::net::TcpStream::connect(address).await.is_err() }).await;
}
