//! Chains that do not answer.

use super::two_chains::{Follower, TwoChains, blocks, options, proven};
use alloy_primitives::B256;
use proofmill_chain::{ChainEvent::Checkpointed, ChainStream, L1, L2, PoolOptions, Rollup, Waiting};
use proofmill_proxy::{Action, Mood, Moody, Proxy, Wire};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time;

/// The chains behind wires that can be cut.
async fn behind_wires(chains: &TwoChains) -> (Wire, Wire, Follower) {
    let (one, two) = (Wire::to(chains.anvil1.rpc_url()).await, Wire::to(chains.anvil2.rpc_url()).await);
    let hasty = |url| PoolOptions::new(url).attempts(2).backoff(Duration::from_millis(20));
    let l1 = L1::connect(hasty(one.url()), None).await.unwrap();
    let l2 = L2::connect(hasty(two.url()), None).await.unwrap();
    let rollup = Rollup::connect(l1, chains.rollup.address()).await.unwrap();
    (one, two, chains.follow(ChainStream::new(rollup, l2, options()).unwrap()))
}

#[tokio::test]
async fn nothing_is_lost_while_l1_is_away() {
    let chains = TwoChains::new().await;
    let (one, _two, mut stream) = behind_wires(&chains).await;
    assert_eq!(stream.all().await, [blocks(2, 5)]);
    one.cut();
    let first = chains.propose(1, 2).await;
    chains.mine_l2(1).await;
    // L2 goes on being told.
    assert_eq!(stream.all().await, [blocks(6, 6)]);
    let trouble = stream.status().l1_trouble.clone().expect("L1 is away");
    assert!(trouble.error.contains("check the address"), "{}", trouble.error);
    let second = chains.propose(2, 3).await;
    assert_eq!(stream.all().await, []);
    assert_eq!(stream.status().l1_trouble.as_ref().map(|now| now.since), Some(trouble.since));
    one.mend();
    assert_eq!(stream.all().await, [Checkpointed(first), Checkpointed(second)]);
    assert_eq!(stream.status().l1_trouble, None);
}

#[tokio::test]
async fn nothing_is_lost_while_l2_is_away() {
    let chains = TwoChains::new().await;
    let (_one, two, mut stream) = behind_wires(&chains).await;
    let first = chains.propose(1, 2).await;
    assert_eq!(stream.all().await, [blocks(2, 5), Checkpointed(first)]);
    two.cut();
    let second = chains.propose(2, 3).await;
    chains.prove(1, 1).await;
    // What L1 says goes on being told.
    assert_eq!(stream.all().await, [proven(1, 0)]);
    assert_eq!(stream.status().waiting, Waiting::L2Away);
    assert!(stream.status().l2_trouble.is_some());
    two.mend();
    assert_eq!(stream.all().await, [Checkpointed(second)]);
    assert_eq!(stream.status().l2_trouble, None);
}

#[tokio::test]
async fn a_stream_that_starts_while_both_are_away_waits() {
    let chains = TwoChains::new().await;
    let (one, two, mut stream) = behind_wires(&chains).await;
    one.cut();
    two.cut();
    assert_eq!(stream.all().await, []);
    one.mend();
    assert_eq!(stream.all().await, []);
    two.mend();
    assert_eq!(stream.all().await, [blocks(2, 5)]);
}

#[tokio::test]
async fn a_caller_that_gives_up_waiting_loses_nothing() {
    let chains = TwoChains::new().await;
    let mut stream = chains.stream();
    let mut told = Vec::new();
    let first = chains.propose(1, 2).await;
    // Each wait is too short for much; together they are not. They grow, for a machine that is busy.
    for wait in 15..400 {
        if let Ok(event) = time::timeout(Duration::from_millis(wait), stream.stream.next()).await {
            stream.stream.acknowledge();
            told.push(event);
        }
        if told.len() == 2 {
            break;
        }
    }
    assert_eq!(told, [blocks(2, 5), Checkpointed(first)]);
}

/// hyperlane 2189 and 2570: the first endpoint of each chain stands still, and the second goes on.
#[tokio::test]
async fn hyperlane_2189_the_first_endpoints_of_both_chains_stand_still() {
    let chains = TwoChains::new().await;
    let (one, two) = (Moody::new(chains.anvil1.rpc_url()).await, Moody::new(chains.anvil2.rpc_url()).await);
    let pair = |first: url::Url, second: &url::Url| PoolOptions::new(first).or(second.clone());
    let l1 = L1::connect(pair(one.url(), chains.anvil1.rpc_url()), None).await.unwrap();
    let l2 = L2::connect(pair(two.url(), chains.anvil2.rpc_url()), None).await.unwrap();
    let rollup = Rollup::connect(l1, chains.rollup.address()).await.unwrap();
    let mut stream = chains.follow(ChainStream::new(rollup, l2, options()).unwrap());
    assert_eq!(stream.all().await, [blocks(2, 5)]);
    one.be(Mood::Stands);
    two.be(Mood::Stands);
    chains.mine_l2(1).await;
    let first = chains.propose(1, 2).await;
    assert_eq!(stream.all().await, [blocks(6, 6), Checkpointed(first)]);
    assert_eq!((stream.status().l1_trouble.clone(), stream.status().l2_trouble.clone()), (None, None));
}

/// For a moment another node answers behind L2's address, one on another branch. The heads show nothing of it, and L2 makes no block.
#[tokio::test]
async fn a_hash_that_was_another_for_a_moment_holds_up_no_checkpoint() {
    let chains = TwoChains::new().await;
    let astray = Arc::new(AtomicBool::new(true));
    let is_astray = Arc::clone(&astray);
    let node = Proxy::new(chains.anvil2.rpc_url(), move |request| {
        let of_it = request.method == "eth_getBlockByNumber" && request.params[0] == "0x3";
        if !of_it || !is_astray.load(Ordering::SeqCst) {
            return Action::Forward;
        }
        Action::change(|mut block| {
            block["hash"] = json!(B256::repeat_byte(7));
            block
        })
    })
    .await;
    let l2 = L2::connect(PoolOptions::new(node.url.clone()), None).await.unwrap();
    let checkpoint = chains.propose(1, 3).await;
    let mut stream = chains.follow(ChainStream::new(chains.rollup.clone(), l2, options()).unwrap());
    assert_eq!(stream.all().await, [blocks(2, 5)]);
    let waiting = stream.status().waiting;
    assert!(matches!(waiting, Waiting::L2Differs { block: 3, .. }), "{waiting}");
    astray.store(false, Ordering::SeqCst);
    assert_eq!(stream.all().await, [Checkpointed(checkpoint)]);
    assert_eq!(stream.status().waiting, Waiting::Nothing);
}
