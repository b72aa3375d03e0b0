//! Many histories of who creates games: what holds whatever rivals, challengers, reorgs, provers and transactions do.

use crate::{
    arena::{self, Arena, Made, US, gas_of, root_of},
    seeds,
};
use proofmill_chain::{GameStatus, Output, ProposalStatus};
use proofmill_op_proposer::{
    games::{GameId, GamesAction, GamesConfig, GamesEvent, GamesPlan, GamesSeen, Judged},
    rules::{Attempt, Problem, RangeState, StepFailed},
};
use proofmill_primitives::BlockRange;
use proofmill_service::JobError;
use proofmill_simulation::Rng;
use std::collections::BTreeSet;

/// So many histories, where nothing else is said.
const SEEDS: u64 = 150;

proofmill_simulation::story! {
    created, rivals, wrong, challenged, defended, proven_by_rivals, early, resolved, claimed, lost, reorgs, restarts, halved,
    lost_proofs, refused, withdrawn, abandoned, late, outages, unknown, kept, bad, unread
}

struct World {
    rng: Rng,
    story: Story,
    now_ms: u64,
    config: GamesConfig,
    plan: GamesPlan,
    l1: Arena,
    /// What L1 was some blocks ago.
    before: Vec<Arena>,
    finalized: u64,
    /// A look that has begun: what it shows is of then.
    looking: Option<GamesSeen>,
    /// The L1 block with the game that was created last, until a look shows it.
    unseen: Option<u64>,
    proving: BTreeSet<(GameId, BlockRange)>,
    /// Games of which something was proven.
    begun: BTreeSet<GameId>,
    proofs: BTreeSet<(GameId, BlockRange)>,
    /// Games whose aggregation is there, and refused by attestors.
    bad: BTreeSet<GameId>,
    steps: Vec<(Attempt, GamesAction)>,
    /// A transaction that may still be included, as long as no other is sent.
    limbo: Option<GamesAction>,
    most_blocks: u64,
    /// Games that were challenged although they stand, without faults.
    rightly: BTreeSet<GameId>,
    faults: bool,
    challenges: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let config = GamesConfig {
            account: US,
            interval: rng.between(1, 12),
            defenses: rng.between(1, 4) as usize,
            fast_finality: rng.percent(30).then(|| rng.between(1, 3) as usize),
            splits: rng.between(1, 4),
            range_gas: rng.percent(30).then(|| rng.between(1, 60)),
            at_once: rng.between(1, 3) as usize,
        };
        let most_blocks = rng.between(1, 15);
        Self {
            story: Story::default(),
            now_ms: 1_000_000,
            config,
            plan: GamesPlan::new(config),
            l1: Arena::default(),
            before: Vec::new(),
            finalized: 100,
            looking: None,
            unseen: None,
            proving: BTreeSet::new(),
            begun: BTreeSet::new(),
            proofs: BTreeSet::new(),
            bad: BTreeSet::new(),
            steps: Vec::new(),
            limbo: None,
            most_blocks,
            rightly: BTreeSet::new(),
            faults: true,
            challenges: true,
            rng,
        }
    }

    fn tell(&mut self, event: GamesEvent) {
        for action in self.plan.handle(self.now_ms, event) {
            self.carry_out(action);
        }
        self.check();
        let proofs: BTreeSet<GameId> = self.plan.proofs().map(|(game, _)| game).collect();
        self.begun.retain(|game| proofs.contains(game));
    }

    fn look(&mut self) {
        let mut l2_finalized = self.finalized;
        let mut silent = false;
        if self.faults && self.rng.percent(15) {
            self.story.unknown += 1;
            silent = self.rng.percent(50);
            if !silent {
                // Another node is asked, which is not so far, or at its beginning.
                l2_finalized = self.rng.below(self.finalized + 1);
            }
        }
        let mut games = self.l1.judged(l2_finalized, self.config.range_gas.is_some());
        for judged in games.iter_mut().filter(|_| silent) {
            judged.right.take_if(|_| self.rng.percent(50));
        }
        let unread = (self.faults && self.rng.percent(5)).then(|| "away".to_owned());
        if unread.is_some() {
            self.story.unread += 1;
            games.retain(|_| self.rng.percent(60));
        }
        let seen = GamesSeen {
            l1_block: self.l1.block,
            l1_time: self.l1.time,
            anchor: self.l1.anchor,
            may_create: unread.is_none(),
            held: None,
            l2_finalized,
            unread,
            games,
        };
        let seen = match self.looking.take() {
            Some(begun) => begun,
            None if self.faults && self.rng.percent(40) => {
                self.looking = Some(seen);
                return;
            }
            None => seen,
        };
        self.unseen.take_if(|unseen| *unseen <= seen.l1_block);
        let before = self.work();
        self.tell(GamesEvent::Seen(seen));
        let after = self.work();
        for (game, blocks) in before {
            if self.may_stand(game) {
                assert!(after.contains(&(game, blocks)), "the proof of game {game} is given up: {blocks:?}");
                let told = self.shown(game).is_some_and(|judged| judged.right.is_some());
                self.story.kept += u64::from(!told);
            }
        }
    }

    /// Ranges that are being proven, and games whose ranges are being aggregated.
    fn work(&self) -> BTreeSet<(GameId, Option<BlockRange>)> {
        let ranges = self.proving.iter().map(|(game, blocks)| (*game, Some(*blocks)));
        let aggregations = self.steps.iter().filter_map(|(_, action)| match action {
            GamesAction::Aggregate { game, .. } => Some((*game, None)),
            _ => None,
        });
        ranges.chain(aggregations).collect()
    }

    /// Whether what was seen last leaves open that a game stands, and is to be proven.
    fn may_stand(&self, id: GameId) -> bool {
        let seen = self.plan.seen().unwrap();
        let there = |index: u32| seen.games.iter().find(|judged| judged.game.index == index);
        let Some(judged) = there(id.index) else { return seen.unread.is_some() };
        let game = &judged.game;
        let wanted = game.proposal == ProposalStatus::Challenged
            || (self.config.fast_finality.is_some()
                && game.proposal == ProposalStatus::Unchallenged
                && game.creator == US);
        let (mut next, mut falls) = (Some(judged), seen.l1_time > game.deadline || judged.id() != id);
        while let Some(judged) = next.filter(|judged| judged.game.status != GameStatus::DefenderWins) {
            let late =
                judged.game.proposal == ProposalStatus::Challenged && seen.l1_time > judged.game.deadline;
            falls |= late || judged.game.status == GameStatus::ChallengerWins || judged.right == Some(false);
            next = judged.game.parent.and_then(there);
        }
        wanted && !falls
    }

    /// The game as the plan saw it last.
    fn seen(&self, id: GameId) -> Judged {
        self.shown(id).unwrap().clone()
    }

    /// The same, if it was among those.
    fn shown(&self, id: GameId) -> Option<&Judged> {
        self.plan.seen().unwrap().games.iter().find(|judged| judged.id() == id)
    }

    fn carry_out(&mut self, action: GamesAction) {
        match &action {
            GamesAction::ProveRange { game, blocks } => {
                let judged = self.seen(*game);
                let begins = self.begun.insert(*game);
                assert!(judged.right == Some(true) || (!begins && judged.right.is_none()), "{judged:?}");
                assert!(blocks.first() > judged.game.start.block && blocks.last() <= judged.game.claim.block);
                if let Some(limit) = self.config.range_gas.filter(|_| blocks.len() > 1) {
                    let used: u64 = (blocks.first()..=blocks.last()).map(gas_of).sum();
                    assert!(used <= limit, "{blocks}: {used} of {limit}");
                }
                assert!(self.proving.insert((*game, *blocks)), "{blocks} is proven twice at a time");
            }
            GamesAction::Withdraw { game, blocks } => {
                self.story.withdrawn += 1;
                assert!(self.proving.remove(&(*game, *blocks)), "{blocks} is not being proven");
            }
            GamesAction::Abandon(attempt) => {
                self.story.abandoned += 1;
                let at = self.steps.iter().position(|(of, _)| of == attempt).unwrap();
                let (_, step) = self.steps.remove(at);
                assert!(matches!(step, GamesAction::Aggregate { .. }), "what is sent cannot be taken back");
            }
            GamesAction::Create { attempt, block, parent } => {
                assert!(*block <= self.finalized);
                assert_eq!(self.unseen, None, "a game is created before the last one shows");
                let seen = self.plan.seen().unwrap();
                // The factory takes a claim once, also where it was lost.
                let claim = Output { root: root_of(*block), block: *block };
                let index = parent.map(|parent| parent.index);
                let there = seen
                    .games
                    .iter()
                    .find(|judged| judged.game.parent == index && judged.game.claim == claim);
                assert!(there.is_none(), "a claim that is there is created again: {there:?}");
                if let Some(parent) = parent {
                    let parent = seen.games.iter().find(|judged| judged.id() == *parent).unwrap();
                    assert_eq!(parent.right, Some(true), "a game is built on a wrong one");
                    assert!(*block >= parent.game.claim.block + self.config.interval);
                }
                self.steps.push((*attempt, action));
            }
            GamesAction::Aggregate { attempt, game, .. } | GamesAction::Prove { attempt, game, .. } => {
                assert_ne!(self.seen(*game).right, Some(false), "a wrong claim is proven");
                self.steps.push((*attempt, action));
            }
            GamesAction::Resolve { attempt, .. } | GamesAction::Claim { attempt, .. } => {
                self.steps.push((*attempt, action));
            }
        }
    }

    fn check(&self) {
        let active: BTreeSet<GameId> = self.proving.iter().map(|(game, _)| *game).collect();
        assert!(self.config.fast_finality.is_some() || active.len() <= self.config.defenses);
        for (game, ranges) in self.plan.proofs().filter(|(game, _)| self.shown(*game).is_some()) {
            let mut next = self.seen(game).game.start.block + 1;
            for range in ranges {
                assert_eq!(range.blocks.first(), next, "ranges follow on each other");
                next = range.blocks.last() + 1;
                let proving = range.state == RangeState::Proving;
                assert_eq!(proving, self.proving.contains(&(game, range.blocks)));
            }
            assert_eq!(next, self.seen(game).game.claim.block + 1, "ranges reach the claim");
        }
    }

    /// What holds when a game of ours was created.
    fn check_bonds(&self) {
        let mut ours = BTreeSet::new();
        let stands = |made: &&Made| !self.l1.is_lost(made) && self.l1.is_right_to_the_root(made);
        for made in self.l1.games.iter().filter(|made| made.creator == US).filter(stands) {
            assert!(ours.insert(made.block), "two bonds for the claim of block {}", made.block);
        }
    }

    fn end_range(&mut self) {
        let running: Vec<_> = self.proving.iter().copied().collect();
        let Some(&(game, blocks)) = self.rng.pick(&running) else { return };
        self.proving.remove(&(game, blocks));
        let came = if self.proofs.contains(&(game, blocks)) {
            Ok(())
        } else if blocks.len() > self.most_blocks {
            self.story.halved += 1;
            Err(JobError::CannotExecute { cause: "limit".into() })
        } else if self.faults && self.rng.percent(25) {
            Err(match self.rng.below(3) {
                0 => JobError::Unavailable { cause: "away".into() },
                1 => JobError::BadProof { cause: "bad".into() },
                _ => JobError::Failed { cause: "failed".into() },
            })
        } else {
            self.proofs.insert((game, blocks));
            Ok(())
        };
        self.tell(GamesEvent::Range(game, blocks, came));
    }

    /// Includes a transaction of ours, if the contracts take it.
    fn include(&mut self, action: &GamesAction) -> bool {
        let place = |l1: &Arena, game: &GameId| l1.games.iter().position(|made| made.id() == *game);
        match action {
            GamesAction::Create { block, parent, .. } => {
                let parent = parent.map(|parent| parent.index);
                let created = self.l1.create(US, *block, root_of(*block), parent);
                self.story.created += u64::from(created);
                self.check_bonds();
                created
            }
            GamesAction::Prove { game, .. } => {
                let Some(at) = place(&self.l1, game) else { return false };
                assert!(self.l1.is_right(&self.l1.games[at]), "a wrong claim is proven");
                let challenged = self.l1.games[at].challenger.is_some();
                let proven = self.l1.prove(US, at);
                self.story.defended += u64::from(proven && challenged);
                self.story.early += u64::from(proven && !challenged);
                proven
            }
            GamesAction::Resolve { game, .. } => {
                let resolved = place(&self.l1, game).is_some_and(|at| self.l1.resolve(at));
                self.story.resolved += u64::from(resolved);
                resolved
            }
            GamesAction::Claim { game, .. } => {
                let claimed = place(&self.l1, game).is_some_and(|at| self.l1.claim(at, US));
                self.story.claimed += u64::from(claimed);
                claimed
            }
            _ => false,
        }
    }

    fn end_step(&mut self) {
        if self.steps.is_empty() {
            return;
        }
        let at = self.rng.below(self.steps.len() as u64) as usize;
        let (attempt, action) = self.steps.remove(at);
        let wrong = self.faults && self.rng.percent(25);
        let not_now = || StepFailed::NotNow { cause: "away".into() };
        if let GamesAction::Aggregate { game, ranges, anew, .. } = &action {
            let missing = ranges.iter().filter(|range| !self.proofs.contains(&(*game, **range)));
            let lost = |&blocks: &BlockRange| Problem { blocks, cause: "gone".into() };
            let lost: Vec<_> = missing.map(lost).collect();
            let came = match lost.is_empty() {
                false => Err(StepFailed::RangesLost(lost)),
                true if wrong => Err(not_now()),
                true => {
                    if *anew {
                        self.bad.remove(game);
                    } else if self.faults && self.rng.percent(15) {
                        self.bad.insert(*game);
                    }
                    Ok(())
                }
            };
            return self.tell(GamesEvent::Aggregated(attempt, came));
        }
        if let GamesAction::Prove { game, .. } = &action
            && self.bad.contains(game)
        {
            self.story.bad += 1;
            let stale = StepFailed::Stale { cause: "bad".into() };
            return self.tell(GamesEvent::Sent(attempt, Err(stale)));
        }
        // It is looked at just before.
        if let GamesAction::Create { parent: Some(parent), .. } = &action
            && !self.l1.games.iter().any(|made| made.id() == *parent)
        {
            return self.tell(GamesEvent::Sent(attempt, Err(not_now())));
        }
        let came = if wrong {
            // It was not sent, or it was and is not included in time.
            if self.rng.percent(50) {
                self.story.late += 1;
                self.limbo = Some(action);
            }
            Err(not_now())
        } else {
            self.limbo = None;
            self.l1.next_block(0);
            if self.include(&action) {
                if matches!(action, GamesAction::Create { .. }) {
                    self.unseen = Some(self.l1.block);
                }
                Ok(self.l1.block)
            } else {
                self.story.refused += 1;
                Err(StepFailed::Refused { cause: "no".into() })
            }
        };
        self.tell(GamesEvent::Sent(attempt, came));
    }

    /// What a step that nobody waits for any more may still become.
    fn forget_steps(&mut self) {
        let sent: Vec<_> = self
            .steps
            .drain(..)
            .filter(|(_, action)| match action {
                GamesAction::Aggregate { .. } => false,
                GamesAction::Prove { game, .. } => !self.bad.contains(game),
                _ => true,
            })
            .map(|(_, action)| action)
            .collect();
        if let Some(action) = self.rng.pick(&sent) {
            self.limbo = Some(action.clone());
        }
    }

    fn restart(&mut self) {
        self.story.restarts += 1;
        self.plan = GamesPlan::new(self.config);
        self.proving.clear();
        self.begun.clear();
        (self.looking, self.unseen) = (None, None);
        self.forget_steps();
        self.look();
    }

    fn reorg(&mut self) {
        let Some(before) = self.before.pop() else { return };
        self.story.reorgs += 1;
        let time = self.l1.time;
        let branch = self.l1.branch + 1;
        self.l1 = before;
        (self.l1.branch, self.l1.time) = (branch, time);
        self.before.clear();
        // The plan finds that out where the block that it waits for does not come with what it waits for.
        self.looking = None;
        self.look();
    }

    fn others(&mut self) {
        let games = self.l1.games.len() as u64;
        let any = |rng: &mut Rng| rng.below(games.max(1)) as usize;
        match self.rng.below(10) {
            0 | 1 if self.faults => {
                let parent = (games > 0 && self.rng.percent(70)).then(|| any(&mut self.rng) as u32);
                let block = self.finalized.saturating_sub(self.rng.below(10));
                let honest = self.rng.percent(60);
                let root = if honest { root_of(block) } else { root_of(block + 1_000_000) };
                if self.l1.create(arena::RIVAL, block, root, parent) {
                    self.story.rivals += 1;
                    self.story.wrong += u64::from(!honest);
                }
            }
            2 | 3 if games > 0 && self.challenges => {
                let at = any(&mut self.rng);
                if (!self.l1.is_right(&self.l1.games[at]) || self.rng.percent(40))
                    && self.l1.challenge(arena::RIVAL, at)
                {
                    self.story.challenged += 1;
                    let made = &self.l1.games[at];
                    if !self.faults && self.l1.is_right_to_the_root(made) {
                        self.rightly.insert(made.id());
                    }
                }
            }
            4 if games > 0 && self.faults => {
                let at = any(&mut self.rng);
                if self.l1.is_right(&self.l1.games[at])
                    && self.rng.percent(20)
                    && self.l1.prove(arena::RIVAL, at)
                {
                    self.story.proven_by_rivals += 1;
                }
            }
            5 | 6 if games > 0 => drop(self.l1.resolve(any(&mut self.rng))),
            // A challenger takes what it won.
            7 if games > 0 => drop(self.l1.claim(any(&mut self.rng), arena::RIVAL)),
            _ => {}
        }
    }

    fn turn(&mut self) {
        self.now_ms += self.rng.between(100, 20_000);
        if self.rng.percent(20) {
            self.before.push(self.l1.clone());
        }
        let seconds = self.rng.between(1, 40);
        self.l1.next_block(seconds);
        if self.rng.percent(10)
            && let Some(action) = self.limbo.take()
        {
            self.include(&action);
        }
        self.others();
        // Without faults there are provers enough.
        for _ in 0..if self.faults { 0 } else { 3 } {
            self.end_range();
            self.end_step();
        }
        match self.rng.below(12) {
            0..=2 => {
                if self.faults || self.challenges {
                    self.finalized += self.rng.below(4);
                }
                self.look();
            }
            3..=6 => self.end_range(),
            7..=9 => self.end_step(),
            10 => self.tell(GamesEvent::Tick),
            _ if !self.faults => self.look(),
            _ => match self.rng.below(8) {
                0 => self.restart(),
                1 | 2 => self.reorg(),
                3 => {
                    let kept: Vec<_> = self.proofs.iter().copied().collect();
                    if let Some(one) = self.rng.pick(&kept) {
                        self.story.lost_proofs += 1;
                        self.proofs.remove(one);
                    }
                }
                // Nothing works for hours: what was challenged and is not proven is lost.
                4 if self.rng.percent(30) => {
                    self.story.outages += 1;
                    self.l1.next_block(7_000);
                    self.look();
                }
                _ => self.look(),
            },
        }
    }

    /// Games whose claim is right, and all that they build on.
    fn standing(&self) -> Vec<&Made> {
        self.l1.games.iter().filter(|made| self.l1.is_right_to_the_root(made)).collect()
    }
}

/// A whole history: faults at first, then none, then no challenges, and then everything is settled.
fn run(seed: u64) -> Story {
    let mut world = World::new(seed);
    for _ in 0..300 {
        world.turn();
    }
    world.faults = false;
    // What failed often waits for half an hour.
    for _ in 0..200 {
        world.challenges = false;
        world.turn();
    }
    let lost = |world: &World| -> BTreeSet<GameId> {
        world.standing().iter().filter(|made| world.l1.is_lost(made)).map(|made| made.id()).collect()
    };
    let lost_by_faults = lost(&world);
    world.story.lost += lost_by_faults.len() as u64;
    world.challenges = true;
    for _ in 0..150 {
        world.turn();
    }
    world.challenges = false;
    // What is lost is resolved by others, whenever they come to it: for each game only after the one that it builds on.
    for _ in 0..20_000 {
        world.turn();
        let l1 = &world.l1;
        let ours = |made: &&Made| made.creator == US || made.prover == Some(US);
        let settled = l1.games.iter().filter(ours).filter(|made| l1.is_right_to_the_root(made)).all(|made| {
            made.status != GameStatus::InProgress
                && (made.status == GameStatus::ChallengerWins || made.owes(US) == 0)
        });
        let head = world.plan.head().map_or(l1.anchor, |(_, block)| block);
        // Claims that were lost by faults are not taken again.
        let reached = head + world.config.interval + lost_by_faults.len() as u64 > world.finalized;
        if settled && reached && world.steps.is_empty() {
            for made in l1.games.iter().filter(|made| world.rightly.contains(&made.id())) {
                assert!(!l1.is_lost(made), "seed {seed}: a right claim was lost: {made:?}");
            }
            for made in &l1.games {
                assert!(made.status == GameStatus::InProgress || !l1.is_final(made) || made.owes(US) == 0);
                assert!(
                    made.proposal() != ProposalStatus::Resolved || made.prover.is_none() || l1.is_right(made)
                );
            }
            return world.story;
        }
    }
    panic!("seed {seed}: not settled: {:?}\n{:#?}", world.plan.problems(), world.l1);
}

#[test]
fn games_are_settled_whatever_happens() {
    let mut total = Story::default();
    let seeds = seeds(SEEDS);
    for seed in 0..seeds {
        total.add(&run(seed));
    }
    // Each kind of thing was met often enough to mean something.
    for (what, count) in total.counts() {
        assert!(count * 20 > seeds, "{what}: {count}");
    }
}

#[test]
fn a_seed_tells_one_story() {
    assert_eq!(run(5), run(5));
}

#[test]
fn a_challenged_game_that_is_not_proven_is_said() {
    let mut l1 = Arena::default();
    assert!(l1.create(US, 105, root_of(105), None) && l1.challenge(arena::RIVAL, 0));
    assert!(l1.create(US, 110, root_of(110), Some(0)));
    assert!(l1.create(US, 106, root_of(7), None));
    l1.next_block(2_000);
    assert!(l1.challenge(arena::RIVAL, 1) && l1.challenge(arena::RIVAL, 2));
    assert!(l1.create(arena::RIVAL, 107, root_of(107), None) && l1.challenge(arena::RIVAL, 3));
    // The first is lost by now.
    l1.next_block(4_001);
    let mut games = l1.judged(200, false);
    games[3].provable = false;
    let ids: Vec<_> = games.iter().map(|judged| judged.id().to_string()).collect();
    let mut plan = GamesPlan::new(GamesConfig::of(US));
    let (l1_block, l1_time, anchor) = (l1.block, l1.time, l1.anchor);
    let (may_create, held) = (false, Some("they are of another release".to_owned()));
    let (l2_finalized, unread) = (200, None);
    let seen = GamesSeen { l1_block, l1_time, anchor, may_create, held, l2_finalized, unread, games };
    assert!(plan.handle(0, GamesEvent::Seen(seen)).is_empty());
    let problems = plan.problems();
    assert_eq!(problems.len(), 4, "{problems:?}");
    for (problem, (id, words)) in problems.iter().zip([
        (&"new games".to_owned(), "another release"),
        (&ids[1], "what it builds on"),
        (&ids[2], "another output"),
        (&ids[3], "run the release that made it"),
    ]) {
        assert!(problem.what.contains(id) && problem.cause.contains(words), "{problem:?}");
    }
}
