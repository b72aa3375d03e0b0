//! Every sort of transaction on the L2 of `dev`: nothing that Ethereum accepts stops the settlement.

use crate::process::{PATIENCE, Running, output, proofmill, wait};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip7702, TxEnvelope};
use alloy_eips::{eip2718::Encodable2718, eip7702::Authorization};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use alloy_rpc_client::RpcClient;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use proofmill_chain::{L1, L2, PoolOptions, Rollup};
use proofmill_devnet::{Description, DevKeys};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

/// Who sends to L2, one transaction after the other.
struct Sender {
    node: RpcClient,
    signer: PrivateKeySigner,
    chain_id: u64,
    nonce: u64,
    sent: Vec<(&'static str, Value)>,
}

impl Sender {
    fn plain(&self, to: TxKind, input: Vec<u8>) -> TxEip1559 {
        TxEip1559 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: 300_000,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to,
            value: U256::ZERO,
            access_list: Default::default(),
            input: input.into(),
        }
    }

    async fn send<T>(&mut self, what: &'static str, transaction: T)
    where
        T: SignableTransaction<alloy_primitives::Signature>,
        alloy_consensus::Signed<T>: Into<TxEnvelope>,
    {
        let signature = self.signer.sign_hash_sync(&transaction.signature_hash()).unwrap();
        let signed: TxEnvelope = transaction.into_signed(signature).into();
        let raw = Bytes::from(signed.encoded_2718());
        let hash = self.node.request("eth_sendRawTransaction", [raw]).await.unwrap();
        self.sent.push((what, hash));
        self.nonce += 1;
    }

    async fn call(&mut self, what: &'static str, to: Address, input: Vec<u8>) {
        self.send(what, self.plain(TxKind::Call(to), input)).await;
    }

    /// Deploys code shorter than 256 bytes.
    async fn deploy(&mut self, runtime: &[u8]) -> Address {
        let address = self.signer.address().create(self.nonce);
        let mut code = vec![0x60, runtime.len() as u8, 0x80, 0x60, 9, 0x5f, 0x39, 0x5f, 0xf3];
        code.extend_from_slice(runtime);
        self.send("a deployment", self.plain(TxKind::Create, code)).await;
        address
    }
}

/// Those for which anvil makes blocks that are not Ethereum's, each until it is settled on L1.
#[tokio::test(flavor = "multi_thread")]
async fn each_kind_that_is_hard_to_get_right_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let log = data.join("dev.log");
    let mut command = proofmill(data);
    command.args([
        "dev",
        "--prover",
        "exec",
        "--workers",
        "2,2",
        "--slot-seconds",
        "3",
        "--epoch-slots",
        "4",
    ]);
    let mut running = Running::start(&mut command, &log);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let file = data.join("data/localnet.json");
    wait("the chains to be there", || matches!(Description::read(&file), Ok(Some(_))));
    let chains = Description::read(&file).unwrap().unwrap();
    let mut sender = Sender {
        node: proofmill_http::rpc_client(chains.l2_rpc.clone()),
        signer: PrivateKeySigner::from_bytes(&DevKeys::funder_text()).unwrap(),
        chain_id: chains.l2_chain_id,
        nonce: 0,
        sent: Vec::new(),
    };

    let owner = PrivateKeySigner::random();
    let hash = keccak256("a permit");
    let signature = owner.sign_hash_sync(&hash).unwrap();
    let v = B256::with_last_byte(27 + u8::from(signature.v()));
    let signed = [hash, v, signature.r().into(), signature.s().into()].concat();
    sender.call("an ecrecover call", Address::with_last_byte(1), signed.clone()).await;
    // CALLDATACOPY; STATICCALL to ecrecover; one more in the slot of who signed.
    let token = sender.deploy(&hex!("365f5f3760206080365f60015afa506080518054600101905500")).await;
    sender.call("a permit", token, signed).await;
    sender.call("nothing to an empty address", Address::repeat_byte(0x77), Vec::new()).await;
    // SSTORE(CALLDATALOAD(0), CALLDATALOAD(32))
    let store = sender.deploy(&hex!("6020355f355500")).await;
    sender.call("a slot", store, [B256::with_last_byte(1), B256::with_last_byte(9)].concat()).await;
    sender.call("a slot set to zero", store, [B256::with_last_byte(1), B256::ZERO].concat()).await;
    sender.send("a SELFDESTRUCT", sender.plain(TxKind::Create, hex!("600160015533ff").to_vec())).await;
    // SSTORE(0, BLOCKHASH(CALLDATALOAD(0)))
    let reader = sender.deploy(&hex!("5f35405f5500")).await;
    sender.call("BLOCKHASH", reader, B256::ZERO.to_vec()).await;
    let authorization = Authorization { chain_id: U256::from(sender.chain_id), address: store, nonce: 0 };
    let signature = owner.sign_hash_sync(&authorization.signature_hash()).unwrap();
    let plain = sender.plain(TxKind::Call(owner.address()), vec![1; 64]);
    let delegation = TxEip7702 {
        chain_id: plain.chain_id,
        nonce: plain.nonce,
        gas_limit: plain.gas_limit,
        max_fee_per_gas: plain.max_fee_per_gas,
        max_priority_fee_per_gas: plain.max_priority_fee_per_gas,
        to: owner.address(),
        value: plain.value,
        access_list: plain.access_list,
        authorization_list: vec![authorization.into_signed(signature)],
        input: plain.input,
    };
    sender.send("a new authority", delegation).await;

    let end = Instant::now() + PATIENCE;
    let mut last = 0;
    for (what, hash) in &sender.sent {
        let receipt = loop {
            let receipt: Value = sender.node.request("eth_getTransactionReceipt", [hash]).await.unwrap();
            if receipt.is_object() {
                break receipt;
            }
            assert!(Instant::now() < end, "{what} is in no block:\n{}", said());
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        assert_eq!(receipt["status"], "0x1", "{what}: {receipt}");
        let block = receipt["blockNumber"].as_str().unwrap().trim_start_matches("0x");
        last = last.max(u64::from_str_radix(block, 16).unwrap());
    }
    let count: Value = sender
        .node
        .request("eth_getStorageAt", json!([token, owner.address().into_word(), "latest"]))
        .await
        .unwrap();
    assert_eq!(count, json!(B256::with_last_byte(1)));
    let l1 = L1::connect(PoolOptions::new(chains.l1_rpc.clone()), None).await.unwrap();
    let rollup = Rollup::connect(l1, chains.rollup).await.unwrap();
    loop {
        let proven = rollup.checkpoint(rollup.tips().await.unwrap().proven).await.unwrap();
        if proven.is_some_and(|proven| proven.blocks.last() >= last) {
            break;
        }
        assert!(Instant::now() < end && !said().contains("cannot be proven"), "not settled:\n{}", said());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // The chains outlive a node that is killed.
    assert!(running.terminate(), "it did not end in order:\n{}", said());
}

#[test]
fn epochs_full_of_every_sort_of_transaction_are_settled() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (log, report) = (data.join("dev.log"), data.join("report.json"));
    let mut command = proofmill(data);
    command.args(["dev", "--prover", "exec", "--workers", "2,2"]);
    command.args(["--slot-seconds", "3", "--epoch-slots", "4", "--report", "report.json"]);
    let mut running = Running::start(&mut command, &log);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let file = data.join("data/localnet.json");
    wait("the chains to be there", || matches!(Description::read(&file), Ok(Some(_))));
    let chains = Description::read(&file).unwrap().unwrap();
    let load = || {
        let mut command = proofmill(data);
        command.args(["load", "--rpc-url", chains.l2_rpc.as_str(), "--kind", "mixed"]);
        command.args(["--accounts", "5", "--transactions", "8"]);
        command.env("LOAD_TEST_PRIVATE_KEY", DevKeys::funder_text().to_string());
        output(&mut command)
    };
    // However long each of them takes, and however long their epochs take to be settled.
    let landed = || {
        let text = said();
        let epochs =
            text.lines().filter_map(|line| line.split_once(" landed on L1 in epoch ")?.1.split(' ').next());
        epochs.collect::<BTreeSet<_>>().len()
    };
    let end = Instant::now() + PATIENCE;
    let mut loads = 0;
    while loads < 6 || landed() < 2 {
        assert!(Instant::now() < end, "nothing lands on L1:\n{}", said());
        let sent = load();
        assert!(sent.status.success(), "{}\n{}", String::from_utf8_lossy(&sent.stderr), said());
        loads += 1;
        std::thread::sleep(Duration::from_millis(500));
    }
    let runtime = crate::pullers::runtime();
    let (rollup, head) = runtime.block_on(async {
        let l1 = L1::connect(PoolOptions::new(chains.l1_rpc.clone()), None).await.unwrap();
        let l2 = L2::connect(PoolOptions::new(chains.l2_rpc.clone()), None).await.unwrap();
        (Rollup::connect(l1, chains.rollup).await.unwrap(), l2.head().await.unwrap().number)
    });
    wait("all of them to be settled", || {
        let proven = runtime.block_on(async {
            let proven = rollup.tips().await.unwrap().proven;
            rollup.checkpoint(proven).await.unwrap()
        });
        proven.is_some_and(|proven| proven.blocks.last() >= head)
    });
    wait("that to be said of every epoch that anything landed in", || {
        let text = said();
        let mut landed =
            text.lines().filter_map(|line| line.split_once(" landed on L1 in epoch ")?.1.split(' ').next());
        landed.all(|epoch| text.contains(&format!("epoch {epoch}: SETTLED")))
    });
    assert!(running.terminate(), "it did not end in order:\n{}", said());
    let said = said();
    for wrong in ["cannot be proven", "panicked", "could not be sealed", "void"] {
        assert!(!said.contains(wrong), "{wrong}:\n{said}");
    }
    let report: serde_json::Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let checkpoints = report["checkpoints"].as_array().unwrap();
    let transactions = checkpoints.iter().map(|one| one["transactions"].as_u64().unwrap());
    assert!(transactions.sum::<u64>() > 60, "{report:#}");
    // The file from which another node comes to the same chain.
    let genesis = fs::read_to_string(data.join("data/l2-genesis.json")).unwrap();
    assert!(genesis.contains("\"chainId\": 900901"), "{genesis}");
}
