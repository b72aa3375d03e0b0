//! What needs the binary with OpenVM. `scripts/test.sh` builds it and names it by `PROOFMILL_TEST_BINARY`.

use crate::{
    blocks::chain,
    dev::{load, processes, reorg, signal},
    process::{Running, fail, proofmill, succeed, told, wait},
};
use std::{fs, time::Duration};

/// `exec` needs no attestors.
#[test]
#[ignore = "needs the binary with OpenVM; `make test` runs it"]
fn an_attestor_that_ends_is_started_again_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut command = proofmill(data);
    command.args(["dev", "--prover=openvm", "--workers=6"]);
    // Nothing could be signed with this key.
    command.env("PROOFMILL_ATTESTOR_KEY_FILE", "nowhere");
    let mut running = Running::start(&mut command, &data.join("dev.log"));
    let addresses = || -> Vec<String> {
        let text = fs::read_to_string(data.join("data/logs/attestor-1.log")).unwrap_or_default();
        let ready = text.lines().filter(|line| line.contains("the attestor is ready"));
        ready.map(|line| line.split_once("listen=").unwrap().1.to_owned()).collect()
    };
    wait("the rollup to be there", || load(data, 0));
    wait("the attestor to be ready", || addresses().len() == 1);
    signal(&processes(data, "attestor"), "-KILL");
    wait("the attestor to be ready again", || addresses().len() == 2);
    let addresses = addresses();
    assert_eq!(addresses[0], addresses[1]);
    assert!(running.terminate());
}

/// The key of the range program whose proofs that epoch's joins, which is of an earlier release.
const RANGE_KEY: &str = "0x29a60f4c9385f22b5dccbb2dee7d19a7050e04d569f97c60cc35c16f8e2429a1";

/// The proof of an epoch of `make demo SNARK=1`, of the programs of an earlier release.
#[test]
#[ignore = "needs the binary with OpenVM; `make test` runs it"]
fn a_real_snark_is_verified_here_and_by_the_contracts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("epoch.bin");
    fs::write(&file, include_bytes!("../fixtures/epoch-snark.bin")).unwrap();
    let verify = |flags: &[&str]| {
        let mut command = proofmill(folder.path());
        command.arg("verify").args(flags).arg(&file);
        command
    };
    let refused = fail(&mut verify(&["--allow-development"]));
    assert!(refused.contains("--range-key"), "{refused}");
    let elf = folder.path().join("aggregation.elf");
    fs::write(&elf, include_bytes!("../fixtures/epoch-snark-aggregation.elf")).unwrap();
    let of_then = [format!("--range-key={RANGE_KEY}"), format!("--elf={}", elf.display())];
    let verify = |flags: &[&str]| {
        let mut command = verify(flags);
        command.args(&of_then);
        command
    };
    let refused = fail(&mut verify(&[]));
    assert!(refused.contains("--allow-development"), "{refused}");
    let said = succeed(&mut verify(&["--allow-development", "--evm"]));
    assert!(said.contains("INSECURE: it holds, but"), "{said}");
    let gas = said.split_once("in a transaction of ").unwrap().1.split_once(" gas").unwrap().0;
    assert!((300_000..400_000).contains(&gas.parse::<u64>().unwrap()), "{said}");
    assert!(said.contains("and refuse it with a bit changed anywhere"), "{said}");
    // Code that makes no contract, and code whose contract is STOP: that takes anything.
    let code = folder.path().join("code");
    for (text, hint) in
        [("0x600a", "Halo2 verifier"), ("0x60015ff3", "with a bit of the public values changed")]
    {
        fs::write(&code, text).unwrap();
        let refused = fail(&mut verify(&["--allow-development", &format!("--evm={}", code.display())]));
        assert!(refused.contains(hint), "{refused}");
    }
}

/// Whichever command it is that runs into it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the binary with OpenVM; `make test` runs it"]
async fn a_block_that_costs_too_much_is_named_with_its_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let node = chain(folder.path()).await;
    let of_block = |command: &str, more: &[&str]| {
        let mut of_block = proofmill(folder.path());
        of_block.args([
            command,
            "--prover=openvm",
            "--l2-rpc",
            node.rpc_url().as_str(),
            "--start=2",
            "--end=2",
        ]);
        of_block.args(more);
        of_block
    };
    for (command, more) in [("prove", &["--execute-only"][..]), ("prove", &[]), ("range", &["--prove"])] {
        let said = fail(of_block(command, &["--cycle-limit=100000"]).args(more));
        assert!(said.contains("100000") || said.contains("100,000"), "{command} {more:?}: {said}");
        assert!(said.contains("most likely by transaction 0 of block 2"), "{command} {more:?}: {said}");
    }
    let output = of_block("range", &["--cost-warning=1"]).output().unwrap();
    let (said, warned) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && said.contains("dearest        transaction 0 of block 2"),
        "{said}{warned}"
    );
    assert!(warned.contains("more than 1 (--cost-warning)") && warned.contains("named above"), "{warned}");
}

/// OpenVM, and `exec` in the place of a second system. OpenVM's own proof takes longer than this test.
#[test]
#[ignore = "needs the binary with OpenVM; `make test` runs it"]
fn what_one_of_two_systems_has_proven_waits_for_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let log = data.join("dev.log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let mut command = proofmill(data);
    command.args(["dev", "--prover=openvm,exec", "--workers=6", "--slot-seconds=3", "--epoch-slots=4"]);
    let mut running = Running::start(&mut command, &log);
    wait("the rollup to be there", || load(data, 0));
    wait("exec to have proven it", || said().contains("proven by exec"));
    wait("the epoch to have ended", || said().contains("has ended: waiting for its range proofs"));
    let text = said();
    let words = text.split_once("`proofmill status ").unwrap().1.split_once('`').unwrap().0;
    let status = || told(proofmill(data).arg("status").args(words.split(' ')));
    wait("both to be shown", || status().contains("exec: proven") && status().contains("openvm: "));
    assert!(!status().contains("openvm: proven") && !said().contains("SETTLED"), "{}", said());
    assert!(running.terminate());
}

/// The epoch is long enough for two range proofs.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half an hour, and needs the binary with OpenVM; `make test-long` runs it"]
async fn a_reorg_of_l2_settles_the_right_chain_with_openvm() {
    let args = [
        "--prover=openvm",
        "--workers=8,4",
        "--segment-memory=4",
        "--slot-seconds=10",
        "--epoch-slots=60",
        "--window-epochs=1",
    ];
    reorg(&args, Duration::from_secs(3_000)).await;
}
