//! Reading games: all in one block, and what cannot change only once.

use super::{Game, GameStatus, Games, GamesView, NO_PARENT, ProposalStatus, UnreadGames};
use crate::{
    BlockAt, BlockHead, ChainError, OracleConfig, Output,
    contracts::{
        OpDevAnchorRegistry::{
            anchorGameCall, getAnchorRootCall, isGameBlacklistedCall, isGameFinalizedCall, isGameProperCall,
            isGameRetiredCall, respectedGameTypeCall,
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
use futures::{StreamExt, TryStreamExt, stream};
use std::{collections::BTreeMap, ops::Range, pin::pin};

/// Seconds back in time to which games are read at first: those before are final, and their bonds are claimed.
const HORIZON: u64 = 60 * 24 * 60 * 60;
/// So many games are read at the same time.
const AT_ONCE: usize = 8;
/// A reorg may take back what happened in so many blocks: those of two epochs of Ethereum, and some more.
const REORG: u64 = 128;

/// What was read of games, and in which block. What is read stays so, whatever fails after it.
#[derive(Debug, Default)]
pub(super) struct Read {
    at: Option<BlockHead>,
    account: Address,
    /// So many games the factory had: each was looked at, or waits.
    count: u32,
    /// Numbers of games that were not looked at yet, ascending.
    waiting: Vec<Range<u32>>,
    games: BTreeMap<u32, Game>,
    /// Games that do not answer as games do, and how.
    odd: BTreeMap<u32, String>,
    /// Games of other registries that were not at their end when they were looked at.
    elsewhere: BTreeMap<u32, Address>,
    /// The L1 block at which a game was seen that cannot change any more.
    settled: BTreeMap<u32, u64>,
}

/// What a number of the factory stands for.
enum Looked {
    Ours(Box<Game>),
    /// Of another type, or of another registry and at its end.
    Other,
    /// Of another registry, which this is, and not at its end.
    Elsewhere(Address),
    /// From before the horizon.
    Old,
    /// Of our type, but it does not answer as a game does.
    Odd(String),
}

/// Which games are looked for.
#[derive(Clone, Copy)]
enum Which {
    Any,
    OfRegistry(Address),
    /// Of this claim, and with this block of L1 before it.
    Claims(Output, B256),
}

impl Read {
    /// The number was looked at, and so were all after it.
    fn looked_at(&mut self, index: u32) {
        if let Some(range) = self.waiting.pop().filter(|range| range.start < index) {
            self.waiting.push(range.start..index);
        }
    }

    /// Numbers from this one on are forgotten.
    fn forget_from(&mut self, index: u32) {
        self.count = self.count.min(index);
        self.waiting.retain_mut(|range| {
            range.end = range.end.min(index);
            range.start < range.end
        });
        drop(self.games.split_off(&index));
        drop(self.odd.split_off(&index));
        drop(self.elsewhere.split_off(&index));
        drop(self.settled.split_off(&index));
    }

    fn keep(&mut self, game: Game, at: BlockHead) {
        if game.is_final && game.credit.is_zero() {
            self.settled.insert(game.index, at.number);
        }
        self.games.insert(game.index, game);
    }

    /// How many games have which other registry.
    fn elsewhere(&self, is_named: bool) -> BTreeMap<Address, usize> {
        let mut counted = BTreeMap::<Address, usize>::new();
        for registry in self.elsewhere.values().filter(|_| !is_named) {
            *counted.entry(*registry).or_default() += 1;
        }
        counted
    }

    /// What is missing. `stopped`: why not all were looked at.
    fn unread(&self, stopped: Option<String>) -> Option<UnreadGames> {
        let waiting: usize = self.waiting.iter().map(ExactSizeIterator::len).sum();
        let cause = stopped.or_else(|| self.odd.values().next().cloned())?;
        Some(UnreadGames { waiting, odd: self.odd.keys().copied().collect(), cause })
    }
}

impl Games {
    /// All games, read in one block of L1 that is `confirmations` before its newest; credits are those of `account`. What cannot
    /// change any more is read once. A game that is new and cannot be read is named as unread.
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
        if read.account != account {
            *read = Read { account, ..Read::default() };
        }
        if !self.is_of_branch(read.at, at).await? {
            self.forget_what_is_gone(&mut read, at).await?;
        }
        read.at = Some(at);
        self.read_again(&mut read, at).await?;
        let stopped = self.read_new(&mut read, at).await?;
        let block = Some(at.hash);
        let anchor = self.l1.read(self.registry, &getAnchorRootCall {}, block).await?;
        let anchor_game = self.l1.read(self.registry, &anchorGameCall {}, block).await?;
        let respected = self.l1.read(self.registry, &respectedGameTypeCall {}, block).await?;
        let anchor = Output { root: anchor.root, block: anchor.l2SequenceNumber.saturating_to() };
        let all: Vec<Game> = read.games.values().cloned().collect();
        let look = |mut game: Game| async move {
            // On the others nothing builds in any case.
            if game.claim.block > anchor.block && game.status != GameStatus::ChallengerWins {
                game.excluded = self.is_excluded(game.address, block).await?;
            }
            Ok::<_, ChainError>(game)
        };
        let games: Vec<Game> = stream::iter(all).map(look).buffered(AT_ONCE).try_collect().await?;
        Ok(GamesView {
            at,
            anchor,
            anchor_game: (!anchor_game.is_zero()).then_some(anchor_game),
            respected: respected == self.game_type,
            games,
            unread: read.unread(stopped),
            elsewhere: read.elsewhere(self.is_named),
        })
    }

    /// Whether new games that build on this one are refused for what the registry's guardian said.
    async fn is_excluded(&self, game: Address, at: Option<B256>) -> Result<bool, ChainError> {
        Ok(self.l1.read(self.registry, &isGameBlacklistedCall { game }, at).await?
            || self.l1.read(self.registry, &isGameRetiredCall(game), at).await?)
    }

    /// Whether what was read in a block counts in another, too. One that is before it may be of any branch.
    async fn is_of_branch(&self, before: Option<BlockHead>, at: BlockHead) -> Result<bool, ChainError> {
        match before {
            None => Ok(true),
            Some(before) if before.hash == at.hash => Ok(true),
            Some(before) if before.number < at.number => {
                let there = self.l1.block(BlockAt::Number(before.number)).await?;
                Ok(there.is_some_and(|block| block.hash == before.hash))
            }
            Some(_) => Ok(false),
        }
    }

    /// Another branch of L1 may have other games under the same numbers and addresses. They are compared from the newest on, until one is
    /// there: its L1 head is of this branch then, and so is everything that was created in blocks before its own.
    async fn forget_what_is_gone(&self, read: &mut Read, at: BlockHead) -> Result<(), ChainError> {
        let mut head = None;
        for game in read.games.values().rev() {
            if self.was_there(game, Some(at.hash)).await? {
                head = Some(game.l1_head);
                break;
            }
        }
        let mut games = read.games.values();
        let first = head.and_then(|head| games.find(|game| game.l1_head == head));
        let from = first.map_or(0, |game| game.index);
        read.forget_from(from);
        read.settled.retain(|_, since| since.saturating_add(REORG) < at.number);
        Ok(())
    }

    /// Reads what may have changed of the games that are known.
    async fn read_again(&self, read: &mut Read, at: BlockHead) -> Result<(), ChainError> {
        let (account, block) = (read.account, Some(at.hash));
        let changing = read.games.values().filter(|game| !read.settled.contains_key(&game.index));
        let changing: Vec<Game> = changing.cloned().collect();
        let refresh = |mut game: Game| async move {
            self.refresh(&mut game, account, block).await?;
            Ok::<_, ChainError>(game)
        };
        let mut refreshed = pin!(stream::iter(changing).map(refresh).buffered(AT_ONCE));
        while let Some(game) = refreshed.next().await {
            read.keep(game?, at);
        }
        Ok(())
    }

    /// Reads the games that were not looked at yet, the newest first. Why it stopped before all of them were, if it did.
    async fn read_new(&self, read: &mut Read, at: BlockHead) -> Result<Option<String>, ChainError> {
        let account = read.account;
        let count = self.l1.read(self.factory, &gameCountCall {}, Some(at.hash)).await?;
        let least = read.games.keys().next_back().map_or(0, |last| last.saturating_add(1));
        let count = u32::try_from(count.saturating_to::<u64>())
            .ok()
            .filter(|count| *count >= least)
            .ok_or_else(|| ChainError::OtherAnswer {
                address: self.factory,
                function: "gameCount()",
                reason: format!(
                    "{count} games, where {least} were there, and there are numbers for {}",
                    u32::MAX
                ),
            })?;
        // It may have been nonsense before.
        read.forget_from(count);
        if read.count < count {
            read.waiting.push(read.count..count);
            read.count = count;
        }
        let odd: Vec<u32> = read.odd.keys().rev().take(AT_ONCE).copied().collect();
        for index in odd {
            match self.look_at(index, account, at).await? {
                Looked::Odd(_) => continue,
                Looked::Ours(game) => read.keep(*game, at),
                Looked::Elsewhere(registry) => {
                    read.elsewhere.insert(index, registry);
                }
                Looked::Other | Looked::Old => {}
            }
            read.odd.remove(&index);
        }
        let newest_first = read.waiting.clone().into_iter().rev().flat_map(Iterator::rev);
        let look = |index: u32| async move { (index, self.look_at(index, account, at).await) };
        let mut looking = pin!(stream::iter(newest_first).map(look).buffered(AT_ONCE));
        while let Some((index, looked)) = looking.next().await {
            match looked {
                Ok(Looked::Ours(game)) => read.keep(*game, at),
                Ok(Looked::Other) => {}
                Ok(Looked::Elsewhere(registry)) => {
                    read.elsewhere.insert(index, registry);
                }
                Ok(Looked::Odd(cause)) => drop(read.odd.insert(index, cause)),
                Ok(Looked::Old) => {
                    read.waiting.clear();
                    break;
                }
                Err(error) => return Ok(Some(error.to_string())),
            }
            read.looked_at(index);
        }
        Ok(None)
    }

    /// The registry of the newest game of this type; none where there is none within the horizon.
    pub(super) async fn registry_of_newest(&self) -> Result<Option<Address>, ChainError> {
        let at = self.l1.head().await?;
        let Some(game) = self.newest(at, Which::Any).await? else { return Ok(None) };
        self.l1.read(game, &anchorStateRegistryCall {}, Some(at.hash)).await.map(Some)
    }

    /// Whether there is a game of this type, within the horizon, that has this registry.
    pub(super) async fn has_games_of(&self, registry: Address) -> Result<bool, ChainError> {
        let at = self.l1.head().await?;
        Ok(self.newest(at, Which::OfRegistry(registry)).await?.is_some())
    }

    /// What a proof of a claim must be of, and what verifies it, as the newest game has it that claims this and is to be proven up to this
    /// block of L1: a game keeps those with which it was created. None where there is no such game.
    ///
    /// # Errors
    /// L1 cannot be read.
    pub async fn wanted_of(
        &self,
        claim: Output,
        l1_head: B256,
    ) -> Result<Option<(OracleConfig, Address)>, ChainError> {
        let at = self.l1.head().await?;
        let Some(game) = self.newest(at, Which::Claims(claim, l1_head)).await? else { return Ok(None) };
        let verifier = self.l1.read(game, &sp1VerifierCall {}, Some(at.hash)).await?;
        Ok(Some((self.config(game, Some(at.hash)).await?, verifier)))
    }

    /// The newest game of this type, within the horizon, that is one of these.
    async fn newest(&self, at: BlockHead, which: Which) -> Result<Option<Address>, ChainError> {
        let block = Some(at.hash);
        let count = self.l1.read(self.factory, &gameCountCall {}, block).await?.saturating_to::<u64>();
        let look = |index: u64| async move {
            let call = gameAtIndexCall { index: U256::from(index) };
            let made = self.l1.read(self.factory, &call, block).await?;
            let is_old = made.timestamp.saturating_add(HORIZON) < at.timestamp;
            let is_it =
                !is_old && made.gameType == self.game_type && self.is_which(made.proxy, which, block).await?;
            Ok::<_, ChainError>((made.proxy, is_old, is_it))
        };
        let mut looking = pin!(stream::iter((0..count).rev()).map(look).buffered(AT_ONCE));
        while let Some(looked) = looking.next().await {
            match looked? {
                (game, _, true) => return Ok(Some(game)),
                (_, true, _) => break,
                _ => {}
            }
        }
        Ok(None)
    }

    async fn is_which(&self, game: Address, which: Which, at: Option<B256>) -> Result<bool, ChainError> {
        let l1 = &self.l1;
        let read = async {
            Ok::<_, ChainError>(match which {
                Which::Any => true,
                Which::OfRegistry(registry) => {
                    l1.read(game, &anchorStateRegistryCall {}, at).await? == registry
                }
                Which::Claims(claim, l1_head) => {
                    l1.read(game, &claimDataCall {}, at).await?.claim == claim.root
                        && l1.read(game, &l1HeadCall {}, at).await? == l1_head
                        && l1.read(game, &l2BlockNumberCall {}, at).await? == U256::from(claim.block)
                }
            })
        };
        match read.await {
            // It does not answer as games do.
            Err(ChainError::Reverted(_) | ChainError::OtherAnswer { .. }) => Ok(false),
            read => read,
        }
    }

    /// What a number of the factory stands for.
    async fn look_at(&self, index: u32, account: Address, at: BlockHead) -> Result<Looked, ChainError> {
        let block = Some(at.hash);
        let call = gameAtIndexCall { index: U256::from(index) };
        let made = self.l1.read(self.factory, &call, block).await?;
        if made.timestamp.saturating_add(HORIZON) < at.timestamp {
            return Ok(Looked::Old);
        }
        if made.gameType != self.game_type {
            return Ok(Looked::Other);
        }
        match self.game(index, made.proxy, account, block).await {
            Ok(looked) => Ok(looked),
            Err(error @ (ChainError::Reverted(_) | ChainError::OtherAnswer { .. })) => {
                Ok(Looked::Odd(error.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a game of another registry is undecided, or owes the account something. What does not answer as a game is none.
    async fn is_open(&self, game: Address, account: Address, at: Option<B256>) -> Result<bool, ChainError> {
        let read = async {
            Ok::<_, ChainError>(
                self.l1.read(game, &statusCall {}, at).await? == 0
                    || !self.l1.read(game, &creditCall { recipient: account }, at).await?.is_zero(),
            )
        };
        match read.await {
            Err(ChainError::Reverted(_) | ChainError::OtherAnswer { .. }) => Ok(false),
            read => read,
        }
    }

    /// A game of this type, of whatever registry.
    async fn game(
        &self,
        index: u32,
        address: Address,
        account: Address,
        at: Option<B256>,
    ) -> Result<Looked, ChainError> {
        let l1 = &self.l1;
        let registry = l1.read(address, &anchorStateRegistryCall {}, at).await?;
        if registry != self.registry {
            let is_open = self.is_open(address, account, at).await?;
            return Ok(if is_open { Looked::Elsewhere(registry) } else { Looked::Other });
        }
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
            excluded: false,
            status: GameStatus::InProgress,
            proposal: ProposalStatus::Unchallenged,
            deadline: data.deadline,
            challenger: None,
            prover: None,
            is_final: false,
            credit: U256::ZERO,
        };
        self.refresh(&mut game, account, at).await?;
        Ok(Looked::Ours(Box::new(game)))
    }

    /// Reads what may have changed.
    async fn refresh(&self, game: &mut Game, account: Address, at: Option<B256>) -> Result<(), ChainError> {
        let (l1, address) = (&self.l1, game.address);
        let data = l1.read(address, &claimDataCall {}, at).await?;
        let status = match l1.read(address, &statusCall {}, at).await? {
            0 => GameStatus::InProgress,
            1 => GameStatus::ChallengerWins,
            2 => GameStatus::DefenderWins,
            _ => return Err(unknown(address, "status()")),
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
            _ => return Err(unknown(address, "claimData()")),
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

fn unknown(address: Address, function: &'static str) -> ChainError {
    let reason = "a status that this release does not know".to_owned();
    ChainError::OtherAnswer { address, function, reason }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_number_waits_until_it_is_looked_at() {
        let mut read = Read { count: 5, waiting: vec![0..3, 3..5], ..Read::default() };
        read.looked_at(4);
        assert_eq!(read.waiting, [0..3, 3..4]);
        read.looked_at(3);
        read.looked_at(2);
        assert_eq!(
            read.unread(Some("away".to_owned())).unwrap().to_string(),
            "2 games are not read yet: away"
        );
        read.odd.insert(4, "a status".to_owned());
        read.forget_from(5);
        assert_eq!((read.count, read.unread(None).unwrap().odd), (5, vec![4]));
        read.forget_from(1);
        assert_eq!((read.count, read.waiting.len(), read.odd.len()), (1, 1, 0));
        read.looked_at(0);
        assert_eq!(read.unread(None), None);
    }
}
