//! What a proposer and a challenger both do with a game that is decided.

use super::works::{from_l1, not_now};
use crate::rules::StepFailed;
use proofmill_chain::{Game, Games, Included, Sender};

pub(super) const GONE: &str = "the game is not there any more";

/// A game as it was seen last, if it was.
pub(super) fn there(game: Option<Game>) -> Result<Game, StepFailed> {
    game.ok_or_else(|| not_now(GONE))
}

/// The number of the L1 block that resolves the game.
pub(super) async fn resolve(games: &Games, sender: &Sender, game: &Game) -> Result<u64, StepFailed> {
    let sent = games.resolve(sender, game.address).await.map_err(from_l1)?;
    let Included { transaction, gas_used: gas, block, .. } = sent;
    let fee_wei = sent.fee();
    tracing::info!(event = "game_resolved", game = game.index, %transaction, gas, fee_wei, "game resolved");
    Ok(block)
}

/// The number of the L1 block in which the game pays the sender.
pub(super) async fn claim(games: &Games, sender: &Sender, game: &Game) -> Result<u64, StepFailed> {
    let sent = games.claim_credit(sender, game.address, sender.account()).await.map_err(from_l1)?;
    let Included { transaction, gas_used: gas, block, .. } = sent;
    let (game, credit, fee_wei) = (game.index, game.credit, sent.fee());
    tracing::info!(event = "credit_claimed", game, %credit, %transaction, gas, fee_wei, "credit claimed");
    Ok(block)
}
