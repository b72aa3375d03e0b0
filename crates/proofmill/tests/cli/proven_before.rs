//! A proof coordinator that is started again, when L2's nodes cannot give the witnesses of old blocks any more.

use crate::site::{Site, number};
use proofmill_proxy::{Action, Proxy};
use std::{collections::BTreeSet, path::Path};

/// The batches that these lines of a log name.
fn batches(lines: &[String]) -> BTreeSet<u64> {
    lines.iter().map(|line| number(line, "batch")).collect()
}

#[test]
fn what_was_proven_before_a_restart_is_found_without_a_witness() {
    let mut site = Site::new(Path::new(env!("CARGO_BIN_EXE_proofmill")), &["--prover", "exec"]);
    // Nothing is settled, so that everything is followed again.
    let words = ["--disable-publish", "--prover-id", "0x00000000000000000000000000000000000000aa"];
    let mut coordinator = site.coordinator(&words, &[]);
    let mut exec = site.prover("exec");
    let proven = |site: &Site| batches(&site.lines("coordinator", "a batch is proven"));
    // The first ones: where an input did not come in time, its batch was set aside for later ones.
    site.load_until("five batches to be proven", |site| {
        let proven = proven(site);
        (1..=5).all(|batch| proven.contains(&batch))
    });
    assert!(exec.terminate(), "{}", site.said("prover-exec"));
    coordinator.kill();
    let proven = proven(&site);
    // What the first one said counts for nothing.
    let before = site.said("coordinator").lines().count();
    let since = |site: &Site, what: &str| -> Vec<String> {
        let said = site.said("coordinator");
        said.lines().skip(before).filter(|line| line.contains(what)).map(str::to_owned).collect()
    };
    let proxy = site.runtime.block_on(Proxy::new(&site.chains.l2_rpc, |request| {
        let of_a_witness =
            request.method == "eth_getProof" || request.method.starts_with("debug_executionWitness");
        if of_a_witness { Action::refuse(-32_000, "this state is pruned") } else { Action::Forward }
    }));
    site.chains.l2_rpc = proxy.url.clone();
    let mut coordinator = site.coordinator(&words, &[]);
    site.wait_for("the proofs from before", |site| {
        batches(&since(site, "a proof from before is found")).is_superset(&proven)
    });
    site.wait_for("them to be priced", |site| {
        since(site, "batches would be settled").iter().any(|line| number(line, "last") >= 5)
    });
    assert!(coordinator.terminate(), "{}", site.said("coordinator"));
}
