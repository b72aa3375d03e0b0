//! The load's mixed kinds, by every fork.

use crate::scene::{CHAIN_ID, Scene, keys};
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Bytes, U128};
use proofmill_loadgen::mixed::{Fees, Mixed};
use proofmill_stateless::Fork;
use serde_json::json;
use std::time::Instant;

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
            let sent =
                scene.call("eth_sendRawTransaction", json!([Bytes::from(transaction.raw.clone())])).await;
            assert_eq!(sent, json!(transaction.hash), "seed {seed}: {}", transaction.label);
        }
        let begun = Instant::now();
        scene.mine().await;
        let took = begun.elapsed();
        assert_eq!(scene.head().await, block, "seed {seed}");
        let waiting = scene.call("txpool_status", json!([])).await;
        assert_eq!(waiting["pending"], "0x0", "seed {seed}, block {block}");
        println!("block {block}: {} transactions in {took:?}", batch.len());
        batch = mixed.batch(most, fees(&scene, fork).await).unwrap();
    }
    scene.proven(1, blocks).await;
    for block in [1, 2, blocks] {
        scene.proven(block, block).await;
    }
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
