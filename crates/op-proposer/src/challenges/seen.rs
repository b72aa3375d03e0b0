//! What the chains show of claims, and what follows for who challenges.

use crate::games::GameId;
use alloy_primitives::{Address, U256};
use proofmill_chain::{Game, GameStatus, ProposalStatus};
use std::collections::{BTreeMap, BTreeSet};

/// A game, and what L2 has in place of its claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accused {
    /// The game.
    pub game: Game,
    /// Whether L2 has what it claims: true or false once L2 has finalized the block. False also where L2 has finalized a block that
    /// follows a later L1 block than the game's, and the claim is of a still later one: no proof of it can end at the game's L1 block.
    pub claim: Option<bool>,
    /// Whether L2 has what it begins with.
    pub start: Option<bool>,
    /// Whether the game takes a challenge from the account.
    pub may_challenge: bool,
}

/// What the chains show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChallengesSeen {
    /// The L1 block at which the games were read.
    pub l1_block: u64,
    /// Its time, in Unix seconds.
    pub l1_time: u64,
    /// The newest block of L2 whose claim is final.
    pub anchor: u64,
    /// Whether L2 has that claim; unknown where it has not finalized the block, or does not tell.
    pub anchor_agrees: Option<bool>,
    /// Whether new games would take challenges from the account.
    pub may_challenge: bool,
    /// Whether the account has less than the bond of a challenge: that, and the bond, in wei.
    pub short_of: Option<(U256, U256)>,
    /// The newest block that L2 has finalized.
    pub l2_finalized: u64,
    /// Why L2's node did not tell an output of a block that it has finalized, where there was one.
    pub silent: Option<String>,
    /// Why there may be games beside these, where that is so.
    pub unread: Option<String>,
    /// The games, oldest first.
    pub games: Vec<Accused>,
}

impl Accused {
    /// Which game it is.
    pub const fn id(&self) -> GameId {
        GameId::of(&self.game)
    }

    /// Whether it can be challenged.
    pub(super) fn is_open(&self, l1_time: u64) -> bool {
        let Game { status, proposal, prover, respected, deadline, .. } = &self.game;
        *status == GameStatus::InProgress
            && *proposal == ProposalStatus::Unchallenged
            && prover.is_none()
            && *respected
            && l1_time <= *deadline
    }

    fn in_progress(&self) -> bool {
        self.game.status == GameStatus::InProgress
    }
}

/// Games by their number.
#[derive(Debug)]
pub(super) struct Docket<'a> {
    seen: &'a ChallengesSeen,
    by_index: BTreeMap<u32, &'a Accused>,
}

impl<'a> Docket<'a> {
    pub(super) fn of(seen: &'a ChallengesSeen) -> Self {
        Self { seen, by_index: seen.games.iter().map(|accused| (accused.game.index, accused)).collect() }
    }

    fn parent(&self, of: &Accused) -> Option<&'a Accused> {
        self.by_index.get(&of.game.parent?).copied()
    }

    fn parent_is(&self, of: &Accused, status: GameStatus) -> bool {
        self.parent(of).is_some_and(|parent| parent.game.status == status)
    }

    /// Claims that are to be challenged, the most urgent first.
    pub(super) fn to_challenge(&self) -> Vec<&'a Accused> {
        let mut games: Vec<_> = self.wrong().filter(|accused| accused.may_challenge).collect();
        games.sort_by_key(|accused| (accused.game.deadline, accused.game.index));
        games
    }

    /// Claims that are to be challenged, and are not: the account is not allowed to.
    pub(super) fn not_allowed(&self) -> impl Iterator<Item = &'a Accused> + '_ {
        self.wrong().filter(|accused| !accused.may_challenge)
    }

    /// Wrong claims that can be challenged.
    fn wrong(&self) -> impl Iterator<Item = &'a Accused> + '_ {
        let is_wrong = move |accused: &Accused| {
            let falls = accused.start == Some(false) && self.parent_is(accused, GameStatus::ChallengerWins);
            accused.claim == Some(false) || falls
        };
        let (judges, l1_time) = (self.seen.anchor_agrees == Some(true), self.seen.l1_time);
        self.seen.games.iter().filter(move |accused| judges && accused.is_open(l1_time) && is_wrong(accused))
    }

    /// Games that can be resolved for what an account has in them, or in what builds on them; oldest first.
    pub(super) fn to_resolve(&self, account: Address) -> Vec<&'a Accused> {
        let mut wanted: BTreeSet<u32> = BTreeSet::new();
        for (index, accused) in self.by_index.iter().rev() {
            let ours = accused.game.challenger == Some(account) && accused.game.prover.is_none();
            if !accused.in_progress() || !(ours || wanted.contains(index)) {
                continue;
            }
            wanted.insert(*index);
            wanted.extend(self.parent(accused).map(|parent| parent.game.index));
        }
        let ready = |accused: &&&Accused| {
            let over = accused.game.prover.is_some() || self.seen.l1_time > accused.game.deadline;
            // What builds on something lost is lost at once.
            let lost = self.parent_is(accused, GameStatus::ChallengerWins);
            accused.in_progress() && (over || lost) && !self.parent_is(accused, GameStatus::InProgress)
        };
        wanted.iter().filter_map(|index| self.by_index.get(index)).filter(ready).copied().collect()
    }

    /// Games that are final and owe the account something, oldest first.
    pub(super) fn to_claim(&self) -> Vec<&'a Accused> {
        let owes = |accused: &&Accused| accused.game.is_final && !accused.game.credit.is_zero();
        self.seen.games.iter().filter(owes).collect()
    }

    /// Claims of which it is not known whether they are right, and whose time to be challenged is nearly over.
    pub(super) fn urgent(&self, seconds: u64) -> impl Iterator<Item = &'a Accused> + '_ {
        let soon = self.seen.l1_time.saturating_add(seconds);
        self.seen.games.iter().filter(move |accused| {
            accused.claim.is_none() && accused.is_open(self.seen.l1_time) && accused.game.deadline < soon
        })
    }

    /// Claims that are proven although L2 does not have them.
    pub(super) fn impossible(&self) -> impl Iterator<Item = &'a Accused> + '_ {
        let proven = |accused: &&Accused| accused.in_progress() && accused.game.prover.is_some();
        self.seen.games.iter().filter(proven).filter(|accused| accused.claim == Some(false))
    }
}
