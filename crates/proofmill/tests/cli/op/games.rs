//! Dispute games by the proposer.

use super::{Chain, Running, challenger::until};
use crate::process::{PATIENCE, fail, wait};
use alloy_primitives::{Address, B256};
use proofmill_chain::{Game, GameStatus, Games, GamesStart, OracleConfig, Output, ProposalStatus};
use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_challenged_game_is_proven_in_time_and_pays() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &[]);
    let (games, anchor) = chain.games(600, 600).await;
    let rival = chain.stranger().await;
    let log = data.join("games.log");
    let mut command = chain.games_proposer(data, &games);
    command.env("RANGE_SPLIT_COUNT", "2").env("MAX_CONCURRENT_RANGE_PROOFS", "2");
    command.env("ANCHOR_STATE_REGISTRY_ADDRESS", games.registry().to_string());
    let mut running = Running::start(&mut command, &log);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let proposer: Address = chain.said("proposer").parse().unwrap();
    let look = async |what: &str, done: &dyn Fn(&Game) -> bool, index: usize| {
        let end = Instant::now() + PATIENCE;
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
    // One of the proposer's may have come in between.
    let view = games.view(proposer, 0).await.unwrap();
    let lie_at = view.games.iter().find(|game| game.claim == lie).unwrap().index;
    let next = look("a game after a lie", &|game| game.creator == proposer, lie_at as usize + 1).await;
    let view = games.view(proposer, 0).await.unwrap();
    assert_ne!(next.parent, Some(lie_at), "{view:?}");
    assert_eq!(view.games[lie_at as usize].prover, None);
    assert!(running.terminate() && !said().contains("panicked"), "{}", said());
    // A registry of other games is said.
    let mut other = chain.games_proposer(data, &games);
    let said = fail(other.env("ANCHOR_STATE_REGISTRY_ADDRESS", games.factory().to_string()));
    assert!(said.contains("ANCHOR_STATE_REGISTRY_ADDRESS"), "{said}");
}

/// Of a rollup whose configuration is another one than that of the contract.
#[tokio::test(flavor = "multi_thread")]
async fn games_of_another_configuration_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &[]);
    let here = chain.config().await;
    let there = OracleConfig { rollup_config_hash: B256::repeat_byte(9), ..here };
    let verifier = chain.oracle().await.verifier().await.unwrap();
    let (games, _) = chain.games_of(there, verifier, 600, 600).await;
    let said = fail(&mut chain.games_proposer(data, &games));
    let hashes = [here, there].map(|config| config.rollup_config_hash.to_string());
    assert!(said.contains("rollup configuration"), "{said}");
    assert!(hashes.iter().all(|hash| said.contains(hash)), "{said}");
}

/// Killed after each step of its games.
#[tokio::test(flavor = "multi_thread")]
async fn a_challenged_game_is_paid_whatever_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &[]);
    let (games, _) = chain.games(600, 600).await;
    let account: Address = chain.said("proposer").parse().unwrap();
    let log = data.join("games.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let mut command = chain.games_proposer(data, &games);
    let steps = [
        "game created",
        "a range is gathered",
        "range proven",
        "ranges aggregated",
        "game proven",
        "game resolved",
        "credit claimed",
    ];
    for what in steps {
        let before = said().matches(what).count();
        let mut running = Running::start(&mut command, &log);
        wait(what, || said().matches(what).count() > before);
        running.kill();
        if what == "game created" {
            let view = games.view(account, 0).await.unwrap();
            // What is not proven can be challenged.
            games.challenge(&chain.stranger().await, view.games[0].address).await.unwrap();
            // From now on every game is proven, so that each step comes again and again.
            command.env("FAST_FINALITY_MODE", "true");
        }
    }
    let mut running = Running::start(&mut command, &log);
    let paid =
        |game: &Game| game.status == GameStatus::DefenderWins && game.is_final && game.credit.is_zero();
    until(&games, account, &said, &|games| games.len() > 3 && games[..3].iter().all(paid)).await;
    assert!(running.terminate() && !said().contains("panicked"), "{}", said());
    let view = games.view(account, 0).await.unwrap();
    let first = &view.games[0];
    assert!(first.challenger.is_some(), "{view:?}");
    assert_eq!((first.proposal, first.prover), (ProposalStatus::Resolved, Some(account)), "{view:?}");
    // No claim has two bonds, and no range was proven twice.
    let blocks: BTreeSet<_> = view.games.iter().map(|game| game.claim.block).collect();
    assert_eq!(blocks.len(), view.games.len(), "{view:?}");
    let text = said();
    let mut ranges = BTreeSet::new();
    for line in text.lines().filter(|line| line.contains(" range proven ")) {
        let range = line.split_once("blocks=").unwrap().1.split(' ').next().unwrap();
        assert!(ranges.insert(range), "{range} was proven twice: {text}");
    }
}

/// The factory's owner sets code of another registry for new games, and what had followed the old one is started again.
#[tokio::test(flavor = "multi_thread")]
async fn games_that_are_left_alone_are_said_at_the_start_with_both_registries() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &[]);
    let (games, anchor) = chain.games(600, 600).await;
    let owner = chain.stranger().await;
    let claim = Output { root: B256::repeat_byte(0xee), block: anchor.block + 1 };
    games.create(&owner, claim, None).await.unwrap();
    let settings = games.settings().await.unwrap();
    let start = GamesStart { anchor, finality_seconds: 3, settings };
    let others = Games::deploy(&owner, &start, B256::repeat_byte(1)).await.unwrap().games;
    games.set_implementation(&owner, others.implementation().await.unwrap()).await.unwrap();
    let registries = [games.registry(), others.registry()].map(|registry| registry.to_string());
    let roles = [chain.games_proposer(data, &games), chain.challenger(data, &games)];
    for (role, mut command) in ["proposer", "challenger"].into_iter().zip(roles) {
        let log = data.join(format!("{role}.log"));
        let said = || fs::read_to_string(&log).unwrap_or_default();
        let mut running = Running::start(&mut command, &log);
        wait("it to be ready", || said().contains(" is ready"));
        let text = said();
        let line =
            text.lines().find(|line| line.contains("are left alone")).unwrap_or_else(|| panic!("{text}"));
        assert!(registries.iter().all(|registry| line.contains(registry)), "{line}");
        assert!(line.contains("ANCHOR_STATE_REGISTRY_ADDRESS"), "{line}");
        assert!(running.terminate(), "{}", said());
        // Who is told which one it is, is told no more.
        command.env("ANCHOR_STATE_REGISTRY_ADDRESS", others.registry().to_string());
        let log = data.join(format!("told-{role}.log"));
        let said = || fs::read_to_string(&log).unwrap_or_default();
        let mut running = Running::start(&mut command, &log);
        wait("it to be ready", || said().contains(" is ready"));
        assert!(running.terminate() && !said().contains("are left alone"), "{}", said());
    }
}

/// The factory's owner takes the code of games away. Whoever starts then ends those that are there.
#[tokio::test(flavor = "multi_thread")]
async fn games_that_are_there_are_ended_where_no_more_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &[]);
    let (games, anchor) = chain.games(600, 600).await;
    let (owner, account) = (chain.stranger().await, chain.said("proposer").parse::<Address>().unwrap());
    let log = data.join("games.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let mut proposer = chain.games_proposer(data, &games);
    let mut running = Running::start(&mut proposer, &log);
    wait("a game", || said().contains("game created"));
    running.kill();
    let first = games.view(account, 0).await.unwrap().games[0].clone();
    games.challenge(&owner, first.address).await.unwrap();
    let lie = Output { root: B256::repeat_byte(0xee), block: anchor.block + 1 };
    games.create(&owner, lie, None).await.unwrap();
    games.set_implementation(&owner, Address::ZERO).await.unwrap();

    let mut running = Running::start(&mut chain.challenger(data, &games), &log);
    let challenged = |game: &Game| game.claim == lie && game.challenger == Some(account);
    until(&games, account, &said, &|games| games.iter().any(challenged)).await;
    assert!(running.terminate() && said().contains("there can be no new games"), "{}", said());

    let mut running = Running::start(&mut proposer, &log);
    let paid =
        |game: &Game| game.status == GameStatus::DefenderWins && game.is_final && game.credit.is_zero();
    until(&games, account, &said, &|games| paid(&games[0])).await;
    assert!(running.terminate() && !said().contains("panicked"), "{}", said());
    assert!(said().contains("no games are created") && said().contains("game proven"), "{}", said());
}
