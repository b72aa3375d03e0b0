//! Joining ranges of an OP Stack chain: what fits is joined, and each way of not fitting has its error.

#![allow(clippy::unwrap_used)]

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolValue, sol};
use proofmill_program::{
    ProgramError, PublicValues,
    op::{
        OpAggregation, OpAggregationError, OpAggregationPublicValues, OpRangePublicValues,
        aggregation::{decode_input, encode_input, fold},
    },
};
use proptest::prelude::*;

sol! {
    /// As OP Succinct's contracts have it (`contracts/src/lib/Types.sol`).
    struct AggregationOutputs {
        bytes32 l1Head;
        bytes32 l2PreRoot;
        bytes32 claimRoot;
        uint256 claimBlockNum;
        bytes32 rollupConfigHash;
        bytes32 rangeVkeyCommitment;
        address proverAddress;
    }
}

/// Headers of L1, each the parent of the next.
fn l1(count: u64) -> Vec<Header> {
    let mut parent_hash = B256::repeat_byte(0xee);
    let header = |number| {
        // Extra data moves the size of the list, and so how its length is written.
        let extra_data = Bytes::from(vec![1; number as usize % 33]);
        let header = Header { number, parent_hash, extra_data, ..Default::default() };
        parent_hash = header.hash_slow();
        header
    };
    (0..count).map(header).collect()
}

fn root(block: u64) -> B256 {
    keccak256(block.to_be_bytes())
}

/// Ranges that follow on each other, of ten blocks each, one per L1 header.
fn ranges(headers: &[Header]) -> Vec<OpRangePublicValues> {
    let range = |(at, header): (u64, &Header)| OpRangePublicValues {
        l1Head: header.hash_slow(),
        l2PreRoot: root(10 * at),
        l2PostRoot: root(10 * at + 10),
        l2BlockNumber: 10 * at + 10,
        rollupConfigHash: B256::repeat_byte(5),
    };
    (0..).zip(headers).map(range).collect()
}

fn by(headers: &[Header]) -> OpAggregation {
    OpAggregation {
        range_key: B256::repeat_byte(7),
        prover: Address::repeat_byte(8),
        l1_head: headers.last().unwrap().hash_slow(),
        l1_headers: headers.iter().map(rlp).collect(),
    }
}

fn rlp(header: &Header) -> Vec<u8> {
    alloy_rlp::encode(header)
}

#[test]
fn ranges_that_follow_on_each_other_are_joined() {
    let headers = l1(6);
    // The checkpoint is later than all that was derived from.
    let says = fold(&by(&headers), &ranges(&headers[1..4])).unwrap();
    let expected = AggregationOutputs {
        l1Head: headers[5].hash_slow(),
        l2PreRoot: root(0),
        claimRoot: root(30),
        claimBlockNum: U256::from(30),
        rollupConfigHash: B256::repeat_byte(5),
        rangeVkeyCommitment: B256::repeat_byte(7),
        proverAddress: Address::repeat_byte(8),
    };
    assert_eq!(says.to_bytes(), expected.abi_encode());
    assert_eq!(says.to_bytes().len(), 224);
    assert_eq!(OpAggregationPublicValues::from_bytes(&says.to_bytes()).unwrap(), says);
}

#[test]
fn a_range_says_what_an_sp1_guest_commits_to() {
    let says = OpRangePublicValues {
        l1Head: B256::repeat_byte(1),
        l2PreRoot: B256::repeat_byte(2),
        l2PostRoot: B256::repeat_byte(3),
        l2BlockNumber: 0x0405,
        rollupConfigHash: B256::repeat_byte(6),
    };
    let length = &[32, 0, 0, 0, 0, 0, 0, 0][..];
    let expected =
        [length, &[1; 32], length, &[2; 32], length, &[3; 32], &[5, 4, 0, 0, 0, 0, 0, 0], length, &[6; 32]]
            .concat();
    assert_eq!(says.to_bytes(), expected);
    assert_eq!(expected.len(), OpRangePublicValues::LEN);
    assert_eq!(OpRangePublicValues::from_bytes(&expected).unwrap(), says);
    for at in 0..expected.len() {
        let cut = OpRangePublicValues::from_bytes(&expected[..at]);
        assert!(matches!(cut, Err(ProgramError::PublicValues { .. })), "{at}");
    }
    let longer = OpRangePublicValues::from_bytes(&[&expected[..], &[0]].concat());
    assert!(matches!(longer, Err(ProgramError::PublicValues { .. })));
}

#[test]
fn what_does_not_fit_is_refused_by_its_name() {
    let headers = l1(5);
    let (by, honest) = (by(&headers), ranges(&headers[..3]));
    let refused = |change: fn(&mut OpAggregation, &mut Vec<OpRangePublicValues>)| {
        let (mut by, mut ranges) = (by.clone(), honest.clone());
        change(&mut by, &mut ranges);
        fold(&by, &ranges).unwrap_err()
    };
    assert_eq!(refused(|_, ranges| ranges.clear()), OpAggregationError::NoRanges);
    let not_derived = refused(|_, ranges| ranges[1].l1Head = B256::ZERO);
    assert!(matches!(not_derived, OpAggregationError::HeadNotFound { at: 1, .. }));
    let other_chain = refused(|_, ranges| ranges[2].rollupConfigHash = B256::ZERO);
    assert!(matches!(other_chain, OpAggregationError::OtherConfig { at: 2, .. }));
    let broken = refused(|_, ranges| ranges[2].l2PreRoot = root(19));
    assert_eq!(broken, OpAggregationError::Broken { at: 2, expected: root(20), got: root(19) });
    let left_out = refused(|_, ranges| {
        ranges.remove(1);
    });
    assert!(matches!(left_out, OpAggregationError::Broken { at: 1, .. }));
    let back = refused(|_, ranges| ranges[2].l2BlockNumber = 20);
    assert_eq!(back, OpAggregationError::NotLater { at: 2, before: 20, got: 20 });
    // Another L1, and one that goes on where the aggregation ends.
    let other_l1 = refused(|_, ranges| ranges[0].l1Head = B256::repeat_byte(0xab));
    assert!(matches!(other_l1, OpAggregationError::HeadNotFound { at: 0, headers: 5, .. }));
    let too_few = refused(|by, _| drop(by.l1_headers.drain(..1)));
    assert!(matches!(too_few, OpAggregationError::HeadNotFound { at: 0, headers: 4, .. }));
    let too_early = refused(|by, _| {
        by.l1_headers.truncate(2);
        by.l1_head = keccak256(&by.l1_headers[1]);
    });
    assert!(matches!(too_early, OpAggregationError::HeadNotFound { at: 2, .. }));
    let gap = refused(|by, _| drop(by.l1_headers.remove(3)));
    assert!(matches!(gap, OpAggregationError::HeaderChain { at: 2, .. }));
    let other_head = refused(|by, _| by.l1_head = B256::ZERO);
    assert!(matches!(other_head, OpAggregationError::HeaderChain { at: 4, .. }));
    let no_headers = refused(|by, _| by.l1_headers.clear());
    assert!(matches!(no_headers, OpAggregationError::HeadNotFound { at: 0, .. }));
    let no_header = refused(|by, _| {
        by.l1_headers = vec![vec![0xf9, 1]];
        by.l1_head = keccak256(&by.l1_headers[0]);
    });
    assert_eq!(no_header, OpAggregationError::Header { at: 0 });
}

proptest! {
    #[test]
    fn an_input_is_read_as_it_was_written(count in 1_u64..40, from in 0_usize..20) {
        let headers = l1(count);
        let ranges = ranges(&headers[from.min(headers.len())..]);
        let read = decode_input(&encode_input(&by(&headers), &ranges)).unwrap();
        prop_assert_eq!(read, (by(&headers), ranges));
    }

    #[test]
    fn bytes_that_are_no_input_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok((by, ranges)) = decode_input(&bytes) {
            prop_assert_eq!(encode_input(&by, &ranges), bytes);
            prop_assert!(fold(&by, &ranges).is_err());
        }
    }

    #[test]
    fn an_input_that_is_cut_off_is_refused(count in 1_u64..6, cut in 1_usize..200) {
        let headers = l1(count);
        let bytes = encode_input(&by(&headers), &ranges(&headers));
        let read = decode_input(&bytes[..bytes.len() - cut.min(bytes.len())]);
        let whole = (cut % OpRangePublicValues::LEN == 0).then(|| ranges(&headers).len());
        match read {
            // Only whole ranges at the end can be missing unseen: what is aggregated is for the caller to say.
            Ok((_, read)) => prop_assert!(whole.is_some_and(|whole| read.len() < whole)),
            Err(error) => prop_assert!(matches!(error, OpAggregationError::Encoding(_))),
        }
    }
}
