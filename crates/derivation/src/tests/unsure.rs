//! Where nodes and the specification differ, or nodes among each other by where they come from: nothing is derived. And what nodes
//! pass over before they read it.

use super::encode::{brotli, frame, frames, rlp, single, span, transaction, zlib};
use super::stage::three;
use super::world::{GENESIS, L1_FIRST, World, config_log, key, user};
use crate::channel::ChannelBank;
use crate::frame::Frame;
use crate::{DerivationError, brotli as reader};
use alloy_consensus::{Header, TxEip7702, TxLegacy};
use alloy_primitives::{Address, Bytes, U256};
use proofmill_stateless::{Block, OpFork};

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

/// What comes of a span of one block with this transaction, in which something is changed.
fn spanned(transaction: Bytes, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), DerivationError> {
    let (mut world, _) = three(OpFork::Isthmus);
    let start = world.blocks[0].header.timestamp - GENESIS;
    let (parent, l1) = (world.parent.header.hash_slow(), world.epoch(3).1);
    let mut batch = span((start, L1_FIRST + 3), (parent, l1), &[(false, vec![transaction])]);
    change(&mut batch);
    world.post_channel(1, &[batch]);
    world.derive().map(drop)
}

#[test]
fn what_no_transaction_has_is_refused() {
    let highest =
        TxLegacy { chain_id: Some(901), gas_price: u128::MAX, value: U256::ZERO, ..Default::default() };
    let highest = super::world::signed(5, highest);
    let price = [&[0x90][..], &[0xff; 16]].concat();
    // The list around the price begins two bytes before, with the value between them.
    let price_of = |batch: &[u8]| batch.windows(17).position(|bytes| bytes == price).unwrap();
    type Change<'a> = Box<dyn Fn(&mut Vec<u8>) + 'a>;
    let unusable: [(&str, Change<'_>); 5] = [
        (
            "a price of more than 128 bits",
            Box::new(|batch| {
                let at = price_of(batch);
                (batch[at - 2], batch[at]) = (batch[at - 2] + 1, batch[at] + 1);
                batch.insert(at + 1, 1);
            }),
        ),
        ("a type that there is not", Box::new(|batch| batch.insert(price_of(batch) - 2, 5))),
        ("the type of none", Box::new(|batch| batch.insert(price_of(batch) - 2, 0))),
        (
            "a value with a zero before it",
            Box::new(|batch| {
                let at = price_of(batch) - 1;
                batch[at] = 0;
            }),
        ),
        (
            "a field too many",
            Box::new(|batch| {
                let at = price_of(batch);
                batch[at - 2] += 1;
                batch.insert(at + 18, 0x80);
            }),
        ),
    ];
    let refused = Err(DerivationError::Unusable { number: L1_FIRST + 5 });
    for (what, change) in unusable {
        assert_eq!(spanned(highest.clone(), change), refused, "{what}");
    }
    // One that sets code creates nothing: who it is for is taken out.
    let to = Address::repeat_byte(0x77);
    let sets_code = TxEip7702 { chain_id: 901, to, gas_limit: 50_000, ..Default::default() };
    let created = spanned(super::world::signed(5, sets_code), |batch| {
        let at = batch.windows(20).position(|bytes| bytes == to.as_slice()).unwrap();
        batch.drain(at..at + 20);
        // Before its signature: whether it creates, and the parity.
        batch[at - 66] = 1;
    });
    assert_eq!(created, refused);
    // What is no list, or ends too early, is no batch: nodes agree.
    let no_list = spanned(highest.clone(), |batch| {
        let at = price_of(batch) - 2;
        batch[at] -= 0x40;
    });
    let short = spanned(highest.clone(), |batch| batch.truncate(price_of(batch) + 5));
    for none in [no_list, short] {
        assert!(matches!(none, Err(DerivationError::NotYet { derived: 0, .. })), "{none:?}");
    }
}

/// The third L1 block names a batcher, and `before` it there was another one or the same. `early` makes the second L1 block. Each of
/// the first three L1 blocks has a block of L2; the fourth has two, of which the second is the range.
fn renamed(before: u8, named: u8, early: impl FnOnce(&mut World)) -> World {
    let mut world = World { parent_is_posted: false, ..World::new(OpFork::Isthmus) };
    world.l1.truncate(1);
    early(&mut world);
    world.mine(Vec::new(), vec![config_log(0, &[key(named).address().into_word().0])]);
    world.mine(Vec::new(), Vec::new());
    let header = Header { number: 9, timestamp: world.l1[3].0.timestamp, ..Default::default() };
    world.parent = Block { header, transactions: Vec::new(), withdrawals: None };
    world.at = (0, 0);
    let mut batches = Vec::new();
    for (place, batcher) in [(0, before), (1, before), (2, named), (3, named), (3, named)] {
        world.said.batcher = batcher;
        world.block(place, Vec::new(), Vec::new());
        batches.push(world.batch());
    }
    let channel = zlib(&rlp(&batches[3..]));
    let data = [frame(1, 0, &channel[..2], false), frame(1, 1, &channel[2..], true)];
    // The first frame was posted early, where it was.
    let posted = if before == named { &data[..] } else { &data[1..] };
    world.post(vec![transaction(posted)]);
    world.later(4)
}

#[test]
fn a_batcher_that_is_named_shortly_before_the_range_is_known_by_an_older_block() {
    let unknown = Err(DerivationError::BatcherUnknown { number: L1_FIRST + 2 });
    let quiet = |world: &mut World| world.mine(Vec::new(), Vec::new());
    // The same one anew.
    let world = renamed(1, 1, quiet);
    world.follows();
    let mut input = world.input();
    input.ancestors.truncate(1);
    assert_eq!(world.derive_from(&input), unknown, "that one is of the L1 block that names it");
    input.ancestors.clear();
    assert_eq!(world.derive_from(&input), unknown);
    // Another one: what was sent before is the older one's, as a channel that goes on later.
    let head = zlib(&[])[..2].to_vec();
    let first = transaction(&[frame(1, 0, &head, false)]);
    let by = |account: u8| {
        let first = first.clone();
        move |world: &mut World| world.post_by(account, vec![first])
    };
    renamed(1, 2, by(1)).follows();
    let of_later = renamed(1, 2, by(2)).derive();
    assert!(matches!(of_later, Err(DerivationError::NotYet { derived: 0, .. })), "{of_later:?}");
    let mut blind = renamed(1, 2, by(1));
    blind.ancestors.clear();
    assert_eq!(blind.derive(), unknown);
}

#[test]
fn a_block_from_before_the_l1_data_does_not_say_who_the_batcher_was() {
    let mut world = renamed(1, 1, |world| world.mine(Vec::new(), Vec::new()));
    world.ancestors[1].transactions.clear();
    world.follows();
    world.config.l1_genesis = L1_FIRST + 1;
    world.l1.remove(0);
    assert_eq!(world.derive(), Err(DerivationError::BatcherUnknown { number: L1_FIRST + 2 }));
    // The first block of the data counts for itself.
    world.config.l1_genesis = L1_FIRST + 2;
    world.l1.remove(0);
    world.follows();
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
