//! The range program for OP Stack chains, from blocks and L1 to what a proof says, and on to an aggregation.

#![cfg(feature = "optimism")]
#![allow(clippy::unwrap_used)]

use alloy_primitives::{Address, B256};
use proofmill_op_fixtures::{Local, RangeInput};
use proofmill_optimism::{minimise, output_root};
use proofmill_program::{
    ProvenFor, PublicValues,
    op::{
        OpAggregation, OpRangeError, OpRangePublicValues, aggregation,
        range::{OpStatement, encode_derived, encode_executed, run},
    },
};
use proofmill_stateless::{StatelessInput, StatelessInputRef};

fn range(local: &Local) -> StatelessInput {
    let mut input = local.input();
    let bytes = input.encode();
    input.witness = minimise(&StatelessInputRef::decode(&bytes).unwrap()).unwrap().1;
    input
}

/// What L1 knows a block by.
fn root(header: &alloy_consensus::Header) -> B256 {
    output_root(header.state_root, header.withdrawals_root.unwrap(), header.hash_slow())
}

fn derived(local: &Local) -> OpRangePublicValues {
    match run(&encode_derived(&local.derivation(), &range(local))).unwrap() {
        OpStatement::Derived(says) => says,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_range_that_l1_gives_is_proven_by_its_output_roots() {
    let local = Local::new();
    let says = derived(&local);
    let expected = OpRangePublicValues {
        l1Head: local.l1.last().unwrap().header.hash_slow(),
        l2PreRoot: root(&local.parent.header),
        l2PostRoot: root(&local.block.header),
        l2BlockNumber: 1_001,
        rollupConfigHash: local.derivation().config.hash(),
    };
    assert_eq!(says, expected);
    // One range, up to the same L1 block.
    let by = OpAggregation {
        range_key: B256::repeat_byte(1),
        prover: Address::repeat_byte(2),
        l1_head: says.l1Head,
        l1_headers: vec![alloy_rlp::encode(&local.l1.last().unwrap().header)],
    };
    let aggregated = aggregation::fold(&by, std::slice::from_ref(&says)).unwrap();
    assert_eq!((aggregated.claimRoot, aggregated.claimBlockNum), (says.l2PostRoot, 1_001));
}

#[test]
fn blocks_that_are_only_executed_say_so() {
    let local = Local::new();
    let of = ProvenFor::default();
    let OpStatement::Executed(says) = run(&encode_executed(of, &range(&local))).unwrap() else { panic!() };
    assert_eq!((says.firstBlock, says.lastHash), (1_001, local.block.header.hash_slow()));
    // Neither passes for the other.
    assert_ne!(says.to_bytes().len(), OpRangePublicValues::LEN);
    assert!(OpRangePublicValues::from_bytes(&says.to_bytes()).is_err());
}

#[test]
fn what_is_no_input_is_refused() {
    let local = Local::new();
    let bytes = encode_derived(&local.derivation(), &range(&local));
    for at in [0, 3, 7, 8, 100, bytes.len() - 1] {
        assert!(run(&bytes[..at]).is_err(), "{at}");
    }
    for kind in [2, 255] {
        let mut other = bytes.clone();
        other[0] = kind;
        assert!(matches!(run(&other), Err(OpRangeError::Encoding { .. })));
    }
    let mut long = bytes.clone();
    long[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(run(&long), Err(OpRangeError::Encoding { .. })));
    // An execution that is right, and an L1 that gives another block.
    let mut early = local.derivation();
    early.l1.pop();
    let error = run(&encode_derived(&early, &range(&local))).unwrap_err();
    assert!(matches!(error, OpRangeError::Derivation(_)), "{error}");
    // A block that L1 gives, and that was executed wrongly.
    let mut wrong = range(&local);
    wrong.blocks[0].header.state_root = B256::ZERO;
    let error = run(&encode_derived(&local.derivation(), &wrong)).unwrap_err();
    assert!(matches!(error, OpRangeError::Blocks(_)), "{error}");
}

#[test]
fn a_range_is_derived_from_an_l1_as_busy_as_mainnet() {
    let Some(local) = Local::busy() else { return };
    let input = RangeInput::derived(&local);
    assert_eq!(run(&input.bytes).unwrap(), input.says);
    // Nothing of it may be missing.
    let mut derivation = local.derivation();
    derivation.l1[5].transactions.pop();
    let error = run(&encode_derived(&derivation, &range(&local))).unwrap_err();
    assert!(matches!(error, OpRangeError::Derivation(_)), "{error}");
}
