//! Joining ranges: what fits is joined, and each way of not fitting has its error.

#![allow(clippy::unwrap_used)]

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::SolValue;
use proofmill_program::{
    Aggregation, AggregationPublicValues, Boundary, Link, ProgramError, ProvenFor, PublicValues,
    RangePublicValues, aggregation, range,
};
use proofmill_stateless::{ChainSpec, DecodeError, Fork, StatelessError, StatelessInput, Witness};
use proptest::prelude::*;

const BEFORE: B256 = B256::repeat_byte(9);

/// Checkpoints of these numbers of ranges.
fn by(checkpoints: &[u32]) -> Aggregation {
    Aggregation {
        range_key: B256::repeat_byte(7),
        from_commitment: BEFORE,
        checkpoints: checkpoints.to_vec(),
    }
}

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
            prover: Address::repeat_byte(8),
            firstBlock: first,
            lastBlock: last,
            parentHash: end(first - 1, 0),
            lastHash: end(last, 0),
            preStateRoot: end(first - 1, 1),
            postStateRoot: end(last, 1),
            lastTimestamp: 1_000 + 2 * last,
        }
    };
    lengths.iter().map(range).collect()
}

/// The commitment, as a contract computes it.
fn committed(before: B256, range: &RangePublicValues) -> B256 {
    let RangePublicValues { lastBlock, lastHash, postStateRoot, lastTimestamp, .. } = range;
    let (block, time) = (U256::from(*lastBlock), U256::from(*lastTimestamp));
    keccak256((before, block, *lastHash, *postStateRoot, time).abi_encode())
}

#[test]
fn an_epoch_spans_its_ranges() {
    let ranges = contiguous(5, &[1, 3, 2]);
    let epoch = aggregation::fold(&by(&[2, 1]), &ranges).unwrap();
    let expected = AggregationPublicValues {
        chainId: 10,
        configHash: B256::repeat_byte(1),
        rollup: Address::repeat_byte(2),
        prover: Address::repeat_byte(8),
        firstBlock: 5,
        lastBlock: 10,
        parentHash: ranges[0].parentHash,
        lastHash: ranges[2].lastHash,
        preStateRoot: ranges[0].preStateRoot,
        postStateRoot: ranges[2].postStateRoot,
        lastTimestamp: 1_020,
        rangeKey: B256::repeat_byte(7),
        fromCommitment: BEFORE,
        // Not to where the first range ends: that is in the middle of a checkpoint.
        toCommitment: committed(committed(BEFORE, &ranges[1]), &ranges[2]),
    };
    assert_eq!(epoch, expected);
}

#[test]
fn every_boundary_is_committed_to() {
    type Change = fn(&mut Boundary);
    let changes: [Change; 4] = [
        |boundary| boundary.last_block += 1,
        |boundary| boundary.last_hash = B256::ZERO,
        |boundary| boundary.state_root = B256::ZERO,
        |boundary| boundary.last_timestamp += 1,
    ];
    let ranges = contiguous(1, &[2, 2, 2]);
    let honest = aggregation::fold(&by(&[1, 1, 1]), &ranges).unwrap().toCommitment;
    for at in 0..3 {
        for change in changes {
            let mut boundaries: Vec<_> = ranges.iter().map(RangePublicValues::boundary).collect();
            change(&mut boundaries[at]);
            let lie = boundaries.iter().fold(BEFORE, |before, boundary| boundary.commit(before));
            assert_ne!(lie, honest, "boundary {at}");
        }
    }
    // Nor can a boundary be left out, or the checkpoints before be others.
    assert_ne!(aggregation::fold(&by(&[1, 2]), &ranges).unwrap().toCommitment, honest);
    let other = Aggregation { from_commitment: B256::ZERO, ..by(&[1, 1, 1]) };
    assert_ne!(aggregation::fold(&other, &ranges).unwrap().toCommitment, honest);
}

#[test]
fn a_checkpoint_is_made_of_whole_ranges() {
    let ranges = contiguous(1, &[1, 1, 1]);
    let fold = |checkpoints: &[u32]| aggregation::fold(&by(checkpoints), &ranges).unwrap_err();
    assert_eq!(fold(&[3, 0]), ProgramError::EmptyCheckpoint { at: 1 });
    assert_eq!(fold(&[2, 2]), ProgramError::RangesMissing { at: 1 });
    assert_eq!(fold(&[1, u32::MAX]), ProgramError::RangesMissing { at: 1 });
    assert_eq!(fold(&[2]), ProgramError::RangesLeft { ranges: 1 });
    assert_eq!(fold(&[]), ProgramError::RangesLeft { ranges: 3 });
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
        (
            |range| range.prover = Address::ZERO,
            |error| matches!(error, ProgramError::OtherProver { at: 1, .. }),
        ),
    ];
    for (change, check) in rows {
        let mut ranges = contiguous(4, &[2, 2]);
        change(&mut ranges[1]);
        let error = aggregation::fold(&by(&[1, 1]), &ranges).unwrap_err();
        assert!(check(&error), "{error:?}");
    }
    assert_eq!(aggregation::fold(&by(&[]), &[]), Err(ProgramError::NoRanges));
}

#[test]
fn a_range_input_that_is_none() {
    assert_eq!(range::run(&[0; 39]), Err(ProgramError::NoAddresses { len: 39 }));
    assert!(matches!(range::run(&[0; 40]), Err(ProgramError::Decode(DecodeError::Truncated { .. }))));
    assert!(matches!(range::run(&[0; 60]), Err(ProgramError::Decode(DecodeError::NotAnInput { found: 0 }))));
    let input = StatelessInput {
        chain: ChainSpec::for_fork(10, Fork::Cancun),
        parent: Default::default(),
        blocks: Vec::new(),
        witness: Witness::default(),
    };
    let bytes = range::encode_input(ProvenFor::default(), &input);
    assert_eq!(range::run(&bytes), Err(ProgramError::Blocks(StatelessError::NoBlocks)));
}

fn arbitrary_values() -> impl Strategy<Value = RangePublicValues> {
    (any::<[u64; 4]>(), any::<[[u8; 32]; 5]>(), any::<[[u8; 20]; 2]>()).prop_map(
        |(numbers, hashes, addresses)| RangePublicValues {
            chainId: numbers[0],
            configHash: hashes[0].into(),
            rollup: addresses[0].into(),
            prover: addresses[1].into(),
            firstBlock: numbers[1],
            lastBlock: numbers[2],
            parentHash: hashes[1].into(),
            lastHash: hashes[2].into(),
            preStateRoot: hashes[3].into(),
            postStateRoot: hashes[4].into(),
            lastTimestamp: numbers[3],
        },
    )
}

proptest! {
    #[test]
    fn values_come_back_from_their_encoding(values in arbitrary_values()) {
        let abi = values.to_bytes();
        prop_assert_eq!(abi.len(), RangePublicValues::ABI_LEN);
        prop_assert_eq!(values.commitment(), keccak256(&abi));
        prop_assert_eq!(RangePublicValues::from_bytes(&abi), Ok(values));
    }

    #[test]
    fn a_changed_byte_is_refused_or_gives_other_values(
        values in arbitrary_values(), at in 0_usize..RangePublicValues::ABI_LEN, mask in 1_u8..,
    ) {
        let mut abi = values.to_bytes();
        abi[at] ^= mask;
        if let Ok(other) = RangePublicValues::from_bytes(&abi) {
            prop_assert_ne!(&other, &values);
            prop_assert_ne!(other.commitment(), values.commitment());
        }
    }

    #[test]
    fn only_the_exact_length_is_read(values in arbitrary_values(), cut in 1_usize..64) {
        let abi = values.to_bytes();
        prop_assert!(RangePublicValues::from_bytes(&abi[..abi.len() - cut]).is_err());
        let longer = [abi.as_slice(), &vec![0; cut]].concat();
        prop_assert!(RangePublicValues::from_bytes(&longer).is_err());
        prop_assert!(AggregationPublicValues::from_bytes(&abi).is_err());
    }

    #[test]
    fn contiguous_ranges_join_however_they_are_cut(lengths in prop::collection::vec(1_u64..9, 1..8), first in 1_u64..99) {
        let ranges = contiguous(first, &lengths);
        let epoch = aggregation::fold(&by(&[lengths.len() as u32]), &ranges).unwrap();
        let total: u64 = lengths.iter().sum();
        prop_assert_eq!((epoch.firstBlock, epoch.lastBlock), (first, first + total - 1));
        // One checkpoint: into how many ranges it was cut does not show.
        prop_assert_eq!(&epoch, &aggregation::fold(&by(&[1]), &contiguous(first, &[total])).unwrap());
        prop_assert_eq!(AggregationPublicValues::from_bytes(&epoch.to_bytes()), Ok(epoch));
    }

    #[test]
    fn ranges_out_of_order_do_not_join(lengths in prop::collection::vec(1_u64..9, 2..8), swap in any::<prop::sample::Index>()) {
        let mut ranges = contiguous(1, &lengths);
        let at = swap.index(ranges.len() - 1);
        ranges.swap(at, at + 1);
        prop_assert!(aggregation::fold(&by(&vec![1; lengths.len()]), &ranges).is_err());
    }

    #[test]
    fn an_aggregation_input_comes_back(
        lengths in prop::collection::vec(1_u64..9, 0..5), checkpoints in prop::collection::vec(any::<u32>(), 0..5),
        cut in 1_usize..400,
    ) {
        let (by, ranges) = (by(&checkpoints), contiguous(1, &lengths));
        let input = aggregation::encode_input(&by, &ranges);
        prop_assert_eq!(aggregation::decode_input(&input), Ok((by, ranges)));
        let cut = cut.min(input.len());
        if cut % RangePublicValues::ABI_LEN != 0 {
            prop_assert!(aggregation::decode_input(&input[..input.len() - cut]).is_err());
        }
    }

    #[test]
    fn arbitrary_range_input_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(range::run(&bytes).is_err());
    }
}
