//! Artifacts that expire by themselves do not while a proof needs them.

use crate::harness::{impatient, until};
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore, RedisArtifacts, RedisOptions};
use proofmill_cluster::Cluster;
use proofmill_ledger::Ledger;
use proofmill_localstore::{LocalRedis, skipped};
use proofmill_primitives::TaskKind;
use proofmill_wire::{
    cluster::{
        ProofRequestCancelRequest, ProofRequestCreateRequest, cluster_service_client::ClusterServiceClient,
    },
    worker::{CreateTaskRequest, TaskData, worker_service_client::WorkerServiceClient},
};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// Long enough for a machine that does something else for seconds.
const LIFETIME: Duration = Duration::from_secs(8);

/// What a proof made on the way is let go with it, unless another one needs it, and nothing else is.
#[tokio::test]
async fn intermediate_results_in_redis_go_soon_after_their_proof() {
    if !LocalRedis::is_there() {
        skipped("this machine has no redis-server");
        return;
    }
    let redis = LocalRedis::start(&[]).unwrap();
    // An eighth of it is the time that they stay.
    let lifetime = Duration::from_secs(32);
    let options = RedisOptions { lifetime, ..RedisOptions::new(vec![redis.url()]) };
    let store = Arc::new(RedisArtifacts::new(&options).unwrap());
    let blobs = [
        ("program", ArtifactKind::Program),
        ("stdin", ArtifactKind::Stdin),
        ("key-of-a-client", ArtifactKind::Stdin),
        ("key-alone", ArtifactKind::Intermediate),
        ("key-exchanged", ArtifactKind::Exchanged),
        ("key-shared", ArtifactKind::Intermediate),
        ("artifact_01stock", ArtifactKind::Exchanged),
        ("key-of-nobody", ArtifactKind::Intermediate),
    ];
    for (id, kind) in blobs {
        store.put(&id.into(), kind, "bytes".into()).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).await.unwrap();
    let cluster = Cluster::start(impatient(), ledger, store.clone()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(cluster.serve(listener, stop.clone()));
    let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
    let mut api = ClusterServiceClient::new(channel.clone());
    let mut tasks = WorkerServiceClient::new(channel);
    let read_by_one = ["key-of-a-client", "key-shared", "key-exchanged", "artifact_01stock"];
    for (id, stdin, inputs, output) in [
        ("ends", "key-of-a-client", &read_by_one[..], "key-alone"),
        ("goes-on", "stdin", &["key-shared"][..], "key-other"),
    ] {
        let request = ProofRequestCreateRequest {
            proof_id: id.into(),
            program_artifact_id: "program".into(),
            stdin_artifact_id: stdin.into(),
            options_artifact_id: Some("2".into()),
            ..ProofRequestCreateRequest::default()
        };
        api.proof_request_create(request).await.unwrap();
        let data = TaskData {
            task_type: TaskKind::ProveShard.wire(),
            inputs: inputs.iter().map(ToString::to_string).collect(),
            outputs: vec![output.into()],
            metadata: "{}".into(),
            proof_id: id.into(),
            parent_id: None,
            weight: 4,
            requester: String::new(),
        };
        tasks.create_task(CreateTaskRequest { worker_id: "w".into(), data: Some(data) }).await.unwrap();
    }
    let missing = async || {
        let mut missing = Vec::new();
        for (id, kind) in blobs {
            match store.get(&id.into(), kind).await {
                Ok(_) => {}
                Err(ArtifactError::Missing { .. }) => missing.push(id),
                Err(error) => panic!("{error}"),
            }
        }
        missing
    };
    tokio::time::sleep(lifetime / 4).await;
    assert_eq!(missing().await, [""; 0], "the proof goes on");
    api.proof_request_cancel(ProofRequestCancelRequest { proof_id: "ends".into() }).await.unwrap();
    tokio::time::sleep(lifetime / 4).await;
    until("some to be gone", || async { missing().await.len() >= 2 }).await;
    assert_eq!(missing().await, ["key-alone", "key-exchanged"]);
    stop.cancel();
}

#[tokio::test]
async fn artifacts_in_redis_live_as_long_as_their_proof() {
    if !LocalRedis::is_there() {
        skipped("this machine has no redis-server");
        return;
    }
    let redis = LocalRedis::start(&[]).unwrap();
    let options = RedisOptions { lifetime: LIFETIME, ..RedisOptions::new(vec![redis.url()]) };
    let store = Arc::new(RedisArtifacts::new(&options).unwrap());
    for (id, kind) in
        [("program", ArtifactKind::Program), ("stdin", ArtifactKind::Stdin), ("other", ArtifactKind::Stdin)]
    {
        store.put(&id.into(), kind, "bytes".into()).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).await.unwrap();
    let cluster = Cluster::start(impatient(), ledger, store.clone()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(cluster.serve(listener, stop.clone()));
    let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
    let mut api = ClusterServiceClient::new(channel);
    // Nobody is there to prove it: it waits.
    let request = ProofRequestCreateRequest {
        proof_id: "p".into(),
        program_artifact_id: "program".into(),
        stdin_artifact_id: "stdin".into(),
        options_artifact_id: Some("2".into()),
        ..ProofRequestCreateRequest::default()
    };
    api.proof_request_create(request).await.unwrap();
    tokio::time::sleep(LIFETIME * 2).await;
    // Reading does not renew.
    let is_there = async |id: &str| match store.get(&id.into(), ArtifactKind::Stdin).await {
        Ok(_) => true,
        Err(ArtifactError::Missing { .. }) => false,
        Err(error) => panic!("{error}"),
    };
    assert!(is_there("stdin").await && !is_there("other").await);
    api.proof_request_cancel(ProofRequestCancelRequest { proof_id: "p".into() }).await.unwrap();
    tokio::time::sleep(LIFETIME * 2).await;
    assert!(!is_there("stdin").await, "it is still renewed after the end of its proof");
    assert!(store.exists(&"program".into(), ArtifactKind::Program).await.unwrap());
    stop.cancel();
}
