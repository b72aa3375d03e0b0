//! `proofmill range`: a range by itself, gathered, derived from L1, run, and proven where that is asked for.

use super::{Chain, challenger::finalized};
use crate::process::{fail, output, proofmill};
use std::{path::Path, process::Command};

fn range(chain: &Chain, data: &Path) -> Command {
    let mut command = proofmill(data);
    command.args(["range", "--prover", "exec"]);
    for (variable, field) in [
        ("L1_RPC", "l1_rpc"),
        ("L1_BEACON_RPC", "l1_beacon_rpc"),
        ("L2_RPC", "l2_rpc"),
        ("L2_NODE_RPC", "l2_node_rpc"),
    ] {
        command.env(variable, chain.said(field));
    }
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_run_and_where_that_is_asked_for_proven() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &["--op-interval", "6", "--op-batches", "span"]);
    finalized(&chain, 8).await;
    let proofs = data.join("data/901/proofs");

    // The latest five, and nothing is proven.
    let done = output(&mut range(&chain, data));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    let blocks = said.split("proving blocks ").nth(1).and_then(|rest| rest.split(':').next()).unwrap();
    let ends: Vec<u64> = blocks.split('-').map(|end| end.parse().unwrap()).collect();
    assert!(matches!(ends[..], [first, last] if last == first + 4 && last >= 8), "{blocks}");
    assert!(!proofs.join(format!("{blocks}.bin")).exists());

    // Named by its ends; its file verifies.
    let done = output(range(&chain, data).args(["--start", "3", "--end", "6", "--prove"]));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let file = proofs.join("3-6.bin");
    let verified = output(proofmill(data).args(["verify", "--allow-exec"]).arg(&file));
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));

    // The first block after genesis has no parent that says where L1 was.
    let said = fail(range(&chain, data).args(["--start", "1", "--end", "2"]));
    assert!(said.contains("block 0 does not begin with L1's attributes"), "{said}");
}
