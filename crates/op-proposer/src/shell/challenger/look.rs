//! What the chains show of games, and what L2 has in place of their claims.

use super::Shell;
use crate::challenges::{Accused, ChallengesSeen};
use alloy_primitives::{Address, U256};
use proofmill_chain::{ChainError, Game, GameStatus, Output, ProposalStatus};
use std::collections::BTreeMap;

/// What new games have in common for who challenges.
#[derive(Debug)]
pub(super) struct NewGames {
    /// What says who may challenge them.
    manager: Address,
    /// Whether the account may.
    pub(super) may_challenge: bool,
    /// What a challenge costs for a while, in wei.
    bond: U256,
}

impl Shell {
    /// What the chains show. Errors with what is away.
    pub(super) async fn look(&self) -> Result<ChallengesSeen, String> {
        let shown = |error: ChainError| error.to_string();
        let (account, l1) = (self.sender.account(), self.sender.l1());
        let head = self.l2.block(self.options.l2_tag.at()).await.map_err(shown)?;
        let l2_finalized = head.map_or(0, |head| head.number);
        let view = self.games.view(account, self.options.confirmations).await.map_err(shown)?;
        self.roots.begin();
        // It is asked each time: a node that was of another branch leaves nothing behind.
        let anchor_agrees = self.says(view.anchor, l2_finalized).await;
        if anchor_agrees != Some(true) {
            self.roots.forget();
        }
        let (mut games, mut origin) = (Vec::with_capacity(view.games.len()), None);
        let new = self.new_games().await.map_err(shown)?;
        let (may_challenge, mut bond) =
            new.as_ref().map_or((true, U256::ZERO), |new| (new.may_challenge, new.bond));
        // Games keep those with which they were created.
        let mut managers: BTreeMap<Address, bool> =
            new.iter().map(|new| (new.manager, new.may_challenge)).collect();
        for game in view.games {
            if game.status != GameStatus::InProgress {
                games.push(Accused { game, claim: None, start: None, may_challenge: false });
                continue;
            }
            let may_challenge = match managers.get(&game.access_manager) {
                Some(known) => *known,
                None => {
                    let asked = self.games.may_challenge(account, game.access_manager).await;
                    *managers.entry(game.access_manager).or_insert(asked.map_err(shown)?)
                }
            };
            if game.proposal == ProposalStatus::Unchallenged {
                bond = bond.max(game.challenger_bond);
            }
            let mut claim = self.has(game.claim, l2_finalized).await;
            // A node of another chain stands elsewhere on L1.
            if claim.is_none() && game.claim.block > l2_finalized && anchor_agrees == Some(true) {
                if origin.is_none() {
                    origin = Some(self.l2.l1_origin(l2_finalized).await.map_err(shown)?);
                }
                claim = self.can_never_be(&game, origin.flatten()).await.map_err(shown)?.then_some(false);
            }
            let start = self.has(game.start, l2_finalized).await;
            games.push(Accused { game, claim, start, may_challenge });
        }
        let has = l1.balance(account).await.map_err(shown)?;
        Ok(ChallengesSeen {
            l1_block: view.at.number,
            l1_time: view.at.timestamp,
            anchor: view.anchor.block,
            anchor_agrees,
            may_challenge,
            short_of: (has <= bond).then_some((has, bond)),
            l2_finalized,
            silent: self.roots.end(),
            unread: view.unread.map(|unread| unread.to_string()),
            games,
        })
    }

    /// What new games have; none where the factory's owner set no code for them, or one that does not answer as theirs. Games that are there
    /// are challenged all the same.
    pub(super) async fn new_games(&self) -> Result<Option<NewGames>, ChainError> {
        let read = async {
            let (manager, account) = (self.games.access_manager().await?, self.sender.account());
            let may_challenge = self.games.may_challenge(account, manager).await?;
            let bond = self.games.challenger_bond().await?;
            Ok::<_, ChainError>(NewGames { manager, may_challenge, bond })
        };
        match read.await {
            Ok(new) => Ok(Some(new)),
            Err(
                ChainError::NoGames { .. }
                | ChainError::NoContract { .. }
                | ChainError::Reverted(_)
                | ChainError::OtherAnswer { .. },
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a claim is of a block that cannot follow from L1 up to the game's block: L2's blocks follow later and later blocks of
    /// L1, and its newest one, which the claim is after, follows one after the game's.
    async fn can_never_be(&self, game: &Game, origin: Option<u64>) -> Result<bool, ChainError> {
        let Some(origin) = origin else { return Ok(false) };
        let of_game = self.sender.l1().number_of(game.l1_head).await?;
        Ok(of_game.is_some_and(|of_game| of_game < origin))
    }

    /// Whether L2 has this output; unknown where it has not finalized the block, or does not tell.
    async fn has(&self, output: Output, finalized: u64) -> Option<bool> {
        // Nodes are not equally far: what one had finalized, another may not have yet.
        match self.roots.get(output.block) {
            Some(root) => Some(root == output.root),
            None => self.says(output, finalized).await,
        }
    }

    /// The same, by what it says now.
    async fn says(&self, output: Output, finalized: u64) -> Option<bool> {
        let block = output.block;
        if block > finalized {
            return None;
        }
        let cause = match self.l2.output(block).await {
            Ok(Some(Output { root, .. })) => {
                // What only a fault of many takes back may be taken back, and is asked again.
                if self.options.l2_tag.is_final() {
                    self.roots.keep(block, root);
                }
                return Some(root == output.root);
            }
            Ok(None) => format!("it does not have block {block}, and has finalized a later one"),
            Err(error) => error.to_string(),
        };
        self.roots.silent(cause);
        None
    }
}
