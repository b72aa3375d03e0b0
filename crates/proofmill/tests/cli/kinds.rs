//! Every sort of transaction on the L2 of `dev`: nothing that Ethereum accepts stops the settlement.

use crate::process::{Running, output, proofmill, wait};
use proofmill_devnet::{Description, DevKeys};
use std::{fs, time::Duration};

#[test]
fn epochs_full_of_every_sort_of_transaction_are_settled() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (log, report) = (data.join("dev.log"), data.join("report.json"));
    let mut command = proofmill(data);
    command.args(["dev", "--prover", "exec", "--workers", "2,2", "--until-settled", "2"]);
    command.args(["--slot-seconds", "3", "--epoch-slots", "4", "--report", "report.json"]);
    let _running = Running::start(&mut command, &log);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    wait("the chains to be there", || data.join("data/localnet.json").exists());
    let chains = Description::read(&data.join("data/localnet.json")).unwrap().unwrap();
    let load = || {
        let mut command = proofmill(data);
        command.args(["load", "--rpc-url", chains.l2_rpc.as_str(), "--kind", "mixed"]);
        command.args(["--accounts", "5", "--transactions", "8"]);
        command.env("LOAD_TEST_PRIVATE_KEY", DevKeys::funder_text().to_string());
        output(&mut command)
    };
    let mut loads = 0;
    while !report.exists() {
        assert!(loads < 60, "the epochs do not settle:\n{}", said());
        let sent = load();
        if !sent.status.success() {
            // The chains go when all is settled.
            wait("the report", || report.exists());
            break;
        }
        loads += 1;
        std::thread::sleep(Duration::from_millis(500));
    }
    let said = said();
    assert_eq!(said.matches("SETTLED by L1 transaction").count(), 2, "{said}");
    for wrong in ["cannot be proven", "panicked", "could not be sealed", "void"] {
        assert!(!said.contains(wrong), "{wrong}:\n{said}");
    }
    let report: serde_json::Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let checkpoints = report["checkpoints"].as_array().unwrap();
    let transactions = checkpoints.iter().map(|one| one["transactions"].as_u64().unwrap());
    assert!(transactions.sum::<u64>() > 60 && loads > 1, "{report:#}");
    // The file from which another node comes to the same chain.
    let genesis = fs::read_to_string(data.join("data/l2-genesis.json")).unwrap();
    assert!(genesis.contains("\"chainId\": 900901"), "{genesis}");
}
