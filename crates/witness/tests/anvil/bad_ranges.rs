//! Ranges that are not there, not there yet, or not there any more.

use crate::scene::{CHAIN_ID, Scene, range};
use alloy_primitives::{B256, U64};
use proofmill_endpoints::PoolOptions;
use proofmill_localnet::Hardfork;
use proofmill_proxy::{Action, Proxy};
use proofmill_stateless::ChainSpecError;
use proofmill_witness::{Anchor, BuildError, ChainSource, NodeOptions};
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_beyond_the_head() {
    let mut scene = Scene::new(Hardfork::Cancun, 3).await;
    scene.mix(3).await;
    let node = scene.node().await;
    assert_eq!(node.head().await.unwrap(), 5);
    let error = node.witness(range(6, 7), &|_| {}).await.unwrap_err();
    assert!(matches!(error, BuildError::BeyondHead { head: 5, .. }), "{error}");
    let error = node.witness(range(4, 7), &|_| {}).await.unwrap_err();
    assert!(matches!(error, BuildError::Lags { block: 7, head: 5 }), "{error}");
    let error = node.witness(range(0, 3), &|_| {}).await.unwrap_err();
    assert!(matches!(error, BuildError::Genesis), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_latest_finalized_blocks() {
    let mut scene = Scene::new(Hardfork::Cancun, 4).await;
    let node = scene.node().await;
    // With one slot in an epoch the finalized block is two behind the head: still the genesis block.
    let latest = node.finalized_range(5).await.unwrap();
    assert_eq!((latest.anchor, latest.range), (Anchor::Latest, range(1, 2)));
    scene.mix(8).await;
    let finalized = node.finalized_range(5).await.unwrap();
    assert_eq!((finalized.anchor, finalized.range), (Anchor::Finalized, range(4, 8)));
    assert_eq!(node.finalized_range(100).await.unwrap().range, range(1, 8));

    let proxy = Proxy::new(scene.url(), |request| {
        if request.params[0] == "finalized" {
            Action::refuse(-39001, "Unknown block")
        } else {
            Action::Forward
        }
    })
    .await;
    let node = NodeOptions::new(proxy.url.clone()).connect().await.unwrap();
    let latest = node.finalized_range(5).await.unwrap();
    assert_eq!((latest.anchor, latest.range), (Anchor::Latest, range(6, 10)));
}

/// The node shows the chain without its last blocks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lagging_node() {
    let mut scene = Scene::new(Hardfork::Cancun, 5).await;
    scene.mix(6).await;
    let fourth = proofmill_http::rpc_client(scene.url().clone())
        .request::<_, serde_json::Value>("eth_getBlockByNumber", ("0x4", false))
        .await
        .unwrap();
    let proxy = Proxy::new(scene.url(), move |request| match request.method {
        "eth_getBlockByNumber" if request.params[0] == "latest" => Action::Answer(fourth.clone()),
        "eth_getBlockByNumber" => {
            let number: U64 = serde_json::from_value(request.params[0].clone()).unwrap_or_default();
            if number.to::<u64>() > 4 { Action::Answer(json!(null)) } else { Action::Forward }
        }
        _ => Action::Forward,
    })
    .await;
    let node = NodeOptions::new(proxy.url.clone()).connect().await.unwrap();
    let error = node.witness(range(3, 6), &|_| {}).await.unwrap_err();
    assert!(matches!(error, BuildError::Lags { block: 6, head: 4 }), "{error}");
}

/// A real reorg in the middle of a build, at different moments.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorg_while_building() {
    for (method, before) in
        [("eth_getProof", 0), ("eth_getProof", 12), ("eth_getCode", 0), ("eth_getBlockByNumber", 2)]
    {
        let mut scene = Scene::new(Hardfork::Cancun, 6).await;
        scene.mix(6).await;
        // The last four become empty ones.
        let mut reorg = Some(scene.reorg(4));
        let proxy = Proxy::new(scene.url(), move |request| {
            if request.method == method
                && request.before >= before
                && let Some(reorg) = reorg.take()
            {
                reorg();
            }
            Action::Forward
        })
        .await;
        let endpoint = PoolOptions::new(proxy.url.clone()).backoff(Duration::from_millis(5));
        let node = NodeOptions::at(endpoint).chain_id(CHAIN_ID).connect().await.unwrap();
        let error = node.witness(range(4, 8), &|_| {}).await.unwrap_err();
        assert!(matches!(error, BuildError::Reorg { .. }), "{method} {before}: {error}");
        // And afterwards the new chain is witnessed.
        assert_eq!(node.witness(range(4, 8), &|_| {}).await.unwrap().outcome.last, 8);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_genesis_file_with_storage_but_no_code() {
    let scene = Scene::new(Hardfork::Cancun, 6).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("genesis.json");
    let slot = "0x0000000000000000000000000000000000000000000000000000000000000001";
    let genesis = json!({
        "config": { "chainId": CHAIN_ID, "shanghaiTime": 0, "cancunTime": 0, "londonBlock": 0 },
        "alloc": { "0x00000000000000000000000000000000000000aa": { "balance": "0x0", "storage": { slot: slot } } },
        "difficulty": "0x0", "gasLimit": "0x1c9c380", "extraData": "0x", "nonce": "0x0", "timestamp": "0x0",
    });
    std::fs::write(&path, genesis.to_string()).unwrap();
    let error = scene.options().chain(ChainSource::Genesis(path)).connect().await.unwrap_err();
    let refused = matches!(error, BuildError::ChainRules(ChainSpecError::StorageWithoutCode { .. }));
    assert!(refused, "{error}");
}

/// Clients keep blocks of branches that are gone, and show them by their hashes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_of_a_branch_that_is_gone_has_no_number() {
    let mut scene = Scene::new(Hardfork::Cancun, 6).await;
    scene.mix(3).await;
    // One with transactions: those after the reorg are empty.
    let gone = scene.block(5).await;
    let hash: B256 = serde_json::from_value(gone["hash"].clone()).unwrap();
    let proxy = Proxy::new(scene.url(), move |request| match request.method {
        "eth_getBlockByHash" if request.params[0] == gone["hash"] => Action::Answer(gone.clone()),
        _ => Action::Forward,
    })
    .await;
    let node = NodeOptions::new(proxy.url.clone()).chain_id(CHAIN_ID).connect().await.unwrap();
    assert_eq!(node.number_of(hash).await.unwrap(), 5);
    scene.reorg(2)();
    let error = node.number_of(hash).await.unwrap_err();
    assert!(matches!(error, BuildError::UnknownHash { hash: of } if of == hash), "{error}");
}
