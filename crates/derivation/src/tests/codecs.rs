//! Whatever bytes come: nothing panics, and what is built stays in proportion.

use super::encode::{rlp, single, span, zlib};
use super::world::{World, signed, user};
use crate::batch::{Batch, Unread};
use crate::channel::{batches, decompressed};
use crate::deposits::TRANSACTION_DEPOSITED;
use crate::frame::{frames, pruned};
use crate::system_config::CONFIG_UPDATE;
use crate::{DerivationInput, blob};
use alloy_consensus::TxEip1559;
use alloy_primitives::{B256, keccak256};
use alloy_rlp::Encodable;
use proofmill_stateless::OpFork;
use proptest::prelude::*;

#[test]
fn topics_are_those_of_the_events() {
    assert_eq!(CONFIG_UPDATE, keccak256("ConfigUpdate(uint256,uint8,bytes)"));
    assert_eq!(TRANSACTION_DEPOSITED, keccak256("TransactionDeposited(address,address,uint256,bytes)"));
}

#[test]
fn a_channel_that_bursts_is_cut_off() {
    // 150 MB of zeros in some hundred KB. Each zero is an empty... byte string of one byte: none of them is a batch.
    let bomb = zlib(&vec![0x80; 150_000_000]);
    assert_eq!(decompressed(&bomb).unwrap().len(), 100_000_000);
}

#[test]
fn what_is_behind_a_batch_is_not_looked_at() {
    let transactions = [user(1)];
    let batch = single(B256::repeat_byte(1), (5, B256::repeat_byte(2)), 9, &transactions);
    let longer = [&batch[..], &[1, 2, 3]].concat();
    let Ok(Batch::Single(read)) = Batch::decode(&longer, 901, 0) else { panic!("no batch") };
    assert_eq!(Batch::decode(&batch, 901, 0), Ok(Batch::Single(read)));
    assert_eq!(Batch::decode(&batch[..batch.len() - 1], 901, 0), Err(Unread::NoBatch));
}

#[test]
fn a_span_says_no_more_than_it_has() {
    // Ten million blocks in a few bytes.
    let mut claims = vec![1, 0, 0];
    claims.extend([0; 40]);
    claims.extend([0x80, 0xad, 0xe2, 0x04]);
    assert_eq!(Batch::decode(&claims, 901, 0), Err(Unread::NoBatch));
    claims.extend([0; 100]);
    assert_eq!(Batch::decode(&claims, 901, 0), Err(Unread::NoBatch));
}

/// Nodes compute modulo 2^64, and drop what they come to or pass over it: what is behind the span in its channel is not lost.
#[test]
fn a_span_of_impossible_times_or_l1_blocks_is_a_span() {
    let checks = (B256::repeat_byte(3), B256::repeat_byte(4));
    let blocks = [(true, vec![]), (true, vec![]), (false, vec![user(1)])];
    let Ok(Batch::Span(early)) = Batch::decode(&span((u64::MAX, 0), checks, &blocks), 901, 50) else {
        panic!("no span")
    };
    assert_eq!((early.timestamp, early.first_epoch(), early.last_epoch()), (49, u64::MAX, 0));
    // Whether the first block's L1 block is another than that of the block before it does not count.
    let Ok(Batch::Span(first)) = Batch::decode(&span((1, 0), checks, &[(true, vec![])]), 901, 50) else {
        panic!("no span")
    };
    assert_eq!((first.first_epoch(), first.last_epoch()), (0, 0));
}

#[test]
fn a_transaction_of_more_than_ten_million_bytes_is_none() {
    let transaction = TxEip1559 { chain_id: 901, max_fee_per_gas: 9, ..TxEip1559::default() };
    // What is written beside the input's bytes: two lengths, and the other fields.
    let TxEip1559 { value, max_priority_fee_per_gas: tip, max_fee_per_gas: fee, access_list, .. } =
        &transaction;
    let beside = 4 + 4 + value.length() + tip.length() + fee.length() + access_list.length();
    let with_input = |bytes: usize| {
        let larger = TxEip1559 { input: vec![7; bytes].into(), ..transaction.clone() };
        let blocks = [(true, vec![signed(5, larger)])];
        Batch::decode(&span((1, 9), (B256::ZERO, B256::ZERO), &blocks), 901, 50)
    };
    assert!(matches!(with_input(10_000_000 - beside), Ok(Batch::Span(_))));
    assert_eq!(with_input(10_000_001 - beside), Err(Unread::NoBatch));
}

proptest! {
    #[test]
    fn arbitrary_bytes_panic_nowhere(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        drop(pruned(frames(&bytes)));
        drop(decompressed(&bytes));
        drop(batches(&bytes));
        for kind in [0, 1] {
            drop(Batch::decode(&[&[kind], &bytes[..]].concat(), 901, 7));
        }
        drop(DerivationInput::decode(&bytes));
        drop(blob::decode(&bytes));
    }

    #[test]
    fn spans_come_back_from_their_encoding(
        blocks in proptest::collection::vec((any::<bool>(), 0_u64..6), 1..40),
        relative in 0_u64..1_000_000_000,
    ) {
        let mut nonce = 0;
        let blocks: Vec<_> = blocks.into_iter().map(|(changes, count)| {
            nonce += count;
            (changes, (nonce - count..nonce).map(user).collect::<Vec<_>>())
        }).collect();
        let last = 5_000;
        let encoded = span((relative, last), (B256::repeat_byte(3), B256::repeat_byte(4)), &blocks);
        let Ok(Batch::Span(read)) = Batch::decode(&encoded, 901, 50) else { panic!("no span") };
        prop_assert_eq!((read.timestamp, read.last_epoch()), (50 + relative, last));
        prop_assert_eq!((read.parent_check, read.l1_check), ([3; 20], [4; 20]));
        let transactions: Vec<_> = read.blocks.iter().map(|block| block.transactions.clone()).collect();
        let expected: Vec<_> = blocks.iter().map(|(_, transactions)| transactions.clone()).collect();
        prop_assert_eq!(transactions, expected);
        let changes: u64 = blocks.iter().skip(1).map(|(changes, _)| u64::from(*changes)).sum();
        prop_assert_eq!(read.first_epoch(), last - changes);
        // Cut off anywhere it is none.
        for cut in [1, encoded.len() / 2, encoded.len() - 1] {
            prop_assert_eq!(Batch::decode(&encoded[..cut], 901, 50), Err(Unread::NoBatch));
        }
    }

    #[test]
    fn an_input_that_was_changed_is_refused_or_another(at in any::<proptest::sample::Index>(), bit in 0_u8..8) {
        let mut world = World::new(OpFork::Jovian);
        world.block(3, Vec::new(), vec![user(1)]);
        let batch = world.batch();
        world.post_channel(1, &[batch]);
        let mut bytes = world.input().encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(input) = DerivationInput::decode(&bytes) {
            let head = world.derive_from(&input);
            // Another configuration has another hash.
            let same = input.config == world.config && head == world.derive();
            prop_assert!(!same || input == world.input() || head.is_err());
        }
    }
}

#[test]
fn batches_end_with_what_is_none() {
    let whole = rlp(&[vec![1, 2], vec![3; 100]]);
    assert_eq!(batches(&whole).len(), 2);
    assert_eq!(batches(&[&whole[..], &[0xc0]].concat()).len(), 2);
    assert_eq!(batches(&whole[..whole.len() - 1]).len(), 1);
}
