//! Who challenges wrong claims.

use super::{BOND, CHALLENGER_BOND, Chain, Running};
use crate::process::{PATIENCE, fail, wait};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use proofmill_chain::{BlockAt, Game, GameStatus, Games, L2, Output, PoolOptions, ProposalStatus};
use proofmill_proxy::{Action, Proxy};
use serde_json::{Value, json};
use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// A block that L2 finalizes is waited for.
pub(super) async fn finalized(chain: &Chain, block: u64) {
    let l2 = L2::connect(PoolOptions::new(chain.said("l2_rpc").parse().unwrap()), None).await.unwrap();
    let end = Instant::now() + PATIENCE;
    while l2.block(BlockAt::Finalized).await.unwrap().is_none_or(|head| head.number < block) {
        assert!(Instant::now() < end, "L2 does not finalize block {block}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // What follows from the header alone is what the rollup's node says.
    let here = l2.output(block).await.unwrap().unwrap();
    assert_eq!(here.root, chain.output(block).await);
}

/// Waits until all games are as they should be.
pub(super) async fn until(
    games: &Games,
    account: Address,
    log: &dyn Fn() -> String,
    done: &dyn Fn(&[Game]) -> bool,
) {
    let end = Instant::now() + PATIENCE;
    loop {
        let view = games.view(account, 0).await.unwrap();
        if done(&view.games) {
            return;
        }
        assert!(Instant::now() < end, "waited in vain: {view:#?}\n{}", log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Creates a game of a block whose number is greater than that of any block.
async fn create_beyond(chain: &Chain, games: &Games, from: Address) {
    let word = |number: U256| number.to_be_bytes::<32>();
    // The last argument is 36 bytes, behind the three words: the block, and no parent.
    let mut call = keccak256("create(uint32,bytes32,bytes)")[..4].to_vec();
    call.extend(word(U256::from(games.game_type())));
    call.extend([0xcc; 32]);
    for number in [U256::from(96), U256::from(36), U256::MAX] {
        call.extend(word(number));
    }
    call.extend([0xff; 4]);
    call.extend([0; 28]);
    let transaction = json!([{ "from": from, "to": games.factory(), "value": U256::from(BOND), "data": Bytes::from(call) }]);
    chain.tell_l1("eth_sendTransaction", transaction).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_is_challenged_and_lost_whatever_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &[]);
    // Time enough for all challenges, whatever else the machine does; who is challenged has six seconds.
    let (games, anchor) = chain.games(600, 6).await;
    let (liar, account) = (chain.stranger().await, chain.said("proposer").parse::<Address>().unwrap());
    let block = anchor.block + 3;
    finalized(&chain, block + 1).await;
    let right = Output { root: chain.output(block).await, block };
    // Another root, the root of another block, and a block that nobody knows yet.
    let lies = [
        Output { root: B256::repeat_byte(0xee), block },
        Output { root: right.root, block: block + 1 },
        Output { root: B256::repeat_byte(0xdd), block: block + 1_000_000 },
    ];
    games.create(&liar, right, None).await.unwrap();
    for lie in &lies[..2] {
        games.create(&liar, *lie, None).await.unwrap();
    }
    let log = data.join("challenger.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let mut command = chain.challenger(data, &games);
    for (round, what) in ["game challenged", "game challenged", "game resolved"].into_iter().enumerate() {
        // However long it lived before, there is something left for it to do.
        if round == 1 {
            games.create(&liar, lies[2], None).await.unwrap();
        } else if round == 2 {
            create_beyond(&chain, &games, liar.account()).await;
        }
        let before = said().matches(what).count();
        let mut running = Running::start(&mut command, &log);
        wait(what, || said().matches(what).count() > before);
        running.kill();
    }
    let mut running = Running::start(&mut command, &log);
    let paid =
        |game: &Game| game.status == GameStatus::ChallengerWins && game.is_final && game.credit.is_zero();
    until(&games, account, &said, &|games| games.len() == 5 && games[1..].iter().all(paid)).await;
    assert!(running.terminate() && !said().contains("panicked"), "{}", said());
    let view = games.view(account, 0).await.unwrap();
    for game in &view.games[1..] {
        assert_eq!(game.challenger, Some(account), "{view:?}");
    }
    let left_alone = &view.games[0];
    assert_eq!((left_alone.claim, left_alone.challenger), (right, None), "{view:?}");
    // The bonds of both sides were paid out to who challenged, once each.
    let credit = format!("credit={}", U256::from(BOND + CHALLENGER_BOND));
    let claimed = said().matches(&credit).count();
    assert!((3..=4).contains(&claimed), "{}", said());
    // A transaction that was sent before a kill is not sent again.
    assert!(said().matches("game challenged").count() <= 4, "{}", said());
}

/// What a node answers for its finalized block, as long as it lags.
struct Lag {
    lags: AtomicBool,
    finalized: Mutex<Value>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lags_challenges_nothing_and_catches_up() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &[]);
    // It is said in the last half of the time for challenges. The other half is twice as long as a machine stands still.
    let (games, anchor) = chain.games(240, 6).await;
    let (rival, account) = (chain.stranger().await, chain.said("proposer").parse::<Address>().unwrap());
    finalized(&chain, anchor.block).await;
    let node = chain.said("l2_rpc").parse().unwrap();
    let old: Value =
        proofmill_http::rpc_client(node).request("eth_getBlockByNumber", ("finalized", false)).await.unwrap();
    let lag = Arc::new(Lag { lags: AtomicBool::new(true), finalized: Mutex::new(old) });
    let rule = Arc::clone(&lag);
    let proxy = Proxy::new(&chain.said("l2_rpc").parse().unwrap(), move |request| {
        let of_finalized = request.method == "eth_getBlockByNumber" && request.params[0] == "finalized";
        match of_finalized && rule.lags.load(Ordering::SeqCst) {
            true => Action::Answer(rule.finalized.lock().unwrap().clone()),
            false => Action::Forward,
        }
    })
    .await;
    let block = anchor.block + 20;
    finalized(&chain, block).await;
    let right = Output { root: chain.output(block).await, block };
    let lie = Output { root: B256::repeat_byte(0xee), block };
    for claim in [right, lie] {
        games.create(&rival, claim, None).await.unwrap();
    }
    let log = data.join("challenger.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let mut command = chain.challenger(data, &games);
    command.env("L2_RPC", proxy.url.as_str());
    let mut running = Running::start(&mut command, &log);
    // It is said while there is still time.
    wait("a word on it", || said().contains("it is not known to be right"));
    let view = games.view(account, 0).await.unwrap();
    let unchallenged = |game: &Game| game.proposal == ProposalStatus::Unchallenged;
    assert!(view.games.iter().all(unchallenged) && !said().contains("game challenged"), "{}", said());
    lag.lags.store(false, Ordering::SeqCst);
    until(&games, account, &said, &|games| games[1].challenger == Some(account)).await;
    until(&games, account, &said, &|games| games[1].status == GameStatus::ChallengerWins).await;
    assert!(running.terminate() && !said().contains("panicked"), "{}", said());
    assert_eq!(games.view(account, 0).await.unwrap().games[0].challenger, None, "{}", said());
    // A node of another chain challenges nothing at all, and neither does one that is asked to by settings.
    let mut command = chain.challenger(data, &games);
    let log = data.join("other.log");
    let mut other = Running::start(command.env("L2_RPC", chain.said("l1_rpc")), &log);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    wait("a word on it", || said().contains("something keeps the challenger"));
    assert!(other.terminate() && !said().contains("game challenged"), "{}", said());
    let refused = fail(chain.challenger(data, &games).env("MALICIOUS_CHALLENGE_PERCENTAGE", "1"));
    assert!(refused.contains("challengerBond()"), "{refused}");
}
