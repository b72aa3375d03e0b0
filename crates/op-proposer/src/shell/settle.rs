//! What a proposer and a challenger both do with a game that is decided, and say of games that they leave alone.

use super::works::{from_l1, not_now};
use crate::rules::StepFailed;
use proofmill_chain::{Game, Games, GamesView, Included, Sender};

pub(super) const GONE: &str = "the game is not there any more";

/// A game as it was seen last, if it was.
pub(super) fn there(game: Option<Game>) -> Result<Game, StepFailed> {
    game.ok_or_else(|| not_now(GONE))
}

/// New games may have another registry than those of before, which nobody follows then who did not name theirs.
pub(super) fn tell_left_alone(games: &Games, view: &GamesView) {
    let followed = games.registry();
    for (other, count) in &view.elsewhere {
        tracing::warn!(
            event = "games_left_alone", %followed, %other, games = count,
            "games that are not at their end have another anchor registry than the one that is followed, and are left alone: start \
             another process for them, with ANCHOR_STATE_REGISTRY_ADDRESS set to theirs, until the last of them is resolved and paid"
        );
    }
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
