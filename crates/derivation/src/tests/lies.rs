//! A range that is not what L1 gives, and an L1 that is not what it says: each lie has its error.

use super::encode::word;
use super::world::{L1_FIRST, World, config_log, deposit, deposit_log, user};
use crate::{DerivationError, DerivationInput, l1_start};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes};
use alloy_trie::root::ordered_trie_root_encoded;
use proofmill_stateless::{Block, OpActivation, OpFork};

/// A range with everything in it: three blocks, deposits in the second.
fn honest() -> World {
    let mut world = World::new(OpFork::Jovian);
    let to = Some(Address::repeat_byte(0xbb));
    world.mine(Vec::new(), vec![deposit_log(to, 1_000, &[1]), deposit_log(to, 2_000, &[2])]);
    let hash = world.epoch(4).1;
    let deposits = vec![deposit(hash, 0, to, 1_000, &[1]), deposit(hash, 1, to, 2_000, &[2])];
    let mut batches = Vec::new();
    for (place, deposits) in [(3, Vec::new()), (4, deposits), (4, Vec::new())] {
        world.block(place, deposits, (0..3).map(user).collect());
        batches.push(world.batch());
    }
    world.post_channel(1, &batches);
    world.follows();
    world
}

/// What somebody changes of a block.
type Lie = Box<dyn Fn(&mut Block)>;

/// Changes a block's transactions, and its header with them; those after it are still linked.
fn rewritten(world: &World, at: usize, change: impl FnOnce(&mut Block)) -> World {
    let mut world = world.clone();
    change(&mut world.blocks[at]);
    let block = &mut world.blocks[at];
    block.header.transactions_root = ordered_trie_root_encoded(&block.transactions);
    for at in at + 1..world.blocks.len() {
        world.blocks[at].header.parent_hash = world.blocks[at - 1].header.hash_slow();
    }
    world
}

#[test]
fn a_range_that_l1_does_not_give_is_refused() {
    let world = honest();
    let made_up =
        deposit(B256::repeat_byte(1), 9, Some(Address::repeat_byte(0xcc)), u64::MAX, &[]).encoded_2718();
    let made_up = Bytes::from(made_up);
    let lies: [(&str, usize, Lie); 11] = [
        (
            "number of transactions",
            2,
            Box::new({
                let made_up = made_up.clone();
                move |block| block.transactions.push(made_up.clone())
            }),
        ),
        ("deposit", 1, Box::new(move |block| block.transactions.insert(1, made_up.clone()))),
        ("deposit", 1, Box::new(|block| drop(block.transactions.remove(1)))),
        ("deposit", 1, Box::new(|block| block.transactions.swap(1, 2))),
        ("transaction", 0, Box::new(|block| drop(block.transactions.remove(2)))),
        ("transaction", 0, Box::new(|block| block.transactions[1] = user(77))),
        (
            "L1 attributes",
            0,
            Box::new(|block| {
                // Another fee of L1: one bit of the call.
                let mut raw = block.transactions[0].to_vec();
                let at = raw.len() - 150;
                raw[at] ^= 1;
                block.transactions[0] = raw.into();
            }),
        ),
        ("gas limit", 0, Box::new(|block| block.header.gas_limit += 1)),
        (
            "extra data",
            0,
            Box::new(|block| {
                let mut extra = block.header.extra_data.to_vec();
                extra[16] ^= 1;
                block.header.extra_data = extra.into();
            }),
        ),
        ("randomness", 0, Box::new(|block| block.header.mix_hash = B256::ZERO)),
        ("beacon root", 0, Box::new(|block| block.header.parent_beacon_block_root = Some(B256::ZERO))),
    ];
    for (field, at, lie) in lies {
        let error = rewritten(&world, at, lie).derive().unwrap_err();
        assert_eq!(error, DerivationError::Differs { block: 11 + at as u64, field });
    }
    let later = rewritten(&world, 0, |block| block.header.timestamp += 1).derive();
    assert!(matches!(later, Err(DerivationError::Differs { block: 11, field: "timestamp" })));
}

#[test]
fn an_l1_that_is_not_what_it_says_is_refused() {
    let world = honest();
    let told = |change: &dyn Fn(&mut DerivationInput)| {
        let mut input = world.input();
        change(&mut input);
        world.derive_from(&input).unwrap_err()
    };
    let last = world.l1.len() - 1;
    let transactions = DerivationError::L1Data { number: L1_FIRST + last as u64, what: "transactions" };
    assert_eq!(told(&|input| input.l1[last].transactions.clear()), transactions);
    let receipts = DerivationError::L1Data { number: L1_FIRST + 4, what: "receipts" };
    assert_eq!(told(&|input| drop(input.l1[4].receipts.as_mut().unwrap().pop())), receipts);
    let missing = DerivationError::ReceiptsMissing { number: L1_FIRST + 4 };
    assert_eq!(told(&|input| input.l1[4].receipts = None), missing);
    let gap = DerivationError::L1Link { number: L1_FIRST + 1 };
    assert_eq!(told(&|input| drop(input.l1.remove(2))), gap);
    assert_eq!(
        told(&|input| input.l1[0].header = Bytes::from_static(&[1])),
        DerivationError::L1Header { at: 0 }
    );
    assert_eq!(told(&|input| input.l1.clear()), DerivationError::L1Header { at: 0 });
    let start = DerivationError::L1Start { first: L1_FIRST + 1, expected: L1_FIRST };
    assert_eq!(told(&|input| drop(input.l1.remove(0))), start);
    assert_eq!(told(&|input| drop(input.parent_transactions.pop())), DerivationError::ParentTransactions);
    assert_eq!(told(&|input| input.config.rules.block_time = 3), DerivationError::OtherRules);
    assert_eq!(told(&|input| input.config.l1_blobs.clear()), DerivationError::BlobSchedule);
    // Its head is what is proven: where it ends earlier, less follows.
    let early = told(&|input| drop(input.l1.pop()));
    assert!(matches!(early, DerivationError::NotYet { derived: 0, wanted: 3, .. }));
    // An L1 on which the parent's L1 block is another one.
    let mut other = world.clone();
    other.l1.truncate(3);
    (0..3).for_each(|_| other.mine(Vec::new(), vec![deposit_log(None, 1, &[])]));
    assert!(matches!(other.derive(), Err(DerivationError::OtherL1 { number, .. }) if number == L1_FIRST + 3));
}

#[test]
fn what_is_not_sure_is_refused() {
    let mut world = World::new(OpFork::Isthmus);
    // The first block of a fork.
    world.block(3, Vec::new(), Vec::new());
    let batch = world.batch();
    world.post_channel(1, &[batch]);
    world.follows();
    let timestamp = world.blocks[0].header.timestamp;
    let mut forks = world.clone();
    forks.config.rules.forks.push(OpActivation { fork: OpFork::Jovian, timestamp });
    assert_eq!(forks.derive(), Err(DerivationError::Activation { timestamp, fork: OpFork::Jovian }));
    // Nor with a user's transaction, which nodes leave out.
    let mut with_user = World::new(OpFork::Isthmus);
    with_user.block(3, Vec::new(), vec![user(1)]);
    let batch = with_user.batch();
    with_user.post_channel(1, &[batch]);
    with_user.follows();
    with_user.config.rules.forks.push(OpActivation { fork: OpFork::Jovian, timestamp });
    assert_eq!(with_user.derive(), Err(DerivationError::Activation { timestamp, fork: OpFork::Jovian }));
    // Nor can the range begin right after it: that block does not say what L1 has configured for the fork.
    let mut first = world.clone();
    let timestamp = world.parent.header.timestamp;
    first.config.rules.forks.push(OpActivation { fork: OpFork::Jovian, timestamp });
    assert_eq!(first.derive(), Err(DerivationError::ParentActivates { fork: OpFork::Jovian }));
    let mut old = world.clone();
    old.config.rules.forks.truncate(4);
    assert!(matches!(old.derive(), Err(DerivationError::BeforeHolocene { .. })));

    // Damaged data of a channel.
    let mut damaged = world.clone();
    damaged.l1.pop();
    let mut channel = super::encode::zlib(&super::encode::rlp(&[world.batch()]));
    let middle = channel.len() / 2;
    channel[middle] ^= 0x55;
    damaged.post(vec![super::encode::transaction(&super::encode::frames(1, &channel, usize::MAX))]);
    assert!(matches!(damaged.derive(), Err(DerivationError::Channel { .. })));

    // Logs that no contract of the OP Stack writes.
    for log in [
        config_log(9, &[word(1_u64)]),
        config_log(2, &[[0xff; 32]]),
        config_log(2, &[]),
        config_log(0, &[[0xff; 32]]),
        deposit_log(None, 1, &[]).with_version(),
    ] {
        let mut world = World::new(OpFork::Isthmus);
        world.mine(Vec::new(), vec![log]);
        for place in [3, 4] {
            world.block(place, Vec::new(), Vec::new());
            let batch = world.batch();
            world.post_channel(place as u8, &[batch]);
        }
        assert!(matches!(world.derive(), Err(DerivationError::Log { .. })));
    }
}

#[test]
fn derivation_begins_as_far_back_as_channels_last() {
    let config = World::new(OpFork::Isthmus).config;
    assert_eq!(l1_start(&config, L1_FIRST + 10), L1_FIRST);
    assert_eq!(l1_start(&config, L1_FIRST + 60), L1_FIRST + 10);
    assert_eq!(config.hash(), config.clone().hash());
    let mut other = config.clone();
    other.seq_window_size += 1;
    assert_ne!(other.hash(), config.hash());
}

trait WithVersion {
    fn with_version(self) -> Self;
}

impl WithVersion for alloy_primitives::Log {
    /// Of a version that there is not.
    fn with_version(mut self) -> Self {
        self.data.topics_mut_unchecked()[3] = B256::repeat_byte(1);
        self
    }
}
