//! The plan: what follows from what the chains show, and from what happens.

use super::{
    proof::GameProof,
    seen::{GameId, GamesSeen, Judged, Standing, Undefended},
};
use crate::{
    rules::{Attempt, RangeView, StepFailed},
    steps::{self, Steps},
};
use alloy_primitives::Address;
use proofmill_chain::Game;
use proofmill_primitives::BlockRange;
use proofmill_service::JobError;
use std::collections::{BTreeMap, BTreeSet};

/// What an operator decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GamesConfig {
    /// The account that creates and proves.
    pub account: Address,
    /// A game is of so many blocks: `PROPOSAL_INTERVAL_IN_BLOCKS`.
    pub interval: u64,
    /// So many challenged games are proven at a time: `MAX_CONCURRENT_DEFENSE_TASKS`.
    pub defenses: usize,
    /// The account's games are proven before anybody challenges them, so many at a time: `FAST_FINALITY_PROVING_LIMIT`; none
    /// without `FAST_FINALITY_MODE`.
    pub fast_finality: Option<usize>,
    /// A game is proven in so many ranges: `RANGE_SPLIT_COUNT`.
    pub splits: u64,
    /// A range of more than one block has so much gas at the most: `RANGE_PROOF_EVM_GAS_LIMIT`.
    pub range_gas: Option<u64>,
    /// So many ranges of a game are proven at a time: `MAX_CONCURRENT_RANGE_PROOFS`.
    pub at_once: usize,
}

impl GamesConfig {
    /// OP Succinct's defaults.
    pub const fn of(account: Address) -> Self {
        Self {
            account,
            interval: 1_800,
            defenses: 8,
            fast_finality: None,
            splits: 1,
            range_gas: None,
            at_once: 1,
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum GamesEvent {
    /// The chains were looked at.
    Seen(GamesSeen),
    /// Time has passed.
    Tick,
    /// A range of a game was proven; or was not.
    Range(GameId, BlockRange, Result<(), JobError>),
    /// The ranges of a game are aggregated; or are not.
    Aggregated(Attempt, Result<(), StepFailed>),
    /// A transaction was included, in this block of L1; or was not.
    Sent(Attempt, Result<u64, StepFailed>),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GamesAction {
    /// Create a game of L2's output at a block.
    Create {
        /// Which try it is.
        attempt: Attempt,
        /// The block.
        block: u64,
        /// The game that it builds on; none for the anchor. The contract is told its number alone: that it is still there is looked at
        /// just before.
        parent: Option<GameId>,
    },
    /// Prove a range, derived up to the game's L1 block at the latest, and keep the proof.
    ProveRange {
        /// The game.
        game: GameId,
        /// The range.
        blocks: BlockRange,
    },
    /// A range that is being proven is of no use any more.
    Withdraw {
        /// The game.
        game: GameId,
        /// The range.
        blocks: BlockRange,
    },
    /// Aggregate the ranges of a game up to its L1 block.
    Aggregate {
        /// Which try it is.
        attempt: Attempt,
        /// The game.
        game: GameId,
        /// The ranges, oldest first.
        ranges: Vec<BlockRange>,
        /// Whether a proof that is kept is not taken: L1 refused it.
        anew: bool,
    },
    /// Send the proof of a game.
    Prove {
        /// Which try it is.
        attempt: Attempt,
        /// The game.
        game: GameId,
        /// The ranges that were aggregated.
        ranges: Vec<BlockRange>,
    },
    /// Resolve a game.
    Resolve {
        /// Which try it is.
        attempt: Attempt,
        /// The game.
        game: GameId,
    },
    /// Claim what the account has in a game.
    Claim {
        /// Which try it is.
        attempt: Attempt,
        /// The game.
        game: GameId,
    },
    /// What comes of an aggregation is of no use any more.
    Abandon(Attempt),
}

/// What keeps a part of it, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GamesProblem {
    /// What is kept.
    pub what: String,
    /// Why.
    pub cause: String,
}

/// What is sent, but for proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Create { block: u64, parent: Option<GameId> },
    Resolve(GameId),
    Claim(GameId),
}

impl steps::Step for Step {
    /// The head is another one once the game that was created last shows.
    fn must_show(&self) -> bool {
        matches!(self, Self::Create { .. })
    }
}

/// All there is to know.
#[derive(Clone, Debug)]
pub struct GamesPlan {
    config: GamesConfig,
    seen: Option<GamesSeen>,
    proofs: BTreeMap<GameId, GameProof>,
    steps: Steps<Step>,
    /// So many tries were made.
    attempts: u64,
}

impl GamesPlan {
    /// Nothing is known yet.
    pub const fn new(config: GamesConfig) -> Self {
        Self { config, seen: None, proofs: BTreeMap::new(), steps: Steps::new(), attempts: 0 }
    }

    /// Takes in what happened; what is to be done follows.
    pub fn handle(&mut self, now_ms: u64, event: GamesEvent) -> Vec<GamesAction> {
        let mut actions = Vec::new();
        match event {
            GamesEvent::Seen(seen) => {
                self.steps.seen(seen.l1_block, &wanted_steps(&self.config, &seen).concat());
                self.proofs.values_mut().for_each(|proof| proof.seen(seen.l1_block));
                self.seen = Some(seen);
            }
            GamesEvent::Tick => {}
            GamesEvent::Range(game, blocks, came) => {
                if let Some(proof) = self.proofs.get_mut(&game) {
                    proof.range(now_ms, blocks, came);
                }
            }
            GamesEvent::Aggregated(attempt, came) => {
                let came = came.map(|()| None);
                self.proofs.values_mut().any(|proof| proof.stepped(now_ms, attempt, came.clone()));
            }
            GamesEvent::Sent(attempt, came) => {
                let sent = came.clone().map(Some);
                if !self.proofs.values_mut().any(|proof| proof.stepped(now_ms, attempt, sent.clone())) {
                    self.steps.ended(now_ms, attempt, came);
                }
            }
        }
        self.go_on(now_ms, &mut actions);
        actions
    }

    fn go_on(&mut self, now_ms: u64, actions: &mut Vec<GamesAction>) {
        let Some(seen) = self.seen.take() else { return };
        self.prove(now_ms, &Standing::of(&seen), actions);
        for wanted in wanted_steps(&self.config, &seen) {
            let attempt = Attempt(self.attempts + 1);
            if let Some(step) = self.steps.begin(now_ms, attempt, &wanted) {
                self.attempts += 1;
                actions.push(match step {
                    Step::Create { block, parent } => GamesAction::Create { attempt, block, parent },
                    Step::Resolve(game) => GamesAction::Resolve { attempt, game },
                    Step::Claim(game) => GamesAction::Claim { attempt, game },
                });
            }
        }
        self.seen = Some(seen);
    }

    /// Proofs of the games that want one, as many at a time as there is room for.
    fn prove(&mut self, now_ms: u64, standing: &Standing<'_>, actions: &mut Vec<GamesAction>) {
        let config = self.config;
        let begun = |game: GameId| self.proofs.get(&game).is_some_and(GameProof::has_begun);
        let early = config.fast_finality.map(|limit| (standing.to_prove_early(config.account, begun), limit));
        let kinds: Vec<_> = [(standing.to_defend(begun), config.defenses)].into_iter().chain(early).collect();
        let wanted: BTreeSet<GameId> =
            kinds.iter().flat_map(|(games, _)| games.iter().map(|judged| judged.id())).collect();
        let is_given_up = |game: &GameId| !wanted.contains(game) && !standing.may_be_unread(*game);
        for (game, proof) in self.proofs.extract_if(.., |game, _| is_given_up(game)) {
            actions.extend(proof.give_up(game));
        }
        // They go on by themselves, and take room.
        let unread = self.proofs.iter().filter(|(game, proof)| !wanted.contains(*game) && proof.is_active());
        let unread = unread.count();
        for (games, limit) in kinds {
            let is_active =
                |judged: &&&Judged| self.proofs.get(&judged.id()).is_some_and(GameProof::is_active);
            let mut active = unread + games.iter().filter(is_active).count();
            for judged in games {
                let (game, Some(blocks)) = (judged.id(), judged.blocks()) else { continue };
                let gas = config.range_gas.map(|limit| (limit, &judged.gas));
                // It cannot be cut before its gas is known.
                if gas.is_some_and(|(_, gas)| !gas.covers(blocks)) && !self.proofs.contains_key(&game) {
                    continue;
                }
                let proof =
                    self.proofs.entry(game).or_insert_with(|| GameProof::new(blocks, config.splits, gas));
                let was_active = proof.is_active();
                if !was_active && active >= limit.max(1) {
                    continue;
                }
                let begun = proof.go_on(now_ms, game, config.at_once, Attempt(self.attempts + 1));
                self.attempts += 1;
                active += usize::from(!was_active && proof.is_active());
                actions.extend(begun);
            }
        }
    }

    /// What the chains showed last.
    pub const fn seen(&self) -> Option<&GamesSeen> {
        self.seen.as_ref()
    }

    /// The head: its number, and its block.
    pub fn head(&self) -> Option<(GameId, u64)> {
        let head = Standing::of(self.seen.as_ref()?).head()?;
        Some((head.id(), head.game.claim.block))
    }

    /// The games that are being proven, or are to be, with their ranges.
    pub fn proofs(&self) -> impl Iterator<Item = (GameId, Vec<RangeView>)> + '_ {
        self.proofs.iter().map(|(game, proof)| (*game, proof.view().collect()))
    }

    /// Challenged games that could be proven, and are not.
    pub fn undefended(&self) -> Vec<GamesProblem> {
        let Some(seen) = &self.seen else { return Vec::new() };
        let standing = Standing::of(seen);
        let said = standing.undefended(self.config.account).map(|(judged, why)| {
            let Game { deadline, claim, .. } = &judged.game;
            let left = deadline.saturating_sub(seen.l1_time);
            let cause = match why {
                Undefended::OtherPrograms => format!(
                    "it is right, and takes proofs of other programs, or of another configuration: run the release that made it, until \
                     {deadline} in Unix seconds ({left} s more)"
                ),
                Undefended::Wrong => format!(
                    "L2's node has another output of block {}, or of the one that the game begins with: its bond is lost. Compare the node \
                     with others within {left} s",
                    claim.block
                ),
                Undefended::Falls => {
                    "what it builds on does not stand: its bond is lost with that, and a proof would not help".to_owned()
                }
            };
            GamesProblem { what: format!("the challenged game {}", judged.id()), cause }
        });
        said.collect()
    }

    /// What keeps a part of it.
    pub fn problems(&self) -> Vec<GamesProblem> {
        let of_proofs = self.proofs.iter().flat_map(|(game, proof)| {
            let what = format!("the proof of game {game}");
            proof.problems().into_iter().map(move |cause| GamesProblem { what: what.clone(), cause })
        });
        let of_steps = self.steps.problems().map(|(step, cause)| {
            let what = match step {
                Step::Create { block, .. } => format!("the game of block {block}"),
                Step::Resolve(game) => format!("resolving game {game}"),
                Step::Claim(game) => format!("the credit of game {game}"),
            };
            GamesProblem { what, cause: cause.to_owned() }
        });
        let held = self.seen.iter().filter_map(|seen| seen.held.clone());
        let held = held.map(|cause| GamesProblem { what: "new games".to_owned(), cause });
        let unread = self.seen.iter().filter_map(|seen| seen.unread.clone());
        let unread = unread.map(|cause| GamesProblem { what: "reading games".to_owned(), cause });
        of_proofs.chain(of_steps).chain(held).chain(unread).chain(self.undefended()).collect()
    }
}

/// What is to be sent: by kind, the first to come first.
fn wanted_steps(config: &GamesConfig, seen: &GamesSeen) -> [Vec<Step>; 3] {
    let standing = Standing::of(seen);
    // In fast finality no game is created that could not be proven at once.
    let room = config.fast_finality.is_none_or(|limit| standing.unproven(config.account) < limit.max(1));
    let next = if room { standing.next(config.interval) } else { None };
    [
        next.map(|(block, parent)| Step::Create { block, parent }).into_iter().collect(),
        standing.to_resolve(config.account).into_iter().map(|judged| Step::Resolve(judged.id())).collect(),
        standing.to_claim().into_iter().map(|judged| Step::Claim(judged.id())).collect(),
    ]
}
