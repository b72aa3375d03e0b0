//! Dispute games, on contracts of the stock interface.

use crate::scene::{key, options, rpc, send};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolCall;
use proofmill_chain::{
    ChainError, Game, GameRefusal, GameStatus, Games, GamesSettings, GamesStart, GamesView, L1, OracleConfig,
    Output, PoolOptions, ProposalStatus, Refusal, Sender, deploy_accepts_anything_verifier,
};
use proofmill_localnet::Anvil;
use proofmill_proxy::{Action, Proxy};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

mod bindings {
    alloy_sol_types::sol! {
        OpDevGameFactory,
        "../../contracts/artifacts/OpDevGameFactory.json"
    }
}
use bindings::OpDevGameFactory::{createCall, gameAtIndexCall, gameCountCall};

const BOND: u64 = 1_000_000;
const CHALLENGER_BOND: u64 = 300_000;
const CHALLENGE: u64 = 1_000;
const PROVE: u64 = 500;
const FINALITY: u64 = 200;
const ANCHOR: Output = Output { root: B256::repeat_byte(0xaa), block: 100 };

struct Arena {
    anvil: Anvil,
    l1: L1,
    games: Games,
    proposer: Sender,
    rival: Sender,
}

fn claim(block: u64) -> Output {
    Output { root: B256::repeat_byte(block as u8), block }
}

impl Arena {
    async fn new() -> Self {
        let anvil = options().spawn().await.unwrap();
        let l1 = L1::connect(PoolOptions::new(anvil.rpc_url().clone()), None).await.unwrap();
        let sender =
            |at: usize| Sender::new(l1.clone(), anvil.accounts()[at].private_key.try_into().unwrap());
        let [proposer, rival] = [0, 1].map(sender);
        let verifier = deploy_accepts_anything_verifier(&proposer, B256::ZERO).await.unwrap().address;
        let config = OracleConfig {
            aggregation_key: B256::repeat_byte(1),
            range_key: B256::repeat_byte(2),
            rollup_config_hash: B256::repeat_byte(3),
        };
        let settings = GamesSettings {
            config,
            verifier,
            bond: U256::from(BOND),
            challenger_bond: U256::from(CHALLENGER_BOND),
            challenge_seconds: CHALLENGE,
            prove_seconds: PROVE,
        };
        let start = GamesStart { anchor: ANCHOR, finality_seconds: FINALITY, settings };
        let games = Games::deploy(&proposer, &start, B256::ZERO).await.unwrap().games;
        assert_eq!(games.settings().await.unwrap(), settings);
        assert!(games.may_propose(rival.account()).await.unwrap());
        let manager = games.access_manager().await.unwrap();
        assert!(games.may_challenge(rival.account(), manager).await.unwrap());
        Self { anvil, l1, games, proposer, rival }
    }

    async fn view(&self) -> GamesView {
        self.games.view(self.proposer.account(), 0).await.unwrap()
    }

    async fn game(&self, index: usize) -> Game {
        self.view().await.games[index].clone()
    }

    async fn pass(&self, seconds: u64) {
        // Blocks that are made at once are ahead of the clock.
        let time = self.l1.head().await.unwrap().timestamp + seconds;
        rpc(&self.anvil, "evm_setNextBlockTimestamp", json!([time])).await;
        rpc(&self.anvil, "evm_mine", json!([])).await;
    }

    async fn has(&self, account: Address) -> U256 {
        self.l1.balance(account).await.unwrap()
    }
}

fn refused(error: &ChainError) -> &GameRefusal {
    match error.refusal() {
        Some(Refusal::Game(refusal)) => refusal,
        _ => panic!("{error}"),
    }
}

#[tokio::test]
async fn an_unchallenged_claim_becomes_the_anchor_and_its_bond_comes_back() {
    let arena = Arena::new().await;
    let (games, proposer) = (&arena.games, &arena.proposer);
    let view = arena.view().await;
    assert_eq!((view.anchor, view.anchor_game, view.respected), (ANCHOR, None, true));
    assert!(view.games.is_empty());
    games.create(proposer, claim(110), None).await.unwrap();
    games.create(proposer, claim(120), Some(0)).await.unwrap();
    let again = games.create(proposer, claim(120), Some(0)).await.unwrap_err();
    assert!(matches!(refused(&again), GameRefusal::Exists { .. }), "{again}");
    let back = games.create(proposer, claim(90), None).await.unwrap_err();
    assert_eq!(*refused(&back), GameRefusal::NotAhead { root: claim(90).root });

    let view = arena.view().await;
    let [first, second] = &view.games[..] else { panic!("{view:?}") };
    assert_eq!((first.claim, first.start, first.parent), (claim(110), ANCHOR, None));
    assert_eq!((second.claim, second.start, second.parent), (claim(120), claim(110), Some(0)));
    assert_eq!((first.creator, first.status), (proposer.account(), GameStatus::InProgress));
    let settings = games.settings().await.unwrap();
    assert_eq!((first.verifier, first.challenger_bond), (settings.verifier, settings.challenger_bond));
    assert_eq!(
        (first.config, first.access_manager),
        (settings.config, games.access_manager().await.unwrap())
    );
    assert!(first.respected && first.deadline > view.at.timestamp);
    let block: serde_json::Value =
        rpc(&arena.anvil, "eth_getBlockByNumber", json!([format!("0x{:x}", view.at.number - 2), false]))
            .await;
    assert_eq!(block["hash"], json!(first.l1_head), "the block before the one that it was created in");

    let early = games.resolve(proposer, first.address).await.unwrap_err();
    assert_eq!(*refused(&early), GameRefusal::NotOver);
    arena.pass(CHALLENGE + 1).await;
    let child = games.resolve(proposer, second.address).await.unwrap_err();
    assert_eq!(*refused(&child), GameRefusal::ParentNotResolved);
    games.resolve(proposer, first.address).await.unwrap();
    games.resolve(proposer, second.address).await.unwrap();
    let game = arena.game(1).await;
    assert_eq!(
        (game.status, game.is_final, game.credit),
        (GameStatus::DefenderWins, false, U256::from(BOND))
    );
    let early = games.claim_credit(proposer, first.address, proposer.account()).await.unwrap_err();
    assert_eq!(*refused(&early), GameRefusal::NotFinal);
    arena.pass(FINALITY + 1).await;
    assert!(arena.game(1).await.is_final);
    let before = arena.has(proposer.account()).await;
    let paid = games.claim_credit(proposer, second.address, proposer.account()).await.unwrap();
    assert_eq!(arena.has(proposer.account()).await, before + U256::from(BOND) - U256::from(paid.fee()));
    let twice = games.claim_credit(proposer, second.address, proposer.account()).await.unwrap_err();
    assert_eq!(*refused(&twice), GameRefusal::NoCredit);
    let view = arena.view().await;
    assert_eq!((view.anchor, view.anchor_game), (claim(120), Some(second.address)));
    assert_eq!(view.games[1].credit, U256::ZERO);
    // Nothing begins before the anchor.
    let old = games.create(proposer, claim(130), Some(0)).await.unwrap_err();
    assert_eq!(*refused(&old), GameRefusal::InvalidParent);
    games.create(proposer, claim(130), None).await.unwrap();
    assert_eq!(arena.game(2).await.start, claim(120));
}

#[tokio::test]
async fn a_challenge_is_won_by_who_proves_and_lost_by_who_does_not() {
    let arena = Arena::new().await;
    let (games, proposer, rival) = (&arena.games, &arena.proposer, &arena.rival);
    for block in [110, 111] {
        games.create(proposer, claim(block), None).await.unwrap();
    }
    let [proven, lost] = [arena.game(0).await.address, arena.game(1).await.address];
    for game in [proven, lost] {
        games.challenge(rival, game).await.unwrap();
    }
    let again = games.challenge(rival, proven).await.unwrap_err();
    assert_eq!(*refused(&again), GameRefusal::Challenged);
    let game = arena.game(0).await;
    assert_eq!((game.proposal, game.prover), (ProposalStatus::Challenged, None));
    assert_eq!(game.challenger, Some(rival.account()));
    games.prove(proposer, proven, vec![7].into()).await.unwrap();
    let twice = games.prove(rival, proven, vec![7].into()).await.unwrap_err();
    assert_eq!(*refused(&twice), GameRefusal::Over);
    let game = arena.game(0).await;
    assert_eq!((game.proposal, game.prover), (ProposalStatus::ChallengedProven, Some(proposer.account())));
    // A proven game needs no time.
    games.resolve(proposer, proven).await.unwrap();
    arena.pass(PROVE + 1).await;
    let late = games.prove(proposer, lost, vec![7].into()).await.unwrap_err();
    assert_eq!(*refused(&late), GameRefusal::Over);
    games.resolve(rival, lost).await.unwrap();
    arena.pass(FINALITY + 1).await;
    let view = arena.view().await;
    assert_eq!(view.games[0].credit, U256::from(BOND + CHALLENGER_BOND));
    assert_eq!((view.games[1].status, view.games[1].credit), (GameStatus::ChallengerWins, U256::ZERO));
    let seen = games.view(rival.account(), 0).await.unwrap();
    assert_eq!(seen.games[1].credit, U256::from(BOND + CHALLENGER_BOND));
    let child = games.create(proposer, claim(120), Some(1)).await.unwrap_err();
    assert_eq!(*refused(&child), GameRefusal::InvalidParent);
}

#[tokio::test]
async fn a_claim_of_a_block_beyond_all_blocks_is_challenged_as_any() {
    let arena = Arena::new().await;
    let (games, rival) = (&arena.games, &arena.rival);
    let claims = [U256::from(u64::MAX), U256::from(u64::MAX) + U256::from(1), U256::MAX];
    for (at, block) in claims.into_iter().enumerate() {
        let mut extra = block.to_be_bytes::<32>().to_vec();
        extra.extend(u32::MAX.to_be_bytes());
        let call =
            createCall { gameType: Games::TYPE, rootClaim: B256::repeat_byte(9), extraData: extra.into() };
        let transaction = json!({
            "from": arena.proposer.account(),
            "to": games.factory(),
            "value": U256::from(BOND),
            "data": Bytes::from(call.abi_encode()),
        });
        send(&arena.anvil, transaction).await.unwrap();
        let game = arena.game(at).await;
        assert_eq!(game.claim, Output { root: B256::repeat_byte(9), block: u64::MAX });
        assert!(games.is_there(&game).await.unwrap());
        games.challenge(rival, game.address).await.unwrap();
        assert_eq!(arena.game(at).await.challenger, Some(rival.account()));
    }
}

#[tokio::test]
async fn games_that_a_reorg_takes_away_are_forgotten() {
    let arena = Arena::new().await;
    let snapshot = rpc(&arena.anvil, "evm_snapshot", json!([])).await;
    arena.games.create(&arena.proposer, claim(110), None).await.unwrap();
    let before = arena.game(0).await;
    rpc(&arena.anvil, "evm_revert", json!([snapshot])).await;
    arena.pass(50).await;
    assert!(arena.view().await.games.is_empty());
    // The same address, and another game.
    arena.games.create(&arena.proposer, claim(115), None).await.unwrap();
    let now = arena.game(0).await;
    assert_eq!((now.claim, now.address), (claim(115), before.address));
    assert_ne!(now.l1_head, before.l1_head);
    // What was read some blocks before is read there.
    assert!(arena.games.view(arena.proposer.account(), 1).await.unwrap().games.is_empty());
}

#[tokio::test]
async fn what_is_read_of_games_stays_read_whatever_fails() {
    let arena = Arena::new().await;
    for block in [110, 111, 112] {
        arena.games.create(&arena.proposer, claim(block), None).await.unwrap();
    }
    let of = |call: Vec<u8>| json!(Bytes::from(call));
    let second = of(gameAtIndexCall { index: U256::from(1) }.abi_encode());
    let count = of(gameCountCall {}.abi_encode());
    // Which of them a node answers with nonsense.
    let (nonsense, any) = (Arc::new(AtomicU8::new(1)), json!(B256::repeat_byte(0xff)));
    let rule = Arc::clone(&nonsense);
    let proxy = Proxy::new(arena.anvil.rpc_url(), move |request| {
        let data: &Value = &request.params[0]["data"];
        match rule.load(Ordering::SeqCst) {
            1 if *data == second => Action::Answer(json!("0x07")),
            2 if *data == count => Action::Answer(any.clone()),
            _ => Action::Forward,
        }
    })
    .await;
    let l1 = L1::connect(PoolOptions::new(proxy.url.clone()), None).await.unwrap();
    let games = Games::connect(l1, arena.games.factory(), None, Games::TYPE).await.unwrap();
    let account = arena.proposer.account();
    let numbers = |view: &GamesView| view.games.iter().map(|game| game.index).collect::<Vec<_>>();
    let view = games.view(account, 0).await.unwrap();
    assert_eq!(numbers(&view), [2]);
    assert_eq!(view.unread.unwrap().waiting, 2);
    nonsense.store(2, Ordering::SeqCst);
    let error = games.view(account, 0).await.unwrap_err();
    assert!(error.to_string().contains("gameCount()"), "{error}");
    nonsense.store(0, Ordering::SeqCst);
    let view = games.view(account, 0).await.unwrap();
    assert_eq!((numbers(&view), view.unread), (vec![0, 1, 2], None));
}

/// What a node answers that is no answer says nothing of a game: it waits, and is not left alone.
#[tokio::test]
async fn a_game_that_a_broken_node_tells_nothing_of_is_read_again() {
    let arena = Arena::new().await;
    arena.games.create(&arena.proposer, claim(110), None).await.unwrap();
    let game = json!(arena.game(0).await.address);
    let sick = Arc::new(AtomicU8::new(0));
    let rule = Arc::clone(&sick);
    let proxy = Proxy::new(arena.anvil.rpc_url(), move |request| match rule.load(Ordering::SeqCst) {
        1 if request.params[0]["to"] == game => Action::Answer(json!(null)),
        _ => Action::Forward,
    })
    .await;
    let l1 = L1::connect(PoolOptions::new(proxy.url.clone()), None).await.unwrap();
    let games = Games::connect(l1, arena.games.factory(), None, Games::TYPE).await.unwrap();
    let account = arena.proposer.account();
    sick.store(1, Ordering::SeqCst);
    let unread = games.view(account, 0).await.unwrap().unread.unwrap();
    assert!(unread.waiting == 1 && unread.odd.is_empty(), "{unread:?}");
    assert!(unread.cause.contains("answer to eth_call cannot be read"), "{unread:?}");
    sick.store(0, Ordering::SeqCst);
    let view = games.view(account, 0).await.unwrap();
    assert_eq!((view.games.len(), view.unread), (1, None));
}

#[tokio::test]
async fn a_game_that_the_guardian_excludes_is_no_parent() {
    let arena = Arena::new().await;
    let (games, proposer) = (&arena.games, &arena.proposer);
    games.create(proposer, claim(110), None).await.unwrap();
    let game = arena.game(0).await;
    assert!(!game.excluded);
    let mut call = keccak256("blacklistDisputeGame(address)")[..4].to_vec();
    call.extend(game.address.into_word());
    let call = json!({ "from": proposer.account(), "to": games.registry(), "data": Bytes::from(call) });
    send(&arena.anvil, call).await.unwrap();
    assert!(arena.game(0).await.excluded);
    games.create(proposer, claim(120), Some(0)).await.unwrap_err();
    games.create(proposer, claim(120), None).await.unwrap();
    assert!(!arena.game(1).await.excluded);
}

#[tokio::test]
async fn who_cannot_pay_the_bond_is_told() {
    let arena = Arena::new().await;
    let poor = Sender::new(arena.l1.clone(), key(7));
    match arena.games.create(&poor, claim(110), None).await {
        Err(ChainError::InsufficientFunds { account, needs, .. }) => {
            assert_eq!((account, needs), (poor.account(), U256::from(BOND)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_makes_no_games_is_named() {
    let arena = Arena::new().await;
    let (l1, factory) = (arena.l1.clone(), arena.games.factory());
    let nowhere = Games::connect(l1.clone(), Address::repeat_byte(1), None, Games::TYPE).await.unwrap_err();
    assert!(matches!(nowhere, ChainError::NoContract { .. }), "{nowhere}");
    let other = Games::connect(l1.clone(), factory, None, 1).await.unwrap_err();
    assert!(other.to_string().contains("GAME_TYPE"), "{other}");
    let other = Games::connect(l1.clone(), arena.games.registry(), None, Games::TYPE).await.unwrap_err();
    assert!(matches!(other, ChainError::NoGames { .. }), "{other}");
    let other = Games::connect(l1.clone(), factory, Some(factory), Games::TYPE).await.unwrap_err();
    assert!(other.to_string().contains("ANCHOR_STATE_REGISTRY_ADDRESS"), "{other}");
    Games::connect(l1, factory, Some(arena.games.registry()), Games::TYPE).await.unwrap();
}

#[tokio::test]
async fn games_that_are_there_go_on_whatever_new_ones_are_made_by() {
    let arena = Arena::new().await;
    let (l1, factory, registry) = (arena.l1.clone(), arena.games.factory(), arena.games.registry());
    arena.games.create(&arena.proposer, claim(110), None).await.unwrap();
    let game = arena.game(0).await;
    // None, an account without a contract, and a contract of another kind.
    for code in [Address::ZERO, Address::repeat_byte(7), registry] {
        arena.games.set_implementation(&arena.proposer, code).await.unwrap();
        for error in [
            arena.games.settings().await.unwrap_err(),
            arena.games.access_manager().await.unwrap_err(),
            arena.games.challenger_bond().await.unwrap_err(),
        ] {
            assert!(matches!(error, ChainError::NoGames { game_type: Games::TYPE, .. }), "{error}");
        }
        // Also who starts now finds them.
        let again = Games::connect(l1.clone(), factory, None, Games::TYPE).await.unwrap();
        assert_eq!(again.registry(), registry);
        let view = again.view(arena.proposer.account(), 0).await.unwrap();
        assert_eq!(view.games, std::slice::from_ref(&game));
        assert_eq!(
            again.wanted_of(game.claim, game.l1_head).await.unwrap(),
            Some((game.config, game.verifier))
        );
        assert_eq!(again.wanted_of(claim(111), game.l1_head).await.unwrap(), None);
        let other = Games::connect(l1.clone(), factory, Some(factory), Games::TYPE).await.unwrap_err();
        assert!(matches!(other, ChainError::OtherRegistry { .. }), "{other}");
    }
    arena.games.challenge(&arena.rival, game.address).await.unwrap();
    arena.games.prove(&arena.proposer, game.address, vec![7].into()).await.unwrap();
    arena.games.resolve(&arena.proposer, game.address).await.unwrap();
    assert_eq!(arena.game(0).await.status, GameStatus::DefenderWins);
}

#[tokio::test]
async fn new_games_of_another_registry_are_not_mixed_with_those_that_are_there() {
    let arena = Arena::new().await;
    let (l1, factory, registry) = (arena.l1.clone(), arena.games.factory(), arena.games.registry());
    arena.games.create(&arena.proposer, claim(110), None).await.unwrap();
    let settings = arena.games.settings().await.unwrap();
    let anchor = Output { block: ANCHOR.block + 1, ..ANCHOR };
    let start = GamesStart { anchor, finality_seconds: FINALITY, settings };
    let others = Games::deploy(&arena.proposer, &start, B256::repeat_byte(1)).await.unwrap().games;
    assert_ne!(others.registry(), registry);
    arena.games.set_implementation(&arena.proposer, others.implementation().await.unwrap()).await.unwrap();
    let error = arena.games.settings().await.unwrap_err();
    assert!(error.to_string().contains(&others.registry().to_string()), "{error}");
    let new = Games::connect(l1.clone(), factory, None, Games::TYPE).await.unwrap();
    assert_eq!((new.registry(), new.settings().await.unwrap()), (others.registry(), settings));
    let view = new.view(Address::ZERO, 0).await.unwrap();
    assert!(view.games.is_empty());
    assert_eq!(view.elsewhere, BTreeMap::from([(registry, 1)]), "nobody looks after that game");
    let old = Games::connect(l1.clone(), factory, Some(registry), Games::TYPE).await.unwrap();
    assert_eq!(old.view(Address::ZERO, 0).await.unwrap().games.len(), 1);
    // Who was told which registry is looks after that alone.
    let told = Games::connect(l1.clone(), factory, Some(others.registry()), Games::TYPE).await.unwrap();
    assert!(told.view(Address::ZERO, 0).await.unwrap().elsewhere.is_empty());
    // One that is decided is nobody's business, but of whom it owes something.
    arena.pass(CHALLENGE + 1).await;
    arena.games.resolve(&arena.rival, arena.game(0).await.address).await.unwrap();
    let elsewhere = async |account: Address| {
        let new = Games::connect(l1.clone(), factory, None, Games::TYPE).await.unwrap();
        new.view(account, 0).await.unwrap().elsewhere.len()
    };
    assert_eq!((elsewhere(Address::ZERO).await, elsewhere(arena.proposer.account()).await), (0, 1));
}
