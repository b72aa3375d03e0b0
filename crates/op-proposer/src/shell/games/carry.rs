//! The actions: each ends with exactly one event.

use super::{
    super::{
        caught,
        range::away,
        works::{Wanted, ends, from_l1, not_now, refused, stale},
    },
    Shell,
};
use crate::{
    games::{GamesAction, GamesEvent},
    rules::{L1Block, StepFailed},
};
use futures::FutureExt;
use proofmill_chain::{Game, Included, Output};
use proofmill_client::OpAggregationProof;
use proofmill_primitives::BlockRange;
use proofmill_service::JobError;
use std::panic::AssertUnwindSafe;
use tokio_util::sync::CancellationToken;

impl Shell {
    /// Carries out an action; `game` is the one that it is about, as it was seen last.
    pub(super) async fn carry_out(
        &self,
        action: GamesAction,
        game: Option<Game>,
        cancel: CancellationToken,
    ) -> GamesEvent {
        let there = || game.ok_or_else(|| not_now("the game is not there any more"));
        match action {
            GamesAction::ProveRange { game: id, blocks } => {
                let proving = async {
                    let game = there().map_err(|_| away("the game is not there any more"))?;
                    self.prove_range(&game, blocks, &cancel).await
                };
                let caught = AssertUnwindSafe(proving).catch_unwind().await;
                let broke = || JobError::Failed { cause: "its task panicked; please report it".into() };
                GamesEvent::Range(id, blocks, caught.unwrap_or_else(|_| Err(broke())))
            }
            GamesAction::Aggregate { attempt, ranges, anew, .. } => {
                // It withdraws what it asked for by itself.
                let aggregating = async { self.aggregate(&there()?, &ranges, anew, &cancel).await };
                GamesEvent::Aggregated(attempt, caught(&CancellationToken::new(), aggregating).await)
            }
            GamesAction::Create { attempt, block, parent } => {
                GamesEvent::Sent(attempt, caught(&cancel, self.create(block, parent)).await)
            }
            GamesAction::Prove { attempt, ranges, .. } => {
                let proving = async { self.prove(&there()?, &ranges).await };
                GamesEvent::Sent(attempt, caught(&cancel, proving).await)
            }
            GamesAction::Resolve { attempt, .. } => {
                let resolving = async {
                    let game = there()?;
                    let sent = self.games.resolve(&self.sender, game.address).await.map_err(from_l1)?;
                    let Included { transaction, gas_used: gas, block, .. } = sent;
                    tracing::info!(game = game.index, %transaction, gas, "game resolved");
                    Ok(block)
                };
                GamesEvent::Sent(attempt, caught(&cancel, resolving).await)
            }
            GamesAction::Claim { attempt, .. } => {
                let claiming = async {
                    let game = there()?;
                    let account = self.sender.account();
                    let sent = self.games.claim_credit(&self.sender, game.address, account).await;
                    let Included { transaction, gas_used: gas, block, .. } = sent.map_err(from_l1)?;
                    let (game, credit) = (game.index, game.credit);
                    tracing::info!(game, %credit, %transaction, gas, "credit claimed");
                    Ok(block)
                };
                GamesEvent::Sent(attempt, caught(&cancel, claiming).await)
            }
            // The loop does these by itself.
            GamesAction::Withdraw { .. } | GamesAction::Abandon(_) => GamesEvent::Tick,
        }
    }

    async fn create(&self, block: u64, parent: Option<u32>) -> Result<u64, StepFailed> {
        let root = self.output(block).await.map_err(not_now)?;
        let sent = self.games.create(&self.sender, Output { root, block }, parent).await;
        let Included { transaction, gas_used: gas, block: l1_block, .. } = sent.map_err(from_l1)?;
        tracing::info!(block, %root, ?parent, %transaction, gas, "game created");
        Ok(l1_block)
    }

    async fn prove_range(
        &self,
        game: &Game,
        blocks: BlockRange,
        cancel: &CancellationToken,
    ) -> Result<(), JobError> {
        let up_to = self.works.source.node.number_of(game.l1_head).await.map_err(away)?;
        self.works.prove_range(blocks, up_to, cancel).await.map(drop)
    }

    /// Where a game's proof ends on L1.
    async fn end_of(&self, game: &Game) -> Result<L1Block, StepFailed> {
        let number = self.works.source.node.number_of(game.l1_head).await.map_err(not_now)?;
        Ok(L1Block { number, hash: game.l1_head })
    }

    async fn aggregate(
        &self,
        game: &Game,
        ranges: &[BlockRange],
        anew: bool,
        cancel: &CancellationToken,
    ) -> Result<(), StepFailed> {
        let l1 = self.end_of(game).await?;
        let (first, last) = ends(ranges);
        if !anew && self.kept(game, ranges, l1).is_some() {
            tracing::info!(game = game.index, "the aggregation of a game is there already");
            return Ok(());
        }
        let wanted = Wanted { l1, begins: game.start, prover: self.sender.account(), there_only: true };
        let proof = self.works.aggregate(ranges, wanted, cancel).await?;
        if proof.statement.claimRoot != game.claim.root {
            return Err(refused(format!(
                "game {} claims {}, and block {last} gives {}",
                game.index, game.claim.root, proof.statement.claimRoot
            )));
        }
        self.works.proofs.keep_aggregation(first, last, l1.number, &proof).map_err(not_now)
    }

    /// The kept proof of a game, where it fits.
    fn kept(&self, game: &Game, ranges: &[BlockRange], l1: L1Block) -> Option<OpAggregationProof> {
        let (first, last) = ends(ranges);
        let proof = match self.works.proofs.aggregation(first, last, l1.number) {
            Ok(proof) => proof?,
            Err(cause) => {
                tracing::warn!(game = game.index, cause, "a proof that is there is of no use");
                return None;
            }
        };
        let (said, config) = (&proof.statement, self.works.config());
        let fits = proof.proof.program == self.works.aggregation_program
            && proof.proof.prover == self.works.prover.prover_type()
            && said.l1Head == game.l1_head
            && said.l2PreRoot == game.start.root
            && said.claimRoot == game.claim.root
            && said.claimBlockNum == game.claim.block
            && said.rollupConfigHash == config.rollup_config_hash
            && said.rangeVkeyCommitment == config.range_key
            && said.proverAddress == self.sender.account();
        fits.then_some(proof)
    }

    async fn prove(&self, game: &Game, ranges: &[BlockRange]) -> Result<u64, StepFailed> {
        let l1 = self.end_of(game).await?;
        let proof =
            self.kept(game, ranges, l1).ok_or_else(|| stale("the aggregation's file is not there"))?;
        let proof = self.works.for_l1(&proof).await?;
        let sent = self.games.prove(&self.sender, game.address, proof).await;
        let Included { transaction, gas_used: gas, block, .. } = sent.map_err(from_l1)?;
        let (game, claim) = (game.index, game.claim.block);
        tracing::info!(game, claim, %transaction, gas, "game proven");
        Ok(block)
    }
}
