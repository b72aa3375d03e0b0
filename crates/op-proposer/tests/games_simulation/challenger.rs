//! Many histories of who challenges: what holds whatever liars, reorgs, a node that lags or lies, and transactions do.

use crate::{
    arena::{Arena, Made, RIVAL, US, root_of},
    many,
};
use alloy_primitives::{Address, B256};
use proofmill_chain::{GameStatus, Output, ProposalStatus};
use proofmill_op_proposer::{
    challenges::{
        Accused, ChallengesAction, ChallengesConfig, ChallengesEvent, ChallengesPlan, ChallengesSeen,
    },
    games::GameId,
    rules::{Attempt, StepFailed},
};
use proofmill_simulation::Rng;
use std::collections::{BTreeMap, BTreeSet};

proofmill_simulation::story! {
    created, wrong, never, challenged, falls, by_others, won, claimed, unknown, held, reorgs, restarts, late, refused
}

/// Somebody else who challenges.
const OTHER: Address = Address::repeat_byte(3);

struct World {
    rng: Rng,
    story: Story,
    now_ms: u64,
    plan: ChallengesPlan,
    l1: Arena,
    /// What L1 was some blocks ago.
    before: Vec<Arena>,
    finalized: u64,
    /// What our node has of it.
    node_finalized: u64,
    /// The L1 block at which blocks of L2 were finalized.
    origins: BTreeMap<u64, u64>,
    /// Whether our node is of this chain.
    node_is_right: bool,
    steps: Vec<(Attempt, ChallengesAction)>,
    /// A transaction that may still be included, as long as no other is sent.
    limbo: Option<ChallengesAction>,
    faults: bool,
    /// Wrong claims that were made without faults.
    lies: BTreeSet<GameId>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            story: Story::default(),
            now_ms: 1_000_000,
            plan: Self::plan(),
            l1: Arena::default(),
            before: Vec::new(),
            finalized: 100,
            node_finalized: 100,
            origins: BTreeMap::from([(100, 1_000)]),
            node_is_right: true,
            steps: Vec::new(),
            limbo: None,
            faults: true,
            lies: BTreeSet::new(),
        }
    }

    fn plan() -> ChallengesPlan {
        ChallengesPlan::new(ChallengesConfig { account: US, urgent_seconds: 500 })
    }

    fn tell(&mut self, event: ChallengesEvent) {
        for action in self.plan.handle(self.now_ms, event) {
            self.carry_out(action);
        }
    }

    /// What our node says of an output.
    fn has(&self, output: Output) -> Option<bool> {
        let root = if self.node_is_right { root_of(output.block) } else { B256::repeat_byte(7) };
        (output.block <= self.node_finalized).then_some(output.root == root)
    }

    fn look(&mut self) {
        let anchor = Output { root: root_of(self.l1.anchor), block: self.l1.anchor };
        let anchor_agrees = self.has(anchor);
        self.story.held += u64::from(anchor_agrees != Some(true));
        let origin = self.origins.range(..=self.node_finalized).next_back().map_or(0, |(_, l1)| *l1);
        let accused = |game: proofmill_chain::Game| {
            // The arena's heads have the L1 block's number in them.
            let l1_block: u64 = alloy_primitives::U256::from_be_bytes(game.l1_head.0).to::<u64>() / 1_000;
            let never =
                anchor_agrees == Some(true) && game.claim.block > self.node_finalized && l1_block < origin;
            let claim = if never { Some(false) } else { self.has(game.claim) };
            Accused { claim, start: self.has(game.start), may_challenge: true, game }
        };
        let games: Vec<_> = self.l1.shown().map(accused).collect();
        let open = games.iter().filter(|one| one.game.proposal == ProposalStatus::Unchallenged);
        self.story.unknown += open.filter(|one| one.claim.is_none()).count() as u64;
        self.tell(ChallengesEvent::Seen(ChallengesSeen {
            l1_block: self.l1.block,
            l1_time: self.l1.time,
            anchor: anchor.block,
            anchor_agrees,
            may_challenge: true,
            short_of: None,
            l2_finalized: self.node_finalized,
            silent: None,
            unread: None,
            games,
        }));
    }

    fn carry_out(&mut self, action: ChallengesAction) {
        let (attempt, game) = parts(action);
        let twice =
            self.steps.iter().any(|(_, other)| kind(*other) == kind(action) && parts(*other).1 == game);
        assert!(!twice, "{action:?} is under way");
        if matches!(action, ChallengesAction::Challenge { .. }) {
            let seen = self.plan.seen().unwrap();
            let accused = seen.games.iter().find(|accused| accused.id() == game).unwrap();
            let (claim, start) = (accused.game.claim, accused.game.start);
            let parent = accused.game.parent.map(|parent| seen.games[parent as usize].game.status);
            let falls = start.root != root_of(start.block) && parent == Some(GameStatus::ChallengerWins);
            assert!(claim.root != root_of(claim.block) || falls, "a right claim is challenged: {accused:?}");
            assert!(self.node_is_right, "a node of another chain is believed");
        }
        self.steps.push((attempt, action));
    }

    /// Includes a transaction of ours, if the contracts take it.
    fn include(&mut self, action: ChallengesAction) -> bool {
        let game = parts(action).1;
        let Some(at) = self.l1.games.iter().position(|made| made.id() == game) else { return false };
        match action {
            ChallengesAction::Challenge { .. } => {
                let wrong = !self.is_right(at);
                let included = self.l1.challenge(US, at);
                self.story.challenged += u64::from(included);
                self.story.falls += u64::from(included && !wrong);
                included
            }
            ChallengesAction::Resolve { .. } => {
                let resolved = self.l1.resolve(at);
                let won = self.l1.games[at].owes(US) > 0;
                self.story.won += u64::from(resolved && won);
                resolved
            }
            ChallengesAction::Claim { .. } => {
                let claimed = self.l1.claim(at, US);
                self.story.claimed += u64::from(claimed);
                claimed
            }
        }
    }

    /// Whether a game's claim itself is what L2 has.
    fn is_right(&self, at: usize) -> bool {
        let claim = self.l1.shown().nth(at).unwrap().claim;
        claim.root == root_of(claim.block)
    }

    fn end_step(&mut self) {
        if self.steps.is_empty() {
            return;
        }
        let at = self.rng.below(self.steps.len() as u64) as usize;
        let (attempt, action) = self.steps.remove(at);
        let came = if self.faults && self.rng.percent(25) {
            // It was not sent, or it was and is not included in time.
            if self.rng.percent(50) {
                self.story.late += 1;
                self.limbo = Some(action);
            }
            Err(StepFailed::NotNow { cause: "away".into() })
        } else {
            self.limbo = None;
            self.l1.next_block(0);
            if self.include(action) {
                Ok(self.l1.block)
            } else {
                self.story.refused += 1;
                Err(StepFailed::Refused { cause: "no".into() })
            }
        };
        self.tell(ChallengesEvent::Sent(attempt, came));
    }

    fn restart(&mut self) {
        self.story.restarts += 1;
        self.plan = Self::plan();
        let sent: Vec<_> = self.steps.drain(..).map(|(_, action)| action).collect();
        self.limbo = self.rng.pick(&sent).copied().or(self.limbo);
        self.look();
    }

    fn reorg(&mut self) {
        let Some(before) = self.before.pop() else { return };
        self.story.reorgs += 1;
        let (time, branch) = (self.l1.time, self.l1.branch + 1);
        self.l1 = before;
        (self.l1.branch, self.l1.time) = (branch, time);
        self.before.clear();
        // What is final follows from no block that is gone.
        self.origins.values_mut().for_each(|origin| *origin = (*origin).min(self.l1.block));
        self.look();
    }

    fn create(&mut self) {
        let games = self.l1.games.len() as u64;
        let parent = (games > 0 && self.rng.percent(70)).then(|| self.rng.below(games) as u32);
        let never = self.rng.percent(10);
        let honest = !never && self.rng.percent(50);
        let ahead = if never { 10_000 } else { 0 };
        let block = (self.finalized + ahead).saturating_sub(self.rng.below(10));
        let root = if honest { root_of(block) } else { root_of(block + 1_000_000) };
        if self.l1.create(RIVAL, block, root, parent) {
            self.story.created += 1;
            self.story.wrong += u64::from(!honest);
            self.story.never += u64::from(never);
            if !self.faults && !honest {
                self.lies.extend(self.l1.games.last().map(Made::id));
            }
        }
    }

    /// `lying`: whether games are created, too.
    fn others(&mut self, lying: bool) {
        let games = self.l1.games.len() as u64;
        let at = self.rng.below(games.max(1)) as usize;
        match self.rng.below(12) {
            0 | 1 if lying => self.create(),
            2 if games > 0 && self.faults && self.rng.percent(30) => {
                self.story.by_others += u64::from(self.l1.challenge(OTHER, at));
            }
            // Somebody proves what can be.
            3..=5 if games > 0 => {
                let made = &self.l1.games[at];
                if self.l1.is_right(made) && (made.challenger.is_some() || self.rng.percent(10)) {
                    self.l1.prove(RIVAL, at);
                }
            }
            6 | 7 if games > 0 => drop(self.l1.resolve(at)),
            8 if games > 0 => drop(self.l1.claim(at, [RIVAL, OTHER][self.rng.below(2) as usize])),
            _ => {}
        }
    }

    fn turn(&mut self, lying: bool) {
        self.now_ms += self.rng.between(100, 20_000);
        if self.rng.percent(20) {
            self.before.push(self.l1.clone());
        }
        let seconds = self.rng.between(1, 40);
        self.l1.next_block(seconds);
        if self.rng.percent(10)
            && let Some(action) = self.limbo.take()
        {
            self.include(action);
        }
        self.others(lying);
        self.finalized += self.rng.below(3);
        self.origins.entry(self.finalized).or_insert(self.l1.block);
        // It stands still for a while, and then has all of it at once.
        if !self.faults || self.rng.percent(2) {
            self.node_finalized = self.finalized;
        }
        match self.rng.below(10) {
            0..=3 => self.look(),
            4..=6 => self.end_step(),
            7 => self.tell(ChallengesEvent::Tick),
            _ if !self.faults => self.end_step(),
            _ => match self.rng.below(10) {
                0 => self.restart(),
                1 | 2 => self.reorg(),
                3 => {
                    self.node_is_right = !self.node_is_right;
                    self.look();
                    // Nothing that follows from what it said before is under way.
                    if !self.node_is_right {
                        self.steps.clear();
                        self.plan = Self::plan();
                        self.look();
                    }
                }
                _ => self.look(),
            },
        }
    }
}

const fn parts(action: ChallengesAction) -> (Attempt, GameId) {
    match action {
        ChallengesAction::Challenge { attempt, game }
        | ChallengesAction::Resolve { attempt, game }
        | ChallengesAction::Claim { attempt, game } => (attempt, game),
    }
}

fn kind(action: ChallengesAction) -> std::mem::Discriminant<ChallengesAction> {
    std::mem::discriminant(&action)
}

/// A whole history: faults at first, then none, then no new claims, and then everything is settled.
fn run(seed: u64) -> Story {
    let mut world = World::new(seed);
    for _ in 0..300 {
        world.turn(true);
    }
    (world.faults, world.node_is_right) = (false, true);
    // What failed often waits for a minute.
    for _ in 0..20 {
        world.turn(false);
    }
    for _ in 0..200 {
        world.turn(true);
    }
    for _ in 0..4_000 {
        world.turn(false);
        let of_ours = world.l1.games.iter().filter(|made| made.challenger == Some(US));
        let settled = |made: &Made| {
            made.status == GameStatus::DefenderWins
                || made.prover.is_some()
                || (made.status == GameStatus::ChallengerWins && made.owes(US) == 0)
        };
        let lies = || world.l1.games.iter().filter(|made| world.lies.contains(&made.id()));
        if of_ours.clone().all(settled) && lies().all(|made| made.status != GameStatus::InProgress) {
            for made in lies() {
                assert_eq!(made.status, GameStatus::ChallengerWins, "seed {seed}: a lie stands: {made:?}");
            }
            return world.story;
        }
    }
    panic!("seed {seed}: not settled: {:?}\n{:#?}", world.plan.problems(), world.l1);
}

#[test]
fn lies_are_lost_and_nothing_else_is_challenged() {
    many(run, Story::add, Story::counts);
}

#[test]
fn a_seed_tells_one_story() {
    assert_eq!(run(5), run(5));
}
