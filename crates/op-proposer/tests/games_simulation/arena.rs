//! The contracts of dispute games, as far as they matter to who plays.

use alloy_primitives::{Address, B256, U256};
use proofmill_chain::{Game, GameStatus, OracleConfig, Output, ProposalStatus};
use proofmill_op_proposer::{
    games::{GameId, Judged},
    rules::BlockGas,
};

pub(crate) const US: Address = Address::repeat_byte(1);
pub(crate) const RIVAL: Address = Address::repeat_byte(2);
const BOND: u64 = 10;
const CHALLENGER_BOND: u64 = 3;
const CHALLENGE_SECONDS: u64 = 3_000;
const PROVE_SECONDS: u64 = 6_000;
const FINALITY_SECONDS: u64 = 300;

/// What L2 has at a block.
pub(crate) fn root_of(block: u64) -> B256 {
    U256::from(block).into()
}

/// What a block of L2 used.
pub(crate) const fn gas_of(block: u64) -> u64 {
    block.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60
}

/// What L1 has.
#[derive(Clone, Debug)]
pub(crate) struct Arena {
    pub(crate) block: u64,
    pub(crate) time: u64,
    pub(crate) branch: u64,
    pub(crate) anchor: u64,
    pub(crate) games: Vec<Made>,
}

impl Default for Arena {
    fn default() -> Self {
        Self { block: 1_000, time: 1_000_000, branch: 0, anchor: 100, games: Vec::new() }
    }
}

/// A game on it.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    index: u32,
    l1_head: B256,
    pub(crate) creator: Address,
    pub(crate) block: u64,
    root: B256,
    start: u64,
    start_root: B256,
    parent: Option<u32>,
    deadline: u64,
    pub(crate) challenger: Option<Address>,
    pub(crate) prover: Option<Address>,
    pub(crate) status: GameStatus,
    resolved_at: u64,
    credits: Vec<(Address, u64)>,
}

impl Made {
    pub(crate) fn id(&self) -> GameId {
        GameId { index: self.index, address: Address::repeat_byte(9), l1_head: self.l1_head, root: self.root }
    }

    pub(crate) fn owes(&self, account: Address) -> u64 {
        self.credits.iter().filter(|(of, _)| *of == account).map(|(_, credit)| credit).sum()
    }

    pub(crate) fn proposal(&self) -> ProposalStatus {
        match (self.status, self.challenger.is_some(), self.prover) {
            (GameStatus::InProgress, false, None) => ProposalStatus::Unchallenged,
            (GameStatus::InProgress, true, None) => ProposalStatus::Challenged,
            (GameStatus::InProgress, false, Some(_)) => ProposalStatus::UnchallengedProven,
            (GameStatus::InProgress, true, Some(_)) => ProposalStatus::ChallengedProven,
            _ => ProposalStatus::Resolved,
        }
    }
}

impl Arena {
    pub(crate) fn next_block(&mut self, seconds: u64) {
        self.block += 1;
        self.time += seconds;
    }

    pub(crate) fn is_right(&self, made: &Made) -> bool {
        made.root == root_of(made.block) && made.start_root == root_of(made.start)
    }

    pub(crate) fn is_right_to_the_root(&self, made: &Made) -> bool {
        let parent = made.parent.map(|parent| &self.games[parent as usize]);
        self.is_right(made)
            && parent.is_none_or(|parent| {
                parent.status == GameStatus::DefenderWins
                    || (!self.is_lost(parent) && self.is_right_to_the_root(parent))
            })
    }

    pub(crate) fn is_lost(&self, made: &Made) -> bool {
        made.status == GameStatus::ChallengerWins
            || (made.proposal() == ProposalStatus::Challenged && self.time > made.deadline)
    }

    fn is_over(&self, made: &Made) -> bool {
        made.deadline < self.time || made.prover.is_some()
    }

    pub(crate) fn is_final(&self, made: &Made) -> bool {
        made.status != GameStatus::InProgress && self.time > made.resolved_at + FINALITY_SECONDS
    }

    pub(crate) fn create(&mut self, creator: Address, block: u64, root: B256, parent: Option<u32>) -> bool {
        let same = |made: &Made| made.block == block && made.root == root && made.parent == parent;
        let (start, start_root) = match parent {
            None => (self.anchor, root_of(self.anchor)),
            Some(index) => {
                let Some(parent) = self.games.get(index as usize) else { return false };
                if parent.status == GameStatus::ChallengerWins || parent.block <= self.anchor {
                    return false;
                }
                (parent.block, parent.root)
            }
        };
        if block <= start || self.games.iter().any(same) {
            return false;
        }
        self.games.push(Made {
            index: self.games.len() as u32,
            l1_head: U256::from(self.block * 1_000 + self.branch).into(),
            creator,
            block,
            root,
            start,
            start_root,
            parent,
            deadline: self.time + CHALLENGE_SECONDS,
            challenger: None,
            prover: None,
            status: GameStatus::InProgress,
            resolved_at: 0,
            credits: Vec::new(),
        });
        true
    }

    pub(crate) fn challenge(&mut self, challenger: Address, at: usize) -> bool {
        let deadline = self.time + PROVE_SECONDS;
        let takes =
            self.games[at].proposal() == ProposalStatus::Unchallenged && !self.is_over(&self.games[at]);
        if takes {
            (self.games[at].challenger, self.games[at].deadline) = (Some(challenger), deadline);
        }
        takes
    }

    pub(crate) fn prove(&mut self, prover: Address, at: usize) -> bool {
        let takes = !self.is_over(&self.games[at]);
        if takes {
            self.games[at].prover = Some(prover);
        }
        takes
    }

    pub(crate) fn resolve(&mut self, at: usize) -> bool {
        let made = &self.games[at];
        let parent =
            made.parent.map_or(GameStatus::DefenderWins, |parent| self.games[parent as usize].status);
        if made.status != GameStatus::InProgress || parent == GameStatus::InProgress {
            return false;
        }
        let mut lost = parent == GameStatus::ChallengerWins;
        if !lost {
            if !self.is_over(made) {
                return false;
            }
            lost = made.challenger.is_some() && made.prover.is_none();
        }
        let all = BOND + if made.challenger.is_some() { CHALLENGER_BOND } else { 0 };
        let time = self.time;
        let made = &mut self.games[at];
        (made.status, made.credits) = if lost {
            (GameStatus::ChallengerWins, vec![(made.challenger.unwrap_or_default(), all)])
        } else {
            let earned = all - BOND;
            let prover = made.prover.unwrap_or(made.creator);
            (GameStatus::DefenderWins, vec![(made.creator, BOND), (prover, earned)])
        };
        made.resolved_at = time;
        true
    }

    pub(crate) fn claim(&mut self, at: usize, account: Address) -> bool {
        if !self.is_final(&self.games[at]) || self.games[at].owes(account) == 0 {
            return false;
        }
        self.games[at].credits.retain(|(of, _)| *of != account);
        // A wrong claim that nobody challenged would end all.
        if self.games[at].status == GameStatus::DefenderWins && self.is_right(&self.games[at]) {
            self.anchor = self.anchor.max(self.games[at].block);
        }
        true
    }

    /// What a look at it shows.
    pub(crate) fn judged(&self, finalized: u64, with_gas: bool) -> Vec<Judged> {
        let judge = |(made, game): (&Made, Game)| Judged {
            right: (made.block <= finalized).then(|| self.is_right(made)),
            provable: true,
            gas: match with_gas {
                true => {
                    let blocks = made.start + 1..=made.block;
                    BlockGas { first: *blocks.start(), used: blocks.map(gas_of).collect() }
                }
                false => BlockGas::default(),
            },
            game,
        };
        self.games.iter().zip(self.shown()).map(judge).collect()
    }

    /// The games, as they are read.
    pub(crate) fn shown(&self) -> impl Iterator<Item = Game> + '_ {
        let config = OracleConfig {
            aggregation_key: B256::ZERO,
            range_key: B256::ZERO,
            rollup_config_hash: B256::ZERO,
        };
        self.games.iter().map(move |made| Game {
            index: made.index,
            address: made.id().address,
            creator: made.creator,
            claim: Output { root: made.root, block: made.block },
            start: Output { root: made.start_root, block: made.start },
            parent: made.parent,
            l1_head: made.l1_head,
            config,
            verifier: Address::ZERO,
            access_manager: Address::ZERO,
            challenger_bond: U256::from(CHALLENGER_BOND),
            respected: true,
            excluded: false,
            status: made.status,
            proposal: made.proposal(),
            deadline: made.deadline,
            challenger: made.challenger,
            prover: made.prover,
            is_final: self.is_final(made),
            credit: U256::from(made.owes(US)),
        })
    }
}
