//! What happens: ranges, steps and transactions come to their end, the proposer restarts, L1 is reorganised, and others act.

use super::World;
use crate::arena::{self, Arena, US, root_of};
use proofmill_op_proposer::{
    games::{GameId, GamesAction, GamesEvent, GamesPlan},
    rules::{Problem, StepFailed},
};
use proofmill_primitives::BlockRange;
use proofmill_service::JobError;
use proofmill_simulation::Rng;

impl World {
    pub(super) fn end_range(&mut self) {
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
    pub(super) fn include(&mut self, action: &GamesAction) -> bool {
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

    pub(super) fn end_step(&mut self) {
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

    pub(super) fn restart(&mut self) {
        self.story.restarts += 1;
        self.plan = GamesPlan::new(self.config);
        self.proving.clear();
        self.begun.clear();
        (self.looking, self.unseen) = (None, None);
        self.forget_steps();
        self.look();
    }

    pub(super) fn reorg(&mut self) {
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

    pub(super) fn others(&mut self) {
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
}
