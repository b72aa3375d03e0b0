//! From a chain to a file, and what is refused of files.

use crate::process::{cluster, fail, free_port, output, proofmill, succeed, wait, worker};
use alloy_primitives::U64;
use proofmill_localnet::{Anvil, AnvilOptions, Hardfork};
use proofmill_op_fixtures::{BLOCKS, CHAIN_ID, Fixture, LOCAL_CHAIN_ID, Local, serve};
use serde_json::Value;
use std::path::Path;

/// A chain with six blocks at least, of ether transfers.
pub(crate) async fn chain(data: &Path) -> Anvil {
    let node = AnvilOptions::new().chain_id(4242).hardfork(Hardfork::Prague).spawn().await.unwrap();
    let key = node.accounts()[0].private_key.to_string();
    let mut load = proofmill(data);
    load.env("LOAD_TEST_PRIVATE_KEY", key).args(["load", "--rpc-url", node.rpc_url().as_str()]);
    let said = succeed(load.args(["--accounts", "2", "--transactions", "3", "--chain-id", "4242"]));
    assert!(said.contains("6 sent, 6 included, 0 reverted"), "{said}");
    // Two that come at the same time are in one block.
    let rpc = proofmill_http::rpc_client(node.rpc_url().clone());
    while rpc.request_noparams::<U64>("eth_blockNumber").await.unwrap() < U64::from(6) {
        let _: Value = rpc.request_noparams("evm_mine").await.unwrap();
    }
    node
}

/// Proves without a cluster; gives the file.
fn prove(data: &Path, node: &Anvil, start: u64, end: u64) -> std::path::PathBuf {
    let (first, last) = (start.to_string(), end.to_string());
    let args =
        ["prove", "--prover", "exec", "--l2-rpc", node.rpc_url().as_str(), "--start", &first, "--end", &last];
    let said = succeed(proofmill(data).args(args));
    assert!(said.contains("PROVES NOTHING"), "{said}");
    data.join(format!("data/4242/proofs/{start}-{end}.bin"))
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_become_a_file_that_verify_reads() {
    let folder = tempfile::tempdir().unwrap();
    let node = chain(folder.path()).await;
    let file = prove(folder.path(), &node, 2, 4);
    let file = file.to_str().unwrap();

    let refused = fail(proofmill(folder.path()).args(["verify", file]));
    assert!(refused.contains("proves nothing"), "{refused}");
    // Whoever was to read it is gone before anything is said.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let unread = output(proofmill(folder.path()).args(["verify", "--allow-exec", file]).stdout(writer));
    assert_eq!((unread.status.code(), String::from_utf8(unread.stderr).unwrap()), (Some(141), String::new()));
    let said = succeed(proofmill(folder.path()).args(["verify", "--allow-exec", "--chain-id", "4242", file]));
    assert!(said.contains("NOT PROVEN") && said.contains("blocks         2 to 4"), "{said}");

    let other_chain =
        fail(proofmill(folder.path()).args(["verify", "--allow-exec", "--chain-id", "1", file]));
    assert!(other_chain.contains("about chain 4242, not 1"), "{other_chain}");
    let rollup = "0x00000000000000000000000000000000000000aa";
    let other_rollup =
        fail(proofmill(folder.path()).args(["verify", "--allow-exec", "--rollup", rollup, file]));
    assert!(other_rollup.contains("bound to the rollup"), "{other_rollup}");

    let hash = "0x00000000000000000000000000000000000000000000000000000000000000aa";
    let other_rules =
        fail(proofmill(folder.path()).args(["verify", "--allow-exec", "--config-hash", hash, file]));
    assert!(other_rules.contains("under the chain rules"), "{other_rules}");

    // Longer by a byte, shorter by one, one flipped in the statement, one in the proof.
    let good = std::fs::read(file).unwrap();
    for (name, bad) in [
        ("padded", [good.clone(), vec![0]].concat()),
        ("cut", good[..good.len() - 1].to_vec()),
        ("statement", flipped(&good, 60)),
        ("proof", flipped(&good, good.len() - 3)),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bad).unwrap();
        let refused = fail(proofmill(folder.path()).args(["verify", "--allow-exec", path.to_str().unwrap()]));
        assert!(refused.contains("error:"), "{name}: {refused}");
    }
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_with_two_workers_proves_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let node = chain(data).await;
    let (_cluster, address) = cluster(data, free_port());
    let _workers = [worker(data, &address, "one"), worker(data, &address, "two")];
    let args =
        ["prove", "--prover", "exec", "--l2-rpc", node.rpc_url().as_str(), "--start", "2", "--end", "6"];
    let first = succeed(proofmill(data).args(args).args(["--cluster", &address]));
    assert!(first.contains("blocks        5 (2 to 6)") || first.contains("5 (2 to 6)"), "{first}");
    // A cluster whose disk stands still answers later than who asks waits.
    let status = || {
        let mut said = String::new();
        wait("the cluster to answer", || {
            let asked = output(proofmill(data).args(["status", "--cluster", &address]));
            said = String::from_utf8(asked.stdout).unwrap();
            asked.status.success()
        });
        said
    };
    let said = status();
    assert!(said.contains("completed") && said.contains("proves nothing"), "{said}");
    // The same again is answered with the proof that is there: no second proof appears.
    succeed(proofmill(data).args(args).args(["--cluster", &address]));
    let said = status();
    assert_eq!(said.matches("completed").count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn execute_only_reports_and_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let node = chain(folder.path()).await;
    let args =
        ["prove", "--prover", "exec", "--l2-rpc", node.rpc_url().as_str(), "--start", "2", "--end", "3"];
    let said = succeed(proofmill(folder.path()).args(args).arg("--execute-only"));
    assert!(said.contains("accepts blocks 2 to 3"), "{said}");
    assert!(!folder.path().join("data/4242").exists());
}

/// A setting that does nothing says so.
#[tokio::test(flavor = "multi_thread")]
async fn l1_is_not_asked_about_a_chain_of_ethereums_rules() {
    let folder = tempfile::tempdir().unwrap();
    let node = chain(folder.path()).await;
    let mut prove = proofmill(folder.path());
    let url = node.rpc_url().as_str();
    prove.args(["prove", "--prover", "exec", "--l2-rpc", url, "--l1-rpc", url, "--start", "2", "--end", "2"]);
    let output = prove.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("not used for this one"), "{said}");
}

/// Real blocks of OP Sepolia, from a node that serves them to a file that says what it does not say.
#[tokio::test(flavor = "multi_thread")]
async fn blocks_of_the_op_stack_become_a_file_that_says_that_nothing_was_derived() {
    let Some(fixtures) = BLOCKS.iter().map(|number| Fixture::read(*number)).collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let (folder, node) = (tempfile::tempdir().unwrap(), serve(&fixtures, |_| None).await);
    let (first, last) = (BLOCKS[0].to_string(), BLOCKS[3].to_string());
    let range = ["--l2-rpc", node.url.as_str(), "--start", &first, "--end", &last];
    let said = succeed(proofmill(folder.path()).args(["prove", "--prover", "exec"]).args(range));
    assert!(said.contains("PROVES NOTHING"), "{said}");
    let file = folder.path().join(format!("data/{CHAIN_ID}/proofs/{first}-{last}.bin"));
    let said = succeed(proofmill(folder.path()).args(["verify", "--allow-exec"]).arg(file));
    assert!(
        said.contains("NOT DERIVED") && said.contains(&format!("blocks         {first} to {last}")),
        "{said}"
    );
    // No contract of ours takes it: who makes blocks could mint by a made-up deposit.
    let said = fail(proofmill(folder.path()).args([
        "prove",
        "--prover",
        "exec",
        "--l2-rpc",
        node.url.as_str(),
        "--chain-id",
        "10",
        "--start",
        &first,
    ]));
    assert!(said.contains("11155420"), "{said}");
}

/// A block of a small chain, with a deposit, from L1 to a proof of its output root.
#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_the_op_stack_is_derived_from_l1() {
    let (folder, local) = (tempfile::tempdir().unwrap(), Local::new());
    let (l1, l2) = (local.serve_l1().await, local.serve_l2().await);
    let prove = |more: &[&str]| {
        let mut prove = proofmill(folder.path());
        prove.args([
            "prove",
            "--prover",
            "exec",
            "--l2-rpc",
            l2.url.as_str(),
            "--start",
            "1001",
            "--end",
            "1001",
        ]);
        prove.args(more);
        prove
    };
    let derived = ["--l1-rpc", l1.url.as_str(), "--l2-node-rpc", l2.url.as_str()];
    let said = succeed(&mut prove(&derived));
    assert!(said.contains("PROVES NOTHING"), "{said}");
    let file = folder.path().join(format!("data/{LOCAL_CHAIN_ID}/proofs/1001-1001.bin"));
    let verify = |more: &[&str]| {
        let mut verify = proofmill(folder.path());
        verify.args(["verify", "--allow-exec"]).arg(&file).args(more);
        verify
    };
    let said = succeed(&mut verify(&[]));
    assert!(said.contains("output root") && said.contains("last block     1001"), "{said}");
    assert!(!said.contains("NOT DERIVED"), "{said}");
    let said = fail(&mut verify(&["--chain-id", "901"]));
    assert!(said.contains("--config-hash"), "{said}");
    // On to what OP Succinct's contracts take.
    let aggregate = |more: &[&str]| {
        let mut aggregate = proofmill(folder.path());
        aggregate.args(["aggregate", "--l1-rpc", l1.url.as_str(), "--prover-id", &format!("0x{:040x}", 7)]);
        aggregate.arg(&file).args(more);
        aggregate
    };
    let said = succeed(&mut aggregate(&[]));
    assert!(said.contains("of block 1001"), "{said}");
    let joined = folder.path().join("data/op-proofs/1001.bin");
    let said = succeed(proofmill(folder.path()).args(["verify", "--allow-exec"]).arg(joined));
    assert!(said.contains("range proofs   of the program") && said.contains("000007"), "{said}");
    let said = fail(&mut aggregate(&["--l1-head", "101"]));
    assert!(said.contains("L1 block 103, after --l1-head 101"), "{said}");
    let said = fail(
        proofmill(folder.path())
            .args(["aggregate", "--l1-rpc", l2.url.as_str(), "--prover-id"])
            .args([&format!("0x{:040x}", 7), file.to_str().unwrap()]),
    );
    assert!(said.contains("has no block"), "{said}");
    // A changed byte of the statement is no statement of this proof.
    let mut changed = std::fs::read(&file).unwrap();
    changed[60] ^= 1;
    std::fs::write(&file, changed).unwrap();
    fail(&mut verify(&[]));
    // What cannot be read as a proof may be a real one that was damaged: no other takes its place.
    let said = succeed(&mut prove(&["--l1-rpc", l1.url.as_str(), "--l2-node-rpc", l2.url.as_str()]));
    assert!(said.contains("1001-1001-exec.bin"), "{said}");
    std::fs::remove_file(&file).unwrap();

    // By its file in place of its node; and without L1 the proof says what it does not say.
    let config = folder.path().join("rollup.json");
    std::fs::write(&config, local.rollup_json().to_string()).unwrap();
    succeed(&mut prove(&["--l1-rpc", l1.url.as_str(), "--genesis", config.to_str().unwrap()]));
    assert!(succeed(&mut verify(&[])).contains("output root"));
    succeed(&mut prove(&[]));
    assert!(succeed(&mut verify(&[])).contains("NOT DERIVED"));

    // Bad input is named.
    let said = fail(&mut prove(&["--l1-rpc", l1.url.as_str()]));
    assert!(said.contains("--l2-node-rpc"), "{said}");
    let said = fail(&mut prove(&["--l1-rpc", l2.url.as_str(), "--l2-node-rpc", l2.url.as_str()]));
    assert!(said.contains("chain 901") && said.contains("chain 11155111"), "{said}");
    let mut early = local.clone();
    early.l1.pop();
    let short = early.serve_l1().await;
    let said = fail(&mut prove(&["--l1-rpc", short.url.as_str(), "--l2-node-rpc", l2.url.as_str()]));
    assert!(said.contains("0 of the 1 blocks"), "{said}");
}
