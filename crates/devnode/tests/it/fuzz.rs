//! Requests of every shape: each is answered, and the node goes on.

use crate::scene::{Scene, signer};
use alloy_primitives::{Address, B256, Bytes, TxKind};
use proofmill_stateless::Fork;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const METHODS: [&str; 48] = [
    "eth_blockNumber",
    "eth_getBlockByNumber",
    "eth_getBlockByHash",
    "eth_getBlockTransactionCountByNumber",
    "eth_getBlockTransactionCountByHash",
    "eth_getUncleCountByBlockNumber",
    "eth_getTransactionByHash",
    "eth_getTransactionByBlockNumberAndIndex",
    "eth_getTransactionByBlockHashAndIndex",
    "eth_getTransactionReceipt",
    "eth_getBlockReceipts",
    "eth_getLogs",
    "eth_getBalance",
    "eth_getCode",
    "eth_getStorageAt",
    "eth_getTransactionCount",
    "eth_getProof",
    "debug_executionWitness",
    "eth_call",
    "eth_estimateGas",
    "eth_sendRawTransaction",
    "txpool_status",
    "eth_gasPrice",
    "eth_maxPriorityFeePerGas",
    "eth_blobBaseFee",
    "eth_feeHistory",
    "eth_chainId",
    "net_version",
    "net_listening",
    "net_peerCount",
    "web3_clientVersion",
    "web3_sha3",
    "eth_syncing",
    "eth_mining",
    "eth_accounts",
    "eth_config",
    "debug_chainConfig",
    "anvil_nodeInfo",
    "debug_setHead",
    "eth_subscribe",
    "",
    "eth_",
    "ETH_CALL",
    "eth_call\u{0}",
    "rpc.discover",
    "eth_getUncleCountByBlockHash",
    "eth_newFilter",
    "debug_traceBlock",
];

struct Fuzz(Xoshiro256PlusPlus);

impl Fuzz {
    fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    fn text(&mut self) -> Value {
        let long = "0x".to_owned() + &"f".repeat(self.below(200));
        let pool = [
            "",
            "0x",
            "0x0",
            "0x1",
            "0x00",
            "0x5",
            "latest",
            "pending",
            "finalized",
            "safe",
            "earliest",
            "1",
            "-1",
            "0xffffffffffffffff",
            "0x10000000000000000",
            "0xfffffffffffffffffffffffffffffffff",
            "null",
            "\u{1f600}",
            "0xzz",
            &long,
        ];
        let at = self.below(pool.len() + 3);
        match at {
            0 => json!(signer(0).address()),
            1 => json!(B256::repeat_byte(3)),
            2 => json!(Address::ZERO),
            at => json!(pool[at - 3]),
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 7 } else { 11 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.0.random::<u64>()),
            3 => json!(-1.5e300),
            4..7 => self.text(),
            7 => (0..self.below(5)).map(|_| self.value(depth - 1)).collect(),
            8 => json!({ "blockHash": self.text(), "requireCanonical": self.value(0) }),
            9 => json!({ "blockNumber": self.text() }),
            _ => self.object(depth - 1),
        }
    }

    /// The keys of calls and filters, with anything.
    fn object(&mut self, depth: usize) -> Value {
        let keys = [
            "from",
            "to",
            "gas",
            "gasPrice",
            "maxFeePerGas",
            "maxPriorityFeePerGas",
            "value",
            "data",
            "input",
            "nonce",
            "accessList",
            "authorizationList",
            "blobVersionedHashes",
            "chainId",
            "type",
            "fromBlock",
            "toBlock",
            "address",
            "topics",
            "blockHash",
            "balance",
            "code",
            "state",
            "stateDiff",
            "number",
            "time",
            "gasLimit",
        ];
        let mut object = serde_json::Map::new();
        for _ in 0..self.below(6) {
            let key = keys[self.below(keys.len())];
            let value = self.value(depth);
            object.insert(key.to_owned(), value);
        }
        Value::Object(object)
    }

    fn request(&mut self) -> Value {
        let method = METHODS[self.below(METHODS.len())];
        let params: Value = (0..self.below(5)).map(|_| self.value(3)).collect();
        let mut request =
            json!({ "jsonrpc": "2.0", "id": self.value(1), "method": method, "params": params });
        match self.below(12) {
            0 => request["params"] = self.value(2),
            1 => request["method"] = self.value(2),
            2 => request["jsonrpc"] = self.value(1),
            3 => drop(request.as_object_mut().unwrap().remove("id")),
            4 => drop(request.as_object_mut().unwrap().remove("params")),
            _ => {}
        }
        request
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_answered() {
    let scene = Scene::new(Fork::Osaka).await;
    scene.done(TxKind::Call(Address::repeat_byte(9)), 1, Bytes::new()).await;
    scene.deploy(&[0x5b, 0x5f, 0x56]).await;
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut fuzz = Fuzz(Xoshiro256PlusPlus::seed_from_u64(seed));
    let begun = Instant::now();
    let (mut asked, mut succeeded, mut refused) = (0, 0, 0);
    // For a while, and on a slow machine for as long as it takes to show something.
    let shows = |asked, succeeded, refused| asked > 1_000 && succeeded > 50 && refused > 500;
    while asked < 6_000 && (begun.elapsed() < Duration::from_secs(40) || !shows(asked, succeeded, refused)) {
        let request: Value = match fuzz.below(20) {
            0 => (0..fuzz.below(6)).map(|_| fuzz.request()).collect(),
            1 => fuzz.value(3),
            _ => fuzz.request(),
        };
        let mut body = request.to_string();
        if fuzz.below(20) == 0 {
            let mut end = fuzz.below(body.len() + 1);
            while !body.is_char_boundary(end) {
                end -= 1;
            }
            body.truncate(end);
        }
        let sent = tokio::time::timeout(Duration::from_secs(300), scene.post(body.clone())).await;
        let (status, text) = sent.unwrap_or_else(|_| panic!("seed {seed}: no answer to {body}"));
        assert_eq!(status, 200, "seed {seed}: {body}");
        if !text.is_empty() {
            let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("seed {seed}: {text}"));
            let all = answer.as_array().cloned().unwrap_or_else(|| vec![answer]);
            for one in all {
                let right =
                    one.get("result").is_some() != one.get("error").is_some() && one.get("id").is_some();
                assert!(right && one["jsonrpc"] == "2.0", "seed {seed}: {body}: {one}");
                if one.get("result").is_some() { succeeded += 1 } else { refused += 1 }
            }
        }
        asked += 1;
    }
    println!("{asked} asked, {succeeded} succeeded, {refused} refused, {:?}", begun.elapsed());
    assert!(shows(asked, succeeded, refused), "seed {seed}: {asked} {succeeded} {refused}");
    scene.mine().await;
    scene.proven(1, scene.head().await).await;
}

/// Raw transactions with bytes changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transaction_is_answered() {
    let scene = Scene::new(Fork::Osaka).await;
    let seed: u64 = rand::random();
    let mut fuzz = Fuzz(Xoshiro256PlusPlus::seed_from_u64(seed));
    let raw = {
        use alloy_eips::eip2718::Encodable2718;
        scene.signed(TxKind::Call(Address::repeat_byte(9)), 1, Bytes::new()).await.encoded_2718()
    };
    for _ in 0..500 {
        let mut changed = raw.clone();
        for _ in 0..=fuzz.below(3) {
            let at = fuzz.below(changed.len());
            match fuzz.below(3) {
                0 => changed[at] = fuzz.0.random(),
                1 => changed.truncate(at.max(1)),
                _ => changed.insert(at, fuzz.0.random()),
            }
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [Bytes::from(changed)] });
        let (status, _) = scene.post(body.to_string()).await;
        assert_eq!(status, 200, "seed {seed}");
    }
    scene.mine().await;
    scene.proven(1, scene.head().await).await;
}
