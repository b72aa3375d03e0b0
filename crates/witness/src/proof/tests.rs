//! Proofs in the forms of the clients, and false ones.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::{FORMS, is_about_form, nodes, verified};
use crate::{BuildError, blocks::StateAt, rpc::Fault};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount, proof::ProofRetainer};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A state of 200 accounts, the first with 50 slots.
pub(crate) struct Example {
    pub(crate) at: StateAt,
    pub(crate) account: Address,
    absent: Address,
    accounts: BTreeMap<B256, Vec<u8>>,
    slots: BTreeMap<B256, Vec<u8>>,
    pub(crate) expected: TrieAccount,
}

fn address(number: u64) -> Address {
    Address::left_padding_from(&number.to_be_bytes())
}

fn trie(leaves: &BTreeMap<B256, Vec<u8>>, key: B256) -> (B256, Vec<Bytes>) {
    let key = Nibbles::unpack(key);
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(vec![key]));
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes();
    (root, nodes.matching_nodes_sorted(&key).into_iter().map(|(_, node)| node).collect())
}

impl Example {
    pub(crate) fn new() -> Self {
        let slot =
            |slot: u64| (keccak256(B256::from(U256::from(slot))), alloy_rlp::encode(U256::from(slot + 7)));
        let slots: BTreeMap<_, _> = (0..50).map(slot).collect();
        let (storage_root, _) = trie(&slots, B256::ZERO);
        let expected =
            TrieAccount { nonce: 3, balance: U256::from(5), storage_root, code_hash: keccak256("code") };
        let plain = TrieAccount { storage_root: EMPTY_ROOT_HASH, code_hash: KECCAK256_EMPTY, ..expected };
        let account =
            |n: u64| (keccak256(address(n)), alloy_rlp::encode(if n == 1 { expected } else { plain }));
        let accounts: BTreeMap<_, _> = (1..=200).map(account).collect();
        let (root, _) = trie(&accounts, B256::ZERO);
        let at = StateAt { block: 7, hash: keccak256("block"), root };
        Self { at, account: address(1), absent: address(201), accounts, slots, expected }
    }

    /// What geth answers.
    pub(crate) fn answer(&self, account: Address, slots: &[u64]) -> Value {
        let leaf = self.accounts.get(&keccak256(account));
        let shown = leaf.map(|leaf| alloy_rlp::decode_exact::<TrieAccount>(leaf).unwrap());
        let none = BTreeMap::new();
        let storage = if account == self.account { &self.slots } else { &none };
        let slots = slots.iter().map(|slot| {
            let key = B256::from(U256::from(*slot));
            let leaf = storage.get(&keccak256(key));
            let value = leaf.map(|leaf| alloy_rlp::decode_exact::<U256>(leaf).unwrap()).unwrap_or_default();
            let proof = if storage.is_empty() { Vec::new() } else { trie(storage, keccak256(key)).1 };
            json!({ "key": key, "value": value, "proof": proof })
        });
        json!({
            "address": account,
            "accountProof": trie(&self.accounts, keccak256(account)).1,
            "balance": shown.map(|shown| shown.balance).unwrap_or_default(),
            "nonce": shown.map(|shown| U256::from(shown.nonce)).unwrap_or_default(),
            "codeHash": shown.map_or(B256::ZERO, |shown| shown.code_hash),
            "storageHash": shown.map_or(B256::ZERO, |shown| shown.storage_root),
            "storageProof": slots.collect::<Vec<_>>(),
        })
    }
}

fn slots(numbers: &[u64]) -> Vec<U256> {
    numbers.iter().map(|number| U256::from(*number)).collect()
}

/// An account with slots 1, 9 and 1,000, which is not there.
fn read(example: &Example, answer: &Value) -> Result<Vec<u64>, BuildError> {
    let proven = verified(example.at, example.account, &slots(&[1, 9, 1000]), &answer.to_string())?;
    assert_eq!(proven.account, Some(example.expected));
    Ok(proven.slots.iter().map(|(_, value)| value.to()).collect())
}

#[test]
fn what_is_claimed_beside_a_right_proof_is_not_read() {
    let example = Example::new();
    let right = example.answer(example.account, &[1, 9, 1000]);
    assert_eq!(read(&example, &right).unwrap(), [8, 16, 0]);
    for field in ["address", "balance", "nonce", "codeHash", "storageHash"] {
        for value in [Value::Null, json!("0x0"), json!("0x1234"), json!(5), json!([]), json!({ "a": 1 })] {
            let mut answer = right.clone();
            answer[field] = value;
            assert_eq!(read(&example, &answer).unwrap(), [8, 16, 0], "{field}");
        }
        let mut answer = right.clone();
        answer.as_object_mut().unwrap().remove(field);
        assert_eq!(read(&example, &answer).unwrap(), [8, 16, 0], "{field}");
    }
    // A slot that is shown as 0, as null, or not at all.
    for value in [json!("0x0"), Value::Null, json!("0x"), json!("0xffff")] {
        let mut answer = right.clone();
        answer["storageProof"][0]["value"] = value;
        assert_eq!(read(&example, &answer).unwrap(), [8, 16, 0]);
    }
}

#[test]
fn slots_are_found_in_any_order_and_under_any_key() {
    let example = Example::new();
    let right = example.answer(example.account, &[1, 9, 1000]);
    for key in [json!("0x1"), json!("0x01"), json!("1"), json!(1), Value::Null, json!("0x09")] {
        let mut answer = right.clone();
        answer["storageProof"][0]["key"] = key;
        assert_eq!(read(&example, &answer).unwrap(), [8, 16, 0]);
    }
    let mut answer = right.clone();
    answer["storageProof"].as_array_mut().unwrap().reverse();
    answer["storageProof"].as_array_mut().unwrap().insert(1, Value::Null);
    answer["accountProof"].as_array_mut().unwrap().reverse();
    answer["accountProof"].as_array_mut().unwrap().extend([json!("0x1234"), Value::Null, json!("0x")]);
    assert_eq!(read(&example, &answer).unwrap(), [8, 16, 0]);
    // All nodes in one list.
    let mut answer = right.clone();
    let all: Vec<Value> = right["storageProof"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|slot| slot["proof"].as_array().unwrap().clone())
        .collect();
    answer["accountProof"].as_array_mut().unwrap().extend(all);
    answer["storageProof"] = Value::Null;
    assert_eq!(read(&example, &answer).unwrap(), [8, 16, 0]);
}

#[test]
fn accounts_that_are_not_there_are_read_in_every_form() {
    let example = Example::new();
    let right = example.answer(example.absent, &[5]);
    let absent = |answer: &Value| {
        let proven = verified(example.at, example.absent, &slots(&[5]), &answer.to_string()).unwrap();
        assert_eq!((proven.account, proven.slots), (None, vec![(U256::from(5), U256::ZERO)]));
    };
    for hashes in [[B256::ZERO; 2], [KECCAK256_EMPTY, EMPTY_ROOT_HASH], [B256::ZERO, EMPTY_ROOT_HASH]] {
        let mut answer = right.clone();
        answer["codeHash"] = json!(hashes[0]);
        answer["storageHash"] = json!(hashes[1]);
        absent(&answer);
    }
    for storage in
        [Value::Null, json!([]), json!([null]), json!([{ "key": "0x5", "value": "0x0", "proof": null }])]
    {
        let mut answer = right.clone();
        answer["storageProof"] = storage;
        absent(&answer);
    }
    let mut answer = right.clone();
    for field in ["balance", "nonce", "codeHash", "storageHash"] {
        answer[field] = Value::Null;
    }
    answer.as_object_mut().unwrap().remove("storageProof");
    absent(&answer);

    // Nothing is in an empty trie, and nothing needs to be shown of it.
    let empty = StateAt { root: EMPTY_ROOT_HASH, ..example.at };
    for answer in [
        json!({}),
        json!({ "accountProof": [] }),
        json!({ "accountProof": null }),
        json!({ "accountProof": ["0x80"] }),
    ] {
        let proven = verified(empty, example.account, &slots(&[5]), &answer.to_string()).unwrap();
        assert_eq!((proven.account, proven.slots.len()), (None, 1), "{answer}");
    }
    // An account without storage.
    let plain = example.answer(address(2), &[5]);
    let proven = verified(example.at, address(2), &slots(&[5]), &plain.to_string()).unwrap();
    assert_eq!(proven.slots, [(U256::from(5), U256::ZERO)]);
}

#[test]
fn a_wrong_proof_is_refused() {
    let example = Example::new();
    let right = example.answer(example.account, &[1, 9, 1000]);
    let refused = |answer: &Value| {
        let error = read(&example, answer).unwrap_err();
        assert!(matches!(error, BuildError::FalseProof { .. }), "{error}");
    };
    // Each node on its way, changed or missing.
    let lists = ["/accountProof", "/storageProof/0/proof", "/storageProof/1/proof", "/storageProof/2/proof"];
    for list in lists {
        let nodes = right.pointer(list).unwrap().as_array().unwrap().len();
        for place in 0..nodes {
            let mut answer = right.clone();
            for other in lists {
                let node = right.pointer(list).unwrap()[place].clone();
                answer.pointer_mut(other).unwrap().as_array_mut().unwrap().retain(|other| *other != node);
            }
            refused(&answer);
            let mut answer = answer.clone();
            let mut node = right.pointer(list).unwrap()[place].as_str().unwrap().to_owned();
            node.replace_range(node.len() - 1.., if node.ends_with('1') { "2" } else { "1" });
            answer.pointer_mut(list).unwrap().as_array_mut().unwrap().push(json!(node));
            refused(&answer);
        }
    }
    // Of another account, of another state.
    refused(&example.answer(example.absent, &[1, 9, 1000]));
    refused(&example.answer(address(2), &[1, 9, 1000]));
    let other = StateAt { root: keccak256("another state"), ..example.at };
    let error = verified(other, example.account, &[], &right.to_string()).unwrap_err();
    assert!(matches!(error, BuildError::FalseProof { .. }), "{error}");
    // Not all slots.
    refused(&example.answer(example.account, &[1, 9]));
    // An account that is there is not shown as absent, whatever is claimed.
    let mut answer = right.clone();
    answer["accountProof"].as_array_mut().unwrap().pop();
    for field in ["balance", "nonce", "codeHash", "storageHash"] {
        answer[field] = Value::Null;
    }
    refused(&answer);
}

#[test]
fn answers_without_a_proof_are_malformed() {
    let example = Example::new();
    for answer in [
        "null",
        "{}",
        "[]",
        "5",
        "{\"nonsense\": true}",
        "{\"accountProof\": 5}",
        "{\"accountProof\": [5]}",
        "{\"accountProof\": [\"0x1\"]}",
        "{\"acc",
    ] {
        let error = verified(example.at, example.account, &[], answer).unwrap_err();
        assert!(matches!(error, BuildError::Malformed { method: "eth_getProof", .. }), "{answer}: {error}");
    }
    assert!(nodes("{\"accountProof\": [], \"storageProof\": [5]}", EMPTY_ROOT_HASH).is_err());
}

/// A leaf with the value zero, as anvil keeps it.
#[test]
fn a_leaf_of_zero_is_named() {
    let mut example = Example::new();
    example.slots.insert(keccak256(B256::from(U256::from(1))), vec![0x80]);
    let (storage_root, _) = trie(&example.slots, B256::ZERO);
    let account = TrieAccount { storage_root, ..example.expected };
    example.accounts.insert(keccak256(example.account), alloy_rlp::encode(account));
    example.at.root = trie(&example.accounts, B256::ZERO).0;
    let answer = example.answer(example.account, &[1]).to_string();
    let error = verified(example.at, example.account, &slots(&[1]), &answer).unwrap_err();
    assert!(matches!(error, BuildError::ZeroLeaf { slot, .. } if slot == U256::from(1)), "{error}");
}

#[test]
fn requests_are_made_in_four_forms() {
    let example = Example::new();
    let states: Vec<Value> = FORMS.iter().map(|form| form.state(example.at)).collect();
    assert_eq!(states[0], json!({ "blockHash": example.at.hash }));
    assert_eq!(states[1], json!("0x7"));
    let keys: Vec<Value> = FORMS.iter().map(|form| form.slots(&slots(&[10]))).collect();
    assert_eq!(keys[0], json!([B256::with_last_byte(10)]));
    assert_eq!(keys[2], json!(["0xa"]));
}

/// What clients say of a block or a slot in a form that they do not take, and what they say of other things.
#[test]
fn refusals_of_a_form_are_told_from_others() {
    for words in [
        "invalid argument 2: json: cannot unmarshal object into Go value of type string (code -32602)",
        "invalid argument 1: hex string without 0x prefix (code -32000)",
        "Invalid params: invalid type: map, expected a string (code -32602)",
        "Cannot convert string to buffer. toBuffer only supports 0x-prefixed hex strings and this string was given: \
         0x[object Object] (code -32000)",
        "Errors encountered in param 1: Invalid value supplied to : QUANTITY (code -32602)",
        "unable to decode storage key: hex string too short, want 32 bytes (code -32000)",
        "Invalid block hash: 24d0ff at line 2 column 91 (code -32602)",
        "HTTP status 400",
    ] {
        assert!(is_about_form(&Fault::Refused(words.to_owned())), "{words}");
    }
    for words in ["execution timeout (code -32000)", "internal error (code -32603)", "HTTP status 403"] {
        assert!(!is_about_form(&Fault::Refused(words.to_owned())), "{words}");
    }
    assert!(!is_about_form(&Fault::NoHistory("invalid argument".to_owned())));
    assert!(!is_about_form(&Fault::NoHistory("invalid argument".to_owned())));
}
