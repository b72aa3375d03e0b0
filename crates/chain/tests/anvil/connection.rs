//! Finding the chains and the contract.

use crate::scene::{L2_CHAIN, Scene, options};
use alloy_primitives::{Address, Bytes, hex};
use proofmill_chain::{
    BlockAt, ChainError, ChainStream, L1, L2, PoolOptions, Rollup, StreamOptions, Wait, patiently,
};
use proofmill_proxy::{Action, Proxy, Wire};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use url::Url;

/// Where nobody listens.
fn nowhere() -> Url {
    "http://127.0.0.1:9/secret-key".parse().unwrap()
}

fn hasty(url: Url) -> PoolOptions {
    PoolOptions::new(url).attempts(2).backoff(Duration::from_millis(10))
}

#[tokio::test]
async fn a_wrong_chain_id_is_refused() {
    let first = options().spawn().await.unwrap();
    let second = options().chain_id(5).spawn().await.unwrap();
    let wrong = L1::connect(PoolOptions::new(first.rpc_url().clone()), Some(7)).await;
    assert!(matches!(wrong, Err(ChainError::WrongChain { expected: 7, got: 31_337, .. })), "{wrong:?}");
    // Two nodes of different chains.
    let both = PoolOptions::new(first.rpc_url().clone()).or(second.rpc_url().clone());
    let mixed = L2::connect(both, None).await;
    assert!(matches!(mixed, Err(ChainError::WrongChain { expected: 31_337, got: 5, .. })), "{mixed:?}");
}

#[tokio::test]
async fn an_l2_of_another_chain_than_the_contract_is_refused() {
    let scene = Scene::new().await;
    let l2 = L2::connect(PoolOptions::new(scene.anvil.rpc_url().clone()), None).await.unwrap();
    let stream = ChainStream::new(scene.rollup.clone(), l2, StreamOptions::default());
    assert!(matches!(stream, Err(ChainError::WrongChain { expected: L2_CHAIN, got: 31_337, .. })));
}

#[tokio::test]
async fn no_contract_and_another_contract_are_refused() {
    let scene = Scene::new().await;
    let nobody = Address::repeat_byte(5);
    let none = Rollup::connect(scene.l1.clone(), nobody).await;
    assert!(matches!(none, Err(ChainError::NoContract { address, chain: 31_337, .. }) if address == nobody));
    let other = Rollup::connect(scene.l1.clone(), scene.verifier).await;
    assert!(matches!(other, Err(ChainError::NotARollup { .. })), "{other:?}");
    // One that answers everything with nothing.
    scene.rpc("anvil_setCode", json!([nobody, "0x00"])).await;
    let silent = Rollup::connect(scene.l1.clone(), nobody).await;
    assert!(matches!(silent, Err(ChainError::NotARollup { .. })), "{silent:?}");
}

/// Only what the contract answers is said of the contract: a node that is not ready, or broken, is not taken at its word.
#[tokio::test]
async fn what_a_broken_node_answers_is_said_of_the_node() {
    let scene = Scene::new().await;
    let address = scene.rollup.address();
    type Says = fn() -> Action;
    let truth: Says = || Action::Forward;
    let null: Says = || Action::Answer(json!(null));
    let empty: Says = || Action::Answer(json!("0x"));
    let internal: Says = || Action::refuse(-32_603, "Internal error");
    let reverts: Says = || Action::refuse(3, "execution reverted");
    // What the node answers to the two questions that concern a contract, how long that is waited for, and what is said of it.
    for (of_call, of_code, wait, word) in [
        (null, truth, Some(Wait::WhileItLags), "answer to eth_call cannot be read"),
        (truth, null, Some(Wait::WhileItLags), "answer to eth_getCode cannot be read"),
        (internal, truth, Some(Wait::UntilThere), "Internal error"),
        (truth, internal, Some(Wait::UntilThere), "Internal error"),
        (empty, empty, None, "wait until the node has followed the chain"),
        (truth, empty, None, "wait until the node has followed the chain"),
        (empty, truth, None, "not a Proofmill rollup: it answers nothing"),
        (reverts, truth, None, "not a Proofmill rollup"),
    ] {
        let node = Proxy::new(scene.anvil.rpc_url(), move |request| {
            let says = match request.method {
                "eth_call" => of_call,
                "eth_getCode" => of_code,
                _ => truth,
            };
            says()
        })
        .await;
        let l1 = L1::connect(hasty(node.url.clone()), None).await.unwrap();
        let error = Rollup::connect(l1, address).await.unwrap_err();
        assert_eq!(error.wait(), wait, "{error}");
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
}

#[tokio::test]
async fn a_node_without_a_newest_block_is_said_to_be_not_ready() {
    let anvil = options().spawn().await.unwrap();
    let node = Proxy::new(anvil.rpc_url(), |request| match request.method {
        "eth_getBlockByNumber" => Action::Answer(json!(null)),
        _ => Action::Forward,
    })
    .await;
    let l1 = L1::connect(hasty(node.url.clone()), None).await.unwrap();
    let error = l1.head().await.unwrap_err();
    assert_eq!(error.wait(), Some(Wait::UntilThere), "{error}");
    assert!(error.to_string().contains("it shows no newest block"), "{error}");
    assert!(error.to_string().contains("see the node's own log"), "{error}");
}

#[tokio::test]
async fn a_node_that_answers_nonsense_later_is_only_in_trouble() {
    let scene = Scene::new().await;
    let sick = Arc::new(AtomicBool::new(false));
    let asked = sick.clone();
    let node = Proxy::new(scene.anvil.rpc_url(), move |request| match request.method {
        "eth_call" if asked.load(Ordering::Relaxed) => Action::Answer(json!(null)),
        _ => Action::Forward,
    })
    .await;
    let l1 = L1::connect(hasty(node.url.clone()), None).await.unwrap();
    let rollup = Rollup::connect(l1, scene.rollup.address()).await.unwrap();
    sick.store(true, Ordering::Relaxed);
    let error = rollup.tips().await.unwrap_err();
    assert!(matches!(error, ChainError::Malformed { method: "eth_call", .. }), "{error}");
    assert!(error.is_transient() && error.to_string().contains("give another endpoint"), "{error}");
    sick.store(false, Ordering::Relaxed);
    rollup.tips().await.unwrap();
}

#[tokio::test]
async fn a_contract_of_another_version_is_refused() {
    let scene = Scene::new().await;
    let address = Address::repeat_byte(5);
    for (version, remedy) in [(1, "the release that deployed it"), (3, "newer release")] {
        // PUSH1 version, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN: it answers that to everything.
        let code = Bytes::from([&[0x60, version], &hex!("5f5260205ff3")[..]].concat());
        scene.rpc("anvil_setCode", json!([address, code])).await;
        let error = Rollup::connect(scene.l1.clone(), address).await.unwrap_err();
        assert!(
            matches!(error, ChainError::WrongVersion { expected: 2, got, .. } if got == u64::from(version)),
            "{error:?}"
        );
        assert!(error.to_string().contains(remedy), "{error}");
    }
    // Of this version by its number alone.
    let code = hex!("60025f5260205ff3");
    scene.rpc("anvil_setCode", json!([address, Bytes::from(code)])).await;
    let error = Rollup::connect(scene.l1.clone(), address).await.unwrap_err();
    assert!(matches!(error, ChainError::NotARollup { .. }), "{error:?}");
}

#[tokio::test]
async fn an_endpoint_that_is_away_is_passed_over() {
    let anvil = options().spawn().await.unwrap();
    let l1 = L1::connect(hasty(nowhere()).or(anvil.rpc_url().clone()), Some(31_337)).await.unwrap();
    assert_eq!(l1.head().await.unwrap().number, 0);
    assert_eq!(l1.block(BlockAt::Number(5)).await.unwrap(), None);
}

#[tokio::test]
async fn when_one_endpoint_goes_away_the_other_answers() {
    let anvil = options().spawn().await.unwrap();
    let proxy = Wire::to(anvil.rpc_url()).await;
    let l1 = L1::connect(hasty(proxy.url()).or(anvil.rpc_url().clone()), None).await.unwrap();
    l1.head().await.unwrap();
    proxy.cut();
    for _ in 0..3 {
        l1.head().await.unwrap();
    }
}

#[tokio::test]
async fn a_node_that_refuses_what_another_answers_is_passed_over() {
    let anvil = options().spawn().await.unwrap();
    let broken = Proxy::new(anvil.rpc_url(), |request| match request.method {
        "eth_chainId" => Action::Forward,
        _ => Action::refuse(-32_000, "missing trie node"),
    })
    .await;
    let l1 = L1::connect(hasty(broken.url.clone()).or(anvil.rpc_url().clone()), None).await.unwrap();
    for _ in 0..2 {
        assert_eq!(l1.head().await.unwrap().number, 0);
    }
    // With nobody else to ask, what it said is the answer.
    let alone = L1::connect(hasty(broken.url.clone()), None).await.unwrap();
    let error = alone.head().await.unwrap_err();
    assert!(
        matches!(&error, ChainError::Refused { reason, .. } if reason.contains("missing trie node")),
        "{error}"
    );
}

#[tokio::test]
async fn a_node_that_does_not_know_a_block_yet_is_waited_for_at_the_start() {
    let scene = Scene::new().await;
    let (lags, reads) = (Arc::new(AtomicBool::new(true)), AtomicUsize::new(0));
    let asked = lags.clone();
    let node = Proxy::new(scene.anvil.rpc_url(), move |request| match request.method {
        "eth_call" if asked.load(Ordering::Relaxed) => Action::refuse(-32_000, "header not found"),
        _ => Action::Forward,
    })
    .await;
    let l1 = L1::connect(hasty(node.url.clone()), None).await.unwrap();
    let connect = || Rollup::connect(l1.clone(), scene.rollup.address());
    let error = connect().await.unwrap_err();
    assert_eq!(error.wait(), Some(Wait::WhileItLags), "{error}");
    assert!(error.to_string().contains("wait until the node has the block"), "{error}");
    let read = || {
        if reads.fetch_add(1, Ordering::Relaxed) == 1 {
            lags.store(false, Ordering::Relaxed);
        }
        connect()
    };
    patiently("the rollup's contract", read).await.unwrap();
    assert_eq!(reads.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_endpoint_that_turns_out_to_be_of_another_chain_is_not_asked() {
    let anvil = options().spawn().await.unwrap();
    let other = options().chain_id(5).spawn().await.unwrap();
    let (right, wrong) = (Wire::to(anvil.rpc_url()).await, Wire::to(other.rpc_url()).await);
    wrong.cut();
    let l1 = L1::connect(hasty(right.url()).or(wrong.url()), None).await.unwrap();
    wrong.mend();
    right.cut();
    let error = l1.head().await.unwrap_err();
    assert!(
        matches!(&error, ChainError::Unreachable { reason, .. } if reason.contains("chain 5")),
        "{error}"
    );
    right.mend();
    l1.head().await.unwrap();
}

#[tokio::test]
async fn a_chain_that_is_away_is_an_error_that_names_it_without_its_secrets() {
    let error = L1::connect(hasty(nowhere()), None).await.unwrap_err();
    assert!(matches!(error, ChainError::Unreachable { attempts: 2, .. }));
    assert!(error.is_transient());
    let text = format!("{error} {error:?}");
    assert!(text.contains("http://127.0.0.1:9"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}
