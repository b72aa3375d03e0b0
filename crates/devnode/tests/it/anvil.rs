//! The same plain transactions on anvil and here have the same receipts.

use crate::scene::{CHAIN_ID, Scene, keys};
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::U128;
use proofmill_devnode::DevNodeOptions;
use proofmill_loadgen::mixed::{Fees, Mixed, Scope};
use proofmill_localnet::{AnvilOptions, Hardfork, Mining};
use proofmill_stateless::Fork;
use serde_json::{Value, json};

const PHRASE: &str = "test test test test test test test test test test test junk";

/// What both must say alike of a block's transactions.
fn comparable(receipts: &Value) -> Vec<Value> {
    let fields = [
        "status",
        "cumulativeGasUsed",
        "gasUsed",
        "logsBloom",
        "effectiveGasPrice",
        "type",
        "contractAddress",
    ];
    let one = |receipt: &Value| {
        let logs = receipt["logs"].as_array().unwrap().iter();
        let logs: Vec<_> = logs.map(|log| json!([log["address"], log["topics"], log["data"]])).collect();
        json!([fields.map(|field| receipt[field].clone()), logs])
    };
    receipts.as_array().unwrap().iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_transactions_have_the_receipts_that_anvil_gives() {
    let options = AnvilOptions::new().chain_id(CHAIN_ID).hardfork(Hardfork::Osaka).mnemonic(PHRASE);
    let anvil = options.mining(Mining::OnRequest).accounts(8).spawn().await.unwrap();
    let theirs = proofmill_http::rpc_client(anvil.rpc_url().clone());
    let accounts = anvil.accounts();
    let rich = accounts.iter().map(|account| account.address).collect();
    let scene = Scene::of(DevNodeOptions::new(CHAIN_ID).fork(Fork::Osaka).rich(rich).start().await.unwrap());
    // The factory that anvil starts with is the same, too.
    let factory = json!(["0x4e59b44847b379578588920cA78FbF26c0B4956C", "latest"]);
    let code: Value = theirs.request("eth_getCode", factory.clone()).await.unwrap();
    assert_eq!(scene.call("eth_getCode", factory).await, code);

    let secrets: Vec<_> = accounts.iter().map(|account| account.private_key).collect();
    assert_eq!(secrets.len(), keys().len());
    let mixed = Mixed::new(11, EthereumHardfork::Osaka, CHAIN_ID, &secrets).unwrap();
    let mut mixed = mixed.scope(Scope::AnvilRoots);
    let mut compared = 0;
    for block in 0..6 {
        let head = scene.call("eth_getBlockByNumber", json!(["latest", false])).await;
        let base_fee = serde_json::from_value::<U128>(head["baseFeePerGas"].clone()).unwrap().to();
        let fees = Fees { base_fee, blob_base_fee: 1 };
        let batch = if block == 0 { mixed.deployment(fees) } else { mixed.batch(15, fees) }.unwrap();
        for transaction in &batch {
            let raw = json!([transaction.raw.clone()]);
            let _: Value = theirs.request("eth_sendRawTransaction", raw.clone()).await.unwrap();
            scene.call("eth_sendRawTransaction", raw).await;
        }
        scene.mine().await;
        // anvil gives its first block the base fee of the genesis block.
        let ours = scene.call("eth_getBlockByNumber", json!(["latest", false])).await;
        let _: Value =
            theirs.request("anvil_setNextBlockBaseFeePerGas", [&ours["baseFeePerGas"]]).await.unwrap();
        let _: Value = theirs.request("evm_mine", json!([])).await.unwrap();
        let ours = scene.call("eth_getBlockReceipts", json!(["latest"])).await;
        let anvils: Value = theirs.request("eth_getBlockReceipts", json!(["latest"])).await.unwrap();
        let order = |receipts: &Value| -> Vec<Value> {
            receipts.as_array().unwrap().iter().map(|receipt| receipt["transactionHash"].clone()).collect()
        };
        assert_eq!(order(&ours), order(&anvils), "block {block}: another order");
        assert_eq!(comparable(&ours), comparable(&anvils), "block {block}");
        compared += ours.as_array().unwrap().len();
        let theirs: Value = theirs.request("eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
        let ours = scene.call("eth_getBlockByNumber", json!(["latest", false])).await;
        for field in ["gasUsed", "logsBloom", "receiptsRoot", "transactionsRoot", "gasLimit", "blobGasUsed"] {
            assert_eq!(ours[field], theirs[field], "block {block}: {field}");
        }
        let names = |block: &Value| {
            block.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>()
        };
        let missing: Vec<_> = names(&theirs).difference(&names(&ours)).cloned().collect();
        assert!(missing.iter().all(|name| name == "totalDifficulty"), "fields that anvil has: {missing:?}");
    }
    assert!(compared > 50, "{compared}");
}
