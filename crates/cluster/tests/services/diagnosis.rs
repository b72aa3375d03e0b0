//! What can never be finished is said at once.

use crate::harness::{start, until, within};
use proofmill_wire::{operator::WatchProofRequest, worker::WorkerType};

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
