//! A prover node that makes its proofs in its own process: no cluster, and no provers that pull.

use crate::process::{self, PATIENCE, Running, free_port, proofmill, succeed};
use proofmill_devnet::DevKeys;
use std::{fs, path::Path, time::Instant};

/// A role with a folder of its own.
fn role(folder: &Path, name: &str) -> std::process::Command {
    let own = folder.join(name);
    fs::create_dir_all(&own).unwrap();
    let mut command = proofmill(&own);
    command.env("NO_COLOR", "1");
    command
}

#[test]
fn epochs_settle_by_a_prover_node_alone_also_after_it_was_killed() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let mut localnet = role(folder, "chains");
    localnet.args(["localnet", "--prover", "exec", "--slot-seconds", "2", "--epoch-slots", "2"]);
    let (_localnet, chains) = process::chains(&mut localnet, &folder.join("chains.log"));
    let log = folder.join("node.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let node = |listen: &str| {
        let mut command = role(folder, "node");
        command.args(["prover-node", "--service", "local", "--max-weight", "4"]);
        command.args(["--l1-rpc", chains.l1_rpc.as_str(), "--l2-rpc", chains.l2_rpc.as_str()]);
        command.args(["--rollup", &chains.rollup.to_string()]);
        command.args(["--listen", listen]);
        command.env("PRIVATE_KEY", DevKeys::prover_text().to_string());
        // Nobody makes a proof there.
        command.env("CLI_CLUSTER_RPC", "http://127.0.0.1:1");
        command
    };
    let mut seed = 0;
    let mut load_until = |settled: usize| {
        let end = Instant::now() + PATIENCE;
        while process::settled(&said()) < settled {
            seed += 1;
            process::load(&mut role(folder, "load"), &chains.l2_rpc, seed);
            assert!(Instant::now() < end, "waited in vain for {settled} epochs:\n{}", said());
        }
    };
    let listen = format!("127.0.0.1:{}", free_port());
    let mut running = Running::start(&mut node(&listen), &log);
    load_until(2);
    // No cluster is named, and the node has none.
    let shown = succeed(role(folder, "status").args(["status", "--node", &format!("http://{listen}")]));
    assert!(shown.contains("prover node at http://"), "{shown}");
    assert!(folder.join("node/data/local/ledger.sqlite").is_file(), "the proofs were made elsewhere");
    running.kill();
    let before = process::settled(&said());
    let mut running = Running::start(&mut node(&format!("127.0.0.1:{}", free_port())), &log);
    load_until(before + 2);
    assert!(running.terminate(), "{}", said());
}
