//! What wallets and tools ask, and the words in which they are refused.

use crate::scene::{CHAIN_ID, Scene, sign, signer};
use alloy_consensus::{TxEip1559, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use alloy_signer_local::PrivateKeySigner;
use proofmill_devnode::DevNodeOptions;
use proofmill_stateless::{ChainSpec, Fork};
use proofmill_witness::{ChainSource, NodeOptions};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn plain(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 20_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(Address::repeat_byte(8)),
        value: U256::from(1),
        access_list: Default::default(),
        input: Bytes::new(),
    }
}

async fn refused(scene: &Scene, transaction: impl Into<TxEnvelope>) -> String {
    let raw = Bytes::from(transaction.into().encoded_2718());
    let (code, said, _) = scene.refused("eth_sendRawTransaction", json!([raw])).await;
    assert_eq!(code, -32000, "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_are_refused_in_the_words_that_tools_know() {
    let scene = Scene::new(Fork::Osaka).await;
    let rich = signer(0);
    let send = async |transaction: TxEip1559| refused(&scene, sign(transaction, &rich)).await;
    let says = |said: String, words: &str| assert!(said.starts_with(words), "{said}, not {words}");
    scene.include(&sign(plain(0), &rich)).await;
    says(send(plain(0)).await, "nonce too low: next nonce 1, tx nonce 0");
    says(send(plain(1_000_000)).await, "nonce too high");
    says(
        send(TxEip1559 { gas_limit: 20_999, ..plain(1) }).await,
        "intrinsic gas too low: have 20999, want 21000",
    );
    says(
        send(TxEip1559 { gas_limit: 17_000_000, ..plain(1) }).await,
        "transaction gas limit too high (cap: 16777216",
    );
    says(
        send(TxEip1559 { value: U256::MAX, ..plain(1) }).await,
        "insufficient funds for gas * price + value",
    );
    says(
        send(TxEip1559 { chain_id: 5, ..plain(1) }).await,
        "invalid chain id for signer: have 5 want 900901",
    );
    says(
        send(TxEip1559 { max_fee_per_gas: 6, max_priority_fee_per_gas: 0, ..plain(1) }).await,
        "transaction underpriced",
    );
    says(
        send(TxEip1559 { max_priority_fee_per_gas: 30_000_000_000, ..plain(1) }).await,
        "max priority fee per gas higher",
    );
    says(send(TxEip1559 { max_fee_per_gas: u128::MAX, ..plain(1) }).await, "max fee per gas");
    says(send(TxEip1559 { nonce: u64::MAX, ..plain(1) }).await, "nonce");
    let large =
        TxEip1559 { input: vec![0; 49_153].into(), to: TxKind::Create, gas_limit: 9_000_000, ..plain(1) };
    says(send(large).await, "max initcode size exceeded: code size 49153, limit 49152");
    says(
        send(TxEip1559 { input: vec![0; 131_073].into(), gas_limit: 9_000_000, ..plain(1) }).await,
        "oversized data",
    );
    let dear = TxEip1559 { input: vec![1; 1_000].into(), gas_limit: 37_500, ..plain(1) };
    says(send(dear).await, "insufficient gas for floor data gas cost");
    let poor = PrivateKeySigner::random();
    says(refused(&scene, sign(plain(0), &poor)).await, "insufficient funds");

    let waiting = sign(plain(1), &rich);
    scene.send(&waiting).await;
    says(refused(&scene, waiting.clone()).await, "already known");
    let other = TxEip1559 { value: U256::from(2), ..plain(1) };
    says(send(other.clone()).await, "replacement transaction underpriced");
    scene
        .send(&sign(
            TxEip1559 { max_fee_per_gas: 22_000_000_000, max_priority_fee_per_gas: 1_100_000_000, ..other },
            &rich,
        ))
        .await;
    // One that leaves a nonce out waits for it.
    scene.send(&sign(plain(3), &rich)).await;
    assert_eq!(scene.call("txpool_status", json!([])).await, json!({ "pending": "0x1", "queued": "0x1" }));
    scene.mine().await;
    assert_eq!(scene.call("txpool_status", json!([])).await, json!({ "pending": "0x0", "queued": "0x1" }));
    let gone = scene.call("eth_getTransactionByHash", json!([waiting.tx_hash()])).await;
    assert_eq!(gone, Value::Null, "what was replaced is not known any more");
    scene.send(&sign(plain(2), &rich)).await;
    scene.mine().await;
    assert_eq!(scene.nonce(rich.address()).await, 4);
    scene.proven(1, scene.head().await).await;
    // Legacy, and without a chain id, as the factory's deployer has it.
    let legacy = TxLegacy {
        chain_id: None,
        nonce: 4,
        gas_price: 20_000_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(Address::ZERO),
        value: U256::ZERO,
        input: Bytes::new(),
    };
    scene.include(&sign(legacy, &rich)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_say_what_they_return_and_why_they_fail() {
    let scene = Scene::new(Fork::Osaka).await;
    // Reverts with Error("no") where it gets data, and returns the caller's address else.
    let reason = hex!(
        "08c379a0" "0000000000000000000000000000000000000000000000000000000000000020"
        "0000000000000000000000000000000000000000000000000000000000000002"
        "6e6f000000000000000000000000000000000000000000000000000000000000"
    );
    let mut code = hex!("36600b57335f5260205ff35b6064601a5f3960645ffd").to_vec();
    let at = u8::try_from(code.len()).unwrap();
    let place = code.windows(2).position(|pair| pair == [0x60, 0x1a]).unwrap();
    code[place + 1] = at;
    code.extend_from_slice(&reason);
    let contract = scene.deploy(&code).await;
    let from = Address::repeat_byte(0x42);
    let returned = scene.call("eth_call", json!([{ "from": from, "to": contract }, "latest"])).await;
    assert_eq!(returned, json!(from.into_word()));
    for method in ["eth_call", "eth_estimateGas"] {
        let (code, said, data) = scene.refused(method, json!([{ "to": contract, "data": "0x01" }])).await;
        assert_eq!(
            (code, said.as_str(), data),
            (3, "execution reverted: no", json!(Bytes::from(reason))),
            "{method}"
        );
    }
    // Older states, by EIP-1898 too; and other code, by override.
    let genesis = scene.call("eth_getBlockByNumber", json!(["earliest", false])).await;
    for block in [json!("0x0"), json!({ "blockHash": genesis["hash"] }), json!({ "blockNumber": "0x0" })] {
        assert_eq!(scene.call("eth_call", json!([{ "to": contract }, block])).await, "0x");
    }
    let other = json!({ contract.to_string(): { "code": "0x602a5f5260205ff3" } });
    let returned = scene.call("eth_call", json!([{ "to": contract }, "latest", other])).await;
    assert_eq!(returned, json!(B256::with_last_byte(42)));
    let (_, said, _) = scene.refused("eth_call", json!([{ "to": contract }, "0xffff"])).await;
    assert_eq!(said, "header not found");

    let sender = signer(0).address();
    let gas = scene.call("eth_estimateGas", json!([{ "from": sender, "to": from, "value": "0x1" }])).await;
    assert_eq!(gas, "0x5208");
    let (_, said, _) =
        scene.refused("eth_estimateGas", json!([{ "from": from, "to": sender, "value": "0x1" }])).await;
    assert!(said.contains("insufficient funds"), "{said}");
    // What is estimated is enough, and little more.
    let clears = scene.deploy(&hex!("6020355f355500")).await;
    let data = Bytes::from([B256::ZERO, B256::with_last_byte(1)].concat());
    let call = json!({ "from": sender, "to": clears, "input": data, "maxFeePerGas": "0x2540be400" });
    let estimated = scene.call("eth_estimateGas", json!([call])).await;
    let estimated = u64::from_str_radix(estimated.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    let receipt = scene.done(TxKind::Call(clears), 0, data).await;
    let used =
        u64::from_str_radix(receipt["gasUsed"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    assert!((used..used + used / 50).contains(&estimated), "estimated {estimated}, used {used}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_node_says_of_itself_is_its_genesis_file() {
    let scene = Scene::new(Fork::Osaka).await;
    assert_eq!(scene.call("eth_chainId", json!([])).await, "0xdbf25");
    assert_eq!(scene.call("net_version", json!([])).await, "900901");
    let file = tempfile_of(&scene.node.genesis());
    let text = std::fs::read_to_string(&file).unwrap();
    let genesis: Genesis = serde_json::from_str(&text).unwrap();
    let rules = ChainSpec::from_genesis(&genesis.config).unwrap();
    rules.check_genesis(&genesis).unwrap();
    assert_eq!(rules, scene.node.rules());
    // A role that is given the file, one that asks the node, and one that knows the fork follow the same rules.
    let by_file = NodeOptions::new(scene.node.rpc_url().clone()).chain(ChainSource::Genesis(file.clone()));
    assert_eq!(by_file.connect().await.unwrap().chain().hash(), rules.hash());
    std::fs::remove_file(file).unwrap();
    let asked = NodeOptions::new(scene.node.rpc_url().clone()).connect().await.unwrap();
    assert_eq!(asked.chain().hash(), rules.hash());
    assert_eq!(ChainSpec::for_fork(CHAIN_ID, Fork::Osaka).hash(), rules.hash());
    let config = scene.call("eth_config", json!([])).await;
    assert_eq!(config["current"]["precompiles"].as_object().unwrap().len(), 18, "{config}");
    assert_eq!(config["current"]["systemContracts"].as_object().unwrap().len(), 5, "{config}");
    assert_eq!(scene.call("debug_chainConfig", json!([])).await, json!(genesis.config));
    // The same file gives the same genesis block again.
    let times = DevNodeOptions::new(CHAIN_ID).timestamp(genesis.timestamp);
    let again = Scene::of(times.rich((0..8).map(|at| signer(at).address()).collect()).start().await.unwrap());
    let first = json!(["0x0", false]);
    let block = scene.call("eth_getBlockByNumber", first.clone()).await;
    assert_eq!(again.call("eth_getBlockByNumber", first).await, block);
}

fn tempfile_of(genesis: &Genesis) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("proofmill-genesis-{}.json", rand::random::<u64>()));
    std::fs::write(&path, serde_json::to_vec(genesis).unwrap()).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_come_while_there_are_transactions_and_go_when_asked() {
    let rich = vec![signer(0).address()];
    let options = DevNodeOptions::new(CHAIN_ID).rich(rich).block_time(Duration::from_millis(200));
    let scene = Scene::of(options.start().await.unwrap());
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(scene.head().await, 0, "nothing to put into blocks");
    let transaction = sign(plain(0), &signer(0));
    let hash = scene.send(&transaction).await;
    let begun = Instant::now();
    while scene.call("eth_getTransactionReceipt", json!([hash])).await.is_null() {
        assert!(begun.elapsed() < Duration::from_secs(300));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(scene.head().await, 1);
    let gone = scene.call("eth_getBlockByNumber", json!(["latest", false])).await;
    scene.call("debug_setHead", json!(["0x0"])).await;
    assert_eq!(scene.head().await, 0);
    for (method, params) in [
        ("eth_getTransactionReceipt", json!([hash])),
        ("eth_getBlockByHash", json!([gone["hash"], false])),
        ("eth_getBlockByNumber", json!(["0x1", false])),
    ] {
        assert_eq!(scene.call(method, params).await, Value::Null, "{method}");
    }
    scene.send(&sign(TxEip1559 { value: U256::from(7), ..plain(0) }, &signer(0))).await;
    let begun = Instant::now();
    while scene.head().await == 0 {
        assert!(begun.elapsed() < Duration::from_secs(300));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let block = scene.call("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_ne!(block["hash"], gone["hash"]);
    scene.proven(1, 1).await;
    assert!(scene.node.is_running());
}

/// A transaction that offers less than the base fee waits; empty blocks let the fee fall.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_low_offer_is_taken_once_the_base_fee_has_fallen() {
    let options =
        DevNodeOptions::new(CHAIN_ID).rich(vec![signer(0).address()]).block_time(Duration::from_millis(50));
    let scene = Scene::of(options.start().await.unwrap());
    let low = TxEip1559 { max_fee_per_gas: 500_000_000, max_priority_fee_per_gas: 0, ..plain(0) };
    let hash = scene.send(&sign(low, &signer(0))).await;
    let begun = Instant::now();
    while scene.call("eth_getTransactionReceipt", json!([hash])).await.is_null() {
        assert!(begun.elapsed() < Duration::from_secs(300));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let head = scene.head().await;
    assert!(head > 3, "{head}");
    scene.proven(1, head).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_bodies_and_methods_have_their_limits() {
    let scene = Scene::new(Fork::Osaka).await;
    let (_, text) = scene
        .post(
            json!([
                { "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" },
                { "jsonrpc": "2.0", "method": "eth_chainId" },
                { "jsonrpc": "2.0", "id": "two", "method": "eth_unheardOf", "params": [] },
            ])
            .to_string(),
        )
        .await;
    let answers: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answers.as_array().unwrap().len(), 2, "a notification gets no answer");
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!("two"), &json!(-32601)));
    let many: Vec<Value> = vec![json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" }); 1_001];
    assert!(scene.post(json!(many).to_string()).await.1.contains("batch too large"));
    assert_eq!(scene.post("x".repeat(11 << 20)).await.0, 413);
    assert!(scene.post("{".to_owned()).await.1.contains("-32700"));
    for (method, params) in [
        ("eth_getBalance", json!([])),
        ("eth_getBalance", json!(["0x12"])),
        ("eth_getBlockByNumber", json!(["newest", false])),
        ("eth_getBlockByNumber", json!([true, false])),
        ("eth_getStorageAt", json!([Address::ZERO, "0x", "latest"])),
        ("eth_call", json!({ "to": Address::ZERO })),
    ] {
        assert_eq!(scene.refused(method, params).await.0, -32602, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_and_fees_are_found_again() {
    let scene = Scene::new(Fork::Osaka).await;
    // LOG1(0, 0, CALLVALUE)
    let contract = scene.deploy(&hex!("345f5fa100")).await;
    for value in 1..=3 {
        scene.done(TxKind::Call(contract), value, Bytes::new()).await;
    }
    let logs =
        async |filter: Value| scene.call("eth_getLogs", json!([filter])).await.as_array().unwrap().len();
    assert_eq!(logs(json!({ "fromBlock": "earliest" })).await, 3);
    assert_eq!(logs(json!({ "fromBlock": "0x0", "topics": [B256::with_last_byte(2)] })).await, 1);
    assert_eq!(logs(json!({ "address": contract })).await, 1, "the newest block alone");
    assert_eq!(logs(json!({ "fromBlock": "0x0", "address": Address::ZERO })).await, 0);
    let history = scene.call("eth_feeHistory", json!(["0x3", "latest", [0, 50, 100]])).await;
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), 4);
    assert_eq!(history["reward"], json!(vec![vec!["0x3b9aca00"; 3]; 3]));
}

/// The states of two hours are kept; older ones are refused in words by which a prover knows what is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_states_are_refused() {
    let scene = Scene::new(Fork::Osaka).await;
    let mine = json!({ "jsonrpc": "2.0", "id": 1, "method": "evm_mine" });
    for _ in 0..9 {
        scene.post(json!(vec![mine.clone(); 925]).to_string()).await;
    }
    assert_eq!(scene.head().await, 8_325);
    let (_, said, _) = scene.refused("eth_getBalance", json!([Address::ZERO, "0x1"])).await;
    assert!(said.starts_with("historical state 0x"), "{said}");
    scene.call("eth_getBalance", json!([Address::ZERO, "0x100"])).await;
    let range = proofmill_primitives::BlockRange::new(2, 3).unwrap();
    let node = NodeOptions::new(scene.node.rpc_url().clone()).connect().await.unwrap();
    let error = node.witness(range, &|_| {}).await.unwrap_err();
    assert!(matches!(error, proofmill_witness::BuildError::NoHistory { .. }), "{error:?}");
    scene.proven(8_000, 8_003).await;
}
