//! Reorgs of L1 and of L2.

use super::two_chains::{TwoChains, blocks, finalized, proven, pruned};
use proofmill_chain::{ChainEvent::Checkpointed, PruneCause, Waiting};
use proofmill_primitives::CheckpointNumber;
use serde_json::json;

#[tokio::test]
async fn a_reorg_of_l1_that_removes_a_checkpoint_is_told() {
    let chains = TwoChains::new().await;
    let mut stream = chains.stream();
    let first = chains.propose(1, 2).await;
    chains.mine_l1(1).await;
    let second = chains.propose(2, 4).await;
    assert_eq!(stream.all().await, [blocks(2, 5), Checkpointed(first), Checkpointed(second)]);
    // The last block, which holds the second checkpoint, is replaced by an empty one.
    chains.l1("anvil_reorg", json!([1, []])).await;
    assert_eq!(stream.next().await, pruned(1, PruneCause::L1Reorg));
    let again = chains.propose(3, 5).await;
    assert_eq!(stream.next().await, Checkpointed(again));
    assert_eq!(stream.all().await, []);
}

#[tokio::test]
async fn a_reorg_of_l1_that_replaces_checkpoints_is_told() {
    let chains = TwoChains::new().await;
    let mut stream = chains.stream();
    let snapshot = chains.l1("evm_snapshot", json!([])).await;
    let first = chains.propose(1, 2).await;
    let second = chains.propose(2, 4).await;
    assert_eq!(stream.all().await, [blocks(2, 5), Checkpointed(first), Checkpointed(second)]);
    chains.l1("evm_revert", json!([snapshot])).await;
    // A branch that is not as long yet says nothing.
    assert_eq!(stream.all().await, []);
    assert!(matches!(stream.status().waiting, Waiting::L1Behind { .. }));
    let other = chains.propose(1, 3).await;
    chains.mine_l1(4).await;
    assert_eq!(stream.all().await, [pruned(0, PruneCause::L1Reorg), Checkpointed(other)]);
}

#[tokio::test]
async fn a_reorg_of_l1_that_changes_nothing_is_not_told() {
    let chains = TwoChains::new().await;
    let mut stream = chains.stream();
    let first = chains.propose(1, 2).await;
    chains.mine_l1(3).await;
    assert_eq!(stream.all().await, [blocks(2, 5), Checkpointed(first)]);
    chains.l1("anvil_reorg", json!([2, []])).await;
    assert_eq!(stream.all().await, []);
}

#[tokio::test]
async fn a_reorg_of_l1_that_removes_a_proof_is_told() {
    let chains = TwoChains::new().await;
    let mut stream = chains.stream();
    let first = chains.propose(1, 2).await;
    let snapshot = chains.l1("evm_snapshot", json!([])).await;
    chains.prove(1, 1).await;
    assert_eq!(stream.all().await, [proven(1, 0), blocks(2, 5), Checkpointed(first)]);
    chains.l1("evm_revert", json!([snapshot])).await;
    chains.mine_l1(2).await;
    assert_eq!(stream.next().await, proven(0, 0));
    chains.prove(1, 1).await;
    assert_eq!(stream.next().await, proven(1, 0));
    chains.mine_l1(2).await;
    assert_eq!(stream.all().await, [finalized(1)]);
}

#[tokio::test]
async fn a_reorg_of_l2_below_a_checkpoint_voids_it() {
    let chains = TwoChains::new().await;
    let mut stream = chains.stream();
    let first = chains.propose(1, 2).await;
    let second = chains.propose(2, 4).await;
    assert_eq!(stream.all().await, [blocks(2, 5), Checkpointed(first), Checkpointed(second)]);
    chains.reorg_l2(2).await;
    chains.mine_l2(1).await;
    // Blocks 4 and 5 are others now, and 6 is new. What both branches have is known from block 2 on.
    assert_eq!(stream.all().await, [pruned(1, PruneCause::L2Reorg), blocks(3, 6)]);
    let waiting = stream.status().waiting;
    assert!(
        matches!(waiting, Waiting::L2Differs { checkpoint: CheckpointNumber(2), block: 4, expected, .. }
            if expected == second.last_hash),
        "{waiting}"
    );
    // The window closes, and the proposer commits to the new branch.
    let again = chains.propose(6, 2).await;
    assert_eq!(again.number, CheckpointNumber(1));
    let after = chains.propose(7, 6).await;
    assert_eq!(
        stream.all().await,
        [pruned(0, PruneCause::WindowClosed), Checkpointed(again), Checkpointed(after)]
    );
}

#[tokio::test]
async fn a_reorg_of_l2_above_the_checkpoints_voids_none() {
    let chains = TwoChains::new().await;
    let mut stream = chains.stream();
    let first = chains.propose(1, 3).await;
    assert_eq!(stream.all().await, [blocks(2, 5), Checkpointed(first)]);
    chains.reorg_l2(1).await;
    assert_eq!(stream.all().await, [blocks(4, 5)]);
}

#[tokio::test]
async fn what_is_proven_stands_whatever_l2_says() {
    let chains = TwoChains::new().await;
    let mut stream = chains.stream();
    let first = chains.propose(1, 3).await;
    chains.prove(1, 1).await;
    let second = chains.propose(2, 4).await;
    let events = stream.all().await;
    assert!(events.ends_with(&[Checkpointed(first), Checkpointed(second)]), "{events:?}");
    // Blocks 3 to 5 are replaced: the second checkpoint is void, the first is proven.
    chains.reorg_l2(3).await;
    let events = stream.all().await;
    assert_eq!(events[0], pruned(1, PruneCause::L2Reorg));
    assert!(matches!(stream.status().waiting, Waiting::L2Differs { .. }));
    assert_eq!(stream.tips().checkpointed(), CheckpointNumber(1));
}
