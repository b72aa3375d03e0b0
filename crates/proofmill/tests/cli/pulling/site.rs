//! The chains of a rollup, a coordinator for it and provers, as processes.

use crate::{
    process::{self, PATIENCE, Running, free_port, proofmill, wait},
    pullers::runtime,
};
use proofmill_devnet::{Description, DevKeys};
use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

/// What kind of coordinator serves the rollup.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    /// A prover node whose proofs are made by provers that pull.
    Node,
    /// A proof coordinator that stands alone, and sends nothing to L1.
    Alone,
}

/// The chains of a rollup, and where its coordinator listens.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) chains: Description,
    port: u16,
    node_port: u16,
    metrics: u16,
    seed: u64,
    _localnet: Running,
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("chains");
        fs::create_dir_all(&data).unwrap();
        let mut localnet = proofmill(&data);
        localnet.args(["localnet", "--prover", "exec", "--slot-seconds", "2", "--epoch-slots", "2"]);
        let (localnet, chains) = process::chains(&mut localnet, &folder.path().join("chains.log"));
        let (port, node_port, metrics) = (free_port(), free_port(), free_port());
        Self { folder, chains, port, node_port, metrics, seed: 0, _localnet: localnet }
    }

    pub(crate) fn file(&self, role: &str) -> PathBuf {
        self.folder.path().join(format!("{role}.log"))
    }

    pub(crate) fn said(&self, role: &str) -> String {
        fs::read_to_string(self.file(role)).unwrap_or_default()
    }

    /// The lines of a role's log that say this.
    pub(crate) fn lines(&self, role: &str, what: &str) -> Vec<String> {
        self.said(role).lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn role(&self, name: &str) -> Command {
        let own = self.folder.path().join(name);
        fs::create_dir_all(&own).unwrap();
        let mut command = proofmill(&own);
        command.env("NO_COLOR", "1").env("PROOFMILL_TURNS", self.folder.path().join("turns"));
        command
    }

    pub(crate) fn coordinator(&self, role: Role, timeout: u64) -> Running {
        let mut command = self.role("coordinator");
        let listen = format!("127.0.0.1:{}", self.port);
        match role {
            Role::Node => {
                command.args(["prover-node", "--service", "pull"]);
                command.args(["--listen", &format!("127.0.0.1:{}", self.node_port)]);
                command.env("PRIVATE_KEY", DevKeys::prover_text().to_string());
            }
            Role::Alone => {
                command.args(["proof-coordinator", "--disable-publish"]);
                command.args(["--prover-id", "0x00000000000000000000000000000000000000aa"]);
            }
        }
        let (l1, l2) = (self.chains.l1_rpc.as_str(), self.chains.l2_rpc.as_str());
        command.args(["--l1-rpc", l1, "--l2-rpc", l2, "--rollup", &self.chains.rollup.to_string()]);
        command.args(["--pull-listen", &listen]);
        command.args(["--metrics-listen", &format!("127.0.0.1:{}", self.metrics)]);
        match timeout {
            // By the name that operators of ethrex know, in its unit.
            10.. => command.env("ETHREX_PROOF_COORDINATOR_PROVER_TIMEOUT", (timeout * 1_000).to_string()),
            _ => command.env("PROOFMILL_PROVER_TIMEOUT", timeout.to_string()),
        };
        let served = || self.lines("coordinator", "provers that pull are served");
        let before = served().len();
        let running = Running::start(&mut command, &self.file("coordinator"));
        wait("the coordinator", || served().len() > before);
        // It is what the environment says, and not the default.
        assert_eq!(field(&served()[before], "prover_timeout_s"), timeout.to_string());
        running
    }

    pub(crate) fn prover(&self, name: &str, words: &[&str]) -> Running {
        let mut command = self.role(name);
        command.args(["prover", "--prover-type", "exec"]);
        if !words.contains(&"--coordinator") {
            command.args(["--coordinator", &self.address()]);
        }
        Running::start(command.args(words), &self.file(name))
    }

    /// What the coordinator counts under a name.
    pub(crate) fn counted(&self, name: &str) -> u64 {
        let url: url::Url = format!("http://127.0.0.1:{}/metrics", self.metrics).parse().unwrap();
        let client = proofmill_http::client_for(&url);
        let page = runtime().block_on(async { client.get(url).send().await.unwrap().text().await.unwrap() });
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{page}")).parse().unwrap()
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
            assert!(Instant::now() < end, "waited in vain for {what}:\n{}", self.said("coordinator"));
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

/// The value of a field in a line of a log.
pub(crate) fn field(line: &str, name: &str) -> String {
    let rest = line.split(&format!(" {name}=")).nth(1).unwrap_or_else(|| panic!("no {name} in {line}"));
    rest.split_whitespace().next().unwrap().trim_matches('"').to_owned()
}
