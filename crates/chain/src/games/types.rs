//! Games, as L1 shows them.

use crate::{BlockHead, OracleConfig, Output};
use alloy_primitives::{Address, B256, U256};
use std::{collections::BTreeMap, fmt};

/// Whether a game is decided, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GameStatus {
    /// It is not.
    InProgress,
    /// The claim does not count.
    ChallengerWins,
    /// The claim counts.
    DefenderWins,
}

/// What happened to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposalStatus {
    /// Nothing.
    Unchallenged,
    /// Somebody says that it is wrong.
    Challenged,
    /// It was proven without need.
    UnchallengedProven,
    /// It was challenged and proven.
    ChallengedProven,
    /// The game is resolved.
    Resolved,
}

/// A game.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Game {
    /// Its number in the factory.
    pub index: u32,
    /// Where it is.
    pub address: Address,
    /// Who created it.
    pub creator: Address,
    /// What it claims.
    pub claim: Output,
    /// Where the claim begins: its parent's claim, or the anchor of then.
    pub start: Output,
    /// The game that it builds on; none where that is the anchor.
    pub parent: Option<u32>,
    /// The L1 block up to which the claim is to be proven.
    pub l1_head: B256,
    /// What a proof must be of.
    pub config: OracleConfig,
    /// What verifies a proof.
    pub verifier: Address,
    /// What says who may challenge it.
    pub access_manager: Address,
    /// Who challenges it puts in so much, in wei.
    pub challenger_bond: U256,
    /// Whether its type was the one that counts when it was created.
    pub respected: bool,
    /// Whether the registry's guardian excluded it, or retired all games of its time: then no new game builds on it. It is read of games
    /// ahead of the anchor that are not lost.
    pub excluded: bool,
    /// Whether it is decided.
    pub status: GameStatus,
    /// What happened to its claim.
    pub proposal: ProposalStatus,
    /// Until when it may be challenged, or proven, in Unix seconds.
    pub deadline: u64,
    /// Who challenged it.
    pub challenger: Option<Address>,
    /// Who proved it.
    pub prover: Option<Address>,
    /// Whether its bonds can be claimed.
    pub is_final: bool,
    /// What the account can claim, in wei, once it is final.
    pub credit: U256,
}

/// What L1 has in one block.
#[derive(Clone, Debug)]
pub struct GamesView {
    /// The block.
    pub at: BlockHead,
    /// The newest claim that is final.
    pub anchor: Output,
    /// The game that made it so; none at the beginning.
    pub anchor_game: Option<Address>,
    /// Whether games of this type count now.
    pub respected: bool,
    /// Games by their number, oldest first: of this type and registry, and not older than two months when they were first seen.
    pub games: Vec<Game>,
    /// What is missing among them, if anything.
    pub unread: Option<UnreadGames>,
    /// Games of this type that have another registry, and were undecided or owed the account something when they were first seen: how many
    /// have which. Empty where the registry was named: then the others are somebody else's.
    pub elsewhere: BTreeMap<Address, usize>,
}

/// Games that are not in a view, though they may belong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadGames {
    /// So many of the factory were not looked at yet.
    pub waiting: usize,
    /// Numbers of those that do not answer as games do.
    pub odd: Vec<u32>,
    /// Why the first of them is not read.
    pub cause: String,
}

impl fmt::Display for UnreadGames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.waiting, self.odd.as_slice()) {
            (0, [first, ..]) => {
                write!(f, "game {first} of {} that cannot be read: {}", self.odd.len(), self.cause)
            }
            (waiting, _) => write!(f, "{waiting} games are not read yet: {}", self.cause),
        }
    }
}

/// What all new games have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GamesSettings {
    /// What a proof must be of.
    pub config: OracleConfig,
    /// What verifies proofs.
    pub verifier: Address,
    /// Who creates a game puts in so much, in wei.
    pub bond: U256,
    /// Who challenges one puts in so much, in wei.
    pub challenger_bond: U256,
    /// Seconds in which a game can be challenged.
    pub challenge_seconds: u64,
    /// Seconds in which a challenged one can be proven.
    pub prove_seconds: u64,
}

/// Where new contracts begin, for development.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GamesStart {
    /// The first anchor, which nobody proves.
    pub anchor: Output,
    /// Seconds from the resolution of a game until it is final.
    pub finality_seconds: u64,
    /// What games have in common.
    pub settings: GamesSettings,
}
