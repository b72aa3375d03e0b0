//! What can never be finished is said at once.

use crate::harness::{Running, begun, begun_with, data, start, until, within};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::TaskKind;
use proofmill_wire::{
    header,
    operator::{PlannedKind, ReportPlanRequest, StatusRequest, WatchProofRequest},
    worker::WorkerType,
};
use tonic::Request;

#[tokio::test]
async fn a_wrap_that_fits_nowhere_is_diagnosed_when_it_is_asked_for() {
    let cluster = start().await;
    let _small = cluster.worker("small", WorkerType::All, 16).await;
    cluster.request("p", "3").await.unwrap();
    let diagnosis = cluster.progress("p").await.diagnosis;
    for says in ["PlonkWrap", "60 GB", "16 GB", "WORKER_MAX_WEIGHT_OVERRIDE"] {
        assert!(diagnosis.contains(says), "{says}: {diagnosis}");
    }
    let watch = WatchProofRequest { proof_id: "p".into() };
    let mut stream = cluster.operator.clone().watch_proof(watch).await.unwrap().into_inner();
    assert_eq!(within(stream.message()).await.unwrap().unwrap().diagnosis, diagnosis);
    cluster.request("fits", "4").await.unwrap();
    assert!(
        cluster.progress("fits").await.diagnosis.contains("beside the 4 GB"),
        "18 are needed on one worker"
    );

    // A worker that is large enough is the remedy, and its loss brings the diagnosis back.
    let large = cluster.worker("large", WorkerType::Cpu, 64).await;
    assert_eq!(cluster.progress("p").await.diagnosis, "");
    assert_eq!(cluster.progress("fits").await.diagnosis, "");
    drop(large);
    until("diagnosed again", || async { !cluster.progress("p").await.diagnosis.is_empty() }).await;
}

#[tokio::test]
async fn without_any_worker_the_command_that_starts_one_is_named() {
    let cluster = start().await;
    cluster.request("p", "2").await.unwrap();
    let diagnosis = cluster.progress("p").await.diagnosis;
    assert!(diagnosis.contains("proofmill worker --prover sp1"), "{diagnosis}");
    // Of the text from before a restart nothing is believed.
    let cluster = cluster.restart().await;
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    worker.task().await;
    assert_eq!(cluster.progress("p").await.diagnosis, "");
}

/// What a controller tells of its proof: how many tasks of a kind there are, and what the heaviest weighs.
async fn plan(cluster: &Running, proof: &str, kinds: &[(TaskKind, u32, u32)]) {
    let kinds = kinds.iter().map(|(kind, count, weight)| PlannedKind {
        kind: kind.name().into(),
        count: *count,
        weight: *weight,
    });
    let report =
        ReportPlanRequest { proof_id: proof.into(), kinds: kinds.collect(), ..ReportPlanRequest::default() };
    cluster.operator.clone().report_plan(report).await.unwrap();
}

#[tokio::test]
async fn what_each_step_weighs_is_foreseen_by_the_plan() {
    let (cluster, mut worker, root) = begun_with(64, "3").await;
    let diagnosis = async || cluster.progress("p").await.diagnosis;
    // 60 GB are the least before there is a plan.
    assert_eq!(diagnosis().await, "");
    plan(&cluster, "p", &[(TaskKind::ShrinkWrap, 2, 3), (TaskKind::PlonkWrap, 2, 61)]).await;
    for says in ["PlonkWrap", "61 GB", "4 GB", "64 GB"] {
        assert!(diagnosis().await.contains(says), "{says}: {}", diagnosis().await);
    }
    // Not the wrap alone: whatever the proof still needs.
    plan(&cluster, "p", &[(TaskKind::ShrinkWrap, 2, 62), (TaskKind::PlonkWrap, 2, 18)]).await;
    assert!(diagnosis().await.contains("ShrinkWrap"), "{}", diagnosis().await);
    plan(&cluster, "p", &[(TaskKind::ShrinkWrap, 2, 3), (TaskKind::PlonkWrap, 2, 18)]).await;
    assert_eq!(diagnosis().await, "");
    // A controller that tells no weights leaves it at the estimate.
    plan(&cluster, "p", &[(TaskKind::ShrinkWrap, 2, 0), (TaskKind::PlonkWrap, 1, 0)]).await;
    assert_eq!(diagnosis().await, "");
    // What is done needs no worker.
    plan(&cluster, "p", &[(TaskKind::PlonkWrap, 1, 61)]).await;
    assert_ne!(diagnosis().await, "");
    worker.create_of_weight(&root, TaskKind::PlonkWrap, "wrapped", 18).await.unwrap();
    let wrap = worker.task().await;
    worker.complete(&wrap).await.unwrap();
    plan(&cluster, "p", &[(TaskKind::PlonkWrap, 1, 61)]).await;
    assert_eq!(diagnosis().await, "");
}

/// Its controller tells the plan once, and goes on over the restart.
#[tokio::test]
async fn what_each_step_weighs_is_foreseen_after_a_restart_too() {
    let (cluster, _worker, _) = begun_with(64, "3").await;
    plan(&cluster, "p", &[(TaskKind::ShrinkWrap, 2, 3), (TaskKind::PlonkWrap, 2, 18)]).await;
    let planned = async |cluster: &Running| {
        let kinds = cluster.progress("p").await.kinds;
        kinds.iter().find(|of| of.kind == TaskKind::PlonkWrap.name()).map(|of| of.planned)
    };
    assert_eq!(planned(&cluster).await, Some(2));
    let cluster = cluster.restart().await;
    assert_eq!(planned(&cluster).await, Some(2));
    // 60 GB would be the least if there were no plan.
    let large = cluster.worker("another", WorkerType::All, 24).await;
    until("it to be found enough", || async { cluster.progress("p").await.diagnosis.is_empty() }).await;
    drop(large);
    let _small = cluster.worker("small", WorkerType::All, 16).await;
    until("it to be found too small", || async {
        let diagnosis = cluster.progress("p").await.diagnosis;
        diagnosis.contains("18 GB") && diagnosis.contains("16 GB")
    })
    .await;
}

#[tokio::test]
async fn what_no_worker_is_set_up_for_is_said_to_whoever_waits() {
    let (cluster, mut worker, root) = begun().await;
    let diagnosis = async || cluster.progress("p").await.diagnosis;
    let lacks =
        Fault::new(Code::NotSetUp, "this process makes the SNARK 'small', and 'published' is asked for");
    assert_eq!(diagnosis().await, "");
    for round in 0..3 {
        let task = if round == 0 { root.clone() } else { worker.task().await };
        worker.faults(&task, &lacks).await.unwrap();
        for says in ["Controller was given back", "'small'", "'published'"] {
            assert!(diagnosis().await.contains(says), "{says}: {}", diagnosis().await);
        }
    }
    // Whoever comes as far as a plan is set up for it.
    let root = worker.task().await;
    plan(&cluster, "p", &[(TaskKind::ProveShard, 1, 4)]).await;
    assert_eq!(diagnosis().await, "");
    // So is whoever does the task, or fails of something else.
    let step = worker.create(&root, TaskKind::ProveShard, "shard").await.unwrap();
    for other in [None, Some(Fault::new(Code::ClusterRefused, "not now"))] {
        let task = worker.task().await;
        assert_eq!(task.task_id, step);
        worker.faults(&task, &lacks).await.unwrap();
        assert!(diagnosis().await.contains("ProveShard was given back"), "{}", diagnosis().await);
        let task = worker.task().await;
        match other {
            None => {
                // Until it is known whether it can be done there, nothing is taken back.
                assert_ne!(diagnosis().await, "");
                worker.faults(&task, &Fault::new(Code::ProverFailed, "cosmic rays")).await.unwrap();
            }
            Some(fault) => worker.faults(&task, &fault).await.unwrap(),
        }
        assert_eq!(diagnosis().await, "");
    }
    let task = worker.task().await;
    worker.faults(&task, &lacks).await.unwrap();
    let task = worker.task().await;
    worker.complete(&task).await.unwrap();
    assert_eq!(diagnosis().await, "");
}

/// A fleet of another version, or a store that is away: it goes on like that until somebody does something about it.
#[tokio::test]
async fn what_comes_back_again_and_again_is_said_to_whoever_waits() {
    let (cluster, mut worker, mut root) = begun().await;
    let diagnosis = async || cluster.progress("p").await.diagnosis;
    for (code, says) in [
        (Code::Unfit, "Controller was given back"),
        (Code::TooSmall, "Controller was given back"),
        (Code::StoreAway, "Controller waits for the artifact store"),
        (Code::Missing, "Controller waits for the artifact store"),
    ] {
        worker.faults(&root, &Fault::new(code, "the cause and the remedy")).await.unwrap();
        let told = diagnosis().await;
        assert!(told.contains(says) && told.contains("the cause and the remedy"), "{code}: {told}");
        root = worker.task().await;
    }
    // It is there again. The first of several tasks that miss it speaks for all.
    plan(&cluster, "p", &[(TaskKind::ProveShard, 2, 4)]).await;
    assert_eq!(diagnosis().await, "");
    for shard in ["first", "second"] {
        worker.create(&root, TaskKind::ProveShard, shard).await.unwrap();
    }
    let shards = [worker.task().await, worker.task().await];
    for (shard, cause) in shards.iter().zip(["the first", "the second"]) {
        worker.faults(shard, &Fault::new(Code::StoreAway, cause)).await.unwrap();
        assert!(diagnosis().await.contains("the first"), "{}", diagnosis().await);
    }
    // What is done has found the store: the other one, which may take long, does not wait for it any more.
    let again = [worker.task().await, worker.task().await];
    let second = again.iter().find(|shard| shard.task_id == shards[1].task_id).unwrap();
    worker.complete(second).await.unwrap();
    assert_eq!(diagnosis().await, "");
}

/// A result that no store takes is kept by its worker, which alone knows why nothing comes of the task.
#[tokio::test]
async fn what_a_running_task_waits_for_is_said_as_long_as_its_worker_says_it() {
    let (cluster, mut worker, root) = begun().await;
    let diagnosis = async || cluster.progress("p").await.diagnosis;
    for shard in ["first", "second"] {
        worker.create(&root, TaskKind::ProveShard, shard).await.unwrap();
    }
    let mut shards = [worker.task().await, worker.task().await];
    shards.sort_by(|one, other| one.task_id.cmp(&other.task_id));
    let [first, second] = shards;
    let held = [&root, &first, &second];
    worker.heartbeat(&held).await.unwrap();
    assert_eq!(diagnosis().await, "");
    worker.waits(&held, &[(&second, "no space on /disk")]).await.unwrap();
    for says in ["ProveShard", "on w", "no space on /disk"] {
        assert!(diagnosis().await.contains(says), "{says}: {}", diagnosis().await);
    }
    // In a list of many, too.
    let status = cluster.operator.clone().get_status(StatusRequest::default()).await.unwrap().into_inner();
    assert_eq!(status.proofs[0].diagnosis, diagnosis().await);
    // The first of several speaks for all, and the next one once that goes on.
    worker.waits(&held, &[(&first, "the first"), (&second, "the second")]).await.unwrap();
    assert!(diagnosis().await.contains("the first"), "{}", diagnosis().await);
    worker.waits(&held, &[(&second, "the second")]).await.unwrap();
    assert!(diagnosis().await.contains("the second"), "{}", diagnosis().await);
    worker.heartbeat(&held).await.unwrap();
    assert_eq!(diagnosis().await, "");
    // What keeps tasks from being given out comes before it, and does not take it away.
    worker.waits(&held, &[(&first, "the first")]).await.unwrap();
    worker.faults(&second, &Fault::new(Code::Unfit, "another version")).await.unwrap();
    assert!(diagnosis().await.contains("another version"), "{}", diagnosis().await);
    let second = worker.task().await;
    worker.complete(&second).await.unwrap();
    assert!(diagnosis().await.contains("the first"), "{}", diagnosis().await);
    // It goes with the task, and what is said too late counts for nothing, nor what is said of others' tasks.
    worker.complete(&first).await.unwrap();
    assert_eq!(diagnosis().await, "");
    worker.waits(&held, &[(&first, "the first"), (&second, "the second")]).await.unwrap();
    let other = cluster.worker("other", WorkerType::All, 12).await;
    other.waits(&[&root], &[(&root, "of another")]).await.unwrap();
    assert_eq!(diagnosis().await, "");
}

/// What is said of its tasks goes with their worker, and with their proof; after a restart it is said again.
#[tokio::test]
async fn what_a_running_task_waits_for_goes_with_its_worker() {
    let (cluster, worker, root) = begun().await;
    let long = "é".repeat(600);
    worker.waits(&[&root], &[(&root, long.as_str())]).await.unwrap();
    let told = cluster.progress("p").await.diagnosis;
    assert!(told.contains("éé…") && told.len() < 600, "{told}");
    let cluster = cluster.restart().await;
    assert_eq!(cluster.progress("p").await.diagnosis, "");
    let again = cluster.worker("w", WorkerType::All, 12).await;
    again.waits(&[&root], &[(&root, "no space")]).await.unwrap();
    assert!(cluster.progress("p").await.diagnosis.contains("no space"));
    drop((worker, again));
    until("its worker is lost", || async { !cluster.progress("p").await.diagnosis.contains("no space") })
        .await;
    let mut last = cluster.worker("last", WorkerType::All, 12).await;
    let root = last.task().await;
    last.waits(&[&root], &[(&root, "no space")]).await.unwrap();
    assert!(cluster.progress("p").await.diagnosis.contains("Controller on last: no space"));
    last.complete_proof("p", "").await.unwrap();
    assert_eq!(cluster.progress("p").await.diagnosis, "");
}

#[tokio::test]
async fn the_snark_that_is_asked_for_reaches_the_controller() {
    let cluster = start().await;
    let mut worker = cluster.worker("w", WorkerType::All, 12).await;
    let ask = async |id: &str, snark| {
        let mut request = Request::new(cluster.request_for(id, "3"));
        header::set_snark(&mut request, snark);
        cluster.api.clone().proof_request_create(request).await
    };
    ask("p", "insecure-development-small").await.unwrap();
    assert_eq!(
        data(&worker.task().await).inputs[5],
        r#"{"stdin_private":false,"snark":"insecure-development-small"}"#
    );
    for bad in ["", "small\"}", "a name"] {
        assert_eq!(ask("q", bad).await.unwrap_err().code(), tonic::Code::InvalidArgument, "{bad}");
    }
    assert!(!cluster.is_known("q").await);
}
