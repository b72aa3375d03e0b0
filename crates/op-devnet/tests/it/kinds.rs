//! Every type of transaction, and channels of several frames, come back from L1 as they were.

use crate::common::{LONG, ask, block_of, derive, fast, number, send, signed};
use alloy_consensus::{SignableTransaction, TxEip2930, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::{
    Encodable2718,
    eip2930::{AccessList, AccessListItem},
    eip7702::Authorization,
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, address, bytes};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use proofmill_op_devnet::{BatchKind, Compression, DataKind, OpDevnet, OpDevnetOptions};
use serde_json::{Value, json};
use std::time::Duration;

const PASSER: Address = address!("0x4200000000000000000000000000000000000016");
const GAS_PRICE: u128 = 1_000_000_000;

fn sign<T: SignableTransaction<Signature>>(signer: &PrivateKeySigner, tx: T) -> Bytes
where
    TxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

/// One of each type, by one user.
fn each_type(signer: &PrivateKeySigner, authority: &PrivateKeySigner) -> Vec<Bytes> {
    let to = TxKind::Call(Address::repeat_byte(0xb0));
    let legacy = |chain_id, nonce, to, input| TxLegacy {
        chain_id,
        nonce,
        gas_price: GAS_PRICE,
        gas_limit: 100_000,
        to,
        value: U256::from(nonce),
        input,
    };
    let access_list = AccessList(vec![AccessListItem {
        address: PASSER,
        storage_keys: vec![B256::ZERO, B256::repeat_byte(1)],
    }]);
    let authorization =
        Authorization { chain_id: U256::from(901), address: Address::repeat_byte(0xc0), nonce: 0 };
    let signature = authority.sign_hash_sync(&authorization.signature_hash()).unwrap();
    vec![
        // Of before EIP-155, and after.
        sign(signer, legacy(None, 0, to, Bytes::new())),
        sign(signer, legacy(Some(901), 1, TxKind::Create, bytes!("00"))),
        sign(
            signer,
            TxEip2930 {
                chain_id: 901,
                nonce: 2,
                gas_price: GAS_PRICE,
                gas_limit: 100_000,
                to,
                access_list: access_list.clone(),
                ..Default::default()
            },
        ),
        sign(
            signer,
            TxEip7702 {
                chain_id: 901,
                nonce: 3,
                gas_limit: 200_000,
                max_fee_per_gas: GAS_PRICE,
                max_priority_fee_per_gas: 1,
                to: authority.address(),
                access_list,
                authorization_list: vec![authorization.into_signed(signature)],
                ..Default::default()
            },
        ),
    ]
}

async fn comes_back(options: OpDevnetOptions) {
    let chain = options.start().await.unwrap();
    chain.wait_for_block(2, LONG).await.unwrap();
    // The transactions are all in blocks that a batch has together.
    chain.stop_batcher();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (first, before) = (chain.safe() + 1, passer_root(&chain).await);
    let [one, other, third, fourth] = [0, 1, 2, 3].map(|user| chain.users()[user]);
    let signer =
        |key: proofmill_op_devnet::DevAccount| PrivateKeySigner::from_bytes(&key.private_key).unwrap();
    for raw in each_type(&signer(one), &signer(other)) {
        let receipt = send(&chain, &raw).await;
        assert_eq!(receipt["status"], json!("0x1"), "{receipt}");
    }
    let code = ask(&chain, "eth_getCode", json!([other.address, "latest"])).await;
    assert_eq!(code, json!(format!("0xef0100{}", "c0".repeat(20))));
    // A message for L1, to which headers commit.
    let receipt = send(&chain, &signed(&third, 901, 0, PASSER.into(), 5, Bytes::new())).await;
    assert_eq!(receipt["status"], json!("0x1"), "{receipt}");
    let call = bytes!(
        "c2b3e5ac00000000000000000000000000000000000000000000000000000000000000aa00000000000000000000000000000000000000000000000000000000000186a000000000000000000000000000000000000000000000000000000000000000600000000000000000000000000000000000000000000000000000000000000000"
    );
    let receipt = send(&chain, &signed(&third, 901, 1, PASSER.into(), 5, call)).await;
    assert_eq!(receipt["status"], json!("0x1"), "{receipt}");
    assert_ne!(passer_root(&chain).await, before);
    // More than one frame or blob holds, and cannot be made smaller.
    let mut noise = Vec::new();
    while noise.len() < 110_000 {
        let next = alloy_primitives::keccak256(noise.len().to_be_bytes());
        noise.extend(next);
    }
    let mut last = 0;
    for nonce in 0..2 {
        let to = TxKind::Call(Address::repeat_byte(0xb1));
        let receipt = send(&chain, &signed(&fourth, 901, nonce, to, 0, noise.clone().into())).await;
        assert_eq!(receipt["status"], json!("0x1"), "{receipt}");
        last = block_of(&receipt);
    }
    chain.start_batcher();
    derive(&chain, first, last).await;
    assert_eq!(
        number(&chain, "eth_getTransactionCount", json!([one.address, "latest"])).await,
        U256::from(4)
    );
    chain.stop().await.unwrap();
}

async fn passer_root(chain: &OpDevnet) -> Value {
    ask(chain, "eth_getBlockByNumber", json!(["latest", false])).await["withdrawalsRoot"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_single_batches() {
    comes_back(fast()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_span_in_brotlis_format() {
    comes_back(fast().batch(BatchKind::Span).compression(Compression::Brotli)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_span_in_blobs() {
    comes_back(fast().batch(BatchKind::Span).data(DataKind::Blobs)).await;
}
