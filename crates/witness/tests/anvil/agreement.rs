//! Blocks of random mixed transactions, over the forks: every range is witnessed over RPC and executed again.

use crate::{
    scene::{CHAIN_ID, Scene, range},
    sound::SoundChain,
};
use alloy_primitives::U256;
use proofmill_loadgen::mixed::Scope;
use proofmill_localnet::{AnvilOptions, Hardfork, Mining};
use proofmill_proxy::Proxy;
use proofmill_witness::{BuildError, NodeOptions, WitnessSource};
use serde_json::{Value, json};

/// Blocks of mixed transactions for each fork: more than 200 over the four.
const BLOCKS: usize = 52;
const RANGE: u64 = 5;

/// The seed, unless `PROOFMILL_SEED` gives another.
fn seed(default: u64) -> u64 {
    std::env::var("PROOFMILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(default)
}

async fn agrees(hardfork: Hardfork, seed: u64) {
    let mut scene = Scene::new(hardfork, seed).await;
    scene.mix(BLOCKS).await;
    let node = scene.node().await;
    let head = scene.head().await;
    assert_eq!(head as usize, BLOCKS + 2);
    let mut transactions = 0;
    // anvil gives block 1 the base fee of block 0.
    let mut first = 2;
    while first <= head {
        let last = (first + RANGE - 1).min(head);
        let witnessed = node.witness(range(first, last), &|_| {}).await.unwrap_or_else(|error| {
            panic!(
                "{hardfork}, seed {seed}, blocks {first}-{last} (PROOFMILL_SEED={seed} repeats it): {error}"
            )
        });
        assert_eq!(witnessed.source, WitnessSource::Proofs);
        assert_eq!((witnessed.outcome.first, witnessed.outcome.last), (first, last));
        transactions += witnessed.outcome.transactions;
        first = last + 1;
    }
    // Nothing was left out on the way: what was sent is in the blocks that were executed.
    let waiting = scene.call("txpool_status", json!([])).await;
    assert_eq!(transactions as usize, scene.sent, "seed {seed}, still waiting: {waiting}");
    assert!(transactions as usize > BLOCKS * 3, "seed {seed}: {transactions}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shanghai() {
    agrees(Hardfork::Shanghai, seed(101)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancun() {
    agrees(Hardfork::Cancun, seed(102)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prague() {
    agrees(Hardfork::Prague, seed(103)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn osaka() {
    agrees(Hardfork::Osaka, seed(104)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anvil_genesis_is_no_parent() {
    let scene = Scene::new(Hardfork::Prague, 1).await;
    let node = NodeOptions::new(scene.anvil.rpc_url().clone()).connect().await.unwrap();
    assert_eq!(node.finalized_range(9).await.unwrap().range, range(2, 2));
    let error = node.witness(range(1, 2), &|_| {}).await.unwrap_err();
    assert!(matches!(error, BuildError::EmptyGenesis { .. }), "{error}");
}

/// A chain that really starts without accounts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_genesis_is_a_parent() {
    let options = AnvilOptions::new().chain_id(CHAIN_ID).hardfork(Hardfork::Cancun);
    let anvil = options.mining(Mining::OnRequest).spawn().await.unwrap();
    let rpc = proofmill_http::rpc_client(anvil.rpc_url().clone());
    let call =
        async |method: &'static str, params: Value| rpc.request::<_, Value>(method, params).await.unwrap();
    let mut chain = SoundChain::default();
    for number in 0..2 {
        if number > 0 {
            call("evm_mine", json!([])).await;
        }
        let mut block = call("eth_getBlockByNumber", json!(["latest", true])).await;
        if number > 0 {
            // anvil gives block 1 the base fee of block 0, which used no gas: an eighth less is right.
            let parent: U256 = serde_json::from_value(block["baseFeePerGas"].clone()).unwrap();
            block["baseFeePerGas"] = json!(parent - parent / U256::from(8));
        }
        chain.push_with(block, Default::default());
    }
    let served = Proxy::new(anvil.rpc_url(), move |request| chain.answer(&request)).await;
    let node = NodeOptions::new(served.url.clone()).connect().await.unwrap();
    let witnessed = node.witness(range(1, 1), &|_| {}).await.unwrap();
    assert_eq!(witnessed.outcome.pre_state_root, alloy_trie::EMPTY_ROOT_HASH);
    assert_eq!(witnessed.outcome.post_state_root, alloy_trie::EMPTY_ROOT_HASH);
}

/// The headers as anvil seals them, where its roots are Ethereum's: BLOCKHASH tells hashes that are really the chain's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anvils_own_headers() {
    let mut headers = 0;
    for hardfork in Hardfork::ALL {
        let mut scene = Scene::with_scope(hardfork, seed(105), Scope::AnvilRoots).await;
        scene.mix(12).await;
        let node = NodeOptions::new(scene.anvil.rpc_url().clone()).connect().await.unwrap();
        for (first, last) in [(2, 2), (3, 7), (8, 14), (5, 5), (9, 9), (12, 12)] {
            let witnessed = node.witness(range(first, last), &|_| {}).await.unwrap_or_else(|error| {
                panic!("{hardfork}, seed {}, blocks {first}-{last}: {error}", scene.seed)
            });
            headers += witnessed.input.witness.headers.len();
        }
    }
    assert!(headers > 0, "BLOCKHASH was never asked for an ancestor");
}

/// anvil keeps a leaf for a slot that was cleared: said as it is, not as a lie.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anvils_zero_leaves_are_named() {
    let mut scene = Scene::new(Hardfork::Shanghai, 2).await;
    scene.mix(12).await;
    let node = NodeOptions::new(scene.anvil.rpc_url().clone()).connect().await.unwrap();
    let error = node.witness(range(2, 14), &|_| {}).await.unwrap_err();
    assert!(matches!(error, BuildError::ZeroLeaf { .. }), "{error}");
}
