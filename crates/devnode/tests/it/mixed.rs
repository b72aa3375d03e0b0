//! The load's mixed kinds, by every fork.

use crate::scene::{CHAIN_ID, Scene, keys};
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::U128;
use proofmill_loadgen::mixed::{Fees, Mixed, Scope};
use proofmill_stateless::Fork;
use serde_json::json;

async fn fees(scene: &Scene, fork: Fork) -> Fees {
    let head = scene.call("eth_getBlockByNumber", json!(["latest", false])).await;
    let number = |value| serde_json::from_value::<U128>(value).unwrap().to();
    let blob_base_fee = match fork {
        Fork::Shanghai => 1,
        _ => number(scene.call("eth_blobBaseFee", json!([])).await),
    };
    Fees { base_fee: number(head["baseFeePerGas"].clone()), blob_base_fee }
}

async fn blocks_of_mixed_kinds(fork: Fork, rules: EthereumHardfork, seed: u64, blocks: u64, most: usize) {
    let scene = Scene::new(fork).await;
    let mut mixed = Mixed::new(seed, rules, CHAIN_ID, &keys()).unwrap();
    let mut batch = mixed.deployment(fees(&scene, fork).await).unwrap();
    for block in 1..=blocks {
        for transaction in &batch {
            let sent = scene.call("eth_sendRawTransaction", json!([transaction.raw.clone()])).await;
            assert_eq!(sent, json!(transaction.hash), "seed {seed}: {}", transaction.label);
        }
        scene.mine().await;
        assert_eq!(scene.head().await, block, "seed {seed}");
        let waiting = scene.call("txpool_status", json!([])).await;
        assert_eq!(waiting["pending"], "0x0", "seed {seed}, block {block}");
        batch = mixed.batch(most, fees(&scene, fork).await).unwrap();
    }
    scene.proven(1, blocks).await;
    for block in [1, 2, blocks] {
        scene.proven(block, block).await;
    }
}

/// As full as a block of the demo never is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_of_two_hundred_transactions_is_proven() {
    let scene = Scene::new(Fork::Osaka).await;
    let mut mixed =
        Mixed::new(6, EthereumHardfork::Osaka, CHAIN_ID, &keys()).unwrap().scope(Scope::AnvilRoots);
    for transaction in mixed.deployment(fees(&scene, Fork::Osaka).await).unwrap() {
        scene.call("eth_sendRawTransaction", json!([transaction.raw])).await;
    }
    scene.mine().await;
    for transaction in mixed.batch(200, fees(&scene, Fork::Osaka).await).unwrap() {
        scene.call("eth_sendRawTransaction", json!([transaction.raw])).await;
    }
    scene.mine().await;
    let count = scene.call("eth_getBlockTransactionCountByNumber", json!(["latest"])).await;
    assert_eq!(count, "0xc8");
    let head = scene.head().await;
    scene.proven(head, head).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shanghai_blocks_full_of_mixed_kinds_are_proven() {
    blocks_of_mixed_kinds(Fork::Shanghai, EthereumHardfork::Shanghai, 1, 8, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancun_blocks_full_of_mixed_kinds_are_proven() {
    blocks_of_mixed_kinds(Fork::Cancun, EthereumHardfork::Cancun, 2, 8, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prague_blocks_full_of_mixed_kinds_are_proven() {
    blocks_of_mixed_kinds(Fork::Prague, EthereumHardfork::Prague, 3, 12, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn osaka_blocks_full_of_mixed_kinds_are_proven() {
    for seed in [4, 5] {
        blocks_of_mixed_kinds(Fork::Osaka, EthereumHardfork::Osaka, seed, 12, 20).await;
    }
}
