//! Records of failures: what a window closed on is proven again from its record, when all nodes are gone.

use crate::{
    dev::{dev, load, processes, signal_workers},
    process::{Running, output, proofmill, succeed, wait},
};
use std::{fs, path::Path};

fn failures(data: &Path, args: &[&str]) -> String {
    succeed(proofmill(data).arg("failures").args(args))
}

/// The file that a line of output says was saved, with this in its name.
fn saved(said: &str, name: &str) -> String {
    let mut lines = said.lines().filter_map(|line| line.strip_prefix("saved "));
    lines.rfind(|path| path.contains(name)).unwrap_or_else(|| panic!("no {name}: {said}")).to_owned()
}

/// Whether a record has a range that is not proven, and what proving anew takes of each checkpoint. A node that was slow had not come to
/// all of them when the window closed.
fn is_unproven_and_whole(shown: &str) -> bool {
    let count = |what: &str| shown.lines().filter(|line| line.starts_with(what)).count();
    shown.contains("its window closed without a proof")
        && shown.contains(".input (")
        && count("missing ") == 0
        && count("file ") >= count("checkpoint ")
}

#[test]
fn c3_an_epoch_whose_window_closed_is_proven_again_from_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let log = data.join("dev.log");
    let mut running = Running::start(dev(data, 99).env("PROOFMILL_WINDOW_EPOCHS", "1"), &log);
    assert!(failures(data, &["list"]).contains("no failures"));
    wait("the rollup to be there", || load(data, 0) && processes(data, "worker").len() == 2);
    // From now on nothing can be proven.
    signal_workers(data, "-STOP");
    assert!(load(data, 1));
    // An epoch whose checkpoints were proven before that has a record of proofs alone: wanted is one of what is not proven.
    let mut record = String::new();
    wait("a window to close on what is not proven", || {
        let listed = failures(data, &["list"]);
        let mut records = listed.split_whitespace().filter(|word| word.starts_with("epoch-"));
        let found = records.find(|&record| is_unproven_and_whole(&failures(data, &["show", record])));
        record = found.unwrap_or_default().to_owned();
        !record.is_empty()
    });
    let record = record.as_str();
    signal_workers(data, "-CONT");
    assert!(running.terminate(), "{}", fs::read_to_string(&log).unwrap());

    let shown = failures(data, &["show", record]);
    for what in ["cause ", "its window closed", "checkpoint ", ".input (", "release "] {
        assert!(shown.contains(what), "no {what:?} in {shown}");
    }
    let copy = data.join("copy");
    failures(data, &["download", record, "--to", copy.to_str().unwrap()]);
    assert!(copy.join("record.json").exists() && fs::read_dir(&copy).unwrap().count() > 1);

    // No node runs any more.
    let said = failures(data, &["rerun", record, "--epoch", "--execute-only"]);
    assert!(said.contains("they give what the checkpoint says"), "{said}");
    let said = failures(data, &["rerun", record, "--epoch"]);
    assert!(said.contains("carried to compressed (as L1 wanted it)"), "{said}");
    let epoch = saved(&said, "/epoch-");
    let verified = succeed(proofmill(data).args(["verify", "--allow-exec", &epoch]));
    assert!(verified.contains("exec"), "{verified}");
    let said = failures(data, &["rerun", record, "--epoch", "--output", copy.to_str().unwrap()]);
    assert!(
        fs::read(&epoch).unwrap() == fs::read(saved(&said, "/epoch-")).unwrap(),
        "the proof is found again"
    );

    for (args, cause) in [
        (&["show", "epoch-no-such"][..], "no record in"),
        (&["show", "../../etc"][..], "no record in"),
        (&["rerun", record, "--checkpoint", "9999"][..], "has no checkpoint 9999"),
        (&["rerun", record, "--epoch", "--prover", "sp1"][..], "of no sp1 proofs"),
        (&["list", "--failures", "ftp://there"][..], "only s3:// is known"),
        (&["list", "--failures", "s3://"][..], "no bucket is named"),
    ] {
        let refused = output(proofmill(data).arg("failures").args(args));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(cause), "{args:?}: {said}");
    }
    // Another aggregation program gives another proof than the one that was missed.
    let file = data.join("data/failures").join(record).join("record.json");
    let written = fs::read_to_string(&file).unwrap();
    let mut changed: serde_json::Value = serde_json::from_str(&written).unwrap();
    changed["programs"]["exec"]["aggregation"] = format!("0x{}", "11".repeat(32)).into();
    fs::write(&file, changed.to_string()).unwrap();
    let refused = output(proofmill(data).args(["failures", "rerun", record, "--epoch"]));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("exec aggregation program"), "{said}");
    // An epoch whose SNARK L1 wants: none is made here, and the proof before it where that is asked for.
    let mut changed: serde_json::Value = serde_json::from_str(&written).unwrap();
    changed["epoch_modes"]["exec"] = "plonk".into();
    fs::write(&file, changed.to_string()).unwrap();
    let refused = output(proofmill(data).args(["failures", "rerun", record, "--epoch"]));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("--mode compressed"), "{said}");
    let said = failures(data, &["rerun", record, "--epoch", "--mode", "compressed"]);
    assert!(said.contains("carried to compressed (as asked for; L1 wanted plonk)"), "{said}");
    saved(&said, "/epoch-");
    fs::write(&file, written).unwrap();
    // An input that was tampered with is found out before anything is proven.
    let store = fs::read_dir(data.join("data/failures").join(record)).unwrap();
    let inputs = store
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|of| of == "input"));
    for input in inputs {
        let mut bytes = fs::read(&input).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        fs::write(&input, bytes).unwrap();
    }
    let refused = output(proofmill(data).args(["failures", "rerun", record, "--epoch", "--execute-only"]));
    assert!(!refused.status.success(), "{}", String::from_utf8_lossy(&refused.stdout));
}
