//! Real blocks of OP Sepolia, of Holocene.
//!
//! They are in `../shared/op-stack/execution.tar.xz`, from the repository's root (`OP_STACK_DIR` names another
//! folder): for each the parent's header, the attributes, the expected hash, and every node and code that it reads.
//! Without them the tests are skipped with a message.

use crate::common::{decoded, input, run};
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, U64, map::B256Map};
use proofmill_optimism::{OpAttributes, OpError, OpRules, build, known_rules, rules_from_rollup_config};
use proofmill_stateless::{Block, ChainSpec, Witness};
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// These follow on each other; the fifth is 421 blocks later.
const BLOCKS: [u64; 5] = [26_207_960, 26_207_961, 26_207_962, 26_207_963, 26_208_384];

#[derive(Deserialize)]
struct Fixture {
    rollup_config: serde_json::Value,
    parent_header: Header,
    executing_payload: Payload,
    expected_block_hash: B256,
    kv: B256Map<Bytes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    timestamp: U64,
    prev_randao: B256,
    parent_beacon_block_root: B256,
    transactions: Vec<Bytes>,
    gas_limit: U64,
    eip1559_params: Bytes,
}

impl Fixture {
    /// `None`, with a message, where there are none.
    fn read(number: u64) -> Option<Self> {
        let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/op-stack");
        let archive =
            std::env::var_os("OP_STACK_DIR").map_or(default, PathBuf::from).join("execution.tar.xz");
        if !archive.exists() {
            println!("skipped: there is no {}", archive.display());
            return None;
        }
        let file = format!("execution/{number}.json");
        let done = Command::new("tar").arg("-xJOf").arg(&archive).arg(&file).output().unwrap();
        assert!(done.status.success(), "tar cannot read {file}: {}", String::from_utf8_lossy(&done.stderr));
        Some(serde_json::from_slice(&done.stdout).unwrap())
    }

    fn rules(&self) -> OpRules {
        rules_from_rollup_config(&self.rollup_config.to_string()).unwrap()
    }

    fn attributes(&self) -> OpAttributes {
        let payload = &self.executing_payload;
        OpAttributes {
            prev_randao: payload.prev_randao,
            parent_beacon_block_root: Some(payload.parent_beacon_block_root),
            gas_limit: payload.gas_limit.to(),
            extra_data: [&[0][..], &payload.eip1559_params].concat().into(),
            transactions: payload.transactions.clone(),
        }
    }

    /// Everything, as nodes and as codes: which is which is not said.
    fn witness(&self) -> Witness {
        let all: Vec<_> = self.kv.values().cloned().collect();
        Witness { state: all.clone(), codes: all, headers: Vec::new() }
    }

    fn block(&self) -> Result<Block, OpError> {
        let rules = self.rules();
        let input = input(&rules, &self.parent_header, Vec::new(), self.witness());
        decoded(&input, |input| build(&rules, &input.parent, self.attributes(), &input.witness))
    }
}

#[test]
fn each_has_the_hash_that_the_chain_has() {
    for number in BLOCKS {
        let Some(fixture) = Fixture::read(number) else { return };
        let block = fixture.block().unwrap();
        assert_eq!(block.header.number, number);
        assert_eq!(block.header.timestamp, fixture.executing_payload.timestamp.to::<u64>());
        assert_eq!(
            block.header.hash_slow(),
            fixture.expected_block_hash,
            "block {number}: {:#?}",
            block.header
        );
    }
}

#[test]
fn four_that_follow_on_each_other_are_one_range() {
    let mut blocks = Vec::new();
    let mut witness = Witness::default();
    let mut first = None;
    for number in &BLOCKS[..4] {
        let Some(fixture) = Fixture::read(*number) else { return };
        blocks.push(fixture.block().unwrap());
        witness.merge(fixture.witness());
        first.get_or_insert(fixture);
    }
    let first = first.unwrap();
    let last = blocks[3].header.hash_slow();
    let outcome = run(&first.rules(), &first.parent_header, blocks, witness).unwrap();
    assert_eq!((outcome.range.first, outcome.range.last), (BLOCKS[0], BLOCKS[3]));
    assert_eq!(outcome.range.parent_hash, first.parent_header.hash_slow());
    assert_eq!((outcome.range.last_hash, outcome.range.block_hashes[3]), (last, last));
    assert_eq!(outcome.range.config_hash, ChainSpec::optimism(first.rules()).hash());
    assert_eq!(outcome.output_roots, None, "they are of Holocene");
}

#[test]
fn the_chain_is_the_one_of_the_table() {
    let Some(fixture) = Fixture::read(BLOCKS[0]) else { return };
    let (from_file, (_, known)) = (fixture.rules(), known_rules(11_155_420).unwrap());
    assert_eq!(from_file.forks, known.forks[..from_file.forks.len()]);
    assert_eq!(OpRules { forks: known.forks.clone(), ..from_file }, known);
}
