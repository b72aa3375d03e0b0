//! Artifacts that expire by themselves do not while a proof needs them.

use crate::harness::impatient;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore, RedisArtifacts, RedisOptions};
use proofmill_cluster::Cluster;
use proofmill_ledger::Ledger;
use proofmill_localstore::{LocalRedis, skipped};
use proofmill_wire::cluster::{
    ProofRequestCancelRequest, ProofRequestCreateRequest, cluster_service_client::ClusterServiceClient,
};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

const LIFETIME: Duration = Duration::from_secs(2);

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
