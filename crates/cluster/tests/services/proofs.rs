//! From the request to its end.

use crate::harness::{begun, data, start, until, within};
use proofmill_artifacts::{ArtifactKind, ArtifactStore};
use proofmill_ledger::ProofStatus;
use proofmill_primitives::TaskKind;
use proofmill_wire::{
    cluster::{ProofRequestCancelRequest, ProofRequestListRequest, ProofRequestUpdateRequest},
    operator::{ProofPhase, WatchProofRequest},
    worker::{CreateProofRequest, GetStatsResponse, TaskStatus, WorkerType, server_sub_message::Message},
};
use tonic::Code;

#[tokio::test]
async fn a_proof_goes_all_the_way() {
    let (cluster, mut worker, root) = begun().await;
    let spec = data(&root);
    assert_eq!(spec.task_type, TaskKind::Controller.wire());
    assert_eq!(spec.inputs, ["program", "stdin", "2", "1000", "", r#"{"stdin_private":false}"#]);
    assert_eq!(
        (spec.outputs.as_slice(), spec.weight, root.metadata.as_str()),
        (["p-proof".into()].as_slice(), 4, "{}")
    );

    assert_eq!(cluster.progress("p").await.begun_at_ms, 0, "the controller only plans");
    let shard = worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap();
    assert_eq!(worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap(), shard, "the same outputs");
    let other = worker.create(&root, TaskKind::ProveShard, "other").await.unwrap();
    assert_ne!(shard, other);
    let (first, second) = (worker.task().await, worker.task().await);
    assert_eq!((&first.task_id, &second.task_id), (&shard, &other));
    let begun = cluster.progress("p").await;
    assert!(begun.begun_at_ms >= begun.created_at_ms);
    let waits = worker.create(&root, TaskKind::ProveShard, "waits").await.unwrap();
    let stats = cluster.stats().await;
    let expected = GetStatsResponse {
        total_tasks: 4,
        active_tasks: 3,
        cpu_workers: 1,
        gpu_workers: 1,
        cpu_utilization_current: 4,
        cpu_utilization_max: 12,
        gpu_utilization_current: 8,
        gpu_utilization_max: 12,
        active_proofs: 1,
        gpu_queue: 1,
        ..stats.clone()
    };
    assert_eq!((stats.cpu_queue, stats.active_subscribers), (0, 0));
    assert_eq!(stats, expected);

    let mut results = worker.subscribe("sub", "p", &[&shard, &waits]).await;
    assert_eq!(cluster.stats().await.active_subscribers, 1);
    worker.complete(&first).await.unwrap();
    let (id, Message::TaskResult(result)) = results.next().await else { panic!("not a result") };
    assert_eq!((result.task_id.as_str(), result.task_status()), (shard.as_str(), TaskStatus::Succeeded));
    results.acknowledge(id).await;
    let third = worker.task().await;
    assert_eq!(third.task_id, waits);
    assert_eq!(cluster.progress("p").await.begun_at_ms, begun.begun_at_ms, "the first counts");
    worker.complete(&second).await.unwrap();
    worker.complete(&third).await.unwrap();
    assert!(matches!(results.next().await.1, Message::TaskResult(_)));

    worker.complete_proof("p", "said").await.unwrap();
    assert!(matches!(results.next().await.1, Message::EndOfStream(_)));
    let proof = cluster.get("p").await.unwrap();
    assert_eq!(
        (proof.proof_status, proof.extra_data.as_deref()),
        (ProofStatus::Completed.wire(), Some("said"))
    );
    assert_eq!(worker.withdrawn().await, root.task_id, "the controller's own task ends with its proof");
    let stats = cluster.stats().await;
    assert_eq!((stats.active_proofs, stats.active_tasks, stats.gpu_utilization_current), (0, 0, 0));
    let progress = cluster.progress("p").await;
    assert_eq!(progress.phase(), ProofPhase::Completed);
    assert_eq!((progress.workers[0].tasks, progress.workers[0].busy_ms), (3, 21));
}

#[tokio::test]
async fn late_words_about_an_ended_proof_change_nothing() {
    let (cluster, mut worker, root) = begun().await;
    worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap();
    let shard = worker.task().await;
    let cancel = || ProofRequestCancelRequest { proof_id: "p".into() };
    cluster.api.clone().proof_request_cancel(cancel()).await.unwrap();
    cluster.api.clone().proof_request_cancel(cancel()).await.unwrap();
    let mut withdrawn = [worker.withdrawn().await, worker.withdrawn().await];
    withdrawn.sort();
    let mut held = [root.task_id.clone(), shard.task_id.clone()];
    held.sort();
    assert_eq!(withdrawn, held);

    worker.complete(&shard).await.unwrap();
    worker.fail(&shard, false, "too late").await.unwrap();
    worker.complete_proof("p", "too late").await.unwrap();
    worker.complete_proof("p", "too late").await.unwrap();
    let gone = worker.create(&root, TaskKind::ProveShard, "more").await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    let proof = cluster.get("p").await.unwrap();
    assert_eq!((proof.proof_status, proof.extra_data), (ProofStatus::Cancelled.wire(), None));
    assert_eq!(cluster.stats().await.gpu_utilization_current, 0);
    let mut late = worker.subscribe("late", "p", &[&shard.task_id]).await;
    assert!(matches!(late.next().await.1, Message::EndOfStream(_)));
}

#[tokio::test]
async fn a_fatal_failure_fails_the_proof_with_its_cause() {
    let (cluster, worker, root) = begun().await;
    let mut watch = cluster
        .operator
        .clone()
        .watch_proof(WatchProofRequest { proof_id: "p".into() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(within(watch.message()).await.unwrap().unwrap().phase(), ProofPhase::Active);
    worker.fail(&root, false, "the program divides by zero").await.unwrap();
    let last = loop {
        let progress = within(watch.message()).await.unwrap().unwrap();
        if progress.phase() != ProofPhase::Active {
            break progress;
        }
    };
    assert!(last.cause.contains("the program divides by zero"), "{}", last.cause);
    assert!(within(watch.message()).await.unwrap().is_none(), "the stream ends with the proof");
    assert_eq!(cluster.get("p").await.unwrap().proof_status, ProofStatus::Failed.wire());
    // The id is taken, even by the same request: what is asked for has failed.
    assert_eq!(cluster.request("p", "2").await.unwrap_err().code(), Code::AlreadyExists);
}

#[tokio::test]
async fn retryable_failures_come_to_an_end() {
    let cluster = start().await;
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    cluster.request("p", "2").await.unwrap();
    for try_ in 0..4 {
        let root = worker.task().await;
        worker.fail(&root, true, &format!("out of luck {try_}")).await.unwrap();
    }
    let progress = cluster.progress("p").await;
    assert_eq!(progress.phase(), ProofPhase::Failed);
    assert!(
        progress.cause.contains("4 times") && progress.cause.contains("out of luck 3"),
        "{}",
        progress.cause
    );
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let cluster = start().await;
    let mut api = cluster.api.clone();
    let good = cluster.request_for("p", "2");
    let cases = [
        (Code::InvalidArgument, "1 to 512 bytes", {
            let mut bad = good.clone();
            bad.proof_id.clear();
            bad
        }),
        (Code::InvalidArgument, "1 to 512 bytes", {
            let mut bad = good.clone();
            bad.proof_id = "x".repeat(513);
            bad
        }),
        (Code::InvalidArgument, "no line breaks", {
            let mut bad = good.clone();
            bad.proof_id = "p\n2026-01-01T00:00:00Z  INFO the proof ended proof=p".into();
            bad
        }),
        (Code::InvalidArgument, "requester has at most 512 bytes", {
            let mut bad = good.clone();
            bad.requester = vec![0; 513];
            bad
        }),
        (Code::InvalidArgument, "scheduled_by has at most 512 bytes", {
            let mut bad = good.clone();
            bad.scheduled_by = Some("x".repeat(513));
            bad
        }),
        (Code::InvalidArgument, "unknown proof mode `000", cluster.request_for("p", &"0".repeat(1 << 20))),
        (Code::InvalidArgument, "unknown proof mode `9`", cluster.request_for("p", "9")),
        (Code::InvalidArgument, "unknown proof mode `fast`", cluster.request_for("p", "fast")),
        (Code::InvalidArgument, "passed already", {
            let mut bad = good.clone();
            bad.deadline = 1;
            bad
        }),
        (Code::FailedPrecondition, "`nowhere` is not in", {
            let mut bad = good.clone();
            bad.program_artifact_id = "nowhere".into();
            bad
        }),
        // Stored as another kind than the request says.
        (Code::FailedPrecondition, "`stdin` is not in", {
            let mut bad = good.clone();
            bad.stdin_private = true;
            bad
        }),
        (Code::InvalidArgument, "cannot be named", {
            let mut bad = good.clone();
            bad.stdin_artifact_id.clear();
            bad
        }),
        (Code::InvalidArgument, "cannot be named", {
            let mut bad = good.clone();
            bad.proof_artifact_id = Some("x".repeat(2000));
            bad
        }),
    ];
    for (code, says, request) in cases {
        let status = api.proof_request_create(request).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(says), "{status}");
    }
    assert!(!cluster.is_known("p").await);
    let empty = CreateProofRequest {
        inputs: vec!["program".into(), "stdin".into(), "2".into()],
        ..Default::default()
    };
    assert_eq!(cluster.tasks.clone().create_proof(empty).await.unwrap_err().code(), Code::InvalidArgument);
    // The largest numbers there are make sense.
    let mut endless = good;
    (endless.deadline, endless.cycle_limit, endless.gas_limit) = (u64::MAX, u64::MAX, u64::MAX);
    api.proof_request_create(endless).await.unwrap();
    assert_eq!(cluster.get("p").await.unwrap().cycle_limit, Some(u64::MAX));
}

#[tokio::test]
async fn the_same_request_again_is_the_same_request() {
    let cluster = start().await;
    // All at once, as from a client whose first try timed out.
    let tries = (0..20).map(|_| cluster.request("p", "2"));
    for outcome in futures::future::join_all(tries).await {
        outcome.unwrap();
    }
    let stats = cluster.stats().await;
    assert_eq!((stats.active_proofs, stats.total_tasks), (1, 1));
    assert_eq!(cluster.request("p", "1").await.unwrap_err().code(), Code::AlreadyExists, "another mode");
}

#[tokio::test]
async fn a_private_input_is_stored_as_one() {
    let cluster = start().await;
    cluster.artifacts.put(&"secret".into(), ArtifactKind::PrivateStdin, "in".into()).await.unwrap();
    let mut request = cluster.request_for("p", "2");
    (request.stdin_private, request.stdin_artifact_id) = (true, "secret".into());
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    cluster.api.clone().proof_request_create(request).await.unwrap();
    assert_eq!(data(&worker.task().await).inputs[5], r#"{"stdin_private":true}"#);
}

#[tokio::test]
async fn a_deadline_that_passes_fails_the_proof() {
    let cluster = start().await;
    let mut request = cluster.request_for("p", "2");
    request.deadline = proofmill_ledger::Timestamp::now().as_secs() + 600;
    cluster.api.clone().proof_request_create(request).await.unwrap();
    let update = ProofRequestUpdateRequest {
        proof_id: "p".into(),
        deadline: Some(proofmill_ledger::Timestamp::now().as_secs() + 4),
        ..Default::default()
    };
    cluster.api.clone().proof_request_update(update).await.unwrap();
    until("its end", || async { cluster.progress("p").await.phase() != ProofPhase::Active }).await;
    let progress = cluster.progress("p").await;
    assert_eq!(progress.phase(), ProofPhase::Failed);
    assert!(progress.cause.contains("deadline"), "{}", progress.cause);
    let list =
        ProofRequestListRequest { proof_status: vec![ProofStatus::Failed.wire()], ..Default::default() };
    let listed = cluster.api.clone().proof_request_list(list).await.unwrap().into_inner().proof_requests;
    assert_eq!(listed.len(), 1);
}
