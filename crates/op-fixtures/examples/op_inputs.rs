//! Writes inputs of the range program for OP Stack chains into a folder, for `benches/cycles.sh`: the real blocks, which are executed, and
//! the block of the small chain, which is derived, too.
//!
//! `op_inputs FOLDER` prints for each its file, its gas, and of how many L1 blocks it is derived.
#![expect(clippy::unwrap_used, reason = "a program of the benches")]

use alloy_primitives::{Bytes, hex};
use proofmill_derivation::{DerivationInput, L1Block, config_from_rollup_json};
use proofmill_op_fixtures::{BLOCKS, Fixture, Local};
use proofmill_optimism::minimise;
use proofmill_program::{ProvenFor, op::range};
use proofmill_stateless::{BlobActivation, BlobParams, ChainSpec, StatelessInput, StatelessInputRef};
use std::{fs, path::Path};

fn reduced(mut input: StatelessInput) -> (StatelessInput, u64) {
    let bytes = input.encode();
    let (outcome, witness) = minimise(&StatelessInputRef::decode(&bytes).unwrap()).unwrap();
    input.witness = witness;
    (input, outcome.range.gas_used)
}

fn main() {
    let folder = std::env::args().nth(1).unwrap();
    let write = |name: &str, bytes: Vec<u8>, gas: u64, l1: usize| {
        // In OpenVM's JSON: one byte string.
        let path = Path::new(&folder).join(name);
        fs::write(&path, format!("{{\"input\":[\"0x01{}\"]}}", hex::encode(bytes))).unwrap();
        println!("{} {gas} {l1}", path.display());
    };
    for number in BLOCKS {
        let Some(fixture) = Fixture::read(number) else { continue };
        let (input, gas) = reduced(StatelessInput {
            chain: ChainSpec::optimism(fixture.rules()),
            parent: fixture.parent_header.clone(),
            blocks: vec![fixture.block().unwrap()],
            witness: fixture.witness(),
        });
        write(&format!("op-{number}"), range::encode_executed(ProvenFor::default(), &input), gas, 0);
    }
    let local = Local::new();
    let (input, gas) = reduced(local.input());
    let blobs = vec![BlobActivation { timestamp: 0, params: BlobParams::prague() }];
    let l1 = local.l1.iter().map(|block| L1Block {
        header: alloy_rlp::encode(&block.header).into(),
        transactions: block.transactions.clone(),
        receipts: Some(local.receipts_of(block.header.number)),
    });
    let derivation = DerivationInput {
        config: config_from_rollup_json(&local.rollup_json().to_string(), blobs).unwrap(),
        parent_transactions: local.parent.transactions.clone(),
        ancestors: Vec::new(),
        l1: l1.collect(),
        blobs: Vec::new(),
        blobs_proof: Bytes::new(),
    };
    write("op-local-executed", range::encode_executed(ProvenFor::default(), &input), gas, 0);
    write("op-local-derived", range::encode_derived(&derivation, &input), gas, derivation.l1.len());
}
