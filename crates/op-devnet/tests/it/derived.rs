//! Batches of every kind are what derivation reads.

use crate::common::{LONG, derive, derive_with, fast, gathered, transfer};
use alloy_consensus::{SignableTransaction, TxEip4844, TxEip4844Variant, TxEip4844WithSidecar, TxEnvelope};
use alloy_eips::{
    Encodable2718,
    eip4844::{Blob, BlobTransactionSidecar, Bytes48, kzg_to_versioned_hash},
    eip7594::BlobTransactionSidecarVariant,
};
use alloy_primitives::{Address, B256, Bytes, U64};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use c_kzg::ethereum_kzg_settings;
use proofmill_op_devnet::{
    BatchKind, Compression, ConfigChange, DataKind, DevAccount, L1Kind, OpDevnet, OpDevnetOptions,
};
use proofmill_witness::BuildError;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

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

/// The batcher sends blobs, and no beacon node is named.
#[tokio::test(flavor = "multi_thread")]
async fn in_blobs_that_nobody_is_asked_for() {
    let chain = fast().data(DataKind::Blobs).start().await.unwrap();
    let block = transfer(&chain, 0, Address::repeat_byte(0xb0)).await.max(2);
    let error = gathered(&chain, block, block, None).await.unwrap_err();
    assert!(matches!(error, BuildError::NoBeacon { .. }), "{error}");
    assert!(error.to_string().contains("--l1-beacon-rpc"), "{error}");
    chain.stop().await.unwrap();
}

/// Sends an empty blob to the inbox on L1, and waits until L1 has it.
async fn post_blob(chain: &OpDevnet, account: &DevAccount) {
    let l1 = proofmill_http::rpc_client(chain.l1_url().clone());
    let chain_id: U64 = l1.request("eth_chainId", json!([])).await.unwrap();
    let bytes = vec![0_u8; c_kzg::BYTES_PER_BLOB];
    let (settings, blob) = (ethereum_kzg_settings(0), c_kzg::Blob::from_bytes(&bytes).unwrap());
    let commitment = settings.blob_to_kzg_commitment(&blob).unwrap().to_bytes();
    let proof = settings.compute_blob_kzg_proof(&blob, &commitment).unwrap().to_bytes();
    let mut sidecar = BlobTransactionSidecar::default();
    sidecar.blobs.push(Blob::from_slice(&bytes));
    sidecar.commitments.push(Bytes48::from_slice(commitment.as_ref()));
    sidecar.proofs.push(Bytes48::from_slice(proof.as_ref()));
    let tx = TxEip4844 {
        chain_id: chain_id.to(),
        gas_limit: 21_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: chain.inbox(),
        max_fee_per_blob_gas: 1_000_000_000,
        blob_versioned_hashes: vec![kzg_to_versioned_hash(commitment.as_ref())],
        ..Default::default()
    };
    let signer = PrivateKeySigner::from_bytes(&account.private_key).unwrap();
    let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
    let sidecar = BlobTransactionSidecarVariant::Eip4844(sidecar);
    let with = TxEip4844Variant::TxEip4844WithSidecar(TxEip4844WithSidecar { tx, sidecar });
    let raw: Bytes = TxEnvelope::from(with.into_signed(signature)).encoded_2718().into();
    let hash: B256 = l1.request("eth_sendRawTransaction", json!([raw])).await.unwrap();
    let began = Instant::now();
    loop {
        let receipt: Value = l1.request("eth_getTransactionReceipt", json!([hash])).await.unwrap();
        if !receipt.is_null() {
            assert_eq!(receipt["status"], json!("0x1"), "{receipt}");
            return;
        }
        assert!(began.elapsed() < LONG, "the blob is in no block");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The batcher sends calldata, and there is no beacon node: the blob of somebody else is not missed.
#[tokio::test(flavor = "multi_thread")]
async fn with_the_blob_of_a_stranger_in_the_inbox() {
    let chain = fast().l1(L1Kind::DevNode).start().await.unwrap();
    post_blob(&chain, &chain.users()[2]).await;
    let first = transfer(&chain, 0, Address::repeat_byte(0xb0)).await;
    let last = transfer(&chain, 1, Address::repeat_byte(0xb1)).await + 3;
    derive_with(&chain, first.max(2), last, None).await;
    chain.stop().await.unwrap();
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
