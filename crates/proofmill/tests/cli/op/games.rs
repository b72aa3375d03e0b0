//! Dispute games by the proposer.

use super::{Chain, Running};
use crate::process::{fail, wait};
use alloy_primitives::{Address, B256};
use proofmill_chain::{Game, GameStatus, Output, ProposalStatus};
use std::{
    fs,
    time::{Duration, Instant},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_challenged_game_is_proven_in_time_and_pays() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &[]);
    let (games, anchor) = chain.games(12, 120).await;
    let rival = chain.stranger().await;
    let log = data.join("games.log");
    let mut command = chain.games_proposer(data, &games);
    command.env("RANGE_SPLIT_COUNT", "2").env("MAX_CONCURRENT_RANGE_PROOFS", "2");
    command.env("ANCHOR_STATE_REGISTRY_ADDRESS", games.registry().to_string());
    let mut running = Running::start(&mut command, &log);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let proposer: Address = chain.said("proposer").parse().unwrap();
    let look = async |what: &str, done: &dyn Fn(&Game) -> bool, index: usize| {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let view = games.view(proposer, 0).await.unwrap();
            if let Some(game) = view.games.get(index).filter(|game| done(game)) {
                return game.clone();
            }
            assert!(Instant::now() < end, "waited in vain for {what}: {view:?}\n{}", said());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let first = look("a game", &|_| true, 0).await;
    assert_eq!((first.creator, first.claim.block), (proposer, anchor.block + 4));
    assert_eq!(first.claim.root, chain.output(first.claim.block).await);
    games.challenge(&rival, first.address).await.unwrap();
    // Killed while it proves: what matters is on L1.
    wait("a range of the game", || said().contains(" range proven "));
    running.kill();
    // It goes on from what L1 has some blocks before, too.
    command.env("SYNC_L1_CONFIRMATIONS", "1");
    let mut running = Running::start(&mut command, &log);
    let proven = look("its proof", &|game| game.prover.is_some(), 0).await;
    assert_eq!((proven.proposal, proven.prover), (ProposalStatus::ChallengedProven, Some(proposer)));
    let paid =
        |game: &Game| game.status == GameStatus::DefenderWins && game.is_final && game.credit.is_zero();
    look("its credit to be claimed", &paid, 0).await;
    // A claim that is not what L2 has is never proven, nor built on: the next game of the proposer builds on another.
    let view = games.view(proposer, 0).await.unwrap();
    let newest =
        view.games.iter().filter(|game| game.creator == proposer).map(|game| game.index).max().unwrap();
    let last = view.games[newest as usize].claim.block;
    let lie = Output { root: B256::repeat_byte(0xee), block: last + 1 };
    games.create(&rival, lie, Some(newest)).await.unwrap();
    let count = view.games.len();
    let next = look("a game after a lie", &|game| game.creator == proposer, count + 1).await;
    let view = games.view(proposer, 0).await.unwrap();
    let liar = view.games.iter().find(|game| game.claim == lie).unwrap();
    assert_ne!(next.parent, Some(liar.index), "{view:?}");
    assert_eq!(liar.prover, None);
    assert!(running.terminate() && !said().contains("panicked"), "{}", said());
    // A registry of other games is said.
    let mut other = chain.games_proposer(data, &games);
    let said = fail(other.env("ANCHOR_STATE_REGISTRY_ADDRESS", games.factory().to_string()));
    assert!(said.contains("ANCHOR_STATE_REGISTRY_ADDRESS"), "{said}");
}
