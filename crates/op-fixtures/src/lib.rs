//! For tests: real blocks of OP Sepolia (Holocene), as data, as a node that serves them and as what the range program takes
//! ([`RangeInput`]); and a small chain of Isthmus on a small L1 ([`Local`]), from which its blocks are derived.
//!
//! They are in `../shared/op-stack/execution.tar.xz`, from the repository's root (`OP_STACK_DIR` names another folder): for each
//! the parent's header, the attributes, the expected hash, and every node and code that it reads. `derivation.tar.xz` beside it has
//! real blocks of L1 ([`L1Body`]). Without them a test is skipped, with a message.
#![expect(clippy::unwrap_used, reason = "a test's panic says which test")]

mod inputs;
mod l1;
mod local;
mod node;

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, U64};
use proofmill_optimism::{OpAttributes, OpError, OpRules, build, rules_from_rollup_config};
use proofmill_skipped::skipped;
use proofmill_stateless::{Block, ChainSpec, StatelessInput, StatelessInputRef, Witness};
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

pub use inputs::{RangeInput, channel_of_real_blocks};
pub use l1::{L1_BLOCKS, L1Body};
pub use local::{LOCAL_CHAIN_ID, Local, zlib};
pub use node::serve;

/// The chain id of OP Sepolia.
pub const CHAIN_ID: u64 = 11_155_420;
/// The numbers of the blocks. The first four follow on each other; the fifth is 421 blocks later.
pub const BLOCKS: [u64; 5] = [26_207_960, 26_207_961, 26_207_962, 26_207_963, 26_208_384];

/// A real block, as it was recorded.
#[derive(Clone, Debug, Deserialize)]
pub struct Fixture {
    rollup_config: serde_json::Value,
    /// The header of the block before.
    pub parent_header: Header,
    executing_payload: Payload,
    /// The hash that the chain has.
    pub expected_block_hash: B256,
    kv: BTreeMap<B256, Bytes>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    timestamp: U64,
    prev_randao: B256,
    parent_beacon_block_root: B256,
    transactions: Vec<Bytes>,
    gas_limit: U64,
    eip1559_params: Bytes,
}

/// A file of an archive. `None`, with a message, where there is no such archive.
fn recorded<T: DeserializeOwned>(archive: &str, name: &str) -> Option<T> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/op-stack");
    let folder = std::env::var_os("OP_STACK_DIR").map_or(default, PathBuf::from);
    let path = folder.join(format!("{archive}.tar.xz"));
    if !path.exists() {
        skipped(format!("there is no {}", path.display()));
        return None;
    }
    let file = format!("{archive}/{name}.json");
    let done = Command::new("tar").arg("-xJOf").arg(&path).arg(&file).output().unwrap();
    assert!(done.status.success(), "tar cannot read {file}: {}", String::from_utf8_lossy(&done.stderr));
    Some(serde_json::from_slice(&done.stdout).unwrap())
}

impl Fixture {
    /// `None`, with a message, where there are none.
    pub fn read(number: u64) -> Option<Self> {
        recorded("execution", &number.to_string())
    }

    /// The `rollup.json` of its chain.
    pub fn rollup_config(&self) -> String {
        self.rollup_config.to_string()
    }

    /// The rules of its chain.
    pub fn rules(&self) -> OpRules {
        rules_from_rollup_config(&self.rollup_config()).unwrap()
    }

    /// When it was made, in seconds since 1970.
    pub fn timestamp(&self) -> u64 {
        self.executing_payload.timestamp.to()
    }

    /// What it did not take from its parent.
    pub fn attributes(&self) -> OpAttributes {
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
    pub fn witness(&self) -> Witness {
        let all: Vec<_> = self.kv.values().cloned().collect();
        Witness { state: all.clone(), codes: all, headers: Vec::new() }
    }

    /// The block, made from its attributes on the state of its parent.
    ///
    /// # Errors
    /// It does not follow from them.
    pub fn block(&self) -> Result<Block, OpError> {
        let rules = self.rules();
        let input = StatelessInput {
            chain: ChainSpec::optimism(rules.clone()),
            parent: self.parent_header.clone(),
            blocks: Vec::new(),
            witness: self.witness(),
        };
        let bytes = input.encode();
        let input = StatelessInputRef::decode(&bytes).unwrap();
        build(&rules, &input.parent, self.attributes(), &input.witness)
    }
}
