//! A node, and who sends to it.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use proofmill_devnode::{DevNode, DevNodeOptions};
use proofmill_primitives::BlockRange;
use proofmill_stateless::{Fork, StatelessInput};
use proofmill_witness::{NodeOptions, WitnessSource};
use serde_json::{Value, json};

pub const CHAIN_ID: u64 = 900_901;

pub struct Scene {
    pub node: DevNode,
    http: reqwest::Client,
}

pub fn keys() -> Vec<B256> {
    (1..=8).map(B256::with_last_byte).collect()
}

pub fn signer(at: usize) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keys()[at]).unwrap()
}

impl Scene {
    pub async fn new(fork: Fork) -> Self {
        let rich = (0..keys().len()).map(|at| signer(at).address()).collect();
        let node = DevNodeOptions::new(CHAIN_ID).fork(fork).rich(rich).start().await.unwrap();
        Self::of(node)
    }

    pub fn of(node: DevNode) -> Self {
        Self { node, http: proofmill_http::client() }
    }

    /// What comes back for a body. The node ends a connection whose body is too large before all of it is sent, so that its answer
    /// may be lost, and that connection is none for the next request either.
    pub async fn post(&self, body: String) -> (u16, String) {
        for _ in 0..20 {
            let sent = self.http.post(self.node.rpc_url().clone()).body(body.clone()).send().await;
            if let Ok(sent) = sent {
                let status = sent.status().as_u16();
                return (status, sent.text().await.unwrap());
            }
        }
        panic!("no answer in twenty tries");
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let (status, text) = self.post(body).await;
        assert_eq!(status, 200, "{method}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub async fn call(&self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    pub async fn refused(&self, method: &str, params: Value) -> (i64, String, Value) {
        let answer = self.ask(method, params).await;
        let error = &answer["error"];
        let message = error["message"].as_str().unwrap_or_else(|| panic!("{method} succeeded: {answer}"));
        (error["code"].as_i64().unwrap(), message.to_owned(), error["data"].clone())
    }

    pub async fn head(&self) -> u64 {
        serde_json::from_value::<U64>(self.call("eth_blockNumber", json!([])).await).unwrap().to()
    }

    pub async fn mine(&self) {
        self.call("evm_mine", json!([])).await;
    }

    pub async fn nonce(&self, address: Address) -> u64 {
        let nonce = self.call("eth_getTransactionCount", json!([address, "pending"])).await;
        serde_json::from_value::<U64>(nonce).unwrap().to()
    }

    /// Signs a transaction of the first account.
    pub async fn signed(&self, to: TxKind, value: u64, input: impl Into<Bytes>) -> TxEnvelope {
        let signer = signer(0);
        let transaction = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: self.nonce(signer.address()).await,
            gas_limit: 500_000,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to,
            value: U256::from(value),
            access_list: Default::default(),
            input: input.into(),
        };
        sign(transaction, &signer)
    }

    pub async fn send(&self, transaction: &TxEnvelope) -> Value {
        self.call("eth_sendRawTransaction", json!([Bytes::from(transaction.encoded_2718())])).await
    }

    /// Sends a transaction of the first account, and makes a block of it. Gives its receipt.
    pub async fn done(&self, to: TxKind, value: u64, input: impl Into<Bytes>) -> Value {
        let transaction = self.signed(to, value, input).await;
        self.include(&transaction).await
    }

    pub async fn include(&self, transaction: &TxEnvelope) -> Value {
        let hash = self.send(transaction).await;
        self.mine().await;
        let receipt = self.call("eth_getTransactionReceipt", json!([hash])).await;
        assert!(receipt.is_object(), "{hash} is in no block");
        receipt
    }

    /// Deploys code, which must be shorter than 256 bytes.
    pub async fn deploy(&self, runtime: &[u8]) -> Address {
        let mut code = vec![0x60, runtime.len() as u8, 0x80, 0x60, 9, 0x5f, 0x39, 0x5f, 0xf3];
        code.extend_from_slice(runtime);
        let receipt = self.done(TxKind::Create, 0, code).await;
        assert_eq!(receipt["status"], "0x1");
        serde_json::from_value(receipt["contractAddress"].clone()).unwrap()
    }

    /// Executes a range from a witness of each kind, as it is proven, and compares the witnesses.
    pub async fn proven(&self, first: u64, last: u64) -> StatelessInput {
        let range = BlockRange::new(first, last).unwrap();
        let mut inputs = Vec::new();
        for source in [WitnessSource::Proofs, WitnessSource::ExecutionWitness] {
            let options = NodeOptions::new(self.node.rpc_url().clone()).source(source);
            let node = options.connect().await.unwrap();
            assert_eq!(node.chain(), &self.node.rules());
            let witnessed = node
                .witness(range, &|_| {})
                .await
                .unwrap_or_else(|error| panic!("blocks {first} to {last} by {source}: {error:?}"));
            assert_eq!(witnessed.outcome.last, last);
            inputs.push(witnessed.input);
        }
        assert_eq!(inputs[0], inputs[1], "blocks {first} to {last}");
        inputs.swap_remove(0)
    }
}

pub fn sign<T>(transaction: T, signer: &PrivateKeySigner) -> TxEnvelope
where
    T: SignableTransaction<alloy_primitives::Signature>,
    alloy_consensus::Signed<T>: Into<TxEnvelope>,
{
    let signature = signer.sign_hash_sync(&transaction.signature_hash()).unwrap();
    transaction.into_signed(signature).into()
}
