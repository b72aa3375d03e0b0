//! Batches on their way to L1, as processes: two prover types, a proof that L1 refuses, sixteen batches in one call, a coordinator
//! that is killed in the middle, dry runs, and who signs.

use crate::{
    process::{self, proofmill, stand_in, succeed, told},
    site::{Site, number, publisher},
};
use proofmill_primitives::ProverType;
use serde_json::json;
use std::{fs, path::Path, time::Duration};

/// An encrypted key: the test vector of the definition of Web3 Secret Storage, with the password `testpassword`.
const KEYSTORE: &str = r#"{ "crypto": { "cipher": "aes-128-ctr",
    "cipherparams": { "iv": "6087dab2f9fdbbfaddc31a909735c1e6" },
    "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
    "kdf": "pbkdf2", "kdfparams": { "c": 262144, "dklen": 32, "prf": "hmac-sha256",
    "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd" },
    "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2" },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3 }"#;
const IN_KEYSTORE: &str = "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

#[test]
fn two_types_settle_and_a_proof_that_l1_refuses_is_made_anew() {
    let mut site =
        Site::new(&stand_in(), &["--prover", "exec,openvm", "--attestors", "1", "--threshold", "1"]);
    let (_attestor, address) = site.attestor();
    let (account, key) = publisher(&site, 0x31, 10);
    let mut coordinator = site.coordinator(&["--attestor", &address], &[("PRIVATE_KEY", &key)]);
    let (mut exec, mut openvm) = (site.prover("exec"), site.prover("openvm"));
    site.load_until("two batches to be settled", |site| site.tips().0 >= 2);
    // A batch of which one proof is there; then L1 refuses that, and nobody makes another. A prover that is killed would keep its batch
    // for the ten minutes of its time-out.
    assert!(openvm.terminate(), "{}", site.said("prover-openvm"));
    let handed_in = |site: &Site, prover: &str| {
        let lines = site.lines(prover, "a proof was handed in");
        lines.iter().map(|line| number(line, "batch")).max().unwrap_or(0)
    };
    // What has both is settled first: nothing is on its way to L1 when that refuses.
    let both = handed_in(&site, "prover-openvm");
    site.load_until("a proof of one type", |site| {
        site.tips().0 >= both && handed_in(site, "prover-exec") > both
    });
    exec.kill();
    let refusing = site.refuse(ProverType::Exec, None);
    let _openvm = site.prover("openvm");
    site.wait_for("a proof to be refused", |site| {
        !site.lines("coordinator", "a proof is refused, deleted and made anew").is_empty()
    });
    site.accept(&refusing);
    let line = site.lines("coordinator", "a proof is refused, deleted and made anew")[0].clone();
    let batch = number(&line, "batch");
    assert!(line.contains("prover=exec") && line.contains("is not valid"), "{line}");
    site.wait_for("its record", |site| !site.lines("coordinator", "failure recorded").is_empty());
    let failures = succeed(site.role("coordinator").args(["failures", "list"]));
    assert!(failures.contains("bad-range-exec"), "{failures}");
    // What it was made from is kept with it: it is proven again without any node.
    let record = failures.split_whitespace().find(|word| word.starts_with("bad-range-exec")).unwrap();
    let said = succeed(site.role("coordinator").args(["failures", "rerun", record, "--execute-only"]));
    assert!(said.contains("they give what the checkpoint says"), "{said}");
    // The other type's proof is not deleted, and nobody makes it again.
    let openvm = |site: &Site| site.lines("prover-openvm", "a proof was handed in");
    let of_it = |lines: Vec<String>| lines.iter().filter(|line| number(line, "batch") == batch).count();
    let _exec = site.prover("exec");
    site.wait_for("the batch to be settled after all", |site| site.tips().0 >= batch);
    assert_eq!(of_it(openvm(&site)), 1, "{}", site.said("prover-openvm"));
    let last = site.tips().0;
    site.check_each_once(last, &[account]);
    // What verifying each took is labelled with its batch and its transaction.
    let settled = site.lines("coordinator", "batches are settled").pop().unwrap();
    let transaction = settled.split(" transaction=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let page = site.page("/metrics");
    let label = format!(
        "batch_verification_gas{{batch_number=\"{}\",tx_hash=\"{transaction}\"}}",
        number(&settled, "last")
    );
    assert!(page.contains(&label), "{label} is not in\n{page}");
    for name in [
        "proofmill_settle_proofs_refused_total{prover=\"exec\"} ",
        "proofmill_settle_batches_total ",
        "proofmill_settle_calls_total{outcome=\"settled\"} ",
        "proofmill_settle_fee_eth_total ",
        "proofmill_settle_settled_batch ",
        "proofmill_settle_open_batches ",
        "proofmill_settle_ready_batches ",
        "proofmill_account_balance_eth{account=",
    ] {
        assert!(page.contains(name), "{name} is not in\n{page}");
    }
    let status = site.page("/status");
    assert!(status.contains("\"settling\":{\"settled\":"), "{status}");
    let shown =
        told(site.role("status").args(["status", "--role", &format!("http://127.0.0.1:{}", site.metrics)]));
    assert!(shown.contains("batches are settled up to"), "{shown}");
    assert!(coordinator.terminate(), "{}", site.said("coordinator"));
    assert!(!site.said("coordinator").contains(&key[2..]), "the key is in the log");
}

#[test]
fn sixteen_batches_go_in_one_call_and_one_by_one_where_one_is_refused() {
    let mut site = Site::new(Path::new(env!("CARGO_BIN_EXE_proofmill")), &["--prover", "exec"]);
    let (account, key) = publisher(&site, 0x32, 10);
    // A dry run proves them, and says what they would take, without a key.
    let prover = account.to_string();
    let mut dry = site.coordinator(&["--disable-publish", "--prover-id", &prover], &[]);
    let mut exec = site.prover("exec");
    let quoted = |site: &Site| site.lines("coordinator", "batches would be settled").pop();
    site.load_until("twenty batches to be priced", |site| {
        quoted(site).is_some_and(|line| number(&line, "first") == 1 && number(&line, "last") >= 20)
    });
    let line = quoted(&site).unwrap();
    let (gas, batches) = (number(&line, "gas"), number(&line, "last"));
    assert!(gas / batches < 60_000 && number(&line, "fee_wei") > 0, "{line}");
    assert!(site.page("/status").contains("\"quote\":{\"first\":1,"), "{}", site.page("/status"));
    assert_eq!((site.tips().0, site.verified()), (0, vec![]), "a dry run sent something");
    assert!(exec.terminate() && dry.terminate(), "{}", site.said("coordinator"));

    // For real, with the same proofs; L1 refuses that of one in the middle.
    let bad = 18;
    let refusing = site.refuse(ProverType::Exec, Some(site.first_block(bad)));
    let words = ["--prover-id", prover.as_str()];
    let mut coordinator = site.coordinator(&words, &[("PRIVATE_KEY", &key)]);
    site.wait_for("the proof to be refused", |site| {
        !site.lines("coordinator", "a proof is refused, deleted and made anew").is_empty()
    });
    let line = site.lines("coordinator", "a proof is refused, deleted and made anew").pop().unwrap();
    assert_eq!(number(&line, "batch"), bad, "{line}");
    assert_eq!(site.tips().0, bad - 1, "those before it are settled");
    let together = site.lines("coordinator", "batches are not settled together: each goes alone now");
    assert!(!together.is_empty(), "{}", site.said("coordinator"));
    site.accept(&refusing);
    let _exec = site.prover("exec");
    site.wait_for("the others to be settled", |site| site.tips().0 >= batches);
    site.check_each_once(batches, &[account]);
    assert!(coordinator.terminate(), "{}", site.said("coordinator"));
}

#[test]
fn sixteen_batches_that_wait_go_in_one_call() {
    let mut site = Site::new(Path::new(env!("CARGO_BIN_EXE_proofmill")), &["--prover", "exec"]);
    // Nobody can pay for now; the first account has nothing, and never gets any.
    let (poor, poor_key) = publisher(&site, 0x33, 0);
    let (account, key) = publisher(&site, 0x34, 0);
    let file = |name: &str, key: &str| {
        let path = site.folder.path().join(name);
        fs::write(&path, key).unwrap();
        path.display().to_string()
    };
    let files = format!("{},{}", file("poor", &poor_key), file("key", &key));
    let _coordinator = site.coordinator(&["--key-file", &files], &[]);
    let _exec = site.prover("exec");
    let proven = |site: &Site| site.lines("coordinator", "a batch is proven").len();
    site.load_until("eighteen batches to be proven", |site| proven(site) >= 18);
    assert_eq!(site.verified(), []);
    site.wait_for("that to be said", |site| {
        !site.lines("coordinator", "an account cannot pay on L1").is_empty()
    });
    publisher(&site, 0x34, 10);
    site.wait_for("them to be settled", |site| !site.lines("coordinator", "batches are settled").is_empty());
    let (first, last) = site.verified()[0];
    assert!(last - first + 1 >= 16, "{:?}", site.verified());
    let line = site.lines("coordinator", "batches are settled")[0].clone();
    assert!(line.contains("event=\"batches_settled\"") && number(&line, "fee_wei") > 0, "{line}");
    assert!(number(&line, "gas_per_batch") <= 60_000, "{line}");
    site.check_each_once(last, &[account, poor]);
}

#[test]
fn a_coordinator_that_is_killed_while_it_settles_settles_each_batch_once() {
    let mut site = Site::new(Path::new(env!("CARGO_BIN_EXE_proofmill")), &["--prover", "exec"]);
    // The key is in an encrypted file.
    let (keystore, password) = (site.folder.path().join("keystore"), site.folder.path().join("password"));
    fs::write(&keystore, KEYSTORE).unwrap();
    fs::write(&password, "testpassword\n").unwrap();
    let account = site.fund(IN_KEYSTORE.parse().unwrap(), 10);
    let words = ["--keystore", keystore.to_str().unwrap()];
    let environment = [("PROOFMILL_KEYSTORE_PASSWORD_FILE", password.to_str().unwrap())];
    let mut coordinator = site.coordinator(&words, &environment);
    let _exec = site.prover("exec");
    for round in 1..=3 {
        let before = site.tips().0;
        site.load_until("a batch to be settled", |site| site.tips().0 > before);
        // A checkpoint that is proven and not settled; and from then on L1 makes no blocks.
        site.load_until("a transaction that waits", |site| {
            site.ask("evm_setIntervalMining", json!([0]));
            std::thread::sleep(Duration::from_millis(700));
            let waits = site.waits(account);
            if !waits {
                site.ask("evm_setIntervalMining", json!([1]));
            }
            waits
        });
        coordinator.kill();
        if round == 2 {
            // It is included before the next one is there.
            site.ask("evm_mine", json!([]));
        }
        coordinator = site.coordinator(&words, &environment);
        site.ask("evm_setIntervalMining", json!([1]));
    }
    let pending = site.tips().1;
    site.wait_for("everything to be settled", |site| site.tips().0 >= pending);
    site.check_each_once(pending, &[account]);
    assert!(coordinator.terminate(), "{}", site.said("coordinator"));
    assert!(!site.said("coordinator").contains("testpassword"), "the password is in the log");
}

#[test]
fn who_pays_is_asked_for_at_the_start_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let mut command = proofmill(folder.path());
        command.arg("proof-coordinator").args(words).env_remove("PRIVATE_KEY");
        command.args(["--l1-rpc", "http://127.0.0.1:1", "--l2-rpc", "http://127.0.0.1:1"]);
        command.args(["--rollup", "0x00000000000000000000000000000000000000aa"]);
        process::fail(&mut command)
    };
    let said = run(&[]);
    assert!(said.contains("PRIVATE_KEY is not set"), "{said}");
    let said = run(&["--disable-publish"]);
    assert!(said.contains("PRIVATE_KEY is not set"), "a dry run needs a name: {said}");
    let said = run(&["--prove-only"]);
    assert!(said.contains("--prover-id"), "{said}");
    let said = run(&[
        "--prove-only",
        "--prover-id",
        "0x00000000000000000000000000000000000000bb",
        "--disable-publish",
    ]);
    assert!(said.contains("cannot be used with"), "{said}");
    let said = run(&["--keystore", "there"]);
    assert!(
        said.contains("--keystore-password-file") && said.contains("PROOFMILL_KEYSTORE_PASSWORD"),
        "{said}"
    );
    let said = run(&["--web3signer", "http://127.0.0.1:1/a-secret"]);
    assert!(said.contains("--web3signer-account") && !said.contains("a-secret"), "{said}");
    let account = "0x00000000000000000000000000000000000000bb";
    let said = run(&["--web3signer", "http://127.0.0.1:1/a-secret", "--web3signer-account", account]);
    assert!(
        said.contains("the signing service at http://127.0.0.1:1") && !said.contains("a-secret"),
        "{said}"
    );
    let said = run(&["--settle-gas", "7"]);
    assert!(said.contains("--settle-gas"), "{said}");
    for command in ["proof-coordinator", "prover-node", "proposer"] {
        let help = succeed(proofmill(folder.path()).args([command, "--help"]));
        for setting in
            ["--key-file", "--keystore", "--web3signer", "PROOFMILL_WEB3SIGNER_ACCOUNT", "--max-fee"]
        {
            assert!(help.contains(setting), "{command} does not show {setting}:\n{help}");
        }
    }
    let help = succeed(proofmill(folder.path()).args(["proof-coordinator", "--help"]));
    for setting in [
        "--settle-gas",
        "13900000",
        "--settle-bytes",
        "120000",
        "--disable-publish",
        "--prove-only",
        "--attestor",
        "--failures",
    ] {
        assert!(help.contains(setting), "{setting}:\n{help}");
    }
}
