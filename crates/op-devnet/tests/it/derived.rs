//! Batches of every kind are what derivation reads.

use crate::common::{LONG, derive, fast, transfer};
use alloy_primitives::Address;
use proofmill_op_devnet::{BatchKind, Compression, ConfigChange, DataKind, L1Kind, OpDevnetOptions};

/// A few blocks, with transfers in some.
async fn derives(options: OpDevnetOptions) {
    let chain = options.start().await.unwrap();
    let first = transfer(&chain, 0, Address::repeat_byte(0xb0)).await;
    let last = transfer(&chain, 1, Address::repeat_byte(0xb1)).await + 3;
    derive(&chain, first.max(2), last).await;
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn single_batches_in_calldata() {
    derives(fast().batch_every(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_brotlis_format() {
    derives(fast().compression(Compression::Brotli)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_another_node_of_l1() {
    derives(fast().l1(L1Kind::DevNode)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_blobs() {
    derives(fast().data(DataKind::Blobs)).await;
}

/// Ranges that begin where a span does, and in one.
#[tokio::test(flavor = "multi_thread")]
async fn spans() {
    let chain = fast().batch(BatchKind::Span).start().await.unwrap();
    chain.wait_for_safe(2, LONG).await.unwrap();
    // With no batcher, what is safe stands still, once what is on its way has arrived: the next span begins behind it.
    chain.stop_batcher();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let safe = chain.safe();
    transfer(&chain, 0, Address::repeat_byte(0xb0)).await;
    let last = transfer(&chain, 1, Address::repeat_byte(0xb1)).await.max(safe + 5);
    chain.wait_for_block(last, LONG).await.unwrap();
    chain.start_batcher();
    derive(&chain, safe + 1, last).await;
    derive(&chain, safe + 3, last).await;
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_configuration() {
    let chain = fast().start().await.unwrap();
    chain.wait_for_block(2, LONG).await.unwrap();
    let first = chain.head();
    chain.configure(ConfigChange::GasLimit(40_000_000)).await.unwrap();
    chain.configure(ConfigChange::Eip1559(50, 10)).await.unwrap();
    chain.configure(ConfigChange::OperatorFee(1_000, 77)).await.unwrap();
    chain.configure(ConfigChange::GasConfig(2_000, 900_000)).await.unwrap();
    let changed = std::time::Instant::now();
    let shows = async || {
        let block =
            crate::common::ask(&chain, "eth_getBlockByNumber", serde_json::json!(["latest", false])).await;
        block["gasLimit"] == "0x2625a00" && block["extraData"] == "0x00000000320000000a"
    };
    while !shows().await {
        assert!(changed.elapsed() < LONG, "the configuration does not change");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let last = transfer(&chain, 0, Address::repeat_byte(0xb0)).await;
    derive(&chain, first.max(2), last).await;
    chain.stop().await.unwrap();
}
