//! Real data: L1 mainnet and OP Mainnet of September 2023, before Canyon. What the batches hold must be what the blocks hold, byte by
//! byte: frames, zlib and batches of one block are the same today.
//!
//! They are in `../shared/op-stack/derivation.tar.xz`, from the repository's root (`OP_STACK_DIR` names another folder). Without them
//! the test is skipped with a message.

// By its path: the guests are made of this crate's manifest, and a dependency for tests would make them out of date.
#[allow(unreachable_pub, reason = "elsewhere it is a crate")]
#[path = "../../../skipped/src/lib.rs"]
mod skipped;

use self::skipped::skipped;
use crate::batch::Batch;
use crate::channel::{ChannelBank, batches, decompressed};
use crate::deposits::{TRANSACTION_DEPOSITED, deposit};
use crate::frame::frames;
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Log, LogData, address, keccak256};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

const BATCHER: Address = address!("0x6887246668a3b87F54DeB3b94Ba47a6f63F32985");
const PORTAL: Address = address!("0xbEb5Fc579115071764c7423A4f12eDde41f106Ed");
const INBOX: Address = address!("0xFF00000000000000000000000000000000000010");

fn recorded(kind: &str, number: u64) -> Option<Value> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/op-stack");
    let archive = std::env::var_os("OP_STACK_DIR").map_or(default, PathBuf::from).join("derivation.tar.xz");
    if !archive.exists() {
        skipped(format!("there is no {}", archive.display()));
        return None;
    }
    let file = format!("derivation/{kind}-{number}.json");
    let done = Command::new("tar").arg("-xJOf").arg(&archive).arg(&file).output().unwrap();
    assert!(done.status.success(), "tar cannot read {file}: {}", String::from_utf8_lossy(&done.stderr));
    Some(serde_json::from_slice(&done.stdout).unwrap())
}

fn read(kind: &str, number: u64) -> Option<Value> {
    Some(recorded(kind, number)?["full_blocks"][0][1].clone())
}

fn said<T: std::str::FromStr>(value: &Value) -> Option<T> {
    value.as_str()?.parse().ok()
}

/// A transaction as its block shows it, in its encoding.
fn encoded(shown: &Value) -> Bytes {
    use alloy_consensus::{EthereumTxEnvelope, TxEip4844};
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

#[test]
fn real_deposits_are_those_of_a_real_block() {
    // The first block of L2 that follows an L1 block whose users deposited.
    let (number, block) = (18_090_206, 109_279_675);
    let (Some(l1), Some(l2)) = (recorded("l1", number), read("l2", block)) else { return };
    let hash = said(&l1["full_blocks"][0][1]["hash"]).unwrap();
    let mut ours = Vec::new();
    for receipt in l1["receipts"][0][1].as_array().unwrap() {
        for shown in receipt["logs"].as_array().unwrap() {
            let topics: Vec<B256> =
                shown["topics"].as_array().unwrap().iter().map(|topic| said(topic).unwrap()).collect();
            if said(&shown["address"]) != Some(PORTAL) || topics.first() != Some(&TRANSACTION_DEPOSITED) {
                continue;
            }
            let index = shown["logIndex"].as_str().unwrap().trim_start_matches("0x");
            let index = u64::from_str_radix(index, 16).unwrap();
            let data = LogData::new_unchecked(topics, said(&shown["data"]).unwrap());
            let made = deposit(number, hash, index, &Log { address: PORTAL, data }).unwrap();
            ours.push(keccak256(made.encoded_2718()));
        }
    }
    // A transaction's hash is that of its bytes. The first deposit is L1's attributes.
    let deposits = l2["transactions"].as_array().unwrap().iter().filter(|shown| shown["type"] == "0x7e");
    let theirs: Vec<B256> = deposits.skip(1).map(|shown| said(&shown["hash"]).unwrap()).collect();
    assert!(!theirs.is_empty());
    assert_eq!(ours, theirs);
}
