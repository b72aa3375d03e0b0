//! What cluster and worker count, as a real Prometheus reads it.

use crate::{
    blocks::chain,
    process::{Running, fail, free_port, load, proofmill, succeed, wait},
};
use proofmill_devnet::Description;
use proofmill_localstore::skipped;
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
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
        let mut last = None;
        for _ in 0..300 {
            last = self.ask(query).await;
            if last.is_some_and(&holds) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("Prometheus has {last:?} for {query}");
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
    // `exec` counts no instructions.
    prometheus.expect("cluster_worker_num_cycles_executed", |count| count == 0.0).await;
    prometheus
        .expect("proofmill_artifact_bytes_total{operation='get',kind='program',job='worker'}", |bytes| {
            bytes > 0.0
        })
        .await;
    prometheus.expect("proofmill_worker_peak_memory_bytes", |bytes| bytes > 1e6).await;

    // A proof that fails.
    fs::write(data.join("bad.elf"), "not a program").unwrap();
    fs::write(data.join("stdin"), "").unwrap();
    let args = ["prove", "--prover", "exec", "--elf", "bad.elf", "--stdin", "stdin", "--cluster", &address];
    fail(proofmill(data).args(args));
    prometheus.expect("proofmill_cluster_proofs_failed_total{prover='exec'}", |count| count == 1.0).await;

    // A worker that is lost, and what it did.
    worker.kill();
    prometheus.expect("proofmill_cluster_workers", |count| count == 0.0).await;
    prometheus.expect("coordinator_dead_workers_total{worker_type='all'}", |count| count == 1.0).await;
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
    let _localnet = Running::start(&mut command, &data.join("localnet.log"));
    let file = data.join("data/localnet.json");
    wait("the chains", || matches!(Description::read(&file), Ok(Some(_))));
    let there = Description::read(&file).unwrap().unwrap();
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
    prometheus
        .expect("proofmill_prover_proofs_total{prover='exec',outcome='accepted'}", |count| count >= 1.0)
        .await;
    prometheus.expect("proofmill_prover_proof_seconds_count{prover='exec'}", |count| count >= 1.0).await;
    prometheus.expect("proofmill_prover_doing", |doing| doing == 1.0).await;
}
