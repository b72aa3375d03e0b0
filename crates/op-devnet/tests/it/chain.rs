//! Blocks, users and deposits.

use crate::common::{
    ETHER, LONG, ask, block_of, derive, fast, is_shown_as_it_is, number, send, signed, transfer,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, bytes};
use alloy_rpc_types_eth::FeeHistory;
use proofmill_op_devnet::{OpDevnet, OpFork};
use proofmill_optimism::{rules_from_genesis, rules_from_rollup_config};
use serde_json::json;

const PASSER: Address = address!("0x4200000000000000000000000000000000000016");
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

/// What wallets and tools ask, and what refuses a transaction.
#[tokio::test(flavor = "multi_thread")]
async fn tools_are_answered() {
    let chain = fast().chain_id(7_357).start().await.unwrap();
    let rpc = proofmill_http::rpc_client(chain.rpc_url().clone());
    assert_eq!(ask(&chain, "eth_chainId", json!([])).await, json!("0x1cbd"));
    // Both nodes say the same rules.
    let config = ask(&chain, "debug_chainConfig", json!([])).await;
    let by_genesis = rules_from_genesis(&json!({ "config": config }).to_string(), 1).unwrap();
    let by_rollup = rules_from_rollup_config(&chain.rollup_config().to_string()).unwrap();
    assert_eq!(by_genesis, by_rollup);

    let price = number(&chain, "eth_gasPrice", json!([])).await;
    assert!(price > number(&chain, "eth_maxPriorityFeePerGas", json!([])).await);
    chain.wait_for_block(3, LONG).await.unwrap();
    let history: FeeHistory =
        serde_json::from_value(ask(&chain, "eth_feeHistory", json!(["0x2", "latest", [50.0]])).await)
            .unwrap();
    assert_eq!((history.base_fee_per_gas.len(), history.reward.map(|reward| reward.len())), (3, Some(2)));

    let [one, other] = [0, 1].map(|user| chain.users()[user]);
    let refused = async |raw: Bytes| {
        rpc.request::<_, B256>("eth_sendRawTransaction", [raw]).await.unwrap_err().to_string()
    };
    let to = TxKind::Call(other.address);
    assert!(refused(signed(&one, 901, 0, to, 1, Bytes::new())).await.contains("chain id"));
    assert!(
        refused(signed(&one, 7_357, 0, to, 20_000 * ETHER, Bytes::new()))
            .await
            .contains("insufficient funds")
    );
    assert!(refused(bytes!("7eff")).await.contains("not supported"));
    assert!(refused(bytes!("02ff")).await.contains("error"));
    let receipt = send(&chain, &signed(&one, 7_357, 0, PASSER.into(), 1, Bytes::new())).await;
    assert_eq!(receipt["status"], json!("0x1"));
    assert!(refused(signed(&one, 7_357, 0, to, 1, Bytes::new())).await.contains("nonce too low"));
    // Its log is found.
    let logs = ask(&chain, "eth_getLogs", json!([{ "fromBlock": "0x0", "address": PASSER }])).await;
    assert_eq!(logs, receipt["logs"]);
    assert_eq!(logs.as_array().map(Vec::len), Some(1));
    // A transaction is shown with its place, a call that reverts with its reason.
    let shown = ask(&chain, "eth_getTransactionByHash", json!([receipt["transactionHash"]])).await;
    assert_eq!((&shown["blockHash"], &shown["from"]), (&receipt["blockHash"], &json!(one.address)));
    let reverted =
        rpc.request::<_, Bytes>("eth_call", json!([{ "to": L1_BLOCK, "data": "0x098999be" }])).await;
    assert!(reverted.unwrap_err().to_string().contains("execution reverted"));
    chain.stop().await.unwrap();
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
