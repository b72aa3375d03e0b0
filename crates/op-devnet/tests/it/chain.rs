//! Blocks, users and deposits.

use crate::common::{
    ETHER, LONG, ask, block_of, derive, fast, is_shown_as_it_is, number, send, signed, transfer,
};
use alloy_primitives::{Address, Bytes, TxKind, U256, address, bytes};
use proofmill_op_devnet::{OpDevnet, OpFork};
use serde_json::json;

const L1_BLOCK: Address = address!("0x4200000000000000000000000000000000000015");

/// Blocks follow, users' transactions and deposits arrive, and what came of them is derived from L1.
async fn lives(chain: OpDevnet) {
    let to = Address::repeat_byte(0xb0);
    let with_transfer = transfer(&chain, 0, to).await;
    is_shown_as_it_is(&chain, with_transfer).await;
    assert_eq!(number(&chain, "eth_getBalance", json!([to, "latest"])).await, U256::from(ETHER));

    // A deposit that mints two ether and sends one on.
    let depositor = chain.depositor();
    let before = number(&chain, "eth_getBalance", json!([depositor, "latest"])).await;
    let fresh = Address::repeat_byte(0xd0);
    let (mint, value) = (U256::from(2 * ETHER), U256::from(ETHER));
    chain.deposit(fresh, mint, value, 50_000, Bytes::new()).await.unwrap();
    let began = std::time::Instant::now();
    while number(&chain, "eth_getBalance", json!([fresh, "latest"])).await.is_zero() {
        assert!(began.elapsed() < LONG, "the deposit does not arrive");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(number(&chain, "eth_getBalance", json!([fresh, "latest"])).await, value);
    let after = number(&chain, "eth_getBalance", json!([depositor, "latest"])).await;
    assert_eq!(after, before + mint - value);

    // A contract that stores its nonce of blocks: 43 6000 55, deployed by a user, and a call that fails.
    let key = chain.users()[1];
    // PUSH4 43600055, stored at the end of the first word.
    let creation = bytes!("63436000556000526004601cf3");
    let receipt = send(&chain, &signed(&key, 901, 0, TxKind::Create, 0, creation)).await;
    assert_eq!(receipt["status"], json!("0x1"));
    let contract: Address = serde_json::from_value(receipt["contractAddress"].clone()).unwrap();
    let receipt = send(&chain, &signed(&key, 901, 1, contract.into(), 0, Bytes::new())).await;
    assert_eq!(
        number(&chain, "eth_getStorageAt", json!([contract, "0x0", "latest"])).await,
        U256::from(block_of(&receipt))
    );
    // What it paid for L1 is told.
    assert!(receipt["l1Fee"].as_str().is_some_and(|fee| fee != "0x0"), "{receipt}");
    let receipt = send(&chain, &signed(&key, 901, 2, L1_BLOCK.into(), 0, bytes!("098999be"))).await;
    assert_eq!(receipt["status"], json!("0x0"));
    let last = block_of(&receipt);

    // What the predeploy knows of L1 is what the block's first transaction says.
    let call = json!([{ "to": L1_BLOCK, "data": "0x8381f58a" }, format!("{last:#x}")]);
    let known = number(&chain, "eth_call", call).await;
    let block = ask(&chain, "eth_getBlockByNumber", json!([format!("{last:#x}"), true])).await;
    let first = &block["transactions"][0];
    assert_eq!(first["type"], json!("0x7e"));
    let input: Bytes = serde_json::from_value(first["input"].clone()).unwrap();
    assert_eq!(known, U256::from_be_slice(&input[28..36]));

    let gas =
        number(&chain, "eth_estimateGas", json!([{ "from": key.address, "to": to, "value": "0x1" }])).await;
    assert_eq!(gas, U256::from(21_000));
    is_shown_as_it_is(&chain, last).await;
    derive(&chain, with_transfer.max(2), last).await;
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_isthmus_is_derived_from_what_its_batcher_posts() {
    lives(fast().start().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_jovian_is_derived_from_what_its_batcher_posts() {
    lives(fast().fork(OpFork::Jovian).start().await.unwrap()).await;
}

/// The methods of the rollup's node agree with the blocks.
#[tokio::test(flavor = "multi_thread")]
async fn the_rollups_node_answers() {
    let chain = fast().finality_depth(2).start().await.unwrap();
    chain.wait_for_safe(4, LONG).await.unwrap();
    let status = ask(&chain, "optimism_syncStatus", json!([])).await;
    let at = |of: &str, key: &str| status[of][key].as_u64().unwrap();
    assert!(at("finalized_l2", "number") <= at("safe_l2", "number"));
    assert!(at("safe_l2", "number") <= at("unsafe_l2", "number"));
    assert!(at("safe_l2", "number") >= 4);
    let output = ask(&chain, "optimism_outputAtBlock", json!(["0x3"])).await;
    let block = ask(&chain, "eth_getBlockByNumber", json!(["0x3", false])).await;
    assert_eq!(output["blockRef"]["hash"], block["hash"]);
    assert_eq!(output["stateRoot"], block["stateRoot"]);
    assert_eq!(output["withdrawalStorageRoot"], block["withdrawalsRoot"]);
    let l1 = at("head_l1", "number");
    let safe = ask(&chain, "optimism_safeHeadAtL1Block", json!([format!("{l1:#x}")])).await;
    assert!(safe["safeHead"]["number"].as_u64().unwrap() >= at("safe_l2", "number"));
    // No block is younger than its L1 block's time allows.
    for number in 1..=4 {
        let block = ask(&chain, "eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await;
        let reference = ask(&chain, "optimism_outputAtBlock", json!([format!("{number:#x}")])).await;
        let origin = reference["blockRef"]["l1origin"]["number"].as_u64().unwrap();
        let l1: serde_json::Value = proofmill_http::rpc_client(chain.l1_url().clone())
            .request("eth_getBlockByNumber", json!([format!("{origin:#x}"), false]))
            .await
            .unwrap();
        let time =
            |block: &serde_json::Value| serde_json::from_value::<U256>(block["timestamp"].clone()).unwrap();
        assert!(time(&l1) <= time(&block));
    }
    chain.stop().await.unwrap();
}
