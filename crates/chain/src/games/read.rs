//! Reading games: all in one block, and what cannot change only once.

use super::{Game, GameStatus, Games, GamesView, NO_PARENT, ProposalStatus};
use crate::{
    BlockAt, BlockHead, ChainError, OracleConfig, Output,
    contracts::{
        OpDevAnchorRegistry::{
            anchorGameCall, getAnchorRootCall, isGameFinalizedCall, isGameProperCall, respectedGameTypeCall,
        },
        OpDevGame::{
            accessManagerCall, aggregationVkeyCall, anchorStateRegistryCall, bondDistributionModeCall,
            challengerBondCall, claimDataCall, creditCall, gameCreatorCall, l1HeadCall, l2BlockNumberCall,
            rangeVkeyCommitmentCall, refundModeCreditCall, rollupConfigHashCall, sp1VerifierCall,
            startingBlockNumberCall, startingRootHashCall, statusCall, wasRespectedGameTypeWhenCreatedCall,
        },
        OpDevGameFactory::{gameAtIndexCall, gameCountCall},
    },
};
use alloy_primitives::{Address, B256, U256};
use std::collections::BTreeMap;

/// Seconds back in time to which games are read at first: those before are final, and their bonds are claimed.
const HORIZON: u64 = 60 * 24 * 60 * 60;

/// What was read of games, and in which block.
#[derive(Debug, Default)]
pub(super) struct Read {
    at: Option<BlockHead>,
    account: Address,
    /// Indices before are read.
    next: u32,
    games: BTreeMap<u32, Game>,
}

impl Games {
    /// All games, read in one block of L1 that is `confirmations` before its newest; credits are those of `account`. What cannot
    /// change any more is read once.
    ///
    /// # Errors
    /// L1 cannot be read.
    pub async fn view(&self, account: Address, confirmations: u64) -> Result<GamesView, ChainError> {
        let mut at = self.l1.head().await?;
        if confirmations > 0 {
            let number = BlockAt::Number(at.number.saturating_sub(confirmations));
            at = self.l1.block(number).await?.unwrap_or(at);
        }
        let mut read = self.read.lock().await;
        // Another branch of L1 may have other games at the same addresses.
        let same_branch = match read.at {
            Some(before) if before.number <= at.number => {
                let there = self.l1.block(BlockAt::Number(before.number)).await?;
                there.is_some_and(|block| block.hash == before.hash)
            }
            _ => false,
        };
        if !same_branch || read.account != account {
            *read = Read { account, ..Read::default() };
        }
        let block = Some(at.hash);
        // Only what is read whole counts as read: what fails is read again.
        for game in read.games.values_mut().filter(|game| !(game.is_final && game.credit.is_zero())) {
            self.refresh(game, account, block).await?;
        }
        self.read_new(&mut read, at).await?;
        read.at = Some(at);
        let anchor = self.l1.read(self.registry, &getAnchorRootCall {}, block).await?;
        let anchor_game = self.l1.read(self.registry, &anchorGameCall {}, block).await?;
        let respected = self.l1.read(self.registry, &respectedGameTypeCall {}, block).await?;
        Ok(GamesView {
            at,
            anchor: Output { root: anchor.root, block: anchor.l2SequenceNumber.saturating_to() },
            anchor_game: (!anchor_game.is_zero()).then_some(anchor_game),
            respected: respected == self.game_type,
            games: read.games.values().cloned().collect(),
        })
    }

    /// Reads the games that were created since.
    async fn read_new(&self, read: &mut Read, at: BlockHead) -> Result<(), ChainError> {
        let block = Some(at.hash);
        let count = self.l1.read(self.factory, &gameCountCall {}, block).await?;
        // A game names its parent by 32 bits.
        let count = u32::try_from(count).map_err(|_| ChainError::Malformed {
            method: "gameCount()",
            reason: format!("{count} games are more than a factory can have"),
        })?;
        let mut new = BTreeMap::new();
        for index in (read.next..count).rev() {
            let call = gameAtIndexCall { index: U256::from(index) };
            let made = self.l1.read(self.factory, &call, block).await?;
            if made.timestamp.saturating_add(HORIZON) < at.timestamp {
                break;
            }
            if made.gameType != self.game_type
                || self.l1.read(made.proxy, &anchorStateRegistryCall {}, block).await? != self.registry
            {
                continue;
            }
            new.insert(index, self.game(index, made.proxy, read.account, block).await?);
        }
        read.games.extend(new);
        read.next = count;
        Ok(())
    }

    async fn game(
        &self,
        index: u32,
        address: Address,
        account: Address,
        at: Option<B256>,
    ) -> Result<Game, ChainError> {
        let l1 = &self.l1;
        let data = l1.read(address, &claimDataCall {}, at).await?;
        let block = l1.read(address, &l2BlockNumberCall {}, at).await?;
        let start = l1.read(address, &startingBlockNumberCall {}, at).await?;
        let mut game = Game {
            index,
            address,
            creator: l1.read(address, &gameCreatorCall {}, at).await?,
            claim: Output { root: data.claim, block: block.saturating_to() },
            start: Output {
                root: l1.read(address, &startingRootHashCall {}, at).await?,
                block: start.saturating_to(),
            },
            parent: (data.parentIndex != NO_PARENT).then_some(data.parentIndex),
            l1_head: l1.read(address, &l1HeadCall {}, at).await?,
            config: self.config(address, at).await?,
            verifier: l1.read(address, &sp1VerifierCall {}, at).await?,
            access_manager: l1.read(address, &accessManagerCall {}, at).await?,
            challenger_bond: l1.read(address, &challengerBondCall {}, at).await?,
            respected: l1.read(address, &wasRespectedGameTypeWhenCreatedCall {}, at).await?,
            status: GameStatus::InProgress,
            proposal: ProposalStatus::Unchallenged,
            deadline: data.deadline,
            challenger: None,
            prover: None,
            is_final: false,
            credit: U256::ZERO,
        };
        self.refresh(&mut game, account, at).await?;
        Ok(game)
    }

    /// Reads what may have changed.
    async fn refresh(&self, game: &mut Game, account: Address, at: Option<B256>) -> Result<(), ChainError> {
        let (l1, address) = (&self.l1, game.address);
        let data = l1.read(address, &claimDataCall {}, at).await?;
        let status = match l1.read(address, &statusCall {}, at).await? {
            0 => GameStatus::InProgress,
            1 => GameStatus::ChallengerWins,
            2 => GameStatus::DefenderWins,
            _ => return Err(unknown("status()")),
        };
        let (mut is_final, mut credit) = (false, U256::ZERO);
        if status != GameStatus::InProgress {
            is_final = l1.read(self.registry, &isGameFinalizedCall { game: address }, at).await?;
            credit = l1.read(address, &creditCall { recipient: account }, at).await?;
            let undecided = l1.read(address, &bondDistributionModeCall {}, at).await? == 0;
            // Bonds go back to who put them in where a game does not count; that is settled with the first that is claimed.
            if undecided && !l1.read(self.registry, &isGameProperCall { game: address }, at).await? {
                credit = l1.read(address, &refundModeCreditCall { account }, at).await?;
            }
        }
        game.proposal = match data.status {
            0 => ProposalStatus::Unchallenged,
            1 => ProposalStatus::Challenged,
            2 => ProposalStatus::UnchallengedProven,
            3 => ProposalStatus::ChallengedProven,
            4 => ProposalStatus::Resolved,
            _ => return Err(unknown("claimData()")),
        };
        (game.status, game.deadline) = (status, data.deadline);
        game.challenger = (!data.counteredBy.is_zero()).then_some(data.counteredBy);
        game.prover = (!data.prover.is_zero()).then_some(data.prover);
        (game.is_final, game.credit) = (is_final, credit);
        Ok(())
    }

    pub(super) async fn config(&self, of: Address, at: Option<B256>) -> Result<OracleConfig, ChainError> {
        Ok(OracleConfig {
            aggregation_key: self.l1.read(of, &aggregationVkeyCall {}, at).await?,
            range_key: self.l1.read(of, &rangeVkeyCommitmentCall {}, at).await?,
            rollup_config_hash: self.l1.read(of, &rollupConfigHashCall {}, at).await?,
        })
    }
}

fn unknown(method: &'static str) -> ChainError {
    ChainError::Malformed { method, reason: "a status that this release does not know".to_owned() }
}
