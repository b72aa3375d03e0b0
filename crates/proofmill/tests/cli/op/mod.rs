//! A chain of the OP Stack: its outputs are proven by `exec` and come to L1, whatever is killed; and what is wrong with the
//! settings is said.

mod attested;
mod beside;
mod challenger;
mod games;
mod range;
mod reorg;

use crate::process::{Running, fail, output, proofmill, wait};
use alloy_primitives::{Address, B256, U256, keccak256};
use proofmill_chain::{
    Games, GamesSettings, GamesStart, L1, OracleConfig, OracleStart, Output, OutputOracle, PoolOptions,
    Sender, SigningKey,
};
use proofmill_proxy::{Action, Proxy};
use proofmill_witness::RollupNode;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tempfile::TempDir;
use url::Url;

/// Anvil's well-known key of the account that may propose.
const PROPOSER: &str = "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6";
/// That of another account.
const STRANGER: &str = "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6";

/// What games cost, in wei.
const BOND: u64 = 1_000_000;
const CHALLENGER_BOND: u64 = 300_000;

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

    /// One of dispute games.
    fn games_proposer(&self, data: &Path, games: &Games) -> Command {
        let mut command = self.proposer(data);
        for other in ["L2OO_ADDRESS", "LOOP_INTERVAL", "RANGE_PROOF_INTERVAL", "SUBMISSION_INTERVAL"] {
            command.env_remove(other);
        }
        command.env("FACTORY_ADDRESS", games.factory().to_string()).env("FETCH_INTERVAL", "1");
        command.env("PROPOSAL_INTERVAL_IN_BLOCKS", "4");
        command
    }

    /// Who challenges its games, with the key of [`PROPOSER`].
    fn challenger(&self, data: &Path, games: &Games) -> Command {
        let mut command = proofmill(data);
        command.arg("op-challenger");
        command.env("L1_RPC", self.said("l1_rpc")).env("L2_RPC", self.said("l2_rpc"));
        command.env("FACTORY_ADDRESS", games.factory().to_string()).env("GAME_TYPE", "42");
        command.env("PRIVATE_KEY", PROPOSER).env("FETCH_INTERVAL", "1").env("SYNC_L1_CONFIRMATIONS", "0");
        command.env("MALICIOUS_CHALLENGE_PERCENTAGE", "0.0");
        command
    }

    async fn l1(&self) -> L1 {
        let l1: Url = self.said("l1_rpc").parse().unwrap();
        L1::connect(PoolOptions::new(l1), None).await.unwrap()
    }

    async fn oracle(&self) -> OutputOracle {
        OutputOracle::connect(self.l1().await, self.said("oracle").parse().unwrap()).await.unwrap()
    }

    /// The newest output on L1.
    async fn newest(&self) -> Output {
        self.oracle().await.view().await.unwrap().newest
    }

    /// Somebody else, who has money.
    async fn stranger(&self) -> Sender {
        let key: B256 = STRANGER.parse().unwrap();
        Sender::new(self.l1().await, SigningKey::try_from(key).unwrap())
    }

    /// What proofs for the oracle must be of.
    async fn config(&self) -> OracleConfig {
        self.oracle().await.config(keccak256(OutputOracle::FIRST_CONFIG)).await.unwrap()
    }

    /// Dispute games that begin with the newest output. What proofs must be of, and what verifies them, is as for the oracle.
    async fn games(&self, challenge_seconds: u64, prove_seconds: u64) -> (Games, Output) {
        let verifier = self.oracle().await.verifier().await.unwrap();
        self.games_of(self.config().await, verifier, challenge_seconds, prove_seconds).await
    }

    /// Dispute games of their own programs and verifier.
    async fn games_of(
        &self,
        config: OracleConfig,
        verifier: Address,
        challenge_seconds: u64,
        prove_seconds: u64,
    ) -> (Games, Output) {
        let anchor = self.newest().await;
        let settings = GamesSettings {
            config,
            verifier,
            bond: U256::from(BOND),
            challenger_bond: U256::from(CHALLENGER_BOND),
            challenge_seconds,
            prove_seconds,
        };
        let start = GamesStart { anchor, finality_seconds: 2, settings };
        (Games::deploy(&self.stranger().await, &start, B256::ZERO).await.unwrap().games, anchor)
    }

    /// Something that only a development L1 is told.
    async fn tell_l1(&self, method: &'static str, params: Value) {
        let l1: Url = self.said("l1_rpc").parse().unwrap();
        let _: Value = proofmill_http::rpc_client(l1).request(method, params).await.unwrap();
    }

    /// The output of a block, as the rollup's node says it.
    async fn output(&self, block: u64) -> alloy_primitives::B256 {
        RollupNode::new(self.said("l2_node_rpc").parse().unwrap()).output(block).await.unwrap().root
    }
}

/// A folder with a local chain, and with what its proposer says.
struct Place {
    chain: Chain,
    log: PathBuf,
    folder: TempDir,
}

impl Place {
    fn new(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let chain = Chain::start(folder.path(), flags);
        Self { chain, log: folder.path().join("proposer.log"), folder }
    }

    /// What the proposer has said.
    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
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
        // The last as L1 shows it: that may be seen before the transaction's receipt is.
        [
            "a range is gathered",
            "range proven",
            "ranges aggregated",
            "keeps the hash",
            "an output is on L1",
        ]
    {
        let before = said().matches(what).count();
        let mut running = Running::start(&mut chain.proposer(data), &log);
        wait(what, || said().matches(what).count() > before);
        running.kill();
    }
    let mut last = chain.proposer(data);
    last.args(["--until-proposed", "2"]);
    let mut running = Running::start(&mut last, &log);
    wait("two more outputs", || said().contains("the proposer stopped"));
    assert!(running.terminate(), "{}", said());
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

/// The ranges' proofs are lost when both are there, and before they are joined: L1 takes the transaction for which that waits no
/// earlier.
#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_is_lost_costs_no_second_transaction() {
    let place = Place::new(&["--op-interval", "6"]);
    let (chain, data, said) = (&place.chain, place.folder.path(), || place.said());
    let takes = Arc::new(AtomicBool::new(false));
    let rule = Arc::clone(&takes);
    let l1 = Proxy::new(&chain.said("l1_rpc").parse().unwrap(), move |request| {
        match request.method == "eth_sendRawTransaction" && !rule.load(Ordering::SeqCst) {
            true => Action::Status(503),
            false => Action::Forward,
        }
    })
    .await;
    let mut command = chain.proposer(data);
    command.env("L1_RPC", l1.url.as_str()).args(["--until-proposed", "1"]);
    let mut running = Running::start(&mut command, &place.log);
    wait("both ranges", || said().matches(" range proven ").count() >= 2);
    for file in fs::read_dir(data.join("data/901/proofs")).unwrap() {
        // One that is being written is renamed, and is of a later range.
        drop(fs::remove_file(file.unwrap().path()));
    }
    takes.store(true, Ordering::SeqCst);
    wait("an output", || said().contains("the proposer stopped"));
    assert!(running.terminate() && said().contains("is made again"), "{}", said());
    assert_eq!(said().matches("the contract keeps the hash").count(), 1, "{}", said());
    let newest = chain.newest().await;
    assert_eq!(newest.root, chain.output(newest.block).await, "{}", said());
}

/// L1 makes no block for a while.
#[tokio::test(flavor = "multi_thread")]
async fn an_l1_that_stands_still_is_said_and_waited_for() {
    let place = Place::new(&["--op-interval", "6"]);
    let (chain, data, said) = (&place.chain, place.folder.path(), || place.said());
    let mut command = chain.proposer(data);
    let mut running = Running::start(command.env("TX_CONFIRMATION_TIMEOUT", "5"), &place.log);
    let outputs = || said().matches("an output is on L1").count();
    wait("an output", || outputs() > 0);
    chain.tell_l1("evm_setIntervalMining", json!([0])).await;
    wait("a word on it", || said().contains("the chain has stopped"));
    let before = outputs();
    chain.tell_l1("evm_setIntervalMining", json!([2])).await;
    wait("another output", || outputs() > before);
    assert!(running.terminate() && !said().contains("panicked"), "{}", said());
    let newest = chain.newest().await;
    assert_eq!(newest.root, chain.output(newest.block).await, "{}", said());
}

/// As where all of a machine's services start at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollup_node_that_comes_later_is_waited_for() {
    let place = Place::new(&[]);
    let (chain, data, said) = (&place.chain, place.folder.path(), || place.said());
    let away = Arc::new(AtomicBool::new(true));
    let rule = Arc::clone(&away);
    let node =
        Proxy::new(&chain.said("l2_node_rpc").parse().unwrap(), move |_| match rule.load(Ordering::SeqCst) {
            true => Action::Status(503),
            false => Action::Forward,
        })
        .await;
    let mut command = chain.proposer(data);
    let mut running = Running::start(command.env("L2_NODE_RPC", node.url.as_str()), &place.log);
    wait("a word on it", || said().contains("waiting for the rollup node"));
    away.store(false, Ordering::SeqCst);
    wait("the proposer", || said().contains("the proposer is ready"));
    assert!(running.terminate() && said().contains("L2_NODE_RPC"), "{}", said());
}

/// So answers go-ethereum after its start, until its consensus client has told it.
#[tokio::test(flavor = "multi_thread")]
async fn an_l1_that_has_no_finalized_block_yet_keeps_no_proposer_from_starting() {
    let place = Place::new(&[]);
    let (chain, data, said) = (&place.chain, place.folder.path(), || place.said());
    let node =
        Proxy::new(&chain.said("l1_rpc").parse().unwrap(), |request| match request.params[0].as_str() {
            Some("finalized" | "safe") => Action::refuse(-39_001, "finalized block not found"),
            _ => Action::Forward,
        })
        .await;
    let mut command = chain.proposer(data);
    let mut running = Running::start(command.env("L1_RPC", node.url.as_str()), &place.log);
    wait("the proposer", || said().contains("the proposer is ready"));
    assert!(running.terminate() && !said().contains("panicked"), "{}", said());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_proven_behind_an_output_that_l2_does_not_have() {
    let place = Place::new(&[]);
    let (chain, data, said) = (&place.chain, place.folder.path(), || place.said());
    let newest = chain.newest().await;
    let node = RollupNode::new(chain.said("l2_node_rpc").parse().unwrap());
    let start = OracleStart {
        output: Output { root: B256::repeat_byte(0xee), ..newest },
        timestamp: node.output(newest.block).await.unwrap().timestamp,
        block_time: 1,
        submission_interval: 4,
        config: chain.config().await,
        verifier: chain.oracle().await.verifier().await.unwrap(),
        proposer: chain.said("proposer").parse().unwrap(),
    };
    let owner = chain.stranger().await;
    let (oracle, _) = OutputOracle::deploy(&owner, &start, B256::repeat_byte(1)).await.unwrap();
    let mut command = chain.proposer(data);
    command.env("L2OO_ADDRESS", oracle.address().to_string());
    let mut running = Running::start(&mut command, &place.log);
    wait("a word on it", || said().contains("nothing is proven until they agree"));
    assert!(running.terminate() && !said().contains("a range is gathered"), "{}", said());
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_in_blobs_are_proven_too() {
    let folder = tempfile::tempdir().unwrap();
    let (data, elsewhere) = (folder.path(), folder.path().join("elsewhere"));
    fs::create_dir(&elsewhere).unwrap();
    // Its beacon node knows the time of the other chain's slots, and has none of its blobs: as one that has given them up.
    let without = Chain::start(&elsewhere, &[]);
    let chain = Chain::start(data, &["--op-interval", "3", "--op-data", "blobs"]);
    // These L1 finalize nothing.
    let newest = ["--until-proposed", "1", "--l1-block-tag", "latest", "--l1-confirmations", "1"];
    let log = elsewhere.join("proposer.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let mut command = chain.proposer(&elsewhere);
    command.args(newest).env("L1_BEACON_RPC", without.said("l1_beacon_rpc"));
    let mut running = Running::start(&mut command, &log);
    wait("a word on the blobs", || said().contains("nodes give blobs up after 18 days"));
    assert!(running.terminate() && !said().contains(" range proven "), "{}", said());
    let log = data.join("proposer.log");
    let mut command = chain.proposer(data);
    command.args(newest);
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
    let cases: [Case<'_>; 10] = [
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
        // A block whose hash the contract could never keep.
        (
            &[("L1_CONFIRMATIONS", "256")],
            &["256 blocks before the finalized one", "checkpointBlockHash", "(L1_CONFIRMATIONS) to"],
        ),
        // What OP Succinct's verifiers take, and a setting of the other mode.
        (&[("AGG_PROOF_MODE", "plonk")], &["AGG_PROOF_MODE", "compressed", "deploy-verifier"]),
        (&[("FETCH_INTERVAL", "30")], &["--fetch-interval", "--oracle"]),
        // A node of the execution layer in place of a rollup's.
        (&[("L2_NODE_RPC", chain.said("l1_rpc"))], &["optimism_rollupConfig", "L2_NODE_RPC"]),
    ];
    for (changes, words) in cases {
        let mut command = chain.proposer(data);
        command.envs(changes.iter().copied()).args(["--until-proposed", "1"]);
        let said = fail(&mut command);
        for word in words {
            assert!(said.contains(word), "{changes:?}: {said}");
        }
    }
    // Another one on the same folder, whatever makes the proofs.
    let log = data.join("first.log");
    let start = || {
        let mut command = chain.proposer(data);
        command.args(["--cluster", "http://127.0.0.1:9"]);
        command
    };
    let first = Running::start(&mut start(), &log);
    wait("the first", || fs::read_to_string(&log).unwrap_or_default().contains("the proposer is ready"));
    let said = fail(&mut start());
    assert!(said.contains("another process (pid") && said.contains("--data-dir"), "{said}");
    drop(first);
    let mut command = chain.proposer(data);
    let said = fail(command.env_remove("L2OO_ADDRESS"));
    assert!(said.contains("--oracle") && said.contains("--factory"), "{said}");
    // No proofs are wanted, and something makes them.
    for mock in ["OP_SUCCINCT_MOCK", "MOCK_MODE"] {
        let mut command = proofmill(data);
        command.args(["op-proposer", "--prover", "openvm"]).env(mock, "true");
        command.env("L2OO_ADDRESS", chain.said("oracle")).env("PRIVATE_KEY", PROPOSER);
        for (variable, field) in [("L1_RPC", "l1_rpc"), ("L2_RPC", "l2_rpc"), ("L2_NODE_RPC", "l2_node_rpc")]
        {
            command.env(variable, chain.said(field));
        }
        let said = fail(&mut command);
        assert!(said.contains(mock) && said.contains("--prover exec"), "{said}");
    }
    // Somebody who may not propose is told before anything is proven.
    let log = data.join("stranger.log");
    let mut command = chain.proposer(data);
    let running = Running::start(command.env("PRIVATE_KEY", STRANGER), &log);
    wait("the warning", || fs::read_to_string(&log).unwrap_or_default().contains("no approved proposer"));
    drop(running);
}
