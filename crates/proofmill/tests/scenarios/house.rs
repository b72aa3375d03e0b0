//! A rollup of separate processes that share nothing but Redis, or S3.

use crate::{
    logs::{Begun, under_way},
    process::{self, PATIENCE, Running, free_port, like, output, proofmill, stand_in, told, wait},
};
use proofmill_client::ClusterClient;
use proofmill_devnet::{Description, DevKeys};
use proofmill_localstore::{LocalRedis, LocalS3, S3_KEYS, skipped};
use proofmill_wire::operator::StatusRequest;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const WORKERS: [&str; 2] = ["worker-1", "worker-2"];

/// Where the artifacts are.
pub(crate) enum Store {
    Redis(LocalRedis),
    S3(LocalS3),
}

impl Store {
    fn is_told(&self, command: &mut Command, host: &str) {
        let here = |url: String| url.replace("127.0.0.1", host);
        match self {
            Self::Redis(redis) => {
                command.env("CLI_REDIS_NODES", here(redis.url()));
            }
            Self::S3(s3) => {
                command.env("AWS_ACCESS_KEY_ID", S3_KEYS.0).env("AWS_SECRET_ACCESS_KEY", S3_KEYS.1);
                command.env("AWS_ENDPOINT_URL", here(s3.url()));
                command.env("CLI_S3_BUCKET", LocalS3::BUCKET).env("CLI_S3_REGION", "us-east-1");
            }
        }
    }

    pub(crate) fn stop(&mut self) {
        match self {
            Self::Redis(redis) => redis.stop(),
            Self::S3(s3) => s3.stop(),
        }
    }

    pub(crate) fn start_again(&mut self) -> io::Result<()> {
        match self {
            Self::Redis(redis) => redis.start_again(),
            Self::S3(s3) => s3.start_again(),
        }
    }
}

/// A segment that a worker is in the middle of until [`House::let_go`].
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) worker: &'static str,
    pub(crate) task: String,
    pub(crate) proof: String,
}

pub(crate) struct House {
    folder: TempDir,
    chains: Description,
    pub(crate) store: Store,
    /// Where this machine is for the workers.
    host: String,
    port: u16,
    node_port: u16,
    pub(crate) localnet: Running,
    seed: u64,
    /// Where the log of each worker's present process begins, unless it is its first.
    begins: RefCell<BTreeMap<String, usize>>,
}

impl House {
    /// The chains and Redis; nothing where this machine has no `redis-server`.
    pub(crate) fn new() -> Option<Self> {
        Self::at("127.0.0.1", &[])
    }

    pub(crate) fn at(host: &str, redis: &[&str]) -> Option<Self> {
        if !LocalRedis::is_there() {
            skipped("this machine has no redis-server");
            return None;
        }
        let redis = LocalRedis::start(&[&["--maxmemory", "200mb"], redis].concat()).unwrap();
        Some(Self::with(Store::Redis(redis), host))
    }

    /// The chains and an S3 server.
    pub(crate) fn over_s3() -> Self {
        Self::with(Store::S3(LocalS3::start().unwrap()), "127.0.0.1")
    }

    fn with(store: Store, host: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("chains");
        fs::create_dir_all(&data).unwrap();
        let mut command = proofmill(&data);
        command.args(["localnet", "--prover", "exec", "--slot-seconds", "2", "--epoch-slots", "2"]);
        let (localnet, chains) = process::chains(&mut command, &folder.path().join("chains.log"));
        let (port, node_port, seed, begins) = (free_port(), free_port(), 0, RefCell::default());
        Self { folder, chains, store, host: host.to_owned(), port, node_port, localnet, seed, begins }
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
        self.store.is_told(&mut command, &self.host);
        command.env("NO_COLOR", "1");
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

    /// For how long the cluster has heard nothing of a worker.
    pub(crate) fn silent(&self, worker: &str) -> Duration {
        let runtime = Runtime::new().unwrap();
        let status = runtime.block_on(async {
            let client = ClusterClient::connect(&self.address()).await.unwrap();
            client.status(StatusRequest::default()).await.unwrap()
        });
        let worker = status.workers.iter().find(|one| one.id == worker).unwrap();
        Duration::from_millis(worker.silent_ms)
    }

    /// A worker whose segments can be held.
    pub(crate) fn worker_command(&self, id: &str) -> Command {
        let mut command = like(&self.role(id), &stand_in());
        command.env("PROOFMILL_TEST_HOLD", self.folder.path().join("hold"));
        let address = self.address();
        command.args(["worker", "--coordinator", &address, "--prover", "exec", "--id", id]);
        command.args(["--max-weight", "6"]);
        command
    }

    pub(crate) fn worker(&self, id: &str) -> Running {
        self.begins.borrow_mut().insert(id.to_owned(), self.said(id).len());
        Running::start(&mut self.worker_command(id), &self.log_of(id))
    }

    pub(crate) fn workers(&self) -> [(&'static str, Running); 2] {
        WORKERS.map(|id| (id, self.worker(id)))
    }

    /// Loads until a worker is in the middle of a segment, where it stays. The cluster counts it as running.
    #[track_caller]
    pub(crate) fn hold(&mut self) -> Held {
        assert!(WORKERS.iter().all(|id| !self.held_of(id).exists()), "one is held already");
        fs::write(self.folder.path().join("hold"), "").unwrap();
        let end = Instant::now() + PATIENCE;
        let worker = loop {
            if let Some(worker) = WORKERS.into_iter().find(|id| self.held_of(id).exists()) {
                break worker;
            }
            self.load();
            assert!(
                Instant::now() < end,
                "nothing is begun:\n{}\n{}",
                self.said("node"),
                self.said("cluster")
            );
            std::thread::sleep(Duration::from_millis(100));
        };
        // That it is begun was said before it was held. Of what this process has begun, all else ends, however slow the machine is.
        let house = &*self;
        let mut still = house.segments_of(worker);
        // A heartbeat names it.
        std::thread::sleep(Duration::from_secs(4));
        wait("the other segments to be done", || {
            let now = house.segments_of(worker);
            still.retain(|one| now.contains(one));
            assert!(!still.is_empty(), "the held segment is done:\n{}", house.said(worker));
            still.len() == 1
        });
        let Begun { task, proof } = still.remove(0);
        let shown = told(self.role("client").args(["status", "--cluster", &self.address()]));
        let runs = |line: &str| line.contains(worker) && line.contains("ProveShard");
        assert!(shown.lines().any(runs) && !shown.contains(" 0 task(s) active"), "{shown}");
        Held { worker, task, proof }
    }

    /// The segments that a worker's present process has begun, and not ended.
    fn segments_of(&self, worker: &str) -> Vec<Begun> {
        let begins = self.begins.borrow().get(worker).copied().unwrap_or_default();
        under_way(self.said(worker).get(begins..).unwrap_or_default())
    }

    fn held_of(&self, worker: &str) -> PathBuf {
        self.folder.path().join(worker).join("held")
    }

    pub(crate) fn is_held(&self, held: &Held) -> bool {
        self.held_of(held.worker).exists()
    }

    /// Lets the worker go on with its segment, where it still is there.
    pub(crate) fn let_go(&self, held: &Held) {
        fs::remove_file(self.held_of(held.worker)).unwrap();
    }

    /// The same a while after the worker has said something.
    pub(crate) fn let_go_after(&self, held: &Held, what: &'static str, pause: Duration) -> JoinHandle<()> {
        let (file, log) = (self.held_of(held.worker), self.log_of(held.worker));
        std::thread::spawn(move || {
            wait(what, || fs::read_to_string(&log).unwrap_or_default().contains(what));
            std::thread::sleep(pause);
            fs::remove_file(file).unwrap();
        })
    }

    /// Waits until the proof is made whose segment was held.
    #[track_caller]
    pub(crate) fn wait_for(&self, held: &Held) {
        let made = format!("the proof ended proof={} status=Completed", held.proof);
        wait("the proof that was held", || self.said("cluster").contains(&made));
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
        let (end, before) = (Instant::now() + PATIENCE, self.settled());
        while self.settled() < before + epochs {
            self.load();
            assert!(Instant::now() < end, "not settled:\n{}\n{}", self.said("node"), self.said("cluster"));
            std::thread::sleep(Duration::from_millis(200));
        }
        for role in ["node", "cluster"].into_iter().chain(WORKERS) {
            assert!(!self.said(role).contains("panicked"), "{role} panicked:\n{}", self.said(role));
        }
    }

    /// Loads until the node's log says something more often than now.
    #[track_caller]
    pub(crate) fn load_until(&mut self, what: &str) {
        let count = |house: &Self| house.said("node").matches(what).count();
        let (end, before) = (Instant::now() + PATIENCE, count(self));
        while count(self) <= before {
            self.load();
            assert!(Instant::now() < end, "waited in vain for {what:?}:\n{}", self.said("node"));
        }
    }
}
