//! `proofmill range`: a range by itself, gathered, derived from L1, run, and proven where that is asked for.

use super::{Chain, challenger::finalized};
use crate::process::{Running, fail, output, proofmill, wait};
use alloy_primitives::B256;
use proofmill_backends::Proof;
use proofmill_client::OpRangeProof;
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};
use proofmill_program::{PublicValues, op::OpRangePublicValues};
use proofmill_proxy::{Action, Proxy};
use serde_json::json;
use std::{fs, path::Path, process::Command};

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

/// In the folder of a proposer: a proof of other blocks than its name says, and one that took hours, which one of `exec` stands beside.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_other_blocks_are_made_again_and_real_proofs_stay() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &["--op-interval", "6"]);
    let before = chain.newest().await.block;
    finalized(&chain, before + 7).await;
    let proofs = data.join("data/901/proofs");
    let foreign = proofs.join(format!("{}-{}.bin", before + 4, before + 6));
    let [start, end] = [before + 5, before + 6].map(|block| block.to_string());
    let mut other = range(&chain, data);
    other.args(["--start", &start, "--end", &end, "--prove", "--output"]).arg(&foreign);
    let done = output(&mut other);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let log = data.join("proposer.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let mut running = Running::start(chain.proposer(data).args(["--until-proposed", "1"]), &log);
    wait("an output", || said().contains("the proposer stopped"));
    assert!(running.terminate() && said().contains("other blocks than its name says"), "{}", said());
    let newest = chain.newest().await;
    assert!(newest.block >= before + 6, "{}", said());
    assert_eq!(newest.root, chain.output(newest.block).await, "{}", said());

    let elsewhere = data.join("elsewhere");
    let real = elsewhere.join(format!("data/901/proofs/{}-{}.bin", newest.block + 1, newest.block + 3));
    fs::create_dir_all(real.parent().unwrap()).unwrap();
    fs::copy(data.join("data/VERSION"), elsewhere.join("data/VERSION")).unwrap();
    let statement = OpRangePublicValues { l2BlockNumber: newest.block + 3, ..Default::default() };
    let proof = Proof {
        prover: ProverType::OpenVm,
        mode: ProofMode::Compressed,
        program: ProgramVersion(B256::ZERO),
        public_values: statement.commitment().to_vec(),
        body: vec![7],
    };
    let bytes = OpRangeProof { statement, proof }.encode();
    fs::write(&real, &bytes).unwrap();
    let log = elsewhere.join("proposer.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let running = Running::start(&mut chain.proposer(&elsewhere), &log);
    let beside = real.with_file_name(format!("{}-{}-exec.bin", newest.block + 1, newest.block + 3));
    wait("one beside it", || beside.exists());
    drop(running);
    assert!(fs::read(&real).unwrap() == bytes, "{}", said());
}

/// A private L1, which tells nobody what it is.
#[tokio::test(flavor = "multi_thread")]
async fn an_l1_that_nobody_knows_has_its_rules_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &["--op-interval", "6"]);
    finalized(&chain, 4).await;
    let l1 = Proxy::new(&chain.said("l1_rpc").parse().unwrap(), |request| match request.method {
        "anvil_nodeInfo" | "eth_config" => Action::refuse(-32601, "the method does not exist"),
        _ => Action::Forward,
    })
    .await;
    let ranged = || {
        let mut command = range(&chain, data);
        command.env("L1_RPC", l1.url.as_str()).args(["--start", "3", "--end", "4", "--prove"]);
        command
    };
    let said = fail(&mut ranged());
    assert!(said.contains("--l1-genesis") && said.contains("31337"), "{said}");
    let genesis = data.join("l1.json");
    let config =
        json!({ "chainId": 31337, "londonBlock": 0, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0 });
    let file = json!({
        "config": config, "alloc": {}, "difficulty": "0x0", "gasLimit": "0x1c9c380", "extraData": "0x", "nonce": "0x0",
        "timestamp": "0x0",
    });
    fs::write(&genesis, file.to_string()).unwrap();
    let done = output(ranged().env("PROOFMILL_L1_GENESIS", &genesis));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // Of its headers alone nothing has to be known.
    let mut joined = proofmill(data);
    joined.arg("aggregate").arg(data.join("data/901/proofs/3-4.bin")).env("L1_RPC", l1.url.as_str());
    let done = output(joined.args(["--prover-id", "0x00000000000000000000000000000000000000aa"]));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
