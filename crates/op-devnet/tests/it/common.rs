//! What the tests share: users of a chain, and a prover that believes nothing but L1.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U64, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_trie::root::ordered_trie_root_with_encoder;
use op_alloy_consensus::OpReceiptEnvelope;
use proofmill_derivation::{Arkworks, RollupConfig, check, config_from_rollup_json};
use proofmill_op_devnet::{DevAccount, OpDevnet, OpDevnetOptions};
use proofmill_primitives::BlockRange;
use proofmill_stateless::StatelessInputRef;
use proofmill_witness::{Beacon, BuildError, L1Source, Node, NodeOptions, WitnessSource};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// More than anything here takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(600);
pub(crate) const ETHER: u128 = 1_000_000_000_000_000_000;

/// A chain as fast as it goes: each second a block on both sides.
pub(crate) fn fast() -> OpDevnetOptions {
    OpDevnetOptions::new().block_time(1).l1_block_time(1)
}

pub(crate) async fn ask(chain: &OpDevnet, method: &'static str, params: Value) -> Value {
    proofmill_http::rpc_client(chain.rpc_url().clone()).request(method, params).await.unwrap()
}

pub(crate) async fn number(chain: &OpDevnet, method: &'static str, params: Value) -> U256 {
    serde_json::from_value(ask(chain, method, params).await).unwrap()
}

pub(crate) fn signed(
    key: &DevAccount,
    chain_id: u64,
    nonce: u64,
    to: TxKind,
    value: u128,
    input: Bytes,
) -> Bytes {
    let tx = TxEip1559 {
        chain_id,
        nonce,
        gas_limit: 100_000 + 40 * input.len() as u64,
        max_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to,
        value: U256::from(value),
        input,
        ..Default::default()
    };
    let signer = PrivateKeySigner::from_bytes(&key.private_key).unwrap();
    let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

/// Sends a transaction, and waits for its receipt.
pub(crate) async fn send(chain: &OpDevnet, raw: &Bytes) -> Value {
    let hash: B256 =
        serde_json::from_value(ask(chain, "eth_sendRawTransaction", json!([raw])).await).unwrap();
    let began = Instant::now();
    loop {
        let receipt = ask(chain, "eth_getTransactionReceipt", json!([hash])).await;
        if !receipt.is_null() {
            return receipt;
        }
        assert!(began.elapsed() < LONG, "the transaction is in no block");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sends ether from a user to somebody; the number of the block.
pub(crate) async fn transfer(chain: &OpDevnet, user: usize, to: Address) -> u64 {
    let key = chain.users()[user];
    let nonce = number(chain, "eth_getTransactionCount", json!([key.address, "pending"])).await;
    let raw = signed(&key, 901, nonce.to(), to.into(), ETHER, Bytes::new());
    let receipt = send(chain, &raw).await;
    assert_eq!(receipt["status"], json!("0x1"));
    block_of(&receipt)
}

pub(crate) fn block_of(receipt: &Value) -> u64 {
    serde_json::from_value::<U64>(receipt["blockNumber"].clone()).unwrap().to()
}

async fn node(url: &url::Url) -> Node {
    NodeOptions::new(url.clone()).connect().await.unwrap()
}

async fn config(chain: &OpDevnet, l1: &Node) -> RollupConfig {
    let said = ask(chain, "optimism_rollupConfig", json!([])).await;
    assert_eq!(said, chain.rollup_config());
    config_from_rollup_json(&said.to_string(), l1.chain().blobs.clone()).unwrap()
}

/// The receipts of a block as they are shown are those that its header commits to; and its witness comes out of `eth_getProof`,
/// too.
pub(crate) async fn is_shown_as_it_is(chain: &OpDevnet, number: u64) {
    let at = format!("{number:#x}");
    let shown = ask(chain, "eth_getBlockReceipts", json!([at])).await;
    let receipts: Vec<OpReceiptEnvelope<Log>> = serde_json::from_value(shown).unwrap();
    let root = ordered_trie_root_with_encoder(&receipts, |receipt, out| receipt.encode_2718(out));
    let block = ask(chain, "eth_getBlockByNumber", json!([at, false])).await;
    assert_eq!(block["receiptsRoot"], json!(root));
    let proven = NodeOptions::new(chain.rpc_url().clone()).source(WitnessSource::Proofs);
    let node = proven.connect().await.unwrap();
    let witnessed = node.witness(BlockRange::new(number, number).unwrap(), &|_| {}).await.unwrap();
    assert_eq!(block["hash"], json!(witnessed.outcome.last_hash));
}

/// Waits until blocks are safe, builds the input of their proof from the nodes, and derives them from what L1 and its beacon
/// node have.
pub(crate) async fn derive(chain: &OpDevnet, first: u64, last: u64) {
    derive_with(chain, first, last, Some(Beacon::new(chain.beacon_url().clone().into()))).await;
}

/// The same, with this beacon node or none.
pub(crate) async fn derive_with(chain: &OpDevnet, first: u64, last: u64, beacon: Option<Beacon>) {
    gathered(chain, first, last, beacon).await.unwrap();
}

/// The same. Errors with why L1 does not give the input.
pub(crate) async fn gathered(
    chain: &OpDevnet,
    first: u64,
    last: u64,
    beacon: Option<Beacon>,
) -> Result<(), BuildError> {
    chain.wait_for_safe(last, LONG).await.unwrap();
    let l2 = node(chain.rpc_url()).await;
    let range = BlockRange::new(first, last).unwrap();
    let witnessed = l2.witness(range, &|_| {}).await.unwrap();
    // The rollup's node says the same of it as execution.
    let roots = witnessed.output_roots.unwrap();
    for (block, root) in [(first - 1, roots.before), (last, roots.after)] {
        let said = ask(chain, "optimism_outputAtBlock", json!([format!("{block:#x}")])).await;
        assert_eq!(said["outputRoot"], json!(root));
    }
    let l1 = node(chain.l1_url()).await;
    let config = config(chain, &l1).await;
    let source = L1Source { node: l1, beacon };
    let input = source.derivation(&config, &l2, &witnessed.input, None, &|_| {}).await?;
    // And once more by itself, from the binary form that a proof takes.
    let bytes = witnessed.input.encode();
    let decoded = StatelessInputRef::decode(&bytes).unwrap();
    let again = proofmill_derivation::DerivationInput::decode(&input.encode()).unwrap();
    check::<Arkworks>(&again, &decoded).unwrap();
    Ok(())
}
