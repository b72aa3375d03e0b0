//! Proofs that are not made in the time that they were given.

use crate::site::{PATIENCE, Site, prove};
use proofmill_client::ClientError;
use proofmill_wire::operator::ProofPhase;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_proof_that_waited_too_long_for_its_turn_has_not_failed() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let hasty = site.another(Duration::from_secs(4)).await;
        let (seen, _ids) = mpsc::unbounded_channel();
        let error = prove(&hasty, &CancellationToken::new(), seen.clone()).await.unwrap_err();
        let ClientError::Late { id, cause } = error else { panic!("{error}") };
        assert!(cause.contains("add workers"), "{cause}");
        // Asked again, it is another try.
        let error = prove(&hasty, &CancellationToken::new(), seen).await.unwrap_err();
        assert!(matches!(&error, ClientError::Late { id: again, .. } if *again != id), "{error}");
        site.stop.cancel();
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn who_joins_a_live_proof_gives_it_as_much_time_as_it_would_have_had() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let hasty = site.another(Duration::from_secs(6)).await;
        let (seen, mut ids) = mpsc::unbounded_channel();
        let (first, second) = (CancellationToken::new(), CancellationToken::new());
        let making = prove(&hasty, &first, seen.clone());
        let joining = async {
            let (id, _) = ids.recv().await.unwrap();
            let joined = tokio::time::timeout(Duration::from_secs(9), prove(&site.prover, &second, seen));
            assert!(joined.await.is_err(), "it is still waited for");
            id
        };
        let id = tokio::select! {
            id = joining => id,
            ended = making => panic!("ended: {ended:?}"),
        };
        assert_eq!(site.phase(&id).await, ProofPhase::Active);
        // Who has less time takes nothing away from those who have more.
        let stop = CancellationToken::new();
        let (seen, _ids) = mpsc::unbounded_channel();
        let hasty = prove(&hasty, &stop, seen);
        assert!(tokio::time::timeout(Duration::from_secs(8), hasty).await.is_err());
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
