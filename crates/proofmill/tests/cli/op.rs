//! A chain of the OP Stack: its outputs are proven by `exec` and come to L1, whatever is killed; and what is wrong with the
//! settings is said.

use crate::process::{Running, fail, output, proofmill, wait};
use alloy_primitives::{Address, B256, U256, keccak256};
use proofmill_chain::{
    Game, GameStatus, Games, GamesSettings, GamesStart, L1, Output, OutputOracle, PoolOptions,
    ProposalStatus, Sender, SigningKey,
};
use proofmill_witness::RollupNode;
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use url::Url;

/// Anvil's well-known key of the account that may propose.
const PROPOSER: &str = "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6";
/// That of another account.
const STRANGER: &str = "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6";

/// A local chain, and where everything of it is.
struct Chain {
    _running: Running,
    there: Value,
}

impl Chain {
    fn start(data: &Path, flags: &[&str]) -> Self {
        let mut command = proofmill(data);
        command.args(["localnet", "--stack", "op", "--prover", "exec", "--l2-block-time", "1"]).args(flags);
        command.env("PROOFMILL_DATA_DIR", data.join("chain"));
        let running = Running::start(&mut command, &data.join("chain.log"));
        let file = data.join("chain/localnet.json");
        wait("the local chain", || file.exists());
        Self { _running: running, there: serde_json::from_slice(&fs::read(file).unwrap()).unwrap() }
    }

    fn said(&self, field: &str) -> &str {
        self.there[field].as_str().unwrap()
    }

    /// A proposer with the names of OP Succinct's environment.
    fn proposer(&self, data: &Path) -> Command {
        let mut command = proofmill(data);
        command.args(["op-proposer", "--prover", "exec"]);
        for (variable, field) in [
            ("L1_RPC", "l1_rpc"),
            ("L1_BEACON_RPC", "l1_beacon_rpc"),
            ("L2_RPC", "l2_rpc"),
            ("L2_NODE_RPC", "l2_node_rpc"),
            ("L2OO_ADDRESS", "oracle"),
        ] {
            command.env(variable, self.said(field));
        }
        command.env("PRIVATE_KEY", PROPOSER).env("LOOP_INTERVAL", "1");
        command.env("RANGE_PROOF_INTERVAL", "3").env("SUBMISSION_INTERVAL", "6");
        command
    }

    /// The newest output on L1.
    async fn newest(&self) -> Output {
        let l1: Url = self.said("l1_rpc").parse().unwrap();
        let l1 = L1::connect(PoolOptions::new(l1), None).await.unwrap();
        let oracle: Address = self.said("oracle").parse().unwrap();
        OutputOracle::connect(l1, oracle).await.unwrap().view().await.unwrap().newest
    }

    /// The output of a block, as the rollup's node says it.
    async fn output(&self, block: u64) -> alloy_primitives::B256 {
        RollupNode::new(self.said("l2_node_rpc").parse().unwrap()).output(block).await.unwrap().root
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_come_to_l1_whatever_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &["--op-interval", "6", "--op-batches", "span"]);
    let first = chain.newest().await;
    assert_eq!(first.root, chain.output(first.block).await);
    let log = data.join("proposer.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    // Killed at another point each time: after what is said here for the next time.
    for what in
        ["a range is gathered", "range proven", "ranges aggregated", "keeps the hash", "output proposed"]
    {
        let before = said().matches(what).count();
        let mut running = Running::start(&mut chain.proposer(data), &log);
        wait(what, || said().matches(what).count() > before);
        running.kill();
    }
    let mut last = chain.proposer(data);
    last.args(["--until-proposed", "2"]);
    let end = Instant::now() + Duration::from_secs(60);
    let mut running = Running::start(&mut last, &log);
    wait("two more outputs", || said().contains("the proposer stopped"));
    assert!(Instant::now() < end && running.terminate(), "{}", said());
    let newest = chain.newest().await;
    assert!(newest.block >= first.block + 3 * 6, "{newest:?}\n{}", said());
    assert_eq!(newest.root, chain.output(newest.block).await);
    // Nothing finished is proven twice.
    let text = said();
    assert!(!text.contains("panicked"), "{text}");
    let mut proven: Vec<_> = text
        .lines()
        .filter(|line| line.contains(" range proven "))
        .filter_map(|line| line.split_once("blocks=")?.1.split(' ').next())
        .collect();
    let all = proven.len();
    proven.sort_unstable();
    proven.dedup();
    assert_eq!(proven.len(), all, "{text}");
    // The files are proofs that a stranger verifies; `exec` says that it proves nothing.
    let proofs: Vec<_> =
        fs::read_dir(data.join("data/901/proofs")).unwrap().map(|file| file.unwrap().path()).collect();
    let aggregation = proofs.iter().find(|path| path.to_string_lossy().contains("aggregation")).unwrap();
    let verified = output(proofmill(data).args(["verify", "--allow-exec"]).arg(aggregation));
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

/// L1 loses the blocks up to which ranges were derived, and with them blocks of L2.
#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_of_l1_under_proven_ranges_costs_their_proofs_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &["--op-interval", "12"]);
    let log = data.join("proposer.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let mut command = chain.proposer(data);
    command.envs([("RANGE_PROOF_INTERVAL", "2"), ("SUBMISSION_INTERVAL", "12"), ("L1_BLOCK_TAG", "latest")]);
    command.args(["--until-proposed", "2"]);
    let mut running = Running::start(&mut command, &log);
    wait("proven ranges", || said().matches(" range proven ").count() >= 4);
    let l1: Url = chain.said("l1_rpc").parse().unwrap();
    let _: Value = proofmill_http::rpc_client(l1).request("anvil_rollback", [3]).await.unwrap();
    wait("two outputs", || said().contains("the proposer stopped"));
    assert!(running.terminate(), "{}", said());
    let newest = chain.newest().await;
    assert_eq!(newest.root, chain.output(newest.block).await, "{}", said());
    assert!(said().contains("is made again") && !said().contains("panicked"), "{}", said());
}

/// The development key of somebody who challenges.
fn stranger(l1: &L1) -> Sender {
    let key: B256 = STRANGER.parse().unwrap();
    Sender::new(l1.clone(), SigningKey::try_from(key).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenged_game_is_proven_in_time_and_pays() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &[]);
    let oracle: Address = chain.said("oracle").parse().unwrap();
    let l1 = L1::connect(PoolOptions::new(chain.said("l1_rpc").parse().unwrap()), None).await.unwrap();
    let rival = stranger(&l1);
    // What proofs must be of, and what verifies them, is as for the oracle.
    let contract = OutputOracle::connect(l1.clone(), oracle).await.unwrap();
    let settings = GamesSettings {
        config: contract.config(keccak256(OutputOracle::FIRST_CONFIG)).await.unwrap(),
        verifier: contract.verifier().await.unwrap(),
        bond: U256::from(1_000_000),
        challenger_bond: U256::from(300_000),
        challenge_seconds: 12,
        prove_seconds: 120,
    };
    let start = GamesStart { anchor: chain.newest().await, finality_seconds: 2, settings };
    let games = Games::deploy(&rival, &start, B256::ZERO).await.unwrap().games;
    let log = data.join("games.log");
    let mut command = chain.proposer(data);
    command.env_remove("L2OO_ADDRESS").env("FACTORY_ADDRESS", games.factory().to_string());
    command.env("PROPOSAL_INTERVAL_IN_BLOCKS", "4").env("RANGE_SPLIT_COUNT", "2");
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
    assert_eq!((first.creator, first.claim.block), (proposer, start.anchor.block + 4));
    assert_eq!(first.claim.root, chain.output(first.claim.block).await);
    games.challenge(&rival, first.address).await.unwrap();
    // Killed while it proves: what matters is on L1.
    wait("a range of the game", || said().contains(" range proven "));
    running.kill();
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
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_in_blobs_are_proven_too() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &["--op-interval", "3", "--op-data", "blobs"]);
    let log = data.join("proposer.log");
    let mut command = chain.proposer(data);
    // This L1 finalizes nothing.
    command.args(["--until-proposed", "1", "--l1-block-tag", "latest", "--l1-confirmations", "1"]);
    let mut running = Running::start(&mut command, &log);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    wait("an output", || said().contains("the proposer stopped"));
    assert!(running.terminate(), "{}", said());
    let newest = chain.newest().await;
    assert!(newest.block > 1, "{}", said());
    assert_eq!(newest.root, chain.output(newest.block).await);
}

/// What is set otherwise, and what must be said of it.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn wrong_settings_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &[]);
    let portal = chain.said("portal").to_owned();
    let cases: [Case<'_>; 6] = [
        // A contract of another kind, an address without one, and a configuration that the contract does not have.
        (&[("L2OO_ADDRESS", &portal)], &["is not an OPSuccinctL2OutputOracle", "L2OO_ADDRESS"]),
        (&[("L2OO_ADDRESS", "0x00000000000000000000000000000000000000ff")], &["there is no contract at"]),
        (
            &[("OP_SUCCINCT_CONFIG_NAME", "of another")],
            &["no configuration with the name", "addOpSuccinctConfig"],
        ),
        // Nodes of chains that do not belong together.
        (&[("L2_RPC", chain.said("l1_rpc"))], &["L2"]),
        (&[("L1_RPC", chain.said("l2_rpc"))], &["901", "31337"]),
        (&[("L1_BLOCK_TAG", "newest")], &["finalized, safe or latest"]),
    ];
    for (changes, words) in cases {
        let mut command = chain.proposer(data);
        command.envs(changes.iter().copied()).args(["--until-proposed", "1"]);
        let said = fail(&mut command);
        for word in words {
            assert!(said.contains(word), "{changes:?}: {said}");
        }
    }
    let mut command = chain.proposer(data);
    let said = fail(command.env_remove("L2OO_ADDRESS"));
    assert!(said.contains("--oracle") && said.contains("--factory"), "{said}");
    // Somebody who may not propose is told before anything is proven.
    let log = data.join("stranger.log");
    let mut command = chain.proposer(data);
    let running = Running::start(command.env("PRIVATE_KEY", STRANGER), &log);
    wait("the warning", || fs::read_to_string(&log).unwrap_or_default().contains("no approved proposer"));
    drop(running);
}
