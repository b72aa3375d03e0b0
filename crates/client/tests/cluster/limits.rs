//! Limits of instructions, of those who ask for the same.

use crate::site::{PATIENCE, Site, prove};
use proofmill_client::{ClientError, ClusterProver};
use proofmill_wire::{
    operator::{ProofProgress, ReportPlanRequest, operator_service_client::OperatorServiceClient},
    worker::{FailProofRequest, worker_service_client::WorkerServiceClient},
};
use std::{num::NonZeroU64, time::Duration};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

/// Somebody who allows a program so many instructions.
async fn frugal(site: &Site, limit: u64) -> ClusterProver {
    let another = site.another(Duration::from_secs(3600)).await;
    ClusterProver { cycle_limit: NonZeroU64::new(limit), ..another }
}

async fn channel(site: &Site) -> Channel {
    Endpoint::from_shared(site.address.clone()).unwrap().connect().await.unwrap()
}

#[tokio::test]
async fn what_failed_for_the_limit_of_another_is_asked_for_again() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let (frugal, stop) = (frugal(&site, 7).await, CancellationToken::new());
        let (seen, mut ids) = mpsc::unbounded_channel();
        let making = prove(&frugal, &stop, seen);
        let joining = async {
            let (id, _) = ids.recv().await.unwrap();
            let (seen, mut joined) = mpsc::unbounded_channel::<(String, String)>();
            let working = async {
                assert_eq!(joined.recv().await.unwrap().0, id);
                // As the worker says that ran the program.
                let fail = FailProofRequest {
                    proof_id: id.clone(),
                    extra_data: Some(r#"{"status":3,"failure_cause":5}"#.to_owned()),
                    ..FailProofRequest::default()
                };
                WorkerServiceClient::new(channel(&site).await).fail_proof(fail).await.unwrap();
                loop {
                    let (again, artifact) = joined.recv().await.unwrap();
                    if again != id {
                        return site.complete(&again, &artifact, |_| {}).await;
                    }
                }
            };
            tokio::join!(prove(&site.prover, &stop, seen), working).0
        };
        let (made, joined) = tokio::join!(making, joining);
        let error = made.unwrap_err();
        assert!(matches!(error, ClientError::CannotExecute { .. }), "{error}");
        joined.unwrap();
        site.stop.cancel();
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_execution_that_another_allowed_more_is_held_against_the_own_limit() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let stop = CancellationToken::new();
        let (seen, mut ids) = mpsc::unbounded_channel();
        let show = |progress: &ProofProgress| drop(seen.send(progress.proof_id.clone()));
        let program = proofmill_client::programs::range(site.prover.prover_type());
        let executing = site.prover.execute(program, b"no blocks".to_vec(), &stop, show);
        let working = async {
            let id = ids.recv().await.unwrap();
            let plan = ReportPlanRequest {
                proof_id: id.clone(),
                instructions: 1_000,
                public_values: b"said".to_vec(),
                kinds: Vec::new(),
            };
            OperatorServiceClient::new(channel(&site).await).report_plan(plan).await.unwrap();
            site.say_made(&id).await;
        };
        let (executed, ()) = tokio::join!(executing, working);
        assert_eq!(executed.unwrap().instructions, 1_000);
        for (limit, fits) in [(999, false), (1_000, true)] {
            let frugal = frugal(&site, limit).await;
            let found = frugal.execute(program, b"no blocks".to_vec(), &stop, |_| {}).await;
            match found {
                Ok(found) => assert!(fits && found.instructions == 1_000),
                Err(error) => assert!(!fits && error.to_string().contains("limit of 999"), "{error}"),
            }
        }
        site.stop.cancel();
    })
    .await
    .unwrap();
}
