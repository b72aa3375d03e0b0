//! Faults that pass: the rollup settles, and nothing waits for an operator.

use crate::{
    dev::{dev, load},
    process::{Running, wait},
};
use std::{fs, path::Path, time::Duration};

/// Longer than four tries of a task and two of a range took before.
const AWAY: Duration = Duration::from_secs(15);

/// The share is lost for everybody, and comes back once somebody has missed it.
fn lose_the_share(data: &Path, is_missed: impl Fn() -> bool) {
    let (there, away) = (data.join("data/artifacts"), data.join("data/artifacts-away"));
    fs::rename(&there, &away).unwrap();
    std::thread::sleep(AWAY);
    // Where everything was settled before it was lost, nobody needs it: then there is more to prove.
    if !is_missed() {
        wait("more to prove", || load(data, 1));
        wait("somebody to miss the share", is_missed);
    }
    // What was written meanwhile went to the folder under the mount point.
    if there.exists() {
        fs::rename(&there, data.join("data/artifacts-under")).unwrap();
    }
    fs::rename(&away, &there).unwrap();
}

/// What all workers said.
fn logs_of_workers(data: &Path) -> String {
    let logs = ["worker-1", "worker-2"].map(|worker| data.join(format!("data/logs/{worker}.log")));
    logs.map(|log| fs::read_to_string(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display())))
        .concat()
}

fn settles_after(what: &str, felt: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let log = data.join("dev.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let mut running = Running::start(&mut dev(data, 99), &log);
    wait("the rollup to be there", || load(data, 0));
    wait(what, || said().contains(what));
    // Who waits is who came to the share first: the node, the cluster, or a worker with a result in its hands.
    lose_the_share(data, || {
        let text = said();
        let missed = [felt, "task to be tried again", "cannot be stored"];
        missed.iter().any(|what| text.contains(what))
            || logs_of_workers(data).contains("a result waits for its store")
    });
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
}

#[test]
fn e7_a_rollup_settles_although_its_share_was_lost_when_checkpoints_landed() {
    settles_after(" landed on L1 in epoch", " not proven by exec: ");
}

#[test]
fn e9_a_rollup_settles_although_its_share_was_lost_after_the_range_proofs() {
    // It is away until the epoch has ended.
    settles_after(" proven by exec", " not aggregated by exec yet: ");
}
