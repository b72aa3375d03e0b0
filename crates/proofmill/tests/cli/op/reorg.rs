//! Reorgs of L1: under ranges, under the hash that the contract keeps, and under a game. What rests on blocks that are gone is proven
//! anew, and what only seems to, to a node that is behind, is not.

use super::{Chain, Place, Running, challenger::until};
use crate::process::{PATIENCE, wait};
use alloy_primitives::{Address, B256, hex, keccak256};
use proofmill_chain::{Game, GameStatus, Games, L1, PoolOptions};
use proofmill_proxy::{Action, Proxy};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fs,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// A node of L1 that shows blocks of branches that are gone by their hashes, as go-ethereum does.
async fn like_geth(chain: &Chain) -> Proxy {
    let known = Arc::<Mutex<HashMap<String, Value>>>::default();
    Proxy::new(&chain.said("l1_rpc").parse().unwrap(), move |request| {
        let hash = request.params[0].as_str().filter(|_| request.method == "eth_getBlockByHash");
        let Some(hash) = hash.map(str::to_owned) else { return Action::Forward };
        let known = Arc::clone(&known);
        Action::change(move |shown| {
            let mut known = known.lock().unwrap();
            if !shown.is_null() {
                known.insert(hash.clone(), shown);
            }
            known.get(&hash).cloned().unwrap_or_default()
        })
    })
    .await
}

/// L1 loses its blocks from this one on, and makes no others.
async fn stop_before(chain: &Chain, block: u64) {
    chain.tell_l1("evm_setIntervalMining", json!([0])).await;
    // One that was being made may come after that.
    loop {
        let newest = chain.l1().await.head().await.unwrap().number;
        if newest < block {
            return;
        }
        chain.tell_l1("anvil_rollback", json!([newest - block + 1])).await;
    }
}

/// L1 loses its blocks from this one on, and what waits. It goes on with others.
async fn lose_from(chain: &Chain, block: u64) {
    let newest = chain.l1().await.head().await.unwrap().number;
    assert!(newest >= block, "L1 is at block {newest}");
    stop_before(chain, block).await;
    chain.tell_l1("anvil_dropAllTransactions", json!([])).await;
    chain.tell_l1("evm_setIntervalMining", json!([2])).await;
}

/// What a field says in each of the lines with these words, as a number.
fn numbers(log: &str, words: &str, field: &str) -> Vec<u64> {
    let of_line = |line: &str| line.split_once(field)?.1.split(' ').next()?.parse::<u64>().ok();
    log.lines().filter(|line| line.contains(words)).filter_map(of_line).collect()
}

/// L1 loses the blocks up to which ranges were derived, and with them blocks of L2.
#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_of_l1_under_proven_ranges_costs_their_proofs_and_no_more() {
    let place = Place::new(&["--op-interval", "12"]);
    let (chain, data, said) = (&place.chain, place.folder.path(), || place.said());
    let mut command = chain.proposer(data);
    command.envs([("RANGE_PROOF_INTERVAL", "2"), ("SUBMISSION_INTERVAL", "12"), ("L1_BLOCK_TAG", "latest")]);
    command.args(["--until-proposed", "2"]);
    let mut running = Running::start(&mut command, &place.log);
    wait("proven ranges", || said().matches(" range proven ").count() >= 4);
    // However far L1 came meanwhile, the newest of them rests on a block that goes.
    let newest = chain.l1().await.head().await.unwrap().number;
    let rests_on = numbers(&said(), " range proven ", "l1_head=").into_iter().max().unwrap();
    stop_before(chain, rests_on.min(newest - 2)).await;
    chain.tell_l1("evm_setIntervalMining", json!([2])).await;
    wait("two outputs", || said().contains("the proposer stopped"));
    assert!(running.terminate(), "{}", said());
    let newest = chain.newest().await;
    assert_eq!(newest.root, chain.output(newest.block).await, "{}", said());
    assert!(said().contains("is made again") && !said().contains("panicked"), "{}", said());
}

/// L1 loses the block whose hash the contract keeps, the call by which it keeps it, and the block up to which the last of the ranges was
/// derived.
#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_of_l1_under_a_kept_hash_costs_what_rests_on_it_and_no_more() {
    let place = Place::new(&["--op-interval", "12"]);
    let (chain, data, said) = (&place.chain, place.folder.path(), || place.said());
    let first = chain.newest().await;
    let node = like_geth(chain).await;
    let mut command = chain.proposer(data);
    command.envs([("RANGE_PROOF_INTERVAL", "4"), ("SUBMISSION_INTERVAL", "12"), ("L1_BLOCK_TAG", "latest")]);
    // What is sent and lost with the blocks is not waited for long.
    command.env("TX_CONFIRMATION_TIMEOUT", "5").env("L1_RPC", node.url.as_str());
    command.args(["--until-proposed", "2"]);
    let mut running = Running::start(&mut command, &place.log);
    wait("a kept hash", || said().contains("the contract keeps the hash"));
    let kept = numbers(&said(), "the contract keeps the hash", "l1_block=")[0];
    // One range is proven at a time, and the first three reach far enough.
    let derived_to = numbers(&said(), " range proven ", "l1_head=").into_iter().take(3).max().unwrap();
    assert!(derived_to <= kept, "{}", said());
    lose_from(chain, derived_to).await;
    wait("two outputs", || said().contains("the proposer stopped"));
    assert!(running.terminate() && !said().contains("panicked"), "{}", said());
    let newest = chain.newest().await;
    assert!(newest.block >= first.block + 12, "{newest:?}");
    assert_eq!(newest.root, chain.output(newest.block).await, "{}", said());
    // The range is proven once more, and another hash is kept; neither again and again.
    let again = said().matches("is made again").count();
    assert!((1..=12).contains(&again), "{again} times: {}", said());
    let kept = said().matches("the contract keeps the hash").count();
    assert!((2..=6).contains(&kept), "{kept} times: {}", said());
}

/// Behind an address are nodes that are not equally far. Each second time one answers that does not know a block by its hash, and once one
/// that has not seen yet that the contract keeps a hash, when the aggregation for it is made.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_l1_that_is_behind_costs_no_proof() {
    let place = Place::new(&["--op-interval", "6"]);
    let (chain, data, said) = (&place.chain, place.folder.path(), || place.said());
    let first = chain.newest().await;
    let kept_hash = hex::encode_prefixed(&keccak256("historicBlockHashes(uint256)")[..4]);
    let (log, mut forgot, mut asked) = (place.log.clone(), false, HashMap::<String, usize>::new());
    let node = Proxy::new(&chain.said("l1_rpc").parse().unwrap(), move |request| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match request.method {
            "eth_getBlockByHash" => {
                let times = asked.entry(text(&request.params[0])).or_default();
                *times += 1;
                if times.is_multiple_of(2) { Action::Answer(Value::Null) } else { Action::Forward }
            }
            "eth_call" if !forgot && text(&request.params[0]["data"]).starts_with(&kept_hash) => {
                let log = fs::read_to_string(&log).unwrap_or_default();
                forgot = log.contains("ranges aggregated");
                if forgot { Action::Answer(json!(B256::ZERO)) } else { Action::Forward }
            }
            _ => Action::Forward,
        }
    })
    .await;
    let mut command = chain.proposer(data);
    command.env("L1_RPC", node.url.as_str()).args(["--until-proposed", "1"]);
    let mut running = Running::start(&mut command, &place.log);
    wait("an output", || said().contains("the proposer stopped"));
    assert!(running.terminate() && !said().contains("panicked"), "{}", said());
    let newest = chain.newest().await;
    assert!(newest.block >= first.block + 6, "{newest:?}");
    assert_eq!(newest.root, chain.output(newest.block).await, "{}", said());
    assert!(said().contains("it keeps it again") && !said().contains("is made again"), "{}", said());
    assert_eq!(said().matches("ranges aggregated").count(), 1, "{}", said());
}

/// L1 loses a game that was challenged, whose proof has begun, and the block up to which it is to be proven.
#[tokio::test(flavor = "multi_thread")]
async fn a_game_that_a_reorg_of_l1_takes_is_created_and_proven_anew() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &[]);
    let (games, _) = chain.games(600, 600).await;
    // The contracts stay.
    let deployed = chain.l1().await.head().await.unwrap().number;
    let end = Instant::now() + PATIENCE;
    while chain.l1().await.head().await.unwrap().number < deployed + 2 {
        assert!(Instant::now() < end, "L1 makes no blocks");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let node = like_geth(&chain).await;
    let (rival, account) = (chain.stranger().await, chain.said("proposer").parse::<Address>().unwrap());
    let log = data.join("games.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let mut command = chain.games_proposer(data, &games);
    command
        .env("TX_CONFIRMATION_TIMEOUT", "5")
        .env("L1_BLOCK_TAG", "latest")
        .env("L1_RPC", node.url.as_str());
    let mut running = Running::start(&mut command, &log);
    until(&games, account, &said, &|games| !games.is_empty()).await;
    let lost = games.view(account, 0).await.unwrap().games.remove(0);
    games.challenge(&rival, lost.address).await.unwrap();
    wait("a range of the game", || said().contains(" range proven "));
    let l1_head = chain.l1().await.number_of(lost.l1_head).await.unwrap().unwrap();
    lose_from(&chain, l1_head).await;
    let games = Games::connect(chain.l1().await, games.factory(), None, Games::TYPE).await.unwrap();
    let is_another = |games: &[Game]| games.first().is_some_and(|game| game.l1_head != lost.l1_head);
    until(&games, account, &said, &is_another).await;
    // A node that still has the block does not make it one of the chain.
    let l1 = L1::connect(PoolOptions::new(node.url.clone()), None).await.unwrap();
    assert_eq!(l1.number_of(lost.l1_head).await.unwrap(), None);
    let game = games.view(account, 0).await.unwrap().games.remove(0);
    assert_eq!((game.creator, game.challenger), (account, None), "{game:?}");
    assert_eq!(game.claim.root, chain.output(game.claim.block).await, "{game:?}");
    games.challenge(&rival, game.address).await.unwrap();
    let paid =
        |game: &Game| game.status == GameStatus::DefenderWins && game.is_final && game.credit.is_zero();
    until(&games, account, &said, &|games| games.first().is_some_and(paid)).await;
    assert!(running.terminate() && !said().contains("panicked"), "{}", said());
    let view = games.view(account, 0).await.unwrap();
    assert_eq!((view.games[0].l1_head, view.games[0].prover), (game.l1_head, Some(account)), "{view:?}");
}
