//! Transactions that a service signs: the other end answers as Web3Signer documents it, with a real key.

use crate::scene::Scene;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U128};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use axum::{Json, Router, extract::State, routing::post};
use proofmill_chain::{ChainError, RemoteSigner, Sender, Signer};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// How the service behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Honest,
    /// Signs with a higher tip than it was asked to.
    Greedy,
    /// Signs a call of another contract.
    Diverting,
    /// Signs with another key.
    Impostor,
    /// Answers with what is no transaction.
    Garbling,
    /// Refuses.
    Locked,
}

#[derive(Clone)]
struct Service {
    key: PrivateKeySigner,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Service {
    fn new(key: B256) -> Self {
        let key = PrivateKeySigner::from_bytes(&key).unwrap();
        Self { key, manner: Arc::new(Mutex::new(Manner::Honest)), asked: Arc::default() }
    }

    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        // As the address of a hosted one: what is behind the host is a secret.
        let address = format!("http://{}/a-secret", listener.local_addr().unwrap());
        let router = Router::new().route("/a-secret", post(answer)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    }

    fn sign(&self, asked: &Value) -> Value {
        let manner = *self.manner.lock().unwrap();
        let number = |name: &str| serde_json::from_value::<U128>(asked[name].clone()).unwrap().to::<u128>();
        assert_eq!(serde_json::from_value::<Address>(asked["from"].clone()).unwrap(), self.key.address());
        assert_eq!(number("value"), 0);
        let to: Option<Address> = serde_json::from_value(asked["to"].clone()).unwrap();
        let mut transaction = TxEip1559 {
            chain_id: number("chainId") as u64,
            nonce: number("nonce") as u64,
            gas_limit: serde_json::from_value::<U64>(asked["gas"].clone()).unwrap().to(),
            max_fee_per_gas: number("maxFeePerGas"),
            max_priority_fee_per_gas: number("maxPriorityFeePerGas"),
            to: to.map_or(TxKind::Create, TxKind::Call),
            input: serde_json::from_value(asked["data"].clone()).unwrap(),
            ..Default::default()
        };
        let mut key = self.key.clone();
        match manner {
            Manner::Honest => {}
            Manner::Greedy => transaction.max_priority_fee_per_gas += 1,
            Manner::Diverting => transaction.to = TxKind::Call(Address::repeat_byte(0x66)),
            Manner::Impostor => key = PrivateKeySigner::from_bytes(&B256::repeat_byte(0x99)).unwrap(),
            Manner::Garbling => return json!({ "result": "0x02c0" }),
            Manner::Locked => return json!({ "error": { "code": -32000, "message": "the key is\nlocked" } }),
        }
        let signature = key.sign_hash_sync(&transaction.signature_hash()).unwrap();
        let signed: TxEnvelope = transaction.into_signed(signature).into();
        json!({ "result": Bytes::from(signed.encoded_2718()) })
    }
}

async fn answer(State(service): State<Service>, Json(request): Json<Value>) -> Json<Value> {
    let mut answer = match request["method"].as_str().unwrap() {
        "eth_accounts" => json!({ "result": [service.key.address()] }),
        "eth_signTransaction" => {
            service.asked.lock().unwrap().push(request["params"][0].clone());
            service.sign(&request["params"][0])
        }
        other => panic!("{other}"),
    };
    answer["jsonrpc"] = json!("2.0");
    answer["id"] = request["id"].clone();
    Json(answer)
}

/// A scene whose publisher's key such a service has.
async fn scene() -> (Scene, Service, RemoteSigner) {
    let mut scene = Scene::new().await;
    let service = Service::new(scene.anvil.accounts()[1].private_key);
    let address = service.serve().await.parse().unwrap();
    let signer = RemoteSigner::new(address, service.key.address());
    scene.publisher = Sender::signed_by(scene.l1.clone(), signer.clone().into());
    (scene, service, signer)
}

#[tokio::test]
async fn what_a_service_signs_settles_batches() {
    let (mut scene, service, signer) = scene().await;
    signer.check().await.unwrap();
    scene.propose_in(1).await;
    scene.propose_in(2).await;
    let included = scene.verify(1, vec![scene.batch(1), scene.batch(2)]).await.unwrap();
    assert_eq!(scene.proven().await, 2);
    let asked = service.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1, "it was asked once");
    assert_eq!(asked[0]["to"], json!(scene.rollup.address()));
    let seen = scene.rpc("eth_getTransactionByHash", json!([included.transaction])).await;
    assert_eq!(seen["from"], json!(service.key.address()));
}

#[tokio::test]
async fn a_service_that_signs_something_else_sends_nothing() {
    let (mut scene, service, _) = scene().await;
    scene.propose_in(1).await;
    for (manner, said) in [
        (Manner::Greedy, "tip in gwei"),
        (Manner::Diverting, "another receiver"),
        (Manner::Impostor, "instead of"),
        (Manner::Garbling, "no transaction"),
        (Manner::Locked, "it refused: the key is locked (code -32000)"),
    ] {
        *service.manner.lock().unwrap() = manner;
        let error = scene.verify(1, vec![scene.batch(1)]).await.unwrap_err();
        assert!(
            matches!(error, ChainError::RemoteSigner { .. }) && error.is_transient(),
            "{manner:?}: {error}"
        );
        let text = error.to_string();
        assert!(text.contains(said), "{manner:?}: {text}");
        assert!(
            !text.contains("a-secret") && !format!("{:?}", scene.publisher).contains("a-secret"),
            "{text}"
        );
    }
    assert_eq!(scene.proven().await, 0);
    *service.manner.lock().unwrap() = Manner::Honest;
    scene.verify(1, vec![scene.batch(1)]).await.unwrap();
    assert_eq!(scene.proven().await, 1);
}

#[tokio::test]
async fn a_service_without_the_key_is_found_out_at_the_start() {
    let service = Service::new(B256::repeat_byte(3));
    let address: String = service.serve().await;
    let other = RemoteSigner::new(address.parse().unwrap(), Address::repeat_byte(7));
    let said = other.check().await.unwrap_err().to_string();
    assert!(
        said.contains("it has no key of 0x0707") && said.contains(&service.key.address().to_string()),
        "{said}"
    );
    let away = RemoteSigner::new("http://127.0.0.1:1/a-secret".parse().unwrap(), Address::repeat_byte(7));
    let said = away.check().await.unwrap_err().to_string();
    assert!(said.contains("http://127.0.0.1:1: it does not answer"), "{said}");
}

#[tokio::test]
async fn an_account_without_a_key_can_ask_and_not_send() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    let nobody = Sender::signed_by(scene.l1.clone(), Signer::Nobody(scene.publisher.account()));
    let first = proofmill_primitives::CheckpointNumber(1);
    let batches = vec![scene.batch(1)];
    let prover = crate::scene::PROVER;
    let quote = scene.rollup.estimate_batches(&nobody, first, prover, batches.clone()).await.unwrap();
    assert!(quote.gas > 50_000 && quote.fee > 0, "{quote:?}");
    let error = scene.rollup.verify_batches(&nobody, first, prover, batches).await.unwrap_err();
    assert!(matches!(error, ChainError::NobodySigns { .. }), "{error}");
    assert_eq!(scene.proven().await, 0);
}
