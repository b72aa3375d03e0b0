//! What happens is told, once, in order; and again when the handler failed.

use super::two_chains::{Follower, TwoChains, blocks, finalized, l2_node, options, proven, pruned};
use crate::scene::rpc;
use proofmill_chain::{ChainEvent::Checkpointed, ChainStream, L2, PoolOptions, PruneCause, Waiting};
use proofmill_primitives::CheckpointNumber;

#[tokio::test]
async fn checkpoints_proofs_and_finality_are_told_in_order() {
    let chains = TwoChains::new().await;
    let mut stream = chains.stream();
    assert_eq!(stream.next().await, blocks(2, 5));
    let first = chains.propose(1, 3).await;
    assert_eq!(stream.next().await, Checkpointed(first));
    let second = chains.propose(2, 5).await;
    assert_eq!(stream.next().await, Checkpointed(second));
    chains.prove(1, 2).await;
    assert_eq!(stream.next().await, proven(2, 0));
    chains.mine_l1(1).await;
    assert_eq!(stream.all().await, []);
    chains.mine_l1(2).await;
    assert_eq!(stream.next().await, finalized(2));
    chains.mine_l2(2).await;
    assert_eq!(stream.next().await, blocks(6, 7));
    assert_eq!(stream.all().await, []);
    let status = stream.status();
    assert_eq!(status.waiting, Waiting::Nothing);
    assert_eq!((status.checkpointed.0, status.contract.proven.0, status.contract.pending.0), (2, 2, 2));
    assert_eq!(status.l2.unwrap().number, 7);
}

#[tokio::test]
async fn an_event_whose_handler_failed_comes_again() {
    let chains = TwoChains::new().await;
    let mut stream = chains.stream();
    for _ in 0..3 {
        assert_eq!(stream.hear().await, blocks(2, 5));
    }
    stream.stream.acknowledge();
    let first = chains.propose(1, 3).await;
    let second = chains.propose(2, 4).await;
    for _ in 0..3 {
        assert_eq!(stream.hear().await, Checkpointed(first));
        assert_eq!(stream.tips().checkpointed(), CheckpointNumber(0), "the tip stays");
    }
    stream.stream.acknowledge();
    assert_eq!(stream.next().await, Checkpointed(second));
    assert_eq!(stream.tips().checkpointed(), CheckpointNumber(2));
}

#[tokio::test]
async fn an_event_that_is_no_longer_true_does_not_come_again() {
    let chains = TwoChains::new().await;
    let mut stream = chains.stream();
    assert_eq!(stream.next().await, blocks(2, 5));
    let snapshot = chains.l1("evm_snapshot", serde_json::json!([])).await;
    let first = chains.propose(1, 3).await;
    assert_eq!(stream.hear().await, Checkpointed(first));
    chains.l1("evm_revert", serde_json::json!([snapshot])).await;
    let other = chains.propose(2, 4).await;
    chains.mine_l1(2).await;
    assert_eq!(stream.next().await, Checkpointed(other));
}

#[tokio::test]
async fn what_the_contract_prunes_is_told() {
    let chains = TwoChains::new().await;
    let mut stream = chains.stream();
    let first = chains.propose(1, 2).await;
    let second = chains.propose(2, 3).await;
    assert_eq!(stream.all().await, [blocks(2, 5), Checkpointed(first), Checkpointed(second)]);
    chains.prove(1, 1).await;
    assert_eq!(stream.next().await, proven(1, 0));
    chains.to_slot(6).await;
    chains.rollup.prune(&chains.sender).await.unwrap();
    assert_eq!(stream.next().await, pruned(1, PruneCause::WindowClosed));
    assert_eq!(stream.all().await, [finalized(1)]);
    // The same number, other content; and once more, pruned and proposed between two looks.
    let again = chains.propose(7, 4).await;
    assert_eq!(again.number, CheckpointNumber(2));
    assert_eq!(stream.next().await, Checkpointed(again));
    let late = chains.propose(20, 5).await;
    assert_eq!(late.number, CheckpointNumber(2));
    assert_eq!(stream.all().await, [pruned(1, PruneCause::WindowClosed), Checkpointed(late)]);
}

#[tokio::test]
async fn a_checkpoint_whose_blocks_the_l2_node_lacks_waits_for_them() {
    let chains = TwoChains::new().await;
    // The proposer's node is ahead of ours.
    let ours = l2_node().await;
    let l2 = L2::connect(PoolOptions::new(ours.rpc_url().clone()), None).await.unwrap();
    assert_eq!(l2.head().await.unwrap(), chains.l2.head().await.unwrap());
    chains.mine_l2(2).await;
    let checkpoint = chains.propose(1, 7).await;
    let stream = ChainStream::new(chains.rollup.clone(), l2.clone(), options()).unwrap();
    let mut stream = Follower { l2, ..chains.follow(stream) };
    assert_eq!(stream.all().await, [blocks(2, 5)]);
    assert_eq!(
        stream.status().waiting,
        Waiting::L2Behind { checkpoint: CheckpointNumber(1), block: 7, head: 5 }
    );
    rpc(&ours, "anvil_mine", serde_json::json!(["0x2"])).await;
    assert_eq!(stream.all().await, [blocks(6, 7), Checkpointed(checkpoint)]);
}
