//! A rollup of separate processes that share nothing but Redis.

use crate::process::{self, Running, free_port, output, proofmill, wait};
use proofmill_devnet::{Description, DevKeys};
use proofmill_localstore::LocalRedis;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub(crate) struct House {
    folder: TempDir,
    chains: Description,
    pub(crate) redis: LocalRedis,
    /// Where this machine is for the workers.
    host: String,
    port: u16,
    node_port: u16,
    pub(crate) localnet: Running,
    seed: u64,
}

impl House {
    /// The chains and Redis; nothing where this machine has no `redis-server`.
    pub(crate) fn new() -> Option<Self> {
        Self::at("127.0.0.1", &[])
    }

    pub(crate) fn at(host: &str, redis: &[&str]) -> Option<Self> {
        if !LocalRedis::is_there() {
            eprintln!("skipped: this machine has no redis-server");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let redis = LocalRedis::start(&[&["--maxmemory", "200mb"], redis].concat()).unwrap();
        let data = folder.path().join("chains");
        fs::create_dir_all(&data).unwrap();
        let mut command = proofmill(&data);
        command.args(["localnet", "--prover", "exec", "--slot-seconds", "2", "--epoch-slots", "2"]);
        let localnet = Running::start(&mut command, &folder.path().join("chains.log"));
        let file = data.join("data/localnet.json");
        wait("the chains", || matches!(Description::read(&file), Ok(Some(_))));
        let chains = Description::read(&file).unwrap().unwrap();
        let (port, node_port, seed) = (free_port(), free_port(), 0);
        Some(Self { folder, chains, redis, host: host.to_owned(), port, node_port, localnet, seed })
    }

    pub(crate) fn logs(&self) -> &Path {
        self.folder.path()
    }

    fn log_of(&self, role: &str) -> PathBuf {
        self.folder.path().join(format!("{role}.log"))
    }

    pub(crate) fn said(&self, role: &str) -> String {
        fs::read_to_string(self.log_of(role)).unwrap_or_default()
    }

    /// The binary as a role, in a data folder of its own.
    pub(crate) fn role(&self, name: &str) -> Command {
        let own = self.folder.path().join(name);
        fs::create_dir_all(&own).unwrap();
        let mut command = proofmill(&own);
        let url = self.redis.url().replace("127.0.0.1", &self.host);
        command.env("CLI_REDIS_NODES", url).env("NO_COLOR", "1");
        command
    }

    pub(crate) fn address(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }

    pub(crate) fn ports(&self) -> [u16; 2] {
        [self.port, self.node_port]
    }

    pub(crate) fn cluster(&self) -> Running {
        let mut command = self.role("cluster");
        command.args(["cluster", "--listen", &format!("{}:{}", self.host, self.port)]);
        let running = Running::start(&mut command, &self.log_of("cluster"));
        wait("the cluster to answer", || self.status().status.success());
        running
    }

    pub(crate) fn status(&self) -> std::process::Output {
        output(self.role("client").args(["status", "--cluster", &self.address()]))
    }

    pub(crate) fn worker_args(&self, id: &str) -> Vec<String> {
        let address = self.address();
        ["worker", "--coordinator", &address, "--prover", "exec", "--id", id, "--max-weight", "6"]
            .map(str::to_owned)
            .to_vec()
    }

    pub(crate) fn worker(&self, id: &str) -> Running {
        Running::start(self.role(id).args(self.worker_args(id)), &self.log_of(id))
    }

    pub(crate) fn node(&self) -> Running {
        let mut command = self.role("node");
        let (l1, l2) = (self.chains.l1_rpc.as_str(), self.chains.l2_rpc.as_str());
        command.args(["prover-node", "--l1-rpc", l1, "--l2-rpc", l2, "--cluster", &self.address()]);
        command.args(["--rollup", &self.chains.rollup.to_string()]);
        command.args(["--listen", &format!("127.0.0.1:{}", self.node_port)]);
        command.env("PRIVATE_KEY", DevKeys::prover_text().to_string());
        Running::start(&mut command, &self.log_of("node"))
    }

    pub(crate) fn load(&mut self) {
        self.seed += 1;
        process::load(&mut self.role("load"), &self.chains.l2_rpc, self.seed);
    }

    /// Epochs that are settled, by the node's log.
    pub(crate) fn settled(&self) -> usize {
        process::settled(&self.said("node"))
    }

    /// Loads until so many more epochs are settled.
    #[track_caller]
    pub(crate) fn settle(&mut self, epochs: usize) {
        let (end, before) = (Instant::now() + Duration::from_secs(150), self.settled());
        while self.settled() < before + epochs {
            self.load();
            assert!(Instant::now() < end, "not settled:\n{}\n{}", self.said("node"), self.said("cluster"));
            std::thread::sleep(Duration::from_millis(200));
        }
        for role in ["node", "cluster", "worker-1", "worker-2"] {
            assert!(!self.said(role).contains("panicked"), "{role} panicked:\n{}", self.said(role));
        }
    }

    /// Loads until the node's log says something more often than now.
    #[track_caller]
    pub(crate) fn load_until(&mut self, what: &str) {
        let count = |house: &Self| house.said("node").matches(what).count();
        let (end, before) = (Instant::now() + Duration::from_secs(60), count(self));
        while count(self) <= before {
            self.load();
            assert!(Instant::now() < end, "waited in vain for {what:?}:\n{}", self.said("node"));
        }
    }
}
