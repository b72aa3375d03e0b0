//! The bugs that `scripts/planted.sh` plants for the simulation to find.

use std::process::Command;

/// The text that a bug replaces changes with the scheduler: a script that no longer finds it would be noticed in `make test-long` alone.
#[test]
fn every_bug_that_is_planted_has_its_place() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/planted.sh");
    let output = Command::new(script).arg("--check").output().unwrap();
    let (said, told) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success() && told.contains("has its place"), "{said}{told}");
}
