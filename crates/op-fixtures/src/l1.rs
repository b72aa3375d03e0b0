//! Real blocks of L1 mainnet, of September 2023: as many transactions and logs as blocks of a busy L1 have.

use crate::recorded;
use alloy_consensus::{EthereumTxEnvelope, Header, ReceiptEnvelope, TxEip4844};
use alloy_eips::Encodable2718;
use alloy_primitives::{B256, Bytes, Log};
use alloy_trie::root::ordered_trie_root_encoded;
use serde_json::Value;
use std::ops::RangeInclusive;

/// Their numbers. They follow on each other.
pub const L1_BLOCKS: RangeInclusive<u64> = 18_090_205..=18_090_218;

/// What a block of L1 has.
#[derive(Clone, Debug)]
pub struct L1Body {
    /// Its transactions, in their encoding.
    pub transactions: Vec<Bytes>,
    /// Its receipts, in their encoding. They are there for three of the blocks: those with logs of OP Mainnet's contracts.
    pub receipts: Option<Vec<Bytes>>,
    /// What its header says of the receipts.
    pub receipts_root: B256,
}

impl L1Body {
    /// `None`, with a message, where there are none.
    pub fn read(number: u64) -> Option<Self> {
        let file: Value = recorded("derivation", &format!("l1-{number}"))?;
        let block = &file["full_blocks"][0][1];
        let header: Header = serde_json::from_value(block.clone()).unwrap();
        let hash: B256 = serde_json::from_value(block["hash"].clone()).unwrap();
        assert_eq!((header.number, header.hash_slow()), (number, hash));
        let transactions: Vec<Bytes> =
            block["transactions"].as_array().unwrap().iter().map(transaction).collect();
        assert_eq!(ordered_trie_root_encoded(&transactions), header.transactions_root);
        let receipts: Option<Vec<Bytes>> =
            file["receipts"][0][1].as_array().map(|shown| shown.iter().map(receipt).collect());
        if let Some(receipts) = &receipts {
            assert_eq!(ordered_trie_root_encoded(receipts), header.receipts_root);
        }
        Some(Self { transactions, receipts, receipts_root: header.receipts_root })
    }
}

fn transaction(shown: &Value) -> Bytes {
    let mut shown = shown.clone();
    // The recorder's node said the parity of some by its older name alone.
    if shown["type"] != "0x0" && shown["yParity"].is_null() {
        shown["yParity"] = shown["v"].clone();
    }
    let envelope: EthereumTxEnvelope<TxEip4844> = serde_json::from_value(shown).unwrap();
    envelope.encoded_2718().into()
}

fn receipt(shown: &Value) -> Bytes {
    let receipt: ReceiptEnvelope<Log> = serde_json::from_value(shown.clone()).unwrap();
    receipt.encoded_2718().into()
}
