//! Each kind of transaction for which anvil makes blocks that are not Ethereum's, proven.

use crate::scene::{CHAIN_ID, Scene, sign, signer};
use alloy_consensus::{
    Transaction, TxEip4844, TxEip4844Variant, TxEip4844WithSidecar, TxEip7702, TxEnvelope,
};
use alloy_eips::{
    eip2718::Encodable2718,
    eip4844::{Bytes48, kzg_to_versioned_hash},
    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    eip7594::{BlobTransactionSidecarEip7594, BlobTransactionSidecarVariant, CELLS_PER_EXT_BLOB},
    eip7685::EMPTY_REQUESTS_HASH,
    eip7702::Authorization,
};
use alloy_primitives::{Address, B256, Bytes, FixedBytes, TxKind, U256, hex, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use proofmill_stateless::Fork;
use serde_json::{Value, json};

const ECRECOVER: Address = Address::with_last_byte(1);

/// A signature as `ecrecover` takes it.
fn signature(by: &PrivateKeySigner) -> Vec<u8> {
    let hash = keccak256("a permit");
    let signature = by.sign_hash_sync(&hash).unwrap();
    let v = B256::with_last_byte(27 + u8::from(signature.v()));
    [hash, v, signature.r().into(), signature.s().into()].concat()
}

/// The block of a receipt alone, and all blocks until it together, are proven.
async fn settled(scene: &Scene, receipt: &Value) {
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    let head = scene.head().await;
    scene.proven(head, head).await;
    scene.proven(1, head).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ecrecover_call() {
    let scene = Scene::new(Fork::Osaka).await;
    let receipt = scene.done(TxKind::Call(ECRECOVER), 0, signature(&signer(1))).await;
    settled(&scene, &receipt).await;
    // The account was touched and is empty: it is not in the state.
    let proof = scene.call("eth_getProof", json!([ECRECOVER, [], "latest"])).await;
    assert_eq!((&proof["balance"], &proof["nonce"]), (&json!("0x0"), &json!("0x0")));
}

/// A contract that recovers a signer as a token's `permit` does (EIP-2612), and counts its permits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit() {
    let scene = Scene::new(Fork::Osaka).await;
    // CALLDATACOPY(0, 0, size); STATICCALL(gas, 1, 0, size, 128, 32); SSTORE(MLOAD(128), SLOAD(MLOAD(128)) + 1)
    let token = scene.deploy(&hex!("365f5f3760206080365f60015afa506080518054600101905500")).await;
    let owner = PrivateKeySigner::random();
    for permits in 1..=2 {
        let receipt = scene.done(TxKind::Call(token), 0, signature(&owner)).await;
        settled(&scene, &receipt).await;
        let slot = B256::from(U256::from_be_slice(owner.address().as_slice()));
        let counted = scene.call("eth_getStorageAt", json!([token, slot, "latest"])).await;
        assert_eq!(counted, json!(B256::with_last_byte(permits)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_value_to_an_address_that_is_empty() {
    let scene = Scene::new(Fork::Osaka).await;
    let empty = Address::repeat_byte(0x77);
    let receipt = scene.done(TxKind::Call(empty), 0, Bytes::new()).await;
    settled(&scene, &receipt).await;
    assert_eq!(receipt["gasUsed"], "0x5208");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_is_set_to_zero() {
    let scene = Scene::new(Fork::Osaka).await;
    // SSTORE(CALLDATALOAD(0), CALLDATALOAD(32))
    let store = scene.deploy(&hex!("6020355f355500")).await;
    let write = |slot: u8, value: u8| [B256::with_last_byte(slot), B256::with_last_byte(value)].concat();
    for (slot, value) in [(1, 9), (2, 9), (3, 9), (1, 0), (3, 0), (2, 0)] {
        let receipt = scene.done(TxKind::Call(store), 0, write(slot, value)).await;
        settled(&scene, &receipt).await;
    }
    let proof = scene.call("eth_getProof", json!([store, ["0x1"], "latest"])).await;
    assert_eq!(
        proof["storageHash"],
        json!(alloy_primitives::b256!("0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"))
    );
    assert_eq!(proof["storageProof"][0]["value"], "0x0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contract_that_is_made_and_destroys_itself_in_one_transaction() {
    let scene = Scene::new(Fork::Osaka).await;
    // SSTORE(1, 1); SELFDESTRUCT(CALLER)
    let receipt = scene.done(TxKind::Create, 5, hex!("600160015533ff")).await;
    settled(&scene, &receipt).await;
    let made = &receipt["contractAddress"];
    assert_eq!(scene.call("eth_getTransactionCount", json!([made, "latest"])).await, "0x0");
    assert_eq!(scene.call("eth_getStorageAt", json!([made, "0x1", "latest"])).await, json!(B256::ZERO));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_was_not_there_before() {
    let scene = Scene::new(Fork::Osaka).await;
    let code = scene.deploy(&hex!("5f5fa000")).await;
    let authority = PrivateKeySigner::random();
    let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address: code, nonce: 0 };
    let signature = authority.sign_hash_sync(&authorization.signature_hash()).unwrap();
    let sender = signer(0);
    let transaction = TxEip7702 {
        chain_id: CHAIN_ID,
        nonce: scene.nonce(sender.address()).await,
        gas_limit: 500_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1,
        to: authority.address(),
        value: U256::ZERO,
        access_list: Default::default(),
        authorization_list: vec![authorization.into_signed(signature)],
        input: Bytes::new(),
    };
    let receipt = scene.include(&sign(transaction, &sender)).await;
    settled(&scene, &receipt).await;
    // No refund for an account that is new: 21,000, 25,000 for the tuple, and the log.
    assert_eq!(receipt["gasUsed"], json!(format!("{:#x}", 21_000 + 25_000 + 375 + 4)), "{receipt}");
    let code = scene.call("eth_getCode", json!([authority.address(), "latest"])).await;
    assert!(code.as_str().unwrap().starts_with("0xef0100"), "{code}");
    // And it sends for itself, although it has code now.
    let receipt =
        scene.done(TxKind::Call(authority.address()), 1_000_000_000_000_000_000, Bytes::new()).await;
    settled(&scene, &receipt).await;
    assert_eq!(receipt["logs"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hashes_of_older_blocks() {
    let scene = Scene::new(Fork::Osaka).await;
    // SSTORE(0, BLOCKHASH(CALLDATALOAD(0)))
    let reader = scene.deploy(&hex!("5f35405f5500")).await;
    for _ in 0..6 {
        scene.mine().await;
    }
    for number in [0_u64, 1, 4, 7] {
        let asked = B256::from(U256::from(number));
        let receipt = scene.done(TxKind::Call(reader), 0, asked).await;
        settled(&scene, &receipt).await;
        let block = scene.call("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await;
        assert_eq!(scene.call("eth_getStorageAt", json!([reader, "0x0", "latest"])).await, block["hash"]);
    }
    // 256 blocks back there is nothing any more.
    for _ in 0..300 {
        scene.mine().await;
    }
    let (head, reader) = (scene.head().await, TxKind::Call(reader));
    for back in [255, 256, 257] {
        let asked = B256::from(U256::from(head + 1 - back));
        let receipt = scene.done(reader, 0, asked).await;
        assert_eq!(receipt["status"], "0x1");
    }
    scene.proven(head + 1, head + 3).await;
}

/// The contract of EIP-7002 takes it, the header commits to it, and nobody carries it out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_to_a_system_contract() {
    let scene = Scene::new(Fork::Osaka).await;
    scene.mine().await;
    let receipt = scene.done(TxKind::Call(WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS), 1, vec![7; 56]).await;
    settled(&scene, &receipt).await;
    let block = scene.call("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_ne!(block["requestsHash"], json!(EMPTY_REQUESTS_HASH));
}

fn blobs(nonce: u64, commitment: Bytes48, named: Bytes48) -> TxEnvelope {
    let sidecar = BlobTransactionSidecarEip7594 {
        blobs: vec![FixedBytes::ZERO],
        commitments: vec![commitment],
        cell_proofs: vec![commitment; CELLS_PER_EXT_BLOB],
    };
    let tx = TxEip4844 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1,
        to: Address::repeat_byte(5),
        value: U256::from(1),
        access_list: Default::default(),
        blob_versioned_hashes: vec![kzg_to_versioned_hash(named.as_slice())],
        max_fee_per_blob_gas: 1_000_000_000_000,
        input: Bytes::new(),
    };
    let sidecar = BlobTransactionSidecarVariant::Eip7594(sidecar);
    sign(TxEip4844Variant::TxEip4844WithSidecar(TxEip4844WithSidecar { tx, sidecar }), &signer(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_with_their_sidecar() {
    let scene = Scene::new(Fork::Osaka).await;
    let mut infinity = Bytes48::ZERO;
    infinity[0] = 0xc0;
    let right = blobs(0, infinity, infinity);
    let receipt = scene.include(&right).await;
    settled(&scene, &receipt).await;
    assert_eq!(receipt["blobGasUsed"], "0x20000");
    let block = scene.call("eth_getBlockByNumber", json!(["latest", true])).await;
    assert_eq!(block["blobGasUsed"], "0x20000");
    assert!(
        block["transactions"][0].get("sidecar").is_none() && block["transactions"][0].get("blobs").is_none()
    );

    let send = async |transaction: &TxEnvelope| {
        let raw = Bytes::from(transaction.encoded_2718());
        scene.refused("eth_sendRawTransaction", json!([raw])).await.1
    };
    let mut other = infinity;
    other[47] = 1;
    let said = send(&blobs(1, infinity, other)).await;
    assert!(said.contains("does not hash to"), "{said}");
    // As a block has it, without the blobs.
    let TxEnvelope::Eip4844(signed) = &right else { panic!("{right:?}") };
    let bare = TxEip4844 { nonce: 1, ..signed.tx().tx().clone() };
    let said =
        send(&sign(TxEip4844Variant::<BlobTransactionSidecarVariant>::TxEip4844(bare), &signer(0))).await;
    assert!(said.contains("missing blobs"), "{said}");
    assert_eq!(right.nonce(), 0);
}
