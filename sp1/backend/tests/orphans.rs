//! A process that is killed while it runs a program.
#![allow(clippy::unwrap_used, missing_docs)]

use proofmill_backend_sp1::Sp1Backend;
use proofmill_backends::{Backend, Job};
use std::{
    env, fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Set in the process that is killed.
const KILLED: &str = "PROOFMILL_TEST_IS_KILLED";
const ELF: &[u8] = include_bytes!("fixtures/fibonacci-sp1.elf");

fn run(number: u32) {
    let sp1 = Sp1Backend::new();
    let input = sp1.encode_input(&[&number.to_le_bytes()], &[]).unwrap();
    sp1.execute(&Job { program: ELF, input: &input, cycle_limit: None }).unwrap();
}

/// Whether the executor is there and has its memory open.
fn runs(process: u32) -> bool {
    let folder = format!("/proc/{process}");
    let program = fs::read_link(format!("{folder}/exe")).unwrap_or_default();
    program.to_string_lossy().contains("sp1-native-runner-bin-")
        && fs::read_to_string(format!("{folder}/maps")).is_ok_and(|maps| maps.contains("/dev/shm/sp1_"))
}

fn executor_of(process: u32) -> Option<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?.flatten();
    let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let children: Vec<String> = children.collect();
    let mut children = children.iter().flat_map(|of| of.split_whitespace()).filter_map(|id| id.parse().ok());
    children.find(|child| runs(*child))
}

fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Started by the test below, and killed.
#[test]
fn a_long_execution() {
    if env::var_os(KILLED).is_some() {
        run(u32::MAX);
    }
}

#[test]
fn an_execution_whose_process_was_killed_is_stopped_by_the_next() {
    let mut killed = Command::new(env::current_exe().unwrap());
    killed.args(["--exact", "a_long_execution"]).env(KILLED, "1").stdout(Stdio::null()).stderr(Stdio::null());
    let mut killed = killed.spawn().unwrap();
    let executor = wait("it runs", || executor_of(killed.id()));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(runs(executor), "nobody tells it");
    run(10);
    wait("it is stopped", || (!runs(executor)).then_some(()));
}
