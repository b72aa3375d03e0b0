//! A whole rollup: killed with -9 again and again, its epochs settle, and nothing finished is proven twice.

use crate::{
    logs::done,
    process::{self, PATIENCE, Running, proofmill, succeed, wait},
};
use proofmill_chain::{BlockAt, L1, L2, PoolOptions, Rollup};
use proofmill_devnet::{Description, DevKeys};
use proofmill_localnet::{ANVIL_ENV, locate_anvil};
use proofmill_primitives::CheckpointNumber;
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const KILLS: u64 = 10;

pub(crate) fn dev(data: &Path, epochs: u64) -> Command {
    let mut command = proofmill(data);
    command.args(["dev", "--prover", "exec", "--workers", "2,2"]);
    command.args(["--until-settled", &epochs.to_string(), "--report", "report.json"]);
    // By the environment, before which a test's own flags go.
    command.envs([("PROOFMILL_SLOT_SECONDS", "3"), ("PROOFMILL_EPOCH_SLOTS", "4")]);
    command
}

pub(crate) fn load(data: &Path, seed: u64) -> bool {
    let Ok(Some(chains)) = Description::read(&data.join("data/localnet.json")) else { return false };
    process::load(&mut proofmill(data), &chains.l2_rpc, seed).status.success()
}

/// Milliseconds that differ from run to run.
fn some(below: u64) -> u64 {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    u64::from(nanos / 1_000) % below
}

#[test]
fn a_killed_rollup_settles_and_proves_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let log = data.join("dev.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let mut running = Running::start(&mut dev(data, 99), &log);
    wait("the rollup to be there", || load(data, 0));
    let there = || Description::read(&data.join("data/localnet.json")).unwrap().unwrap();
    let first = there().pid;
    let started = || said().matches(", a prover node: ").count();
    let mut before = 0;
    for kill in 1..=KILLS {
        std::thread::sleep(Duration::from_millis(some(2_500)));
        running.kill();
        before = started();
        running = Running::start(&mut dev(data, 99), &log);
        // The chains go on all the time, so the load finds them.
        assert!(load(data, kill), "the chains did not outlive the killed rollup");
    }
    let chains = there();
    assert_eq!(chains.pid, first, "the chains were started anew");
    // One that is told to end while it starts ends with an error.
    wait("the last one's prover node", || started() > before);
    let end = Instant::now() + PATIENCE;
    // Everything that landed is settled: the load has ended.
    let all_settled = || {
        let text = said();
        let last = |what: &str| {
            text.lines()
                .filter_map(|line| line.split_once(what)?.1.split_whitespace().last()?.parse::<u64>().ok())
                .max()
        };
        let landed = last(" landed on L1 in epoch");
        landed.is_some_and(|epoch| text.lines().any(|line| line.contains(&format!("epoch {epoch}: SETTLED"))))
    };
    while !all_settled() {
        assert!(Instant::now() < end, "the last epoch does not settle:\n{}", said());
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(running.terminate(), "it did not end in order:\n{}", said());
    let text = said();
    // Others may have been killed before they could say so.
    assert!(text.contains("found the chains of an earlier run"), "{text}");
    assert!(!text.contains("panicked") && !text.contains("cannot be proven"), "{text}");
    // What happens is said once.
    assert!(
        text.contains(" proven by exec")
            && !text.contains("a range is proven")
            && !text.contains("epoch_settled"),
        "{text}"
    );
    let counts = done(&data.join("data/logs"));
    assert!(counts.len() > 4, "{counts:?}");
    assert!(counts.values().all(|count| *count == 1), "proven twice: {counts:?}\n{text}");
    // Nothing is left behind.
    let words = || fs::read(format!("/proc/{}/cmdline", chains.pid)).unwrap_or_default();
    wait("the chains to end", || words().is_empty());
}

#[test]
fn a_second_rollup_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let log = data.join("dev.log");
    let mut running = Running::start(&mut dev(data, 99), &log);
    wait("the rollup to be there", || load(data, 0));
    wait("its prover node", || fs::read_to_string(&log).unwrap().contains(", a prover node: "));
    let said = crate::process::fail(&mut dev(data, 1));
    assert!(said.contains("in use"), "{said}");
    let said = crate::process::fail(proofmill(data).arg("localnet"));
    assert!(said.contains("a localnet runs already"), "{said}");
    assert!(running.terminate());
    assert!(!data.join("data/localnet.json").exists());
}

/// A worker that stands still keeps it from ending in order.
#[test]
fn a_second_signal_ends_a_rollup_at_once_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let log = data.join("dev.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let mut running = Running::start(&mut dev(data, 99), &log);
    wait("the rollup to be there", || load(data, 0) && processes(data, "worker").len() == 2);
    wait("its prover node", || said().contains(", a prover node: "));
    let chains = Description::read(&data.join("data/localnet.json")).unwrap().unwrap();
    signal_workers(data, "-STOP");
    // Both are there when it goes on: it waits 5 s for its workers, and could have ended in order before a second one came later.
    let pid = [running.id().to_string()];
    for which in ["-STOP", "-TERM", "-INT", "-CONT"] {
        signal(&pid, which);
    }
    // By the one that it sees last.
    assert!(matches!(running.ended(), Some(130 | 143)), "{}", said());
    for words in ["a second signal ends this process at once", "ended at once"] {
        assert!(said().contains(words), "{}", said());
    }
    wait("the workers to end", || processes(data, "worker").is_empty());
    let words = || fs::read(format!("/proc/{}/cmdline", chains.pid)).unwrap_or_default();
    wait("the chains to end", || words().is_empty() && !data.join("data/localnet.json").exists());
}

/// What is set for other commands would have the workers prove nothing, and look elsewhere for what they are to prove.
#[test]
fn the_processes_of_a_rollup_read_no_settings_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let log = data.join("dev.log");
    let settings = "[worker]\nartifacts = \"elsewhere\"\nkind = \"cpu\"\n";
    fs::write(data.join("proofmill.toml"), settings).unwrap();
    let mut command = dev(data, 99);
    command.envs([("PROOFMILL_ARTIFACTS", "elsewhere"), ("WORKER_TYPE", "cpu")]);
    let mut running = Running::start(command.args(["--log-format", "json"]), &log);
    wait("the rollup to be there", || load(data, 0));
    wait("an epoch to be settled", || {
        fs::read_to_string(&log).unwrap().contains(r#""event":"epoch_settled""#)
    });
    // For machines, each line is a record, and what others are told in lines is among them.
    let text = fs::read_to_string(&log).unwrap();
    let (lines, _) = text.rsplit_once('\n').unwrap();
    let records: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let said = |record: &serde_json::Value| record["fields"]["said"].as_str().map(str::to_owned);
    assert!(records.iter().filter_map(said).any(|said| said.contains(", a prover node: ")), "{text}");
    assert!(!data.join("elsewhere").exists());
    assert!(running.terminate());
}

#[test]
fn workers_that_end_are_started_again_and_then_after_a_pause() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let log = data.join("dev.log");
    let said = |words: &str| fs::read_to_string(&log).unwrap().contains(words);
    let mut running = Running::start(&mut dev(data, 99), &log);
    wait("the rollup to be there", || load(data, 0) && processes(data, "worker").len() == 2);
    let first = processes(data, "worker");
    signal(&first, "-KILL");
    let again = || {
        let there = processes(data, "worker");
        there.len() == 2 && there.iter().all(|pid| !first.contains(pid))
    };
    wait("other workers", again);
    assert!(said("worker-1 ended (signal: 9 (SIGKILL)), starting it again: "));
    let paused = || said("worker-2 ended (signal: 9 (SIGKILL)), starting it again in 1 s: ");
    wait("a pause", || {
        // Once more where they had worked for half a minute by now: then what was before counts no more.
        let there = processes(data, "worker");
        if there.len() == 2 && !paused() {
            // One that was killed before may end only now.
            drop(Command::new("kill").arg("-KILL").args(&there).output().unwrap());
        }
        paused()
    });
    wait("workers after the pause", || processes(data, "worker").len() == 2);
    assert!(running.terminate());
    assert_eq!(processes(data, "worker"), Vec::<String>::new());
}

/// The localnet of a killed rollup is found also where it has not said yet where it is. What one that ended left is none,
/// whatever process has its id now.
#[test]
fn a_localnet_is_known_by_its_lock() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (log, file) = (data.join("dev.log"), data.join("data/localnet.json"));
    proofmill_ledger::DataDir::mark(&data.join("data")).unwrap();
    let nobody = "http://127.0.0.1:1".parse::<url::Url>().unwrap();
    let left = Description {
        pid: std::process::id(),
        l1_rpc: nobody.clone(),
        l2_rpc: nobody,
        l1_chain_id: 31337,
        l2_chain_id: 900_901,
        rollup: alloy_primitives::Address::ZERO,
        deployed_at: 0,
        attestors: Vec::new(),
        settings: BTreeMap::new(),
    };
    left.write(&file).unwrap();
    // Its L1 starts when it may: until then it cannot say where it is.
    let may_start = data.join("may-start");
    let mut command = dev(data, 99);
    command.env("ANVIL_ITSELF", locate_anvil().unwrap()).env("ANVIL_MAY_START", &may_start);
    command.env(ANVIL_ENV, concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/late-anvil.sh"));
    let mut running = Running::start(&mut command, &log);
    let lock = data.join("data/localnet.lock");
    wait("the chains to start", || fs::read_to_string(&lock).is_ok_and(|pid| pid.ends_with('\n')));
    running.kill();
    assert_eq!(Description::read(&file).unwrap(), None);
    running = Running::start(&mut command, &log);
    let said = || fs::read_to_string(&log).unwrap();
    wait("the other to be seen", || said().contains("a localnet starts or ends here already"));
    fs::write(&may_start, "").unwrap();
    wait("the rollup to be there", || load(data, 0));
    wait("its prover node", || said().contains(", a prover node: "));
    let said = said();
    assert!(said.contains("found the chains of an earlier run"), "{said}");
    assert_eq!(processes(data, "localnet").len(), 1);
    assert!(running.terminate());
    wait("the chains to end", || processes(data, "localnet").is_empty() && !file.exists());
}

#[test]
fn what_a_prover_node_is_told_wrong_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut running = Running::start(&mut dev(data, 99), &data.join("dev.log"));
    wait("the rollup to be there", || load(data, 0));
    let chains = Description::read(&data.join("data/localnet.json")).unwrap().unwrap();
    let (l1, l2, rollup) = (chains.l1_rpc.as_str(), chains.l2_rpc.as_str(), chains.rollup.to_string());
    let node = |l1: &str, l2: &str, rollup: &str| {
        let mut command = proofmill(data);
        command.args([
            "prover-node",
            "--listen",
            "127.0.0.1:0",
            "--l1-rpc",
            l1,
            "--l2-rpc",
            l2,
            "--rollup",
            rollup,
        ]);
        command.args(["--cluster", "http://127.0.0.1:1"]);
        command.env("PRIVATE_KEY", DevKeys::funder_text().to_string());
        command
    };
    let said = || fs::read_to_string(data.join("dev.log")).unwrap_or_default();
    wait("the node of `dev`", || said().contains(", a prover node: "));
    for (mut command, hint) in [
        (node(l1, l2, "0x0000000000000000000000000000000000000001"), "no contract at"),
        (node(l2, l2, &rollup), "no contract at"),
        (node(l1, l1, &rollup), "but chain 900901 is wanted"),
        // The node of `dev` is there already.
        (node(l1, l2, &rollup), "proves this rollup from"),
    ] {
        let said = crate::process::fail(&mut command);
        assert!(said.contains(hint), "{hint}: {said}");
    }
    // A cluster may be away for a while, also at the start.
    let log = data.join("node.log");
    let mut waits = node(l1, l2, &rollup);
    waits.env("PROOFMILL_DATA_DIR", data.join("node"));
    let waits = Running::start(&mut waits, &log);
    wait("it to be said", || {
        let said = fs::read_to_string(&log).unwrap_or_default();
        said.contains("the cluster does not answer yet") && said.contains("http://127.0.0.1:1")
    });
    drop(waits);
    let said = crate::process::fail(node(l1, l2, &rollup).env_remove("PRIVATE_KEY"));
    assert!(said.contains("PRIVATE_KEY is not set"), "{said}");
    let secret = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff8";
    let said = crate::process::fail(node(l1, l2, &rollup).env("PRIVATE_KEY", secret));
    assert!(said.contains("PRIVATE_KEY: not a private key") && !said.contains("ac0974"), "{said}");

    // Another rollup on the same L1, for another prover.
    let deployed = succeed(
        proofmill(data)
            .args([
                "contracts",
                "deploy",
                "--l1-rpc",
                l1,
                "--l2-rpc",
                l2,
                "--genesis-block",
                "1",
                "--prover",
                "exec",
                "--slot-seconds",
                "3",
            ])
            .args(["--proposer", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"])
            .env("PRIVATE_KEY", DevKeys::funder_text().to_string()),
    );
    assert!(
        deployed.contains("\nrollup     0x") && deployed.contains("exec       verifier 0x"),
        "{deployed}"
    );

    // Its proposer, and somebody else.
    let proposer = |rollup: &str| {
        let mut command = proofmill(data);
        command.args([
            "proposer",
            "--l1-rpc",
            l1,
            "--l2-rpc",
            l2,
            "--rollup",
            rollup,
            "--latest",
            "--l1-block-time",
            "1",
        ]);
        command.env("PRIVATE_KEY", DevKeys::funder_text().to_string());
        command
    };
    let said = crate::process::fail(&mut proposer(&rollup));
    assert!(said.contains("takes checkpoints from 0x") && said.contains("the key of 0xf39F"), "{said}");
    let other = deployed.split_once("\nrollup ").unwrap().1.split_whitespace().next().unwrap();
    let log = data.join("proposer.log");
    let mut proposing = Running::start(&mut proposer(other), &log);
    wait("a checkpoint", || fs::read_to_string(&log).unwrap().contains("proposed a checkpoint"));
    assert!(proposing.terminate());
    let said = crate::process::fail(
        proofmill(data)
            .args(["contracts", "deploy", "--l1-rpc", l1, "--l2-rpc", l2, "--prover", "openvm"])
            .args(["--proposer", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"])
            .env("PRIVATE_KEY", DevKeys::funder_text().to_string()),
    );
    assert!(said.contains("--attestor"), "{said}");
    assert!(running.terminate());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_of_l2_settles_the_right_chain() {
    // Epochs long enough for three checkpoints, and a window (192 s) that does not close before L2 has left them, which takes a dozen
    // seconds, or some more where the machine stands still for a minute.
    let args = ["--prover=exec", "--workers=2,2", "--slot-seconds=3", "--epoch-slots=8", "--window-epochs=8"];
    reorg(&args, PATIENCE * 2).await;
}

/// L2 leaves the branch that two checkpoints committed to, the first of them proven, the second while its proof is being
/// made, and before their epoch was settled. Only blocks that L2 still has are settled, and the proof of the checkpoint
/// before, which still holds, is not made again when that is proposed anew.
pub(crate) async fn reorg(args: &[&str], patience: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let log = data.join("dev.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let wait = |what: &str, found: &dyn Fn() -> bool| {
        let end = Instant::now() + patience;
        while !found() {
            assert!(Instant::now() < end, "waited in vain for {what}:\n{}", said());
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let mut command = proofmill(data);
    command.arg("dev").args(args);
    let mut running = Running::start(&mut command, &log);
    wait("the rollup to be there", &|| load(data, 1));
    let chains = Description::read(&data.join("data/localnet.json")).unwrap().unwrap();
    let rollup = rollup(&chains).await;
    let l2 = L2::connect(PoolOptions::new(chains.l2_rpc.clone()), None).await.unwrap();
    let node = proofmill_http::rpc_client(chains.l2_rpc.clone());
    let asked = || said().matches("a proof is asked for").count();
    let mut seeds = 2..;
    let mut load_more = || load(data, seeds.next().unwrap());
    let end = Instant::now() + patience;
    let (kept, branch) = loop {
        // The transactions of one load can be in two checkpoints.
        let kept = loop {
            match of_head(&rollup, &l2).await {
                Some(last) if proven(&said(), last) => break last,
                _ => assert!(Instant::now() < end, "the first blocks are not proven:\n{}", said()),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let branch = l2.head().await.unwrap().number;
        assert!(load_more());
        wait("the checkpoint after it to be proven", &|| proven(&said(), kept + 1));
        signal_workers(data, "-STOP");
        if !has_ended(&rollup, kept + 1).await {
            break (kept, branch);
        }
        // Its epoch may be settled, and what is settled L2 may not leave: once more, with the next ones.
        signal_workers(data, "-CONT");
        assert!(Instant::now() < end, "each epoch ends too soon:\n{}", said());
    };
    let before = asked();
    assert!(load_more());
    wait("a proof of the third to be asked for", &|| asked() > before);
    // Not the rest of the load before, which may have been proven before.
    let end = Instant::now() + patience;
    let third = loop {
        match of_head(&rollup, &l2).await {
            Some(last) => break last,
            None => assert!(Instant::now() < end, "the third is not proposed:\n{}", said()),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };

    let reorged = rollup.checkpoint(CheckpointNumber(kept + 1)).await.unwrap().unwrap();
    let _: serde_json::Value = node.request("debug_setHead", [format!("{branch:#x}")]).await.unwrap();
    assert!(load_more() && load_more());
    let void = format!("checkpoints above {kept} are void (L2 reorg)");
    wait("the reorg to be noticed", &|| said().contains(&void));
    assert!(!proven(&said(), third), "the third was to be proven after the reorg:\n{}", said());
    signal_workers(data, "-CONT");

    // Nothing of the old branch may be settled; the contract gives it up, and the new one is proposed and settled.
    let end = Instant::now() + patience;
    let settled = loop {
        let tips = rollup.tips().await.unwrap();
        let proven = rollup.checkpoint(tips.proven).await.unwrap();
        if let Some(proven) = proven.filter(|proven| proven.blocks.last() >= reorged.blocks.first()) {
            break proven;
        }
        assert!(Instant::now() < end, "the new branch does not settle:\n{}", said());
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    let block = l2.block(BlockAt::Number(settled.blocks.last())).await.unwrap().unwrap();
    assert_eq!(block.hash, settled.last_hash, "another branch was settled:\n{}", said());
    assert_ne!(settled.last_hash, reorged.last_hash);
    assert!(running.terminate(), "it did not end in order:\n{}", said());
    // The first one as a rule, and a later one where an epoch had ended before the third was there.
    let anew = |number: u64| said().matches(&format!("checkpoint {number} landed")).count() > 1;
    assert!((1..=kept + 1).any(anew), "nothing was proposed anew:\n{}", said());
    let counts = done(&data.join("data/logs"));
    assert!(counts.values().all(|count| *count == 1), "proven twice: {counts:?}\n{}", said());
}

/// Whether the epoch of a checkpoint has ended on L1, so that all of it may be proven and settled.
async fn has_ended(rollup: &Rollup, checkpoint: u64) -> bool {
    let (clock, now) = (rollup.clock(), rollup.l1().head().await.unwrap().timestamp);
    let of_it = rollup.checkpoint(CheckpointNumber(checkpoint)).await.unwrap();
    of_it.is_none_or(|of_it| now >= clock.ends_at(clock.epoch_of(of_it.slot)))
}

/// The checkpoint that ends with the newest block of L2, once it is proposed.
async fn of_head(rollup: &Rollup, l2: &L2) -> Option<u64> {
    let last = rollup.checkpoint(rollup.tips().await.unwrap().pending).await.unwrap();
    let head = l2.head().await.unwrap().hash;
    last.filter(|last| last.last_hash == head).map(|last| last.number.0)
}

fn proven(said: &str, checkpoint: u64) -> bool {
    said.lines().any(|line| {
        line.contains(&format!("checkpoint {checkpoint}: blocks"))
            && line.contains(" proven by ")
            && !line.contains("not proven")
    })
}

/// The processes with a role of the rollup in a folder. A child of one that is yet to become another program is called as its parent:
/// it is none of them, and a signal that was meant for the parent would reach the other program.
pub(crate) fn processes(data: &Path, role: &str) -> Vec<String> {
    let folder = data.to_string_lossy();
    let has_role = |pid: &str| {
        let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.split('\0').any(|word| word == role) && words.contains(&*folder)
    };
    let parent = |pid: &str| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status
            .lines()
            .find_map(|line| Some(line.strip_prefix("PPid:")?.trim().to_owned()))
            .unwrap_or_default()
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|pid| has_role(pid) && !has_role(&parent(pid)))
        .collect()
}

pub(crate) fn signal(processes: &[String], which: &str) {
    assert!(!processes.is_empty());
    assert!(Command::new("kill").arg(which).args(processes).status().unwrap().success());
}

/// Sends a signal to the worker processes of the rollup in a folder.
pub(crate) fn signal_workers(data: &Path, which: &str) {
    signal(&processes(data, "worker"), which);
}

async fn rollup(chains: &Description) -> Rollup {
    let l1 = L1::connect(PoolOptions::new(chains.l1_rpc.clone()), None).await.unwrap();
    Rollup::connect(l1, chains.rollup).await.unwrap()
}
