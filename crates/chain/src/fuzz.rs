//! Answers of nodes and contracts with anything changed in them are read or refused, without a panic.
#![allow(clippy::unwrap_used)]

use crate::{
    Refusal, RollupConfig, Rules,
    config::ScheduledRules,
    contracts::Rollup::{Constants, Schedule, constantsCall, currentRulesCall, scheduledRulesCall},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::TransactionReceipt;
use alloy_sol_types::{SolCall, SolValue};
use proofmill_endpoints::Header;
use proptest::prelude::*;
use serde_json::{Value, json};

fn header() -> Value {
    json!({
        "number": "0x5", "hash": B256::repeat_byte(1), "parentHash": B256::repeat_byte(2),
        "stateRoot": B256::repeat_byte(3), "timestamp": "0x6", "baseFeePerGas": "0x7", "size": "0x1",
        "totalDifficulty": "0x0", "transactions": [], "uncles": [],
    })
}

fn receipt() -> Value {
    json!({
        "type": "0x2", "status": "0x1", "cumulativeGasUsed": "0x5208", "logsBloom": format!("0x{}", "0".repeat(512)),
        "logs": [], "transactionHash": B256::ZERO, "transactionIndex": "0x0", "blockHash": B256::ZERO,
        "blockNumber": "0x5", "gasUsed": "0x5208", "effectiveGasPrice": "0x7", "from": Address::ZERO, "to": Address::ZERO,
        "contractAddress": null,
    })
}

/// What may stand in place of a member.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(0x)?[0-9a-fA-F]{0,80}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("9".repeat(5000))),
    ];
    leaf.prop_recursive(6, 200, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..9)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A right answer with one to three members in another form, or missing.
fn changed(right: Value) -> impl Strategy<Value = Value> {
    let one = (any::<prop::sample::Index>(), prop::option::of(anything()));
    prop::collection::vec(one, 1..4).prop_map(move |changes| {
        let mut answer = right.clone();
        let members = answer.as_object_mut().unwrap();
        for (place, value) in changes {
            let Some(name) = members.keys().nth(place.index(members.len())).cloned() else { continue };
            match value {
                Some(value) => drop(members.insert(name, value)),
                None => drop(members.remove(&name)),
            }
        }
        answer
    })
}

proptest! {
    #[test]
    fn any_block_is_read_or_refused(answer in prop_oneof![changed(header()), anything()]) {
        let _ = serde_json::from_value::<Option<Header>>(answer);
    }

    #[test]
    fn any_receipt_is_read_or_refused(answer in prop_oneof![changed(receipt()), anything()]) {
        let _ = serde_json::from_value::<Option<TransactionReceipt>>(answer);
    }

    /// Words of 32 bytes, most of them small, as offsets and lengths are.
    #[test]
    fn any_answer_of_a_contract_is_read_or_refused(
        words in prop::collection::vec(prop_oneof![
            (0u64..400).prop_map(U256::from),
            any::<u64>().prop_map(U256::from),
            Just(U256::MAX),
            any::<[u8; 32]>().prop_map(U256::from_be_bytes),
        ], 0..40),
        more in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut answer: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes::<32>()).collect();
        answer.extend(more);
        if let Ok(rules) = currentRulesCall::abi_decode_returns_validate(&answer) {
            let _ = Rules::from_abi(Address::ZERO, rules.current);
        }
        if let Ok(scheduled) = scheduledRulesCall::abi_decode_returns_validate(&answer) {
            let _ = ScheduledRules::from_abi(Address::ZERO, scheduled);
        }
        if let Ok(constants) = constantsCall::abi_decode_returns_validate(&answer) {
            let rules = Rules { config_hash: B256::ZERO, proposer: Address::ZERO, proof_types: Vec::new() };
            let _ = RollupConfig::from_abi(Address::ZERO, constants, rules);
        }
        let _ = Constants::abi_decode_validate(&answer);
        let _ = Schedule::abi_decode_validate(&answer);
        let _ = Refusal::decode(&Bytes::from(answer));
    }
}

/// Members that Ethereum's blocks have, or other chains' have not, do not matter here.
#[test]
fn blocks_are_read_by_what_is_used_of_them() {
    let right: Header = serde_json::from_value(header()).unwrap();
    for (name, value) in [
        ("totalDifficulty", json!("58750000000000000000000")),
        ("totalDifficulty", Value::Null),
        ("size", Value::Null),
        ("uncles", Value::Null),
        ("transactions", Value::Null),
        ("l1BlockNumber", json!("0x5")),
        ("number", json!(5)),
    ] {
        let mut answer = header();
        answer[name] = value;
        let read: Header = serde_json::from_value(answer).unwrap();
        assert_eq!(read, right, "{name}");
    }
    let mut legacy = header();
    legacy["baseFeePerGas"] = Value::Null;
    assert_eq!(serde_json::from_value::<Header>(legacy).unwrap().base_fee_per_gas, None);
}
