//! A rollup and the roles around it, as processes: a coordinator, provers that pull, an attestor; and what L1 has of it.

use crate::process::{self, PATIENCE, Running, free_port, like, proofmill, wait};
use alloy_primitives::{Address, B256, Bytes, U64, U256, hex, keccak256};
use alloy_rpc_client::RpcClient;
use proofmill_chain::{L1, PoolOptions, Rollup, SigningKey};
use proofmill_devnet::{Description, DevKeys};
use proofmill_primitives::{CheckpointNumber, ProverType};
use serde_json::{Value, json};
use std::{
    any::Any,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// A rollup, and everything that is around it.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) chains: Description,
    pub(crate) rollup: Rollup,
    l1: RpcClient,
    pub(crate) runtime: Runtime,
    binary: PathBuf,
    pub(crate) port: u16,
    pub(crate) metrics: u16,
    seed: u64,
    /// Ends with it.
    _chains: Box<dyn Any>,
}

impl Site {
    pub(crate) fn new(binary: &Path, localnet: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut site = role(folder.path(), binary, "chains");
        site.args(["localnet", "--slot-seconds", "2", "--epoch-slots", "2"]).args(localnet);
        let (localnet, chains) = process::chains(&mut site, &folder.path().join("chains.log"));
        Self::of(binary, folder, chains, Box::new(localnet))
    }

    /// On chains that are there.
    pub(crate) fn of(
        binary: &Path,
        folder: tempfile::TempDir,
        chains: Description,
        kept: Box<dyn Any>,
    ) -> Self {
        let runtime = crate::pullers::runtime();
        let rollup = runtime.block_on(async {
            let l1 = L1::connect(PoolOptions::new(chains.l1_rpc.clone()), None).await.unwrap();
            Rollup::connect(l1, chains.rollup).await.unwrap()
        });
        let l1 = proofmill_http::rpc_client(chains.l1_rpc.clone());
        let (port, metrics, binary) = (free_port(), free_port(), binary.to_owned());
        Self { folder, chains, rollup, l1, runtime, binary, port, metrics, seed: 0, _chains: kept }
    }

    pub(crate) fn role(&self, name: &str) -> Command {
        role(self.folder.path(), &self.binary, name)
    }

    pub(crate) fn said(&self, role: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("{role}.log"))).unwrap_or_default()
    }

    /// The lines of a role's log that say this.
    pub(crate) fn lines(&self, role: &str, what: &str) -> Vec<String> {
        self.said(role).lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
    }

    /// The end of each role's log.
    fn last_words(&self) -> String {
        let logs = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut logs: Vec<_> = logs.filter(|path| path.extension().is_some_and(|of| of == "log")).collect();
        logs.sort();
        let end = |log: &PathBuf| {
            let said = fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<_> = said.lines().collect();
            format!("{}:\n{}", log.display(), lines[lines.len().saturating_sub(25)..].join("\n"))
        };
        logs.iter().map(end).collect::<Vec<_>>().join("\n\n")
    }

    pub(crate) fn start(&self, command: &mut Command, name: &str) -> Running {
        Running::start(command, &self.folder.path().join(format!("{name}.log")))
    }

    /// A coordinator of the rollup, which goes on where the one before it ended.
    pub(crate) fn coordinator(&self, words: &[&str], environment: &[(&str, &str)]) -> Running {
        let mut command = self.role("coordinator");
        command.arg("proof-coordinator").args(words).envs(environment.iter().copied());
        command.args(["--l1-rpc", self.chains.l1_rpc.as_str(), "--l2-rpc", self.chains.l2_rpc.as_str()]);
        command.args(["--rollup", &self.chains.rollup.to_string(), "--poll-interval", "300"]);
        command.args(["--pull-listen", &format!("127.0.0.1:{}", self.port)]);
        command.args(["--metrics-listen", &format!("127.0.0.1:{}", self.metrics)]);
        let before = self.lines("coordinator", "provers that pull are served").len();
        let running = self.start(&mut command, "coordinator");
        wait("the coordinator", || self.lines("coordinator", "provers that pull are served").len() > before);
        running
    }

    pub(crate) fn prover(&self, of: &str) -> Running {
        let mut command = self.role(&format!("prover-{of}"));
        command.args(["prover", "--prover-type", of, "--max-weight", "2"]);
        command.args(["--coordinator", &format!("http://127.0.0.1:{}", self.port)]);
        self.start(&mut command, &format!("prover-{of}"))
    }

    pub(crate) fn attestor(&self) -> (Running, String) {
        let listen = format!("127.0.0.1:{}", free_port());
        let mut command = self.role("attestor");
        command.args(["attestor", "--l1-rpc", self.chains.l1_rpc.as_str(), "--listen", &listen]);
        command.args(["--rollup", &self.chains.rollup.to_string()]);
        command.env("PROOFMILL_ATTESTOR_KEY", DevKeys::attestor_texts(1)[0].to_string());
        let running = self.start(&mut command, "attestor");
        wait("the attestor", || self.said("attestor").contains("the attestor is ready"));
        (running, format!("http://{listen}"))
    }

    pub(crate) fn tips(&self) -> (u64, u64) {
        let tips = self.runtime.block_on(self.rollup.tips()).unwrap();
        (tips.proven.0, tips.pending.0)
    }

    pub(crate) fn ask(&self, method: &'static str, params: Value) -> Value {
        self.runtime.block_on(async { self.l1.request(method, params).await }).unwrap()
    }

    pub(crate) fn load(&mut self) {
        self.seed += 1;
        process::load(&mut self.role("load"), &self.chains.l2_rpc, self.seed);
    }

    /// Loads until this is so.
    #[track_caller]
    pub(crate) fn load_until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            self.load();
            assert!(Instant::now() < end, "waited in vain for {what}:\n{}", self.last_words());
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Waits until this is so.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < end, "waited in vain for {what}:\n{}", self.last_words());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The verifier of a type refuses every proof of the batch with this first block, or of all batches.
    pub(crate) fn refuse(&self, prover: ProverType, first_block: Option<u64>) -> Refusing {
        let of_it = self.rollup.config().proof_types.iter().find(|of| of.prover == prover).unwrap();
        let before: Bytes =
            serde_json::from_value(self.ask("eth_getCode", json!([of_it.verifier, "latest"]))).unwrap();
        // The first block is the fifth word of what a range proof says; where it is this one, it reverts.
        let code = match first_block {
            Some(block) => {
                let mut code = hex!("6101043567").to_vec();
                code.extend_from_slice(&block.to_be_bytes());
                code.extend_from_slice(&hex!("14601257005b5f5ffd"));
                Bytes::from(code)
            }
            None => hex!("5f5ffd").into(),
        };
        self.ask("anvil_setCode", json!([of_it.verifier, code]));
        Refusing { verifier: of_it.verifier, before }
    }

    pub(crate) fn accept(&self, refusing: &Refusing) {
        self.ask("anvil_setCode", json!([refusing.verifier, refusing.before]));
    }

    pub(crate) fn first_block(&self, batch: u64) -> u64 {
        let checkpoint = self.runtime.block_on(self.rollup.checkpoint(CheckpointNumber(batch))).unwrap();
        checkpoint.unwrap().blocks.first()
    }

    /// The batches of each `BatchesVerified` on L1, in order.
    pub(crate) fn verified(&self) -> Vec<(u64, u64)> {
        let topic = keccak256("BatchesVerified(address,uint64,uint64)");
        let filter = json!([{ "fromBlock": "0x0", "address": self.chains.rollup, "topics": [topic] }]);
        let logs = self.ask("eth_getLogs", filter);
        let of_log = |log: &Value| {
            let data: Bytes = serde_json::from_value(log["data"].clone()).unwrap();
            let word = |at: usize| u64::from_be_bytes(data[at * 32 + 24..at * 32 + 32].try_into().unwrap());
            (word(0), word(1))
        };
        logs.as_array().unwrap().iter().map(of_log).collect()
    }

    /// Each batch up to `last` was verified once, in order, and every transaction of these accounts did that: none was spent on
    /// one that failed.
    pub(crate) fn check_each_once(&self, last: u64, accounts: &[Address]) {
        let count = |account: &Address| {
            let count = self.ask("eth_getTransactionCount", json!([account, "latest"]));
            serde_json::from_value::<U64>(count).unwrap().to::<u64>()
        };
        // Batches go on being settled: what is counted is what was there before and after.
        let (verified, sent) = loop {
            let verified = self.verified();
            let sent: u64 = accounts.iter().map(count).sum();
            if verified == self.verified() {
                break (verified, sent);
            }
        };
        let mut next = 1;
        for (first, through) in &verified {
            assert_eq!(*first, next, "{verified:?}");
            next = through + 1;
        }
        assert!(next > last, "{verified:?}");
        assert_eq!(sent, verified.len() as u64, "a transaction failed: {}", self.said("coordinator"));
    }

    /// Gives the account of a key this much.
    pub(crate) fn fund(&self, key: B256, eth: u64) -> Address {
        let account = SigningKey::try_from(key).unwrap().address();
        self.ask("anvil_setBalance", json!([account, U256::from(eth) * U256::from(10_u64.pow(18))]));
        account
    }

    /// Whether a transaction of an account waits on L1.
    pub(crate) fn waits(&self, account: Address) -> bool {
        let count = |at: &str| self.ask("eth_getTransactionCount", json!([account, at]));
        count("pending") != count("latest")
    }

    pub(crate) fn page(&self, path: &str) -> String {
        let url: url::Url = format!("http://127.0.0.1:{}{path}", self.metrics).parse().unwrap();
        let client = proofmill_http::client_for(&url);
        self.runtime.block_on(async { client.get(url).send().await.unwrap().text().await.unwrap() })
    }
}

/// A verifier that refuses, and what it was before.
pub(crate) struct Refusing {
    verifier: Address,
    before: Bytes,
}

fn role(folder: &Path, binary: &Path, name: &str) -> Command {
    let own = folder.join(name);
    fs::create_dir_all(&own).unwrap();
    let mut command = like(&proofmill(&own), binary);
    command.env("NO_COLOR", "1").env("PROOFMILL_TURNS", folder.join("turns")).env_remove("PRIVATE_KEY");
    command
}

pub(crate) fn number(line: &str, name: &str) -> u64 {
    let rest = line.split(&format!(" {name}=")).nth(1).unwrap_or_else(|| panic!("no {name} in {line}"));
    rest.split_whitespace().next().unwrap().trim_matches('"').parse().unwrap()
}

/// An account of L1 that has sent nothing yet, and its key: anvil's well-known ones are those of other roles.
pub(crate) fn publisher(site: &Site, byte: u8, eth: u64) -> (Address, String) {
    let key = B256::repeat_byte(byte);
    (site.fund(key, eth), key.to_string())
}
