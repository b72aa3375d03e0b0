//! What becomes of a request whose caller no longer wants it.

use crate::site::{PATIENCE, Site, prove};
use proofmill_client::{ClientError, ClusterProver};
use proofmill_wire::operator::ProofPhase;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Asks for a proof, and gives its id and how waiting for it ended, once it was seen to be accepted and `then` ran.
async fn ask(
    prover: &ClusterProver,
    stop: &CancellationToken,
    then: impl AsyncFnOnce(),
) -> (String, Option<ClientError>) {
    let (seen, mut ids) = mpsc::unbounded_channel();
    let proving = prove(prover, stop, seen);
    tokio::pin!(proving);
    let (id, _) = tokio::select! {
        id = ids.recv() => id.unwrap(),
        ended = &mut proving => panic!("ended at once: {ended:?}"),
    };
    then().await;
    // Who stops it is told so; nobody else is told anything.
    let patience = if stop.is_cancelled() { PATIENCE } else { Duration::from_secs(2) };
    let ended = tokio::time::timeout(patience, proving).await;
    (id, ended.ok().map(Result::unwrap_err))
}

#[tokio::test]
async fn who_stops_it_withdraws_it_and_who_asks_again_gets_a_new_try() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let stop = CancellationToken::new();
        let (id, ended) = ask(&site.prover, &stop, async || stop.cancel()).await;
        assert!(matches!(ended, Some(ClientError::Cancelled { id: of }) if of == id));
        assert_eq!(site.phase(&id).await, ProofPhase::Cancelled);

        let (again, ended) = ask(&site.prover, &CancellationToken::new(), async || {}).await;
        assert_ne!(again, id);
        assert!(ended.is_none(), "{ended:?}");
        site.stop.cancel();
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn who_only_stops_waiting_finds_it_again() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        // Dropped after two seconds.
        let (id, ended) = ask(&site.prover, &CancellationToken::new(), async || {}).await;
        assert!(ended.is_none(), "{ended:?}");
        assert_eq!(site.phase(&id).await, ProofPhase::Active);
        let (again, _) = ask(&site.prover, &CancellationToken::new(), async || {}).await;
        assert_eq!(again, id);
        site.stop.cancel();
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn who_finds_its_own_request_again_can_withdraw_it() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        // Dropped after two seconds, as when the cluster was away for long.
        let (id, _) = ask(&site.prover, &CancellationToken::new(), async || {}).await;
        let stop = CancellationToken::new();
        let (again, ended) = ask(&site.prover.clone(), &stop, async || stop.cancel()).await;
        assert!(matches!(ended, Some(ClientError::Cancelled { .. })) && again == id);
        assert_eq!(site.phase(&id).await, ProofPhase::Cancelled);
        site.stop.cancel();
    })
    .await
    .unwrap();
}

/// A joiner who gives it more time, and one who gives it less.
#[tokio::test]
async fn a_request_that_another_client_waits_for_is_not_withdrawn() {
    for seconds in [7_200, 60] {
        tokio::time::timeout(PATIENCE, async {
            let site = Site::new().await;
            let joiner = site.another(Duration::from_secs(seconds)).await;
            let (mine, theirs) = (CancellationToken::new(), CancellationToken::new());
            let (id, ended) = ask(&site.prover, &mine, async || {
                // Who joins and stops leaves it to the one who made it.
                let (joined, ended) = ask(&joiner, &theirs, async || theirs.cancel()).await;
                assert!(matches!(ended, Some(ClientError::Cancelled { id }) if id == joined));
                assert_eq!(site.phase(&joined).await, ProofPhase::Active);
                // And who made it leaves it to those who joined.
                mine.cancel();
            })
            .await;
            assert!(matches!(ended, Some(ClientError::Cancelled { id: of }) if of == id));
            assert_eq!(site.phase(&id).await, ProofPhase::Active);

            // Also when it asks for the same once more.
            let again = CancellationToken::new();
            let (same, _) = ask(&site.prover, &again, async || again.cancel()).await;
            assert_eq!(same, id);
            assert_eq!(site.phase(&id).await, ProofPhase::Active);
            site.stop.cancel();
        })
        .await
        .unwrap();
    }
}
