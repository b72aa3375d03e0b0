//! `proofmill bench run`: whole sessions, from the first process to the last, with `exec`, which proves nothing.

use crate::process::{self, Running, fail, free_port, output, proofmill, succeed, wait};
use proofmill_devnet::DevKeys;
use std::{
    fs,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A session with a quick rollup on ports of its own, and three transactions of each account.
pub(crate) fn session(data: &Path, name: &str, words: &[&str]) -> Command {
    let mut command = session_by_the_environment(data, name, words);
    command.args(["--transactions", "3"]);
    command
}

/// The same, with as many transactions as the environment says.
fn session_by_the_environment(data: &Path, name: &str, words: &[&str]) -> Command {
    let mut command = proofmill(data);
    for variable in ["LOAD_TEST_PRIVATE_KEY", "LOAD_TEST_TX_AMOUNT", "LOAD_TEST_ENDLESS", "LOAD_TEST_KIND"] {
        command.env_remove(variable);
    }
    command.args(["bench", "run", "--prover", "exec", "--slot-seconds", "2"]);
    if !words.contains(&"--account-keys") {
        command.args(["--accounts", "2"]);
    }
    command.args(["--name", name]);
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
    words
        .map(|words| String::from_utf8_lossy(&words).replace('\0', " "))
        .filter(|words| words.contains(folder))
        .collect()
}

/// Nothing works any more, and only logs and a report are there.
#[track_caller]
fn nothing_is_left(data: &Path, name: &str) {
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
    proofmill_ledger::DataDir::mark(&data.join("data")).unwrap();
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
fn more_provers_than_have_room_are_refused_before_anything_is_started() {
    let temporary = tempfile::tempdir().unwrap();
    let run = session(temporary.path(), "crowd", &["--provers", "100000"]).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success(), "{said}");
    assert!(said.contains("0 GB for each of 100000") && said.contains("(--provers)"), "{said}");
    assert!(!said.contains("starting L1"), "{said}");
    nothing_is_left(temporary.path(), "crowd");
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
    assert!(!said.contains("mempool"), "{said}");
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
    // Ten transactions at once are near the limit of its mempool.
    let words = ["--batches", "1", "--l2-mempool-limit", "10"];
    let mut second = session_by_the_environment(data, "second", &words);
    let second = second.env("LOAD_TEST_TX_AMOUNT", "5").output().unwrap();
    let (said, shown) = (String::from_utf8_lossy(&second.stderr), String::from_utf8_lossy(&second.stdout));
    assert!(second.status.success() && said.contains("L1 of an earlier session is at"), "{said}");
    assert!(!said.contains("L1 is kept"), "{said}");
    assert!(shown.contains("eth-transfers: 5 by each of 2 accounts"), "{shown}");
    assert_eq!(said.matches("trouble: the mempool's limit is near").count(), 1, "{said}");
    assert!(shown.contains("The mempool's limit is near"), "{shown}");
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
    let starts = |said: &str| said.contains("starting L1");
    let proves = |said: &str| {
        let mut lines = said.lines().filter(|line| line.contains(" of 500 batches proven"));
        lines.any(|line| !line.contains(" 0 of 500"))
    };
    for (name, is_there) in [("early", &starts as &dyn Fn(&str) -> bool), ("late", &proves)] {
        let log = data.join(format!("{name}.log"));
        let file = fs::File::create(&log).unwrap();
        let mut command = session(data, name, &["--batches", "500", "--endless"]);
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).process_group(0);
        let mut running = command.spawn().unwrap();
        wait(name, || is_there(&fs::read_to_string(&log).unwrap()));
        assert!(Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap().success());
        let status = running.wait().unwrap();
        let said = fs::read_to_string(&log).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("stopped before 500 batches were proven"), "{said}");
        assert!(said.contains("nothing is left: no process, no port, no working folder"), "{said}");
        nothing_is_left(data, name);
        // What was proven is reported.
        let reported = said.contains("did not come to its end: stopped before 500");
        assert_eq!(reported, name == "late" || proves(&said), "{said}");
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
    fs::write(data.join("keys.txt"), format!("{}\nnot-a-key\n", "11".repeat(32))).unwrap();
    let said = fail(&mut session(data, "k", &["--account-keys", "keys.txt"]));
    assert!(said.contains("line 2 of keys.txt is not a private key") && !said.contains("starting"), "{said}");
    let said = fail(&mut session(data, "../c", &[]));
    assert!(said.contains("a name has letters, digits"), "{said}");
    let said = fail(proofmill(data).args(["bench", "--defaults"]));
    assert!(said.contains("no prover type that proves") && said.contains("--prover exec"), "{said}");
    let said = fail(&mut session(data, "d", &["--l2-rpc", "http://127.0.0.1:1"]));
    assert!(said.contains("--l1-rpc") && said.contains("--rollup"), "{said}");
}

/// A repository with a program that says that it was built, and does what this binary does.
fn repository(folder: &Path, built: &Path) {
    fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = "[package]\nname = \"proofmill\"\nversion = \"0.0.1\"\nedition = \"2024\"\n[workspace]\n";
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    let program = format!(
        "use std::{{env, fs, os::unix::process::CommandExt, process::Command}};\n\
         fn main() {{\n    let words: Vec<_> = env::args_os().skip(1).collect();\n    \
         fs::write({built:?}.to_owned() + \"/\" + &words[0].to_string_lossy(), \"\").unwrap();\n    \
         panic!(\"{{}}\", Command::new({:?}).args(words).exec());\n}}\n",
        env!("CARGO_BIN_EXE_proofmill")
    );
    fs::write(folder.join("src/main.rs"), program).unwrap();
    for words in [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "a"], &["tag", "v1"]] {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false", "-C"]);
        assert!(git.arg(folder).args(words).status().unwrap().success(), "{words:?}");
    }
    // What is not committed is not measured.
    fs::write(folder.join("src/main.rs"), "nonsense").unwrap();
}

#[test]
fn a_revision_is_built_and_plays_all_parts() {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path();
    let (sources, built) = (data.join("sources"), data.join("built"));
    fs::create_dir(&built).unwrap();
    repository(&sources, &built);
    let words = ["--git-ref", "v1", "--repository", sources.to_str().unwrap(), "--batches", "1"];
    let said = succeed(&mut session(data, "built", &words));
    assert!(said.contains("| revision | v1 ("), "{said}");
    let mut played: Vec<_> = fs::read_dir(&built).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    played.sort();
    assert_eq!(played, ["load", "localnet", "proof-coordinator", "prover"]);
    nothing_is_left(data, "built");
}

#[test]
fn chains_that_run_already_go_on() {
    let temporary = tempfile::tempdir().unwrap();
    let (data, chains) = (temporary.path(), temporary.path().join("chains"));
    fs::create_dir(&chains).unwrap();
    let mut localnet = proofmill(&chains);
    localnet.args(["localnet", "--prover", "exec", "--slot-seconds", "2"]);
    let (_localnet, there) = process::chains(&mut localnet, &data.join("chains.log"));
    let of_chains = [
        format!("--l1-rpc={}", there.l1_rpc),
        format!("--l2-rpc={}", there.l2_rpc),
        format!("--rollup={}", there.rollup),
    ];
    let mut command = session(data, "there", &["--batches", "2"]);
    // By the names that people know; flags go before them.
    command.args(&of_chains).env("LOAD_TEST_PRIVATE_KEY", DevKeys::funder_text().to_string());
    command
        .env("LOAD_TEST_TX_AMOUNT", "9")
        .env("LOAD_TEST_KIND", "fibonacci")
        .env("LOAD_TEST_ENDLESS", "true");
    let said = succeed(&mut command);
    assert!(
        said.contains("| load | fibonacci: 3 by each of 2 accounts, 1 round(s), until the end |"),
        "{said}"
    );
    assert!(said.contains("| chains | ran already; contract"), "{said}");
    let made = report(data, "there");
    assert!(made["batches"].as_array().unwrap().iter().all(|row| row["gas"].as_u64().is_some()), "{made}");
    let left = processes(&data.join("data"));
    assert!(left.is_empty(), "{left:?}");
    // Accounts of a file pay for themselves.
    fs::write(data.join("keys.txt"), DevKeys::funder_text().to_string()).unwrap();
    let mut command = session(data, "keys", &["--batches", "1", "--account-keys", "keys.txt"]);
    let said = succeed(command.args(&of_chains));
    assert!(said.contains("eth-transfers: 3 by each of 1 accounts"), "{said}");
    // Two accounts, and as many transactions as the environment says, or the flag.
    let load = |words: &[&str], amount: &str| {
        let mut command = proofmill(data);
        command.args(["load", "--rpc-url", there.l2_rpc.as_str(), "--accounts", "2"]).args(words);
        command.env("LOAD_TEST_PRIVATE_KEY", DevKeys::funder_text().to_string());
        let ended = output(command.env("LOAD_TEST_TX_AMOUNT", amount));
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        (String::from_utf8(ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap())
    };
    let (said, log) = load(&[], "4");
    assert!(said.contains("eth-transfers: 8 sent, 8 included") && !log.contains("mempool"), "{said}{log}");
    let (said, log) = load(&["--transactions", "1", "--mempool-limit", "1"], "4");
    assert!(said.contains("eth-transfers: 2 sent, 2 included"), "{said}");
    assert!(log.contains("the mempool's limit is near"), "{log}");

    // A page of something else is told apart at once: this one is a node's.
    let html = crate::bench::serve_once("<!DOCTYPE html><html><body>hello</body></html>");
    let said = fail(session(data, "html", &["--l2-metrics", &html]).args(&of_chains));
    assert!(said.contains("no page of Prometheus metrics") && said.contains("<!DOCTYPE html>"), "{said}");
}

#[test]
fn load_goes_by_the_names_that_people_know() {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path();
    let keys = data.join("keys.txt");
    let good = DevKeys::funder_text().to_string();
    fs::write(&keys, format!("{good}\n\nnot-a-key\n")).unwrap();
    let said =
        fail(proofmill(data).args(["load", "--account-keys", "keys.txt", "--rpc-url", "http://127.0.0.1:9"]));
    assert!(
        said.contains("line 3 of keys.txt is not a private key") && !said.contains("not-a-key"),
        "{said}"
    );
    let mut command = proofmill(data);
    command.env("LOAD_TEST_RPC_URL", "http://127.0.0.1:9").env("LOAD_TEST_PRIVATE_KEY", &good);
    let said = fail(command.env("LOAD_TEST_TX_AMOUNT", "3").env("LOAD_TEST_ENDLESS", "1").arg("load"));
    assert!(said.contains("the node at http://127.0.0.1:9 cannot be reached"), "{said}");
    let said = fail(proofmill(data).env("LOAD_TEST_ENDLESS", "perhaps").arg("load"));
    assert!(said.contains("LOAD_TEST_ENDLESS") || said.contains("--endless"), "{said}");
    let said = fail(proofmill(data).env("LOAD_TEST_TX_AMOUNT", "many").arg("load"));
    assert!(said.contains("invalid value 'many'"), "{said}");
    let help = succeed(proofmill(data).args(["load", "--help"]));
    let of_amount = help.split("LOAD_TEST_TX_AMOUNT").nth(1).unwrap();
    assert!(of_amount.contains("[default: 50]"), "{help}");
    let said = fail(proofmill(data).args(["load", "--kind", "storage"]));
    assert!(said.contains("eth-transfers, erc20, fibonacci, io-heavy or mixed"), "{said}");
}

#[test]
fn two_runs_of_the_same_binary_are_noise() {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path();
    let compare = |a: &str, b: &str| {
        let (a, b) = (format!("data/bench/{a}"), format!("data/bench/{b}"));
        succeed(proofmill(data).args(["bench", "compare", &a, &b]))
    };
    // One pair in twenty differs by chance, and more where the machine was busier in one: of several runs, two are alike.
    let (runs, mut told) = (["a", "b", "c", "d", "e", "f"], String::new());
    for (at, run) in runs.into_iter().enumerate() {
        succeed(&mut session(data, run, &["--batches", "6"]));
        for before in &runs[..at] {
            let said = compare(before, run);
            assert!(said.contains("exec: ") && said.contains("time by gas"), "{said}");
            told += &said;
        }
        if told.contains("noise") {
            return;
        }
    }
    panic!("no two are alike: {told}");
}
