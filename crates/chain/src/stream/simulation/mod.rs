//! The core against chains that do anything: grow, fork, lie, lag; with handlers that fail and streams that start anew.
//! Whatever happened, once the chains stand still the handler knows what is true, and never heard a false word before.
#![expect(clippy::unwrap_used, reason = "tests")]

mod world;

use super::{
    core::{Instead, StreamCore},
    tips::StreamTips,
    view::View,
};
use crate::{ChainEvent, PruneCause};
use alloy_primitives::B256;
use proofmill_primitives::Checkpoint;
use proptest::prelude::*;
use std::collections::BTreeMap;
use world::{Call, World};

#[derive(Clone, Debug)]
enum Op {
    /// L1 makes a block with this in it.
    L1(Call),
    /// The last blocks of L1 are replaced, by as many or one more.
    L1Reorg {
        depth: usize,
    },
    L2Blocks {
        count: u64,
    },
    L2Reorg {
        depth: usize,
    },
    /// The last blocks of L2 are replaced by a single one.
    L2Shortened {
        depth: usize,
    },
    /// The stream is asked until it waits. The handler fails at the event with this number, if there is one.
    Poll {
        fails_at: Option<usize>,
        meanwhile: Option<Meanwhile>,
    },
    /// A poll at an L1 node that lags.
    PollLagging {
        by: usize,
    },
    /// A poll while L2 is away.
    PollWithoutL2,
    /// The process restarts: with the tips it kept, or with nothing.
    Restart {
        keeps: bool,
    },
}

/// What happens to the chains after the stream has read their heads.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    L1Reorg { depth: usize },
    L2Reorg { depth: usize },
}

/// What a handler knows from the events alone.
#[derive(Clone, Debug, Default)]
struct Known {
    checkpoints: Vec<Checkpoint>,
    proven: u64,
    finalized: u64,
    blocks: BTreeMap<u64, B256>,
}

struct Run {
    world: World,
    core: StreamCore,
    known: Known,
    l1_reorged: bool,
}

impl Run {
    fn new() -> Self {
        let world = World::new();
        let core = StreamCore::new(world.clock, world.genesis(), None);
        Self { world, core, known: Known::default(), l1_reorged: false }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::L1(call) => self.world.mine(call),
            Op::L1Reorg { depth } => {
                self.l1_reorged = true;
                self.world.reorg_l1(depth);
            }
            Op::L2Blocks { count } => self.world.grow_l2(count),
            Op::L2Reorg { depth } => self.world.reorg_l2(depth),
            Op::L2Shortened { depth } => self.world.shorten_l2(depth),
            Op::Poll { fails_at, meanwhile } => self.poll(0, true, fails_at, meanwhile),
            Op::PollLagging { by } => self.poll(by, true, None, None),
            Op::PollWithoutL2 => self.poll(0, false, None, None),
            Op::Restart { keeps: true } => {
                let tips: Option<StreamTips> = self.core.tips().cloned();
                // It is kept as text somewhere.
                let text = serde_json::to_string(&tips).unwrap();
                self.core = StreamCore::new(
                    self.world.clock,
                    self.world.genesis(),
                    serde_json::from_str(&text).unwrap(),
                );
            }
            Op::Restart { keeps: false } => {
                self.core = StreamCore::new(self.world.clock, self.world.genesis(), None);
                self.known = Known::default();
            }
        }
    }

    fn poll(&mut self, lag: usize, l2: bool, fails_at: Option<usize>, mut meanwhile: Option<Meanwhile>) {
        let mut view = self.world.view(&self.core, lag);
        if !l2 {
            view.l2 = None;
        }
        let blocks = self.world.l2.clone();
        let mut told = 0;
        let disturbed = meanwhile.is_some();
        for _ in 0..10_000 {
            match self.core.step(&view) {
                Ok(event) => {
                    if fails_at == Some(told) {
                        assert!(self.core.is_offering());
                        return;
                    }
                    told += 1;
                    self.hear(event, &view, &blocks);
                    self.core.acknowledge();
                }
                Err(Instead::LookUpL1(number)) => {
                    let hash = self.world.l1.get(number as usize).map(|block| block.hash);
                    assert!(view.l1_hashes.insert(number, hash).is_none(), "looked up twice");
                }
                Err(Instead::LookUpL2(number)) => {
                    let hash = self.world.l2.get(number as usize).copied();
                    assert!(view.l2_hashes.insert(number, hash).is_none(), "looked up twice");
                }
                Err(Instead::Wait(_)) => {
                    if lag == 0 && !disturbed {
                        self.l1_reorged = false;
                    }
                    return;
                }
            }
            match meanwhile.take() {
                Some(Meanwhile::L1Reorg { depth }) => {
                    self.l1_reorged = true;
                    self.world.reorg_l1(depth);
                }
                Some(Meanwhile::L2Reorg { depth }) => self.world.reorg_l2(depth),
                None => {}
            }
        }
        panic!("it never comes to rest");
    }

    fn hear(&mut self, event: ChainEvent, view: &View, blocks: &[B256]) {
        let known = &mut self.known;
        let last = known.checkpoints.last();
        match event {
            ChainEvent::BlocksAdded { blocks: added } => {
                known.blocks.split_off(&added.first());
                if let Some((last, _)) = known.blocks.last_key_value() {
                    assert_eq!(last + 1, added.first(), "no block is left out");
                }
                known.blocks.extend(added.numbers().map(|number| (number, blocks[number as usize])));
            }
            ChainEvent::Checkpointed(checkpoint) => {
                if let Some(last) = last {
                    assert_eq!(checkpoint.number, last.number.next());
                    assert_eq!(checkpoint.parent_hash, last.last_hash);
                }
                assert!(known.blocks.contains_key(&checkpoint.blocks.last()), "its blocks come first");
                assert_eq!(view.l1.checkpoint(checkpoint.number), Some(&checkpoint));
                known.checkpoints.push(checkpoint);
            }
            ChainEvent::Pruned { to, cause } => {
                if let Some(last) = last {
                    assert!(to < last.number, "something is pruned");
                }
                assert!(to.0 >= known.proven, "what is proven stands");
                if cause == PruneCause::L1Reorg {
                    assert!(self.l1_reorged, "L1 had no reorg");
                }
                known.checkpoints.retain(|checkpoint| checkpoint.number <= to);
            }
            ChainEvent::Proven { checkpoint, epoch } => {
                assert_ne!(known.proven, checkpoint.0, "it moved");
                let slot = view.l1.checkpoint(checkpoint).map(|checkpoint| checkpoint.slot);
                assert_eq!(epoch, self.world.clock.epoch_of(slot.unwrap_or_default()));
                known.proven = checkpoint.0;
            }
            ChainEvent::Finalized { checkpoint } => {
                assert!(checkpoint.0 > known.finalized, "finality goes forward");
                known.finalized = checkpoint.0;
            }
        }
    }

    /// No checkpoint waits whose blocks L2 has.
    fn nothing_is_untold(&self) {
        let told = self.core.tips().unwrap().checkpointed();
        if let Some(next) = self.world.l1.last().unwrap().checkpoints.get(told.0 as usize) {
            let there = self.world.l2.get(next.blocks.last() as usize);
            assert_ne!(there, Some(&next.last_hash), "{next:?} was not told");
        }
    }

    /// The chains stand still and grow by one block, which every lagging view waits for; then all is known.
    fn settle(&mut self) {
        // L2 makes no block: its branch may be shorter than another that was seen.
        for _ in 0..2 {
            self.world.mine(Call::Nothing);
            self.poll(0, true, None, None);
        }
        self.nothing_is_untold();
        let tips = self.core.tips().unwrap();
        let seen = tips.last_block().unwrap_or_default().max(tips.before.number);
        self.world.grow_l2((seen + 1).saturating_sub(self.world.l2.len() as u64));
        for _ in 0..2 {
            self.world.mine(Call::Nothing);
            self.world.grow_l2(1);
            self.poll(0, true, None, None);
        }
        self.nothing_is_untold();
        let truth = self.world.l1.last().unwrap();
        let known = &self.known;
        assert_eq!(known.proven, truth.proven as u64);
        let tips = self.core.tips().unwrap();
        assert_eq!(tips.proven().0, known.proven);
        // Blocks of checkpoints that are final and forgotten are not told again.
        for (number, hash) in known.blocks.range(tips.before.number + 1..) {
            assert_eq!(self.world.l2.get(*number as usize), Some(hash), "block {number}");
        }
        assert_eq!(
            known.blocks.last_key_value().map(|(number, _)| *number),
            Some(self.world.l2.len() as u64 - 1)
        );
        let on_l2 = |checkpoint: &Checkpoint| {
            self.world.l2.get(checkpoint.blocks.last() as usize) == Some(&checkpoint.last_hash)
        };
        for checkpoint in &known.checkpoints {
            assert_eq!(truth.checkpoints.get(checkpoint.number.0 as usize - 1), Some(checkpoint));
            assert!(on_l2(checkpoint) || checkpoint.number.0 <= known.proven);
        }
        let last = known.checkpoints.last().map_or(tips.checkpointed(), |last| last.number);
        assert_eq!(tips.checkpointed(), last);
        // From the first checkpoint of the first epoch that is not fully proven on, all is there.
        let first_unproven = truth.checkpoints.get(truth.proven);
        if let (Some(next), Some(first)) = (first_unproven, known.checkpoints.first()) {
            let epoch = self.world.clock.epoch_of(next.slot);
            assert!(
                truth.checkpoints[..first.number.0 as usize - 1].iter().all(|before| self
                    .world
                    .clock
                    .epoch_of(before.slot)
                    < epoch)
            );
        }
    }
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        2 => Just(Call::Nothing),
        6 => (1_u64..4).prop_map(|blocks| Call::Propose { blocks }),
        1 => Just(Call::ProposeLie),
        3 => (1_u64..4).prop_map(|checkpoints| Call::Prove { checkpoints }),
        1 => Just(Call::PassWindow),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let meanwhile = prop_oneof![
        (1_usize..5).prop_map(|depth| Meanwhile::L1Reorg { depth }),
        (1_usize..8).prop_map(|depth| Meanwhile::L2Reorg { depth }),
    ];
    prop_oneof![
        8 => call().prop_map(Op::L1),
        1 => (1_usize..7).prop_map(|depth| Op::L1Reorg { depth }),
        6 => (1_u64..5).prop_map(|count| Op::L2Blocks { count }),
        1 => (1_usize..10).prop_map(|depth| Op::L2Reorg { depth }),
        1 => (2_usize..10).prop_map(|depth| Op::L2Shortened { depth }),
        6 => (proptest::option::of(0_usize..4), proptest::option::weighted(0.2, meanwhile))
            .prop_map(|(fails_at, meanwhile)| Op::Poll { fails_at, meanwhile }),
        1 => (1_usize..4).prop_map(|by| Op::PollLagging { by }),
        1 => Just(Op::PollWithoutL2),
        1 => any::<bool>().prop_map(|keeps| Op::Restart { keeps }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn whatever_happens_the_handler_knows_what_is_true(ops in prop::collection::vec(op(), 1..120)) {
        let mut run = Run::new();
        for op in ops {
            run.apply(op);
        }
        run.settle();
    }
}
