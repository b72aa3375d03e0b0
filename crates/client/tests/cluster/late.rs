//! Proofs that are not made in the time that they were given.

use crate::site::{PATIENCE, Site, prove};
use proofmill_client::{ClientError, ClusterProver};
use proofmill_wire::{
    cluster::{ProofRequestGetRequest, cluster_service_client::ClusterServiceClient},
    operator::ProofPhase,
};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

/// Asks until it is the cluster that gives up: who asked on a machine that stands still may be too late to be taken, or gives up itself.
async fn late(prover: &ClusterProver) -> String {
    loop {
        let (seen, _ids) = mpsc::unbounded_channel();
        match prove(prover, &CancellationToken::new(), seen).await.unwrap_err() {
            ClientError::Late { id, cause } if cause.contains("add workers") => return id,
            ClientError::Late { .. } | ClientError::TimedOut { .. } => {}
            error => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_proof_that_waited_too_long_for_its_turn_has_not_failed() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let hasty = site.another(Duration::from_secs(4)).await;
        let id = late(&hasty).await;
        // Asked again, it is another try.
        assert_ne!(late(&hasty).await, id);
        site.stop.cancel();
    })
    .await
    .unwrap();
}

/// Asks, and stops waiting once it is told of the proof, whose id this is.
async fn told(prover: &ClusterProver) -> String {
    let (seen, mut ids) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    tokio::select! {
        id = ids.recv() => id.unwrap().0,
        ended = prove(prover, &stop, seen) => panic!("ended: {ended:?}"),
    }
}

/// Until when the cluster waits for a proof.
async fn deadline(site: &Site, id: &str) -> u64 {
    let channel = Endpoint::from_shared(site.address.clone()).unwrap().connect().await.unwrap();
    let get = ProofRequestGetRequest { proof_id: id.to_owned() };
    let found = ClusterServiceClient::new(channel).proof_request_get(get).await.unwrap();
    found.into_inner().proof_request.unwrap().deadline
}

/// That a deadline is kept to is tested with the cluster's: here it is not waited for.
#[tokio::test]
async fn who_joins_a_live_proof_gives_it_as_much_time_as_it_would_have_had() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        // Fifty minutes less than the other has.
        let hasty = site.another(site.prover.timeout - Duration::from_secs(3_000)).await;
        let id = told(&hasty).await;
        let before = deadline(&site, &id).await;
        assert_eq!(told(&site.prover).await, id);
        let after = deadline(&site, &id).await;
        assert!(after >= before + 2_900, "{before} became {after}");
        // Who has less time takes nothing away from those who have more.
        assert_eq!(told(&hasty).await, id);
        let last = deadline(&site, &id).await;
        assert!(last >= after, "{after} became {last}");
        assert_eq!(site.phase(&id).await, ProofPhase::Active);
        site.stop.cancel();
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn no_timeout_is_too_long() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let patient = site.another(Duration::MAX).await;
        let (seen, mut ids) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        tokio::select! {
            id = ids.recv() => assert_eq!(site.phase(&id.unwrap().0).await, ProofPhase::Active),
            ended = prove(&patient, &stop, seen) => panic!("ended: {ended:?}"),
        }
        site.stop.cancel();
    })
    .await
    .unwrap();
}
