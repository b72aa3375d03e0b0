//! Spans that begin before what is to be derived.

use super::encode::{SpanBlock, span};
use super::world::{GENESIS, L1_FIRST, World, user};
use crate::DerivationError;
use alloy_primitives::{B256, Bytes};
use proofmill_stateless::OpFork;

/// Six blocks of two L1 blocks, which no batch has yet.
fn six(fork: OpFork) -> World {
    let mut world = World::new(fork);
    world.mine(Vec::new(), Vec::new());
    for (place, nonces) in [(3, 0..2), (3, 2..3), (4, 3..3), (4, 3..6), (4, 6..7), (4, 7..8)] {
        world.block(place, Vec::new(), nonces.map(user).collect());
    }
    world
}

/// Of all six, or of the last of them.
fn batch(world: &World, from: usize, parent: B256) -> Vec<u8> {
    let changes = [false, false, true, false, false, false];
    let blocks: Vec<SpanBlock> = changes
        .into_iter()
        .zip(world.blocks.iter().map(|block| block.transactions[1..].to_vec()))
        .skip(from)
        .collect();
    let start = world.blocks[from].header.timestamp - GENESIS;
    span((start, L1_FIRST + 4), (parent, world.epoch(4).1), &blocks)
}

/// A batch for each of the first blocks of six.
fn singles(world: &World, count: usize) -> Vec<Vec<u8>> {
    let mut first = World { blocks: Vec::new(), ..world.clone() };
    let single = |at: usize| {
        first.blocks.push(world.blocks[at].clone());
        first.at.0 = if at < 2 { 3 } else { 4 };
        first.batch()
    };
    (0..count).map(single).collect()
}

#[test]
fn a_range_may_begin_within_a_span() {
    for fork in [OpFork::Holocene, OpFork::Karst] {
        let mut whole = six(fork);
        let batch = batch(&whole, 0, whole.parent.header.hash_slow());
        whole.post_channel(1, &[batch]);
        whole.follows();
        for blocks in 1..6 {
            let world = whole.later(blocks);
            world.follows();
            let start = whole.blocks[0].header.timestamp;
            let missing =
                DerivationError::AncestorMissing { number: L1_FIRST + 5, start, back: blocks as u64 };
            // The headers are of no use without the transactions that say where L1 was.
            let mut blind = world.input();
            blind.ancestors[blocks - 1].transactions.clear();
            assert_eq!(world.derive_from(&blind), Err(missing.clone()));
            blind.ancestors.pop();
            assert_eq!(world.derive_from(&blind), Err(missing.clone()));
            // Each of those after it is compared with the span.
            for at in 0..blocks - 1 {
                let mut blind = world.input();
                blind.ancestors[at].transactions.clear();
                assert_eq!(world.derive_from(&blind), Err(missing.clone()));
            }
        }
    }
}

#[test]
fn ancestors_are_not_believed() {
    let mut whole = six(OpFork::Isthmus);
    let batch = batch(&whole, 0, whole.parent.header.hash_slow());
    whole.post_channel(1, &[batch]);
    let world = whole.later(3);
    let refused = |change: &dyn Fn(&mut crate::DerivationInput)| {
        let mut input = world.input();
        change(&mut input);
        match world.derive_from(&input) {
            Err(DerivationError::Ancestor { at, reason }) => (at, reason),
            other => panic!("{other:?}"),
        }
    };
    let unlinked = "is not the parent of the block after it";
    assert_eq!(refused(&|input| drop(input.ancestors.remove(0))), (0, unlinked));
    assert_eq!(refused(&|input| input.ancestors.swap(1, 2)), (1, unlinked));
    assert_eq!(refused(&|input| input.ancestors[2].header = Bytes::new()), (2, unlinked));
    let another = "has other transactions than are given";
    let change = |input: &mut crate::DerivationInput| input.ancestors[2].transactions.push(user(9));
    assert_eq!(refused(&change), (2, another));
}

#[test]
fn the_beginning_of_a_span_is_judged_where_it_is() {
    let whole = six(OpFork::Isthmus);
    let none_follows = |wrong: Vec<u8>| {
        let mut all = whole.clone();
        all.post_channel(1, &[wrong]);
        let derived = all.later(3).derive();
        assert!(matches!(derived, Err(DerivationError::NotYet { derived: 0, .. })), "{derived:?}");
    };
    // It follows on another block.
    none_follows(batch(&whole, 0, B256::repeat_byte(1)));
    // It goes back to an older L1 block than the block before it.
    let users: Vec<_> = whole.blocks.iter().map(|block| block.transactions[1..].to_vec()).collect();
    let start = whole.blocks[0].header.timestamp - GENESIS;
    let parent = whole.parent.header.hash_slow();
    let blocks: Vec<SpanBlock> =
        [false, true, true, false, false, false].into_iter().zip(users.clone()).collect();
    none_follows(span((start, L1_FIRST + 4), (parent, whole.epoch(4).1), &blocks));
    // It begins between two blocks.
    let blocks: Vec<SpanBlock> = [false, false, true, false, false, false].into_iter().zip(users).collect();
    none_follows(span((start - 1, L1_FIRST + 4), (parent, whole.epoch(4).1), &blocks));
}

#[test]
fn a_span_may_begin_with_blocks_that_are_there_already() {
    for (single, from) in [(3, 0), (3, 1), (3, 2), (3, 3), (5, 4), (6, 2)] {
        let mut world = six(OpFork::Jovian);
        let singles = singles(&world, single);
        let parent = match from {
            0 => world.parent.header.hash_slow(),
            from => world.blocks[from - 1].header.hash_slow(),
        };
        let batch = batch(&world, from, parent);
        world.post_channel(1, &singles);
        world.post_channel(2, &[batch]);
        assert!(
            world.derive().is_ok(),
            "{single} single batches, and a span from {from}: {:?}",
            world.derive()
        );
    }
}

#[test]
fn a_span_must_have_what_is_there_already() {
    type Change = fn(&mut Vec<SpanBlock>);
    let changes: [(&str, Change); 6] = [
        ("another transaction", |blocks| blocks[0].1[0] = user(70)),
        ("another order", |blocks| blocks[0].1.swap(0, 1)),
        ("a transaction more", |blocks| blocks[1].1.push(user(71))),
        ("a transaction fewer", |blocks| drop(blocks[0].1.pop())),
        ("an older L1 block", |blocks| (blocks[2].0, blocks[3].0) = (false, true)),
        ("one after it goes back in L1", |blocks| (blocks[2].0, blocks[4].0) = (false, true)),
    ];
    let honest = six(OpFork::Isthmus);
    let parent = honest.parent.header.hash_slow();
    let start = honest.blocks[0].header.timestamp - GENESIS;
    let right = batch(&honest, 0, parent);
    let all = singles(&honest, 6);
    for (what, change) in changes {
        let users = honest.blocks.iter().map(|block| block.transactions[1..].to_vec());
        let mut blocks: Vec<SpanBlock> =
            [false, false, true, false, false, false].into_iter().zip(users).collect();
        change(&mut blocks);
        let wrong = span((start, L1_FIRST + 4), (parent, honest.epoch(4).1), &blocks);
        let mut world = honest.clone();
        world.post_channel(1, &all[..3]);
        // What is behind it in its channel is lost with it.
        world.post_channel(2, &[wrong, all[3].clone()]);
        // Whether the blocks are of the range, its parent, or before it.
        for before in 0..=3 {
            let world = if before == 0 { world.clone() } else { world.later(before) };
            let (derived, at) = (world.derive(), 3 - before as u64);
            assert!(
                matches!(&derived, Err(DerivationError::NotYet { derived, .. }) if *derived == at),
                "{what}, {before} before: {derived:?}"
            );
            let mut world = world;
            world.post_channel(3, std::slice::from_ref(&right));
            world.follows();
        }
    }
}
