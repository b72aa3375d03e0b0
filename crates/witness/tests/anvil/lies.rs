//! Each lie of a node has its own error.

use crate::scene::{CHAIN_ID, Scene, range};
use proofmill_endpoints::PoolOptions;
use proofmill_localnet::Hardfork;
use proofmill_proxy::{Action, Proxy, Request};
use proofmill_witness::{BuildError, NodeOptions};
use serde_json::{Value, json};
use std::time::Duration;

async fn scene() -> Scene {
    let mut scene = Scene::new(Hardfork::Prague, 7).await;
    scene.mix(6).await;
    scene
}

/// What the builder says of blocks 3 to 6 when the node's answers are changed this way.
async fn told(scene: &Scene, rule: impl FnMut(Request<'_>) -> Action + Send + 'static) -> BuildError {
    let proxy = Proxy::new(scene.url(), rule).await;
    let endpoint = PoolOptions::new(proxy.url.clone())
        .attempts(2)
        .backoff(Duration::from_millis(5))
        .timeout(Duration::from_secs(30));
    match NodeOptions::at(endpoint).chain_id(CHAIN_ID).connect().await {
        Ok(node) => node.witness(range(3, 6), &|_| {}).await.expect_err("the lie went unnoticed"),
        Err(error) => error,
    }
}

fn is_block(request: &Request<'_>, number: u64) -> bool {
    request.method == "eth_getBlockByNumber" && request.params[0] == format!("{number:#x}")
}

/// The same text with its last hexadecimal digit changed.
fn flipped(text: &Value) -> Value {
    let mut text = text.as_str().unwrap().to_owned();
    let last = text.pop().unwrap();
    text.push(if last == '1' { '2' } else { '1' });
    text.into()
}

fn changing(number: u64, field: &'static str) -> impl FnMut(Request<'_>) -> Action + Send + 'static {
    move |request| {
        if !is_block(&request, number) {
            return Action::Forward;
        }
        Action::change(move |mut block| {
            block[field] = flipped(&block[field]);
            block
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_header_field_is_checked() {
    let scene = scene().await;
    for field in [
        "stateRoot",
        "receiptsRoot",
        "transactionsRoot",
        "gasUsed",
        "baseFeePerGas",
        "timestamp",
        "parentHash",
        "miner",
        "excessBlobGas",
        "hash",
    ] {
        for number in [2, 4, 6] {
            let error = told(&scene, changing(number, field)).await;
            assert!(
                matches!(error, BuildError::FalseHeader { block, .. } if block == number),
                "{field} of block {number}: {error}"
            );
        }
    }
    let error = told(&scene, changing(4, "number")).await;
    assert!(matches!(error, BuildError::OtherBlock { wanted: 4, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_checked() {
    let scene = scene().await;
    let error = told(&scene, |request| {
        if !is_block(&request, 5) || request.params[1] == json!(false) {
            return Action::Forward;
        }
        Action::change(|mut block| {
            block["transactions"].as_array_mut().unwrap().pop().unwrap();
            block
        })
    })
    .await;
    assert!(matches!(error, BuildError::FalseBody { block: 5, what: "transactions" }), "{error}");

    let error = told(&scene, |request| {
        if !is_block(&request, 5) {
            return Action::Forward;
        }
        Action::change(|mut block| {
            block["withdrawals"] = json!([{
                "index": "0x0", "validatorIndex": "0x0", "address": format!("0x{:040x}", 5), "amount": "0x1"
            }]);
            block
        })
    })
    .await;
    assert!(matches!(error, BuildError::FalseBody { block: 5, what: "withdrawals" }), "{error}");

    // A transaction of a fork of the OP Stack that is not followed.
    let error = told(&scene, |request| {
        if !is_block(&request, 5) || request.params[1] == json!(false) {
            return Action::Forward;
        }
        Action::change(|mut block| {
            block["transactions"][0]["type"] = json!("0x7d");
            block
        })
    })
    .await;
    assert!(matches!(error, BuildError::UnsupportedBlock { block: 5, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proofs_are_checked() {
    let scene = scene().await;
    let error = told(&scene, |request| match request.method {
        "eth_getProof" => Action::change(|mut proof| {
            let nodes = proof["accountProof"].as_array_mut().unwrap();
            let last = nodes.last_mut().unwrap();
            *last = flipped(last);
            proof
        }),
        _ => Action::Forward,
    })
    .await;
    assert!(matches!(error, BuildError::FalseProof { .. }), "{error}");

    let error = told(&scene, |request| match request.method {
        "eth_getProof" => Action::change(|mut proof| {
            for slot in proof["storageProof"].as_array_mut().unwrap() {
                for node in slot["proof"].as_array_mut().unwrap() {
                    *node = flipped(node);
                }
            }
            proof
        }),
        _ => Action::Forward,
    })
    .await;
    assert!(matches!(error, BuildError::FalseProof { .. }), "{error}");

    let error = told(&scene, |request| match request.method {
        "eth_getCode" => Action::change(|code| flipped(&code)),
        _ => Action::Forward,
    })
    .await;
    assert!(matches!(error, BuildError::FalseCode { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_without_history_or_methods_are_named() {
    let scene = scene().await;
    let error = told(&scene, |request| match request.method {
        "eth_getProof" => {
            Action::refuse(-32000, "missing trie node 5fd4 (path ) state 0x5fd4 is not available")
        }
        _ => Action::Forward,
    })
    .await;
    assert!(matches!(error, BuildError::NoHistory { .. }), "{error}");
    assert!(error.to_string().contains("archive"), "{error}");

    let error = told(&scene, |request| match request.method {
        "eth_getProof" => Action::refuse(-32601, "the method eth_getProof does not exist/is not available"),
        _ => Action::Forward,
    })
    .await;
    assert!(matches!(error, BuildError::MethodMissing { method: "eth_getProof" }), "{error}");

    let error = told(&scene, |request| match request.method {
        "eth_getProof" => Action::Answer(json!({ "nonsense": true })),
        _ => Action::Forward,
    })
    .await;
    assert!(matches!(error, BuildError::Malformed { method: "eth_getProof", .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_chain_is_refused() {
    let scene = scene().await;
    let error = told(&scene, |request| match request.method {
        "eth_chainId" => Action::Answer(json!("0x1")),
        _ => Action::Forward,
    })
    .await;
    assert!(matches!(error, BuildError::ChainId { expected: CHAIN_ID, got: 1, .. }), "{error}");
    assert!(error.to_string().contains("http://127.0.0.1:"), "{error}");
    let error = told(&scene, |request| match request.method {
        "anvil_nodeInfo" => Action::refuse(-32601, "Method not found"),
        _ => Action::Forward,
    })
    .await;
    assert!(matches!(error, BuildError::UnknownChain { chain_id: CHAIN_ID }), "{error}");
}
