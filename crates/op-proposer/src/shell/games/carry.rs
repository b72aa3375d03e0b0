//! The actions. Each is of a game as it was seen last.

use super::{
    super::{
        settle::{self, GONE, there},
        tasks::{caught, proven},
        works::{Wanted, away, ends, from_l1, not_now, refused, stale},
    },
    Shell,
};
use crate::rules::{L1Block, StepFailed};
use proofmill_chain::{Game, Included, Output};
use proofmill_client::OpAggregationProof;
use proofmill_primitives::BlockRange;
use proofmill_service::JobError;
use tokio_util::sync::CancellationToken;

impl Shell {
    pub(super) async fn prove_range(
        &self,
        game: Option<Game>,
        blocks: BlockRange,
        cancel: &CancellationToken,
    ) -> Result<(), JobError> {
        proven(async {
            let game = game.ok_or_else(|| away(GONE))?;
            let up_to = self.works.source.node.number_of(game.l1_head).await.map_err(away)?;
            self.works.prove_range(blocks, (up_to, up_to), cancel).await.map(drop)
        })
        .await
    }

    /// The number of the L1 block that has the game. `parent`: none for the anchor.
    pub(super) async fn create(
        &self,
        block: u64,
        parent: Option<Option<Game>>,
        cancel: &CancellationToken,
    ) -> Result<u64, StepFailed> {
        caught(cancel, async {
            let parent = parent.map(there).transpose()?;
            let root = self.output(block).await.map_err(not_now)?;
            // The call has its number alone.
            if let Some(parent) = &parent
                && !self.games.is_there(parent).await.map_err(from_l1)?
            {
                return Err(not_now("the game that it builds on is another one now: L1 was reorganised"));
            }
            let parent = parent.map(|parent| parent.index);
            let sent = self.games.create(&self.works.sender, Output { root, block }, parent).await;
            let sent = sent.map_err(from_l1)?;
            let Included { transaction, gas_used: gas, block: l1_block, .. } = sent;
            let fee_wei = sent.fee();
            tracing::info!(event = "game_created", block, %root, ?parent, %transaction, gas, fee_wei, "game created");
            Ok(l1_block)
        })
        .await
    }

    pub(super) async fn resolve(
        &self,
        game: Option<Game>,
        cancel: &CancellationToken,
    ) -> Result<u64, StepFailed> {
        let resolving = async { settle::resolve(&self.games, &self.works.sender, &there(game)?).await };
        caught(cancel, resolving).await
    }

    pub(super) async fn claim(
        &self,
        game: Option<Game>,
        cancel: &CancellationToken,
    ) -> Result<u64, StepFailed> {
        let claiming = async { settle::claim(&self.games, &self.works.sender, &there(game)?).await };
        caught(cancel, claiming).await
    }

    pub(super) async fn prove(
        &self,
        game: Option<Game>,
        ranges: &[BlockRange],
        cancel: &CancellationToken,
    ) -> Result<u64, StepFailed> {
        caught(cancel, async {
            let game = there(game)?;
            let l1 = self.end_of(&game).await?;
            let proof = self.kept(&game, ranges, l1).await?;
            let proof = proof.ok_or_else(|| stale("the aggregation's file is not there, or of no use"))?;
            let proof = self.works.for_l1(&proof, game.verifier).await?;
            let sent = self.games.prove(&self.works.sender, game.address, proof).await;
            let sent = sent.map_err(from_l1)?;
            let Included { transaction, gas_used: gas, block, .. } = sent;
            let (game, claim, fee_wei) = (game.index, game.claim.block, sent.fee());
            tracing::info!(event = "game_proven", game, claim, %transaction, gas, fee_wei, "game proven");
            Ok(block)
        })
        .await
    }

    pub(super) async fn aggregate(
        &self,
        game: Option<Game>,
        ranges: &[BlockRange],
        anew: bool,
        cancel: &CancellationToken,
    ) -> Result<(), StepFailed> {
        // It withdraws what it asked for by itself.
        caught(&CancellationToken::new(), async {
            let game = there(game)?;
            let l1 = self.end_of(&game).await?;
            let (first, last) = ends(ranges);
            if anew {
                self.works.refuse_kept(ranges, l1).await?;
            } else if self.kept(&game, ranges, l1).await?.is_some() {
                tracing::info!(game = game.index, "the aggregation of a game is there already");
                return Ok(());
            }
            let proof = self.works.aggregate(ranges, Self::wanted(&game, l1), cancel).await?;
            if proof.statement.claimRoot != game.claim.root {
                return Err(refused(format!(
                    "game {} claims {}, and block {last} gives {}",
                    game.index, game.claim.root, proof.statement.claimRoot
                )));
            }
            self.works.proofs.keep_aggregation(first, last, l1.number, &proof).map_err(not_now)
        })
        .await
    }

    const fn wanted(game: &Game, l1: L1Block) -> Wanted {
        Wanted { l1, begins: game.start, there_only: true }
    }

    /// Where a game's proof ends on L1.
    async fn end_of(&self, game: &Game) -> Result<L1Block, StepFailed> {
        let number = self.works.source.node.number_of(game.l1_head).await.map_err(not_now)?;
        Ok(L1Block { number, hash: game.l1_head })
    }

    /// The kept proof of a game, where it fits and holds.
    async fn kept(
        &self,
        game: &Game,
        ranges: &[BlockRange],
        l1: L1Block,
    ) -> Result<Option<OpAggregationProof>, StepFailed> {
        match self.works.kept(ranges, Self::wanted(game, l1)).await {
            Ok(proof) => Ok(proof.filter(|proof| proof.statement.claimRoot == game.claim.root)),
            Err(StepFailed::Stale { cause }) => {
                tracing::warn!(game = game.index, cause, "a proof that is there is of no use");
                Ok(None)
            }
            Err(failed) => Err(failed),
        }
    }
}
