//! Faults that pass: the rollup settles, and nothing waits for an operator.

use crate::{
    dev::{dev, load},
    process::{Running, wait},
};
use std::{fs, path::Path, time::Duration};

/// Longer than four tries of a task and two of a range took before.
const AWAY: Duration = Duration::from_secs(15);

/// The share is lost for everybody, and comes back.
fn lose_the_share(data: &Path) {
    let (there, away) = (data.join("data/artifacts"), data.join("data/artifacts-away"));
    fs::rename(&there, &away).unwrap();
    std::thread::sleep(AWAY);
    // What was written meanwhile went to the folder under the mount point.
    if there.exists() {
        fs::rename(&there, data.join("data/artifacts-under")).unwrap();
    }
    fs::rename(&away, &there).unwrap();
}

fn settles_after(what: &str, felt: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let log = data.join("dev.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let mut running = Running::start(&mut dev(data, 99), &log);
    wait("the rollup to be there", || load(data, 0));
    wait(what, || said().contains(what));
    lose_the_share(data);
    // Every epoch that anything landed in.
    let settled = || {
        let text = said();
        let landed =
            text.lines().filter_map(|line| line.split_once(" landed on L1 in epoch ")?.1.split(' ').next());
        let landed: Vec<_> = landed.collect();
        !landed.is_empty() && landed.iter().all(|epoch| text.contains(&format!("epoch {epoch}: SETTLED")))
    };
    wait("every epoch to be settled", settled);
    let text = said();
    assert!(!text.contains("panicked") && !text.contains("cannot be proven:"), "{text}");
    assert!(running.terminate(), "{}", said());
    // It may be the cluster that waits, and not the node.
    let missed = [felt, "task to be tried again", "cannot be stored"].iter().any(|what| text.contains(what));
    assert!(missed, "nobody missed the share:\n{text}");
}

#[test]
fn e7_a_rollup_settles_although_its_share_was_lost_when_checkpoints_landed() {
    settles_after(" landed on L1 in epoch", "a range is not proven");
}

#[test]
fn e9_a_rollup_settles_although_its_share_was_lost_after_the_range_proofs() {
    // It is away until the epoch has ended.
    settles_after(" proven by exec", "an epoch is not aggregated");
}
