//! A rollup whose endpoints are in all moods: every epoch settles, nothing stays silent, and no more is asked than needed.

use crate::{
    deployed::{deploy, proposer},
    process::{self, PATIENCE, Running, cluster, free_port, proofmill, told, wait, worker},
};
use proofmill_devnet::{Description, DevKeys};
use proofmill_proxy::{Mood, Moody};
use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use url::Url;

/// Two endpoints of one chain.
struct Pair([Moody; 2]);

impl Pair {
    async fn well(node: &Url) -> Self {
        Self([Moody::new(node).await, Moody::new(node).await])
    }

    async fn by_chance(node: &Url, seed: u64) -> Self {
        let longest = Duration::from_secs(14);
        Self([
            Moody::by_chance(node, seed, longest).await,
            Moody::by_chance(node, seed.wrapping_mul(31) + 7, longest).await,
        ])
    }

    fn urls(&self) -> String {
        format!("{},{}", self.0[0].url(), self.0[1].url())
    }

    fn requests(&self) -> usize {
        self.0.iter().map(|moody| moody.proxy.requests()).sum()
    }
}

/// The chains of a rollup, and a cluster with a worker.
struct Site {
    folder: tempfile::TempDir,
    chains: Description,
    cluster: String,
    metrics: u16,
    running: [Running; 3],
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let mut localnet = proofmill(data);
        localnet.args(["localnet", "--prover", "exec", "--slot-seconds", "2", "--epoch-slots", "2"]);
        let (localnet, chains) = process::chains(&mut localnet, &data.join("localnet.log"));
        let (coordinator, cluster) = cluster(data, free_port());
        let worker = worker(data, &cluster, "worker");
        Self { folder, chains, cluster, metrics: free_port(), running: [localnet, coordinator, worker] }
    }

    fn data(&self) -> &Path {
        self.folder.path()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.data().join("node.log")).unwrap_or_default()
    }

    fn prover_node(&self, l1: &str, l2: &str) -> Running {
        let mut command = proofmill(self.data());
        command.args(["prover-node", "--l1-rpc", l1, "--l2-rpc", l2, "--cluster", &self.cluster]);
        command.args(["--rollup", &self.chains.rollup.to_string()]);
        command.args(["--listen", &format!("127.0.0.1:{}", free_port())]);
        command.args(["--metrics-listen", &format!("127.0.0.1:{}", self.metrics)]);
        command.env("PRIVATE_KEY", DevKeys::prover_text().to_string()).env("NO_COLOR", "1");
        Running::start(&mut command, &self.data().join("node.log"))
    }

    fn load(&self, seed: u64) {
        let mut command = proofmill(self.data());
        // A proxy is nobody's way to this machine.
        command.env("HTTP_PROXY", "http://127.0.0.1:9").env("http_proxy", "http://127.0.0.1:9");
        process::load(&mut command, &self.chains.l2_rpc, seed);
    }

    fn role_status(&self) -> Command {
        let mut command = proofmill(self.data());
        command.args(["status", "--role", &format!("http://127.0.0.1:{}", self.metrics)]);
        command
    }

    /// Epochs that are settled, by the log.
    fn settled(&self) -> usize {
        process::settled(&self.log())
    }

    /// Loads until so many epochs more are settled; gives how long that took.
    fn settle(&self, epochs: usize) -> Duration {
        let (began, before) = (Instant::now(), self.settled());
        let (mut seed, mut last) = (0, (before, began));
        while self.settled() < before + epochs {
            seed += 1;
            self.load(before as u64 * 1_000 + seed);
            // The patience is with each of them.
            let settled = self.settled();
            if settled > last.0 {
                last = (settled, Instant::now());
            }
            assert!(last.1.elapsed() < PATIENCE, "{settled} epochs settled:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(200));
        }
        began.elapsed()
    }
}

/// Requests of the prover node for each second, which is the time of an L1 block here.
fn rate(pairs: [&Pair; 2], before: usize, took: Duration) -> f64 {
    (pairs[0].requests() + pairs[1].requests() - before) as f64 / took.as_secs_f64()
}

#[test]
fn ten_epochs_settle_through_endpoints_in_all_moods() {
    let seed = std::env::var("SOAK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let site = Site::new();
    let (l1, l2) = (&site.chains.l1_rpc, &site.chains.l2_rpc);

    let quiet = runtime.block_on(async { [Pair::well(l1).await, Pair::well(l2).await] });
    let rate_of_three = |[l1, l2]: [&Pair; 2]| {
        let before = l1.requests() + l2.requests();
        rate([l1, l2], before, site.settle(3))
    };
    let mut node = site.prover_node(&quiet[0].urls(), &quiet[1].urls());
    site.settle(1);
    let mut quiet_rate = rate_of_three([&quiet[0], &quiet[1]]);
    assert!(node.terminate(), "{}", site.log());

    let moody =
        runtime.block_on(async { [Pair::by_chance(l1, seed).await, Pair::by_chance(l2, seed + 100).await] });
    let mut node = site.prover_node(&moody[0].urls(), &moody[1].urls());
    let took = site.settle(10);
    let moody_rate = rate([&moody[0], &moody[1]], 0, took);
    // What lasted was said.
    let log = site.log();
    assert!(log.contains("an endpoint has a problem") || log.contains("holds settlement up"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    for pair in &moody {
        for moody in &pair.0 {
            moody.be(Mood::Well);
        }
    }
    let page = || told(&mut site.role_status());
    wait("the endpoints to be well", || !page().contains("problem:"));
    wait("that to be said", || site.log().contains("an endpoint problem is over"));
    // Who had less of the machine when all was quiet asked less: then it is measured again, as late as this. The machine has not stood
    // still each time.
    for _ in 0..5 {
        if moody_rate <= quiet_rate * 1.5 {
            break;
        }
        quiet_rate = quiet_rate.max(rate_of_three([&moody[0], &moody[1]]));
    }
    println!(
        "requests a second: {quiet_rate:.1} quiet, {moody_rate:.1} in all moods; ten epochs took {took:?}"
    );
    assert!(moody_rate <= quiet_rate * 1.5, "{moody_rate} against {quiet_rate}");
    assert!(page().contains("(followed)"), "{}", page());
    assert!(node.terminate(), "{}", site.log());
}

/// Both endpoints of L1 are away: that is said in the log, in the status and as a metric; then it goes on.
#[test]
fn what_holds_settlement_up_is_said() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let site = Site::new();
    let (l1, l2) = (&site.chains.l1_rpc, &site.chains.l2_rpc);
    let [one, two] = runtime.block_on(async { [Pair::well(l1).await, Pair::well(l2).await] });
    // It waits for its nodes at the start, and says so.
    one.0.iter().for_each(|moody| moody.be(Mood::Fails));
    let mut node = site.prover_node(&one.urls(), &two.urls());
    wait("the node to say that it waits", || site.log().contains("waiting for the chain's endpoints"));
    one.0.iter().for_each(|moody| moody.be(Mood::Well));
    site.settle(1);
    wait("the first trouble to be over", || !told(&mut site.role_status()).contains("problem:"));

    one.0.iter().for_each(|moody| moody.be(Mood::Cuts));
    wait("the status to say it", || told(&mut site.role_status()).contains("problem: L1"));
    wait("the log to say it", || site.log().contains("an endpoint problem holds settlement up"));
    let page = runtime.block_on(async {
        let url = format!("http://127.0.0.1:{}/metrics", site.metrics);
        proofmill_http::client().get(url).send().await.unwrap().text().await.unwrap()
    });
    assert!(
        page.contains("proofmill_trouble_seconds{chain=\"L1\",subject=\"L1\",holds_up=\"true\"}"),
        "{page}"
    );
    assert!(page.contains("state=\"away\""), "{page}");
    // What it did before.
    assert!(page.contains("proofmill_node_publishes_total{outcome=\"published\"}"), "{page}");
    assert!(page.contains("proofmill_node_ranges_total{prover=\"exec\",outcome=\"made\"}"), "{page}");
    let health = runtime.block_on(async {
        let url = format!("http://127.0.0.1:{}/healthz", site.metrics);
        proofmill_http::client().get(url).send().await.unwrap().status().as_u16()
    });
    assert_eq!(health, 503);
    assert!(told(&mut site.role_status()).contains("check that the nodes run"));

    one.0.iter().for_each(|moody| moody.be(Mood::Well));
    site.settle(1);
    wait("the trouble to be over", || !told(&mut site.role_status()).contains("problem:"));
    assert!(node.terminate(), "{}", site.log());
}

/// The proposer is gone, and what it proposed is not proven in time: the node gives it up on L1 by itself, and settles what a proposer
/// that is back makes of the same blocks.
#[test]
fn what_no_proposer_prunes_the_node_does() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let localnet = ["localnet", "--prover", "exec", "--slot-seconds", "2", "--epoch-slots", "2"];
    let (_localnet, chains) = process::chains(proofmill(data).args(localnet), &data.join("localnet.log"));
    // A rollup of its own, whose proposer can be ended.
    let flags = "--prover exec --epoch-slots 2 --window-epochs 4 --max-lag 3600";
    let rollup = deploy(data, &chains, flags);
    let (proposed, settled_by) = (data.join("proposer.log"), data.join("node.log"));
    let read = |log: &Path| fs::read_to_string(log).unwrap_or_default();
    let propose = || Running::start(&mut proposer(data, &chains, rollup), &proposed);
    let mut seed = 0;
    wait("transactions on L2", || {
        seed += 1;
        process::load(&mut proofmill(data), &chains.l2_rpc, seed).status.success()
    });

    // The node is there before the checkpoint, however long it takes to start: what it prunes before it has seen it is no epoch that it
    // has missed. Nobody is there to prove it.
    let (_cluster, cluster) = cluster(data, free_port());
    let mut command = proofmill(data);
    command.args(["prover-node", "--l1-rpc", chains.l1_rpc.as_str(), "--l2-rpc", chains.l2_rpc.as_str()]);
    command.args(["--rollup", &rollup.to_string(), "--cluster", &cluster]);
    command.args(["--listen", &format!("127.0.0.1:{}", free_port()), "--prune-after", "3"]);
    command.env("PRIVATE_KEY", DevKeys::prover_text().to_string()).env("NO_COLOR", "1");
    let mut node = Running::start(&mut command, &settled_by);
    wait("the node", || read(&settled_by).contains("the prover node is ready"));
    let mut proposing = propose();
    wait("a checkpoint", || read(&proposed).contains("proposed a checkpoint"));
    proposing.kill();
    wait("the node to prune", || read(&settled_by).contains("pruned what was not proven in time"));
    let log = read(&settled_by);
    assert!(
        log.contains("epoch missed") && log.contains("nobody gave up what was not proven in time"),
        "{log}"
    );
    assert_eq!(process::settled(&log), 0, "{log}");

    let _worker = worker(data, &cluster, "worker");
    let _proposer = propose();
    wait("an epoch to be settled", || process::settled(&read(&settled_by)) > 0);
    assert!(node.terminate(), "{}", read(&settled_by));
    let log = read(&settled_by);
    let line = log.lines().find(|line| line.contains("event=\"epoch_settled\"")).unwrap();
    assert!(["transaction=0x", "gas=", "fee_wei="].iter().all(|field| line.contains(field)), "{line}");
    for event in ["epoch_missed", "epoch_pruned"] {
        assert!(log.contains(&format!("event=\"{event}\"")), "{event}: {log}");
    }
}

/// Where machines start in any order, what makes the proofs may come last.
#[test]
fn a_prover_node_that_starts_before_its_cluster_settles_once_it_is_there() {
    let mut site = Site::new();
    let [_, coordinator, _] = &mut site.running;
    coordinator.kill();
    let mut node = site.prover_node(site.chains.l1_rpc.as_str(), site.chains.l2_rpc.as_str());
    wait("the node to miss its cluster", || site.log().contains("the cluster does not answer yet"));
    let port = site.cluster.rsplit_once(':').unwrap().1.parse().unwrap();
    let (_cluster, _) = cluster(site.data(), port);
    site.settle(1);
    assert!(node.terminate(), "{}", site.log());
}

/// Two workers of one name (E6b) put each other out no more: the second one is told, and waits until the first has gone.
#[test]
fn e6b_indigo_1950_two_workers_of_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (_cluster, address) = cluster(data, free_port());
    let says = |log: &Path, what: &str| fs::read_to_string(log).unwrap_or_default().contains(what);
    let logs = [data.join("same.log"), data.join("another.log")];
    let mut first = worker(data, &address, "same");
    wait("the first to be registered", || says(&logs[0], "registered"));
    let mut another = proofmill(data);
    another.args([
        "worker",
        "--coordinator",
        &address,
        "--prover",
        "exec",
        "--id",
        "same",
        "--max-weight",
        "6",
    ]);
    let mut second = Running::start(&mut another, &logs[1]);
    wait("the second to be told", || says(&logs[1], "waiting for the name to be free"));
    std::thread::sleep(Duration::from_secs(3));
    // Where the machine stood still for longer than a worker waits for a word, the first one left its stream by itself.
    let left = says(&logs[0], "it said nothing for");
    assert!(left || !says(&logs[1], "registered"), "it took the place of the first");
    assert!(says(&logs[1], "--id"));
    assert!(first.terminate());
    wait("the second to take over", || says(&logs[1], "registered"));
    assert!(second.terminate());
}
