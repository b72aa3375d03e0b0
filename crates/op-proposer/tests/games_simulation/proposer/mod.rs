//! Many histories of who creates games: what holds whatever rivals, challengers, reorgs, provers and transactions do.

mod checks;
mod events;

use crate::{
    arena::{self, Arena, Made, US, root_of},
    many,
};
use proofmill_chain::{GameStatus, ProposalStatus};
use proofmill_op_proposer::{
    games::{GameId, GamesAction, GamesConfig, GamesEvent, GamesPlan, GamesSeen},
    rules::Attempt,
};
use proofmill_primitives::BlockRange;
use proofmill_simulation::Rng;
use std::collections::BTreeSet;

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
    many(run, Story::add, Story::counts);
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
