//! What must hold of whatever the plan does, and has done.

use super::World;
use crate::arena::{Made, US, gas_of, root_of};
use proofmill_chain::{GameStatus, Output, ProposalStatus};
use proofmill_op_proposer::{
    games::{GameId, GamesAction, Judged},
    rules::RangeState,
};
use proofmill_primitives::BlockRange;
use std::collections::BTreeSet;

impl World {
    /// Ranges that are being proven, and games whose ranges are being aggregated.
    pub(super) fn work(&self) -> BTreeSet<(GameId, Option<BlockRange>)> {
        let ranges = self.proving.iter().map(|(game, blocks)| (*game, Some(*blocks)));
        let aggregations = self.steps.iter().filter_map(|(_, action)| match action {
            GamesAction::Aggregate { game, .. } => Some((*game, None)),
            _ => None,
        });
        ranges.chain(aggregations).collect()
    }

    /// Whether what was seen last leaves open that a game stands, and is to be proven.
    pub(super) fn may_stand(&self, id: GameId) -> bool {
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
    pub(super) fn shown(&self, id: GameId) -> Option<&Judged> {
        self.plan.seen().unwrap().games.iter().find(|judged| judged.id() == id)
    }

    pub(super) fn carry_out(&mut self, action: GamesAction) {
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

    pub(super) fn check(&self) {
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
    pub(super) fn check_bonds(&self) {
        let mut ours = BTreeSet::new();
        let stands = |made: &&Made| !self.l1.is_lost(made) && self.l1.is_right_to_the_root(made);
        for made in self.l1.games.iter().filter(|made| made.creator == US).filter(stands) {
            assert!(ours.insert(made.block), "two bonds for the claim of block {}", made.block);
        }
    }
}
