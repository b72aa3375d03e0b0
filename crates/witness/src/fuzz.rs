//! Answers of nodes, and genesis files, with anything changed in them: whatever comes, reading ends, without a panic, soon
//! and in memory that is in proportion to the text; and what is proven stays what it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::{
    blocks::{block, sealed_header},
    eth_config::{EthConfig, genesis_hash},
    execution_witness::BlockWitness,
    genesis,
    proof::{tests::Example, verified},
    transaction,
};
use alloy_primitives::{B256, Bytes, U256};
use serde_json::{Value, json};
use std::time::Duration;

const ROUNDS: u64 = 1500;
/// In place of what `serde_json` cannot hold.
const PLACEHOLDER: &str = "@here@";

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// A random value in the tree.
fn somewhere<'a>(value: &'a mut Value, random: &mut Random) -> &'a mut Value {
    let items = match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    };
    if items == 0 || random.below(6) == 0 {
        return value;
    }
    let place = random.below(items);
    let child = match value {
        Value::Array(items) => items.get_mut(place),
        Value::Object(members) => members.values_mut().nth(place),
        _ => None,
    };
    somewhere(child.unwrap(), random)
}

/// The text with one to three things changed.
fn changed(value: &Value, random: &mut Random) -> String {
    let mut value = value.clone();
    let mut raw = None;
    for _ in 0..=random.below(3) {
        let at = somewhere(&mut value, random);
        match random.below(18) {
            0 => *at = Value::Null,
            1 => *at = json!(true),
            2 => *at = json!(-1),
            3 => *at = json!(u64::MAX),
            4 => *at = json!(1.5e300),
            5 => *at = json!([]),
            6 => *at = json!({}),
            7 => *at = json!(""),
            8 => *at = json!("0x"),
            9 => *at = json!(format!("0x{}", "f".repeat(random.below(200)))),
            10 => *at = json!("0x1234567".repeat(random.below(50))),
            11 => match at {
                Value::Object(members) if !members.is_empty() => {
                    let name = members.keys().nth(random.below(members.len())).unwrap().clone();
                    members.remove(&name);
                }
                Value::Array(items) if !items.is_empty() => drop(items.remove(random.below(items.len()))),
                _ => *at = Value::Null,
            },
            12 => match at {
                Value::String(text) => text.truncate(text.len() / 2),
                Value::Array(items) => items.reverse(),
                at => *at = json!("text"),
            },
            13 => match at {
                Value::Array(items) if !items.is_empty() && items.len() < 100 => {
                    let item = items[random.below(items.len())].clone();
                    items.extend(std::iter::repeat_n(item, 300));
                }
                at => *at = json!(vec![0; 3000]),
            },
            14 => *at = json!([at.clone()]),
            15 => *at = json!({ "state": at.clone(), "value": 5 }),
            _ => {
                *at = json!(PLACEHOLDER);
                raw = Some(match random.below(6) {
                    0 => "9".repeat(5000),
                    1 => "1e999999999".to_owned(),
                    2 => format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
                    3 => format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000)),
                    4 => format!("\"{}\"", "\\ud800".repeat(100)),
                    _ => "nul".to_owned(),
                });
            }
        }
    }
    let mut text = value.to_string();
    if let Some(raw) = raw {
        text = text.replacen(&format!("\"{PLACEHOLDER}\""), &raw, 1);
    }
    match random.below(12) {
        0 => {
            let mut end = random.below(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        1 => text = text.replacen('{', "{\"number\":\"0x5\",\"Number\":6,", 1),
        2 => text.push_str("]}"),
        _ => {}
    }
    text
}

fn fuzzed(seed: u64, value: &Value, read: impl Fn(&str)) {
    let mut random = Random(seed);
    read(&value.to_string());
    for round in 0..ROUNDS {
        let text = changed(value, &mut random);
        let begun = computed();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(&text)));
        let took = computed() - begun;
        assert!(outcome.is_ok(), "round {round}: {}", &text[..text.len().min(3000)]);
        assert!(
            took < Duration::from_secs(2),
            "round {round} took {took:?}: {}",
            &text[..text.len().min(3000)]
        );
    }
}

#[test]
fn any_answer_to_get_block_by_number_is_read_or_refused() {
    fuzzed(1, &transaction::tests::block(), |text| {
        let _ = block(text, 5);
        let _ = sealed_header(text, Some(5));
        let _ = sealed_header(text, None);
        let _ = genesis_hash(text);
    });
}

#[test]
fn any_answer_to_get_proof_gives_the_right_account_or_none() {
    let example = Example::new();
    let answer = example.answer(example.account, &[1, 9, 1000]);
    let slots = [1, 9, 1000].map(U256::from);
    fuzzed(2, &answer, |text| {
        if let Ok(proven) = verified(example.at, example.account, &slots, text) {
            assert_eq!(proven.account, Some(example.expected));
            assert_eq!(
                proven.slots,
                [(slots[0], U256::from(8)), (slots[1], U256::from(16)), (slots[2], U256::ZERO)]
            );
        }
    });
}

#[test]
fn any_answer_to_execution_witness_is_read_or_refused() {
    let witness = |headers: Value| {
        let nodes: Vec<Bytes> = (0..20u8).map(|n| vec![n; 40].into()).collect();
        json!({ "state": nodes, "codes": nodes[..3], "keys": null, "headers": headers })
    };
    let mut header = transaction::tests::block();
    header.as_object_mut().unwrap().remove("transactions");
    fuzzed(3, &witness(json!([header, header])), |text| drop(BlockWitness::read(text)));
    fuzzed(4, &witness(json!(["0xf90211", "0xc0"])), |text| drop(BlockWitness::read(text)));
    fuzzed(5, &json!("0xe1c0c0de83010203"), |text| drop(BlockWitness::read(text)));
    let by_hash: serde_json::Map<String, Value> =
        (0..9u8).map(|n| (B256::repeat_byte(n).to_string(), json!("0x1234"))).collect();
    fuzzed(6, &json!({ "state": by_hash, "codes": by_hash }), |text| drop(BlockWitness::read(text)));
}

#[test]
fn any_genesis_file_is_read_or_refused() {
    for (seed, file) in [(7, genesis::tests::geth()), (8, genesis::tests::chainspec::nethermind())] {
        fuzzed(seed, &file, |text| {
            let _ = genesis::read(text.as_bytes());
            let _ = genesis::foreign_rules(text);
        });
    }
}

#[test]
fn any_answer_to_eth_config_is_read_or_refused() {
    let file = genesis::read(genesis::tests::geth().to_string().as_bytes()).unwrap();
    let fork = |from: u64| {
        json!({
            "activationTime": from, "chainId": "0x1092", "forkId": "0x01020304",
            "blobSchedule": { "target": 3, "max": 6, "baseFeeUpdateFraction": 3338477 },
            "precompiles": { "ECREC": "0x0000000000000000000000000000000000000001" },
            "systemContracts": { "DEPOSIT_CONTRACT_ADDRESS": "0x4242424242424242424242424242424242424242" },
        })
    };
    let answer = json!({ "current": fork(1000), "next": fork(2000), "last": fork(4000) });
    fuzzed(9, &answer, |text| {
        if let Ok(config) = EthConfig::read(text) {
            let _ = config.compare(&file, Some(B256::ZERO));
        }
    });
}

/// How long this thread has computed: what other processes take of the machine is not in it.
fn computed() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    // Behind its name: its time as a program and in the kernel, in hundredths of a second (`proc_pid_stat(5)`).
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    let hundredths: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(hundredths * 10)
}

/// The peak of this process's memory, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Depth costs no more than length: nothing here calls itself for what is inside.
#[test]
fn time_is_in_proportion_to_the_answer() {
    let read = |depth: usize| {
        let nested =
            format!("{{\"headers\":[{}1{}],\"state\":[]}}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let begun = computed();
        for _ in 0..4 {
            BlockWitness::read(&nested).unwrap();
        }
        computed() - begun
    };
    let (short, long) = (read(20_000), read(200_000));
    assert!(long < short * 60 + Duration::from_secs(1), "{short:?}, {long:?}");
}

/// Of the answers that grow most when they are read: many small items.
#[test]
fn memory_is_in_proportion_to_the_answer() {
    const SIZE: usize = 2 << 20;
    let items = |item: &str| vec![item; SIZE / (item.len() + 1)].join(",");
    let example = Example::new();
    let texts = [
        format!("{{\"accountProof\":[{}]}}", items("\"0x\"")),
        format!("{{\"accountProof\":[],\"storageProof\":[{}]}}", items("{}")),
        format!("{{\"state\":[{}]}}", items("\"\"")),
        format!("{{\"state\":[],\"headers\":[{}]}}", items("{}")),
        format!("{{\"transactions\":[{}]}}", items("1")),
        format!("{{{}}}", items("\"a\":1")),
        "[".repeat(SIZE),
        format!("{{\"config\":{{\"chainId\":{}}}}}", "9".repeat(SIZE)),
    ];
    let before = peak();
    for text in texts {
        let _ = verified(example.at, example.account, &[], &text);
        let _ = BlockWitness::read(&text);
        let _ = block(&text, 5);
        let _ = genesis::read(text.as_bytes());
    }
    let grown = peak() - before;
    assert!(grown < 40 * SIZE as u64, "{grown} bytes for texts of {SIZE}");
}
