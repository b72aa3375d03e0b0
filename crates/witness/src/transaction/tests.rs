//! Transactions and blocks as clients show them.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::{Unread, encoded};
use crate::{BuildError, blocks};
use alloy_consensus::{
    EthereumTxEnvelope, Header, Signed, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxEnvelope, TxLegacy,
};
use alloy_eips::{
    Encodable2718,
    eip2930::{AccessList, AccessListItem},
    eip4895::Withdrawal,
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_trie::root::ordered_trie_root_encoded;
use serde_json::{Value, json, value::RawValue};

type Envelope = EthereumTxEnvelope<TxEip4844>;

fn signature(odd: bool) -> Signature {
    Signature::new(U256::from(0x1234_5678), U256::from_be_bytes(keccak256("s").0) >> 2, odd)
}

fn list() -> AccessList {
    let keys = vec![B256::with_last_byte(1), keccak256("slot")];
    AccessList(vec![
        AccessListItem { address: Address::with_last_byte(4), storage_keys: keys },
        AccessListItem { address: Address::with_last_byte(5), storage_keys: Vec::new() },
    ])
}

/// One of each type, and variants of the first.
pub(crate) fn examples() -> Vec<Envelope> {
    let to = TxKind::Call(Address::with_last_byte(9));
    let (value, input) = (U256::from(1_000_000_000_000_000_000u64), Bytes::from_static(&[0, 1, 2]));
    let legacy = |chain_id, to, odd| {
        let transaction =
            TxLegacy { chain_id, nonce: 0, gas_price: 7, gas_limit: 21_000, to, value, input: input.clone() };
        Envelope::from(Signed::new_unhashed(transaction, signature(odd)))
    };
    let authorization = |parity| {
        let inner =
            Authorization { chain_id: U256::from(901), address: Address::with_last_byte(7), nonce: 2 };
        SignedAuthorization::new_unchecked(inner, parity, U256::from(5), U256::from(6))
    };
    let (chain_id, nonce, gas_limit) = (901, 300, 60_000);
    let (max_fee_per_gas, max_priority_fee_per_gas) = (2_000_000_000, 1);
    let fees = TxEip1559 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas,
        max_priority_fee_per_gas,
        to,
        value,
        access_list: list(),
        input: input.clone(),
    };
    let listed = TxEip2930 {
        chain_id,
        nonce,
        gas_price: 7,
        gas_limit,
        to: TxKind::Create,
        value,
        access_list: list(),
        input: input.clone(),
    };
    let blobs = TxEip4844 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas,
        max_priority_fee_per_gas,
        to: Address::ZERO,
        value,
        access_list: AccessList::default(),
        blob_versioned_hashes: vec![keccak256("blob")],
        max_fee_per_blob_gas: 3,
        input: input.clone(),
    };
    let codes = TxEip7702 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas,
        max_priority_fee_per_gas,
        to: Address::ZERO,
        value,
        access_list: list(),
        authorization_list: vec![authorization(0), authorization(1), authorization(27)],
        input: input.clone(),
    };
    vec![
        legacy(None, to, false),
        legacy(None, TxKind::Create, true),
        legacy(Some(901), to, false),
        legacy(Some(901), to, true),
        Signed::new_unhashed(listed, signature(true)).into(),
        Signed::new_unhashed(fees.clone(), signature(false)).into(),
        Signed::new_unhashed(TxEip1559 { access_list: AccessList::default(), ..fees }, signature(true))
            .into(),
        Signed::new_unhashed(blobs, signature(true)).into(),
        Signed::new_unhashed(codes, signature(false)).into(),
    ]
}

/// As a node shows it in a block.
pub(crate) fn shown(transaction: &Envelope) -> Value {
    let mut shown = serde_json::to_value(TxEnvelope::from(transaction.clone())).unwrap();
    for (name, value) in [
        ("blockHash", json!(B256::ZERO)),
        ("blockNumber", json!("0x5")),
        ("transactionIndex", json!("0x0")),
        ("from", json!(Address::ZERO)),
    ] {
        shown[name] = value;
    }
    shown
}

fn read(shown: &Value) -> Result<Bytes, Unread> {
    let raw: Box<RawValue> = serde_json::from_str(&shown.to_string()).unwrap();
    encoded(&raw)
}

#[test]
fn every_type_is_read_as_it_is_signed() {
    for transaction in examples() {
        let shown = shown(&transaction);
        assert_eq!(read(&shown).unwrap(), transaction.encoded_2718(), "{shown}");
    }
}

#[test]
fn odd_forms_of_transactions_are_read() {
    type Change = fn(&mut serde_json::Map<String, Value>);
    let changes: [(&str, Change); 12] = [
        ("what is not signed is missing", |shown| {
            for name in ["hash", "from", "blockHash", "blockNumber", "transactionIndex"] {
                shown.remove(name);
            }
        }),
        ("what is not signed is null or nonsense", |shown| {
            for name in ["hash", "from", "blockHash", "blockNumber", "transactionIndex", "sourceHash", "mint"]
            {
                shown.insert(name.to_owned(), Value::Null);
            }
            shown.insert("from".to_owned(), json!("nobody"));
            shown.insert("isSystemTx".to_owned(), json!({ "a": [1] }));
        }),
        ("only `v`", |shown| {
            shown.remove("yParity").into_iter().for_each(|parity| drop(shown.insert("v".to_owned(), parity)));
        }),
        ("`v` of old in typed transactions", |shown| {
            if let Some(parity) = shown.remove("yParity") {
                let v = if parity == json!("0x0") { "0x1b" } else { "0x1c" };
                shown.insert("v".to_owned(), json!(v));
            }
        }),
        ("both", |shown| {
            if let Some(parity) = shown.get("yParity").cloned() {
                shown.insert("v".to_owned(), parity);
            }
        }),
        ("a gas price beside fees", |shown| {
            if shown.contains_key("maxFeePerGas") {
                shown.insert("gasPrice".to_owned(), json!("0x7"));
            }
        }),
        ("no type", |shown| drop(shown.remove("type"))),
        ("lists that are null", |shown| {
            if shown.get("accessList").is_some_and(|list| list == &json!([])) {
                shown.insert("accessList".to_owned(), Value::Null);
            }
        }),
        ("other names", |shown| {
            if let (Some(input), Some(gas)) = (shown.remove("input"), shown.remove("gas")) {
                shown.insert("data".to_owned(), input);
                shown.insert("gasLimit".to_owned(), gas);
            }
        }),
        ("numbers", |shown| {
            shown.insert(
                "nonce".to_owned(),
                json!(
                    u64::from_str_radix(shown["nonce"].as_str().unwrap().trim_start_matches("0x"), 16)
                        .unwrap()
                ),
            );
        }),
        ("leading zeros", |shown| {
            for name in ["r", "s", "value", "nonce"] {
                let digits = shown[name].as_str().unwrap().trim_start_matches("0x").to_owned();
                shown.insert(name.to_owned(), json!(format!("0x{digits:0>64}")));
            }
        }),
        ("a sidecar", |shown| {
            drop(shown.insert("sidecar".to_owned(), json!({ "blobs": ["0x00"], "proofs": 5 })))
        }),
    ];
    for (what, change) in changes {
        for transaction in examples() {
            let mut shown = shown(&transaction);
            // Without a type, an empty list does not tell.
            change(shown.as_object_mut().unwrap());
            assert_eq!(read(&shown).unwrap(), transaction.encoded_2718(), "{what}: {shown}");
        }
    }
}

/// An older form of protected transactions: the parity, and the chain beside it.
#[test]
fn a_legacy_parity_takes_the_chain_that_is_said() {
    let protected = &examples()[3];
    let mut shown = shown(protected);
    shown["v"] = json!("0x1");
    shown["chainId"] = json!("0x385");
    assert_eq!(read(&shown).unwrap(), protected.encoded_2718());
    for nothing in [json!(""), json!("0x"), Value::Null] {
        let creation = &examples()[1];
        let mut shown = super::tests::shown(creation);
        shown["to"] = nothing;
        assert_eq!(read(&shown).unwrap(), creation.encoded_2718());
    }
}

#[test]
fn what_is_signed_must_be_there() {
    for transaction in examples() {
        let right = shown(&transaction);
        for name in ["nonce", "gas", "r", "s"] {
            let mut shown = right.clone();
            shown.as_object_mut().unwrap().remove(name);
            assert!(matches!(read(&shown), Err(Unread::Member(_))), "{name}");
        }
    }
    assert!(matches!(read(&json!(B256::ZERO)), Err(Unread::Member(reason)) if reason.contains("hashes")));
    let mut deposit = shown(&examples()[0]);
    deposit["type"] = json!("0x7e");
    assert!(matches!(read(&deposit), Err(Unread::Member(reason)) if reason.contains("sourcehash")));
    let mut unknown = shown(&examples()[0]);
    unknown["type"] = json!("0x7d");
    assert!(matches!(read(&unknown), Err(Unread::Unsupported(reason)) if reason.contains("0x7d")));
    let mut dear = shown(&examples()[0]);
    dear["gasPrice"] = json!("0x100000000000000000000000000000000");
    assert!(matches!(read(&dear), Err(Unread::Unsupported(_))));
}

/// A block with all of them, as a node shows it.
pub(crate) fn block() -> Value {
    let bodies: Vec<Vec<u8>> = examples().iter().map(Encodable2718::encoded_2718).collect();
    let withdrawals =
        vec![Withdrawal { index: 1, validator_index: 2, address: Address::with_last_byte(3), amount: 4 }];
    let header = Header {
        number: 5,
        transactions_root: ordered_trie_root_encoded(&bodies),
        withdrawals_root: Some(alloy_consensus::proofs::calculate_withdrawals_root(&withdrawals)),
        base_fee_per_gas: Some(7),
        blob_gas_used: Some(131_072),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        extra_data: Bytes::from_static(b"extra"),
        ..Default::default()
    };
    let mut block = serde_json::to_value(&header).unwrap();
    block["hash"] = json!(header.hash_slow());
    block["transactions"] = examples().iter().map(shown).collect();
    block["withdrawals"] = json!(withdrawals);
    block["size"] = json!("0x500");
    block["totalDifficulty"] = json!("0x0");
    block["uncles"] = json!([]);
    block
}

#[test]
fn odd_forms_of_blocks_are_read() {
    let right = block();
    let wanted = blocks::block(&right.to_string(), 5).unwrap();
    assert_eq!(wanted.transactions.len(), examples().len());
    for (name, value) in [
        ("size", Value::Null),
        ("size", json!(1280)),
        ("totalDifficulty", Value::Null),
        ("totalDifficulty", json!("58750000000000000000000")),
        ("totalDifficulty", json!("nonsense")),
        ("uncles", Value::Null),
        ("hash", Value::Null),
        ("difficulty", Value::Null),
        ("difficulty", json!("0")),
        ("nonce", Value::Null),
        ("nonce", json!("0x0")),
        ("mixHash", Value::Null),
        ("logsBloom", Value::Null),
        ("sha3Uncles", Value::Null),
        ("author", json!("0x0000000000000000000000000000000000000001")),
        ("requestsHash", Value::Null),
        ("slotNumber", Value::Null),
        ("l1BlockNumber", json!("0x5")),
        ("number", json!(5)),
        ("gasLimit", json!("0x00")),
        ("baseFeePerGas", json!("7")),
    ] {
        let mut block = right.clone();
        block[name] = value.clone();
        assert_eq!(blocks::block(&block.to_string(), 5).unwrap(), wanted, "{name}: {value}");
        if value.is_null() {
            block.as_object_mut().unwrap().remove(name);
            assert_eq!(blocks::block(&block.to_string(), 5).unwrap(), wanted, "no {name}");
        }
    }
    // What is in the hash still counts.
    for name in ["stateRoot", "baseFeePerGas", "extraData", "withdrawalsRoot", "excessBlobGas", "timestamp"] {
        let mut block = right.clone();
        block[name] = Value::Null;
        let error = blocks::block(&block.to_string(), 5).unwrap_err();
        assert!(
            matches!(error, BuildError::FalseHeader { .. } | BuildError::Malformed { .. }),
            "{name}: {error}"
        );
    }
    let mut block = right.clone();
    block["transactions"][2]["value"] = json!("0x1");
    let error = blocks::block(&block.to_string(), 5).unwrap_err();
    assert!(matches!(error, BuildError::FalseBody { what: "transactions", .. }), "{error}");
    block["transactions"] = json!([B256::ZERO]);
    let error = blocks::block(&block.to_string(), 5).unwrap_err();
    assert!(error.to_string().contains("hashes in place of transactions"), "{error}");
}

/// Some nodes leave an empty list of withdrawals out.
#[test]
fn an_empty_list_of_withdrawals_may_be_left_out() {
    let header =
        Header { number: 5, withdrawals_root: Some(alloy_trie::EMPTY_ROOT_HASH), ..Default::default() };
    let mut block = serde_json::to_value(&header).unwrap();
    block["transactions"] = json!([]);
    block["hash"] = json!(header.hash_slow());
    assert_eq!(blocks::block(&block.to_string(), 5).unwrap().withdrawals, Some(Vec::new()));
    block["withdrawals"] =
        json!([{ "index": "0x0", "validatorIndex": "0x0", "address": Address::ZERO, "amount": "0x1" }]);
    assert!(matches!(
        blocks::block(&block.to_string(), 5),
        Err(BuildError::FalseBody { what: "withdrawals", .. })
    ));
}
