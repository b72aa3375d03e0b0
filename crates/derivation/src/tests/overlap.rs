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
            assert_eq!(world.derive_from(&blind), Err(missing));
            // Those of the others are not needed.
            let mut lean = world.input();
            lean.ancestors[..blocks - 1].iter_mut().for_each(|one| one.transactions.clear());
            assert!(world.derive_from(&lean).is_ok());
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
        let mut first = World { blocks: Vec::new(), ..world.clone() };
        let singles: Vec<_> = (0..single)
            .map(|at| {
                first.blocks.push(world.blocks[at].clone());
                first.at.0 = if at < 2 { 3 } else { 4 };
                first.batch()
            })
            .collect();
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
