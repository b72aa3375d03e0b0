//! What goes wrong on the way to L1.

use crate::common::{LONG, derive, fast, transfer};
use alloy_primitives::{Address, U64};
use alloy_rpc_client::RpcClient;
use proofmill_op_devnet::{L1Kind, OpDevnet};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_batcher_that_is_started_anew_goes_on_from_what_is_safe() {
    let chain = fast().start().await.unwrap();
    chain.wait_for_safe(2, LONG).await.unwrap();
    let first = chain.head();
    for _ in 0..3 {
        // While something of it may be on its way to L1.
        chain.stop_batcher();
        tokio::time::sleep(Duration::from_millis(500)).await;
        chain.start_batcher();
        tokio::time::sleep(Duration::from_millis(1_200)).await;
    }
    let last = transfer(&chain, 0, Address::repeat_byte(0xb0)).await;
    derive(&chain, first.max(2), last).await;
    chain.stop().await.unwrap();
}

async fn origin_hash(chain: &OpDevnet, block: u64) -> (u64, Value) {
    let output = crate::common::ask(chain, "optimism_outputAtBlock", json!([format!("{block:#x}")])).await;
    let origin = &output["blockRef"]["l1origin"];
    (origin["number"].as_u64().unwrap(), origin["hash"].clone())
}

async fn l1_block(l1: &RpcClient, number: u64) -> Value {
    l1.request("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await.unwrap()
}

/// L1 loses its newest blocks: those of L2 that followed them are made anew, and derived.
async fn survives(kind: L1Kind) {
    let chain = fast().l1(kind).start().await.unwrap();
    chain.wait_for_safe(8, LONG).await.unwrap();
    transfer(&chain, 0, Address::repeat_byte(0xb0)).await;
    let l1 = proofmill_http::rpc_client(chain.l1_url().clone());
    let head = chain.head();
    let (number, before) = origin_hash(&chain, head).await;
    // The L1 block of the newest block goes, however far L1 is by now, and two before it. L1 may have gone on while that was counted.
    loop {
        let tip: U64 = l1.request_noparams("eth_blockNumber").await.unwrap();
        chain.rollback_l1(tip.to::<u64>() - number + 3).await.unwrap();
        if l1_block(&l1, number).await["hash"] != before {
            break;
        }
    }
    // All blocks of L2 follow L1 blocks that are there, once the chain is past where it was.
    chain.wait_for_block(head + 8, LONG).await.unwrap();
    for block in 1..=head + 8 {
        let (number, hash) = origin_hash(&chain, block).await;
        let there = l1_block(&l1, number).await;
        assert_eq!(there["hash"], hash, "block {block} follows an L1 block that is gone");
    }
    let there = l1_block(&l1, number).await;
    assert_ne!(there["hash"], before, "L1 has the same blocks as before");
    derive(&chain, 2, head + 6).await;
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_of_anvil() {
    survives(L1Kind::Anvil).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_of_the_other_node() {
    survives(L1Kind::DevNode).await;
}
