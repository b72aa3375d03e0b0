//! `proofmill bench run`: whole sessions, from the first process to the last, with `exec`, which proves nothing.

use crate::process::{Running, fail, free_port, output, proofmill, succeed, wait};
use proofmill_devnet::{Description, DevKeys};
use std::{
    fs,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A session with a quick rollup on ports of its own.
pub(crate) fn session(data: &Path, name: &str, words: &[&str]) -> Command {
    let mut command = proofmill(data);
    for variable in ["LOAD_TEST_PRIVATE_KEY", "LOAD_TEST_TX_AMOUNT", "LOAD_TEST_ENDLESS", "LOAD_TEST_KIND"] {
        command.env_remove(variable);
    }
    command.args(["bench", "run", "--prover", "exec", "--slot-seconds", "2", "--accounts", "2"]);
    command.args(["--transactions", "3", "--name", name]);
    command.args([format!("--l2-port={}", free_port()), format!("--metrics-port={}", free_port())]);
    command.args(words);
    command
}

/// Where a session's logs and report are.
pub(crate) fn folder(data: &Path, name: &str) -> PathBuf {
    data.join("data/bench").join(name)
}

/// The processes whose words name this folder.
pub(crate) fn processes(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let words = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    words.map(|words| String::from_utf8_lossy(&words).replace('\0', " ")).filter(|words| words.contains(folder)).collect()
}

/// Nothing works any more, and only logs and a report are there.
#[track_caller]
pub(crate) fn nothing_is_left(data: &Path, name: &str) {
    let left = processes(data);
    assert!(left.is_empty(), "{left:?}");
    for rest in ["work", "processes"] {
        assert!(!folder(data, name).join(rest).exists(), "{rest}");
    }
}

fn report(data: &Path, name: &str) -> serde_json::Value {
    serde_json::from_slice(&fs::read(folder(data, name).join("report.json")).unwrap()).unwrap()
}

fn process_id(pid: u32) -> serde_json::Value {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let started: u64 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    serde_json::json!({ "pid": pid, "started": started, "boot": boot.trim() })
}

/// What a session leaves that was killed: a process and its note, a note whose number is another process's, and a database.
fn plant(data: &Path) -> (Child, Child) {
    let old = folder(data, "old");
    fs::create_dir_all(old.join("processes")).unwrap();
    fs::create_dir_all(old.join("work/coordinator")).unwrap();
    fs::write(old.join("work/coordinator/assignments.sqlite"), "rows").unwrap();
    let sleeps = || Command::new("sleep").arg("600").spawn().unwrap();
    let (ours, stranger) = (sleeps(), sleeps());
    let note = |name: &str, id: serde_json::Value| {
        let text = serde_json::json!({ "name": name, "id": id }).to_string();
        fs::write(old.join("processes").join(format!("{name}.json")), text).unwrap();
    };
    note("prover-1", process_id(ours.id()));
    let mut reused = process_id(stranger.id());
    reused["started"] = 1.into();
    note("load", reused);
    fs::write(old.join("processes/torn.json"), "{").unwrap();
    (ours, stranger)
}

#[test]
fn a_session_ends_by_itself_and_cleans_up_what_another_left() {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path();
    let (mut ours, mut stranger) = plant(data);
    let run = session(data, "first", &["--batches", "3", "--provers", "2", "--keep-l1"]).output().unwrap();
    let (said, shown) = (String::from_utf8_lossy(&run.stderr), String::from_utf8_lossy(&run.stdout));
    assert!(run.status.success(), "{said}");
    for part in [
        "which the session old left",
        "PROVES NOTHING",
        "nothing is left: no process, no port, no working folder",
        "L1 is kept",
        "batches proven",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    assert!(ours.try_wait().unwrap().is_some(), "what was left still runs");
    assert!(stranger.try_wait().unwrap().is_none(), "another process was ended");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert!(!folder(data, "old").join("work").exists() && !folder(data, "old").join("processes").exists());

    let first = report(data, "first");
    let rows = first["batches"].as_array().unwrap();
    assert!(rows.len() >= 3, "{first}");
    for row in rows {
        // The load came before the provers.
        assert!(row["transactions"].as_u64().unwrap() > 0 && row["gas"].as_u64().unwrap() > 0, "{row}");
        assert!(row["blocks"].as_u64().unwrap() > 0 && row["prover"] == "exec", "{row}");
    }
    assert!(shown.contains("| provers | 2 × exec (proves nothing), for "), "{shown}");
    assert!(shown.contains("eth-transfers: 3 by each of 2 accounts"), "{shown}");
    nothing_is_left(data, "first");

    // L1 stayed, and takes a second deployment; without --keep-l1 it ends.
    let second = session(data, "second", &["--batches", "1"]).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(second.status.success() && said.contains("L1 of an earlier session is at"), "{said}");
    assert!(!said.contains("L1 is kept"), "{said}");
    nothing_is_left(data, "second");
    assert!(!data.join("data/bench/l1.json").exists());
    let contract = |name: &str| report(data, name)["session"]["setup"]["chains"].as_str().unwrap().to_owned();
    assert_ne!(contract("first"), contract("second"));

    // A name is used once.
    let said = fail(&mut session(data, "second", &[]));
    assert!(said.contains("has a report already: choose another --name"), "{said}");
}

#[test]
fn a_session_that_is_interrupted_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path();
    // In the middle of starting, and of proving.
    for (name, sign) in [("early", "starting L1"), ("late", "batches proven")] {
        let log = data.join(format!("{name}.log"));
        let file = fs::File::create(&log).unwrap();
        let mut command = session(data, name, &["--batches", "500", "--endless"]);
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).process_group(0);
        let mut running = command.spawn().unwrap();
        wait(sign, || fs::read_to_string(&log).unwrap().contains(sign));
        assert!(Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap().success());
        let status = running.wait().unwrap();
        let said = fs::read_to_string(&log).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("stopped before 500 batches were proven"), "{said}");
        assert!(said.contains("nothing is left: no process, no port, no working folder"), "{said}");
        nothing_is_left(data, name);
    }
}

#[test]
fn what_a_killed_session_left_is_cleaned_up_by_the_next() {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path();
    let log = data.join("killed.log");
    let mut running = Running::start(&mut session(data, "killed", &["--batches", "500", "--keep-l1"]), &log);
    wait("provers", || fs::read_to_string(&log).unwrap().contains("starting the provers"));
    running.kill();
    assert!(folder(data, "killed").join("work").exists());
    let said = output(&mut session(data, "next", &["--batches", "1"]));
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("which the session killed left"), "{said}");
    assert!(said.contains("nothing is left"), "{said}");
    nothing_is_left(data, "killed");
    nothing_is_left(data, "next");
}

#[test]
fn what_cannot_begin_says_why() {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut command = proofmill(data);
    command.args(["bench", "run", "--prover", "exec", "--name", "a", "--l2-port", &port.to_string()]);
    let said = fail(&mut command);
    let by = format!("port {port} is in use by process {} (", std::process::id());
    assert!(said.contains(&by) && said.contains("--l2-port"), "{said}");
    // Whether there is a GPU or not: none is found without its program.
    let said = fail(session(data, "g", &["--gpu", "yes"]).env("PATH", ""));
    assert!(said.contains("nvidia-smi finds no GPU"), "{said}");
    let said = fail(&mut session(data, "b", &["--git-ref", "no-such-revision"]));
    assert!(said.contains("there is no revision `no-such-revision`"), "{said}");
    let said = fail(&mut session(data, "../c", &[]));
    assert!(said.contains("a name has letters, digits"), "{said}");
    let said = fail(proofmill(data).args(["bench", "--defaults"]));
    assert!(said.contains("no prover type that proves") && said.contains("--prover exec"), "{said}");
}
