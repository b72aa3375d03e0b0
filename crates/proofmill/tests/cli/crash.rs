//! What is asked for survives a killed cluster, and workers come back to it.

use crate::{
    blocks::chain,
    process::{Running, cluster, free_port, output, proofmill, succeed, wait, worker},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_cluster_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let node = chain(data).await;
    let port = free_port();
    let (mut first, address) = cluster(data, port);
    // No worker yet: the request waits, and says why.
    let args =
        ["prove", "--prover", "exec", "--l2-rpc", node.rpc_url().as_str(), "--start", "2", "--end", "3"];
    let client =
        Running::start(proofmill(data).args(args).args(["--cluster", &address]), &data.join("client.log"));
    let status =
        || String::from_utf8(output(proofmill(data).args(["status", "--cluster", &address])).stdout).unwrap();
    wait("the proof to wait for a worker", || status().contains("none of the 0 workers runs `exec`"));
    first.kill();
    // The worker is there before the coordinator is.
    let _worker = worker(data, &address, "one");
    let (_second, _) = cluster(data, port);
    wait("the proof to be completed after the restart", || status().contains("completed"));
    wait("the client to save it", || data.join("data/4242/proofs/2-3.bin").exists());
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_find_a_restarted_cluster_and_stop_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let node = chain(data).await;
    let port = free_port();
    let (mut first, address) = cluster(data, port);
    let mut one = worker(data, &address, "one");
    let status =
        || String::from_utf8(output(proofmill(data).args(["status", "--cluster", &address])).stdout).unwrap();
    wait("the worker to register", || status().contains("0 of 6 GB"));
    first.kill();
    let (mut second, _) = cluster(data, port);
    wait("the worker to come back", || status().contains("0 of 6 GB"));
    let args =
        ["prove", "--prover", "exec", "--l2-rpc", node.rpc_url().as_str(), "--start", "2", "--end", "3"];
    succeed(proofmill(data).args(args).args(["--cluster", &address]));
    assert!(one.terminate(), "the worker did not stop in order");
    assert!(second.terminate(), "the cluster did not stop in order");
}
