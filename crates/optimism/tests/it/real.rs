//! Real blocks of OP Sepolia, of Holocene.

use crate::common::run;
use proofmill_op_fixtures::{BLOCKS, Fixture};
use proofmill_optimism::{OpRules, known_rules};
use proofmill_stateless::{ChainSpec, Witness};

#[test]
fn each_has_the_hash_that_the_chain_has() {
    for number in BLOCKS {
        let Some(fixture) = Fixture::read(number) else { return };
        let block = fixture.block().unwrap();
        assert_eq!(block.header.number, number);
        assert_eq!(block.header.timestamp, fixture.timestamp());
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
