//! Real data: L1 mainnet and OP Mainnet of September 2023, before Canyon. What the batches hold must be what the blocks hold, byte by
//! byte: frames, zlib and batches of one block are the same today.
//!
//! They are in `../shared/op-stack/derivation.tar.xz`, from the repository's root (`OP_STACK_DIR` names another folder). Without them
//! the test is skipped with a message.

use crate::batch::Batch;
use crate::channel::{ChannelBank, batches, decompressed};
use crate::frame::frames;
use alloy_primitives::{Address, Bytes, address};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

const BATCHER: Address = address!("0x6887246668a3b87F54DeB3b94Ba47a6f63F32985");
const INBOX: Address = address!("0xFF00000000000000000000000000000000000010");

fn read(kind: &str, number: u64) -> Option<Value> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/op-stack");
    let archive = std::env::var_os("OP_STACK_DIR").map_or(default, PathBuf::from).join("derivation.tar.xz");
    if !archive.exists() {
        println!("skipped: there is no {}", archive.display());
        return None;
    }
    let file = format!("derivation/{kind}-{number}.json");
    let done = Command::new("tar").arg("-xJOf").arg(&archive).arg(&file).output().unwrap();
    assert!(done.status.success(), "tar cannot read {file}: {}", String::from_utf8_lossy(&done.stderr));
    let recorded: Value = serde_json::from_slice(&done.stdout).unwrap();
    Some(recorded["full_blocks"][0][1].clone())
}

fn said<T: std::str::FromStr>(value: &Value) -> Option<T> {
    value.as_str()?.parse().ok()
}

/// A transaction as its block shows it, in its encoding.
fn encoded(shown: &Value) -> Bytes {
    use alloy_consensus::{EthereumTxEnvelope, TxEip4844};
    use alloy_eips::Encodable2718;
    let mut shown = shown.clone();
    // The recorder wrote both.
    let parity = shown["v"].clone();
    if shown["type"].as_str().is_some_and(|kind| kind != "0x0") && shown["yParity"].is_null() {
        shown["yParity"] = parity;
    }
    let envelope: EthereumTxEnvelope<TxEip4844> = serde_json::from_value(shown.clone()).unwrap();
    let raw = envelope.encoded_2718();
    assert_eq!(said(&shown["hash"]), Some(alloy_primitives::keccak256(&raw)));
    raw.into()
}

#[test]
fn real_batches_hold_the_transactions_of_real_blocks() {
    let mut bank = ChannelBank::default();
    let mut found = BTreeMap::new();
    for number in 18_090_205..=18_090_218 {
        let Some(block) = read("l1", number) else { return };
        for shown in block["transactions"].as_array().unwrap() {
            if said(&shown["to"]) != Some(INBOX) || said(&shown["from"]) != Some(BATCHER) {
                continue;
            }
            let data: Bytes = said(&shown["input"]).unwrap();
            for frame in frames(&data) {
                let Some(channel) = bank.take(number, &frame) else { continue };
                for batch in batches(&decompressed(&channel).unwrap()) {
                    let Ok(Batch::Single(batch)) = Batch::decode(batch, 10, 0) else { panic!("no batch") };
                    found.insert(batch.timestamp, batch);
                }
            }
        }
    }
    assert!(found.len() >= 16);
    for number in 109_279_674..=109_279_681 {
        let Some(block) = read("l2", number) else { return };
        let time =
            u64::from_str_radix(block["timestamp"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
        let batch = &found[&time];
        assert_eq!(Some(batch.parent_hash), said(&block["parentHash"]), "{number}");
        let of_users = |shown: &&Value| shown["type"] != "0x7e";
        let users: Vec<_> =
            block["transactions"].as_array().unwrap().iter().filter(of_users).map(encoded).collect();
        assert!(!users.is_empty());
        assert_eq!(batch.transactions, users, "{number}");
    }
}
