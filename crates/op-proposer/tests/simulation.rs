//! Many histories of chains, proofs and transactions that go wrong: what holds whatever happens.

#![allow(clippy::unwrap_used)]

use proofmill_op_proposer::rules::{
    Action, Attempt, BlockGas, Config, Event, L1Block, Plan, Problem, RangeState, Seen, StepFailed,
};
use proofmill_primitives::BlockRange;
use proofmill_service::JobError;
use proofmill_simulation::Rng;
use std::collections::BTreeMap;

proofmill_simulation::story! {
    proposed, rivals, reorgs, restarts, halved, lost_proofs, refused, stale, withdrawn, abandoned, kept_again, cut_by_gas,
    intervals
}

/// What a block of L2 used.
const fn gas_of(block: u64) -> u64 {
    block.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60
}

/// What L1 and L2 are, and what is under way.
struct World {
    rng: Rng,
    story: Story,
    now_ms: u64,
    config: Config,
    plan: Plan,
    /// Last blocks of the outputs on L1, oldest first.
    outputs: Vec<u64>,
    submission_interval: u64,
    finalized: u64,
    l1: u64,
    /// The L1 block whose hash is kept, as long as nothing says that it is of no use.
    kept: Option<u64>,
    /// With the L1 block up to which they are to be derived.
    proving: BTreeMap<BlockRange, Option<u64>>,
    /// Proofs that are kept, with their L1 heads.
    proofs: BTreeMap<BlockRange, u64>,
    steps: Vec<(Attempt, Action)>,
    /// What cannot be executed in one go.
    most_blocks: u64,
    /// Whether faults happen.
    faults: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let config = Config {
            range_blocks: rng.between(1, 30),
            range_gas: rng.percent(40).then(|| rng.between(1, 150)),
            submission_blocks: rng.between(1, 60),
            at_once: rng.between(1, 4) as usize,
        };
        let most_blocks = rng.between(1, 40);
        let submission_interval = rng.between(1, 20);
        Self {
            story: Story::default(),
            now_ms: 1_000_000,
            config,
            plan: Plan::new(config),
            outputs: vec![100],
            submission_interval,
            finalized: 100,
            l1: 1_000,
            kept: None,
            proving: BTreeMap::new(),
            proofs: BTreeMap::new(),
            steps: Vec::new(),
            most_blocks,
            faults: true,
            rng,
        }
    }

    fn output(&self) -> u64 {
        *self.outputs.last().unwrap()
    }

    fn tell(&mut self, event: Event) {
        for action in self.plan.handle(self.now_ms, event) {
            self.carry_out(action);
        }
        self.check();
    }

    fn look(&mut self) {
        let (l2_output, l2_finalized) = (self.output(), self.finalized);
        let next_output = l2_output + self.submission_interval;
        // Not all of it is known at once.
        let known = if self.rng.percent(30) { self.rng.below(20) } else { 10_000 };
        let blocks = l2_output + 1..=l2_finalized;
        let gas = match self.config.range_gas {
            Some(_) => {
                BlockGas { first: *blocks.start(), used: blocks.take(known as usize).map(gas_of).collect() }
            }
            None => BlockGas::default(),
        };
        self.tell(Event::Seen(Seen { l1_block: self.l1, l2_output, next_output, l2_finalized }, gas));
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::ProveRange(blocks) => {
                assert!(blocks.last() <= self.finalized, "{blocks} is not final");
                if let Some(limit) = self.config.range_gas.filter(|_| blocks.len() > 1) {
                    let used: u64 = (blocks.first()..=blocks.last()).map(gas_of).sum();
                    assert!(used <= limit, "{blocks}: {used} of {limit}");
                }
                let up_to = self.plan.up_to(blocks);
                assert!(self.proving.insert(blocks, up_to).is_none(), "{blocks} is proven twice at a time");
            }
            Action::Withdraw(blocks) => {
                self.story.withdrawn += 1;
                assert!(self.proving.remove(&blocks).is_some(), "{blocks} is not being proven");
            }
            Action::Checkpoint { attempt, not_before } => {
                // A transaction that is not needed is not sent.
                assert!(self.kept.is_none_or(|kept| kept < not_before), "{:?} is kept", self.kept);
                self.steps.push((attempt, action));
            }
            Action::Aggregate { attempt, l1, .. } => {
                self.story.kept_again += u64::from(self.l1 > l1.number + 20);
                self.steps.push((attempt, action));
            }
            Action::Propose { attempt, .. } => self.steps.push((attempt, action)),
            Action::Abandon(attempt) => {
                self.story.abandoned += 1;
                let at = self.steps.iter().position(|(of, _)| *of == attempt).unwrap();
                let (_, step) = self.steps.remove(at);
                assert!(matches!(step, Action::Aggregate { .. }), "what is sent cannot be taken back");
            }
        }
    }

    /// What holds at any time.
    fn check(&self) {
        assert!(self.proving.len() <= self.config.at_once);
        let mut end = 0;
        for range in self.plan.ranges() {
            assert!(range.blocks.first() > end, "ranges overlap");
            end = range.blocks.last();
            let proving = range.state == RangeState::Proving;
            assert_eq!(proving, self.proving.contains_key(&range.blocks), "{}", range.blocks);
        }
        let of = |kind: fn(&Action) -> bool| self.steps.iter().filter(|(_, action)| kind(action)).count();
        // One that was sent for a submission which is not there any more ends by itself, and no other is sent meanwhile.
        assert!(of(|action| matches!(action, Action::Checkpoint { .. })) <= 1, "one step at a time");
        assert!(of(|action| matches!(action, Action::Aggregate { .. })) <= 1, "one step at a time");
    }

    fn end_range(&mut self) {
        let running: Vec<_> = self.proving.keys().copied().collect();
        let Some(&blocks) = self.rng.pick(&running) else { return };
        let up_to = self.proving.remove(&blocks).flatten();
        let error = |cause: &str| match cause {
            "limit" => JobError::CannotExecute { cause: cause.into() },
            "away" => JobError::Unavailable { cause: cause.into() },
            "bad" => JobError::BadProof { cause: cause.into() },
            _ => JobError::Failed { cause: cause.into() },
        };
        let cut = self.config.range_gas.is_some() && blocks.len() < self.config.range_blocks;
        self.story.cut_by_gas += u64::from(cut);
        let result = if blocks.len() > self.most_blocks {
            self.story.halved += 1;
            Err(error("limit"))
        } else if self.faults && self.rng.percent(30) {
            Err(error(["away", "bad", "failed"][self.rng.below(3) as usize]))
        } else {
            // It is derived as far as there was something to derive from, or as it is told.
            let derived_to = up_to.unwrap_or(self.l1);
            self.proofs.insert(blocks, derived_to);
            Ok(derived_to)
        };
        self.tell(Event::Range(blocks, result));
    }

    fn end_step(&mut self) {
        if self.steps.is_empty() {
            return;
        }
        let at = self.rng.below(self.steps.len() as u64) as usize;
        let (attempt, action) = self.steps.remove(at);
        let goes_wrong = self.faults && self.rng.percent(30);
        let not_now = || StepFailed::NotNow { cause: "away".into() };
        let event = match action {
            Action::Checkpoint { not_before, .. } => {
                assert!(not_before <= self.l1);
                let hash = [self.l1 as u8; 32].into();
                let came = if goes_wrong {
                    Err(not_now())
                } else {
                    self.kept = Some(self.l1);
                    Ok(L1Block { number: self.l1, hash })
                };
                Event::Checkpointed(attempt, came)
            }
            Action::Aggregate { ranges, l1, .. } => {
                assert!(ranges.windows(2).all(|pair| pair[0].last() + 1 == pair[1].first()));
                self.check_derived(&ranges, l1);
                let lost = |blocks: &BlockRange| Problem { blocks: *blocks, cause: "gone".into() };
                let missing: Vec<_> =
                    ranges.iter().filter(|range| !self.proofs.contains_key(range)).map(lost).collect();
                Event::Aggregated(
                    attempt,
                    match missing.is_empty() {
                        false => Err(StepFailed::RangesLost(missing)),
                        true if goes_wrong => Err(not_now()),
                        true => Ok(()),
                    },
                )
            }
            Action::Propose { ranges, .. } => {
                let (first, last) = (ranges[0].first(), ranges.last().unwrap().last());
                let takes = first == self.output() + 1 && last >= self.output() + self.submission_interval;
                Event::Proposed(
                    attempt,
                    if goes_wrong && self.rng.percent(50) {
                        Err(not_now())
                    } else if takes && !goes_wrong {
                        self.story.proposed += 1;
                        self.outputs.push(last);
                        self.kept = None;
                        Ok(self.l1)
                    } else if self.rng.percent(50) {
                        self.story.stale += 1;
                        self.kept = None;
                        Err(StepFailed::Stale { cause: "another one".into() })
                    } else {
                        self.story.refused += 1;
                        self.kept = None;
                        Err(StepFailed::Refused { cause: "no".into() })
                    },
                )
            }
            Action::ProveRange(_) | Action::Withdraw(_) | Action::Abandon(_) => return,
        };
        self.tell(event);
    }

    fn check_derived(&self, ranges: &[BlockRange], l1: L1Block) {
        for range in ranges {
            assert!(
                self.proofs.get(range).is_none_or(|head| *head <= l1.number),
                "derived after the L1 block"
            );
        }
    }

    fn restart(&mut self) {
        self.story.restarts += 1;
        let written = serde_json::to_string(&self.plan).unwrap();
        let read: Plan = serde_json::from_str(&written).unwrap();
        let proven =
            |plan: &Plan| plan.ranges().filter(|r| matches!(r.state, RangeState::Proven { .. })).count();
        assert_eq!(proven(&read), proven(&self.plan));
        self.plan = read.resume(self.config);
        self.proving.clear();
        // A transaction that was sent may still be included, and nobody hears of it.
        self.steps.retain(|(_, action)| matches!(action, Action::Propose { .. }));
        for (attempt, _) in &mut self.steps {
            *attempt = Attempt(u64::MAX);
        }
    }

    fn turn(&mut self) {
        self.now_ms += self.rng.between(100, 20_000);
        self.l1 += 1;
        match self.rng.below(12) {
            0..=2 => {
                self.finalized += self.rng.below(8);
                self.look();
            }
            3..=6 => self.end_range(),
            7..=9 => self.end_step(),
            10 => self.tell(Event::Tick),
            _ if !self.faults => self.look(),
            _ => match self.rng.below(8) {
                0 => self.restart(),
                1 if self.finalized > self.output() => {
                    self.story.rivals += 1;
                    let last = self.rng.between(self.output() + 1, self.finalized);
                    self.outputs.push(last);
                    self.look();
                }
                2 if self.outputs.len() > 1 => {
                    self.story.reorgs += 1;
                    self.outputs.pop();
                    self.look();
                }
                3 => {
                    let kept: Vec<_> = self.proofs.keys().copied().collect();
                    if let Some(blocks) = self.rng.pick(&kept) {
                        self.story.lost_proofs += 1;
                        self.proofs.remove(blocks);
                    }
                }
                4 => {
                    self.story.intervals += 1;
                    self.submission_interval = self.rng.between(1, 40);
                }
                _ => self.look(),
            },
        }
    }
}

/// A whole history: faults at first, then none, and then everything that can be proposed is.
fn run(seed: u64) -> Story {
    let mut world = World::new(seed);
    for _ in 0..400 {
        world.turn();
    }
    world.faults = false;
    let target = world.finalized;
    // What was refuted is looked at again after half an hour, and blocks are halved a few times.
    for _ in 0..3_000 {
        world.turn();
        if world.output() >= target {
            return world.story;
        }
    }
    panic!("seed {seed}: output {} of {target}: {:?}", world.output(), world.plan);
}

#[test]
fn outputs_follow_whatever_happens() {
    let mut total = Story::default();
    for seed in 0..3_000 {
        total.add(&run(seed));
    }
    // Each kind of fault was met often enough to mean something.
    for (what, count) in total.counts() {
        assert!(count > 200, "{what}: {count}");
    }
}

#[test]
fn a_seed_tells_one_story() {
    assert_eq!(run(5), run(5));
}

#[test]
fn a_look_that_began_before_an_output_was_included_changes_nothing() {
    let mut plan = Plan::new(Config { range_blocks: 10, range_gas: None, submission_blocks: 10, at_once: 1 });
    let seen = |l1_block: u64, l2_output: u64| {
        let seen = Seen { l1_block, l2_output, next_output: l2_output + 1, l2_finalized: 110 };
        Event::Seen(seen, BlockGas::default())
    };
    let blocks = BlockRange::new(101, 110).unwrap();
    assert_eq!(plan.handle(0, seen(5, 100)), [Action::ProveRange(blocks)]);
    let begun = plan.handle(0, Event::Range(blocks, Ok(3)));
    let [Action::Checkpoint { attempt, .. }] = begun[..] else { panic!("{begun:?}") };
    // Somebody proposes, and L1 goes back: the transaction is on its way meanwhile, and its hash serves.
    assert!(plan.handle(0, seen(6, 105)).is_empty());
    let begun = plan.handle(0, seen(7, 100));
    assert_eq!(begun, [Action::ProveRange(blocks)]);
    assert!(plan.handle(0, Event::Range(blocks, Ok(3))).is_empty());
    let l1 = L1Block { number: 4, hash: [4; 32].into() };
    let begun = plan.handle(0, Event::Checkpointed(attempt, Ok(l1)));
    let [Action::Aggregate { attempt, .. }] = begun[..] else { panic!("{begun:?}") };
    let begun = plan.handle(0, Event::Aggregated(attempt, Ok(())));
    let [Action::Propose { attempt, .. }] = begun[..] else { panic!("{begun:?}") };
    assert!(plan.handle(0, Event::Proposed(attempt, Ok(9))).is_empty());
    assert!(plan.handle(0, seen(8, 100)).is_empty());
    assert_eq!(plan.seen().unwrap().l2_output, 110);
    assert!(plan.handle(0, seen(9, 110)).is_empty());
    // Now L1 went back.
    assert_eq!(plan.handle(0, seen(10, 100)), [Action::ProveRange(blocks)]);
}

/// From a checkpoint on to what is proposed: whether the aggregation was made anew, and the attempt to propose. L1 has the same last block
/// throughout.
fn to_proposal(plan: &mut Plan, now_ms: u64, begun: &[Action]) -> (bool, Attempt) {
    let l1 = L1Block { number: 4, hash: [4; 32].into() };
    let [Action::Checkpoint { attempt, .. }] = *begun else { panic!("{begun:?}") };
    let begun = plan.handle(now_ms, Event::Checkpointed(attempt, Ok(l1)));
    let [Action::Aggregate { attempt, anew, .. }] = begun[..] else { panic!("{begun:?}") };
    let begun = plan.handle(now_ms, Event::Aggregated(attempt, Ok(())));
    let [Action::Propose { attempt, .. }] = begun[..] else { panic!("{begun:?}") };
    (anew, attempt)
}

/// The same ranges up to the same block of L1 are the same proof to the cluster, which would hand it out for ever.
#[test]
fn an_aggregation_that_is_refused_is_made_anew() {
    let config = Config { range_blocks: 10, range_gas: None, submission_blocks: 10, at_once: 1 };
    let mut plan = Plan::new(config);
    let blocks = BlockRange::new(101, 110).unwrap();
    let seen = Seen { l1_block: 5, l2_output: 100, next_output: 101, l2_finalized: 110 };
    plan.handle(0, Event::Seen(seen, BlockGas::default()));
    let begun = plan.handle(0, Event::Range(blocks, Ok(3)));
    let (anew, attempt) = to_proposal(&mut plan, 0, &begun);
    assert!(!anew);

    // Attestors find it at fault; that is known after a restart, too.
    let stale = Err(StepFailed::Stale { cause: "2 of 3 attestors refuse the proof".into() });
    assert!(plan.handle(0, Event::Proposed(attempt, stale)).is_empty());
    let written = serde_json::to_string(&plan).unwrap();
    let mut plan = serde_json::from_str::<Plan>(&written).unwrap().resume(config);
    let mut now_ms = 1_000_000;
    let begun = plan.handle(now_ms, Event::Seen(seen, BlockGas::default()));
    let (anew, mut attempt) = to_proposal(&mut plan, now_ms, &begun);
    assert!(anew);

    // L1 refuses that, and it may be the time or the account, for so long: the first refusal counts.
    for times in 1..=5 {
        let refused = Err(StepFailed::Refused { cause: "no".into() });
        assert!(plan.handle(now_ms, Event::Proposed(attempt, refused)).is_empty());
        now_ms += 1_000_000;
        let begun = plan.handle(now_ms, Event::Tick);
        if times == 5 {
            assert!(to_proposal(&mut plan, now_ms, &begun).0);
        } else {
            let [Action::Propose { attempt: next, .. }] = begun[..] else { panic!("{begun:?}") };
            attempt = next;
        }
    }
}

#[test]
fn an_output_that_is_too_near_by_now_waits_for_more_blocks() {
    let mut plan = Plan::new(Config { range_blocks: 10, range_gas: None, submission_blocks: 10, at_once: 1 });
    let seen = |next_output: u64, l2_finalized: u64| {
        Event::Seen(Seen { l1_block: 5, l2_output: 100, next_output, l2_finalized }, BlockGas::default())
    };
    let [first, second] = [(101, 110), (111, 120)].map(|(first, last)| BlockRange::new(first, last).unwrap());
    assert_eq!(plan.handle(0, seen(110, 110)), [Action::ProveRange(first)]);
    let begun = plan.handle(0, Event::Range(first, Ok(3)));
    let [Action::Checkpoint { attempt, .. }] = begun[..] else { panic!("{begun:?}") };
    let l1 = L1Block { number: 4, hash: [4; 32].into() };
    let begun = plan.handle(0, Event::Checkpointed(attempt, Ok(l1)));
    let [Action::Aggregate { attempt, .. }] = begun[..] else { panic!("{begun:?}") };
    // The contract's owner wants more blocks between two outputs. What is proven stays proven.
    let begun = plan.handle(0, seen(115, 120));
    assert_eq!(begun, [Action::Abandon(attempt), Action::ProveRange(second)]);
    let begun = plan.handle(0, Event::Range(second, Ok(4)));
    let [Action::Aggregate { ref ranges, .. }] = begun[..] else { panic!("{begun:?}") };
    assert_eq!(ranges[..], [first, second]);
}

#[test]
fn what_l1_refuses_for_days_costs_ever_fewer_transactions() {
    let mut plan = Plan::new(Config { range_blocks: 10, range_gas: None, submission_blocks: 10, at_once: 1 });
    let seen = Seen { l1_block: 5, l2_output: 100, next_output: 110, l2_finalized: 110 };
    plan.handle(0, Event::Seen(seen, BlockGas::default()));
    let mut begun = plan.handle(0, Event::Range(BlockRange::new(101, 110).unwrap(), Ok(3)));
    let (mut now_ms, mut kept, mut refused) = (0, 0, 0);
    while now_ms < 7 * 24 * 3_600_000 {
        now_ms += 10_000;
        let event = match begun.pop() {
            None => Event::Tick,
            Some(Action::Checkpoint { attempt, .. }) => {
                kept += 1;
                Event::Checkpointed(attempt, Ok(L1Block { number: 4 + kept, hash: [4; 32].into() }))
            }
            Some(Action::Aggregate { attempt, .. }) => Event::Aggregated(attempt, Ok(())),
            Some(Action::Propose { attempt, .. }) => {
                refused += 1;
                Event::Proposed(attempt, Err(StepFailed::Refused { cause: "no".into() }))
            }
            Some(other) => panic!("{other:?}"),
        };
        begun = plan.handle(now_ms, event);
    }
    assert!((2..=12).contains(&kept) && refused > 1_000, "{kept} hashes for {refused} refusals");
}

/// A machine may start with a clock that is ahead, and what was written down then is read after it was put right.
#[test]
fn a_clock_that_is_put_back_holds_nothing_up() {
    const DAY: u64 = 24 * 3_600_000;
    let config = Config { range_blocks: 10, range_gas: None, submission_blocks: 10, at_once: 1 };
    let mut plan = Plan::new(config);
    let blocks = BlockRange::new(101, 110).unwrap();
    let seen = Seen { l1_block: 5, l2_output: 100, next_output: 101, l2_finalized: 110 };
    let mut now_ms = 100 * DAY;
    let look = || Event::Seen(seen, BlockGas::default());
    assert_eq!(plan.handle(now_ms, look()), [Action::ProveRange(blocks)]);
    let away = JobError::Unavailable { cause: "the cluster is away".into() };
    assert_eq!(plan.handle(now_ms, Event::Range(blocks, Err(away))), [], "it pauses");

    now_ms -= DAY;
    let written = serde_json::to_string(&plan).unwrap();
    let mut plan = serde_json::from_str::<Plan>(&written).unwrap().resume(config);
    assert_eq!(plan.handle(now_ms, look()), [Action::ProveRange(blocks)]);
    let begun = plan.handle(now_ms, Event::Range(blocks, Ok(3)));
    let [Action::Checkpoint { attempt, .. }] = begun[..] else { panic!("{begun:?}") };
    let failed = Err(StepFailed::NotNow { cause: "L1 is away".into() });
    assert_eq!(plan.handle(now_ms, Event::Checkpointed(attempt, failed)), [], "it pauses");

    now_ms -= DAY;
    let written = serde_json::to_string(&plan).unwrap();
    let mut plan = serde_json::from_str::<Plan>(&written).unwrap().resume(config);
    let begun = plan.handle(now_ms, look());
    assert!(matches!(begun[..], [Action::Checkpoint { .. }]), "{begun:?}");
}
