//! What `verifyBatches` accepts and refuses, besides what a proof says.

use crate::scene::{AGGREGATION_KEY, RANGE_KEY, Scene, clock, refused};
use proofmill_chain::Refusal;
use proofmill_primitives::{CheckpointNumber, Epoch};
use proofmill_program::PublicValues;

async fn scene() -> Scene {
    let mut scene = Scene::new().await;
    for slot in [1, 2, 4, 5] {
        scene.propose_in(slot).await;
    }
    scene
}

fn not_next(expected: u64, got: u64) -> Refusal {
    Refusal::NotNextBatch { expected: CheckpointNumber(expected), got: CheckpointNumber(got) }
}

#[tokio::test]
async fn batches_settle_in_order_and_over_epochs() {
    let scene = scene().await;
    scene.verify(1, vec![scene.batch(1)]).await.unwrap();
    assert_eq!(scene.proven().await, 1);
    scene.verify(2, vec![scene.batch(2), scene.batch(3), scene.batch(4)]).await.unwrap();
    assert_eq!(scene.proven().await, 4);
}

#[tokio::test]
async fn batches_out_of_order_are_refused() {
    let scene = scene().await;
    assert_eq!(refused(scene.verify(2, vec![scene.batch(2)]).await), not_next(1, 2));
    let swapped = scene.verify(1, vec![scene.batch(2), scene.batch(1)]).await;
    assert!(matches!(refused(swapped), Refusal::StatementMismatch { field, .. } if field == "firstBlock"));
    scene.verify(1, vec![scene.batch(1)]).await.unwrap();
    assert_eq!(refused(scene.verify(1, vec![scene.batch(1)]).await), not_next(2, 1), "a replay");
    assert_eq!(refused(scene.verify(3, vec![scene.batch(3)]).await), not_next(2, 3));
}

#[tokio::test]
async fn no_batches_and_batches_that_are_not_there_are_refused() {
    let mut scene = scene().await;
    assert_eq!(refused(scene.verify(1, Vec::new()).await), Refusal::NoBatches);
    let mut batches: Vec<_> = (1..=4).map(|number| scene.batch(number)).collect();
    batches.push(scene.batch(4));
    assert_eq!(
        refused(scene.verify(1, batches.clone()).await),
        Refusal::UnknownCheckpoints {
            first: CheckpointNumber(1),
            last: CheckpointNumber(5),
            pending: CheckpointNumber(4)
        }
    );
    scene.propose_in(8).await;
    batches[4] = scene.batch(5);
    scene.verify(1, batches).await.unwrap();
}

#[tokio::test]
async fn one_wrong_batch_is_named_and_nothing_is_verified() {
    let scene = scene().await;
    // An epoch proof's key is not the range program's: this is an old program's proof.
    let old = scene.proofs(AGGREGATION_KEY, &scene.range(3).to_bytes());
    let refusal = refused(scene.verify(1, vec![scene.batch(1), scene.batch(2), old]).await);
    match refusal {
        Refusal::ProofRejected { checkpoint, reason, .. } => {
            assert_eq!(checkpoint, CheckpointNumber(3));
            assert!(matches!(*reason, Refusal::NotAnAttestor { .. }));
        }
        other => panic!("{other}"),
    }
    assert_eq!(scene.proven().await, 0);
}

#[tokio::test]
async fn batches_out_of_their_window_are_refused() {
    let scene = scene().await;
    scene.to_time(clock().deadline(Epoch(0)) - 2).await;
    scene.verify(1, vec![scene.batch(1)]).await.unwrap();
    scene.to_time(clock().deadline(Epoch(0))).await;
    let refusal = refused(scene.verify(2, vec![scene.batch(2)]).await);
    assert!(matches!(refusal, Refusal::WindowClosed { .. }));
}

#[tokio::test]
async fn an_epoch_proof_and_batches_go_together() {
    let scene = scene().await;
    scene.verify(1, vec![scene.batch(1)]).await.unwrap();
    // The prover's epoch proof still counts for it.
    scene.submit(scene.submission(1, 2)).await.unwrap();
    assert_eq!(scene.proven().await, 2);
    scene.verify(3, vec![scene.proofs(RANGE_KEY, &scene.range(3).to_bytes())]).await.unwrap();
    assert_eq!(scene.proven().await, 3);
}
