//! Where nodes and the specification differ, or nodes among each other by where they come from: nothing is derived. And what nodes
//! pass over before they read it.

use super::encode::{brotli, frame, frames, rlp, single, span, transaction, zlib};
use super::stage::three;
use super::world::{GENESIS, L1_FIRST, World, user};
use crate::channel::ChannelBank;
use crate::frame::Frame;
use crate::{DerivationError, brotli as reader};
use alloy_consensus::TxLegacy;
use alloy_primitives::U256;
use proofmill_stateless::OpFork;

/// What comes of these frames, each list in a transaction of its own. `A` is the channel, cut into three.
fn posted(transactions: &[&[&str]]) -> Result<(), DerivationError> {
    let (mut world, batches) = three(OpFork::Holocene);
    let channel = zlib(&rlp(&batches));
    let cut = frames(1, &channel, channel.len().div_ceil(3));
    let named = |name: &&str| match *name {
        "A0" => cut[0].clone(),
        "A1" => cut[1].clone(),
        "A2" => cut[2].clone(),
        // The last frame of another channel, and frames that are not its last.
        "B0." => frame(2, 0, &zlib(&[]), true),
        name => {
            let id = name.as_bytes()[0] - b'A' + 1;
            frame(id, name[1..].parse().unwrap(), &[1, 2, 3], false)
        }
    };
    let datas = transactions.iter().map(|frames| transaction(&frames.iter().map(named).collect::<Vec<_>>()));
    world.post(datas.collect());
    world.derive().map(drop)
}

#[test]
fn the_frames_of_a_transaction_are_looked_at_together() {
    let taken: [&[&[&str]]; 8] = [
        &[&["A0", "A1"], &["A1", "A2"]],
        &[&["A0", "A1", "A2"]],
        &[&["A0", "A1", "A1", "A2"]],
        &[&["A0", "C3", "A1", "A2"]],
        &[&["C0", "C1", "A0", "A1", "A2"]],
        &[&["B0.", "A0", "A1", "A2"]],
        &[&["A0"], &["A1", "A2"]],
        &[&["A0"], &["C3"], &["A1", "A2"]],
    ];
    for order in taken {
        assert_eq!(posted(order), Ok(()), "{order:?}");
    }
    // A frame that goes on with no channel takes with it those behind it, and so does one that opens another channel with those
    // before it.
    let lost: [&[&[&str]]; 7] = [
        &[&["A0"], &["C7", "A1", "A2"]],
        &[&["A0"], &["A5", "A1", "A2"]],
        &[&["A0", "A2", "A1"]],
        &[&["A0", "C0", "A1", "A2"]],
        &[&["A0", "A1", "B0.", "A2"]],
        &[&["B0.", "A1", "A2"]],
        &[&["A0"], &["A1", "C0"], &["A2"]],
    ];
    for order in lost {
        let derived = posted(order);
        assert!(matches!(derived, Err(DerivationError::NotYet { derived: 0, .. })), "{order:?}: {derived:?}");
    }
    let unsure: [&[&[&str]]; 3] =
        [&[&["A0", "A0", "A1", "A2"]], &[&["A0", "A1", "A0", "A1", "A2"]], &[&["B0.", "A0", "B0."]]];
    for order in unsure {
        let derived = posted(order);
        assert!(matches!(derived, Err(DerivationError::Channel { .. })), "{order:?}: {derived:?}");
    }
}

#[test]
fn no_frame_comes_after_the_highest_number() {
    let mut bank = ChannelBank::default();
    let frame = |number, is_last| Frame { channel: [1; 16], number, data: &[7], is_last };
    for number in 0..=u16::MAX {
        assert_eq!(bank.take(1, &frame(number, false)), None);
    }
    assert_eq!(bank.take(1, &frame(u16::MAX, true)), None);
}

#[test]
fn a_batch_that_passes_over_an_l1_block_is_refused() {
    for is_span in [false, true] {
        let mut world = World::new(OpFork::Isthmus);
        (0..2).for_each(|_| world.mine(Vec::new(), Vec::new()));
        // The chain is ahead of L1, so that nothing is left for the parent's L1 block when its window is over.
        let mut batches = Vec::new();
        while world.newest().header.timestamp < world.l1[5].0.timestamp {
            world.block(3, Vec::new(), Vec::new());
            batches.push(world.batch());
        }
        world.post_channel(1, &batches);
        while world.l1.len() < 4 + 20 {
            world.mine(Vec::new(), Vec::new());
        }
        let mut honest = world.clone();
        honest.mine(Vec::new(), Vec::new());
        honest.block(4, Vec::new(), Vec::new());
        honest.follows();

        let (parent, time) = (world.newest().header.hash_slow(), world.newest().header.timestamp);
        world.block(5, Vec::new(), Vec::new());
        let batch = match is_span {
            false => world.batch(),
            // Nodes pass over a span that begins so far from its parent, and the block is another one.
            true => {
                span((time + 2 - GENESIS, L1_FIRST + 5), (parent, world.epoch(5).1), &[(true, Vec::new())])
            }
        };
        world.post_channel(3, &[batch]);
        let derived = world.derive();
        match is_span {
            false => assert_eq!(derived, Err(DerivationError::Skips { block: L1_FIRST + 4 })),
            true => assert!(matches!(derived, Err(DerivationError::Differs { .. })), "{derived:?}"),
        }
    }
}

#[test]
fn what_is_posted_before_its_parent_is_refused() {
    let mut world = World { parent_is_posted: false, ..World::new(OpFork::Isthmus) };
    world.mine(Vec::new(), Vec::new());
    world.block(3, Vec::new(), vec![user(1)]);
    let first = world.batch();
    let before = world.parent.header.clone();
    let parent = single(before.parent_hash, world.epoch(3), before.timestamp, &[]);
    let early = DerivationError::ParentNotPosted { number: L1_FIRST + 5 };
    for batches in [vec![first.clone()], vec![first.clone(), parent.clone()]] {
        let mut world = world.clone();
        world.post_channel(1, &batches);
        assert_eq!(world.derive(), Err(early.clone()));
    }
    let mut in_order = world.clone();
    in_order.post_channel(1, std::slice::from_ref(&parent));
    in_order.post_channel(2, std::slice::from_ref(&first));
    in_order.follows();
    // One of another parent is no batch of it.
    let other = single(B256_ONE, world.epoch(3), before.timestamp, &[]);
    let mut wrong = world.clone();
    wrong.post_channel(1, &[other, first]);
    assert_eq!(wrong.derive(), Err(early));
}

const B256_ONE: alloy_primitives::B256 = alloy_primitives::B256::repeat_byte(1);

#[test]
fn amounts_that_no_transaction_has_are_refused() {
    let (mut world, _) = three(OpFork::Isthmus);
    let highest =
        TxLegacy { chain_id: Some(901), gas_price: u128::MAX, value: U256::ZERO, ..Default::default() };
    let transactions = vec![super::world::signed(5, highest)];
    let start = world.blocks[0].header.timestamp - GENESIS;
    let (parent, l1) = (world.parent.header.hash_slow(), world.epoch(3).1);
    let mut batch = span((start, L1_FIRST + 3), (parent, l1), &[(false, transactions)]);
    // A byte more for the price; the list around it begins two bytes before.
    let price = [&[0x90][..], &[0xff; 16]].concat();
    let at = batch.windows(17).position(|bytes| bytes == price).unwrap();
    batch[at - 2] += 1;
    batch[at] += 1;
    batch.insert(at + 1, 1);
    world.post_channel(1, &[batch]);
    assert_eq!(world.derive(), Err(DerivationError::TooLarge { number: L1_FIRST + 5 }));
}

#[test]
fn windows_beyond_those_of_the_standard_are_damage() {
    let data = b"seventeen windows";
    assert_eq!(reader::decompressed(&brotli(data)[1..], 100).unwrap(), data);
    // The marker of a large window, its size, and the same piece, uncompressed.
    let header = 0b1_0001_u64 | 24 << 8 | (data.len() as u64 - 1) << 17 | 1 << 33;
    let large = [&header.to_le_bytes()[..5], data, &[3]].concat();
    assert_eq!(reader::decompressed(&large, 100), None);
}
