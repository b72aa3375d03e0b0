//! What becomes of what is posted.

use super::encode::{brotli, frame, frames, rlp, single, span, transaction, zlib};
use super::world::{GENESIS, L1_FIRST, World, config_log, deposit, deposit_log, key, user};
use crate::DerivationError;
use alloy_primitives::{Address, B256, Bytes};
use proofmill_stateless::OpFork;

const FORKS: [OpFork; 4] = [OpFork::Holocene, OpFork::Isthmus, OpFork::Jovian, OpFork::Karst];

/// Three blocks: two of the parent's L1 block, one of the next, with transactions of every type.
pub(super) fn three(fork: OpFork) -> (World, Vec<Vec<u8>>) {
    let mut world = World::new(fork);
    world.mine(Vec::new(), Vec::new());
    let mut batches = Vec::new();
    for (place, nonces) in [(3, 0..3), (3, 3..9), (4, 9..9)] {
        world.block(place, Vec::new(), nonces.map(user).collect());
        batches.push(world.batch());
    }
    (world, batches)
}

#[test]
fn batches_of_one_block_become_blocks() {
    for fork in FORKS {
        let (mut world, batches) = three(fork);
        world.post_channel(1, &batches);
        world.follows();
    }
}

#[test]
fn a_channel_may_be_cut_anywhere_and_be_compressed_by_brotli() {
    let (world, batches) = three(OpFork::Jovian);
    for (cut, channel) in
        [(1, zlib(&rlp(&batches))), (100, brotli(&rlp(&batches))), (317, zlib(&rlp(&batches)))]
    {
        let frames = frames(9, &channel, cut);
        // All in one transaction, one in each, some in each of several blocks.
        let mut one = world.clone();
        one.post(vec![transaction(&frames)]);
        one.follows();
        let mut each = world.clone();
        each.post(frames.iter().map(|frame| transaction(std::slice::from_ref(frame))).collect());
        each.follows();
        let mut blocks = world.clone();
        for some in frames.chunks(frames.len().div_ceil(3)) {
            blocks.post(vec![transaction(some)]);
        }
        blocks.follows();
    }
}

#[test]
fn a_span_becomes_blocks() {
    for fork in FORKS {
        let (mut world, _) = three(fork);
        let blocks: Vec<_> = world.blocks.iter().map(|block| block.transactions[1..].to_vec()).collect();
        let changes = [false, false, true];
        let blocks: Vec<_> = changes.into_iter().zip(blocks).collect();
        let start = world.blocks[0].header.timestamp - GENESIS;
        let (parent, l1) = (world.parent.header.hash_slow(), world.epoch(4).1);
        let batch = span((start, L1_FIRST + 4), (parent, l1), &blocks);
        let honest = world.clone();
        world.post_channel(1, std::slice::from_ref(&batch));
        world.follows();
        // Its parent, its last L1 block and its time are checked.
        for (at, batch) in [
            span((start, L1_FIRST + 4), (B256::ZERO, l1), &blocks),
            span((start, L1_FIRST + 4), (parent, B256::ZERO), &blocks),
            span((start + 2, L1_FIRST + 4), (parent, l1), &blocks),
            span((start, L1_FIRST + 3), (parent, world.epoch(3).1), &blocks),
        ]
        .into_iter()
        .enumerate()
        {
            let mut world = honest.clone();
            world.post_channel(1, &[batch]);
            let error = world.derive().unwrap_err();
            assert!(
                matches!(error, DerivationError::NotYet { derived: 0, wanted: 3, .. }),
                "{fork}, {at}: {error}"
            );
        }
    }
}

#[test]
fn what_is_invalid_is_passed_over_with_the_rest_of_its_channel() {
    let (world, batches) = three(OpFork::Isthmus);
    let block = |at: usize| &world.blocks[at].header;
    let users = |at: usize| world.blocks[at].transactions[1..].to_vec();
    let (parent, epoch, time) = (block(0).parent_hash, world.epoch(3), block(0).timestamp);
    let with = |more: Bytes| [users(0), vec![more]].concat();
    let invalid = [
        ("another parent", single(B256::ZERO, epoch, time, &users(0))),
        ("a later time", single(parent, epoch, time + 2, &users(0))),
        ("another hash of its L1 block", single(parent, (epoch.0, B256::ZERO), time, &users(0))),
        ("an older L1 block", single(parent, world.epoch(2), time, &users(0))),
        ("an L1 block that is two later", single(parent, (epoch.0 + 2, B256::ZERO), time, &users(0))),
        ("an L1 block later than itself", single(parent, world.epoch(4), time, &users(0))),
        ("a deposit", single(parent, epoch, time, &with(world.blocks[0].transactions[0].clone()))),
        ("an empty transaction", single(parent, epoch, time, &with(Bytes::new()))),
        ("no batch", vec![7, 7, 7]),
        ("no list", vec![0, 1]),
    ];
    for (what, batch) in invalid {
        let mut world = world.clone();
        // What is behind it in its channel is lost; what comes in the next channel is not.
        world.post_channel(1, &[vec![batch], batches.clone()].concat());
        let derived = world.derive();
        assert!(matches!(derived, Err(DerivationError::NotYet { derived: 0, .. })), "{what}: {derived:?}");
        world.post_channel(2, &batches);
        world.follows();
    }
    // What is there already costs its channel nothing.
    let mut world = world.clone();
    let past = single(B256::ZERO, epoch, time - 2, &[]);
    world.post_channel(1, &[vec![past], batches].concat());
    world.follows();
}

#[test]
fn a_transaction_that_sets_code_is_of_isthmus() {
    let set_code = Bytes::from_static(&[4, 1, 2]);
    for (fork, valid) in [(OpFork::Holocene, false), (OpFork::Isthmus, true)] {
        let mut world = World::new(fork);
        world.block(3, Vec::new(), vec![set_code.clone()]);
        let batch = world.batch();
        world.post_channel(1, &[batch]);
        assert_eq!(world.derive().is_ok(), valid, "{fork}");
    }
}

#[test]
fn frames_come_in_order() {
    let (world, batches) = three(OpFork::Holocene);
    let channel = zlib(&rlp(&batches));
    let cut = frames(1, &channel, channel.len().div_ceil(3));
    let other = frame(2, 0, &[1, 2, 3], false);
    let lost = |order: &[&Vec<u8>]| {
        let mut world = world.clone();
        world.post(order.iter().map(|frame| transaction(&[(*frame).clone()])).collect());
        world.derive()
    };
    let [first, second, third] = &cut[..] else { panic!("{} frames", cut.len()) };
    for order in [
        vec![second, first, third],
        vec![first, third, second],
        vec![second, third],
        // A first frame of another channel ends the one that is open.
        vec![first, second, &other, third],
    ] {
        assert!(matches!(lost(&order), Err(DerivationError::NotYet { derived: 0, .. })));
    }
    // Twice, and one that is of no channel, are passed over.
    let stray = frame(3, 5, &[9], true);
    for order in [
        vec![first, second, second, third],
        vec![first, &stray, second, third],
        vec![&other, first, second, third],
        vec![first, second, first, second, third],
    ] {
        assert!(lost(&order).is_ok());
    }
    // A transaction with anything that is no frame has none.
    for broken in [
        vec![1],
        vec![0, 1, 2],
        [&transaction(&cut)[..], &[0]].concat(),
        [&[1], &transaction(&cut)[1..]].concat(),
    ] {
        let mut world = world.clone();
        world.post(vec![broken]);
        assert!(matches!(world.derive(), Err(DerivationError::NotYet { derived: 0, .. })));
    }
}

#[test]
fn a_channel_that_takes_too_long_is_dropped() {
    for (late, in_time) in [(50, true), (51, false)] {
        let (mut world, batches) = three(OpFork::Isthmus);
        world.config.seq_window_size = 100;
        let cut = frames(1, &zlib(&rlp(&batches)), 100);
        world.post(vec![transaction(&cut[..1])]);
        (1..late).for_each(|_| world.mine(Vec::new(), Vec::new()));
        world.post(vec![transaction(&cut[1..])]);
        assert_eq!(world.derive().is_ok(), in_time, "{late}");
    }
}

#[test]
fn only_the_batcher_is_heard() {
    let (world, batches) = three(OpFork::Isthmus);
    let data = transaction(&frames(1, &zlib(&rlp(&batches)), usize::MAX));
    let mut other = world.clone();
    other.post_by(2, vec![data.clone()]);
    assert!(matches!(other.derive(), Err(DerivationError::NotYet { derived: 0, .. })));
    // From the block on in which L1 says so it is another one.
    let mut changed = world.clone();
    let log = config_log(0, &[key(2).address().into_word().0]);
    changed.mine(Vec::new(), vec![log]);
    changed.post_by(1, vec![data.clone()]);
    assert!(matches!(changed.derive(), Err(DerivationError::NotYet { derived: 0, .. })));
    changed.post_by(2, vec![data]);
    changed.follows();
}

#[test]
fn deposits_are_in_the_first_block_of_their_l1_block() {
    for fork in FORKS {
        let mut world = World::new(fork);
        let to = Some(Address::repeat_byte(0xbb));
        // A log of another contract counts where deposits are counted.
        let mut stranger = deposit_log(to, 1, &[]);
        stranger.address = Address::repeat_byte(0x99);
        let logs = vec![deposit_log(to, 1_000, &[1, 2]), stranger, deposit_log(None, 7, &[0x60; 70])];
        world.mine(Vec::new(), logs);
        let hash = world.epoch(4).1;
        let deposits = vec![deposit(hash, 0, to, 1_000, &[1, 2]), deposit(hash, 2, None, 7, &[0x60; 70])];
        let mut batches = Vec::new();
        for (place, deposits) in [(3, Vec::new()), (4, deposits), (4, Vec::new())] {
            world.block(place, deposits, vec![user(1)]);
            batches.push(world.batch());
        }
        world.post_channel(1, &batches);
        world.follows();
    }
}

#[test]
fn the_configuration_changes_with_its_l1_block() {
    let mut world = World::new(OpFork::Jovian);
    let mut scalars = [0; 32];
    scalars[0] = 1;
    scalars[24..28].copy_from_slice(&55_u32.to_be_bytes());
    scalars[28..].copy_from_slice(&44_u32.to_be_bytes());
    let word = |value: u64| super::encode::word(value);
    let mut operator = [0; 32];
    operator[20..24].copy_from_slice(&9_u32.to_be_bytes());
    operator[24..].copy_from_slice(&8_u64.to_be_bytes());
    let logs = vec![
        config_log(1, &[[0; 32], scalars]),
        config_log(2, &[word(77_000_000)]),
        config_log(3, &[word(5)]),
        config_log(4, &[word(100 << 32 | 3)]),
        config_log(5, &[operator]),
        config_log(6, &[word(123)]),
        config_log(7, &[word(321)]),
    ];
    world.mine(Vec::new(), logs);
    world.block(3, Vec::new(), Vec::new());
    let mut batches = vec![world.batch()];
    world.said.scalars = (44, 55);
    world.said.gas_limit = 77_000_000;
    world.said.params = (100, 3);
    world.said.operator = (9, 8);
    (world.said.least, world.said.footprint) = (123, 321);
    world.block(4, Vec::new(), Vec::new());
    batches.push(world.batch());
    world.post_channel(1, &batches);
    world.follows();
}

#[test]
fn where_nothing_is_posted_blocks_are_empty_when_the_window_is_over() {
    let mut world = World::new(OpFork::Isthmus);
    // Blocks of the parent's L1 block up to the time of the next one, then one L1 block after the other.
    while world.l1.len() < 4 + 22 {
        world.mine(Vec::new(), Vec::new());
    }
    let l1_time = |world: &World, place: usize| world.l1[place].0.timestamp;
    for place in [3, 4] {
        while world.newest().header.timestamp + 2 < l1_time(&world, place + 1) {
            world.block(place, Vec::new(), Vec::new());
        }
    }
    world.follows();
    // A block earlier the window of the second L1 block is not over.
    world.l1.pop();
    world.l1.pop();
    assert!(matches!(world.derive(), Err(DerivationError::NotYet { .. })));
}

#[test]
fn a_batch_that_comes_too_late_is_of_no_use() {
    let mut world = World::new(OpFork::Isthmus);
    world.block(3, Vec::new(), vec![user(1)]);
    let batch = world.batch();
    (0..20).for_each(|_| world.mine(Vec::new(), Vec::new()));
    let mut late = world.clone();
    late.post_channel(1, std::slice::from_ref(&batch));
    // The window is over, so the block is an empty one.
    assert_eq!(late.derive(), Err(DerivationError::Differs { block: 11, field: "number of transactions" }));
    let mut in_time = world;
    in_time.l1.truncate(4 + 19);
    in_time.post_channel(1, &[batch]);
    in_time.follows();
}
