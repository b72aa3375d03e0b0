//! What the chains show of games, and what L2 has in place of their claims.

use super::Shell;
use crate::{
    games::{GamesSeen, Judged},
    rules::BlockGas,
};
use alloy_primitives::B256;
use proofmill_chain::{Game, GameStatus, Output, ProposalStatus};
use proofmill_primitives::BlockRange;

impl Shell {
    /// What the chains show. Errors with what is away.
    pub(super) async fn look(&self) -> Result<GamesSeen, String> {
        let shown = |error: proofmill_chain::ChainError| error.to_string();
        let account = self.works.sender.account();
        let l2_finalized = self.works.provable(self.options.anchor).await?;
        let view = self.games.view(account, self.options.confirmations).await.map_err(shown)?;
        self.roots.begin();
        // It is asked each time: a node that was of another branch leaves nothing behind.
        let anchor_agrees = self.says(view.anchor, l2_finalized).await == Some(true);
        if !anchor_agrees {
            self.roots.forget();
        }
        let here = self.works.config();
        let mut games = Vec::with_capacity(view.games.len());
        for game in view.games {
            let right = self.judge(&game, view.anchor.block, l2_finalized).await;
            let provable = game.config == here;
            let gas = match right == Some(true) && provable {
                true => self.gas(&game).await?,
                false => BlockGas::default(),
            };
            games.push(Judged { right, provable, gas, game });
        }
        self.roots.end();
        self.works.forget_gas(view.anchor.block);
        let held = self.works.held(&self.games).await.map_err(shown)?.map(|error| error.to_string());
        // One of those that wait may be the head.
        let all_there = view.unread.as_ref().is_none_or(|unread| unread.waiting == 0);
        let may_create = view.respected
            && all_there
            && held.is_none()
            && anchor_agrees
            && self.games.may_propose(account).await.map_err(shown)?;
        Ok(GamesSeen {
            l1_block: view.at.number,
            l1_time: view.at.timestamp,
            anchor: view.anchor.block,
            may_create,
            held,
            l2_finalized,
            unread: view.unread.map(|unread| unread.to_string()),
            games,
        })
    }

    /// The gas of a game's blocks, where it is to be proven in ranges that are cut by it.
    async fn gas(&self, game: &Game) -> Result<BlockGas, String> {
        let rules = self.options.rules;
        let wanted = match game.proposal {
            ProposalStatus::Challenged => true,
            ProposalStatus::Unchallenged => {
                rules.fast_finality.is_some() && game.creator == self.works.sender.account()
            }
            _ => false,
        };
        match BlockRange::new(game.start.block.saturating_add(1), game.claim.block) {
            Ok(blocks) if wanted && rules.range_gas.is_some() => self.works.gas(blocks).await,
            _ => Ok(BlockGas::default()),
        }
    }

    /// Whether a game's claim and its beginning are what L2 has. Of games that are settled, and behind the anchor, it is not asked.
    async fn judge(&self, game: &Game, anchor: u64, finalized: u64) -> Option<bool> {
        if game.status != GameStatus::InProgress && game.claim.block < anchor {
            return None;
        }
        match self.has(game.claim, finalized).await? {
            true => self.has(game.start, finalized).await,
            false => Some(false),
        }
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
        if output.block > finalized {
            return None;
        }
        match self.told(output.block).await {
            Ok(root) => Some(root == output.root),
            Err(cause) => {
                self.roots.silent(cause);
                None
            }
        }
    }

    /// The output root of a finalized block; it is asked once.
    pub(super) async fn output(&self, block: u64) -> Result<B256, String> {
        match self.roots.get(block) {
            Some(root) => Ok(root),
            None => self.told(block).await,
        }
    }

    async fn told(&self, block: u64) -> Result<B256, String> {
        let root = self.works.rollup_node.output(block).await.map_err(|error| error.to_string())?.root;
        // With an anchor that L1 may take back, so may what L2 says; and it is not much to ask again.
        if self.options.anchor.is_default() {
            self.roots.keep(block, root);
        }
        Ok(root)
    }
}
