//! A game on its way to being proven: its ranges, their aggregation, the transaction.

use super::{plan::GamesAction, seen::GameId};
use crate::{
    rules::{Attempt, BlockGas, RangeState, RangeView, StepFailed, ranges::Ranges},
    steps::{LONGEST_PAUSE, cause_of, pause, pause_is_over},
};
use proofmill_primitives::BlockRange;
use proofmill_service::JobError;

/// After so many refusals a proof is made anew.
const REFUSALS: u32 = 6;

/// How far a game's proof is.
#[derive(Clone, Debug)]
pub(super) struct GameProof {
    ranges: Ranges,
    /// Whether anything of it was asked for.
    begun: bool,
    /// Whether the ranges are aggregated.
    aggregated: bool,
    /// Whether the aggregation that is there is of no use.
    anew: bool,
    under_way: Option<Attempt>,
    /// Included in this block of L1, which is still to be seen.
    included: Option<u64>,
    until: u64,
    failures: u32,
    cause: Option<String>,
}

impl GameProof {
    pub(super) fn new(blocks: BlockRange, splits: u64, gas: Option<(u64, &BlockGas)>) -> Self {
        Self {
            ranges: Ranges::split(blocks, splits, gas),
            begun: false,
            aggregated: false,
            anew: false,
            under_way: None,
            included: None,
            until: 0,
            failures: 0,
            cause: None,
        }
    }

    /// Whether something of it is under way.
    pub(super) fn is_active(&self) -> bool {
        self.under_way.is_some() || self.ranges.is_proving()
    }

    /// Whether anything of it was asked for, and may be there by now.
    pub(super) const fn has_begun(&self) -> bool {
        self.begun
    }

    /// Its ranges, oldest first.
    pub(super) fn view(&self) -> impl Iterator<Item = RangeView> + '_ {
        self.ranges.view()
    }

    pub(super) fn seen(&mut self, l1_block: u64) {
        self.included.take_if(|included| *included <= l1_block);
    }

    /// It is of no use any more: what is under way is given up. What is sent cannot be taken back: it ends by itself, and what it took
    /// is told, since L1 may show a proven game before the receipt.
    pub(super) fn give_up(self, game: GameId) -> Vec<GamesAction> {
        let proving = self.ranges.view().filter(|range| range.state == RangeState::Proving);
        let ranges = proving.map(|range| GamesAction::Withdraw { game, blocks: range.blocks });
        let aggregation = self.under_way.filter(|_| !self.aggregated);
        ranges.chain(aggregation.map(GamesAction::Abandon)).collect()
    }

    pub(super) fn range(&mut self, now_ms: u64, blocks: BlockRange, came: Result<(), JobError>) {
        match came {
            Ok(()) => self.ranges.proven(blocks, 0),
            Err(error) => self.ranges.failed(now_ms, blocks, &error),
        }
    }

    /// What came of a step, if it is one of this game: the L1 block that has it, or none where the ranges were aggregated.
    pub(super) fn stepped(
        &mut self,
        now_ms: u64,
        attempt: Attempt,
        came: Result<Option<u64>, StepFailed>,
    ) -> bool {
        if self.under_way != Some(attempt) {
            return false;
        }
        self.under_way = None;
        match came {
            Ok(None) => (self.aggregated, self.anew, self.cause) = (true, false, None),
            Ok(block) => (self.included, self.failures, self.cause) = (block, 0, None),
            Err(failed) => {
                match &failed {
                    StepFailed::RangesLost(lost) => {
                        lost.iter().for_each(|one| self.ranges.lost(one.blocks, None));
                        self.aggregated = false;
                    }
                    // Where it is asked for as before, the same comes back.
                    StepFailed::Stale { .. } => (self.aggregated, self.anew) = (false, true),
                    // It may be the time or the account. Where nothing changes, the proof may be at fault: it is made again.
                    StepFailed::Refused { .. } if (self.failures + 1).is_multiple_of(REFUSALS) => {
                        (self.aggregated, self.anew) = (false, true);
                    }
                    StepFailed::Refused { .. } | StepFailed::NotNow { .. } => {}
                }
                self.until = now_ms.saturating_add(pause(self.failures, now_ms ^ attempt.0));
                self.failures = self.failures.saturating_add(1);
                self.cause = Some(cause_of(failed));
            }
        }
        true
    }

    /// What is to be done next, with so many ranges at a time.
    pub(super) fn go_on(
        &mut self,
        now_ms: u64,
        game: GameId,
        at_once: usize,
        attempt: Attempt,
    ) -> Vec<GamesAction> {
        let ranges = self.ranges.start(now_ms, at_once.max(1)).into_iter();
        let mut actions: Vec<_> = ranges.map(|blocks| GamesAction::ProveRange { game, blocks }).collect();
        self.begun |= !actions.is_empty();
        let rests = !pause_is_over(self.until, now_ms, LONGEST_PAUSE);
        if self.under_way.is_some() || self.included.is_some() || rests {
            return actions;
        }
        if let Some(ranges) = self.ranges.all_proven() {
            self.under_way = Some(attempt);
            actions.push(match self.aggregated {
                false => GamesAction::Aggregate { attempt, game, ranges, anew: self.anew },
                true => GamesAction::Prove { attempt, game, ranges },
            });
        }
        actions
    }

    /// What keeps it.
    pub(super) fn problems(&self) -> Vec<String> {
        let ranges = self.ranges.view().filter_map(|range| match range.state {
            RangeState::Waiting { cause, .. } => Some(format!("blocks {}: {}", range.blocks, cause?)),
            _ => None,
        });
        ranges.chain(self.cause.clone()).collect()
    }
}
