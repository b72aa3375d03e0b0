//! What the chains show of games, and which of them stand.

use crate::rules::BlockGas;
use alloy_primitives::{Address, B256};
use proofmill_chain::{Game, GameStatus, ProposalStatus};
use proofmill_primitives::BlockRange;
use std::{collections::BTreeMap, fmt};

/// A game. Another branch of L1 may have others under the same number and address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GameId {
    /// Its number.
    pub index: u32,
    /// Where it is.
    pub address: Address,
    /// The L1 block before it.
    pub l1_head: B256,
    /// What it claims.
    pub root: B256,
}

impl fmt::Display for GameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.index, self.address)
    }
}

impl GameId {
    /// That of a game.
    pub const fn of(game: &Game) -> Self {
        let Game { index, address, l1_head, claim, .. } = game;
        Self { index: *index, address: *address, l1_head: *l1_head, root: claim.root }
    }
}

/// A game, and what is known of it here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The game.
    pub game: Game,
    /// Whether its claim, and where that begins, are what L2 has; unknown as long as L2 has not finalized the block.
    pub right: Option<bool>,
    /// Whether it takes proofs of the programs and the configuration that are here.
    pub provable: bool,
    /// The gas of its blocks, where it is to be proven in ranges that are cut by it.
    pub gas: BlockGas,
}

/// What the chains show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GamesSeen {
    /// The L1 block at which the games were read.
    pub l1_block: u64,
    /// Its time, in Unix seconds.
    pub l1_time: u64,
    /// The newest block of L2 whose claim is final.
    pub anchor: u64,
    /// Whether new games would count, could be proven here, and would be taken from the account.
    pub may_create: bool,
    /// What new games want that is not here, where there is something: other proofs, or another verifier. Then none are created.
    pub held: Option<String>,
    /// The newest block that L2 has finalized.
    pub l2_finalized: u64,
    /// Why there may be games beside these, where that is so.
    pub unread: Option<String>,
    /// The games, oldest first.
    pub games: Vec<Judged>,
}

impl Judged {
    /// Which game it is.
    pub const fn id(&self) -> GameId {
        GameId::of(&self.game)
    }

    /// The blocks that a proof is about; none where the contract was odd.
    pub(super) fn blocks(&self) -> Option<BlockRange> {
        BlockRange::new(self.game.start.block.checked_add(1)?, self.game.claim.block).ok()
    }

    fn in_progress(&self) -> bool {
        self.game.status == GameStatus::InProgress
    }

    /// Whether it can still be proven.
    fn is_open(&self, l1_time: u64) -> bool {
        self.in_progress() && self.game.prover.is_none() && l1_time <= self.game.deadline
    }

    /// Whether it was challenged and nobody proved it in time.
    fn is_lost(&self, l1_time: u64) -> bool {
        self.game.status == GameStatus::ChallengerWins
            || (self.in_progress()
                && self.game.proposal == ProposalStatus::Challenged
                && l1_time > self.game.deadline)
    }
}

/// Why a challenged game is not proven, while it could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undefended {
    /// It is right, and takes other proofs than are made here.
    OtherPrograms,
    /// It is the account's, and L2 has something else.
    Wrong,
    /// It is the account's, and what it builds on does not stand.
    Falls,
}

/// Which games stand.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    seen: &'a GamesSeen,
    /// Each game, and whether it stands; unknown where L2 does not tell of its claim, or of what it builds on.
    by_index: BTreeMap<u32, (&'a Judged, Option<bool>)>,
}

impl<'a> Standing<'a> {
    pub(super) fn of(seen: &'a GamesSeen) -> Self {
        let mut standing = Self { seen, by_index: BTreeMap::new() };
        // A parent was created before its children.
        for judged in &seen.games {
            let counts = judged.game.respected && !judged.is_lost(seen.l1_time);
            let needs = [Some(counts), judged.right, standing.builds_on_what_stands(judged)];
            let stands = match needs.contains(&Some(false)) {
                true => Some(false),
                false => needs.iter().all(Option::is_some).then_some(true),
            };
            standing.by_index.insert(judged.game.index, (judged, stands));
        }
        standing
    }

    fn builds_on_what_stands(&self, judged: &Judged) -> Option<bool> {
        let Some(parent) = judged.game.parent else { return Some(true) };
        match self.by_index.get(&parent) {
            Some((parent, _)) if parent.game.status == GameStatus::DefenderWins => Some(true),
            Some((_, stands)) => *stands,
            // Too old to be read: it counts only if it was settled long ago.
            None if judged.game.start.block <= self.seen.anchor => Some(true),
            None => self.seen.unread.is_none().then_some(false),
        }
    }

    /// Whether a game may be there, although it does not show.
    pub(super) fn may_be_unread(&self, game: GameId) -> bool {
        self.seen.unread.is_some() && !self.by_index.contains_key(&game.index)
    }

    fn standing(&self) -> impl Iterator<Item = &'a Judged> + '_ {
        self.by_index.values().filter(|(_, stands)| *stands == Some(true)).map(|(judged, _)| *judged)
    }

    /// The newest game that stands and that a new one may build on; none where it is not ahead of the anchor.
    pub(super) fn head(&self) -> Option<&'a Judged> {
        let may_be = |judged: &&Judged| judged.game.claim.block > self.seen.anchor && !judged.game.excluded;
        let ahead = self.standing().filter(may_be);
        ahead.max_by_key(|judged| (judged.game.claim.block, std::cmp::Reverse(judged.game.index)))
    }

    /// Block and parent of the next game.
    pub(super) fn next(&self, interval: u64) -> Option<(u64, Option<GameId>)> {
        if !self.seen.may_create {
            return None;
        }
        // As long as L2 does not tell of a game whose block it has, that may be the head.
        let ahead = self.seen.anchor.saturating_add(1)..=self.seen.l2_finalized;
        let mut games = self.by_index.values();
        if games.any(|(judged, stands)| stands.is_none() && ahead.contains(&judged.game.claim.block)) {
            return None;
        }
        let head = self.head();
        let parent = head.map(Judged::id);
        let index = parent.map(|parent| parent.index);
        let from = head.map_or(self.seen.anchor, |head| head.game.claim.block);
        let first = from.checked_add(interval.max(1))?;
        // The factory takes a claim once, also where it was lost by a proof that was late.
        (first..=self.seen.l2_finalized)
            .find(|block| {
                let mut there = self.seen.games.iter().filter(|judged| judged.game.parent == index);
                !there.any(|judged| judged.game.claim.block == *block && judged.right != Some(false))
            })
            .map(|block| (block, parent))
    }

    /// Challenged games that are to be proven, the most urgent first: see [`to_prove`](Self::to_prove).
    pub(super) fn to_defend(&self, begun: impl Fn(GameId) -> bool) -> Vec<&'a Judged> {
        self.to_prove(begun, |judged| judged.game.proposal == ProposalStatus::Challenged)
    }

    /// Games of an account that nobody challenged or proved, the most urgent first: see [`to_prove`](Self::to_prove).
    pub(super) fn to_prove_early(&self, account: Address, begun: impl Fn(GameId) -> bool) -> Vec<&'a Judged> {
        self.to_prove(begun, |judged| {
            judged.game.proposal == ProposalStatus::Unchallenged && judged.game.creator == account
        })
    }

    /// Games that stand. One whose proof has begun is among them until it is known not to stand: a node that does not tell for a while
    /// costs no proof.
    fn to_prove(&self, begun: impl Fn(GameId) -> bool, which: impl Fn(&Judged) -> bool) -> Vec<&'a Judged> {
        let mut games: Vec<_> = self
            .by_index
            .values()
            .filter(|(judged, stands)| stands.unwrap_or_else(|| begun(judged.id())))
            .map(|(judged, _)| *judged)
            .filter(|judged| judged.provable && judged.is_open(self.seen.l1_time) && which(judged))
            .collect();
        games.sort_by_key(|judged| (judged.game.deadline, judged.game.index));
        games
    }

    /// Challenged games that could be proven, and are not; oldest first.
    pub(super) fn undefended(&self, account: Address) -> impl Iterator<Item = (&'a Judged, Undefended)> + '_ {
        let why = move |judged: &Judged, stands: Option<bool>| {
            let ours = judged.game.creator == account;
            match judged.right {
                Some(true) if stands != Some(false) => {
                    (!judged.provable).then_some(Undefended::OtherPrograms)
                }
                Some(false) => ours.then_some(Undefended::Wrong),
                _ => (ours && self.builds_on_what_stands(judged) == Some(false)).then_some(Undefended::Falls),
            }
        };
        let l1_time = self.seen.l1_time;
        self.by_index
            .values()
            .copied()
            .filter(move |(judged, _)| {
                judged.game.proposal == ProposalStatus::Challenged && judged.is_open(l1_time)
            })
            .filter_map(move |(judged, stands)| Some((judged, why(judged, stands)?)))
    }

    /// Games that can be resolved for what an account has in them, or in what builds on them; oldest first.
    pub(super) fn to_resolve(&self, account: Address) -> Vec<&'a Judged> {
        let mut wanted: BTreeMap<u32, &'a Judged> = BTreeMap::new();
        for (judged, stands) in self.by_index.values().rev() {
            let ours = judged.game.creator == account || judged.game.prover == Some(account);
            let open = judged.in_progress() && !judged.is_lost(self.seen.l1_time);
            // What was won counts also where L2 cannot be asked.
            let counts = *stands == Some(true) || judged.right != Some(false);
            if !open || !counts || !(ours || wanted.contains_key(&judged.game.index)) {
                continue;
            }
            wanted.insert(judged.game.index, judged);
            if let Some((parent, _)) = judged.game.parent.and_then(|parent| self.by_index.get(&parent)) {
                wanted.insert(parent.game.index, parent);
            }
        }
        let ready = |judged: &&Judged| {
            let Game { status, proposal, deadline, prover, parent, .. } = &judged.game;
            let over = prover.is_some()
                || (*proposal == ProposalStatus::Unchallenged && self.seen.l1_time > *deadline);
            let parent = parent.and_then(|parent| self.by_index.get(&parent));
            let parent_won = parent.is_none_or(|(parent, _)| parent.game.status == GameStatus::DefenderWins);
            *status == GameStatus::InProgress && over && parent_won
        };
        wanted.into_values().filter(ready).collect()
    }

    /// Games that are final and owe an account something, oldest first.
    pub(super) fn to_claim(&self) -> Vec<&'a Judged> {
        self.seen
            .games
            .iter()
            .filter(|judged| judged.game.is_final && !judged.game.credit.is_zero())
            .collect()
    }

    /// How many games of an account are still to be proven, where all of its games are.
    pub(super) fn unproven(&self, account: Address) -> usize {
        let open = |judged: &&Judged| judged.is_open(self.seen.l1_time) && judged.game.creator == account;
        self.standing().filter(open).count()
    }
}
