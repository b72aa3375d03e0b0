//! Sending and reading through nodes as they are: one report each.

use crate::scene::{Scene, options, rpc};
use alloy_primitives::{B256, U256};
use proofmill_chain::{
    ChainError, FeeLimits, L1, Pool, PoolOptions, Rollup, Sender, deploy_accepts_anything_verifier,
};
use proofmill_localnet::Anvil;
use proofmill_proxy::{Action, Mood, Moody, Proxy};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use url::Url;

fn hasty(url: Url) -> PoolOptions {
    PoolOptions::new(url).attempts(2).backoff(Duration::from_millis(10))
}

async fn sender(anvil: &Anvil, options: PoolOptions) -> Sender {
    let l1 = L1::connect(options, None).await.unwrap();
    Sender::new(l1, anvil.accounts()[0].private_key.try_into().unwrap())
}

async fn deploy(sender: &Sender, salt: u8) -> Result<(), ChainError> {
    deploy_accepts_anything_verifier(sender, B256::repeat_byte(salt)).await.map(drop)
}

#[tokio::test]
async fn rundler_1328_the_first_endpoint_takes_no_transactions() {
    let anvil = options().spawn().await.unwrap();
    let first = Moody::new(anvil.rpc_url()).await;
    first.be(Mood::ReadOnly);
    let sender = sender(&anvil, hasty(first.url()).or(anvil.rpc_url().clone())).await;
    deploy(&sender, 1).await.unwrap();
    deploy(&sender, 2).await.unwrap();
    assert_eq!(first.proxy.requests_of("eth_sendRawTransaction"), 1, "it is known to lack the method");
}

/// Nethermind's words for a transaction that does not pay more than the one that waits.
#[tokio::test]
async fn nethermind_12153_its_words_for_a_low_fee() {
    for said in ["ReplacementNotAllowed", "FeeTooLowToCompete", "FeeTooLow, MaxFeePerGas too low"] {
        let anvil = options().spawn().await.unwrap();
        let node = Proxy::new(anvil.rpc_url(), move |request| match (request.method, request.before) {
            ("eth_sendRawTransaction", 0..3) => Action::refuse(-32_010, said),
            _ => Action::Forward,
        })
        .await;
        let sender = sender(&anvil, hasty(node.url.clone())).await;
        deploy(&sender, 1).await.unwrap();
        assert_eq!(node.requests_of("eth_sendRawTransaction"), 4, "{said}");
    }
    // It ends at the limit of the fees, and says so.
    let anvil = options().spawn().await.unwrap();
    let node = Proxy::new(anvil.rpc_url(), |request| match request.method {
        "eth_sendRawTransaction" => Action::refuse(-32_010, "ReplacementNotAllowed"),
        _ => Action::Forward,
    })
    .await;
    let limits = FeeLimits { max_fee: 20_000_000_000, max_tip: 10_000_000_000 };
    let error =
        deploy(&sender(&anvil, hasty(node.url.clone())).await.fee_limits(limits), 1).await.unwrap_err();
    assert!(matches!(error, ChainError::FeeAboveLimit { limit: 20_000_000_000, .. }), "{error}");
    assert!(error.is_transient() && error.to_string().contains("no more than 20 are"), "{error}");
}

#[tokio::test]
async fn zksync_era_2160_an_absurd_tip() {
    for tip in [json!("0xffffffffffffffffffffffffffffffff"), json!("0xde0b6b3a7640000"), json!("nonsense")] {
        let anvil = options().spawn().await.unwrap();
        let suggested = tip.clone();
        let node = Proxy::new(anvil.rpc_url(), move |request| match request.method {
            "eth_maxPriorityFeePerGas" => Action::Answer(suggested.clone()),
            _ => Action::Forward,
        })
        .await;
        let sender = sender(&anvil, hasty(node.url.clone())).await;
        let before = sender.l1().balance(sender.account()).await.unwrap();
        deploy(&sender, 1).await.unwrap();
        let paid = before - sender.l1().balance(sender.account()).await.unwrap();
        // A contract of 200,000 gas, at 52 gwei at the very most.
        assert!(paid < U256::from(20_000_000_000_000_000_u64), "{tip}: {paid} wei");
    }
}

/// A node that takes a transaction, and forgets it.
#[tokio::test]
async fn world_id_protocol_916_a_dropped_transaction_is_sent_again() {
    let anvil = options().spawn().await.unwrap();
    let hash = Arc::new(std::sync::Mutex::new(String::new()));
    let node = Proxy::new(anvil.rpc_url(), move |request| match (request.method, request.before) {
        ("eth_sendRawTransaction", 0) => {
            let raw: alloy_primitives::Bytes = serde_json::from_value(request.params[0].clone()).unwrap();
            *hash.lock().unwrap() = alloy_primitives::keccak256(&raw).to_string();
            Action::Answer(json!(*hash.lock().unwrap()))
        }
        _ => Action::Forward,
    })
    .await;
    let sender = sender(&anvil, hasty(node.url.clone())).await.include_within(Duration::from_secs(40));
    deploy(&sender, 1).await.unwrap();
    assert_eq!(node.requests_of("eth_sendRawTransaction"), 2);
}

/// The node that takes transactions is behind the one that told the nonce.
#[tokio::test]
async fn a_nonce_gap_closes() {
    let anvil = options().spawn().await.unwrap();
    let node = Proxy::new(anvil.rpc_url(), |request| match (request.method, request.before) {
        ("eth_sendRawTransaction", 0) => {
            Action::refuse(-32_000, "nonce too high: tx nonce 9, gapped nonce 0")
        }
        _ => Action::Forward,
    })
    .await;
    deploy(&sender(&anvil, hasty(node.url.clone())).await, 1).await.unwrap();
}

/// Of two nodes behind one address, one has not come to the block with the contract.
#[tokio::test]
async fn a_contract_that_was_deployed_is_waited_for() {
    let anvil = options().spawn().await.unwrap();
    let (mut sent, mut lags) = (false, true);
    let node = Proxy::new(anvil.rpc_url(), move |request| match request.method {
        "eth_sendRawTransaction" => {
            sent = true;
            Action::Forward
        }
        "eth_getCode" if sent && std::mem::take(&mut lags) => Action::Answer(json!("0x")),
        _ => Action::Forward,
    })
    .await;
    deploy(&sender(&anvil, hasty(node.url.clone())).await, 1).await.unwrap();
}

/// Where a chain has no deterministic deployer, only the transaction tells the address, and one of the nodes does not know it yet.
#[tokio::test]
async fn the_transaction_of_a_plain_deployment_is_waited_for() {
    let anvil = options().spawn().await.unwrap();
    let mut sent = false;
    let node = Proxy::new(anvil.rpc_url(), move |request| match request.method {
        "eth_sendRawTransaction" => {
            sent = true;
            Action::Forward
        }
        "eth_getCode" if !sent => Action::Answer(json!("0x")),
        "eth_getTransactionByHash" if request.before < 2 => Action::Answer(json!(null)),
        _ => Action::Forward,
    })
    .await;
    deploy(&sender(&anvil, hasty(node.url.clone())).await, 1).await.unwrap();
    assert!(node.requests_of("eth_getTransactionByHash") > 2);
}

/// Relays take what is sent, and nobody else sees it.
#[tokio::test]
async fn a_relay_is_sent_to_and_nobody_else() {
    let anvil = options().spawn().await.unwrap();
    let (public, relay) = (Moody::new(anvil.rpc_url()).await, Moody::new(anvil.rpc_url()).await);
    let relays = Pool::connect("L1 relay", hasty(relay.url()), None).await.unwrap();
    let sender = sender(&anvil, hasty(public.url())).await.through(relays);
    deploy(&sender, 1).await.unwrap();
    assert_eq!(public.proxy.requests_of("eth_sendRawTransaction"), 0);
    assert_eq!(relay.proxy.requests_of("eth_sendRawTransaction"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taiko_mono_21010_l1_was_replaced_by_a_fresh_one() {
    let scene = Scene::new().await;
    let fresh = options().spawn().await.unwrap();
    let replaced = Arc::new(AtomicUsize::new(0));
    let (which, other) = (Arc::clone(&replaced), fresh.rpc_url().clone());
    // The port stays, and what is behind it is another chain of the same id.
    let client = proofmill_http::client();
    let node = Proxy::new(scene.anvil.rpc_url(), move |request| {
        if which.load(Ordering::Relaxed) == 0 {
            return Action::Forward;
        }
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": request.method, "params": request.params });
        let asked = client
            .post(other.clone())
            .header("content-type", "application/json")
            .body(call.to_string())
            .send();
        let answer: Value = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                serde_json::from_slice(&asked.await.unwrap().bytes().await.unwrap()).unwrap()
            })
        });
        Action::Answer(answer["result"].clone())
    });
    let node = node.await;
    let l1 = L1::connect(hasty(node.url.clone()), None).await.unwrap();
    let rollup = Rollup::connect(l1, scene.rollup.address()).await.unwrap();
    rollup.tips().await.unwrap();
    replaced.store(1, Ordering::Relaxed);
    let error = rollup.tips().await.unwrap_err();
    assert!(matches!(error, ChainError::NoContract { .. }), "{error}");
    assert!(error.to_string().contains("there is no contract at"), "{error}");
}

#[tokio::test]
async fn aligned_layer_642_how_far_the_money_goes() {
    let anvil = options().spawn().await.unwrap();
    let sender = sender(&anvil, hasty(anvil.rpc_url().clone())).await;
    let rich = sender.runway(150_000).await.unwrap();
    assert!(rich.transactions > 1_000_000, "{rich:?}");
    for (wei, most) in [(0_u64, 0), (1_000_000_000_000_000, 9)] {
        rpc(&anvil, "anvil_setBalance", json!([sender.account(), U256::from(wei)])).await;
        let runway = sender.runway(150_000).await.unwrap();
        assert_eq!(runway.balance, U256::from(wei));
        assert!(runway.transactions <= most, "{runway:?}");
    }
}

/// Every answer that this crate reads, with one thing wrong in it: an error or a right answer, no panic, and no hang.
#[tokio::test]
async fn mangled_answers() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    let seed = Arc::new(AtomicUsize::new(0));
    let mangling = Arc::clone(&seed);
    let node = Proxy::new(scene.anvil.rpc_url(), move |request| match request.method {
        // Without a chain there would be nothing to ask.
        "eth_chainId" => Action::Forward,
        _ => Action::mangled(mangling.fetch_add(1, Ordering::Relaxed) as u64),
    })
    .await;
    let patient = || PoolOptions::new(node.url.clone()).attempts(1).timeout(Duration::from_secs(2));
    let (mut right, mut wrong) = (0, 0);
    for _ in 0..120 {
        let step = async {
            let l1 = L1::connect(patient(), None).await?;
            let rollup = Rollup::connect(l1.clone(), scene.rollup.address()).await;
            l1.head().await?;
            l1.block(proofmill_chain::BlockAt::Finalized).await?;
            let rollup = rollup?;
            rollup.tips().await?;
            rollup.checkpoint(proofmill_primitives::CheckpointNumber(1)).await?;
            let sender = Sender::new(l1, scene.anvil.accounts()[3].private_key.try_into()?)
                .include_within(Duration::from_millis(300));
            deploy(&sender, 1).await
        };
        match tokio::time::timeout(Duration::from_secs(300), step).await.expect("it hangs") {
            Ok(()) => right += 1,
            Err(_) => wrong += 1,
        }
    }
    assert!(wrong > 60, "{right} right, {wrong} wrong");
}
