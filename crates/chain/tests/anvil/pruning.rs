//! What happens to checkpoints that are not proven in time.

use crate::scene::{Scene, clock, refused};
use proofmill_chain::Refusal;
use proofmill_primitives::{CheckpointNumber, Epoch};

#[tokio::test]
async fn unproven_checkpoints_are_pruned_after_the_window_and_not_before() {
    let mut scene = Scene::new().await;
    for slot in [1, 2, 5] {
        scene.propose_in(slot).await;
    }
    scene.verify(1, vec![scene.batch(1)]).await.unwrap();
    // The refusal is about the pending block, a second later than the newest.
    scene.to_time(clock().deadline(Epoch(0)) - 3).await;
    assert_eq!(refused(scene.rollup.prune(&scene.publisher).await), Refusal::NothingToPrune);

    scene.to_time(clock().deadline(Epoch(0))).await;
    scene.rollup.prune(&scene.publisher).await.unwrap();
    let tips = scene.rollup.tips().await.unwrap();
    assert_eq!((tips.proven.0, tips.pending.0), (1, 1), "what is proven stands");
    assert_eq!(scene.rollup.checkpoint(CheckpointNumber(2)).await.unwrap(), None);
    assert_eq!(refused(scene.rollup.prune(&scene.publisher).await), Refusal::NothingToPrune);
}

#[tokio::test]
async fn numbers_are_given_again_after_a_prune() {
    let mut scene = Scene::new().await;
    for slot in [1, 2] {
        scene.propose_in(slot).await;
    }
    let old = scene.submission(1, 2);
    // The next proposal prunes by itself.
    scene.to_slot(12).await;
    scene.checkpoints.clear();
    let mut next = scene.next(2);
    next.state_root.0[0] ^= 1;
    scene.try_propose(next).await.unwrap();
    let tips = scene.rollup.tips().await.unwrap();
    assert_eq!((tips.proven.0, tips.pending.0), (0, 1));
    let checkpoint = scene.rollup.checkpoint(CheckpointNumber(1)).await.unwrap().unwrap();
    assert_eq!(checkpoint.blocks.last(), 12);

    // A proof of what was pruned proves nothing of what has its number.
    let refusal = refused(scene.submit(scene.submission_of(1, 1, old.proofs)).await);
    assert!(matches!(refusal, Refusal::StatementMismatch { .. }));
    scene.checkpoints.push(checkpoint);
    scene.submit(scene.submission(1, 1)).await.unwrap();
    assert_eq!(scene.proven().await, 1);
}

#[tokio::test]
async fn a_partly_proven_epoch_loses_only_the_rest() {
    let mut scene = Scene::new().await;
    for slot in [1, 2, 3] {
        scene.propose_in(slot).await;
    }
    scene.submit(scene.submission(1, 2)).await.unwrap();
    scene.to_slot(12).await;
    scene.checkpoints.truncate(2);
    scene.propose_in(13).await;
    let tips = scene.rollup.tips().await.unwrap();
    assert_eq!((tips.proven.0, tips.pending.0), (2, 3));
    // The third is in another epoch now, and begins it.
    scene.submit(scene.submission(3, 3)).await.unwrap();
    assert_eq!(scene.proven().await, 3);
}

#[tokio::test]
async fn nothing_is_pruned_when_everything_is_proven() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    scene.submit(scene.submission(1, 1)).await.unwrap();
    scene.to_slot(100).await;
    assert_eq!(refused(scene.rollup.prune(&scene.publisher).await), Refusal::NothingToPrune);
    scene.propose_in(101).await;
    assert_eq!(scene.rollup.tips().await.unwrap().pending.0, 2);
}
