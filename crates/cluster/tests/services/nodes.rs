//! What nodes of the SP1 cluster and its command line do over time, from their sources (`succinctlabs/sp1-cluster` 2.7.2, `bin/node`,
//! `bin/cli/src/commands/bench.rs`, and `worker/client.rs` of `sp1-prover`).

use crate::harness::{PATIENCE, Running, begun, impatient, start, start_with, until};
use proofmill_ledger::ProofStatus;
use proofmill_primitives::TaskKind;
use proofmill_wire::{
    cluster::ProofRequestCancelRequest,
    operator::{StatusRequest, WorkerStatus},
    worker::{
        CloseRequest, CreateDummyProofRequest, CreateTaskRequest, FailProofRequest, TaskData, TaskStatus,
        UpdateSubRequest, WorkerType, server_sub_message::Message,
    },
};
use tonic::Code;

/// `CreateDummyProof`: a proof that is none, for what is asked for one by one.
async fn dummy(cluster: &Running) {
    let dummy = CreateDummyProofRequest {
        worker_id: "cli".into(),
        proof_id: "p".into(),
        requester: "cli".into(),
        // In the year 2096.
        expires_at: 4_000_000_000,
    };
    cluster.tasks.clone().create_dummy_proof(dummy).await.unwrap();
}

/// An execution as `run_single_execute_request` asks for it: without a parent, a mode or an output.
async fn execution(cluster: &Running) -> String {
    let data = TaskData {
        task_type: TaskKind::ExecuteOnly.wire(),
        inputs: vec!["program".into(), "stdin".into()],
        metadata: "{}".into(),
        proof_id: "p".into(),
        weight: TaskKind::ExecuteOnly.default_weight().as_gb(),
        requester: "cli".into(),
        ..TaskData::default()
    };
    let request = CreateTaskRequest { worker_id: "cli".into(), data: Some(data) };
    cluster.tasks.clone().create_task(request).await.unwrap().into_inner().task_id
}

async fn name(cluster: &Running, task: &str) {
    let update = UpdateSubRequest { sub_id: "sub".into(), task_ids: vec![task.to_owned()] };
    cluster.tasks.clone().update_sub(update).await.unwrap();
}

/// A node declares the proof made, or gives it up, and only then reports the task. The command line waits for the task, and makes
/// nothing of the stream's end: without more it would wait for ever.
#[tokio::test]
async fn an_execution_that_the_command_line_asks_for_ends_for_it() {
    for (is_made, status) in [(true, TaskStatus::Succeeded), (false, TaskStatus::FailedFatal)] {
        let cluster = start().await;
        let mut node = cluster.worker("w", WorkerType::Cpu, 12).await;
        dummy(&cluster).await;
        let mut results = node.subscribe("sub", "p", &[]).await;
        let asked = execution(&cluster).await;
        name(&cluster, &asked).await;
        let task = node.task().await;
        assert_eq!(task.task_id, asked);
        if is_made {
            node.complete_proof("p", "said").await.unwrap();
        } else {
            let give_up = FailProofRequest {
                worker_id: "w".into(),
                proof_id: "p".into(),
                task_id: Some(asked.clone()),
                extra_data: None,
            };
            node.client.fail_proof(give_up).await.unwrap();
        }
        let (id, told) = results.next().await;
        let Message::TaskResult(told) = told else { panic!("{told:?}") };
        assert_eq!((told.task_id.as_str(), told.task_status()), (asked.as_str(), status));
        results.acknowledge(id).await;
        assert!(matches!(results.next().await.1, Message::EndOfStream(_)));
        node.complete(&task).await.unwrap();
    }
}

/// `build-vkeys`: nobody declares made what is no proof. It is over with the last of its tasks, and does not fail for want of time later.
#[tokio::test]
async fn a_proof_that_is_none_is_over_with_its_last_task() {
    let cluster = start().await;
    let mut node = cluster.worker("w", WorkerType::All, 12).await;
    dummy(&cluster).await;
    let data = TaskData {
        task_type: TaskKind::UtilVkeyMapController.wire(),
        inputs: vec!["program".into()],
        outputs: vec!["map".into()],
        metadata: "{}".into(),
        proof_id: "p".into(),
        ..TaskData::default()
    };
    let request = CreateTaskRequest { worker_id: "cli".into(), data: Some(data) };
    let asked = cluster.tasks.clone().create_task(request).await.unwrap().into_inner().task_id;
    let mut results = node.subscribe("sub", "p", &[&asked]).await;
    let task = node.task().await;
    let chunk = node.create(&task, TaskKind::UtilVkeyMapChunk, "chunk").await.unwrap();
    let part = node.task().await;
    assert_eq!(part.task_id, chunk);
    node.complete(&part).await.unwrap();
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Pending.wire());
    node.complete(&task).await.unwrap();
    let (_, told) = results.next().await;
    let Message::TaskResult(told) = told else { panic!("{told:?}") };
    assert_eq!((told.task_id.as_str(), told.task_status()), (asked.as_str(), TaskStatus::Succeeded));
    assert!(matches!(results.next().await.1, Message::EndOfStream(_)));
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Completed.wire());
}

/// It names the task that it waits for once it was given its id, which may be too late.
#[tokio::test]
async fn a_task_that_is_named_after_its_proof_has_ended_is_told_of() {
    let cluster = start().await;
    let node = cluster.worker("w", WorkerType::Cpu, 12).await;
    dummy(&cluster).await;
    let mut results = node.subscribe("sub", "p", &[]).await;
    let asked = execution(&cluster).await;
    node.complete_proof("p", "").await.unwrap();
    name(&cluster, &asked).await;
    let (_, told) = results.next().await;
    assert!(matches!(&told, Message::UnknownTask(unknown) if unknown.task_id == asked), "{told:?}");
    // `build-vkeys` subscribes a second after it has asked.
    let mut late = node.subscribe("late", "p", &[]).await;
    let update = UpdateSubRequest { sub_id: "late".into(), task_ids: vec![asked.clone()] };
    cluster.tasks.clone().update_sub(update).await.unwrap();
    let (_, told) = late.next().await;
    assert!(matches!(&told, Message::UnknownTask(unknown) if unknown.task_id == asked), "{told:?}");
}

/// Its stream breaks when the end is on its way, more than once, and it comes back for the task that it still waits for.
#[tokio::test]
async fn an_end_that_was_not_acknowledged_is_told_again_after_the_proof() {
    let cluster = start().await;
    let node = cluster.worker("w", WorkerType::Cpu, 12).await;
    dummy(&cluster).await;
    let mut results = node.subscribe("sub", "p", &[]).await;
    let asked = execution(&cluster).await;
    name(&cluster, &asked).await;
    node.complete_proof("p", "").await.unwrap();
    let told = results.next().await;
    assert!(matches!(told.1, Message::TaskResult(_)), "{told:?}");
    for _ in 0..2 {
        let mut results = node.subscribe("sub", "p", &[&asked]).await;
        assert_eq!(results.next().await, told);
        assert!(matches!(results.next().await.1, Message::EndOfStream(_)));
    }
    let (id, _) = told;
    results.acknowledge(id).await;
    let mut results = node.subscribe("sub", "p", &[&asked]).await;
    assert!(matches!(results.next().await.1, Message::EndOfStream(_)), "it was told, and has heard it");
}

/// What tasks wait for they do not hear of one by one: they are withdrawn together.
#[tokio::test]
async fn whoever_is_withdrawn_with_a_proof_hears_of_its_end_alone() {
    let (cluster, worker, root) = begun().await;
    let shard = worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap();
    let mut results = worker.subscribe("sub", "p", &[&shard]).await;
    let cancel = ProofRequestCancelRequest { proof_id: "p".into() };
    cluster.api.clone().proof_request_cancel(cancel).await.unwrap();
    assert!(matches!(results.next().await.1, Message::EndOfStream(_)));
}

/// The worker `w`, as the operator sees it.
async fn seen(cluster: &Running) -> WorkerStatus {
    let status = cluster.operator.clone().get_status(StatusRequest::default()).await.unwrap().into_inner();
    status.workers.into_iter().find(|worker| worker.id == "w").unwrap()
}

/// A prover may have all threads of a node for tens of seconds: nobody answers on its streams then, which break. Its heartbeats have a
/// thread and a connection of their own (`heartbeat.rs`).
#[tokio::test]
async fn a_node_without_a_stream_is_heard() {
    let mut config = impatient();
    config.scheduler.reconnect_grace = PATIENCE;
    let cluster = start_with(config).await;
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    cluster.request("p", "2").await.unwrap();
    let root = worker.task().await;
    // Its stream breaks, its heartbeats go on.
    worker.stream = cluster.worker("another", WorkerType::Gpu, 1).await.stream;
    let refused =
        || async { worker.heartbeat(&[&root]).await.is_err_and(|status| status.code() == Code::NotFound) };
    until("a heartbeat to be refused", refused).await;
    until("it was not heard of for a while", || async { seen(&cluster).await.silent_ms > 2_000 }).await;
    until("it is heard of", || async { refused().await && seen(&cluster).await.silent_ms < 1_000 }).await;
    assert_eq!(seen(&cluster).await.tasks, [TaskKind::Controller.name()]);
}

/// A node that is told to stop says so once. It ignores what it is given from then on, and goes on with what it has, for half an hour
/// if need be; its stream may break meanwhile, which it opens again under the name that no other process has.
#[tokio::test]
async fn a_node_that_stops_keeps_what_it_has_and_gets_no_more_when_its_stream_breaks() {
    let (cluster, mut worker, root) = begun().await;
    let mut other = cluster.worker("other", WorkerType::All, 12).await;
    worker.client.close(CloseRequest { worker_id: "w".into() }).await.unwrap();
    worker.stream = cluster.worker("another", WorkerType::Gpu, 1).await.stream;
    until("the stream is found broken", || async {
        worker.heartbeat(&[&root]).await.is_err_and(|status| status.code() == Code::NotFound)
    })
    .await;
    other.is_left_alone().await;
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    worker.heartbeat(&[&root]).await.unwrap();
    let shard = worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap();
    let task = other.task().await;
    assert_eq!(task.task_id, shard);
    worker.is_left_alone().await;
    assert!(seen(&cluster).await.draining);
    other.complete(&task).await.unwrap();
    worker.complete_proof("p", "").await.unwrap();
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Completed.wire());
    // It is done, and gone with its stream.
    drop(worker);
    until("it has left", || async { cluster.stats().await.cpu_workers == 1 }).await;
}
