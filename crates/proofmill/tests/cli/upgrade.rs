//! Worker processes of two builds.

use crate::{
    blocks::chain,
    process::{Running, cluster, free_port, output, proofmill, wait},
};
use std::path::Path;

fn worker(data: &Path, address: &str, id: &str, kind: &str, build: &str) -> Running {
    let args = ["worker", "--coordinator", address, "--prover", "exec", "--id", id, "--kind", kind];
    let rest = ["--max-weight", "6", "--build", build];
    Running::start(proofmill(data).args(args).args(rest), &data.join(format!("{id}.log")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_upgraded_fleet_waits_and_says_for_what_and_the_upgrade_finishes_its_proofs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let node = chain(data).await;
    let (_cluster, address) = cluster(data, free_port());
    let status =
        || String::from_utf8(output(proofmill(data).args(["status", "--cluster", &address])).stdout).unwrap();
    let mut old = worker(data, &address, "old", "cpu", "0.0.1");
    let _new = worker(data, &address, "new", "gpu", "0.0.2");
    let args =
        ["prove", "--prover", "exec", "--l2-rpc", node.rpc_url().as_str(), "--start", "2", "--end", "3"];
    let client =
        Running::start(proofmill(data).args(args).args(["--cluster", &address]), &data.join("client.log"));
    wait("the proof to wait", || status().contains("speaks proofmill-"));
    assert!(!status().contains("failed"), "{}", status());
    // The last old one goes, as in a rolling upgrade.
    let _next = worker(data, &address, "next", "cpu", "0.0.2");
    assert!(old.terminate(), "the worker did not stop in order");
    wait("the proof to be completed by the new ones", || status().contains("completed"));
    wait("the client to save it", || data.join("data/4242/proofs/2-3.bin").exists());
    drop(client);
}
