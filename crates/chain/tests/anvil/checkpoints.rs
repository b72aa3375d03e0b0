//! What `propose` takes and refuses, and which checkpoint a block is found in.

use crate::scene::{GENESIS, GENESIS_TIME, MAX_LAG, Scene, block_time, refused};
use alloy_primitives::{B256, U256};
use proofmill_chain::{Proposal, Refusal};
use proofmill_primitives::{BlockRange, CheckpointNumber, Slot};

#[tokio::test]
async fn checkpoints_follow_on_each_other() {
    let mut scene = Scene::new().await;
    assert_eq!(scene.rollup.checkpoint(CheckpointNumber(1)).await.unwrap(), None);
    let first = scene.propose_in(1).await;
    assert_eq!(first.blocks, BlockRange::new(11, 13).unwrap());
    assert_eq!(first.parent_hash, GENESIS.hash);
    let second = scene.propose_in(5).await;
    assert_eq!(second.parent_hash, first.last_hash);
    let tips = scene.rollup.tips().await.unwrap();
    assert_eq!((tips.proven.0, tips.pending.0), (0, 2));
}

#[tokio::test]
async fn a_proposal_by_another_than_the_proposer_is_refused() {
    let scene = Scene::new().await;
    scene.to_slot(1).await;
    let result = scene.rollup.propose(&scene.publisher, scene.next(3)).await;
    match refused(result) {
        Refusal::WrongProposer { proposer, sender, open_from } => {
            assert_eq!(proposer, scene.proposer.account());
            assert_eq!(sender, scene.publisher.account());
            assert_eq!(Some(open_from.to::<u64>()), scene.rollup.open_from().await.unwrap());
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_second_checkpoint_in_a_slot_is_refused() {
    let mut scene = Scene::new().await;
    scene.propose_in(3).await;
    let result = scene.try_propose(scene.next(3)).await;
    assert_eq!(refused(result), Refusal::SlotTaken { last: Slot(3), slot: Slot(3) });
    scene.to_slot(4).await;
    scene.try_propose(scene.next(3)).await.unwrap();
}

#[tokio::test]
async fn a_checkpoint_in_the_genesis_slot_is_refused() {
    let scene = Scene::new().await;
    let result = scene.try_propose(scene.next(3)).await;
    assert_eq!(refused(result), Refusal::SlotTaken { last: Slot(0), slot: Slot(0) });
}

#[tokio::test]
async fn a_proposal_in_the_next_block_is_estimated_at_its_time() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    // The newest block is still in the slot that is taken; the next one is not.
    scene.rpc("evm_setNextBlockTimestamp", serde_json::json!([GENESIS_TIME + 24])).await;
    scene.try_propose(scene.next(3)).await.unwrap();
}

#[tokio::test]
async fn a_skipped_checkpoint_is_refused() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    scene.to_slot(2).await;
    let next = scene.next(3);
    let blocks = BlockRange::new(next.blocks.first() + 3, next.blocks.last() + 3).unwrap();
    let result = scene.try_propose(Proposal { blocks, ..next }).await;
    assert_eq!(refused(result), Refusal::NotNextBlock { expected: 14, got: 17 });
}

#[tokio::test]
async fn a_repeated_checkpoint_is_refused() {
    let mut scene = Scene::new().await;
    scene.to_slot(1).await;
    let first = scene.next(3);
    scene.propose_in(2).await;
    scene.to_slot(3).await;
    assert_eq!(refused(scene.try_propose(first).await), Refusal::NotNextBlock { expected: 14, got: 11 });
}

#[tokio::test]
async fn a_checkpoint_of_another_branch_is_refused() {
    let mut scene = Scene::new().await;
    let first = scene.propose_in(1).await;
    scene.to_slot(2).await;
    let got = B256::repeat_byte(9);
    let result = scene.try_propose(Proposal { parent_hash: got, ..scene.next(3) }).await;
    assert_eq!(refused(result), Refusal::ParentMismatch { expected: first.last_hash, got });
}

#[tokio::test]
async fn a_checkpoint_before_the_genesis_time_is_refused() {
    let scene = Scene::new().await;
    let mut config = scene.rollup.config().clone();
    config.clock.genesis += 1_000_000;
    let (rollup, _) = proofmill_chain::deploy_rollup(
        &scene.publisher,
        &config,
        proofmill_chain::Roles::default(),
        B256::ZERO,
    )
    .await
    .unwrap();
    match refused(rollup.propose(&scene.proposer, scene.next(3)).await) {
        Refusal::BeforeGenesis { genesis_time, timestamp } => {
            assert_eq!(genesis_time, U256::from(config.clock.genesis));
            assert!(timestamp < genesis_time);
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_checkpoint_ahead_of_l1_s_time_is_refused() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    scene.to_slot(2).await;
    let l1 = scene.l1.head().await.unwrap().timestamp;
    for last_timestamp in [l1 + 100, l1 + 10 * 365 * 86_400, u64::MAX] {
        let refusal = refused(scene.try_propose(Proposal { last_timestamp, ..scene.next(3) }).await);
        assert!(
            matches!(refusal, Refusal::TimestampAhead { got, timestamp } if got == last_timestamp && timestamp >= U256::from(l1)),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn a_checkpoint_whose_time_stands_still_is_refused() {
    let mut scene = Scene::new().await;
    let first = scene.propose_in(1).await;
    scene.to_slot(2).await;
    for last_timestamp in [0, first.last_timestamp - 1, first.last_timestamp] {
        let refusal = refused(scene.try_propose(Proposal { last_timestamp, ..scene.next(3) }).await);
        let before = first.last_timestamp;
        assert_eq!(refusal, Refusal::TimestampNotAfter { before, got: last_timestamp });
    }
    // Behind L1 by more than the rollup's limit. Nothing is lost: a newer block is taken.
    scene.submit(scene.submission(1, 1)).await.unwrap();
    scene.to_time(GENESIS_TIME + MAX_LAG + 100).await;
    let old = scene.next(3);
    let refusal = refused(scene.try_propose(old).await);
    assert!(
        matches!(refusal, Refusal::TimestampStalled { got, .. } if got == old.last_timestamp),
        "{refusal}"
    );
    let blocks = BlockRange::new(old.blocks.first(), old.blocks.first() + 500).unwrap();
    let newer = Proposal { blocks, last_timestamp: block_time(blocks.last()), ..old };
    scene.try_propose(newer).await.unwrap();
}

#[tokio::test]
async fn blocks_are_found_in_their_checkpoints_and_only_proven_ones_can_be_relied_on() {
    let mut scene = Scene::new().await;
    for slot in [1, 2, 4] {
        scene.propose_in(slot).await;
    }
    scene.submit(scene.submission(1, 2)).await.unwrap();
    for (block, number) in [(10, 0), (11, 1), (13, 1), (14, 2), (16, 2), (17, 3), (19, 3)] {
        assert_eq!(scene.rollup.checkpoint_of(block).await.unwrap(), CheckpointNumber(number), "{block}");
    }
    for nowhere in [0, 9, 20, u64::MAX] {
        let refusal = refused(scene.rollup.checkpoint_of(nowhere).await);
        assert_eq!(refusal, Refusal::UnknownBlock { number: nowhere, genesis: 10, last: 19 });
    }
    let proven = scene.rollup.proven_checkpoint(CheckpointNumber(2)).await.unwrap();
    let second = scene.checkpoints[1];
    assert_eq!((proven.last_block, proven.last_hash), (16, second.last_hash));
    assert_eq!((proven.state_root, proven.last_timestamp), (second.state_root, second.last_timestamp));
    let (checkpoint, proven) = (CheckpointNumber(3), CheckpointNumber(2));
    let refusal = refused(scene.rollup.proven_checkpoint(checkpoint).await);
    assert_eq!(refusal, Refusal::NotProven { checkpoint, proven });
}
