//! What cluster and worker count, as a real Prometheus reads it.

use crate::{
    blocks::chain,
    dev,
    process::{self, PATIENCE, Running, fail, free_port, load, proofmill, succeed, wait},
};
use proofmill_chain::{L1, PoolOptions, Rollup};
use proofmill_devnet::Description;
use proofmill_localstore::skipped;
use proofmill_primitives::CheckpointNumber;
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use url::Url;

/// Prometheus on a free port, which reads some pages each second.
struct Prometheus {
    url: String,
    _running: Running,
}

impl Prometheus {
    fn start(folder: &Path, pages: &[(&str, u16)]) -> Option<Self> {
        let runs =
            Command::new("prometheus").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if runs.is_err() {
            skipped("prometheus is not on this machine (Debian's package `prometheus`)");
            return None;
        }
        let config = folder.join("prometheus.yml");
        let job = |(name, port): &(&str, u16)| {
            format!("  - job_name: {name}\n    static_configs: [{{ targets: ['127.0.0.1:{port}'] }}]\n")
        };
        let jobs: String = pages.iter().map(job).collect();
        fs::write(&config, format!("global: {{ scrape_interval: 1s }}\nscrape_configs:\n{jobs}")).unwrap();
        let port = free_port();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let running = Running::start(&mut command, &folder.join("prometheus.log"));
        Some(Self { url: format!("http://127.0.0.1:{port}/api/v1/query"), _running: running })
    }

    /// The sum of what it has for a query; nothing where it has nothing.
    async fn ask(&self, query: &str) -> Option<f64> {
        let url = Url::parse_with_params(&self.url, [("query", query)]).unwrap();
        let request = proofmill_http::client_for(&url).get(url);
        let answer: Value = request.send().await.ok()?.json().await.ok()?;
        let values = answer["data"]["result"].as_array()?.iter();
        let values: Vec<f64> = values.filter_map(|one| one["value"][1].as_str()?.parse().ok()).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    async fn expect(&self, query: &str, holds: impl Fn(f64) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let has = self.ask(query).await;
            if has.is_some_and(&holds) {
                return;
            }
            assert!(Instant::now() < end, "Prometheus has {has:?} for {query}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_cluster_and_worker() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (listen, cluster_metrics, worker_metrics) = (free_port(), free_port(), free_port());
    let pages = [("cluster", cluster_metrics), ("worker", worker_metrics)];
    let Some(prometheus) = Prometheus::start(data, &pages) else { return };
    let node = chain(data).await;
    let address = format!("http://127.0.0.1:{listen}");
    let at = |port: u16| format!("127.0.0.1:{port}");
    let mut command = proofmill(data);
    command.args(["cluster", "--listen", &at(listen), "--metrics-listen", &at(cluster_metrics)]);
    let _cluster = Running::start(&mut command, &data.join("cluster.log"));
    let mut command = proofmill(data);
    command.args([
        "worker",
        "--coordinator",
        &address,
        "--id",
        "one",
        "--prover",
        "exec",
        "--max-weight",
        "6",
    ]);
    command.args(["--metrics-listen", &at(worker_metrics)]);
    let mut worker = Running::start(&mut command, &data.join("worker.log"));
    prometheus.expect("up", |up| up == 2.0).await;
    prometheus.expect("proofmill_cluster_workers{worker_type='all'}", |count| count == 1.0).await;
    prometheus.expect("proofmill_cluster_weight_gb{half='gpu',of='max'}", |gb| gb == 6.0).await;
    // Also while no task has ended.
    prometheus.expect("proofmill_worker_peak_memory_bytes", |bytes| bytes > 1e6).await;

    let args =
        ["prove", "--prover", "exec", "--l2-rpc", node.rpc_url().as_str(), "--start", "2", "--end", "3"];
    succeed(proofmill(data).args(args).args(["--cluster", &address]));
    prometheus
        .expect("proofmill_cluster_proofs_ended_total{state='completed',prover='exec'}", |count| count == 1.0)
        .await;
    prometheus.expect("proofmill_cluster_proof_seconds_count", |count| count == 1.0).await;
    prometheus
        .expect("proofmill_cluster_queue_wait_seconds_count{task_type='ProveShard'}", |count| count >= 1.0)
        .await;
    prometheus.expect("proofmill_cluster_commit_seconds_count", |count| count >= 1.0).await;
    prometheus.expect("cluster_worker_task_successes{task_type='ProveShard'}", |count| count >= 1.0).await;
    prometheus
        .expect("cluster_worker_task_processing_duration_ms_count{task_type='Controller'}", |count| {
            count == 1.0
        })
        .await;
    prometheus.expect("cluster_worker_tasks_in_progress", |count| count == 0.0).await;
    prometheus.expect("cluster_worker_tasks_processed{task_type='Controller'}", |count| count == 1.0).await;
    prometheus.expect("proofmill_cluster_active_proofs", |count| count == 0.0).await;
    prometheus
        .expect("proofmill_artifact_seconds_bucket{operation='get',le='+Inf'}", |count| count >= 1.0)
        .await;
    // `exec` counts no instructions.
    prometheus.expect("cluster_worker_num_cycles_executed", |count| count == 0.0).await;
    prometheus
        .expect("proofmill_artifact_bytes_total{operation='get',kind='program',job='worker'}", |bytes| {
            bytes > 0.0
        })
        .await;

    // A proof that fails.
    fs::write(data.join("bad.elf"), "not a program").unwrap();
    fs::write(data.join("stdin"), "").unwrap();
    let args = ["prove", "--prover", "exec", "--elf", "bad.elf", "--stdin", "stdin", "--cluster", &address];
    fail(proofmill(data).args(args));
    prometheus.expect("proofmill_cluster_proofs_failed_total{prover='exec'}", |count| count == 1.0).await;
    prometheus.expect("cluster_worker_task_failures{retryable='false'}", |count| count >= 1.0).await;

    // A worker that is lost, and what it did.
    worker.kill();
    prometheus.expect("proofmill_cluster_workers", |count| count == 0.0).await;
    prometheus.expect("coordinator_dead_workers_total{worker_type='all'}", |count| count == 1.0).await;

    // A proof that nobody can make now.
    let args =
        ["prove", "--prover", "exec", "--l2-rpc", node.rpc_url().as_str(), "--start", "2", "--end", "2"];
    let mut command = proofmill(data);
    let _waits = Running::start(command.args(args).args(["--cluster", &address]), &data.join("waits.log"));
    prometheus.expect("proofmill_cluster_active_proofs", |count| count == 1.0).await;
    prometheus.expect("proofmill_cluster_diagnosed_proofs", |count| count == 1.0).await;
    prometheus
        .expect("proofmill_cluster_tasks{task_type='Controller',state='pending'}", |count| count == 1.0)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_a_prover_node() {
    let folder = tempfile::tempdir().unwrap();
    let (data, port) = (folder.path(), free_port());
    let Some(prometheus) = Prometheus::start(data, &[("node", port)]) else { return };
    let log = data.join("dev.log");
    let mut command = dev::dev(data, 99);
    command.args(["--metrics-listen", &format!("127.0.0.1:{port}")]);
    let mut running = Running::start(&mut command, &log);
    wait("the rollup to be there", || dev::load(data, 0));
    wait("an epoch to be settled", || fs::read_to_string(&log).unwrap().contains("SETTLED"));
    prometheus.expect("proofmill_node_publishes_total{outcome='published'}", |count| count >= 1.0).await;
    prometheus.expect("proofmill_node_publish_gas_total", |gas| gas > 21_000.0).await;
    // Of each epoch, with its transaction.
    prometheus.expect("epoch_verification_gas{epoch!='',tx_hash=~'0x.+'}", |gas| gas > 21_000.0).await;
    prometheus.expect("epoch_verification_fee_eth{epoch!='',tx_hash=~'0x.+'}", |eth| eth > 0.0).await;
    for state in ["awaiting root", "publishing"] {
        let times = format!("proofmill_node_session_state_seconds_count{{state='{state}'}}");
        prometheus.expect(&times, |count| count >= 1.0).await;
    }
    let times = "proofmill_node_checkpoint_state_seconds_count{state='proving'}";
    prometheus.expect(times, |count| count >= 1.0).await;
    prometheus.expect("proofmill_node_blocks_proven_total{prover='exec'}", |blocks| blocks >= 1.0).await;
    for counted in [
        "proofmill_node_sessions_total{kind='full',state='completed'}",
        "proofmill_node_checkpoints_total{state='added'}",
        "proofmill_node_checkpoints_total{state='proven'}",
        "proofmill_node_ranges_total{prover='exec',outcome='made'}",
        "proofmill_node_epoch_proofs_total{prover='exec',outcome='made'}",
        "proofmill_node_range_proof_seconds_count",
        // Histograms, not summaries.
        "proofmill_node_epoch_proof_seconds_bucket{le='+Inf'}",
        "proofmill_node_transactions_proven_total",
        "proofmill_node_pending_checkpoint",
        "proofmill_node_proven_checkpoint",
        "proofmill_artifact_seconds_count{operation='put'}",
    ] {
        prometheus.expect(counted, |count| count >= 1.0).await;
    }
    prometheus.expect("proofmill_node_gas_proven_total", |gas| gas >= 21_000.0).await;
    prometheus.expect("proofmill_node_publish_fee_eth_total", |eth| eth > 0.0).await;
    prometheus.expect("proofmill_node_live_sessions", |sessions| sessions >= 0.0).await;
    prometheus.expect("proofmill_node_unsettled_epochs", |epochs| epochs >= 0.0).await;
    // Of no epoch where all are settled.
    prometheus.expect("proofmill_node_deadline_margin_seconds", |left| left.is_nan() || left > 0.0).await;
    // The publisher's.
    prometheus.expect("proofmill_account_balance_eth{account=~'0x.+'}", |eth| eth > 1.0).await;
    prometheus.expect("proofmill_endpoint_requests_total{chain='L1'}", |requests| requests >= 1.0).await;
    // `exec` counts none, which is no 0.
    assert_eq!(prometheus.ask("proofmill_node_instructions_total").await, None);
    prometheus.expect("sum(batch_size{batch_number!=''})", |blocks| blocks >= 1.0).await;
    assert!(running.terminate(), "{}", fs::read_to_string(&log).unwrap());
}

/// A batch of several blocks and how many they are (last - first + 1), as the contract has it.
async fn batch_of_several_blocks(data: &Path, there: &Description) -> (u64, u64) {
    let l1 = L1::connect(PoolOptions::new(there.l1_rpc.clone()), None).await.unwrap();
    let rollup = Rollup::connect(l1, there.rollup).await.unwrap();
    for seed in 100..130 {
        let newest = rollup.tips().await.unwrap().pending.0;
        for number in 1..=newest {
            let batch = rollup.checkpoint(CheckpointNumber(number)).await.unwrap();
            let ends = batch.map(|batch| (batch.blocks.first(), batch.blocks.last()));
            if let Some((first, last)) = ends.filter(|(first, last)| last > first) {
                return (number, last - first + 1);
            }
        }
        load(&mut proofmill(data), &there.l2_rpc, seed);
    }
    panic!("no batch has several blocks");
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_batches_and_a_prover() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let [l2, coordinator, prover, listen] = [free_port(), free_port(), free_port(), free_port()];
    let pages = [("l2", l2), ("coordinator", coordinator), ("prover", prover)];
    let Some(prometheus) = Prometheus::start(data, &pages) else { return };
    let at = |port: u16| format!("127.0.0.1:{port}");
    let mut command = proofmill(data);
    command.args(["localnet", "--prover", "exec", "--slot-seconds", "2", "--metrics-listen", &at(l2)]);
    let (_localnet, there) = process::chains(&mut command, &data.join("localnet.log"));
    prometheus.expect("proofmill_info{role='localnet'}", |one| one == 1.0).await;

    let mut command = proofmill(data);
    command.args(["proof-coordinator", "--prove-only"]);
    command.args(["--prover-id", "0x00000000000000000000000000000000000000aa"]);
    command.args(["--l1-rpc", there.l1_rpc.as_str(), "--l2-rpc", there.l2_rpc.as_str()]);
    command.args(["--rollup", &there.rollup.to_string(), "--pull-listen", &at(listen)]);
    command.args(["--metrics-listen", &at(coordinator)]);
    let _coordinator = Running::start(&mut command, &data.join("coordinator.log"));
    let mut command = proofmill(data);
    command.args(["prover", "--prover-type", "exec", "--coordinator", &format!("http://{}", at(listen))]);
    command.args(["--turns", "turns", "--metrics-listen", &at(prover)]);
    let _prover = Running::start(&mut command, &data.join("prover.log"));
    prometheus.expect("proofmill_prover_doing", |doing| doing == 1.0).await;

    let sent = load(&mut proofmill(data), &there.l2_rpc, 7);
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    for job in ["l2", "coordinator"] {
        let of = |name: &str| format!("sum({name}{{job='{job}',batch_number!=''}})");
        // Four transfers, and what funded their senders.
        prometheus.expect(&of("batch_tx_count"), |count| count >= 4.0).await;
        prometheus.expect(&of("batch_gas_used"), |gas| gas >= 4.0 * 21_000.0).await;
        prometheus.expect(&of("batch_size"), |blocks| blocks >= 1.0).await;
    }
    let (number, blocks) = batch_of_several_blocks(data, &there).await;
    for job in ["l2", "coordinator"] {
        let size = format!("batch_size{{job='{job}',batch_number='{number}'}}");
        prometheus.expect(&size, |size| size == blocks as f64).await;
    }
    prometheus
        .expect("proofmill_prover_proofs_total{prover='exec',outcome='accepted'}", |count| count >= 1.0)
        .await;
    prometheus.expect("proofmill_prover_proof_seconds_count{prover='exec'}", |count| count >= 1.0).await;
    prometheus.expect("proofmill_prover_doing", |doing| doing == 1.0).await;
}
