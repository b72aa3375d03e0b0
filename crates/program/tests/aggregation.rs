//! Joining ranges: what fits is joined, and each way of not fitting has its error.

#![allow(clippy::unwrap_used)]

use alloy_primitives::{Address, B256, keccak256};
use proofmill_program::{
    Aggregation, AggregationPublicValues, Link, ProgramError, PublicValues, RangePublicValues, aggregation,
    range,
};
use proofmill_stateless::{ChainSpec, DecodeError, Fork, StatelessError, StatelessInput, Witness};
use proptest::prelude::*;

const BY: Aggregation = Aggregation { range_key: B256::repeat_byte(7), prover_id: Address::repeat_byte(8) };

/// Ranges of these lengths that follow on each other from a block on.
fn contiguous(first: u64, lengths: &[u64]) -> Vec<RangePublicValues> {
    let end = |block: u64, what: u8| keccak256([&block.to_be_bytes()[..], &[what]].concat());
    let mut next = first;
    let range = |length: &u64| {
        let (first, last) = (next, next + length - 1);
        next = last + 1;
        RangePublicValues {
            chainId: 10,
            configHash: B256::repeat_byte(1),
            rollup: Address::repeat_byte(2),
            firstBlock: first,
            lastBlock: last,
            parentHash: end(first - 1, 0),
            lastHash: end(last, 0),
            preStateRoot: end(first - 1, 1),
            postStateRoot: end(last, 1),
            gasUsed: 21_000 * length,
            transactions: *length,
            blockHashes: end(last, 2),
        }
    };
    lengths.iter().map(range).collect()
}

#[test]
fn an_epoch_spans_its_ranges() {
    let ranges = contiguous(5, &[1, 3, 2]);
    let epoch = aggregation::fold(BY, &ranges).unwrap();
    let expected = AggregationPublicValues {
        chainId: 10,
        configHash: B256::repeat_byte(1),
        rollup: Address::repeat_byte(2),
        firstBlock: 5,
        lastBlock: 10,
        parentHash: ranges[0].parentHash,
        lastHash: ranges[2].lastHash,
        preStateRoot: ranges[0].preStateRoot,
        postStateRoot: ranges[2].postStateRoot,
        gasUsed: 6 * 21_000,
        transactions: 6,
        blockHashes: keccak256(
            [ranges[0].blockHashes, ranges[1].blockHashes, ranges[2].blockHashes].concat(),
        ),
        ranges: 3,
        rangeKey: B256::repeat_byte(7),
        proverId: Address::repeat_byte(8),
    };
    assert_eq!(epoch, expected);
}

#[test]
fn each_break_has_its_error() {
    type Change = fn(&mut RangePublicValues);
    type Check = fn(&ProgramError) -> bool;
    let rows: [(Change, Check); 9] = [
        (
            |range| range.chainId = 1,
            |error| matches!(error, ProgramError::OtherChain { at: 1, expected: 10, got: 1 }),
        ),
        (
            |range| range.configHash = B256::ZERO,
            |error| matches!(error, ProgramError::OtherConfig { at: 1, .. }),
        ),
        (
            |range| range.rollup = Address::ZERO,
            |error| matches!(error, ProgramError::OtherRollup { at: 1, .. }),
        ),
        (
            |range| range.firstBlock = 7,
            |error| matches!(error, ProgramError::Gap { at: 1, before: 5, got: 7 }),
        ),
        (
            |range| range.firstBlock = 5,
            |error| matches!(error, ProgramError::Gap { at: 1, before: 5, got: 5 }),
        ),
        (
            |range| range.parentHash = B256::ZERO,
            |error| matches!(error, ProgramError::Broken { at: 1, link: Link::BlockHash, .. }),
        ),
        (
            |range| range.preStateRoot = B256::ZERO,
            |error| matches!(error, ProgramError::Broken { at: 1, link: Link::StateRoot, .. }),
        ),
        (
            |range| range.lastBlock = 5,
            |error| matches!(error, ProgramError::EmptyRange { at: 1, first: 6, last: 5 }),
        ),
        (|range| range.gasUsed = u64::MAX, |error| matches!(error, ProgramError::Overflow)),
    ];
    for (change, check) in rows {
        let mut ranges = contiguous(4, &[2, 2]);
        change(&mut ranges[1]);
        let error = aggregation::fold(BY, &ranges).unwrap_err();
        assert!(check(&error), "{error:?}");
    }
    assert_eq!(aggregation::fold(BY, &[]), Err(ProgramError::NoRanges));
}

#[test]
fn a_range_input_that_is_none() {
    assert_eq!(range::run(&[0; 19]), Err(ProgramError::NoRollupAddress { len: 19 }));
    assert!(matches!(range::run(&[0; 20]), Err(ProgramError::Decode(DecodeError::Truncated { .. }))));
    assert!(matches!(range::run(&[0; 40]), Err(ProgramError::Decode(DecodeError::NotAnInput { found: 0 }))));
    let input = StatelessInput {
        chain: ChainSpec::for_fork(10, Fork::Cancun),
        parent: Default::default(),
        blocks: Vec::new(),
        witness: Witness::default(),
    };
    let bytes = range::encode_input(Address::ZERO, &input);
    assert_eq!(range::run(&bytes), Err(ProgramError::Blocks(StatelessError::NoBlocks)));
}

fn arbitrary_values() -> impl Strategy<Value = RangePublicValues> {
    (any::<[u64; 5]>(), any::<[[u8; 32]; 6]>(), any::<[u8; 20]>()).prop_map(|(numbers, hashes, rollup)| {
        RangePublicValues {
            chainId: numbers[0],
            configHash: hashes[0].into(),
            rollup: rollup.into(),
            firstBlock: numbers[1],
            lastBlock: numbers[2],
            parentHash: hashes[1].into(),
            lastHash: hashes[2].into(),
            preStateRoot: hashes[3].into(),
            postStateRoot: hashes[4].into(),
            gasUsed: numbers[3],
            transactions: numbers[4],
            blockHashes: hashes[5].into(),
        }
    })
}

proptest! {
    #[test]
    fn values_come_back_from_their_encoding(values in arbitrary_values()) {
        let abi = values.to_abi();
        prop_assert_eq!(abi.len(), 12 * 32);
        prop_assert_eq!(values.commitment(), keccak256(&abi));
        prop_assert_eq!(RangePublicValues::from_abi(&abi), Ok(values));
    }

    #[test]
    fn a_changed_byte_is_refused_or_gives_other_values(
        values in arbitrary_values(), at in 0_usize..12 * 32, mask in 1_u8..,
    ) {
        let mut abi = values.to_abi();
        abi[at] ^= mask;
        if let Ok(other) = RangePublicValues::from_abi(&abi) {
            prop_assert_ne!(&other, &values);
            prop_assert_ne!(other.commitment(), values.commitment());
        }
    }

    #[test]
    fn only_the_exact_length_is_read(values in arbitrary_values(), cut in 1_usize..64) {
        let abi = values.to_abi();
        prop_assert!(RangePublicValues::from_abi(&abi[..abi.len() - cut]).is_err());
        let longer = [abi.as_slice(), &vec![0; cut]].concat();
        prop_assert!(RangePublicValues::from_abi(&longer).is_err());
        prop_assert!(AggregationPublicValues::from_abi(&abi).is_err());
    }

    #[test]
    fn contiguous_ranges_join_however_they_are_cut(lengths in prop::collection::vec(1_u64..9, 1..8), first in 1_u64..99) {
        let epoch = aggregation::fold(BY, &contiguous(first, &lengths)).unwrap();
        let total: u64 = lengths.iter().sum();
        prop_assert_eq!((epoch.firstBlock, epoch.lastBlock), (first, first + total - 1));
        prop_assert_eq!((epoch.gasUsed, epoch.transactions), (total * 21_000, total));
        prop_assert_eq!(epoch.ranges, lengths.len() as u64);
        prop_assert_eq!(AggregationPublicValues::from_abi(&epoch.to_abi()), Ok(epoch));
    }

    #[test]
    fn ranges_out_of_order_do_not_join(lengths in prop::collection::vec(1_u64..9, 2..8), swap in any::<prop::sample::Index>()) {
        let mut ranges = contiguous(1, &lengths);
        let at = swap.index(ranges.len() - 1);
        ranges.swap(at, at + 1);
        prop_assert!(aggregation::fold(BY, &ranges).is_err());
    }

    #[test]
    fn arbitrary_range_input_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(range::run(&bytes).is_err());
    }
}
